"""
A person's word on an effect: it happened, was done by hand, is to be sent again; its surplus is undone, or stays.

Every run that waited for an uncertain effect, or failed over one that was done by hand, goes on afterwards: not at
once, but after HOOKLINE_TAKE_BACK_SECONDS. Until something is built on it, the word can be taken back (`take_back`).
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from hookline.database import lent
from hookline.database.types import Connection, Row
from hookline.errors import HooklineError
from hookline.inbox import commands, dispatches
from hookline.inbox.audit import acting, note_effect
from hookline.journal import late_check, store
from hookline.local_time import local_time
from hookline.settings import Settings

BY_HAND: Final = "done by hand at the vendor, a person says"
MAX_BUILT: Final = 3
"""The things that are named of those that were built on a decision."""


async def resolve(
    settings: Settings,
    effect_id: int,
    *,
    happened: bool,
    reference: list[str],
    actor: str,
    dry_run: bool = False,
) -> str:
    """
    Write down that an uncertain effect happened, or that it is to be sent again.

    Args:
        settings: where the journal is.
        effect_id: the effect's number.
        happened: True, it happened; False, send it again.
        reference: the vendor's references that it brought (license codes, ids), where later steps need them.
        actor: who says so, for the audit trail.
        dry_run: True: only say what would be noted.

    Returns:
        A sentence that says what was noted and what happens now.

    Raises:
        HooklineError: there is no such uncertain effect, or references are missing or too many.
    """
    noted = "it happened" if happened else "it is to be sent again"
    async with (
        lent(settings) as connection,
        _deciding(connection, effect_id, actor, f"resolved: {noted}", dry_run=dry_run) as row,
    ):
        _ensure_resolvable(row, happened=happened, reference=reference)
        decided = await store.resolve(
            connection,
            effect_id,
            happened=happened,
            reference=reference,
            check_after=None if row["call"] is None else late_check.delay(settings, 0),
            what=noted,
            grace=settings.take_back_seconds,
        )
        goes_on_at = _goes_on_at(decided or row)
        before = await dispatches.release_resolved(connection, effect_id, goes_on_at)
        await _note_going_on(connection, effect_id, before)
    return f"{_noted(row, dry_run)}: {noted}. {_goes_on(settings, row, len(before), goes_on_at)}"


@asynccontextmanager
async def _deciding(
    connection: Connection, effect_id: int, actor: str, reason: str, *, dry_run: bool = False
) -> AsyncIterator[Row]:
    """
    Within, in one transaction, a person decides about an effect, which nobody else changes.

    The dispatches that wait for it are locked before it, as everything does that changes both. After a dry run nothing
    is changed.
    """
    with suppress(_DryRun):
        async with acting(connection, actor, reason):
            if (row := await store.read(connection, effect_id)) is None:
                raise HooklineError(f"There is no effect {effect_id}. See: hookline effects list")
            await dispatches.lock_of_effect(connection, row)
            row = await store.read(connection, effect_id, lock=True)
            assert row is not None  # noqa: S101  (the journal deletes nothing)
            yield row
            if dry_run:
                raise _DryRun


class _DryRun(Exception):
    """The end of a dry run, which is rolled back."""


async def _note_going_on(
    connection: Connection,
    effect_id: int,
    before: Mapping[str, Mapping[str, Any]],
    became: str = "dispatched",
) -> None:
    going_on = {dispatch_id: {**was, "became": became} for dispatch_id, was in before.items()}
    await store.note_going_on(connection, effect_id, going_on)


def _noted(row: Row, dry_run: bool) -> str:
    return f"{'Nothing is noted yet. ' * dry_run}Noted for {_what(row)}"


def _goes_on_at(row: Row) -> datetime:
    return datetime.fromisoformat(row["decision"]["goes_on_at"])


def _goes_on(settings: Settings, row: Row, released: int, goes_on_at: datetime) -> str:
    """Return what follows from a decision, and until when it can be taken back."""
    if not released:
        follows = (
            "Replay its delivery, or retry its run in the Prefect UI, to go on"
            if row["dispatch_id"]
            else "Retry its run in the Prefect UI to go on; if it is scheduled, the next one does"
        )
        return f"{follows}. Until then you can take it back: hookline effects take-back {row['id']}"
    runs = "Its run goes on" if released == 1 else f"The {released} runs that waited for it go on"
    if not settings.take_back_seconds:
        return f"{runs} now."
    command = f"hookline effects take-back {row['id']}"
    return f"{runs} at {local_time(goes_on_at)}. Until then you can take it back: {command}"


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
    async with (
        lent(settings) as connection,
        _deciding(connection, effect_id, actor, BY_HAND, dry_run=dry_run) as row,
    ):
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
            grace=settings.take_back_seconds,
        )
        if done is None:
            raise HooklineError(_why_not_by_hand(row))
        goes_on_at = _goes_on_at(done)
        before = await dispatches.release_resolved(connection, effect_id, goes_on_at)
        before |= await _replay_failed(connection, row, actor, goes_on_at)
        await _note_going_on(connection, effect_id, before)
    return f"{_noted(row, dry_run)}: {BY_HAND}. {_goes_on(settings, row, len(before), goes_on_at)}"


async def _replay_failed(
    connection: Connection, effect: Row, actor: str, goes_on_at: datetime
) -> dict[str, dict[str, Any]]:
    """Replay what failed of the effect's business: what is done is not repeated. Return what it was, by its ids."""
    failed = await dispatches.failed_of_business(connection, effect)
    for dispatch in failed:
        await commands.replay(
            connection, [dispatch["delivery_id"]], route=dispatch["route"], actor=actor, reason=BY_HAND
        )
    await dispatches.postpone(connection, [dispatch["id"] for dispatch in failed], goes_on_at)
    return {str(dispatch["id"]): dispatch["before"] for dispatch in failed}


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


