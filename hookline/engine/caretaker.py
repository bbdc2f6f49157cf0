"""
The caretaker: closes runs whose worker has died, reports pools without a worker and schedules that are overdue.

The worker closes such runs itself when it starts; an engine does so while no worker starts.
"""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import asyncpg
from prefect.client.orchestration import PrefectClient

from hookline.engine.pool_runs import watch_pools
from hookline.engine.worker_runs import close_abandoned, worker_name
from hookline.provisioning.schedules import Overdue, overdue
from hookline.settings import Settings

logger = logging.getLogger(__name__)

POLL_SECONDS = 30.0


async def watch_worker_and_schedules(
    client: PrefectClient, database: asyncpg.Pool, settings: Settings
) -> None:
    """Poll every half minute until cancelled; log an error once until the poll succeeds again."""
    failing = False
    reported: set[str] = set()
    while True:
        await asyncio.sleep(POLL_SECONDS)
        try:
            await close_abandoned(client, database, worker_name(settings.home))
            await watch_pools(client, database)
            reported = await _report_schedules(client, reported, events=settings.events)
            failing = False
        except Exception as error:  # noqa: BLE001  (whatever it is, the next poll must come)
            if not failing:
                logger.warning("cannot check worker and schedules: %s: %s", type(error).__name__, error)
            failing = True


async def _report_schedules(client: PrefectClient, reported: set[str], *, events: bool) -> set[str]:
    """Send an event for each schedule that is newly overdue; return all that are overdue."""
    found = await overdue(client, datetime.now(UTC))
    new = [each for each in found if each.deployment not in reported]
    for each in new:
        logger.warning("schedule overdue: %s", each.what)
    if new and events:
        answer = await client.request("POST", "/events", json=[_event(each) for each in new])
        answer.raise_for_status()
    return {each.deployment for each in found}


def _event(schedule: Overdue) -> dict[str, Any]:
    """Return the event of an overdue schedule, with the same id in each engine."""
    return {
        "id": str(uuid5(NAMESPACE_URL, f"hookline:overdue:{schedule.deployment}:{schedule.since}")),
        "occurred": datetime.now(UTC).isoformat(),
        "event": "hookline.schedule.overdue",
        "resource": {
            "prefect.resource.id": f"hookline.schedule.{schedule.deployment}",
            "prefect.resource.name": schedule.deployment,
        },
        "payload": {"deployment": schedule.deployment, "what": schedule.what},
    }
