"""Formatting for people: states, ages, sizes and numbers."""

from datetime import datetime

from markupsafe import Markup

from hookline.states import STATES
from hookline.text import visible

KB = 1024

WORDS = {name: state.word for name, state in STATES.items()} | {
    "sending": "Being sent",
    "copied": "Copied",
    "listened": "Listened to",
    "not listened": "No longer listened to",
    "paused": "Paused",
    "resumed": "Resumed",
}
"""The word of a chip: of a state, or of what else happened to a delivery or a source."""

ALTERED = {
    "redacted": "Some values were removed before it was stored.",
    "encrypted": "It is encrypted on disk, and decrypted for this page.",
}
"""The ways in which a stored body differs from the one that came."""


def escaped(value: object) -> object:
    """Return a text with its control and direction characters made visible; all other values as they are."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def age(then: datetime, now: datetime) -> str:
    """Return how long ago a time was, roughly."""
    seconds = (now - then).total_seconds()
    for unit, length, upto in (("s", 1, 60), ("min", 60, 60), ("h", 3600, 48)):
        if seconds < length * upto:
            return "just now" if seconds < 1 else f"{int(seconds / length)} {unit} ago"
    return f"{int(seconds / 86_400)} days ago"


def size(count: int) -> str:
    """Return a number of bytes, with a unit."""
    if count < KB:
        return "1 byte" if count == 1 else f"{count} bytes"
    return f"{count / KB:.1f} KB" if count < KB**2 else f"{count / KB**2:.1f} MB"


def number(count: int) -> str:
    """Return a number with separators of thousands."""
    return f"{count:,}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return a number of things, such as `1 delivery` and `2,000 deliveries`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
