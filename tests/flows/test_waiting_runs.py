"""Whatever waits, in whichever way, leaves its slot to what does not, and the inbox says what it waits for."""

import pytest
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate

AT_ONCE = {"engine_concurrency": 2, "batch_backlog": 0}


@pytest.fixture(autouse=True)
def soon_stopped(monkeypatch):
    monkeypatch.setattr("hookline.engine.engine.DRAIN_SECONDS", 0.1)


@pytest.fixture
async def one_slot(admin):
    limit = GlobalConcurrencyLimitCreate(name="gates", limit=1)
    await admin.client.create_global_concurrency_limit(limit)
    yield
    await admin.client.delete_global_concurrency_limit_by_name("gates")


async def innocent_is_done(admin):
    work = await admin.dispatch("steps")
    work.open()
    await work.is_("done")


async def says(admin, work, what):
    """What the inbox says, once it says something like this."""

    async def said():
        row = await work.row()
        return row["reason"] if what in (row["reason"] or "") else None

    return await admin.until(said, f"it does not say {what!r}")


@pytest.mark.parametrize("flow", ["patient", "impatient", "nested"])
async def test_runs_that_wait_for_their_next_attempt_leave_their_slots_to_others(admin, flow):
    waiting = [await admin.dispatch(flow) for _ in range(4)]
    expected = (
        "waits until Prefect lets its flow run go on" if flow == "nested" else "waits for its next attempt at"
    )

    async with admin.engine(**AT_ONCE):
        for work in waiting:
            await says(admin, work, expected)
        await innocent_is_done(admin)
        states = {(await work.row())["state"] for work in waiting}

    assert {"running"} == states


async def test_a_run_that_waits_for_a_limit_in_prefect_leaves_its_slot_to_others(admin, one_slot):
    async with admin.engine(**AT_ONCE):
        first = await admin.dispatch("limited")
        await first.has_written("in")
        second = await admin.dispatch("limited")
        said = await says(admin, second, "waits ")
        await innocent_is_done(admin)
        for work in (first, second):
            work.open()
            await work.is_("done")

    assert "waits for the limit gates in Prefect" == said
    assert None is (await second.row())["reason"]


async def test_a_vendor_that_hangs_leaves_room_for_others(admin):
    admin.sandbox.fault("zentitle", operation="list_products", kind="latency", seconds=25, times=2)
    in_flight = "waits for a free slot: 2 of 2 calls to zentitle are in flight"
    expected = [in_flight, *["waits for an answer of zentitle"] * 2]

    async with admin.engine(**AT_ONCE):
        works = [await admin.dispatch("calls") for _ in range(3)]
        for work in works:
            await work.has_written("begun")

        async def said():
            return expected == sorted([(await work.row())["reason"] or "" for work in works])

        await admin.until(said, f"they do not say {expected}")
        await innocent_is_done(admin)
        states = {(await work.row())["state"] for work in works}
        for work in works:
            await work.is_("done")

    assert "running" in states
