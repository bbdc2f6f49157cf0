"""Everything is killed at once, as by a power cut; `hookline up` again goes on with what was at work, in its order."""

import pytest

from hookline.database import pool
from hookline.database.connection import close_pool
from tests.conftest import until
from tests.installation import Installation, business, kill_all


@pytest.fixture
def installation(tmp_path, environment):
    # So that orders wait for one another.
    return Installation(tmp_path, environment, HOOKLINE_ENGINE_CONCURRENCY="1", HOOKLINE_BATCH_BACKLOG="0")


async def test_what_was_at_work_goes_on_at_once_and_is_not_overtaken(installation):
    with installation.sandbox() as sandbox:
        async with business(sandbox) as firm:
            with installation.up() as (process, _):
                installation.run("apply", "--subscribe", "--url", installation.settings.gateway_url)
                sandbox.fault("zentitle", operation="create_license_codes", kind="latency", seconds=20)
                order = await firm.order(("LIC-PRO", 1))
                await until(lambda: sandbox.faults("zentitle") == [], "the license was not asked for")
                later = [await firm.order(("LIC-PRO", 1)) for _ in range(2)]
                await until(lambda: waiting(installation, later), "they do not wait")
                await close_pool()
                kill_all(process)

            with installation.up():
                for each in (order, *later):
                    await firm.noted(each)
                begun = await begun_again(installation)

                assert order.InvoiceID in begun[0]["parameters"].values(), begun
                assert begun[0]["engine_deaths"] == 0
                assert [1, 1, 1] == [firm.counts(each)["licenses"] for each in (order, *later)]
                await close_pool()


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
        SELECT d.parameters, d.engine_deaths FROM changes c JOIN dispatches d ON d.id = c.dispatch_id
        WHERE c.became = 'running' AND c.subject = 'dispatch' AND c.id > (
            SELECT min(id) FROM changes WHERE subject = 'dispatch' AND was = 'running' AND became = 'dispatched')
        ORDER BY c.id
        """
    )
