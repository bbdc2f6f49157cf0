"""How Jiwa reads the values of a request and writes its own, and the errors it has for them."""

import base64
import math
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hookline.simulators.control import Call, RefusedError, folded

Document = dict[str, Any]

NEVER = "0001-01-01T00:00:00.0000000"
"""A DateTime that was not set."""
LAST = "9999-12-31T23:59:59.9999990"
"""The latest that a DateTime can be."""

LARGEST = 10.0**12
DECIMALS = 6
"""What the database keeps of a number; it refuses what is larger and rounds what is finer."""

# What is set up at this installation

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

# What kind of value a field takes; all others are dates by their name, or text

FLAGS = frozenset(
    (
        "AccountOnHold",
        "BackOrderable",
        "CommentLine",
        "CreditNote",
        "DefaultContact",
        "Discountable",
        "DropShipment",
        "FixSellPrice",
        "IsCashOnly",
        "IsEnabled",
        "PhysicalItem",
        "ProcessPayment",
        "SellPriceIncTax",
        "UseSerialNo",
        "WebEnabled",
    )
)
NUMBERS = frozenset(
    (
        "AmountPaid",
        "CreditLimit",
        "Cubic",
        "DecimalPlaces",
        "DefaultPrice",
        "DiscountedPrice",
        "ItemNo",
        "LCost",
        "Quantity",
        "QuantityOrdered",
        "QuantityThisDel",
        "RRPPrice",
        "TermsDays",
        "Weight",
    )
)
CHOICES = {
    "AuthorisationStatus": (
        "NoAuthorisationNeeded",
        "AuthorisationRequired",
        "Authorised",
        "Declined",
        "Error",
    ),
    "Status": (
        "e_InventoryStatusActive",
        "e_InventoryStatusDiscontinued",
        "e_InventoryStatusDeleted",
        "e_InventoryStatusSlow",
        "e_InventoryStatusObsolete",
    ),
    "TermsType": ("Invoice", "Statement"),
    "TradingStatus": ("e_DebtorTradingStatusInActive", "e_DebtorTradingStatusActive"),
}
"""Fields that take one of a few words; an inventory item's `Status` is the only one a request may set."""


# What a request holds


def body_of(call: Call) -> Document:
    """
    The JSON object in the body.

    Raises:
        RefusedError: there is none.
    """
    return call.document(
        lambda why: RefusedError(400, f"The body {why}.", "SerializationException"), encodable=False
    )


def objects(body: Mapping[str, Any], name: str) -> list[Document]:
    """A list of objects in a request; nothing at all counts as an empty one."""
    values = folded(body).get(name.lower()) or []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise unreadable(name, values)
    return values


def taken(body: Mapping[str, Any], names: Iterable[str]) -> Document:
    """The fields of a request that the vendor reads, spelt its way; a null counts as left out."""
    given = folded(body)
    return {name: _read(name, given[name.lower()]) for name in names if given.get(name.lower()) is not None}


def _read(name: str, value: Any) -> Any:
    if name in NUMBERS:
        return number(name, value)
    if name in FLAGS:
        return flag(name, value)
    if name in CHOICES:
        return choice(name, value)
    return date(name, value) if name.endswith("Date") else text(name, value)


def number(name: str, value: Any) -> float:
    """A decimal; one in a string counts too."""
    if isinstance(value, bool):
        raise unreadable(name, value)
    try:
        read = float(value)
    except (TypeError, ValueError, OverflowError):
        raise unreadable(name, value) from None
    if not math.isfinite(read) or abs(read) > LARGEST:
        raise unreadable(name, value)
    read = round(read, DECIMALS)
    return int(read) if read.is_integer() else read


def flag(name: str, value: Any) -> bool:
    """A boolean; the words true and false count too."""
    words = {"true": True, "false": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise unreadable(name, value)


def choice(name: str, value: Any) -> str:
    """One of a field's words, in any case."""
    for word in CHOICES[name]:
        if isinstance(value, str) and value.lower() == word.lower():
            return word
    raise unreadable(name, value)


def text(name: str, value: Any) -> str:
    """A string; a number or a boolean counts as one."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    # Half of a surrogate pair is a string in JSON and nowhere else.
    if not isinstance(value, str) or any("\ud800" <= character <= "\udfff" for character in value):
        raise unreadable(name, value)
    return value


def date(name: str, value: Any) -> str:
    """A DateTime as the vendor writes it: seven decimals and no zone; one with a zone is moved to UTC."""
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo:
            moment = moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise unreadable(name, value) from None
    return written(moment)


# What an answer holds


def written(moment: datetime) -> str:
    """A moment as a DateTime: seven decimals and no zone."""
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "0"


def timestamp(*, after: float = 0) -> str:
    """A moment as a DateTimeOffset: seven decimals and its zone; `after` counts seconds from now."""
    return written(datetime.now(UTC) + timedelta(seconds=after)) + "+00:00"


def now() -> str:
    """This moment as a DateTime."""
    return written(datetime.now(UTC))


def today() -> str:
    """The start of this day."""
    return written(datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0))


def later(start: str, days: float) -> str:
    """A DateTime so many days after another; the latest there is where it would be beyond."""
    try:
        return written(datetime.fromisoformat(start) + timedelta(days=days))
    except OverflowError:
        return LAST


def record_id() -> str:
    """A record's key: 20 characters, drawn at random."""
    return secrets.token_hex(10)


def row_hash() -> str:
    """A row version: opaque bytes in base64."""
    return base64.b64encode(secrets.token_bytes(8)).decode()


def money(amounts: Iterable[float]) -> float:
    """A sum in whole cents."""
    total = round(sum(amounts), 2)
    return int(total) if total == int(total) else total


# Custom fields


def blank(definitions: Iterable[Document]) -> list[Document]:
    """A value for each custom field, empty."""
    return [each | {"Contents": ""} for each in definitions]


def fill(values: list[Document], body: Mapping[str, Any]) -> None:
    """Take over the custom fields that a request holds."""
    for value in objects(body, "CustomFieldValues"):
        setting = taken(value, ("SettingID",)).get("SettingID", "")
        found(values, "SettingID", setting)["Contents"] = contents(value)


def contents(value: Mapping[str, Any]) -> str:
    """What a custom field holds: a string, whatever kind of field it is."""
    return str(taken(value, ("Contents",)).get("Contents", ""))


# Errors


def unreadable(name: str, value: Any) -> RefusedError:
    """The error for a value of the wrong kind."""
    return RefusedError(400, f"{name}: cannot read {value!a:.100}.", "SerializationException")


def missing(what: str) -> RefusedError:
    """The error for something that is not there."""
    return RefusedError(404, f"{what} was not found.", "RecordNotFoundException")


def against_the_rules(why: str) -> RefusedError:
    """The error for what the business logic does not allow: a 409 that a repeat does not cure."""
    return RefusedError(409, why, "JiwaException")


def changed_meanwhile(what: str) -> RefusedError:
    """The error for a record that somebody else has saved since it was read: the other kind of 409."""
    return RefusedError(
        409, f"{what} has been changed by another user since it was read.", "ConcurrencyException"
    )


def found(rows: list[Document], name: str, key: str) -> Document:
    """
    The row with a key.

    Raises:
        RefusedError: there is none.
    """
    for row in rows:
        if row[name] == key:
            return row
    raise missing(f"{name} {key}")
