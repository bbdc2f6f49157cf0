"""Engines die by real signals, alone or with everything; what they had at work goes on at once."""

import os

import psutil
import pytest

from hookline.database import embedded, pool
from hookline.database.connection import close_pool
from tests.conftest import until
from tests.installation import Installation, business_of, kill_all

pytestmark = pytest.mark.alone


@pytest.fixture
def installation(tmp_path, environment):
    # So that orders wait for one another, and for nothing that was polled.
    one_by_one = {
        "HOOKLINE_ENGINE_CONCURRENCY": "1",
        "HOOKLINE_BATCH_BACKLOG": "0",
        "HOOKLINE_POLLS": "false",
    }
    return Installation(tmp_path, environment, **one_by_one)


async def test_what_was_at_work_goes_on_at_once_and_is_not_overtaken(installation):
    with installation.sandbox() as sandbox:
        async with business_of(sandbox) as firm:
            with installation.up() as (process, _):
                installation.run("apply", "--subscribe", "--url", installation.settings.gateway_url)
                sandbox.fault("zentitle", operation="create_license_codes", kind="latency", seconds=20)
                order = await firm.order(("LIC-PRO", 1))
                await until(lambda: sandbox.faults("zentitle") == [], "the license was not asked for")
                later = [await firm.order(("LIC-PRO", 1)) for _ in range(2)]
                await until(lambda: waiting(installation, later), "they do not wait")
                await close_pool(installation.settings)
                kill_all(process)

            with installation.up():
                for each in (order, *later):
                    await firm.noted(each)
                begun = await begun_again(installation)

                assert order.InvoiceID in begun[0]["parameters"].values(), begun
                assert begun[0]["takeovers"] == 0
                assert [1, 1, 1] == [firm.counts(each)["licenses"] for each in (order, *later)]
                await close_pool(installation.settings)


async def waiting(installation, orders):
    database = await pool(installation.settings)
    rows = await database.fetch("SELECT parameters FROM dispatches WHERE state = 'dispatched'")
    return {order.InvoiceID for order in orders} <= {
        each for row in rows for each in row["parameters"].values()
    }


async def begun_again(installation):
    """What was begun since the engine died, in order."""
    database = await pool(installation.settings)
    return await database.fetch(
        """
        SELECT d.parameters, d.takeovers FROM changes c JOIN dispatches d ON d.id = c.dispatch_id
        WHERE c.became = 'running' AND c.subject = 'dispatch' AND c.id > (
            SELECT min(id) FROM changes WHERE subject = 'dispatch' AND was = 'running' AND became = 'dispatched')
        ORDER BY c.id
        """
    )


async def test_an_engine_of_another_home_takes_over_before_the_lease_ends(tmp_path, environment):
    settings = {
        "HOOKLINE_LEASE_SECONDS": "10",
        "HOOKLINE_BATCH_BACKLOG": "0",
        "HOOKLINE_LANDING_SECONDS": "8",
    }
    installation = Installation(tmp_path, environment, **settings)
    with installation.sandbox() as sandbox:
        async with business_of(sandbox) as firm:
            with installation.up(), other_engine(installation):
                installation.run("apply", "--subscribe", "--url", installation.settings.gateway_url)
                database = await pool(installation.settings)
                await until(lambda: listed(database, 2), "the other engine does not begin")
                sandbox.fault("zentitle", operation="create_license_codes", kind="latency", seconds=4)
                order = await firm.order(("LIC-PRO", 1))
                await until(lambda: sandbox.faults("zentitle") == [], "the license was not asked for")
                [row] = await database.fetch(
                    "SELECT * FROM dispatches WHERE state = 'running' ORDER BY seq LIMIT 1"
                )
                psutil.Process(int(row["lease_owner"].split(":")[1])).kill()
                taken = await until(lambda: taken_over(database, row["id"]), "nobody takes over")
                await firm.noted(order)
                await close_pool(installation.settings)

            assert taken["at"] < row["lease_until"]
            assert 1 == firm.counts(order)["licenses"]


def other_engine(installation):
    """An engine with a home of its own, on the same database and Prefect server."""
    home = installation.settings.home
    environment = os.environ | {
        "HOOKLINE_HOME": str(installation.folder / "other"),
        "HOOKLINE_DATABASE_URL": embedded.url(home, "hookline"),
        "PREFECT_API_URL": installation.settings.own_prefect_api_url,
        "PREFECT_API_AUTH_STRING": (home / "secrets" / "prefect-auth").read_text(),
    }
    return installation.process("engine", ready=lambda _log: True, env=environment)


async def listed(database, engines):
    return engines == await database.fetchval("SELECT count(*) FROM engines WHERE session IS NOT NULL")


async def taken_over(database, dispatch_id):
    return await database.fetchrow(
        "SELECT at FROM changes WHERE dispatch_id = $1 AND was = 'running' AND became = 'dispatched'",
        dispatch_id,
    )
