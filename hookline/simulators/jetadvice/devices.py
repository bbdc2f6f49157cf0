"""What a printer tells JetAdvice of itself."""

from datetime import datetime
from typing import Any

Document = dict[str, Any]

LOW_PERCENT = 10
"""At and below this a device tells that its toner is low (assumed)."""


def report_level(device: Document, color: str, percent: float, at: datetime) -> None:
    """The device reports the level of a toner it has: it may raise an alert, or end one."""
    supply = next(each for each in device["supplies"] if each["color"] == color)
    supply["levelPercent"] = percent
    device["lastReport"] = at.strftime("%Y-%m-%dT%H:%M:%S")  # no zone, as the vendor writes it (assumed)
    code = f"TonerLow{color.capitalize()}"
    raised = any(each["code"] == code for each in device["alerts"])
    if percent > LOW_PERCENT:
        device["alerts"] = [each for each in device["alerts"] if each["code"] != code]
    elif not raised:
        device["alerts"].append(alert(code, f"{color.capitalize()} toner is low", at))


def alert(code: str, text: str, since: datetime) -> Document:
    """Something that the device complains of."""
    return {"code": code, "text": text, "since": written(since)}


def written(at: datetime) -> str:
    """A time of UTC, said to be one."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
