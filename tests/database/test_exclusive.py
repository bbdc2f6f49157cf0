"""A business is in one pair of hands at a time, whichever process they are of."""

import asyncio
import contextvars
import subprocess
import sys
from datetime import timedelta

import pytest

from hookline.database import pool
from hookline.errors import HooklineError
from hookline.journal import BusinessBusy, ensure_exclusive, exclusive

HOLDER = """
import asyncio, sys
from pathlib import Path
from hookline.journal import exclusive
from hookline.settings import Settings

async def hold():
    async with exclusive(Settings(home=Path(sys.argv[1])), "order-1", label="order 1", run="flow run amber-owl"):
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(hold())
"""


@pytest.fixture
def order(database, database_settings):
    def order(key="order-1", **more):
        return exclusive(database_settings, key, label=key, **more)

    return order


@pytest.fixture
def other_process(database_settings):
    """Another process that has order-1 to itself, and lives until the test ends it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(database_settings.home)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert "held\n" == process.stdout.readline()
        yield process
        process.kill()


async def in_a_context_of_its_own(coroutine):
    """As another run has one: this one's hold is not seen in it."""
    return await asyncio.get_running_loop().create_task(coroutine, context=contextvars.Context())


async def in_another_run(manager, seen, name):
    async with manager:
        seen += [f"{name} begins"]
        await asyncio.sleep(0.05)
        seen += [f"{name} ends"]


async def test_runs_of_one_business_take_turns(order):
    seen = []

    await asyncio.gather(*(in_another_run(order("order-1"), seen, name) for name in "abc"))

    assert [
        f"{name} {what}"
        for name in sorted("abc", key=lambda n: seen.index(f"{n} begins"))
        for what in ("begins", "ends")
    ] == seen


async def test_runs_of_two_businesses_do_not_wait_for_each_other(order):
    async with order("order-1"):
        await in_a_context_of_its_own(
            in_another_run(order("order-2", max_wait=timedelta(seconds=30)), [], "b")
        )


async def test_upper_and_lower_case_are_one_business(order):
    async def other():
        async with order("ORDER-1", max_wait=timedelta(milliseconds=50)):
            pass

    async with order("order-1"):
        with pytest.raises(BusinessBusy):
            await in_a_context_of_its_own(other())


async def test_whoever_waits_too_long_is_told_who_has_it_and_may_try_again(order, other_process):
    with pytest.raises(
        BusinessBusy, match=rf"Another run works on order-1: hookline {other_process.pid} at .*amber-owl"
    ) as busy:
        async with order(max_wait=timedelta(milliseconds=50)):
            pass

    assert busy.value.transient


async def test_a_killed_process_lets_go(order, other_process):
    other_process.kill()

    async with order(max_wait=timedelta(seconds=30)):
        pass


async def test_whoever_waits_says_for_whom(order, other_process, caplog):
    caplog.set_level("INFO", logger="hookline.journal")
    with pytest.raises(BusinessBusy):
        async with order(max_wait=timedelta(milliseconds=50)):
            pass

    assert f"Another run works on order-1: hookline {other_process.pid} at" in caplog.text


async def test_a_run_enters_its_business_twice(order):
    async with order(), order(), order():
        pass

    async with order(max_wait=timedelta(milliseconds=50)):
        pass


async def test_two_businesses_at_once_are_refused_so_that_no_two_runs_wait_for_each_other(order):
    async with order("order-1"):
        with pytest.raises(HooklineError, match="has order-1 to itself and cannot take order-2 as well"):
            async with order("order-2"):
                pass


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
async def test_a_run_that_breaks_off_lets_go(order, error):
    """A suspended one too: it is left by an exception."""
    with pytest.raises(error):
        async with order():
            raise error

    async with order(max_wait=timedelta(milliseconds=50)):
        pass


async def cut_off(database):
    """End the session that has a business, as a restart of PostgreSQL does."""
    await database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    )
    await asyncio.sleep(0.1)


async def test_a_lock_that_fell_with_the_database_is_taken_again_before_the_next_effect(order, database):
    async def other():
        async with order(max_wait=timedelta(milliseconds=50)):
            pass

    async with order():
        await cut_off(database)
        await ensure_exclusive()

        with pytest.raises(BusinessBusy):
            await in_a_context_of_its_own(other())


async def test_where_another_run_took_it_in_between_no_effect_is_begun(order, database):
    async with order(max_wait=timedelta(milliseconds=50)):
        await cut_off(database)
        held, enough = asyncio.Event(), asyncio.Event()

        async def other():
            async with order():
                held.set()
                await enough.wait()

        running = asyncio.get_running_loop().create_task(in_a_context_of_its_own(other()))
        await held.wait()
        with pytest.raises(BusinessBusy):
            await ensure_exclusive()
        enough.set()
        await running


async def test_every_run_of_an_engine_may_hold_a_business_and_write(database_settings):
    """Or they would wait for each other's connections."""
    database = await pool(database_settings)

    assert database.get_max_size() > 2 * database_settings.engine_concurrency
