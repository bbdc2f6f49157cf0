"""The databases' sizes are noted day by day, and doctor says how long the disk lasts."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from hookline.database import sizes
from hookline.database.sizes import Size
from hookline.engine.maintenance import prune_old
from hookline.health.servers import MB, check_disk
from hookline.hooks import load_hooks

NOW = datetime.now(UTC)


async def test_maintenance_notes_one_size_a_day_the_latest(database, database_settings, tmp_path):
    empty = tmp_path / "hooks.yaml"
    empty.write_text("sources: {}\nroutes: {}\n")
    for _ in range(2):
        await prune_old(database, database_settings, load_hooks(empty))

    async with database.acquire() as connection:
        [size] = await sizes.latest(connection, 1)
    assert size.of_bytes >= await database.fetchval("SELECT pg_database_size(current_database())")


async def test_sizes_of_more_than_a_year_ago_are_forgotten(database, database_settings):
    await database.execute("INSERT INTO sizes SELECT current_date - 401, now(), 1")
    await sizes.note(database, database_settings)

    assert 1 == await database.fetchval("SELECT count(*) FROM sizes")


async def test_only_the_asked_days_tell_and_the_oldest_comes_first(database):
    await database.execute(
        "INSERT INTO sizes SELECT current_date - n, now(), n FROM generate_series(0, 20) AS n"
    )

    async with database.acquire() as connection:
        latest = await sizes.latest(connection, 14)
    assert [13, 0] == [latest[0].of_bytes, latest[-1].of_bytes]


@pytest.fixture
def disk(monkeypatch, database_settings, tmp_path):
    """What doctor says with so many megabytes free, and sizes in megabytes by their age in days."""

    def disk(free, *noted, **changed):
        settings = database_settings.model_copy(
            update={"home": tmp_path, "database_url": None, "min_free_mb": 100, **changed}
        )
        monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free * MB}))
        return check_disk(settings, [Size(NOW - timedelta(days=age), size * MB) for age, size in noted])

    return disk


def test_while_no_engine_has_noted_anything_nothing_is_claimed(disk):
    assert "skipped" == disk(5000).state


def test_within_the_first_day_growth_is_not_known(disk):
    found = disk(5000, (0.5, 100), (0, 900))

    assert ("ok", "the databases have 900.0 MB; how fast they grow is known after a day") == (
        found.state,
        found.detail,
    )


def test_it_says_how_long_the_disk_lasts_until_deliveries_are_refused(disk):
    found = disk(10_100, (10, 100), (0, 1100))

    assert (
        "the databases have 1.1 GB and grew by 100.0 MB a day; 10.0 GB are free: enough for 100 days"
        == found.detail
    )
    assert "ok" == found.state


def test_a_disk_that_does_not_last_a_month_is_a_warning_with_what_to_do(disk):
    found = disk(2100, (10, 100), (0, 1100))

    assert ("warning", True) == (found.state, "full in 20 days" in found.detail)
    assert "HOOKLINE_KEEP_RUNS_DAYS" in found.advice


def test_databases_that_shrink_fill_no_disk(disk):
    found = disk(10_100, (10, 1100), (0, 1000))

    assert ("ok", "the databases have 1.0 GB and do not grow; 10.0 GB are free") == (
        found.state,
        found.detail,
    )


def test_the_disk_of_another_server_is_not_guessed(disk):
    found = disk(1, (10, 100), (0, 1100), database_url=SecretStr("postgresql://db.example.com/hookline"))

    assert ("ok", True) == (found.state, found.detail.endswith("on the server of HOOKLINE_DATABASE_URL"))