def _what(row: Row) -> str:
    return f"{row['step']} of {row['label']}"


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
    async with lent(settings) as connection, _deciding(connection, effect_id, actor, "to be undone") as row:
        _ensure_doubled(row)
        decided = await store.request_undo(connection, effect_id, actor, surplus, settings.take_back_seconds)
        if decided is None:
            raise HooklineError(
                f"Effect {effect_id} has {', '.join(row['surplus'])} too much, and not {', '.join(surplus) or 'this'}: "
                "look at it again. Nothing was changed."
            )
        await note_effect(connection, row, f"{_what(row)}: undo {', '.join(surplus)}")
    begins = f"at {local_time(_goes_on_at(decided))}" if settings.take_back_seconds else "now"
    return (
        f"An engine undoes it {begins}: {', '.join(surplus)} of {_what(row)}. Until it begins you can take that back: "
        f"hookline effects take-back {effect_id}"
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
    async with (
        lent(settings) as connection,
        _deciding(connection, effect_id, actor, "nothing is undone") as row,
    ):
        _ensure_doubled(row)
        before = await dispatches.before_keeping(connection, row)
        kept = await store.undoubled(
            connection,
            effect_id,
            row["surplus"],
            "A person says that nothing is to be undone.",
            decision="keep it",
        )
        await _note_going_on(
            connection, effect_id, before if kept and kept["state"] != "doubled" else {}, "done"
        )
    return (
        f"Noted for {_what(row)}: {', '.join(row['surplus'])} may stay. You can take that back: "
        f"hookline effects take-back {effect_id}"
    )


def _ensure_doubled(row: Row) -> None:
    if row["state"] != "doubled":
        raise HooklineError(
            f"Effect {row['id']} ({_what(row)}) is {row['state']}; only what is doubled is undone."
        )


async def take_back(settings: Settings, effect_id: int, *, actor: str) -> str:
    """
    Take the last decision about an effect back, and make it what it was, with the runs that waited for it.

    Args:
        settings: where the journal is.
        effect_id: the effect's number.
        actor: who takes it back, for the audit trail.

    Returns:
        A sentence that says what it is now.

    Raises:
        HooklineError: nobody decided about it, or something was built on that; says what.
    """
    async with lent(settings) as connection:
        row = await store.read(connection, effect_id)
        decision = _decision(row, effect_id)
        async with acting(connection, actor, f"taken back: {decision['what']}"):
            await dispatches.lock(connection, map(UUID, decision["dispatches"]))
            locked = await store.read(connection, effect_id, lock=True)
            if _decision(locked, effect_id)["at"] != decision["at"]:
                raise HooklineError(
                    f"Another person decided about effect {effect_id} just now: look at it again."
                )
            if locked is not None and (built := await store.built_on(connection, locked)):
                raise HooklineError(_built(locked, built))
            now = await store.take_back(connection, effect_id)
            assert now is not None  # noqa: S101  (nothing was built on it, and it is locked)
            await dispatches.take_back(connection, decision["dispatches"])
            if (
                now["state"] == "doubled" and decision["what"] == "undo it"
            ):  # no transition, which is noted by itself
                await note_effect(connection, now, f"{_what(now)}: not to be undone after all")
    return f"Taken back for {_what(now)}: {decision['what']}. {_as_before(now)}"


def _decision(row: Row | None, effect_id: int) -> Mapping[str, Any]:
    if row is None:
        raise HooklineError(f"There is no effect {effect_id}. See: hookline effects list")
    if row["decision"] is None:
        raise HooklineError(
            f"Effect {effect_id} ({_what(row)}) is {row['state']}, and no decision about it can be taken back."
        )
    decision: Mapping[str, Any] = row["decision"]
    return decision


def _built(row: Row, built: Sequence[str]) -> str:
    more = f", and {len(built) - MAX_BUILT} more" if len(built) > MAX_BUILT else ""
    return (
        f"It is too late to take back that {_what(row)}: {row['decision']['what']}. Built on it: "
        f"{', '.join(built[:MAX_BUILT])}{more}. Correct it at the vendor, or set the delivery aside."
    )


def _as_before(row: Row) -> str:
    if row["state"] == "uncertain":
        return "Nobody knows again whether it happened, and its runs wait for your word."
    if row["state"] == "doubled":
        return "It is doubled, and waits for your word."
    return f"It is {row['state']}, as it was."
