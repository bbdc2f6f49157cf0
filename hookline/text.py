"""
Sanitising of text from outside: from senders, vendors and people.

Stored text passes `storable`, a line on a screen passes `one_line`, and a reason passes `reason`. Nothing else in
Hookline decides which characters may be stored, or shown.
"""

import re
import string
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any

from hookline.redaction import mask

MAX_REASON = 500
"""Characters of a reason: enough to say what happened to what, too few to hold a body."""

REPLACEMENT = "\ufffd"
_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}]")
"""The characters that CommonMark lets a backslash escape; links are made of some of them too."""
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufffe\uffff\U000e0000-\U000e0fff]"
)


def storable(text: str) -> str:
    """Return the text with U+FFFD for what no UTF-8 column holds: NUL and halves of surrogate pairs."""
    return _NOT_STORABLE.sub(REPLACEMENT, text)


def storable_json(value: Any) -> Any:
    """
    Return a JSON value whose texts and names are all `storable`.

    Raises:
        RecursionError: it is nested more deeply than Python goes; bound its depth first.
    """
    match value:
        case str():
            return storable(value)
        case dict():
            return {storable(str(name)): storable_json(inner) for name, inner in value.items()}
        case list() | tuple():
            return [storable_json(inner) for inner in value]
        case _:
            return value


def visible(text: str) -> str:
    """Return the text with control and direction characters shown by their number; line ends and tabs stay."""
    return _INVISIBLE.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", text)


def typed(text: str) -> str:
    """Return what a person typed or pasted, without the characters that they could not see."""
    return _INVISIBLE.sub("", text).strip()


def one_line(text: object, maximum: int | None = None) -> str:
    """
    Return one inert line: white space folded, control characters shown, cut at `maximum` characters.

    An error of the object's own `__str__` is named in place of its text.
    """
    plain = _plain(text)
    if maximum is not None:
        plain = plain[: 4 * maximum]  # the rest would be cut away in the end
    line = visible(" ".join(plain.split()))
    return line if maximum is None or len(line) <= maximum else line[: maximum - 1] + "…"


def markdown(text: object) -> str:
    """Return one line that Markdown shows as it is: no link, picture, HTML, emphasis or table cell comes of it."""
    return _PUNCTUATION.sub(r"\\\g<0>", one_line(text))


def reason(text: object) -> str:
    """
    Return a reason as the inbox stores it: one inert line, no longer than a reason may be.

    Secrets that this process knows are masked before it is cut: a cut one could not be found.
    """
    return one_line(mask(_plain(text)[: 40 * MAX_REASON]), MAX_REASON)


def _plain(text: object) -> str:
    try:
        return str(text)
    except Exception as error:  # noqa: BLE001  (a stranger's object must not break the line that names it)
        return f"{type(text).__name__} (whose text raised {type(error).__name__})"


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that is most like this one, in any case; None if none is."""
    by_lower = {each.lower(): each for each in known}
    found = get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def do_you_mean(name: str, known: Collection[str]) -> str:
    """Return the end of a sentence about an unknown name, which names the nearest known one; "" if none is near."""
    near = nearest(name, known)
    return f" (do you mean {near}?)" if near else ""
