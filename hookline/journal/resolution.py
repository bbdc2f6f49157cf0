"""
A person's word on an effect: whether an uncertain one happened, and whether the surplus of a doubled one is undone.

Every run that waited for an uncertain effect goes on afterwards.
"""

from collections.abc import Sequence

from hookline.database import lent
from hookline.database.types import Connection, Row
from hookline.errors import HooklineError
from hookline.inbox import dispatches
from hookline.inbox.audit import acting
from hookline.journal import late_check, store
from hookline.settings import Settings


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
