"""Flows that strangers would like."""

from typing import Annotated, Any

from prefect import flow
from prefect.states import Completed, State
from pydantic import AfterValidator


@flow(persist_result=False)
async def takes(delivery: str, data: Any = None) -> None:
    """Take anything."""


@flow(persist_result=False)
async def says(text: str) -> State[Any]:
    """End well, in words that a stranger chose."""
    return Completed(name=text[:50] or None, message=text)


@flow(persist_result=False)
async def fails(text: str) -> None:
    """End badly, in words that a stranger chose."""
    raise RuntimeError(text)


def _check(value: str) -> str:
    if value == "KeyError":
        raise KeyError(value)
    if value == "OSError":
        raise OSError(value)
    if value == "SystemExit":
        raise SystemExit(value)
    return value


@flow(persist_result=False)
async def typed(value: Annotated[str, AfterValidator(_check)]) -> None:
    """Has a validator that raises what it likes."""


@flow(persist_result=False)
async def counted(number: int, texts: list[str], half: float = 0.5) -> None:
    """Takes numbers and texts only."""
