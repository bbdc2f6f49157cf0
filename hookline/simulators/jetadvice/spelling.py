"""The spellings of a record in JetAdvice's dialects: its names, ids, counters and times."""

from collections.abc import Mapping
from typing import Any

from hookline.simulators.dialect import Dialect
from hookline.simulators.jetadvice.reports import COUNTERS

FIGURES = (*COUNTERS, "levelPercent")


def spelt(dialect: Dialect, value: Any, name: str = "") -> Any:
    """Return a JSON value as a dialect spells it."""
    if isinstance(value, Mapping):
        capital = dialect["names-are-spelt"] == "pascal"
        return {
            key[0].upper() + key[1:] if capital else key: spelt(dialect, part, key)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [spelt(dialect, part, name.removesuffix("s")) for part in value]
    return value if value is None else _text(dialect, value, name)


def _text(dialect: Dialect, value: Any, name: str) -> Any:
    if name.endswith("Id") and dialect["ids-are"] == "numbers":
        return int(value)
    if name in FIGURES and dialect["counters-are"] == "texts":
        return str(value)
    if name == "lastReport" and dialect["times-are"] == "utc":
        return f"{value}Z"
    return value
