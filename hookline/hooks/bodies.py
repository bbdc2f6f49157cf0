"""Parsing of bodies: JSON, a form, a form with files, XML, or text."""

import codecs
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from types import SimpleNamespace
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import parse_qsl
from xml.parsers import expat

import xmltodict
from multipart import MultipartError, MultipartParser, parse_options_header

from hookline.hooks.limits import MAX_DEPTH, deeper_than

Kind: TypeAlias = Literal["json", "form", "xml", "multipart", "other"]
Fields: TypeAlias = dict[str, Any]

_KINDS: Final[dict[str, Kind]] = {
    "application/x-www-form-urlencoded": "form",
    "multipart/form-data": "multipart",
}

_OF_PYTHON: Final = {
    "idna",
    "mbcs",
    "oem",
    "palmos",
    "punycode",
    "raw-unicode-escape",
    "undefined",
    "unicode-escape",
}
"""Codecs for other ends than mail and forms; to read `punycode` takes the square of its length."""
MAX_FIELDS = 1_000
TOO_DEEP = f"more than {MAX_DEPTH} values within each other"


class _OddNumber(ValueError):
    """A number that Python accepts and JSON does not have."""


def kind(content_type: str) -> Kind:
    """Return the kind of content that a `Content-Type` names."""
    media = content_type.partition(";")[0].strip().lower()
    if media in {"application/json", "text/json"} or media.endswith("+json"):
        return "json"
    if media in {"application/xml", "text/xml"} or media.endswith("+xml"):
        return "xml"
    return _KINDS.get(media, "other")


@dataclass(frozen=True)
class Reading:
    """How the bodies of a source are read, where that is not as their content type says."""

    kind: Kind | None = None
    """Whatever the content type names."""
    charset: str | None = None
    """Of texts; unless given, what the content type names, else UTF-8."""
    charset_field: str | None = None
    """The field of a form that names the charset, or as JSON that of each field."""
    json_fields: tuple[str, ...] = ()
    """Fields whose text is JSON."""

    def kind_of(self, content_type: str) -> Kind:
        """Return the kind as which a body of this content type is read."""
        return self.kind or kind(content_type)

    def written_as(self, content_type: str) -> str:
        """Return as what a body of this content type is read, and in which charset; empty for JSON, which is UTF-8."""
        kind = self.kind_of(content_type)
        charset = None if kind == "json" or self.charset else parameter(content_type, "charset")
        return " ".join(each for each in ("" if kind == "json" else kind, (charset or "").lower()) if each)

    def charset_of(self, content_type: str) -> str | None:
        """Return the charset as which a body of this content type is read, where it is not that of its kind."""
        return self.charset or parameter(content_type, "charset")

    def parse(self, content_type: str, body: bytes) -> Any:
        """
        Parse a body.

        Returns:
            Of JSON its value; of a form a mapping (a repeated field is a list), in which a file is a mapping of its
            `filename`, `content_type` and `size`; of XML what xmltodict makes of it; of anything else its text.

        Raises:
            ValueError: it cannot be read so; says why in words for people.
        """
        charset = self.charset_of(content_type)
        if charset and self.kind_of(content_type) != "json":
            _require_charset(charset)
        match self.kind_of(content_type):
            case "json":
                # JSON is UTF-8 whatever a header says (RFC 8259), unless a person says otherwise.
                value = _json(body if self.charset is None else _decoded(body, self.charset))
            case "form":
                value = self._in_charset(lambda named: _form(body, named), charset)
            case "multipart":
                parts = list(parts_of(content_type, body))
                value = self._in_charset(lambda named: _fields(parts, named), charset)
            case "xml":
                value = _xml(body, charset)
            case _:
                value = body.decode(charset or "utf-8", errors="replace")
        return self._with_json(value)

    def _in_charset(self, read: Callable[[str | Mapping[str, str]], Fields], charset: str | None) -> Fields:
        """Return the fields of a form, read in the charset that one of them names, if one does."""
        if self.charset_field is None:
            return read(charset or "utf-8")
        # Latin-1 reads any bytes, and names of charsets are ASCII.
        named = read("latin-1").get(self.charset_field)
        if not isinstance(named, str) or not named:
            return read(charset or "utf-8")
        if not named.lstrip().startswith("{"):
            _require_charset(named)
            return read(named)
        of_fields = _json(named.encode("latin-1"))
        charsets = defaultdict(
            lambda: charset or "utf-8", {name: str(each) for name, each in of_fields.items()}
        )
        for each in charsets.values():
            _require_charset(each)
        return read(charsets)

    def _with_json(self, value: Any) -> Any:
        """Return the body with the values of those fields in place of their texts; a text that is no JSON stays."""
        if not isinstance(value, dict):
            return value
        for name in self.json_fields:
            if isinstance(text := value.get(name), str):
                with suppress(ValueError):
                    value[name] = _json(text.encode(errors="surrogatepass"))
        return value


AS_NAMED: Final = Reading()
"""As the content type says."""


@dataclass(frozen=True)
class Part:
    """One part of a form with files."""

    name: str
    filename: str | None
    content_type: str
    content: bytes


