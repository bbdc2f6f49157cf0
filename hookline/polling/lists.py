"""The rows in an answer of a vendor, each checked by itself: one that is wrong spoils no other."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from hookline.clients.operation import Operation
from hookline.errors import HooklineError

_ROWS: Final = ("results", "result")
_TOTAL: Final = "total"


class NoList(HooklineError):
    """An answer has no list where one should be."""


@dataclass(frozen=True)
class Page:
    """The rows of one answer, and how many there are on all pages if the vendor says so."""

    rows: list[Any]
    total: int | None = None


def page_of(operation: Operation[..., Any], answer: Any, place: str | None) -> Page:
    """
    Return the rows of an answer as JSON values: with the names and types that we know, or as they came.

    Args:
        operation: the operation, whose answer's type says what a row is.
        answer: the vendor's JSON.
        place: the name of the list in it, with dots; None: the answer is the list, or has it as vendors do.

    Raises:
        NoList: there is none.
    """
    rows = _at(answer, place) if place else _found(answer)
    if not isinstance(rows, list):
        where = f"at {place!r}" if place else "in it"
        raise NoList(f"The answer of {operation.vendor} {operation.name} has no list {where}.")
    adapter = None if place else _row_type(operation)
    return Page([_checked(adapter, row) for row in rows], _total(answer))


def _at(answer: Any, place: str) -> Any:
    for name in place.split("."):
        answer = _folded(answer).get(name.lower()) if isinstance(answer, Mapping) else None
    return answer


def _found(answer: Any) -> Any:
    if isinstance(answer, Mapping):
        folded = _folded(answer)
        return next((folded[name] for name in _ROWS if name in folded), None)
    return [] if answer is None else answer


def _total(answer: Any) -> int | None:
    if not isinstance(answer, Mapping):
        return None
    total = _folded(answer).get(_TOTAL)
    return total if isinstance(total, int) and not isinstance(total, bool) else None


def _folded(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name).lower(): value for name, value in answer.items()}


def _row_type(operation: Operation[..., Any]) -> TypeAdapter[Any] | None:
    """Return the type of a row: of `list[Row]`, or of a page that is generic in it."""
    kind: Any = operation.answer
    arguments = get_args(kind)
    if not arguments and isinstance(kind, type) and issubclass(kind, BaseModel):
        arguments = kind.__pydantic_generic_metadata__["args"]
    return TypeAdapter(arguments[0]) if arguments else None


def _checked(adapter: TypeAdapter[Any] | None, row: Any) -> Any:
    """Return a row as we know it; one that is wrong as it came, for a person to see."""
    if adapter is not None:
        with suppress(ValidationError):
            return adapter.dump_python(adapter.validate_python(row), mode="json")
    return row
