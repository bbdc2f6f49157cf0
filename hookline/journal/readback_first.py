"""
Looking first: after a restore, "no row" does not mean "never done".

The database went back in time and a person let it go on (`hookline.inbox.holding`). What was done between the backup
and the restore is at the vendors and not in the journal. So a write without an open attempt is looked for before it is
sent. What is found is adopted. What cannot be found out asks a person, unless its business is known to have begun
since: then an earlier step of it was looked for, and was not there.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hookline.database.types import Connection, Row
from hookline.journal import store
from hookline.journal.effect import CountReadback, Effect, Outcome, Readback

MAX_UNKNOWN: Final = 100
"""The most things at a vendor that are looked at one by one."""

_TOKEN = re.compile(r"\[[\w-]+ [^\[\]]+\]")


class Unknown(Exception):
    """It cannot be found out whether an effect was done before the restore; says why."""


def is_due(row: Row) -> bool:
    """
    Return True if an effect must be looked for before it is sent, and was not yet.

    What was found counts once it is adopted, and what was absent once it is sent: its process may have died before.
    """
    since, at, began = row["readback_first_since"], row["first_readback_at"], row["attempted_at"]
    if since is None:
        return False
    if at is None or at < since or row["first_readback"] not in {"absent", "asked"}:
        return True
    return began is not None and began < at


@dataclass
class FirstReadback:
    """One effect that is looked for; its locks are held."""

    connection: Connection
    effect: Effect
    row: Row
    readback: Readback | None
    ensure_landed: Callable[[], None]
    """Raises while what is not there may still appear."""
    there: set[str] | None = None
    """What was counted at the vendor."""

    async def find(self) -> Outcome | None:
        """
        Return the effect's outcome as found at the vendor; None if it is known that it was not done.

        Raises:
            Unknown: it cannot be known.
        """
        found = await self._find()
        if found is None and self.readback is not None:
            self.ensure_landed()
        await self.note("absent" if found is None else "as wanted" if found.is_state else "found")
        return found

    async def note(self, found: str) -> None:
        """Write down what came of it: that a person was asked only after that is on disk, or nobody would be."""
        scope = self.readback.scope if isinstance(self.readback, CountReadback) else None
        # So that a late check takes nothing that was there for something that came too much.
        baseline = self.there if found == "asked" else None
        await store.note_first_readback(self.connection, self.row["id"], found, scope, baseline)

    async def _find(self) -> Outcome | None:
        if isinstance(self.readback, CountReadback):
            return await self._find_counted(self.readback)
        if self.readback is not None:
            return await self.readback()
        if await store.began_since(self.connection, self.effect, self.row["readback_first_since"]):
            return None
        raise Unknown(
            "The database went back to an earlier state, and it cannot be looked up whether this was done before."
        )

    async def _find_counted(self, readback: CountReadback) -> Outcome | None:
        self.there = await readback.count()
        unknown = self.there - await store.known_of(self.connection, readback.scope, self.row["attempted_at"])
        ours, unmarked = await whose(readback, unknown, self.effect.workflow, self.effect.key)
        if not ours and not unmarked:
            return None
        if ours and len(ours) == self.effect.expected:
            return Outcome(sorted(ours), "found at the vendor after the database went back in time")
        raise Unknown(
            f"The database went back to an earlier state. {self.effect.expected} were asked for; the vendor has "
            f"{sorted(ours) or 'none'} of this business, and {sorted(unmarked) or 'none'} of which neither the "
            "journal nor the vendor says whose they are."
        )


async def whose(
    readback: CountReadback, things: set[str], workflow: str, key: str
) -> tuple[set[str], set[str]]:
    """Return which things are this business's, and which may be anybody's; what is another's is in neither."""
    if readback.texts is None or len(things) > MAX_UNKNOWN:
        return set(), things
    ours: set[str] = set()
    unmarked: set[str] = set()
    for each in things:
        tokens = _TOKEN.findall("\n".join(await readback.texts(each)))
        if any(_is_of(token, workflow, key) for token in tokens):
            ours.add(each)
        elif not tokens:
            unmarked.add(each)
    return ours, unmarked


def _is_of(token: str, workflow: str, key: str) -> bool:
    """Return True for a token of any step of this business (`tasks.effects.BusinessKey.token`)."""
    start = f"[{workflow} {key}"
    return token.startswith(start) and token[len(start) :].startswith(("]", ": ", ", generation "))
