"""How a list comes in pages, recognised where its form is usual."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from hookline.new_vendor.document import Document, LeftOut
from hookline.new_vendor.names import snake
from hookline.new_vendor.spec import Call, Parameter

NUMBERS: Final = ("page", "pagenumber", "pageno", "currentpage")
OFFSETS: Final = ("offset", "skip", "start", "startindex", "startat")
CURSORS: Final = (
    "cursor",
    "pagetoken",
    "nexttoken",
    "continuationtoken",
    "nextpagetoken",
    "after",
    "nextcursor",
)
SIZES: Final = ("perpage", "pagesize", "limit", "size", "top", "maxresults", "count", "pagelimit")
NEXT: Final = (
    "nextcursor", "nextpagetoken", "nexttoken", "continuationtoken", "next", "nextpage", "after", "cursor",
)  # fmt: skip
MORE: Final = (
    "hasmore", "hasnext", "hasnextpage", "nextpageurl", "nexturl", "nextlink", "nextpagelink", "nextrecordsurl",
    "totalpages", "pagecount", "pages", "lastpage", "currentpage", "islastpage", "last", "pageinfo", "pagination",
)  # fmt: skip
"""Fields of an answer that is one of several pages."""
TOTALS: Final = ("total", "totalcount", "totalresults", "totalitems", "totalrecords", "totalsize")
ROWS: Final = (
    "data",
    "items",
    "results",
    "result",
    "records",
    "rows",
    "entries",
    "values",
    "content",
    "list",
)
USUAL_SIZE: Final = 100
MAX_SIZE: Final = 1000
_MAX_DEPTH: Final = 2


@dataclass(frozen=True)
class Paging:
    """The rows of an answer, and how to reach the next ones."""

    has_rows: bool = False
    items: dict[str, Any] = field(default_factory=dict)
    """The schema of a row."""
    rows: str = ""
    """The field that holds the rows; "": the answer is the list itself."""
    total: str = ""
    base: str = ""
    """The base of the model of its inputs; "": it does not come in pages, or nobody knows how."""
    variables: dict[str, str | int] = field(default_factory=dict)
    is_whole: bool = False
    """True for a list that nothing divides into pages."""
    note: str = ""

    @property
    def is_complete(self) -> bool:
        """Return True if every row can be read."""
        return self.has_rows and (self.is_whole or bool(self.base))


def paging_of(call: Call, document: Document) -> Paging:
    """Return how the answer of a call holds rows."""
    if call.answer is None or call.verb != "GET":
        return Paging()
    try:
        found = _rows(call, document)
    except LeftOut:
        return Paging()
    if found is None:
        return Paging()
    rows, items, properties = found
    total = next((name for name in properties if _plain(name) in TOTALS), "")
    base, variables = _way(call, document, rows, properties)
    names = {_plain(each.name) for each in call.inputs("query")}
    of_more = {_plain(name) for name in properties} & set(MORE) or (rows and _next(properties, document))
    is_whole = not (base or of_more or names & {*NUMBERS, *OFFSETS, *CURSORS, *SIZES})
    note = "" if base or is_whole else "Its pages have no usual form: only the first is read."
    return Paging(True, items, rows, total if base else "", base, variables, is_whole, note)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _rows(call: Call, document: Document) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
    """Return the field of the rows, the schema of a row, and the fields of the answer."""
    schema = document.resolve(call.answer)
    if schema.get("type") == "array" and isinstance(schema.get("items"), dict):
        return "", schema["items"], {}
    properties = _all_properties(schema, document)
    lists = {}
    for name, each in properties.items():
        inner = _resolved(each, document)
        if inner.get("type") == "array" and isinstance(inner.get("items"), dict):
            lists[name] = inner["items"]
    last = next((part for part in reversed(call.path.split("/")) if part and "{" not in part), "")
    if call.ends_in_key:
        lists = {name: each for name, each in lists.items() if name.lower() == last.lower()}
    tests: tuple[Callable[[str], bool], ...] = (
        lambda name: snake(name) == snake(last),
        lambda name: _plain(name) in ROWS,
        lambda _name: len(lists) == 1 and len(properties) <= len(TOTALS) and not call.ends_in_key,
    )
    chosen = next((name for test in tests for name in lists if test(name)), None)
    if chosen is None or (call.ends_in_key and "id" in {_plain(name) for name in properties}):
        return None
    return chosen, lists[chosen], properties


def _way(
    call: Call, document: Document, rows: str, properties: dict[str, Any]
) -> tuple[str, dict[str, str | int]]:
    """Return the base of the inputs and its variables; "" if no form is recognised."""
    inputs = {_plain(each.name): each for each in call.inputs("query")}

    def first(names: tuple[str, ...]) -> Parameter | None:
        return next((inputs[name] for name in names if name in inputs), None)

    size: dict[str, str | int] = {}
    if (size_input := first(SIZES)) is not None:
        size = {"size_input": size_input.name, "size": _size(size_input, document)}
    next_field = _next(properties, document) if rows else ""
    if (cursor := first(CURSORS)) is not None and next_field:
        return "Cursors", {"cursor_input": cursor.name, "next_in": next_field} | size
    if (number := first(NUMBERS)) is not None:
        start: dict[str, str | int] = {"first_page": 0} if _begins_at_zero(number, document) else {}
        return "PageNumbers", {"number_input": number.name} | start | size
    if (offset := first(OFFSETS)) is not None:
        return "Offsets", {"offset_input": offset.name} | size
    return "", {}


def _begins_at_zero(number: Parameter, document: Document) -> bool:
    """Return True if the first page is 0: its default says so, or the lowest number, or the text."""
    schema = _resolved(number.schema, document) | number.schema
    first = schema.get("default", schema.get("minimum"))
    return first == 0 or (
        first is None and re.search(r"(?i)zero.based|0.based|0\.\.N", number.about) is not None
    )


def _size(parameter: Parameter, document: Document) -> int:
    schema = _resolved(parameter.schema, document)
    maximum = schema.get("maximum", parameter.schema.get("maximum"))
    if isinstance(maximum, int) and not isinstance(maximum, bool) and maximum > 0:
        return min(maximum, MAX_SIZE)
    default = schema.get("default", parameter.schema.get("default"))
    if isinstance(default, int) and not isinstance(default, bool) and 0 < default <= MAX_SIZE:
        return default
    return USUAL_SIZE


def _next(properties: dict[str, Any], document: Document) -> str:
    """Return the place of the next page's cursor or address in the answer, such as `meta.next`."""
    level = [("", properties)]
    for _ in range(_MAX_DEPTH):
        inner = []
        for path, fields in level:
            by_name = {_plain(name): name for name in fields}
            if found := next((by_name[name] for name in NEXT if name in by_name), None):
                return f"{path}{found}"
            inner += [
                (f"{path}{name}.", _all_properties(_resolved(each, document), document))
                for name, each in fields.items()
            ]
        level = inner
    return ""


def _resolved(raw: Any, document: Document) -> dict[str, Any]:
    try:
        return document.resolve(raw)
    except LeftOut:
        return {}


def _all_properties(schema: dict[str, Any], document: Document, depth: int = 0) -> dict[str, Any]:
    found = schema.get("properties")
    properties = dict(found) if isinstance(found, dict) else {}
    parts = schema.get("allOf")
    if isinstance(parts, list) and depth < _MAX_DEPTH:
        for part in parts:
            properties |= _all_properties(_resolved(part, document), document, depth + 1)
    return properties
