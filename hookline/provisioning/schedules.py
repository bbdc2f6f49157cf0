"""Overdue schedules: found for `hookline doctor` and for a notification."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
    Operator,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort

from hookline.health.finding import Finding

PERIODS = 3
"""Periods without a completed run after which a schedule is overdue."""
PLANNING = timedelta(hours=1)
"""Prefect's scheduler plans at least an hour ahead, once a minute; no plan for so long means that it stopped."""
MAX = 200
REFUSED = "Refused"
"""Name of the Failed state of a run of credential-check that did its work, and found credentials that are refused."""
ADVICE = "See its latest runs in the Prefect UI, and the log of the worker."


@dataclass(frozen=True)
class Overdue:
    """A schedule without a completed run for too long."""

    deployment: str
    what: str
    since: datetime | None
    """Time at which the last run completed; None: never."""


async def check(client: PrefectClient) -> list[Finding]:
    """
    Check that no schedule is overdue.

    Raises:
        httpx.HTTPError: Prefect is unavailable.
    """
    found = await overdue(client, datetime.now(UTC))
    if not found:
        return [Finding("schedules", "ok", "each active one completed recently, or is new")]
    return [Finding("schedules", "problem", "; ".join(each.what for each in found), ADVICE)]


async def overdue(client: PrefectClient, now: datetime) -> list[Overdue]:
    """
    Find the active schedules of which no run completed for three periods.

    Raises:
        httpx.HTTPError: Prefect is unavailable.
    """
    found = [
        await _overdue(client, deployment, now)
        for deployment in await client.read_deployments(limit=MAX)
        if not deployment.paused and any(schedule.active for schedule in deployment.schedules)
    ]
    return [each for each in found if each is not None]


async def _overdue(client: PrefectClient, deployment: DeploymentResponse, now: datetime) -> Overdue | None:
    flow = await client.read_flow(deployment.flow_id)
    name = f"{flow.name}/{deployment.name}"
    begun = _begun(deployment, now)
    planned = await _planned(client, deployment, now)
    most = allowed(planned)
    last = await _last_completed(client, deployment)
    silent = now - max(begun, last or begun)
    if most is None:
        is_late = silent > PLANNING and not _may_end(deployment)
        return Overdue(name, f"{name}: Prefect has planned no further run", last) if is_late else None
    if silent <= most:
        return None
    last_run = (
        f"the last completed run ended {last:%Y-%m-%d %H:%M} UTC" if last else "no run has ever completed"
    )
    return Overdue(name, f"{name}: due every {_in_words(most / PERIODS)}, and {last_run}", last)


def allowed(planned: Sequence[datetime]) -> timedelta | None:
    """Return three periods of the planned runs, which are in order; None if they show no period."""
    if len(planned) <= 1:
        return None
    return PERIODS * (planned[-1] - planned[0]) / (len(planned) - 1)


async def _planned(client: PrefectClient, deployment: DeploymentResponse, now: datetime) -> list[datetime]:
    """Return the next runs that Prefect's scheduler has made: they show the dates of any kind of schedule."""
    runs = await client.read_flow_runs(
        flow_run_filter=_of(
            deployment,
            StateType.SCHEDULED,
            FlowRunFilterExpectedStartTime(after_=now),  # type: ignore[arg-type]
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        limit=PERIODS + 1,
    )
    return [run.expected_start_time for run in runs if run.auto_scheduled and run.expected_start_time]


async def _last_completed(client: PrefectClient, deployment: DeploymentResponse) -> datetime | None:
    completed = FlowRunFilterState(
        operator=Operator.or_,  # type: ignore[call-arg]
        type=FlowRunFilterStateType(any_=[StateType.COMPLETED]),
        name=FlowRunFilterStateName(any_=[REFUSED]),
    )
    runs: list[FlowRun] = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]), state=completed
        ),
        sort=FlowRunSort.END_TIME_DESC,
        limit=1,
    )
    return runs[0].end_time if runs else None


def _of(
    deployment: DeploymentResponse, state: StateType, expected: FlowRunFilterExpectedStartTime
) -> FlowRunFilter:
    return FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[state])),
        expected_start_time=expected,
    )


def _begun(deployment: DeploymentResponse, now: datetime) -> datetime:
    """Return when it was last made, changed, or switched on."""
    times = [
        schedule.updated or schedule.created or now for schedule in deployment.schedules if schedule.active
    ]
    return max(times, default=now)


def _may_end(deployment: DeploymentResponse) -> bool:
    """Return True for a schedule that may have had its last date: a recurrence rule."""
    return any(hasattr(schedule.schedule, "rrule") for schedule in deployment.schedules if schedule.active)


def _in_words(period: timedelta) -> str:
    minutes = round(period.total_seconds() / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"  # noqa: PLR2004
