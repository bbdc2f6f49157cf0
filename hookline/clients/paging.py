"""All rows of a list, one at a time, holding one page in memory."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar, ParamSpec, Protocol, TypeVar, cast, overload

from hookline.clients.models import Input
from hookline.clients.operation import Call

P = ParamSpec("P")
R = TypeVar("R")
Row_co = TypeVar("Row_co", covariant=True)


class Paged(Input):
    """Inputs of an operation that answers a page at a time."""

    page_size: ClassVar[int]
    order: ClassVar[dict[str, str]] = {}  # inputs that order by a unique key, where the vendor has an order

    @classmethod
    @abstractmethod
    def page(cls, start: int, number: int) -> dict[str, Any]:
        """The inputs for a page: `start` rows came before it, and it is the `number`th, from 1."""


class Page(Protocol[Row_co]):
    """An answer with rows, and how many there are in all if the vendor says so."""

    @property
    def Results(self) -> Sequence[Row_co]:  # noqa: N802  (Jiwa's word)
        """The rows of this page."""

    @property
    def Total(self) -> int | None:  # noqa: N802
        """How many rows there are on all pages."""


@overload
def pages(call: Call[P, list[R]], *args: P.args, **inputs: P.kwargs) -> AsyncIterator[R]: ...
@overload
def pages(call: Call[P, Page[R]], *args: P.args, **inputs: P.kwargs) -> AsyncIterator[R]: ...
async def pages(call: Any, *args: Any, **inputs: Any) -> AsyncIterator[Any]:
    """
    Every row of a list, fetched a page at a time while the loop goes on.

    Say `async for row in pages(client.query_debtors, AccountNo="1001")`.

    Ends after an empty page, a page that brings nothing new, a page after which the vendor's total is
    reached, or, where the vendor tells no total, a page that is not full. Rows may shift between pages:
    expect to see one twice.

    Raises:
        InvalidInput: the operation does not answer in pages, or an input is wrong.
        VendorError: a page could not be read.
    """
    paged = call.operation.input
    if not issubclass(paged, Paged):
        raise TypeError(f"{call.operation!r} does not answer in pages.")
    inputs = paged.order | inputs
    seen, number, last_page = 0, 1, None
    while True:
        answer = await call(*args, **(inputs | paged.page(seen, number)))
        rows, total = _rows(answer)
        if not rows or rows == last_page:
            return
        for row in rows:
            yield row
        seen, number, last_page = seen + len(rows), number + 1, rows
        if seen >= total if total is not None else len(rows) < paged.page_size:
            return


def _rows(answer: Any) -> tuple[Sequence[Any], int | None]:
    if isinstance(answer, list):
        return answer, None
    page = cast("Page[Any]", answer)
    return page.Results, page.Total
