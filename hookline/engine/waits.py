"""What engines do for runs that wait: look back, let waits time out, and let runs go on whose wait is over."""

import logging
import time
from collections.abc import Collection
from typing import Final

import asyncpg
from prefect.client.orchestration import PrefectClient

from hookline.engine.routing import Router
from hookline.prefect_adapter import suspension
from hookline.waits import store

logger = logging.getLogger(__name__)

GO_ON_SECONDS: Final = 0.5
BACKFILL_SECONDS: Final = 0.5
ASK_SECONDS: Final = 1.0
PAGE: Final = 50
"""Deliveries that are read at once by a look back."""
TURN_SECONDS: Final = 5.0
"""The longest time for which one source is looked at, before another has its turn."""
RESUMED_AT_ONCE: Final = 20


async def go_on(database: asyncpg.Pool, client: PrefectClient) -> None:
    """
    Let waits time out, and let the runs go on whose wait is over.

    Raises:
        httpx.HTTPError: Prefect is unavailable; runs of its worker wait until it is there.
    """
    while await store.time_out(database) == store.AT_ONCE:
        pass
    while await store.wake(database) == store.AT_ONCE:
        pass
    for row in await store.runs_in_worker(database, RESUMED_AT_ONCE):
        if await suspension.resume(client, row["flow_run_id"], row["reason"] or "Its wait is over."):
            await store.forget_run(database, row["wait_id"], row["flow_run_id"])


async def backfill(database: asyncpg.Pool, router: Router) -> None:
    """Compare waits that began a moment ago with what came before, a source at a time, the oldest first."""
    looking = await store.to_backfill(database)
    if looking is None:
        return
    paths = await store.paths(database, looking.source)
    until, after = time.monotonic() + TURN_SECONDS, looking.after
    while True:
        page = await store.deliveries_after(database, looking.source, after, PAGE)
        keys = {row["id"]: await _keys(router, row, paths) for row in page if row["counts"]}
        is_last = len(page) < PAGE
        after = page[-1]["seq"] if page else after
        if router.is_stopping:
            return  # nothing may be counted as looked at that could not be read
        await store.looked_at(database, looking, keys, up_to=None if is_last else after)
        if is_last or time.monotonic() > until:
            return


async def _keys(router: Router, row: asyncpg.Record, paths: Collection[tuple[str, ...]]) -> list[str]:
    return await router.evaluation.wait_keys(row, row["body"], paths)
