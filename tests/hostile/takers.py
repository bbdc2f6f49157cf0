"""Flows that strangers would like."""

from typing import Annotated, Any

from prefect import flow
from pydantic import AfterValidator


@flow(persist_result=False)
async def takes(delivery: str, data: Any = None) -> None:
    """Take anything."""


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
