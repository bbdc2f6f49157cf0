"""
Looks after what is not the engine's own: runs whose worker is gone for good, and schedules that do not complete.

The worker does so itself when it starts; an engine does so while none starts.
"""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import asyncpg
from prefect.client.orchestration import PrefectClient

from hookline.engine.worker_runs import close_abandoned, worker_name
from hookline.provisioning.schedules import Overdue, overdue
from hookline.settings import Settings

logger = logging.getLogger(__name__)

LOOK_SECONDS = 30.0


async def look_after(client: PrefectClient, database: asyncpg.Pool, settings: Settings) -> None:
    """Look every half minute until cancelled; what fails is tried again, and said once until it goes well."""
    failing = False
    told: set[str] = set()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await close_abandoned(client, database, worker_name(settings.home))
            told = await _tell_of_schedules(client, told, events=settings.events)
            failing = False
        except Exception as error:  # noqa: BLE001  (whatever it is, the next look must come)
            if not failing:
                logger.warning("cannot look after worker and schedules: %s: %s", type(error).__name__, error)
            failing = True


async def _tell_of_schedules(client: PrefectClient, told: set[str], *, events: bool) -> set[str]:
    """Tell Prefect of schedules that are newly overdue; return all that are."""
    found = await overdue(client, datetime.now(UTC))
    new = [each for each in found if each.deployment not in told]
    for each in new:
        logger.warning("schedule overdue: %s", each.what)
    if new and events:
        answer = await client.request("POST", "/events", json=[_event(each) for each in new])
        answer.raise_for_status()
    return {each.deployment for each in found}


def _event(schedule: Overdue) -> dict[str, Any]:
    """One event for each time that a schedule stops, however many engines see it."""
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
