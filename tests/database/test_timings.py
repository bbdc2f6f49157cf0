"""Histograms that engines add up in the database, and every gateway shows; the metrics by Prometheus' own rules."""

import asyncio
import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hookline import timings
from hookline.backup import LAST
from hookline.health import metrics
from hookline.timings import CALLS, ENDS, Counted, Received

SERIES = (CALLS.name, ("zentitle", "create_company", "2xx"))


@pytest.fixture(autouse=True)
def nothing_counted():
    timings._new.clear()
    yield
    timings._new.clear()


async def read(database):
    async with database.acquire() as connection:
        return await timings.read(connection)


async def shown(database_settings):
    text = (await metrics.exposition(database_settings)).decode()
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }, text


async def test_what_two_processes_count_is_added_up(database):
    for seconds in (0.01, 0.3, 99.0):
        CALLS.observe(seconds, *SERIES[1])
    await timings.add(database)
    await timings.add(database)
    CALLS.observe(0.3, *SERIES[1])
    await timings.add(database)

    counted = (await read(database))[SERIES]
    assert [1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1] == counted.counts
    assert pytest.approx(99.61) == counted.seconds


async def test_a_duration_is_in_the_bucket_that_it_just_fits(database):
    CALLS.observe(0.025, *SERIES[1])
    CALLS.observe(-3.0, *SERIES[1])
    await timings.add(database)

    assert 2 == (await read(database))[SERIES].counts[0]


async def test_while_the_database_is_away_nothing_that_was_counted_is_lost(database):
    class Away:
        async def executemany(self, *_):
            CALLS.observe(0.3, *SERIES[1])
            raise asyncpg.ConnectionDoesNotExistError

    CALLS.observe(0.01, *SERIES[1])
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await timings.add(Away())
    await timings.add(database)

    counted = (await read(database))[SERIES]
    assert (2, [1, 0, 0, 0, 1]) == (sum(counted.counts), counted.counts[:5])


async def test_rows_of_another_version_are_left_out(database):
    await database.execute(
        "INSERT INTO timings VALUES ('hookline_gone_seconds', '{}', '{1}', 1), ($1, $2, '{1,2}', 1)", *SERIES
    )

    assert {} == await read(database)


async def test_the_first_call_of_a_delivery_is_timed_once_and_its_end_by_how_it_ended(database):
    received = Received("jiwa", datetime.now(UTC) - timedelta(seconds=20))
    received.calling()
    received.calling()
    ENDS.observe_since(received.at, "jiwa", "done")
    await timings.add(database)

    counted = await read(database)
    assert {
        ("hookline_first_call_seconds", ("jiwa",)): 1,
        ("hookline_end_seconds", ("jiwa", "done")): 1,
    } == {series: sum(each.counts) for series, each in counted.items()}
    assert all(19 < each.seconds < 60 for each in counted.values())


async def test_the_page_of_metrics_has_them_as_prometheus_wants_them(database, database_settings):
    for seconds in (0.01, 0.3, 99.0):
        CALLS.observe(seconds, *SERIES[1])
    await timings.add(database)
    samples, _ = await shown(database_settings)

    labels = (("operation", "create_company"), ("outcome", "2xx"), ("vendor", "zentitle"))
    bucket = "hookline_vendor_call_seconds_bucket"
    assert [1, 2, 3] == [samples[bucket, *sorted((*labels, ("le", le)))] for le in ("0.025", "0.5", "+Inf")]
    assert 3 == samples["hookline_vendor_call_seconds_count", *labels]
    assert pytest.approx(99.31) == samples["hookline_vendor_call_seconds_sum", *labels]


async def test_the_disk_the_hold_and_the_last_backup_are_shown(database, database_settings):
    samples, _ = await shown(database_settings)
    assert 0 == samples[("hookline_last_backup_timestamp_seconds",)]

    made = database_settings.home / LAST
    made.touch()
    try:
        samples, _ = await shown(database_settings)
        assert abs(time.time() - samples[("hookline_last_backup_timestamp_seconds",)]) < 60
    finally:
        made.unlink()
    assert (0, True) == (samples[("hookline_held",)], samples[("hookline_disk_free_bytes",)] > 0)
    assert float("inf") == samples[("hookline_disk_left_seconds",)]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, of Debian's package prometheus")
async def test_prometheus_finds_nothing_wrong_with_names_and_units(database, database_settings):
    for timing in timings.ALL.values():
        timing.observe(0.3, *("x" for _ in timing.labels))
    await timings.add(database)
    _, text = await shown(database_settings)
    checked = await asyncio.to_thread(
        subprocess.run,
        ["promtool", "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (checked.returncode, checked.stderr)


def test_two_counts_are_added_bucket_by_bucket():
    assert Counted([1, 5], 3.0) == Counted([1, 2], 1.0) + Counted([0, 3], 2.0)
