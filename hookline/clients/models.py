"""Base models of inputs and answers for all vendors, and types for the odd values that vendors use."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    model_validator,
)

R = TypeVar("R")

_NEVER_YEARS = (1, 1900)  # Jiwa's and Zentitle's "not set": 0001-01-01 and 1900-01-01
MAX_AMOUNT = 10**15
_TICKS = re.compile(r"/Date\((-?\d{1,16})[^)]*\)/")


class Input(BaseModel):
    """The inputs of an operation, spelt as the vendor spells them; one that is None is not sent."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True, defer_build=True
    )

    sent_in_query: ClassVar[tuple[str, ...]] = ()
    """Inputs, as the vendor spells them, that go into the address where the others go into the body."""
    sent_in_headers: ClassVar[tuple[str, ...]] = ()
    """Inputs that go into headers."""
    sent_alone: ClassVar[str] = ""
    """The input that is the whole body."""

    def values(self) -> dict[str, Any]:
        """Return the inputs as JSON values, without those that are None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def secrets(self) -> list[str]:
        """Return the values that must not be shown."""
        return [value.get_secret_value() for _, value in self if isinstance(value, SecretStr)]


def spelt(name: str, *, default: Any = ...) -> Any:
    """Return a field that the vendor spells otherwise than Python can; without a default, it is required."""
    return Field(default, validation_alias=name, serialization_alias=name)


class NoInput(Input):
    """The inputs of an operation that takes none."""


class Answer(BaseModel):
    """
    A vendor's record: names read in any case, null read as absent, and fields we do not know are kept.

    Numbers where we expect text become text, so that ids and licence codes are never numbers.
    """

    model_config = ConfigDict(
        extra="allow", frozen=True, coerce_numbers_to_str=True, hide_input_in_errors=True, defer_build=True
    )

    @model_validator(mode="before")
    @classmethod
    def _vendor_spelling(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            return raw
        ours = _spelling(cls)
        return {ours.get(str(name).lower(), name): value for name, value in raw.items() if value is not None}


@cache
def _spelling(model: type[BaseModel]) -> dict[str, str]:
    return {name.lower(): name for name in model.model_fields}


class CountedPage(Answer, Generic[R]):
    """A page of a list; or the number of rows, where only that was asked for."""

    Results: list[R] = []
    Total: int | None = None


def _moment(value: Any) -> Any:
    if isinstance(value, str) and (ticks := _TICKS.fullmatch(value)):
        value = datetime.fromtimestamp(int(ticks[1]) / 1000, UTC)
    if value == "" or (isinstance(value, str) and re.match(r"(0001|1900)-01-01", value)):
        return None
    return None if isinstance(value, datetime) and value.year in _NEVER_YEARS else value


def _none_if_blank(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _number(value: Decimal | int) -> float | int:
    number = float(value)
    return int(number) if number.is_integer() else number


Moment = Annotated[datetime | None, BeforeValidator(_moment)]
"""A time as the vendor wrote it: without a zone where it wrote none; its texts for "never" are None."""

IntOrNone = Annotated[int | None, BeforeValidator(_none_if_blank)]
"""A whole number, which may come as text; "" is None."""

Flag = Annotated[bool, BeforeValidator(lambda value: False if value == "" else value)]
"""True or false, which may come as text, also as on and off; "" is false."""

Money = Annotated[Decimal, Field(ge=-MAX_AMOUNT, le=MAX_AMOUNT), PlainSerializer(_number, when_used="json")]
"""Money or a quantity in an answer."""

Amount = Annotated[
    Decimal | int, Field(ge=-MAX_AMOUNT, le=MAX_AMOUNT), PlainSerializer(_number, when_used="json")
]
"""Money or a quantity in an input, sent as a JSON number."""

Secret = Annotated[SecretStr, PlainSerializer(lambda secret: secret.get_secret_value(), when_used="json")]
"""A secret: sent in clear, shown as asterisks."""

Consent = Annotated[bool, Field(exclude=True)]
"""A confirmation that something wide or irreversible is meant; we ask for it and do not send it."""

TextFlag = Annotated[bool, PlainSerializer(lambda flag: str(flag).lower(), when_used="json")]
"""True or false, sent as the texts `true` and `false`."""

Joined = Annotated[list[str], PlainSerializer(",".join, when_used="json")]
"""A list that is sent as one text, with commas."""
