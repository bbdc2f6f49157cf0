"""Lists in pages: by number, by offset, by cursor, by the Link header, or by an address in the answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import httpx

from hookline.clients.errors import NotFound, UnexpectedAnswer
from hookline.clients.http.addresses import address_of
from hookline.clients.http.client import HttpClient
from hookline.clients.http.models import Read

MAX_ITEMS: Final = 10_000
MAX_PAGES: Final = 1_000

Style = Literal["page", "offset", "cursor", "link", "next"]


@dataclass(frozen=True)
class Pages:
    """
    How a list comes in pages.

    Attributes:
        style: `page` counts pages, `offset` counts items, `cursor` hands on what the answer holds at `at`, `next`
            goes to the address that it holds there, and `link` to that of the header `Link` with the relation `next`.
        items: where the list is in an answer, such as `data.rows`; "": the answer is the list.
        at: where the cursor or the address of the next page is.
        param: the parameter of the page, offset or cursor.
        size: items on a full page, where `size_param` asks for it.
        size_param: the parameter that asks for so many items.
        first: the number of the first page.
        max_items: the most items that are read; a longer list is an error, for half of it would be wrong.
    """

    style: Style
    items: str = ""
    at: str = ""
    param: str = ""
    size: int = 100
    size_param: str = ""
    first: int = 1
    max_items: int = MAX_ITEMS

    def __post_init__(self) -> None:
        if self.style in ("cursor", "next") and not self.at:
            raise TypeError(f"Pages by {self.style} need `at`: where the answer has it, such as `meta.next`.")
        if self.style in ("page", "offset", "cursor") and not self.param:
            raise TypeError(f"Pages by {self.style} need `param`: the parameter of the address.")


async def all_items(client: HttpClient, first: Read, pages: Pages) -> list[Any]:
    """
    Read all items of a list.

    Ends after an empty page, one that is shorter than the first where `size_param` asked for a size, or one that points
    to no other. A short first page is no end: vendors make pages smaller than is asked for. Items may shift between
    pages: expect to see one twice.

    Raises:
        UnexpectedAnswer: the list is not where `items` says, does not end, or is longer than it may be.
        VendorError: a page could not be read.
    """
    found: list[Any] = []
    inputs: Read | None = _page(first, pages, 0, 0)
    last: list[Any] | None = None
    places = set()
    full = 0
    for number in range(1, MAX_PAGES + 1):
        assert inputs is not None  # noqa: S101  (see the end)
        try:
            answer = await client.call(inputs, repeat="safe")
        except NotFound:
            if number > 1 and pages.style in (
                "page",
                "offset",
            ):  # so some vendors answer behind the last page
                return found
            raise
        rows = _rows(client, inputs, answer, pages.items)
        full = full or len(rows)
        if rows and rows == last and pages.style in ("page", "offset"):  # the parameter is not known there
            return found
        found += rows
        if len(found) > pages.max_items:
            raise _wrong(client, first, f"the list has more than {pages.max_items} items: filter it")
        if pages.style in ("page", "offset") and (not rows or (pages.size_param and len(rows) < full)):
            return found
        inputs = _following(client, first, inputs, pages, answer, number, len(found))
        if inputs is None:
            return found
        place = (inputs.path, str(sorted(inputs.params.items(), key=str)))
        if place in places:
            raise _wrong(client, first, "its pages lead in a circle")
        places.add(place)
        last = rows
    raise _wrong(client, first, f"the list has more than {MAX_PAGES} pages: filter it")


def at(value: Any, place: str) -> Any:
    """Return what is at a place such as `data.0.id`; raise LookupError that names the part that is not there."""
    done = ""
    for name in filter(None, place.split(".")):
        match value:
            case Mapping() if name in value:
                value = value[name]
            case list() if name.isdecimal() and int(name) < len(value):
                value = value[int(name)]
            case Mapping():
                there = ", ".join(sorted(map(str, value))[:20]) or "nothing"
                raise LookupError(f"{done or 'it'} has no {name}; there is: {there}")
            case list():
                raise LookupError(f"{done or 'it'} has no {name}; it is a list of {len(value)}")
            case _:
                raise LookupError(f"{done or 'it'} has no {name}; it is {_kind(value)}")
        done = f"{done}.{name}" if done else name
    return value


def _kind(value: Any) -> str:
    names = {type(None): "null", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "something else")


def _rows(client: HttpClient, inputs: Read, answer: Any, items: str) -> list[Any]:
    try:
        rows = at([] if answer is None and not items else answer, items)
    except LookupError as error:
        raise _wrong(client, inputs, f"the list is not where it should be: {error}") from None
    if rows is None:
        return []
    if not isinstance(rows, list):
        raise _wrong(
            client, inputs, f"{items or 'the answer'} is {_kind(rows)}, and no list: name it by `items`"
        )
    return rows


def _page(first: Read, pages: Pages, number: int, seen: int) -> Read:
    """Return the inputs of a page that is known by its number or offset."""
    params = dict(first.params)
    if pages.size_param:
        params[pages.size_param] = pages.size
    if pages.style == "page":
        params[pages.param] = pages.first + number
    if pages.style == "offset":
        params[pages.param] = seen
    return first.model_copy(update={"params": params})


def _following(
    client: HttpClient,
    first: Read,
    current: Read,
    pages: Pages,
    answer: Any,
    number: int,
    seen: int,
) -> Read | None:
    """Return the inputs of the next page; None after the last."""
    match pages.style:
        case "page" | "offset":
            return _page(first, pages, number, seen)
        case "cursor":
            cursor = _pointer(answer, pages.at)
            page = _page(first, pages, number, seen)
            return page.model_copy(update={"params": page.params | {pages.param: cursor}}) if cursor else None
        case "link":
            address = client.links.get("next", "")
        case _:
            address = _pointer(answer, pages.at)
    if not address:
        return None
    here = httpx.URL(address_of(client.base_url, current.path))
    # It has the parameters of the first call already, and may be relative.
    return current.model_copy(update={"path": str(here.join(address)), "params": {}})


def _pointer(answer: Any, place: str) -> str:
    """Return the cursor or address of the next page; "" where the answer leaves it out, or says false."""
    try:
        found = at(answer, place)
    except LookupError:
        return ""
    return "" if found in (None, False) else str(found)


def _wrong(client: HttpClient, inputs: Read, detail: str) -> UnexpectedAnswer:
    operation = HttpClient.read.of(inputs, "safe", client)
    error = operation.error(UnexpectedAnswer, None, detail)
    error.transient = False  # it would be the same again
    return error
