"""Zentitle's way to read and write: inputs in a JSON body, errors as a text, datetimes without a zone."""

import json
import secrets
from collections.abc import Callable, Container, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hookline.simulators.control import Call, RefusedError, folded

PAGE = 10_000
NEVER = "1900-01-01T00:00:00"
MAX_DAYS = 36_500
"""Of a period that the vendor does not limit: a century, within which every date can be written."""


class Inputs:
    """The inputs of a call: names without regard to case, numbers and booleans also as strings."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = folded(values)

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def text(self, name: str, default: str = "") -> str:
        """Return a string; a number counts as one."""
        value = self._values.get(name)
        if value is None:
            return default
        if isinstance(value, bool | list | dict):
            raise failure(f"{name} must be a string")
        return str(value)

    def required(self, name: str) -> str:
        """Return a string that must be there."""
        value = self.text(name).strip()
        if not value:
            raise failure(f"{name} is mandatory")
        return value

    def whole(self, name: str, default: int = 0, *, low: int = 0, high: int = 2_147_483_647) -> int:
        """Return a whole number within limits."""
        value = self._values.get(name)
        if value is None or value == "":
            return default
        try:
            number = int(value)
        except (TypeError, ValueError, OverflowError):
            raise failure(f"{name} must be an integer") from None
        if not low <= number <= high:
            raise failure(f"{name} must be between {low} and {high}")
        return number

    def number(self, name: str) -> int:
        """Return a whole number that must be there."""
        self.required(name)
        return self.whole(name)

    def bit(self, name: str) -> bool:
        """Return True for 1; False for 0 or when it was left out."""
        return bool(self.whole(name, high=1))

    def word(self, name: str, *words: str, default: str = "") -> str:
        """Return one of the words allowed, in lower case; the default when it was left out."""
        if name not in self:
            return default
        value = str(self._values[name]).lower()
        if value not in words:
            raise failure(f"{name} must be {' or '.join(words)}")
        return value

    def truth(self, name: str) -> bool | None:
        """Return true, false, or nothing when it was left out."""
        value = self.word(name, "true", "false")
        return value == "true" if value else None

    def date(self, name: str) -> str:
        """Return a date or a date with a time, in the vendor's form."""
        try:
            return written(datetime.fromisoformat(self.text(name)))
        except (ValueError, OverflowError):
            raise failure(f"{name} must be a datetime") from None

    def date_or_reset(self, name: str, current: str | None) -> str | None:
        """Return a date, none for the word `reset`, or the current one when it was left out."""
        if name not in self:
            return current
        return None if self.text(name).lower() == "reset" else self.date(name)

    def switch(self, name: str, *, on: bool) -> bool:
        """Return True for on and False for off, in any case; as it is when it was left out."""
        return self.word(name, "on", "off", default="on" if on else "off") == "on"

    def each(self, name: str) -> list["Inputs"]:
        """Return a list of objects; an empty one when it was left out."""
        values = self._values.get(name) or []
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise failure(f"{name} must be a list of objects")
        return [Inputs(value) for value in values]

    def at_least_one(self, name: str) -> list["Inputs"]:
        """Return a list of objects that must not be empty."""
        values = self.each(name)
        if not values:
            raise failure(f"{name} is mandatory")
        return values

    def object(self, name: str) -> dict[str, Any]:
        """Return an object; one that is written as a JSON string counts too."""
        value = self._values.get(name)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                value = None
        if not isinstance(value, dict):
            raise failure(f"{name} must be JSON")
        return value

    def json(self, name: str) -> str:
        """Return whatever was sent, as JSON in a string; a string stays as it is."""
        value = self._values.get(name)
        return value if isinstance(value, str) else escaped(value)

    def one_of(self, number: str, name: str) -> None:
        """Check that a record is named by its number or by its name, and not by both."""
        if number in self and name in self:
            raise failure(f"Please supply either {number} or {name}, not both")
        if number not in self and name not in self:
            raise failure(f"{number} or {name} is mandatory")


def inputs_of(call: Call) -> Inputs:
    """Return the inputs in the body. A query string is refused: the vendor documents none, so none may work."""
    if call.query:
        raise RefusedError(400, "Inputs go into a JSON body; a query string is not read.")
    if call.content and not call.headers.get("content-type", "").lower().startswith("application/json"):
        raise RefusedError(415, "The request entity's media type is not supported for this resource.")
    return Inputs(call.document(lambda _: RefusedError(400, "The request is invalid.")))


def failure(description: str) -> RefusedError:
    """Return an error as the vendor words it: a description, with status 200."""
    return RefusedError(200, description)


def page(call: Call, inputs: Inputs, found: Sequence[Any], row: Callable[[Any], dict[str, Any]]) -> Any:
    """Return the rows of a page; on page 0, which is what leaving it out means, only how many there are."""
    number, size = inputs.whole("pagenumber"), inputs.whole("pagesize") or PAGE
    if not number:
        return len(found)
    size = min(size, PAGE)
    start = call.start((number - 1) * size)
    return [row(each) for each in found[start : start + size]]


def escaped(value: Any) -> str:
    """Return JSON for use within JSON: an object on the way in is a string on the way out."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def fresh_number(used: Container[int]) -> int:
    """Draw a free number at random: one of an earlier run must not mean something else in this one."""
    while (number := secrets.randbelow(2_000_000_000) + 1000) in used:
        pass
    return number


def now(*, days: float = 0, hours: float = 0) -> str:
    """Return this moment, or one so much later, as the vendor writes it."""
    return written(datetime.now(UTC) + timedelta(days=days, hours=hours))


def later(moment: str, *, days: float = 0, hours: float = 0) -> str:
    """Return a moment so much after one that the vendor wrote."""
    return written(datetime.fromisoformat(moment) + timedelta(days=days, hours=hours))


def written(moment: datetime) -> str:
    """Return a datetime as the vendor writes it: no zone, and no more of the fraction than needed."""
    if moment.tzinfo:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    text = moment.isoformat(timespec="milliseconds")
    return text.rstrip("0").rstrip(".") if "." in text else text
