"""
A person's word on an effect: it happened, was done by hand, is to be sent again; its surplus is undone, or stays.

Every run that waited for an uncertain effect, or failed over one that was done by hand, goes on afterwards.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hookline.database import lent
from hookline.database.types import Connection, Row
from hookline.errors import HooklineError
from hookline.inbox import commands, dispatches
from hookline.inbox.audit import acting
from hookline.journal import late_check, store
from hookline.settings import Settings

BY_HAND: Final = "done by hand at the vendor, a person says"


async def resolve(
    settings: Settings, effect_id: int, *, happened: bool, reference: list[str], actor: str
) -> str:
    """
    Write down that an uncertain effect happened, or that it is to be sent again.

    Args:
        settings: where the journal is.
        effect_id: the effect's number.
        happened: True, it happened; False, send it again.
        reference: the vendor's references that it brought (license codes, ids), where later steps need them.
        actor: who says so, for the audit trail.

    Returns:
        A sentence that says what was noted and what happens now.

    Raises:
        HooklineError: there is no such uncertain effect, or references are missing or too many.
    """
    noted = "it happened" if happened else "it is to be sent again"
    async with lent(settings) as connection, acting(connection, actor, f"resolved: {noted}"):
        row = await store.read(connection, effect_id)
        if row is None:
            raise HooklineError(f"There is no effect {effect_id}. See: hookline effects list")
        _ensure_resolvable(row, happened=happened, reference=reference)
        check_after = None if row["call"] is None else late_check.delay(settings, 0)
        await store.resolve(
            connection, effect_id, happened=happened, reference=reference, check_after=check_after
        )
        released = await dispatches.release_resolved(connection, row)
    goes_on = {
        0: "Retry its run in the Prefect UI to go on; if it is scheduled, the next one does.",
        1: "Its run goes on now.",
    }.get(released, f"The {released} runs that waited for it go on now.")
    return f"Noted for {row['step']} of {row['label']}: {noted}. {goes_on}"


def _ensure_resolvable(row: Row, *, happened: bool, reference: list[str]) -> None:
    what, expected, references = f"{row['step']} of {row['label']}", row["expected"], len(set(reference))
    if row["state"] != "uncertain":
        raise HooklineError(
            f"Effect {row['id']} ({what}) is {row['state']}; only uncertain ones are resolved."
        )
    if happened and expected and references != expected:
        raise HooklineError(
            f"{what} brought {expected} vendor references (such as license codes), and later steps need them: give "
            f"{expected}, not {references}."
        )


async def by_hand(
    settings: Settings,
    effect_id: int,
    *,
    reference: Sequence[str],
    answer: Mapping[str, str],
    actor: str,
    dry_run: bool = False,
) -> str:
    """
    Write down that a person did at the vendor what failed or is uncertain, and let its runs go on behind it.

    Args:
        settings: where the journal is.
        effect_id: the effect's number.
        reference: the vendor's references of what was done (license codes, ids), where later steps need them.
        answer: fields of the record that the vendor shows, where later steps need them.
        actor: who did it, for the audit trail.
        dry_run: True: only say what would be noted.

    Returns:
        A sentence that says what was noted and what happens now.

    Raises:
        HooklineError: there is no such effect, a run may still be at it, or something that is needed is missing.
    """
    try:
        async with lent(settings) as connection, acting(connection, actor, BY_HAND):
            row = await store.read(connection, effect_id, lock=True)
            if row is None:
                raise HooklineError(f"There is no effect {effect_id}. See: hookline effects list")
            brought = list(dict.fromkeys(reference))
            if row["state"] == "done" and row["reason"] == BY_HAND and brought == row["reference"]:
                return f"{_what(row)} is noted already as done by hand."
            _ensure_complete(row, brought)
            done = await store.done_by_hand(
                connection,
                effect_id,
                reason=BY_HAND,
                reference=brought,
                answer=_record(row, answer),
                check_after=None if row["call"] is None else late_check.delay(settings, 0),
            )
            if done is None:
                raise HooklineError(_why_not_by_hand(row))
            released = await dispatches.release_resolved(connection, row)
            released += await _replay_failed(connection, row, actor)
            if dry_run:
                raise _DryRun(f"Nothing is noted yet. {_noted_by_hand(row, released)}")  # noqa: TRY301
    except _DryRun as would:
        return str(would)
    return _noted_by_hand(row, released)


async def _replay_failed(connection: Connection, effect: Row, actor: str) -> int:
    """Replay what failed of the effect's business: what is done is not repeated. Return the number of dispatches."""
    failed = await dispatches.failed_of_business(connection, effect)
    for dispatch in failed:
        await commands.replay(
            connection, [dispatch["delivery_id"]], route=dispatch["route"], actor=actor, reason=BY_HAND
        )
    return len(failed)


