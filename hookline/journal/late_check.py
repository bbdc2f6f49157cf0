"""
Late checks: a write that took more than one attempt, or a person's word, is looked for again for a day.

Whatever a vendor's landing time is said to be, an attempt that was given up may still land behind it. What is there
more often than it was wanted makes its effect *doubled*: shown, and undone by a person's confirmed act.
"""

from collections.abc import Sequence

from hookline.database import lent
from hookline.database.types import Connection, Row
from hookline.journal import locks, store
from hookline.journal.effect import CountReadback, Outcome, Readback
from hookline.settings import Settings

POSTPONED_SECONDS = 60.0
"""The wait of a check that would have to count what another write may still bring."""


def delay(settings: Settings, checks: int) -> float | None:
    """Return the seconds from a late check, or from the end of the write, to the next one; None after the last."""
    times = (0.0, *settings.late_check_seconds)
    return None if checks + 1 >= len(times) else times[checks + 1] - times[checks]


async def check(settings: Settings, row: Row, readback: Readback, proposal: str) -> list[str]:
    """
    Look for an effect that is done, and write down what was found.

    Args:
        settings: where the journal is.
        row: the effect.
        readback: finds it at the vendor, or counts.
        proposal: what would undo what is too much, in a sentence.

    Returns:
        The vendor's references of what is there more than was wanted, and was not known.

    Raises:
        VendorError: the vendor does not say.
        DatabaseUnavailable: PostgreSQL is away.
    """
    async with lent(settings) as connection:
        if isinstance(readback, CountReadback):
            surplus = await _uncounted(connection, row, readback)
        else:
            surplus = surplus_of(await readback(), row)
        if surplus is None:
            await store.postpone_check(connection, row["id"], POSTPONED_SECONDS)
            return []
        if new := [each for each in surplus if each not in {*row["surplus"], *row["decided"]}]:
            await note(settings, connection, row, new, proposal)
        else:
            await store.checked(connection, row["id"], next_after=delay(settings, row["checks"] + 1))
        return new


async def note(
    settings: Settings, connection: Connection, row: Row, surplus: Sequence[str], proposal: str = ""
) -> None:
    """Write down that an effect is doubled, with these references of what is too much."""
    advice = proposal or f"See: hookline effects undo {row['id']}"
    reason = _reason(row, [*row["surplus"], *surplus], advice)
    after = delay(settings, row["checks"] + 1)
    await store.doubled(connection, row["id"], surplus, reason, next_after=after)


def surplus_of(found: Outcome | None, row: Row) -> list[str]:
    """Return what a read-back found more than was wanted; what the journal knows as the effect's own comes first."""
    copies: Sequence[str] = [] if found is None else found.copies
    own = [each for each in copies if each in row["reference"]]
    return [*own, *(each for each in copies if each not in own)][max(row["expected"], 1) :]


async def _uncounted(connection: Connection, row: Row, readback: CountReadback) -> list[str] | None:
    """Return what is there since the write and belongs to no effect; None while another write may bring something."""
    await locks.lock(connection, f"scope {readback.scope}")
    if await store.open_neighbours(connection, row["id"], readback.scope):
        return None
    known = await store.references(connection, readback.scope)
    return sorted(await readback.count() - set(row["baseline"] or []) - known)


def _reason(row: Row, surplus: Sequence[str], proposal: str) -> str:
    vendor = row["operation"].partition(".")[0]
    expected = ", ".join(row["reference"]) or f"{max(row['expected'], 1)}"
    return f"{vendor} shows {', '.join(surplus)} beside {expected}, which was wanted. {proposal}"
