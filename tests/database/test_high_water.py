"""A database that is older than it was is known for one and held, and an ordinary one never is."""

import asyncio
import os
import signal
import tempfile
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr
from rows import arrival

from hookline.backup.postgres import Database, dump, load
from hookline.database import embedded, high_water
from hookline.database.connection import close_pool, database_url, pool
from hookline.database.connection import outside as outside_of
from hookline.database.high_water import Mark, Outside
from hookline.database.migrate import upgrade
from hookline.errors import HooklineError
from hookline.inbox import dispatches, holding
from hookline.inbox.deliveries import accept, claim_received
from hookline.settings import Settings


@pytest.fixture
async def outside(database, database_settings, tmp_path):
    """What is remembered of the database, in a folder of its own; numbers of changes go on, as they do in life."""
    await database.execute(
        "SELECT setval(pg_get_serial_sequence('changes', 'id'), greatest(changes_floor, 1)) FROM lineage"
    )
    await database.execute(
        "UPDATE lineage SET held_since = NULL, readback_first_since = NULL, event_due = false"
    )
    yield Outside(tmp_path, database_url(database_settings))
    await database.execute(
        "UPDATE lineage SET held_since = NULL, readback_first_since = NULL, event_due = false"
    )


@pytest.fixture
async def copy(database_settings, database):
    """Makes a copy of the database as it is now, as a dump that was loaded elsewhere."""
    made = []

    async def make():
        original = Database(database_url(database_settings))
        other = original.sibling(f"copy_{uuid4().hex}")
        await database.execute(f"CREATE DATABASE {other.name}")
        made.append(other.name)
        programs = embedded.programs()
        await asyncio.to_thread(lambda: load(programs, other, dump(programs, original)))
        return await asyncpg.connect(other.url)

    yield make
    for name in made:
        await database.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def attempt(database):
    """An effect whose attempt begins."""
    return await database.fetchval(
        "INSERT INTO effects (workflow, key, step, label, operation, digest, request, attempted_at) "
        "VALUES ('w', $1, 's', 'l', 'a.b', '', '{}', now()) RETURNING mark",
        uuid4().hex,
    )


async def test_an_ordinary_database_is_never_held(database, outside):
    for _ in range(3):
        await accept(database, arrival(uuid4().hex))
        await attempt(database)

        assert await high_water.check(database, outside)


async def test_a_new_database_and_a_new_home_are_no_alarm(database, outside, tmp_path):
    assert [] == list(tmp_path.iterdir())

    assert await high_water.check(database, outside)


async def test_rows_that_are_deleted_are_no_alarm(database, outside):
    await accept(database, arrival(uuid4().hex))
    await attempt(database)
    await high_water.check(database, outside)

    await database.execute("DELETE FROM deliveries")
    await database.execute("DELETE FROM effects")

    assert 0 == await database.fetchval("SELECT count(*) FROM changes")
    assert await high_water.check(database, outside)


@pytest.mark.parametrize(
    "act", [attempt, lambda database: accept(database, arrival(uuid4().hex))], ids=["effect", "delivery"]
)
async def test_a_copy_that_lacks_the_last_thing_is_held(database, outside, copy, act):
    await high_water.check(database, outside)
    older = await copy()
    await act(database)
    await high_water.check(database, outside)

    assert not await high_water.check(older, outside)

    held = await holding.read(older)
    await older.close()
    assert held.held_reason.startswith("The database is older than it was: it lacks 1 ")
    assert await high_water.check(database, outside)


async def test_an_attempt_counts_before_the_next_look_at_the_database(database, outside, copy):
    await high_water.check(database, outside)
    older = await copy()
    now = await high_water.position(database)
    outside.note(now.lineage, Mark(attempts=await attempt(database)))

    assert not await high_water.check(older, outside)
    await older.close()


def test_what_is_on_the_disk_is_not_written_to_it_again_and_what_is_new_is(tmp_path, monkeypatch):
    written = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: written.append(fsync(file)))
    outside, lineage = Outside(tmp_path / "marks", "here"), uuid4()

    def nothing():
        pass

    def writes(change):
        written.clear()
        change()
        outside.note(lineage, Mark(changes=1), on_disk=True)
        return len(written)

    mark = tmp_path / "marks" / f"{lineage}.mark"
    again = [writes(nothing), writes(nothing), writes(mark.unlink)]
    further = [writes(lambda: outside.note_attempt(lineage, 7)), writes(nothing)]

    assert ([1, 0, 1], [1, 0]) == (again, further)


async def test_another_attempt_at_the_same_effect_counts(database, outside, copy):
    await attempt(database)
    await database.execute("UPDATE effects SET attempted_at = NULL")
    await high_water.check(database, outside)
    older = await copy()
    await database.execute("UPDATE effects SET attempted_at = now()")
    await high_water.check(database, outside)

    assert not await high_water.check(older, outside)
    await older.close()


