"""What goes into a batch, and what happened to a dispatch there; whole batches are run in `tests/flows/test_batches.py`."""

import asyncio
from contextvars import copy_context
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.states import Cancelled, Completed, Failed

from hookline.engine.batch import Batches, BatchRun, outcome_of
from hookline.engine.leases import Leases
from hookline.engine.outcomes import Discarded, LeaseLost, NewState, Requeue, Unbatch
from hookline.hooks import Hooks
from hookline.inbox import batches
from hookline.prefect_adapter.control import Stop
from hookline.provisioning.deployments import Deployment, WorkPool
from tests.database.test_leases import dispatch

ENDED = Unbatch("The run of the backlog was ended in the Prefect UI.")


@pytest.mark.parametrize(
    ("of_all", "engines", "share"),
    [(10, 1, 10), (10, 2, 5), (10, 3, 4), (10, 40, 2), (2, 2, 2), (1, 3, 1), (0, 2, 0)],
)
async def test_engines_share_a_number_and_one_dispatch_is_no_crowd(database_settings, of_all, engines, share):
    ours = Batches(database_settings, None, None, Hooks(Path("none"), {}, []), {})
    ours.engines = engines

    assert share == ours._share_of(of_all)


@pytest.mark.parametrize(
    ("stop", "state", "outcome"),
    [
        (None, Completed(), NewState("done", None)),
        (None, Completed(name="Skipped", message="not ours"), NewState("done", "not ours")),
        (None, Failed(message="no such part"), Unbatch("no such part")),
        (None, None, Unbatch("It did not end.")),
        (Stop.LEASE_LOST, None, LeaseLost()),
        (Stop.LEASE_LOST, Completed(), LeaseLost()),
        (Stop.DISCARDED, None, Discarded()),
        (Stop.DISCARDED, Completed(), NewState("done", None)),
        (Stop.ENGINE_STOPS, Cancelled(), Requeue("this engine is stopping", seconds=0)),
        (Stop.CANCELLED, None, ENDED),
        (Stop.SUSPENDED, None, ENDED),
        (Stop.DELETED, Failed(message="cut"), ENDED),
    ],
)
def test_the_outcome_of_a_dispatch_in_a_batch(stop, state, outcome):
    assert outcome == outcome_of(stop, state)


async def test_a_batch_that_has_carried_as_many_as_it_may_is_closed(database, database_settings):
    client = PrefectClient("http://127.0.0.1:9/api")
    ours = Batches(database_settings, database, client, Hooks(Path("none"), {}, []), {})
    batch = ours.batch = BatchRun(database, client, timedelta(seconds=60), size=2)

    batch.carried = 1
    await ours.open([], more=True)
    open_still = ours.batch
    batch.carried = 2
    await ours.open([], more=False)
    closed = ours.batch
    await ours.close()

    assert (batch, None) == (open_still, closed)


@pytest.mark.parametrize(
    ("limit", "number", "opened"),
    [(None, 3, True), (None, 2, False), (1, 3, False)],
    ids=["many", "few", "of a deployment with a limit"],
)
async def test_many_that_came_lately_open_a_batch_if_they_may_be_in_one(
    database, database_settings, limit, number, opened
):
    settings = database_settings.model_copy(update={"batch_backlog": 3})
    deployment = Deployment(
        name="test",
        entrypoint="tests/flows/gates.py:steps",
        work_pool=WorkPool(name="hookline"),
        concurrency_limit=limit,
    )
    client, hooks = PrefectClient("http://127.0.0.1:9/api"), Hooks(Path("none"), {}, [])
    ours = Batches(settings, database, client, hooks, {"f/d": deployment})
    leases = Leases(settings, "a")

    for each in range(number):
        await dispatch(database, f"order {each}")
        await ours.open(await leases.claim(1, ["f/d"]), more=False)
    is_open = ours.batch is not None
    await ours.close()

    assert opened is is_open


async def test_a_batch_is_abandoned_once_its_lease_has_ended_until_it_is_closed(database):
    lives, dies = uuid4(), uuid4()
    for batch, lease in ((lives, 60), (dies, 60), (dies, -60)):
        await batches.renew_lease(database, batch, timedelta(seconds=lease))

    abandoned = await batches.abandoned(database)
    await batches.close(database, dies)

    assert ([dies], []) == (abandoned, await batches.abandoned(database))
    assert [lives] == [row["id"] for row in await database.fetch("DELETE FROM batches RETURNING id")]


async def test_a_batch_asks_for_the_lease_before_it_notes_its_run_of_a_dispatch(database, database_settings):
    await dispatch(database)
    [claimed] = await Leases(database_settings, "slow").claim(1, ["f/d"])
    await database.execute("UPDATE dispatches SET lease_owner = 'another'")
    claimed.until = 0  # it slept
    batch = BatchRun(database, PrefectClient("http://127.0.0.1:9/api"), timedelta(seconds=60), size=2)
    batch._opened.set_result((uuid4(), copy_context()))

    async with asyncio.timeout(20):
        outcome = await batch.run(claimed, None)
    await batch.close()

    row = await database.fetchrow("SELECT lease_owner, flow_run_id FROM dispatches")
    assert (LeaseLost(), "another", None) == (outcome, *row)
