"""Jiwa's values, read from a request and written in an answer, and the errors it has for them."""

import base64
import math
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hookline.simulators.control import Call, RefusedError, folded
from hookline.simulators.records import Document, names

NEVER = "0001-01-01T00:00:00.0000000"
"""A DateTime that was not set."""
LAST = "9999-12-31T23:59:59.9999990"
"""The latest that a DateTime can be."""

LARGEST = 10.0**12
DECIMALS = 6
"""The limits of a number in the database; it refuses what is larger and rounds what is finer."""

RULE, CLASH = "JiwaException", "ConcurrencyException"
"""The two kinds of a 409."""

# The setup of this installation

TAX_RATE = 10.0
"""Per cent."""
LOGICAL_ID = "b1c59f0e27d84a6c9e03"
"""The warehouse."""
STAFF = {
    "StaffID": "9d3b0c4a7e514f2f8b10",
    "StaffUserName": "api",
    "StaffTitle": "",
    "StaffFirstName": "Integration",
    "StaffSurname": "User",
}

# The kind of a field's value; all others are dates by their name, or text

FLAGS = frozenset(
    names("""
        AccountOnHold BackOrderable CommentLine CreditNote DefaultContact Discountable DropShipment FixSellPrice
        IsCashOnly IsEnabled PhysicalItem ProcessPayment SellPriceIncTax UseSerialNo WebEnabled
    """)
)
NUMBERS = frozenset(
    names("""
        AmountPaid CreditLimit Cubic DecimalPlaces DefaultPrice DiscountedPrice ItemNo LCost Quantity QuantityOrdered
        QuantityThisDel RRPPrice TermsDays Weight
    """)
)
CHOICES = {
    "AuthorisationStatus": names("NoAuthorisationNeeded AuthorisationRequired Authorised Declined Error"),
    "Status": tuple(
        f"e_InventoryStatus{each}" for each in ("Active", "Discontinued", "Deleted", "Slow", "Obsolete")
    ),
    "TermsType": ("Invoice", "Statement"),
    "TradingStatus": ("e_DebtorTradingStatusInActive", "e_DebtorTradingStatusActive"),
}
"""Fields that take one of a few words; an inventory item's `Status` is the only one a request may set."""


# Values of a request


def body_of(call: Call) -> Document:
    """Return the JSON object in the body."""
    return call.document(
        lambda why: RefusedError(400, f"The body {why}.", "SerializationException"), encodable=False
    )


def objects(body: Mapping[str, Any], name: str) -> list[Document]:
    """Return a list of objects in a request; nothing at all counts as an empty one."""
    values = folded(body).get(name.lower()) or []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise invalid(name, values)
    return values


def read_fields(body: Mapping[str, Any], fields: Iterable[str]) -> Document:
    """Return the fields of a request that the vendor reads, spelt its way; a null counts as left out."""
    raw = folded(body)
    return {name: _read(name, raw[name.lower()]) for name in fields if raw.get(name.lower()) is not None}


def _read(name: str, value: Any) -> Any:
    if name in NUMBERS:
        return number(name, value)
    if name in FLAGS:
        return flag(name, value)
    if name in CHOICES:
        return choice(name, value)
    return date(name, value) if name.endswith("Date") else text(name, value)


def number(name: str, value: Any) -> float:
    """Read a decimal; one in a string counts too."""
    if isinstance(value, bool):
        raise invalid(name, value)
    try:
        read = float(value)
    except (TypeError, ValueError, OverflowError):
        raise invalid(name, value) from None
    if not math.isfinite(read) or abs(read) > LARGEST:
        raise invalid(name, value)
    read = round(read, DECIMALS)
    return int(read) if read.is_integer() else read


def flag(name: str, value: Any) -> bool:
    """Read a boolean; the words true and false count too."""
    words = {"true": True, "false": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise invalid(name, value)


def choice(name: str, value: Any) -> str:
    """Read one of a field's words, in any case."""
    for word in CHOICES[name]:
        if isinstance(value, str) and value.lower() == word.lower():
            return word
    raise invalid(name, value)


def text(name: str, value: Any) -> str:
    """Read a string; a number or a boolean counts as one."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    # Half of a surrogate pair is a string in JSON and nowhere else.
    if not isinstance(value, str) or any("\ud800" <= character <= "\udfff" for character in value):
        raise invalid(name, value)
    return value


def date(name: str, value: Any) -> str:
    """Read a DateTime, as the vendor writes it: seven decimals and no zone; one with a zone is moved to UTC."""
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo:
            moment = moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise invalid(name, value) from None
    return written(moment)


# Values of an answer


def written(moment: datetime) -> str:
    """Return a moment as a DateTime: seven decimals and no zone."""
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "0"


def timestamp(*, after: float = 0) -> str:
    """Return a moment as a DateTimeOffset: seven decimals and its zone; `after` counts seconds from now."""
    return written(datetime.now(UTC) + timedelta(seconds=after)) + "+00:00"


def now() -> str:
    """Return this moment as a DateTime."""
    return written(datetime.now(UTC))


def today() -> str:
    """Return the start of this day."""
    return written(datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0))


def later(start: str, days: float) -> str:
    """Return a DateTime so many days after another; the latest there is where it would be beyond."""
    try:
        return written(datetime.fromisoformat(start) + timedelta(days=days))
    except OverflowError:
        return LAST


def record_id() -> str:
    """Draw a record's key: 20 characters."""
    return secrets.token_hex(10)


def row_hash() -> str:
    """Draw a row version: opaque bytes in base64."""
    return base64.b64encode(secrets.token_bytes(8)).decode()


def money(amounts: Iterable[float]) -> float:
    """Return a sum in whole cents."""
    total = round(sum(amounts), 2)
    return int(total) if total == int(total) else total


# Custom fields


def blank(definitions: Iterable[Document]) -> list[Document]:
    """Return a value for each custom field, empty."""
    return [each | {"Contents": ""} for each in definitions]


def fill(values: list[Document], body: Mapping[str, Any]) -> None:
    """Set the custom fields that a request holds."""
    for value in objects(body, "CustomFieldValues"):
        setting = read_fields(value, ("SettingID",)).get("SettingID", "")
        found(values, "SettingID", setting)["Contents"] = contents(value)


def contents(value: Mapping[str, Any]) -> str:
    """Return the contents of a custom field: a string, of any kind of field."""
    return str(read_fields(value, ("Contents",)).get("Contents", ""))


# Errors


def invalid(name: str, value: Any) -> RefusedError:
    """Return the error for a value of the wrong kind."""
    return RefusedError(400, f"{name}: cannot read {value!a:.100}.", "SerializationException")


def missing(what: str) -> RefusedError:
    """Return the error for something that is not there."""
    return RefusedError(404, f"{what} was not found.", "RecordNotFoundException")


def rule_violation(why: str) -> RefusedError:
    """Return the error of the business logic: a 409 that a repeat does not cure."""
    return RefusedError(409, why, RULE)


def conflict(what: str) -> RefusedError:
    """Return the error for a record that was saved since it was read: the other kind of 409."""
    return RefusedError(409, what, CLASH)


def found(rows: list[Document], name: str, key: str) -> Document:
    """Return the row with a key."""
    for row in rows:
        if row[name] == key:
            return row
    raise missing(f"{name} {key}")
