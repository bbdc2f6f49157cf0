"""Whether a Zentitle record holds what was given, though Zentitle tells it in other words than it takes."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, Final

from hookline.clients.models import Answer, Input

HOURS: Final = 24
_NOTHING: Final = ("0", "false", "off", "none", "default", "reset")
_WORDS: Final = {"on": "true", "consumptiontokens": "consumptiontoken"} | dict.fromkeys(_NOTHING, "")
_NAMES: Final = {"notes": "featurenotes", "featuregroupname": "featuregroup"}
_IN_DAYS: Final = "clientofflineleaseperiod"  # hours where it is told


def shows(record: Answer, given: Input, *, but: Collection[str] = ()) -> bool:
    """
    Whether a record holds all that was given.

    Args:
        record: as Zentitle tells it.
        given: as it was sent; what is None was not.
        but: inputs to pass over, in lower case: those that say which record it is, or that no record tells.
    """
    told = {name.lower(): value for name, value in record}
    sent = {name.lower(): value for name, value in given if value is not None}
    return all(_holds(told, name, value, but) for name, value in sent.items() if name not in but)


def word(value: object) -> str:
    """A value in the one word for all of Zentitle's for it: "" for off, none, 0 and a default."""
    text = value.isoformat()[:10] if isinstance(value, date) else str(value).strip().casefold()
    return _WORDS.get(text, text)


def _holds(told: Mapping[str, Any], name: str, value: Any, but: Collection[str]) -> bool:
    name = _NAMES.get(name, name)
    if name not in told:
        return False
    if isinstance(value, list):
        return all(any(shows(each, wanted, but=but) for each in told[name]) for wanted in value)
    return word(told[name]) == word(value * HOURS if name == _IN_DAYS else value)
