"""States, ages and received bytes as people can read them."""

import re
from datetime import datetime

from markupsafe import Markup

KB = 1024
SHOWN_BYTES = 64 * KB

STATES = {
    "waiting": "Waiting",
    "running": "Running",
    "done": "Done",
    "failed": "Failed",
    "uncertain": "Needs a decision",
    "unrouted": "No route",
    "discarded": "Set aside",
}
"""The states of the inbox, as the filter offers them."""

WORDS = STATES | {
    "received": "Waiting",
    "dispatched": "Routed",
    "intended": "Planned",
    "sending": "Being sent",
}

MEANING = {
    "received": "The engine has not looked at it yet.",
    "dispatched": "It was routed; what came of it stands under Runs.",
    "unrouted": "It is kept, but no route of hooks.yaml wanted it.",
    "failed": "It could not be routed. Mend the cause, then replay it.",
    "discarded": "A person set it aside.",
}

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufffe\uffff]"
)
_JSON_PART = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}\[\],:]|[^\s{}\[\],:"]+|\S', re.DOTALL)
_DEEPEST_INDENT = 16


def visible(value: object) -> object:
    """A text whose control and direction characters show instead of act; all other values as they are."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _INVISIBLE.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", value)
    return value


def typed(text: str) -> str:
    """What a person typed or pasted, without the characters that they could not see."""
    return _INVISIBLE.sub("", text).strip()


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


def readable(body: bytes, content_type: str) -> str:
    """The first 64 KB of a body as text, JSON indented; numbers, names and escapes stay as they were sent."""
    text = body[:SHOWN_BYTES].decode(errors="backslashreplace")
    return indented(text) if "json" in content_type.lower() else text


def indented(text: str) -> str:
    """
    JSON with a line for each value, even if it is cut off in the middle.

    It works on the text: reading and writing it again would change numbers and drop repeated names.
    """
    pieces: list[str] = []
    depth, before = 0, ""
    for part in _JSON_PART.findall(text):
        closes = part in {"}", "]"}
        depth -= closes
        if before not in {"{", "["} if closes else before in {"{", "[", ","}:
            pieces.append("\n" + "  " * max(0, min(depth, _DEEPEST_INDENT)))
        pieces.append(": " if part == ":" else part)
        depth += part in {"{", "["}
        before = part
    return "".join(pieces)
