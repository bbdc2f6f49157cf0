"""A person says what became of an uncertain effect, and every run that waited for it goes on."""

from hookline.database import lent
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
        reference: the vendor's references it brought (license codes, ids), where later steps need them.
        actor: who says so, for the audit trail.

    Returns:
        A sentence that says what was noted and what happens now.

    Raises:
        HooklineError: there is no such uncertain effect, or references are missing or too many.
    """
    said = "settled: it happened" if happened else "settled: to be sent again"
    async with lent(settings) as connection, acting(connection, actor, said):
        row = await store.read(connection, effect_id)
        if row is None:
            raise HooklineError(f"There is no effect {effect_id}. See: hookline effects list")
        what = f"{row['step']} of {row['label']}"
        if row["state"] != "uncertain":
            raise HooklineError(
                f"Effect {effect_id} ({what}) is {row['state']}; only uncertain ones are settled."
            )
        if happened and row["wanted"] and len(set(reference)) != row["wanted"]:
            raise HooklineError(
                f"{what} brought {row['wanted']} vendor references (such as license codes), and later steps "
                f"need them: give {row['wanted']}, not {len(set(reference))}."
            )
        await store.resolve(connection, effect_id, happened=happened, reference=reference)
        released = await dispatches.release_resolved(connection, row)
    noted = "it happened" if happened else "it is to be sent again"
    goes_on = (
        ("Its run goes on now." if released == 1 else f"The {released} runs that waited for it go on now.")
        if released
        else ("Retry its run in the Prefect UI to go on; if it is scheduled, the next one does.")
    )
    return f"Noted for {what}: {noted}. {goes_on}"
