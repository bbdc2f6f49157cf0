"""
Late checks: a write that took more than one attempt, or a person's word, is looked for again for a day.

Whatever a vendor's landing time is said to be, an attempt that was given up may still land behind it. What is there
more often than it was wanted makes its effect *doubled*: shown, and undone by a person's confirmed act. So is what is
there of a write that was undone. What is there of a write with which nobody went on, since its order was refused or set
aside, is *done*.
"""

from collections.abc import Sequence

from hookline.database import lent
from hookline.database.types import Connection, Row
from hookline.journal import locks, readback_first, store
from hookline.journal.effect import CountReadback, Readback
from hookline.journal.store import MAY_LEAVE_SECONDS
from hookline.settings import Settings

POSTPONED_SECONDS = 60.0
"""The wait of a check that would have to count what another write may still bring."""
_HAPPENED = ("done", "doubled")
_OPEN = ("intended", "failed")
"""The states of an effect of which an attempt may have come to something that nobody has seen."""
_FOUND_LATE = "found at the vendor, after nobody had gone on with it"


def delay(settings: Settings, checks: int) -> float | None:
    """Return the seconds from a late check, or from the end of the write, to the next one; None after the last."""
    times = (0.0, *settings.late_check_seconds)
    return None if checks + 1 >= len(times) else times[checks + 1] - times[checks]


def delay_of_attempt(settings: Settings) -> float | None:
    """Return the seconds from the beginning of an attempt to a late check, should nobody write down how it ended."""
    first = delay(settings, 0)
    return None if first is None else MAY_LEAVE_SECONDS + settings.call_seconds + first


async def check(settings: Settings, row: Row, readback: Readback, proposal: str) -> list[str]:
    """
    Look for an effect of which an attempt may have come to something unseen, and write down what was found.

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
        if not await store.is_to_check(connection, row):
            return []
        found = await _found(connection, row, readback)
        current = await _current(connection, row) if found else row
        if found is None or current["state"] == "uncertain":  # a person decides
            await store.postpone_check(connection, row["id"], POSTPONED_SECONDS)
            return []
        new = [each for each in found if each not in {*row["surplus"], *row["decided"]}]
        if current is not row or not new:
            await store.checked(connection, row["id"], next_after=delay(settings, row["checks"] + 1))
        if new and current["state"] in _OPEN:
            advice = proposal if current is row else ""
            return await _find_late(settings, connection, current, new, row["scope"], advice)
        if new:
            await note(settings, connection, current, new, proposal if current is row else "")
        return new


async def note(
    settings: Settings, connection: Connection, row: Row, surplus: Sequence[str], proposal: str = ""
) -> None:
    """Write down that an effect is doubled, with these references of what is too much."""
    advice = proposal or f"See: hookline effects undo {row['id']}"
    reason = _reason(row, [*row["surplus"], *surplus], advice)
    after = delay(settings, row["checks"] + 1)
    await store.doubled(connection, row["id"], surplus, reason, next_after=after)


async def _found(connection: Connection, row: Row, readback: Readback) -> list[str] | None:
    """Return what is there of an effect that is not known to be wanted; None while that cannot be told."""
    if isinstance(readback, CountReadback):
        return await _uncounted(connection, row, readback)
    found = await readback()
    copies: Sequence[str] = [] if found is None or found.is_state else found.copies or found.reference
    if row["state"] in _HAPPENED:  # what the journal knows as the effect's own comes first
        own = [each for each in copies if each in row["reference"]]
        return [*own, *(each for each in copies if each not in own)][max(row["expected"], 1) :]
    others = await store.others_at_step(connection, row)
    known = {*row["reference"], *(each for other in others for each in other["reference"])}
    return [each for each in copies if each not in known]


async def _uncounted(connection: Connection, row: Row, readback: CountReadback) -> list[str] | None:
    """
    Return what is there since the write and belongs to no effect; None where it may be of another write.

    Since a restore, it may be of a write that is forgotten, or nobody knows what was there before: then only what says
    at the vendor whose it is counts.
    """
    await locks.lock(connection, f"scope {readback.scope}")
    if not (found := await readback.count() - set(row["baseline"] or [])):
        return []
    # What a person resolves meanwhile is among the open ones, or known by now.
    neighbours = await store.open_neighbours(connection, row["id"], readback.scope)
    found -= await store.references(connection, readback.scope)
    if found and (row["baseline"] is None or await store.is_of_before(connection, row)):
        found, _ = await readback_first.whose(readback, found, row["workflow"], row["key"])
    if others := [each["id"] for each in neighbours if _may_have_brought(each, found, row)]:
        await store.hurry_checks(connection, others)
        return None
    return sorted(found)


def _may_have_brought(neighbour: Row, found: set[str], row: Row) -> bool:
    """Return True if what was found may be of another write: of two that nobody goes on with, of the later one."""
    since = row["attempted_at"] or row["given_up_at"]
    if row["state"] in _OPEN and since is not None and neighbour["attempted_at"] < since:
        return False
    is_looked_for = neighbour["goes_on"] or neighbour["state"] == "uncertain" or neighbour["call"] is not None
    return is_looked_for and len(found - set(neighbour["baseline"] or [])) >= max(neighbour["expected"], 1)


async def _find_late(
    settings: Settings,
    connection: Connection,
    row: Row,
    found: Sequence[str],
    scope: str | None,
    proposal: str,
) -> list[str]:
    """Take what was found for the outcome of an effect with which nobody went on; return what is too much of it."""
    expected, next_after = max(row["expected"], 1), delay(settings, row["checks"] + 1)
    own, surplus = list(found[:expected]), list(found[expected:])
    if len(own) < expected:
        await store.checked(connection, row["id"], next_after=next_after)
        return []
    is_written = await store.found_late(connection, row, own, _FOUND_LATE, scope=scope, next_after=next_after)
    if not (is_written and surplus):
        return []
    done = await store.read(connection, row["id"])
    await note(settings, connection, done or row, surplus, proposal)
    return surplus


async def _current(connection: Connection, row: Row) -> Row:
    """Return the effect that has what is found now: of one that was undone, what came in its place."""
    others = [] if row["state"] != "undone" else await store.others_at_step(connection, row)
    return next((each for each in others if each["state"] not in ("undone", "kept")), row)


def _reason(row: Row, surplus: Sequence[str], proposal: str) -> str:
    vendor = row["operation"].partition(".")[0]
    if row["state"] == "undone":
        return f"{vendor} shows {', '.join(surplus)}, though it was given back. {proposal}"
    expected = ", ".join(row["reference"]) or f"{max(row['expected'], 1)}"
    return f"{vendor} shows {', '.join(surplus)} beside {expected}, which was wanted. {proposal}"
