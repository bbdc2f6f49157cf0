"""Paging: all rows of a list, one at a time, with one page in memory."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar, Final, Generic, ParamSpec, Protocol, TypeVar, cast, overload
from urllib.parse import parse_qs, urlsplit

from hookline.clients.models import Answer, Input
from hookline.clients.operation import Call

SHORT: Final = 100
"""A page with fewer rows is the last: no vendor is known to cut pages shorter than that by itself."""

P = ParamSpec("P")
R = TypeVar("R")
Row_co = TypeVar("Row_co", covariant=True)


class Paged(Input):
    """Inputs of an operation that answers one page at a time."""

    page_size: ClassVar[int | None]
    """Rows on a full page; None where a page that is not full need not be the last."""

    ends_when_empty: ClassVar[bool] = True
    """False where an answer points to the next page, so that an empty page need not be the last."""

    order: ClassVar[dict[str, str]] = {}
    """Inputs that order by a unique key, where the vendor has an order."""

    count: ClassVar[dict[str, Any]] = {}
    """Inputs that ask for the total without rows, where a page does not hold it."""

    @classmethod
    @abstractmethod
    def page(cls, start: int, number: int, before: Any) -> dict[str, Any] | None:
        """
        Return the inputs for a page; None if the page before was the last.

        Args:
            start: how many rows came before it.
            number: which page it is, from 1.
            before: the answer that held the page before; None for the first.
        """


class Sized(Paged):
    """Inputs of a list that may be asked for so many rows on a page."""

    page_size: ClassVar[int | None] = None  # the vendor may send fewer rows than it was asked for
    size_input: ClassVar[str] = ""
    size: ClassVar[int] = 0

    @classmethod
    def _size(cls) -> dict[str, Any]:
        return {cls.size_input: cls.size} if cls.size_input else {}


class PageNumbers(Sized):
    """Inputs of a list whose pages have numbers."""

    number_input: ClassVar[str]
    first_page: ClassVar[int] = 1

    @classmethod
    def page(cls, start: int, number: int, before: Any) -> dict[str, Any]:
        """Return the number of the page, and the rows on it."""
        del start, before
        return {cls.number_input: cls.first_page + number - 1} | cls._size()


class Offsets(Sized):
    """Inputs of a list of which a page begins after so many rows."""

    offset_input: ClassVar[str]

    @classmethod
    def page(cls, start: int, number: int, before: Any) -> dict[str, Any]:
        """Return the number of rows before the page, and the rows on it."""
        del number, before
        return {cls.offset_input: start} | cls._size()


class Cursors(Sized):
    """Inputs of a list of which each page names the next one, by a cursor or an address that holds it."""

    cursor_input: ClassVar[str]
    next_in: ClassVar[str]
    """The place of it in the answer, as the vendor spells it: `meta.next`."""
    ends_when_empty: ClassVar[bool] = False

    @classmethod
    def page(cls, start: int, number: int, before: Any) -> dict[str, Any] | None:
        """Return the cursor of the next page; None at the end."""
        del start, number
        if before is None:
            return cls._size()
        value: Any = before.model_dump(mode="json", by_alias=True)
        for name in cls.next_in.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        field = cls.model_fields[cls.cursor_input]
        if isinstance(value, str) and (query := parse_qs(urlsplit(value).query)):
            value = query.get(field.serialization_alias or cls.cursor_input, [None])[0]
        return {cls.cursor_input: value} | cls._size() if value else None


class Rows(Answer, Generic[R]):
    """A page of a list, whose rows are in one of its fields."""

    rows_in: ClassVar[str]
    total_in: ClassVar[str] = ""
    """The field with the number of rows on all pages."""

    @property
    def Results(self) -> list[R]:  # noqa: N802
        """Return the rows of this page."""
        rows: list[R] = getattr(self, self.rows_in)
        return rows

    @property
    def Total(self) -> int | None:  # noqa: N802
        """Return the number of rows on all pages, if the vendor gives it."""
        total = getattr(self, self.total_in) if self.total_in else None
        return total if isinstance(total, int) else None


class Page(Protocol[Row_co]):
    """An answer with rows, and the total on all pages if the vendor gives it."""

    @property
    def Results(self) -> Sequence[Row_co]:  # noqa: N802  (Jiwa's word)
        """Return the rows of this page."""

    @property
    def Total(self) -> int | None:  # noqa: N802
        """Return the number of rows on all pages."""


@overload
def pages(call: Call[P, list[R]], *args: P.args, **inputs: P.kwargs) -> AsyncIterator[R]: ...
@overload
def pages(call: Call[P, Page[R]], *args: P.args, **inputs: P.kwargs) -> AsyncIterator[R]: ...
async def pages(call: Any, *args: Any, **inputs: Any) -> AsyncIterator[Any]:
    """
    Yield every row of a list; each page is fetched when the loop reaches it.

    Use it as `async for row in pages(client.query_debtors, AccountNo="1001")`.

    Ends after an empty page (unless it points to another), a page that brings nothing new, a page after which
    the vendor's total is reached, or, where there is no total, a page that is not full. A total that needs a call of
    its own is asked for only if the first page is long enough to have another after it. Rows may shift between pages:
    expect to see one twice.

    Raises:
        TypeError: the operation does not answer in pages.
        InvalidInput: an input is wrong.
        VendorError: a page could not be read.
    """
    paged = call.operation.input
    if not issubclass(paged, Paged):
        raise TypeError(f"{call.operation!r} does not answer in pages.")
    inputs = paged.order | inputs
    total, seen, number, answer, last_rows = None, 0, 1, None, None
    while total is None or seen < total:
        place = paged.page(seen, number, answer)
        if place is None:
            return
        answer = await call(*args, **(inputs | place))
        rows, page_total = _rows(answer)
        if (not rows and paged.ends_when_empty) or (rows and rows == last_rows):
            return
        for row in rows:
            yield row
        total = page_total if page_total is not None else total
        if total is None and paged.count:
            if len(rows) < min(SHORT, paged.page_size or SHORT):
                return
            total = _rows(await call(*args, **(inputs | paged.count)))[1]
        seen, number, last_rows = seen + len(rows), number + 1, rows
        if total is None and paged.page_size is not None and len(rows) < paged.page_size:
            return


def _rows(answer: Any) -> tuple[Sequence[Any], int | None]:
    if isinstance(answer, list):
        return answer, None
    page = cast("Page[Any]", answer)
    return page.Results, page.Total
