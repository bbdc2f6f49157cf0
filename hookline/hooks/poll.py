"""A polled source of `hooks.yaml`: the list at a vendor that is read again and again, and what is new in it."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import ConfigDict, Field, PlainValidator, SecretStr, model_validator

from hookline.account_keys import DEFAULT, key_at
from hookline.hooks.templates import Template, TemplateError
from hookline.schemes import AuthScheme
from hookline.schemes.base import RequestAuth, SignedRequest, Strict

INPUT_VALUES: Final = {
    "since": "the time from which the list is read, ISO 8601 in UTC",
    "position": "the cursor's id after which the list is read; none at first",
    "now": "the time now, ISO 8601 in UTC",
}
"""The values that the templates of a poll's inputs may use."""
ITEM_VALUES: Final = {"body": "one item of the list"}
"""The values that the templates about an item may use."""

_DURATION = re.compile(r"(\d{1,6})\s*([smhd])")
DurationText: TypeAlias = Annotated[str, Field(pattern=r"^\s*\d{1,6}\s*[smhd]\s*$")]
"""A duration as people write it, for the schema of the file."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(value: object) -> timedelta:
    """Read a duration such as `60s`, `10m`, `6h` or `7d`; raises ValueError."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and (found := _DURATION.fullmatch(value.strip())):
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
    raise ValueError("write a duration such as 60s, 10m, 6h or 7d")


def _between(least: timedelta, most: timedelta) -> PlainValidator:
    def read(value: object) -> timedelta:
        found = duration(value)
        if not least <= found <= most:
            raise ValueError(f"must be from {in_words(least)} to {in_words(most)}")
        return found

    return PlainValidator(read, json_schema_input_type=DurationText)


def in_words(span: timedelta) -> str:
    """Return a duration in the largest unit that it fills, such as `6h`."""
    seconds = int(span.total_seconds())
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def reach(value: object) -> timedelta:
    """Read how far back a poll begins, such as `7d`; raises ValueError."""
    found = duration(value)
    if found > 10 * _YEAR:
        raise ValueError(f"must be {in_words(10 * _YEAR)} at most")
    return found


def _since(value: object) -> "timedelta | Literal['ever']":
    return "ever" if value == "ever" else reach(value)


def _of_item(value: object) -> Template:
    if not isinstance(value, str):
        raise ValueError("Input should be a valid string")  # noqa: TRY004  (pydantic adds the place to a ValueError)
    return Template(value, values=ITEM_VALUES)


def _if_item(value: object) -> Template:
    if not isinstance(value, str):
        raise ValueError("Input should be a valid string")  # noqa: TRY004
    return Template(value, expression=True, values=ITEM_VALUES)


def _inputs(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("Input should be a valid dictionary")  # noqa: TRY004
    return {str(name): _templates(str(name), each) for name, each in value.items()}


def _templates(place: str, value: Any) -> Any:
    """Return the value with its texts that are templates compiled; nested lists and maps stay as they are."""
    match value:
        case str() if "{{" in value or "{%" in value:
            try:
                return Template(value, values=INPUT_VALUES)
            except TemplateError as error:
                raise ValueError(f"{place}: {error}") from None
        case Mapping():
            return {str(key): _templates(f"{place}.{key}", inner) for key, inner in value.items()}
        case list():
            return [_templates(f"{place}[{number}]", inner) for number, inner in enumerate(value)]
        case _:
            return value


ItemTemplate: TypeAlias = Annotated[Template, PlainValidator(_of_item, json_schema_input_type=str)]
_SECOND, _DAY, _YEAR = timedelta(seconds=1), timedelta(days=1), timedelta(days=366)


class Poll(Strict):
    """The list that is read, how often, and what tells a new item from one that was there before."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    operation: str = Field(
        pattern=r"^[a-z0-9]+\.[a-z0-9_]+$", description="The read, as in `jiwa.query_sales_orders`."
    )
    account: str = Field(
        default=DEFAULT, pattern=r"^[a-z0-9][a-z0-9-]*$", description="The name of the credentials block."
    )
    inputs: Annotated[Mapping[str, Any], PlainValidator(_inputs, json_schema_input_type=dict[str, Any])] = (
        Field(
            default_factory=dict,
            description="The operation's inputs; one whose template gives none is left out.",
        )
    )
    every: Annotated[timedelta, _between(_SECOND, 7 * _DAY)] = Field(
        default=timedelta(minutes=1), description="The time between two polls."
    )
    items: str | None = Field(
        default=None, pattern=r"^\w+(\.\w+)*$", description="The place of the list in the answer."
    )
    only: Annotated[Template, PlainValidator(_if_item, json_schema_input_type=str)] | None = Field(
        default=None, description="An item that does not fulfil this condition is passed over."
    )
    time: ItemTemplate | None = Field(default=None, description="The cursor, if it is an item's time.")
    position: ItemTemplate | None = Field(default=None, description="The cursor, if it is an item's id.")
    ordered: bool = Field(default=False, description="The list is in the order of its `time`, oldest first.")
    overlap: Annotated[timedelta, _between(timedelta(0), 30 * _DAY)] = Field(
        default=timedelta(minutes=10), description="How far behind the cursor each poll reads again."
    )
    window: Annotated[timedelta, _between(_SECOND, 10 * _YEAR)] | None = Field(
        default=None, description="Without a cursor: how far back `since` reaches."
    )
    since: Annotated[
        timedelta | Literal["ever"],
        PlainValidator(_since, json_schema_input_type=DurationText | Literal["ever"]),
    ] = Field(default=timedelta(0), description="How far back the first poll reads.")
    max_items: int = Field(default=500, ge=1, le=10_000, description="New items of one poll.")
    page_size: int | None = Field(
        default=None, ge=1, le=10_000, description="Rows of a page; else as the operation has them."
    )
    max_pages: int = Field(default=20, ge=1, le=1000, description="Pages that one poll reads.")

    @property
    def vendor(self) -> str:
        """The vendor whose list it is."""
        return self.operation.partition(".")[0]

    @property
    def kind(self) -> Literal["time", "position", "list"]:
        """What its cursor is; `list`: none, and all of the list is read each time."""
        return "time" if self.time else "position" if self.position else "list"

    @property
    def cursor_of(self) -> str:
        """What its cursor holds for: a time for any list of the account, an id and what was seen only for one list."""
        if self.kind == "time":
            return key_at(self.kind, **{self.vendor: self.account})
        return f"{self.kind} {self.operation} {self.account}"

    @model_validator(mode="after")
    def _one_cursor(self) -> "Poll":
        if self.time and self.position:
            raise ValueError("give time or position, not both: one of them is the cursor")
        if self.ordered and not self.time:
            raise ValueError("ordered needs time: it says that the list is in the order of it")
        if self.window and self.kind != "list":
            raise ValueError("window is for a list without a cursor; with one, use overlap")
        return self


class Polled(AuthScheme):
    """What stands in the place of a scheme where nobody sends: it verifies no request."""

    def verify(self, request: SignedRequest, secrets: Any, *, now: float) -> bool:  # noqa: ARG002
        """Return False: its deliveries are read at the vendor, by an engine."""
        return False

    def sign(self, secret: SecretStr, request: SignedRequest, *, identifier: str, now: float) -> RequestAuth:  # noqa: ARG002
        """Raise ValueError: nobody can send here."""
        raise ValueError("it is polled: nobody can send to it")

    def describe(self, source: str) -> str:  # noqa: ARG002
        """Return how its deliveries come."""
        return (
            "nobody sends here: Hookline itself makes its deliveries, from a list at a vendor or by a flow."
        )
