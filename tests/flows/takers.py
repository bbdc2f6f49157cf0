"""Flows that take what Prefect's two checks do not agree upon, and one that reads its delivery."""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from pydantic import BaseModel, Field, model_validator

from hookline.delivery import read_delivery


class Kind(StrEnum):
    """What there is."""

    PAID = "paid"


class Order(BaseModel):
    """An order that may be written as its number alone."""

    no: str

    @model_validator(mode="before")
    @classmethod
    def _by_its_number(cls, raw: Any) -> Any:
        return {"no": raw} if isinstance(raw, str) else raw


@flow(persist_result=False)
async def takes(
    record: str,
    number: int = 0,
    after: timedelta = timedelta(0),
    tags: set[str] | None = None,
    order: Order | None = None,
    price: Decimal = Decimal(0),
    at: datetime | None = None,
    kind: Kind | None = None,
    few: Annotated[int, Field(ge=1)] = 1,
    flag: bool = False,
) -> None:
    """Write down what it was given."""
    _note(record, repr((number, after, sorted(tags or ()), order, price, at, kind, few, flag)))


@flow(persist_result=False)
async def reads(delivery: str, record: str) -> None:
    """Write down what its delivery holds."""
    request = await read_delivery(delivery)
    _note(record, f"{len(request.raw)} {request.body['record'] == record} {request.headers['x-of']}")


def _note(record: str, what: str) -> None:
    Path(record).write_text(what)