def _ensure_complete(row: Row, reference: Sequence[str]) -> None:
    expected = row["expected"]
    if expected and len(reference) != expected:
        raise HooklineError(
            f"{_what(row)} brings {expected} vendor references (such as license codes), and later steps need them: "
            f"give {expected}, not {len(reference)}, with --reference."
        )


def _record(row: Row, answer: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the fields of an answer as the operation's model takes them; None where it is no record."""
    needs = row["needs"]
    if needs is None:
        if answer:
            raise HooklineError(f"{_what(row)} needs no answer, only its references. Leave --answer out.")
        return None
    if missing := [name for name in needs if not answer.get(name)]:
        raise HooklineError(
            f"{row['operation']} answers with a record, and later steps need of it: {', '.join(missing)}. Give what "
            f"the vendor shows, and whatever else of it the workflow uses, such as a number: --answer {missing[0]}=…"
        )
    numbers = [name for name, kind in needs.items() if kind == "number"]
    if wrong := [name for name in numbers if not re.fullmatch(r"-?[0-9]{1,18}", answer[name], re.ASCII)]:
        raise HooklineError(
            f"{wrong[0]} of {row['operation']} is a number, and {answer[wrong[0]]!r} is none."
        )
    return {name: int(value) if name in numbers else value for name, value in answer.items()}


def _why_not_by_hand(row: Row) -> str:
    if row["state"] == "intended":
        return (
            f"{_what(row)} is not sent, or its answer may still come: its run is at it, or waits for it. Set the "
            "delivery aside first (hookline inbox discard), or let the run end, then say it again."
        )
    return f"Effect {row['id']} ({_what(row)}) is {row['state']}; only what failed or is uncertain is done by hand."


def _noted_by_hand(row: Row, released: int) -> str:
    goes_on = {
        0: "Replay its delivery, or retry its run in the Prefect UI, to go on; a scheduled one goes on by itself.",
        1: "Its run goes on behind it.",
    }.get(released, f"The {released} runs that failed over it go on behind it.")
    return f"Noted for {_what(row)}: {BY_HAND}. {goes_on}"


def _what(row: Row) -> str:
    return f"{row['step']} of {row['label']}"


class _DryRun(Exception):
    """What a dry run would have done, which is rolled back."""


async def undo(settings: Settings, effect_id: int, *, surplus: Sequence[str], actor: str) -> str:
    """
    Ask for the surplus of a doubled effect to be undone; an engine does it, by an effect of its own.

    Args:
        settings: where the journal is.
        effect_id: the effect's number.
        surplus: what is to be undone, as the person saw it: more may be found meanwhile.
        actor: who wants it, for the audit trail.

    Returns:
        A sentence that says what happens now.

    Raises:
        HooklineError: there is no such doubled effect.
    """
    async with lent(settings) as connection:
        row = await _doubled(connection, effect_id)
        if await store.request_undo(connection, effect_id, actor, surplus) is None:
            raise HooklineError(
                f"Effect {effect_id} has {', '.join(row['surplus'])} too much, and not {', '.join(surplus) or 'this'}: "
                "look at it again. Nothing was changed."
            )
    return (
        f"An engine undoes it now: {', '.join(surplus)} of {row['step']} of {row['label']}. "
        f"See: hookline effects show {effect_id}"
    )


async def keep(settings: Settings, effect_id: int, *, actor: str) -> str:
    """
    Write down that a doubled effect is none, or was put right by hand.

    Args:
        settings: where the journal is.
        effect_id: the effect's number.
        actor: who says so, for the audit trail.

    Returns:
        A sentence that says what was noted.

    Raises:
        HooklineError: there is no such doubled effect.
    """
    async with lent(settings) as connection, acting(connection, actor, "nothing is undone"):
        row = await _doubled(connection, effect_id)
        await store.undoubled(
            connection, effect_id, row["surplus"], "A person says that nothing is to be undone."
        )
    return f"Noted for {row['step']} of {row['label']}: {', '.join(row['surplus'])} may stay."


async def _doubled(connection: Connection, effect_id: int) -> Row:
    row = await store.read(connection, effect_id)
    if row is None:
        raise HooklineError(f"There is no effect {effect_id}. See: hookline effects list")
    if row["state"] != "doubled":
        raise HooklineError(
            f"Effect {effect_id} ({row['step']} of {row['label']}) is {row['state']}; only what is doubled is undone."
        )
    return row
