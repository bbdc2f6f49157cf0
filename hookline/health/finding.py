"""A finding: the result of one check, and what to do about it."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, Literal

from hookline.errors import HooklineError
from hookline.redaction import redact
from hookline.text import one_line

State = Literal["ok", "warning", "problem", "skipped"]

CHECK_SECONDS: Final = 5.0
CORRECT: Final = "Correct the place that it names."
START: Final = "Start it with: hookline up"
SYNC_CLOCKS: Final = "Let both machines take their time from the network (NTP)."
MAX_CLOCK_DIFFERENCE: Final = 30.0
"""Seconds that two clocks may differ."""
HALF_AN_HOUR: Final = 1800


@dataclass(frozen=True)
class Finding:
    """The result of one check, and what to do about it."""

    check: str
    state: State
    detail: str
    advice: str = ""


def problem(check: str, error: HooklineError) -> Finding:
    """Return an error as a finding: its last line, or else its last sentence, is what to do."""
    *happened, advice = str(error).splitlines()
    if not happened:
        text, stop, advice = advice.rpartition(". ")
        happened = [text + stop.strip()]
    detail = "; ".join(each.strip().rstrip(".:") for each in happened)
    return Finding(check, "problem", redact(detail), redact(advice.strip()))


def broken(check: str, error: Exception) -> Finding:
    """Return a finding for a check that itself failed."""
    detail = f"the check failed: {type(error).__name__}: {redacted_line(error)}"
    return Finding(check, "problem", detail, "Report it to the maintainers.")


def redacted_line(error: object) -> str:
    """Return a text on one line, without secrets."""
    return redact(one_line(error))


async def in_time(
    check: str, findings: Awaitable[list[Finding]], seconds: float | None = CHECK_SECONDS
) -> list[Finding]:
    """
    Return what a check finds; if it fails or takes too long, a finding that says so: the other checks go on.

    `seconds` is None for a check whose parts have times of their own.
    """
    try:
        async with asyncio.timeout(seconds):
            return await findings
    except TimeoutError:
        advice = "Check its address and the network, and that it is running."
        return [
            Finding(
                check, "problem", f"no answer {f'within {seconds:g} s' if seconds else 'in time'}", advice
            )
        ]
    except HooklineError as error:
        return [problem(check, error)]
    except Exception as error:  # noqa: BLE001  (one broken check must not hide the others)
        return [broken(check, error)]


def clock(ahead: float) -> tuple[State, str]:
    """Return the state and the text for a clock that is so many seconds ahead of ours."""
    off = f"{abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"
    half_hours = round(ahead / HALF_AN_HOUR)
    if abs(ahead) <= MAX_CLOCK_DIFFERENCE:
        return "ok", "clock as ours" if abs(ahead) < 1 else f"clock {off}"
    if abs(ahead - half_hours * HALF_AN_HOUR) <= MAX_CLOCK_DIFFERENCE:
        return "ok", f"clock {half_hours / 2:+g} h: a time zone"
    return "warning", f"clock {off}"


def clock_finding(check: str, detail: str, ahead: float) -> Finding:
    """Return a finding about something that answered, with its clock."""
    state, text = clock(ahead)
    return Finding(check, state, f"{detail}, {text}", SYNC_CLOCKS if state == "warning" else "")