async def test_an_empty_database_in_the_place_of_one_that_was_in_use_is_held(database, outside, copy):
    await high_water.check(database, outside)
    other = await copy()
    await other.execute("TRUNCATE lineage; INSERT INTO lineage DEFAULT VALUES")

    assert not await high_water.check(other, outside)

    assert "it is another one than was here" in (await holding.read(other)).held_reason
    await other.close()


async def test_a_copy_from_before_an_earlier_release_is_held(database, outside, copy):
    await high_water.check(database, outside)
    older = await copy()
    await high_water.hold(database, "It was restored.")
    await released(database, outside)
    await high_water.check(database, outside)

    assert not await high_water.check(older, outside)
    await older.close()


async def released(database, remembered):
    async with database.acquire() as connection:
        await holding.release(connection, remembered, actor="ann", reason="looked at")


async def test_a_copy_that_is_restored_twice_goes_on_twice(database, outside, copy):
    await high_water.check(database, outside)
    backup = [await copy(), await copy()]
    for older in backup:
        await high_water.hold(older, "It was restored.")
        await holding.release(older, outside, actor="ann", reason="looked at")

        assert await high_water.check(older, outside)
        await older.close()


async def test_a_database_that_a_person_let_go_on_is_not_held_again(database, outside, copy):
    await attempt(database)
    await high_water.check(database, outside)
    older = await copy()
    await attempt(database)
    await high_water.check(database, outside)
    await high_water.check(older, outside)

    await holding.release(older, outside, actor="ann", reason="looked at")

    assert await high_water.check(older, outside)
    now = await holding.read(older)
    assert (True, "ann") == (now.readback_first_since is not None, now.readback_first_actor)
    await older.close()


async def test_while_it_is_held_deliveries_are_stored_and_nothing_starts(database, outside):
    await accept(database, arrival(uuid4().hex))
    [row] = await database.fetch("SELECT id, source FROM deliveries")
    await database.execute(
        "INSERT INTO dispatches (delivery_id, source, route, deployment, parameters) VALUES ($1, 'jiwa', 'r', 'f/d', '{}')",
        row["id"],
    )
    await high_water.hold(database, "It is old.")
    await accept(database, arrival(uuid4().hex))

    async with database.acquire() as connection:
        assert [] == await claim_received(connection, 10)
        assert [] == await claim(database)
    await released(database, outside)
    async with database.acquire() as connection:
        assert 1 == len(await claim_received(connection, 10))
        assert 1 == len(await claim(database))


async def claim(database):
    return await dispatches.claim(database, "me", limit=10, lease=timedelta(seconds=30))


async def test_what_a_person_does_is_in_the_audit_trail(database, outside):
    await high_water.hold(database, "It is old.")
    await released(database, outside)
    async with database.acquire() as connection:
        await holding.close(connection, actor="bob", reason="all compared")

    trail = await database.fetch(
        "SELECT was, became, actor, reason FROM changes WHERE subject = 'database' ORDER BY id"
    )

    assert [(None, "held"), ("held", "looks first"), ("looks first", "as usual")] == [
        (row["was"], row["became"]) for row in trail
    ]
    assert [("ann", "looked at"), ("bob", "all compared")] == [
        (row["actor"], row["reason"]) for row in trail[1:]
    ]


async def test_what_is_not_held_is_not_released(database, outside):
    with pytest.raises(HooklineError, match="Nothing is held"):
        await released(database, outside)


async def test_a_new_connection_is_checked_before_anything_uses_it(database, database_settings, outside):
    await high_water.check(database, outside)
    lineage = (await high_water.position(database)).lineage
    outside.note(lineage, Mark(attempts=10**9))
    other = database_settings.model_copy(
        update={"high_water": outside.folder, "home": database_settings.home / "x"}
    )
    other = other.model_copy(update={"database_url": SecretStr(database_url(database_settings))})

    connected = await pool(other)

    assert await connected.fetchval("SELECT held_since IS NOT NULL FROM lineage")


def test_a_server_that_is_killed_is_no_alarm():
    with tempfile.TemporaryDirectory(prefix="hookline-test-") as folder:
        home = Path(folder) / "home"
        settings = Settings(home=home)
        for _ in range(2):
            with embedded.served(home):
                upgrade(settings)
                asyncio.run(_work_until_killed(settings, home))
        with embedded.served(home):
            upgrade(settings)

            assert asyncio.run(_is_usual(settings))


async def _work_until_killed(settings, home):
    database = await pool(settings)
    remembered = outside_of(settings)
    lineage = (await high_water.position(database)).lineage
    for number in range(40):
        await accept(database, arrival(uuid4().hex))
        outside_mark = Mark(attempts=await attempt(database))
        remembered.note(lineage, outside_mark)
        if number % 10 == 0:
            await high_water.check(database, remembered)
    os.kill(int((home / "postgres/data/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    database.terminate()


async def _is_usual(settings):
    database = await pool(settings)
    try:
        return (await holding.read(database)).state == "as usual"
    finally:
        await close_pool()