def parts_of(content_type: str, body: bytes) -> Iterator[Part]:
    """Yield the parts of a `multipart/form-data` body; raises ValueError, for people."""
    if not (boundary := parameter(content_type, "boundary")):
        raise ValueError("The body is not a form with parts: its content type names no boundary.")
    # The body is in memory already, so nothing needs to go to the disk.
    size = len(body) + 1
    parser = MultipartParser(
        BytesIO(body), boundary, strict=True, part_limit=MAX_FIELDS, spool_limit=size, memory_limit=size
    )
    try:
        for part in parser:
            yield Part(part.name or "", part.filename, part.content_type, part.raw)
    except (MultipartError, ValueError, LookupError) as error:
        why = error.args[0] if error.args else type(error).__name__
        raise ValueError(f"The body is not a form with parts: {why}.") from None


def parameter(content_type: str, name: str) -> str | None:
    """Return a parameter of a `Content-Type`, such as its charset."""
    _, parameters = parse_options_header(content_type)
    return parameters.get(name) or None


def _require_charset(name: str) -> None:
    try:
        codec = codecs.lookup(name)
        is_text = codec._is_text_encoding and codec.name not in _OF_PYTHON  # noqa: SLF001  (zip, too, is a codec)
    except (LookupError, ValueError):
        is_text = False
    if not is_text:
        raise ValueError(f"There is no charset {name[:40]!r}.")


def _decoded(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset)
    except ValueError as error:
        raise ValueError(f"The body is not {charset}: {error}.") from None


def _fields(parts: Sequence[Part], charset: str | Mapping[str, str]) -> Fields:
    return _joined(
        (
            part.name,
            _decoded(part.content, charset if isinstance(charset, str) else charset[part.name])
            if part.filename is None
            else {"filename": part.filename, "content_type": part.content_type, "size": len(part.content)},
        )
        for part in parts
    )


def _joined(fields: Iterable[tuple[str, Any]]) -> Fields:
    """Return fields by name; a repeated one is a list."""
    repeated: dict[str, list[Any]] = {}
    for name, value in fields:
        repeated.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in repeated.items()}


def _json(body: bytes | str) -> Any:
    try:
        value = json.loads(body, parse_float=_finite, parse_constant=_no_number)
    except RecursionError:
        raise ValueError(f"The body is not JSON that we accept: {TOO_DEEP}.") from None
    except (json.JSONDecodeError, UnicodeDecodeError, _OddNumber) as error:
        raise ValueError(f"The body is not JSON: {error}.") from None
    except ValueError:  # Python's own limit of digits in a number
        raise ValueError("The body is not JSON that we accept: a number has too many digits.") from None
    text = body if isinstance(body, str) else body.decode("latin-1")
    brackets = text.count("{") + text.count("[")  # the depth is no larger; most bodies need no closer check
    if brackets > MAX_DEPTH and deeper_than(value, MAX_DEPTH):
        raise ValueError(f"The body is not JSON that we accept: {TOO_DEEP}.")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _OddNumber(f"{text[:20]} is larger than any number that can be stored")
    return number


def _no_number(name: str) -> float:
    raise _OddNumber(f"{name} is not a number of JSON")


def _form(body: bytes, charset: str | Mapping[str, str]) -> Fields:
    try:
        fields = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            encoding=charset if isinstance(charset, str) else "latin-1",
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
        if not isinstance(charset, str):
            fields = [_in_its_charset(name, value, charset) for name, value in fields]
    except ValueError as error:
        raise ValueError(f"The body is not a form: {error}.") from None
    return _joined(fields)


def _in_its_charset(name: str, value: str, charsets: Mapping[str, str]) -> tuple[str, str]:
    """Return a field that was read as latin-1, which is its bytes, in the charset of its name."""
    name = name.encode("latin-1").decode()
    return name, value.encode("latin-1").decode(charsets[name])


def _xml(body: bytes, charset: str | None) -> dict[str, Any]:
    """Parse XML; a charset wins over the one that it declares."""
    content = body if charset is None else _decoded(body, charset).encode(errors="surrogatepass")
    try:
        parsed: dict[str, Any] = xmltodict.parse(
            content,
            encoding=None if charset is None else "utf-8",
            expat=_EXPAT,
            postprocessor=_not_too_deep,
        )
    except (ValueError, LookupError, expat.ExpatError) as error:  # LookupError: an unknown encoding
        raise ValueError(f"The body is not XML that we accept: {error}.") from None
    return parsed


def _parser(encoding: str | None, namespace_separator: str | None) -> expat.XMLParserType:
    """Return an expat parser that refuses a document type: its entities make gigabytes of a few bytes."""
    parser = expat.ParserCreate(encoding, namespace_separator)
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


_EXPAT = SimpleNamespace(ParserCreate=_parser)
"""The part of a parser's module that xmltodict needs."""


def _refuse_doctype(*_declared: object) -> None:
    raise ValueError("it has a DOCTYPE, which is refused")


def _not_too_deep(path: Sequence[object], key: str, value: Any) -> tuple[str, Any]:
    if len(path) > MAX_DEPTH:
        raise ValueError(f"more than {MAX_DEPTH} elements within each other")
    return key, value
