"""Prefect's own database does not grow for ever: what ended long ago goes, by Prefect's own service."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg

from hookline.database.connection import prefect_postgres_url

KEPT, OVER = timedelta(days=29), timedelta(days=31)


async def ended(prefect_api, prefect, age):
    """A run with a line of its log, that ended so long ago."""
    flow = prefect_api.post("flows/", json={"name": f"old-{uuid4()}"}).json()["id"]
    run = prefect_api.post("flow_runs/", json={"flow_id": flow, "state": {"type": "COMPLETED"}}).json()["id"]
    line = {"name": "x", "level": 20, "message": "x", "timestamp": "2026-01-01T00:00:00Z", "flow_run_id": run}
    prefect_api.post("logs/", json=[line]).raise_for_status()
    await prefect.execute("UPDATE flow_run SET end_time = now() - $2::interval WHERE id = $1", run, age)
    return run


async def test_a_run_that_ended_before_its_days_is_deleted_with_its_logs_and_a_younger_one_stays(
    sandbox, prefect_api
):
    prefect = await asyncpg.connect(prefect_postgres_url(sandbox.settings))
    try:
        old, young = [await ended(prefect_api, prefect, age) for age in (OVER, KEPT)]
        async with asyncio.timeout(60):
            while await prefect.fetchval("SELECT count(*) FROM log WHERE flow_run_id = $1", old):
                await asyncio.sleep(0.5)
    finally:
        await prefect.close()

    assert [404, 200] == [prefect_api.get(f"flow_runs/{run}").status_code for run in (old, young)]
