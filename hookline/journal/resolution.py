"""The resolution of an uncertain effect by a person, after which every run that waited for it goes on."""

from hookline.database import lent
from hookline.database.types import Row
from hookline.errors import HooklineError
from hookline.inbox import dispatches
from hookline.inbox.audit import acting
from hookline.journal import store
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
        await store.resolve(connection, effect_id, happened=happened, reference=reference)
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
