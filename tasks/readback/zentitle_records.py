"""The comparison of inputs with Zentitle's records, which have other words for the same values."""

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import date
from typing import Any, Final

from hookline.clients import NotFound, Refused, pages
from hookline.clients.models import Answer, Input
from hookline.clients.zentitle import ZentitleClient
from hookline.clients.zentitle.models import LicenseNote

HOURS: Final = 24
_NOTHING: Final = ("0", "false", "off", "none", "default", "reset")
_WORDS: Final = {"on": "true", "consumptiontokens": "consumptiontoken"} | dict.fromkeys(_NOTHING, "")
_NAMES: Final = {"notes": "featurenotes", "featuregroupname": "featuregroup"}
_IN_DAYS: Final = "clientofflineleaseperiod"  # hours in the record


async def rows_of(call: Any, **inputs: Any) -> AsyncIterator[Any]:
    """Yield all rows of a list; where a text is in their place, their number says whether there are any."""
    try:
        async for row in pages(call, **inputs):
            yield row
    except (NotFound, Refused):
        if (await call(**inputs, **call.operation.input.count)).Total != 0:
            raise


async def notes_of(client: ZentitleClient, product: str, code: str) -> list[LicenseNote]:
    """Return the notes of a license; where a text is in their place, those that the license itself shows."""
    try:
        return await client.list_license_notes(productid=product, licensecode=code)
    except (NotFound, Refused):
        return (await client.get_license_code(productid=product, licensecode=code, getnotes=1)).notes


def shows(record: Answer, inputs: Input, *, but: Collection[str] = ()) -> bool:
    """
    Return True if a record has all the inputs.

    Args:
        record: as Zentitle answers it.
        inputs: as they were sent; what is None was not.
        but: inputs to pass over, in lower case: those that say which record it is, or that no record has.
    """
    fields = {name.lower(): value for name, value in record}
    sent = {name.lower(): value for name, value in inputs if value is not None}
    return all(_has(fields, name, value, but) for name, value in sent.items() if name not in but)


def word(value: object) -> str:
    """Return one word for all of Zentitle's for a value: "" for off, none, 0 and a default."""
    text = value.isoformat()[:10] if isinstance(value, date) else str(value).strip().casefold()
    return _WORDS.get(text, text)


def _has(fields: Mapping[str, Any], name: str, value: Any, but: Collection[str]) -> bool:
    name = _NAMES.get(name, name)
    if name not in fields:
        return False
    if isinstance(value, list):
        return all(any(shows(each, row, but=but) for each in fields[name]) for row in value)
    return word(fields[name]) == word(value * HOURS if name == _IN_DAYS else value)
