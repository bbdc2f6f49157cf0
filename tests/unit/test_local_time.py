"""Times for people are in the firm's zone with UTC beside it, through the changes of summer time."""

from datetime import UTC, datetime

import pytest

from hookline.cli.inbox.filters import moment
from hookline.gateway.views import addresses
from hookline.gateway.views.rendering import TEMPLATES
from hookline.inbox.search import Filter
from hookline.local_time import (
    from_here,
    local_time,
    table_time,
    time_zone,
    use_time_zone,
    zone_key,
)
from hookline.settings import settings


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(autouse=True)
def zone():
    yield use_time_zone
    use_time_zone(None)


@pytest.mark.parametrize(
    ("name", "moment", "written"),
    [
        ("Europe/Amsterdam", "2026-03-29T00:59:59", "2026-03-29 01:59:59 CET (00:59 UTC)"),
        ("Europe/Amsterdam", "2026-03-29T01:00:00", "2026-03-29 03:00:00 CEST (01:00 UTC)"),
        ("Europe/Amsterdam", "2026-10-25T00:30:00", "2026-10-25 02:30:00 CEST (00:30 UTC)"),
        ("Europe/Amsterdam", "2026-10-25T01:30:00", "2026-10-25 02:30:00 CET (01:30 UTC)"),
        ("Australia/Sydney", "2026-10-03T16:00:00", "2026-10-04 03:00:00 AEDT (16:00 UTC)"),
        ("America/Sao_Paulo", "2026-11-29T12:00:00", "2026-11-29 09:00:00 UTC-3 (12:00 UTC)"),
        ("Asia/Kolkata", "2026-11-29T12:00:00", "2026-11-29 17:30:00 IST (12:00 UTC)"),
        ("Asia/Kathmandu", "2026-11-29T12:00:00", "2026-11-29 17:45:00 UTC+5:45 (12:00 UTC)"),
        ("Europe/London", "2026-01-05T12:00:00", "2026-01-05 12:00:00 UTC"),
        ("Europe/London", "2026-07-05T12:00:00", "2026-07-05 13:00:00 BST (12:00 UTC)"),
        ("UTC", "2026-07-05T12:00:00", "2026-07-05 12:00:00 UTC"),
    ],
)
def test_a_time_in_a_sentence_is_that_of_the_firm_and_of_utc(zone, name, moment, written):
    zone(name)

    assert written == local_time(utc(moment))


def test_a_table_says_which_time_it_is_only_where_that_is_not_utc(zone):
    zone("UTC")
    plain = table_time(utc("2026-07-05T12:00:00"))
    zone("Europe/Amsterdam")

    assert "2026-07-05 12:00:00" == plain
    assert "2026-07-05 14:00:00 CEST (12:00 UTC)" == table_time(utc("2026-07-05T12:00:00"))
    assert "Europe/Amsterdam" == zone_key()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-07-05T14:00:00", "2026-07-05T12:00:00"),
        ("2026-01-05T13:00:00", "2026-01-05T12:00:00"),
        ("2026-07-05T14:00:00+02:00", "2026-07-05T12:00:00"),
        ("2026-07-05T12:00:00Z", "2026-07-05T12:00:00"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00"),  # twice that night: the first
    ],
)
def test_a_time_that_a_person_writes_is_in_the_firms_zone_unless_it_names_another(zone, written, meant):
    zone("Europe/Amsterdam")

    assert utc(meant) == from_here(datetime.fromisoformat(written))


@pytest.mark.parametrize("hour", range(30))
def test_the_filter_of_a_page_keeps_its_time_through_the_night_in_which_an_hour_comes_twice(zone, hour):
    zone("Europe/Amsterdam")
    since = datetime(2026, 10, 24, 12, 30, tzinfo=UTC).replace(hour=hour % 24, day=24 + hour // 24)

    fields = addresses.fields_of(Filter(since=since))

    assert since == addresses.read_filter(fields).since


def test_a_time_of_a_page_has_utc_in_its_title_and_for_machines(zone):
    zone("Europe/Amsterdam")
    macros = TEMPLATES.get_template("macros.html").module

    assert (
        '<time datetime="2026-07-05T12:00:00+00:00" title="2026-07-05 12:00:00 UTC">'
        '<span class="date">2026-07-05</span> 14:00:00</time> <span class="unit">CEST</span>'
    ) == str(macros.at(utc("2026-07-05T12:00:00"))).strip().replace("\n", "")


@pytest.mark.parametrize("name", ["Amsterdam", "CEST+1", "../etc/passwd", "/etc/localtime", "", "Europe"])
def test_a_zone_that_there_is_not_is_told(name):
    with pytest.raises(ValueError, match="is no name of a time zone, such as Europe/Amsterdam"):
        time_zone(name)


def test_an_option_is_read_in_the_firm_s_zone_before_anything_else_is_set_up(monkeypatch):
    monkeypatch.setenv("HOOKLINE_TIME_ZONE", "Pacific/Auckland")
    settings.cache_clear()

    read = moment("--until", "2026-07-01T12:00", utc("2026-07-02T00:00"))

    settings.cache_clear()
    assert utc("2026-07-01T00:00") == read
