"""When a schedule counts as overdue: three of its periods without a run that completed."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from hookline.provisioning import schedules

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
MINUTES = timedelta(minutes=1)


class Prefect:
    """Answers as Prefect's client does, about one deployment."""

    def __init__(self, *, period=5 * MINUTES, last=None, changed=timedelta(days=1), **more):
        schedule = SimpleNamespace(
            active=more.get("active", True),
            updated=NOW - changed,
            created=None,
            schedule=more.get("schedule", object()),
        )
        self.deployment = SimpleNamespace(
            id="10000000-0000-4000-8000-000000000001",
            flow_id="flow",
            name="default",
            paused=more.get("paused", False),
            schedules=[schedule],
        )
        self.planned = [NOW + period * n for n in range(1, 5)] if period else []
        self.last = last

    async def read_deployments(self, **_):
        return [self.deployment]

    async def read_flow(self, _):
        return SimpleNamespace(name="tickets")

    async def read_flow_runs(self, *, flow_run_filter, **_):
        if flow_run_filter.expected_start_time is not None:
            return [SimpleNamespace(auto_scheduled=True, expected_start_time=at) for at in self.planned]
        return [] if self.last is None else [SimpleNamespace(end_time=NOW - self.last)]


@pytest.mark.parametrize(
    ("prefect", "expected"),
    [
        (Prefect(last=14 * MINUTES), []),
        (Prefect(last=16 * MINUTES), ["tickets/default"]),
        (Prefect(last=None), ["tickets/default"]),
        (Prefect(last=None, changed=14 * MINUTES), []),
        (Prefect(last=timedelta(days=3), changed=MINUTES), []),
        (Prefect(last=timedelta(days=3), paused=True), []),
        (Prefect(last=timedelta(days=3), active=False), []),
        (Prefect(last=timedelta(hours=20), period=timedelta(hours=24), changed=timedelta(days=9)), []),
        (Prefect(period=None, changed=timedelta(hours=2)), ["tickets/default"]),
        (Prefect(period=None, changed=MINUTES), []),
        (Prefect(period=None, last=MINUTES), []),
        (Prefect(period=None, schedule=SimpleNamespace(rrule="FREQ=DAILY;COUNT=1")), []),
        # The clock was set back an hour after the last run ended: nothing is wrong.
        (Prefect(last=-60 * MINUTES), []),
    ],
)
async def test_a_schedule_is_overdue_after_three_periods_without_a_run_that_completed(prefect, expected):
    found = await schedules.overdue(prefect, NOW)

    assert expected == [each.deployment for each in found]


async def test_doctor_says_which_and_since_when():
    [finding] = await schedules.check(Prefect(last=timedelta(days=3)))

    assert ("problem", "schedules") == (finding.state, finding.check)
    assert "tickets/default: due every 5 min, and the last completed run ended" in finding.detail
