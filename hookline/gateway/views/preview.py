"""A preview of a body: bytes from strangers as text that people can read and no browser acts on."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from hookline.gateway.views.formatting import KB
from hookline.hooks.bodies import MAX_FIELDS, kind

PREVIEW_BYTES = 64 * KB
BINARY_BYTES = 2 * KB

_JSON_PART = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}\[\],:]|[^\s{}\[\],:"]+|\S', re.DOTALL)
_XML_PART = re.compile(r"<[^<>]*>?|[^<]+")
_MAX_INDENT = 16
_ROW = 16
_MAX_CHARACTER = 4  # bytes in UTF-8


@dataclass(frozen=True)
class Preview:
    """The beginning of a body, made readable."""

    form: str
    """The kind of content: `json`, `form`, `xml`, `text` or `binary`."""
    size: int
    """Bytes of the whole."""
    bytes: int
    """Bytes of the beginning."""
    text: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)
    """Of a form, instead of the text."""

    @property
    def is_cut(self) -> bool:
        """Return True if there is more of it."""
        return self.bytes < self.size


def preview(body: bytes, content_type: str) -> Preview:
    """
    Return the first 64 KB of a body as a person can read them, by its content type.

    JSON and XML are indented, and nothing else in them is changed: numbers, names and escapes stay as they were
    sent. Bytes that are no text are shown in hexadecimal.
    """
    beginning, form = body[:PREVIEW_BYTES], kind(content_type)
    text = _text(beginning, is_cut=len(body) > PREVIEW_BYTES)
    if text is None and form == "other" and not content_type.lower().startswith("text/"):
        beginning = body[:BINARY_BYTES]
        return Preview("binary", len(body), len(beginning), hexadecimal(beginning))
    text = beginning.decode(errors="backslashreplace") if text is None else text
    if form == "form" and (fields := _fields(text)):
        return Preview("form", len(body), len(beginning), fields=fields)
    match form:
        case "json":
            return Preview("json", len(body), len(beginning), indented_json(text))
        case "xml":
            return Preview("xml", len(body), len(beginning), indented_xml(text))
        case _:
            return Preview("text", len(body), len(beginning), text)


def indented_json(text: str) -> str:
    """
    Return JSON with a line for each value, even if it is cut off in the middle.

    It works on the text: reading and writing it again would change numbers and drop repeated names.
    """
    pieces: list[str] = []
    depth, before = 0, ""
    for part in _JSON_PART.findall(text):
        closes = part in {"}", "]"}
        depth -= closes
        if before not in {"{", "["} if closes else before in {"{", "[", ","}:
            pieces.append(_line(depth))
        pieces.append(": " if part == ":" else part)
        depth += part in {"{", "["}
        before = part
    return "".join(pieces)


def indented_xml(text: str) -> str:
    """Return XML with a line for each element, even if it is cut off; only the space between elements changes."""
    pieces: list[str] = []
    depth, before = 0, ""
    for part in _XML_PART.findall(text):
        if not part.strip() and before != "text":
            continue
        sort = _sort(part)
        depth -= sort == "close"
        beside_text = "text" in {sort, before} or (before == "open" and sort == "close")
        if pieces and not beside_text:
            pieces.append(_line(depth))
        pieces.append(part)
        depth += sort == "open"
        before = sort
    return "".join(pieces)


def hexadecimal(body: bytes) -> str:
    """Return sixteen bytes a line: the offset, the bytes, and those that are letters."""
    return "\n".join(
        f"{start:08x}  {row.hex(' '):<{3 * _ROW - 1}}  {''.join(map(_letter, row))}"
        for start in range(0, len(body), _ROW)
        for row in [body[start : start + _ROW]]
    )


def _text(body: bytes, *, is_cut: bool) -> str | None:
    """Return bytes as text, if they are one; where they are cut off, the last character may be broken."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        if is_cut and error.start > len(body) - _MAX_CHARACTER:
            return body.decode(errors="backslashreplace")
    return None


def _fields(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, errors="backslashreplace", max_num_fields=MAX_FIELDS)
    except ValueError:
        return []


def _sort(part: str) -> str:
    """Return the sort of a piece of XML: it opens an element, closes one, is both in one, or is text."""
    if not part.startswith("<"):
        return "text"
    if part.startswith("</"):
        return "close"
    return "empty" if part.startswith(("<?", "<!")) or part.endswith("/>") else "open"


def _line(depth: int) -> str:
    return "\n" + "  " * max(0, min(depth, _MAX_INDENT))


def _letter(byte: int) -> str:
    letter = chr(byte)
    return letter if letter.isascii() and letter.isprintable() else "."
