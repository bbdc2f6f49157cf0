"""States, ages and sizes as people say them."""

from datetime import datetime

from markupsafe import Markup

from hookline.states import STATES
from hookline.text import visible

KB = 1024

WORDS = {name: state.word for name, state in STATES.items()} | {
    "sending": "Being sent",
    "paused": "Paused",
    "resumed": "Resumed",
}
"""What a chip says of a state, or of what happened to a source."""

ALTERED = {
    "redacted": "Chosen values were taken out before it was kept.",
    "encrypted": "It is encrypted on disk, and opened for this page.",
}
"""What was done to a body that is shown."""


def shown(value: object) -> object:
    """Return a text with its control and direction characters shown; all other values as they are."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def age(then: datetime, now: datetime) -> str:
    """How long ago, roughly."""
    seconds = (now - then).total_seconds()
    for unit, length, upto in (("s", 1, 60), ("min", 60, 60), ("h", 3600, 48)):
        if seconds < length * upto:
            return "just now" if seconds < 1 else f"{int(seconds / length)} {unit} ago"
    return f"{int(seconds / 86_400)} days ago"


def moment(then: datetime) -> str:
    """A point in time, to the second; the database speaks UTC."""
    return f"{then:%Y-%m-%d %H:%M:%S}"


def size(count: int) -> str:
    """A number of bytes."""
    if count < KB:
        return "1 byte" if count == 1 else f"{count} bytes"
    return f"{count / KB:.1f} KB" if count < KB**2 else f"{count / KB**2:.1f} MB"


def number(count: int) -> str:
    """A number that may be large."""
    return f"{count:,}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """A number of things, such as `1 delivery` and `2,000 deliveries`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
