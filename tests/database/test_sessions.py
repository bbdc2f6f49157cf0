"""An engine of another home is known dead by its lost session, and a living one is not: real processes, real kills."""

import asyncio
import os
import subprocess
import sys
from datetime import timedelta

import pytest
from clocks import set_clock
from pydantic import SecretStr

from hookline.database import connect
from hookline.database.connection import database_url
from hookline.engine.leases import SESSION_SECONDS, Leases
from hookline.engine.liveness import dead_engines, fallen_engines, note_fall
from hookline.inbox import deliveries, dispatches, engines

LEASE = timedelta(seconds=30)
ENGINE = """
import asyncio, sys
import asyncpg
from hookline.inbox import engines

async def live():
    connection = await asyncpg.connect(sys.argv[1])
    session = await engines.begin_session(connection)
    await engines.beat(connection, "other", host="host", pid=1, trouble=None, since=None, session=session)
    print("lives", flush=True)
    await asyncio.sleep(600)

asyncio.run(live())
"""


@pytest.fixture
async def held(database):
    """A dispatch that the engine of another home works on."""
    await database.execute("TRUNCATE engines")
    delivery = await database.fetchval(
        "INSERT INTO deliveries (source, external_id, method, query, headers, content_type, state) "
        "VALUES ('jiwa', '1', 'POST', '{}', '{}', '', 'received') RETURNING id"
    )
    await database.execute(
        "INSERT INTO dispatches (delivery_id, source, route, deployment, parameters) VALUES ($1, 'jiwa', 'r', 'f/d', '{}')",
        delivery,
    )
    await dispatches.claim(database, "other", limit=1, lease=LEASE)

    async def state():
        row = await database.fetchrow("SELECT state, takeovers, spared FROM dispatches")
        return tuple(row.values())

    return state


@pytest.fixture
def leases(database_settings):
    """Those of an engine with a home of its own, for which PostgreSQL has run for long enough."""
    leases = Leases(database_settings, "this one")
    leases.stable = timedelta(0)
    return leases


@pytest.fixture
def clock(monkeypatch):
    """Moves the clock of this engine."""
    now = [0.0]
    set_clock(monkeypatch, "hookline.engine.leases", lambda: now[0])

    def later(seconds):
        now[0] += seconds

    return later


def start(database_settings):
    from hookline.database.connection import database_url

    process = subprocess.Popen(
        [sys.executable, "-c", ENGINE, database_url(database_settings)], stdout=subprocess.PIPE
    )
    assert b"lives\n" == process.stdout.readline()
    return process


async def ended(database):
    """Wait until PostgreSQL has seen the end of the session."""
    for _ in range(200):
        if await engines.without_session(database, "", timedelta(0)):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("PostgreSQL does not see that the engine is dead")


async def test_a_killed_engine_of_another_home_is_known_dead_by_its_session(
    database, database_settings, held, leases, clock
):
    with start(database_settings) as process:
        await leases.take_over()
        clock(60)
        await leases.take_over()
        while_it_lives = await held()
        process.kill()
    await ended(database)

    await leases.take_over()
    at_first = await held()
    clock(SESSION_SECONDS + 0.1)
    await leases.take_over()

    assert ("running", 0, False) == while_it_lives == at_first
    assert ("dispatched", 1, False) == await held()
    assert (0, ["other"]) == tuple(await database.fetchrow("SELECT engine_deaths, lost_by FROM dispatches"))


async def test_of_other_engines_those_share_the_work_that_live_and_claim(database, database_settings, held):
    async def others():
        return await engines.others_that_claim(database, "this one")

    with start(database_settings) as process:
        idle = await others()
        await database.execute("UPDATE engines SET claims = true")
        claiming = await others(), await engines.others_that_claim(database, "other")
        process.kill()
    await ended(database)

    assert (0, (1, 0), 0) == (idle, claiming, await others())


async def test_what_a_dead_engine_was_routing_is_free_at_once(database, database_settings, held, tmp_path):
    async with database.acquire() as connection:
        await database.execute(
            "INSERT INTO deliveries (source, external_id, method, query, headers, content_type, state) "
            "VALUES ('other', '1', 'POST', '{}', '{}', '', 'received')"
        )
        [claimed] = await deliveries.claim_received(connection, 1, busy=["jiwa"], owner="other")
        before = await deliveries.claim_suspect(connection)
        (tmp_path / "engines").mkdir()
        (tmp_path / "engines" / "other.lock").touch()
        elsewhere = {"home": tmp_path, "database_url": SecretStr(database_url(database_settings))}

        await Leases(database_settings.model_copy(update=elsewhere), "this one").take_over()

        suspect = await deliveries.claim_suspect(connection)
    assert (None, claimed["id"], 2) == (before, suspect["id"], suspect["routing_attempts"])


async def test_an_engine_that_begins_another_session_is_not_dead(
    database, database_settings, held, leases, clock
):
    first, second = await connect(database_settings), await connect(database_settings)
    session = await engines.begin_session(first)
    await beat(database, session)
    await first.close()
    await ended(database)
    await leases.take_over()

    await beat(database, await engines.begin_session(second))
    clock(SESSION_SECONDS + 0.1)
    await leases.take_over()

    assert ("running", 0, False) == await held()
    await second.close()


async def test_an_engine_that_says_that_it_has_no_session_is_known_by_its_lease_alone(
    database, held, leases, clock
):
    await beat(database, None)

    await leases.take_over()
    clock(SESSION_SECONDS + 0.1)
    await leases.take_over()

    assert ("running", 0, False) == await held()


async def test_a_restart_of_postgresql_which_ends_every_session_makes_no_engine_dead(
    database, held, leases, clock
):
    await beat(database, 4711)
    leases.stable = timedelta(days=365)  # it was started within them

    await leases.take_over()
    clock(SESSION_SECONDS + 0.1)
    await leases.take_over()

    assert ("running", 0, False) == await held()


async def test_the_first_death_with_all_else_takes_no_turn_away_and_the_second_counts(
    database, database_settings, held, tmp_path
):
    elsewhere = {"home": tmp_path, "database_url": SecretStr(database_url(database_settings))}
    leases = Leases(database_settings.model_copy(update=elsewhere), "this one")
    found = []
    for _ in range(2):
        folder = tmp_path / "engines"
        folder.mkdir(exist_ok=True)
        (folder / "other.lock").touch()
        note_fall(tmp_path)
        assert ([], ["other"]) == (dead_engines(tmp_path), fallen_engines(tmp_path))
        await leases.take_over()
        found.append(await held())
        await dispatches.claim(database, "other", limit=1, lease=LEASE, takeovers=(0, 9))

    assert [("dispatched", 0, True), ("dispatched", 1, True)] == found
    assert [] == await asyncio.to_thread(os.listdir, tmp_path / "engines")


async def beat(database, session):
    await engines.beat(database, "other", host="host", pid=1, trouble=None, since=None, session=session)
