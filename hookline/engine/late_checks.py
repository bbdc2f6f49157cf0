"""Late checks: an engine looks again for writes that may have happened twice, and undoes what a person wants undone."""

import asyncio
import logging
from contextlib import AbstractAsyncContextManager
from functools import partial
from pkgutil import resolve_name
from typing import Final, Protocol

import asyncpg

from hookline.database.connection import process_name
from hookline.database.types import Row
from hookline.inbox.audit import acting
from hookline.journal import Readback, late_check, store
from hookline.settings import Settings
from hookline.text import reason

logger = logging.getLogger(__name__)

DUE: Final = """
    EXISTS (SELECT FROM effects WHERE check_at <= clock_timestamp())
    OR EXISTS (SELECT FROM effects WHERE undo_actor IS NOT NULL)"""
"""The condition that a check is to be made, or an undo."""
SECONDS: Final = 2.0
"""The interval of looks for what is due."""
AT_ONCE: Final = 10
LEASE_SECONDS: Final = 60.0
"""The time after which a check whose engine died, or whose vendor did not answer, is made again."""
TASKS: Final = "tasks.late_checks"


UNDO_SECONDS: Final = 5.0
"""The longest time that checks wait for undos."""
undoing: Final[dict[int, "asyncio.Task[None]"]] = {}
"""The undos that are made in this process, by their effects."""


class Tasks(Protocol):
    """What `tasks.late_checks` offers."""

    def reopened(self, row: Row) -> AbstractAsyncContextManager[tuple[Readback | None, str]]:
        """Surround a check."""

    async def undo(self, row: Row) -> str:
        """Undo a surplus."""


async def check_late(database: asyncpg.Pool, settings: Settings) -> None:
    """Make the late checks that are due, and the undos that a person asked for."""
    for row in await store.requested_undos(database):
        if row["id"] not in undoing:
            undoing[row["id"]] = task = asyncio.create_task(_undo(database, row))
            task.add_done_callback(partial(_undone, row["id"]))
    if undoing:  # one whose vendor is away waits for it, and nothing else does
        await asyncio.wait(undoing.values(), timeout=UNDO_SECONDS)
    for row in await store.claim_checks(database, AT_ONCE, LEASE_SECONDS):
        await _check(settings, row)


async def _check(settings: Settings, row: Row) -> None:
    what = f"{row['step']} of {row['label']} (effect {row['id']})"
    try:
        async with _tasks().reopened(row) as (readback, proposal):
            surplus = [] if readback is None else await late_check.check(settings, row, readback, proposal)
    except Exception as error:  # noqa: BLE001  (one effect that cannot be checked stops no other)
        logger.warning(
            "%s could not be checked, and is again in %d s: %s", what, LEASE_SECONDS, reason(str(error))
        )
        return
    if surplus:
        logger.error("%s is doubled: %s", what, ", ".join(surplus))


def _undone(effect_id: int, task: "asyncio.Task[None]") -> None:
    del undoing[effect_id]
    if not task.cancelled() and (error := task.exception()):
        logger.warning("what came of the undo of effect %d could not be noted: %r", effect_id, error)


async def _undo(database: asyncpg.Pool, requested: Row) -> None:
    if (row := await store.begin_undo(database, requested["id"], process_name())) is None:
        return  # it was taken back just now
    actor = row["undo_actor"]
    try:
        done = await _tasks().undo(row)
    except Exception as error:  # noqa: BLE001  (the person who asked is told)
        async with database.acquire() as connection:
            await store.undo_failed(connection, row["id"], reason(f"It could not be undone: {error}"))
        return
    async with database.acquire() as connection, acting(connection, actor, done):
        await store.undoubled(connection, row["id"], row["undo_surplus"], done)


def _tasks() -> Tasks:
    tasks: Tasks = resolve_name(TASKS)
    return tasks
