"""The dispatches that a delivery would have, compared with those that it has."""

from collections.abc import Iterator
from typing import Any

from hookline.database.types import Row
from hookline.engine.evaluation import Evaluation, Outcome
from hookline.inbox.dispatches import NewDispatch
from hookline.rehearsal.recorded import Stored
from hookline.rehearsal.report import NOTHING, Difference, changed_fields, text_of

NOT_ROUTED = frozenset({"rejected", "unrouted", "held", "received"})
"""States of a delivery without a dispatch."""


async def outcome_of(evaluation: Evaluation, stored: Stored, route: str | None) -> Outcome:
    """Return what routing makes of a stored delivery now, of all its routes or of one."""
    only = stored.row["only_route"]
    # A person sent it to this route alone, whatever the conditions.
    is_forced = only is not None and set(stored.dispatches) == {only}
    row = {**stored.row, "only_route": only if is_forced else None}
    return await evaluation.outcome(row, stored.body, only=route)


def differences(stored: Stored, outcome: Outcome, route: str | None) -> Iterator[Difference]:
    """Yield what differs between the stored dispatches of a delivery and those that it would have."""
    before = {name: each for name, each in stored.dispatches.items() if route in (None, name)}
    after = {each.route: each for each in outcome.new}
    if not before and not after:
        yield from _of_state(stored, outcome)
    for name, dispatch in before.items():
        if name not in after:
            reason = outcome.reason or (
                f"it is {outcome.state}" if outcome.state else "its condition does not hold"
            )
            yield Difference(
                "route", name, "starts nothing", f"started {dispatch['deployment']}", text_of(reason)
            )
    for name, new in after.items():
        if name in before:
            yield from _of_dispatch(before[name], new)
        else:
            was = f"{stored.state}{f': {stored.reason}' if stored.reason else ''}" if not before else NOTHING
            yield Difference("route", name, "starts", text_of(was), f"starts {new.deployment}")


def _of_state(stored: Stored, outcome: Outcome) -> Iterator[Difference]:
    """Yield the difference of a delivery that no route took, and takes."""
    if outcome.state and stored.state in NOT_ROUTED and outcome.state != stored.state:
        yield Difference(
            "route",
            "",
            f"is {outcome.state}",
            text_of(f"{stored.state}: {stored.reason}"),
            text_of(f"{outcome.state}: {outcome.reason}"),
        )


def _of_dispatch(before: Row, after: NewDispatch) -> Iterator[Difference]:
    facts: dict[str, tuple[Any, Any]] = {
        "deployment": (before["deployment"], after.deployment),
        "ordering key": (before["key"], after.key),
    }
    for what, (then, now) in facts.items():
        if then != now:
            yield Difference("route", after.route, what, text_of(then), text_of(now))
    for place, then, now in changed_fields(before["parameters"], dict(after.parameters)):
        yield Difference("parameters", after.route, place, then, now)
