"""
Runs of schedules that were missed while everything was down.

Prefect's scheduler plans runs ahead (an hour at least), and none for a time that is over. So after a while without a
worker, those that were planned for it are all Late, and a worker would start every one of them. Before ours starts, it
keeps as many as the schedule in `prefect.yaml` says: `missed: all`, `latest` (unless it says anything) or `none`.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Literal
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelled

from hookline.errors import ConfigurationError
from hookline.files import read_yaml
from hookline.provisioning.entries import Entries, Schedule, named
from hookline.shipped_parts import used

logger = logging.getLogger(__name__)

Policy = Literal["all", "latest", "none"]
PAGE: Final = 200
MISSED: Final = timedelta(minutes=1)
"""A run that is late by less was not missed: its worker is only just there."""
DEFAULT: Final[Policy] = "latest"


async def skip_missed(client: PrefectClient, deployments: Path, now: datetime) -> int:
    """
    Cancel the runs that were missed and that their schedules do not keep; return their number.

    Raises:
        httpx.HTTPError: Prefect is unavailable.
    """
    policies, skipped = _policies(deployments), 0
    for deployment in await client.read_deployments(limit=PAGE):
        if not deployment.schedules:
            continue
        late = await _late(client, deployment, now)
        for run, policy in _surplus(late, deployment, policies, now):
            await client.set_flow_run_state(run.id, _skipped(run, policy), force=True)
            skipped += 1
    if skipped:
        logger.info("%d runs that schedules missed are left out, as prefect.yaml says", skipped)
    return skipped


def _policies(path: Path) -> Mapping[tuple[str, str], Sequence[tuple[str, Policy]]]:
    """Return the schedules of each deployment, by its name and entrypoint, with what each keeps."""
    try:
        entries = read_yaml(path, Entries).deployments
    except ConfigurationError as error:  # its last good version is in force elsewhere
        logger.warning("the latest of the missed runs of each schedule is kept: %s", error)
        return {}
    found = {}
    for entry in entries:
        if key := named(entry):
            found[key] = list(_schedules(used("workflow", entry).get("schedules") or ()))
    return found


def _schedules(entries: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, Policy]]:
    for entry in entries:
        try:
            schedule = Schedule.model_validate(entry)
            yield _text(schedule.prefect().schedule), schedule.missed
        except ValueError:
            continue  # `hookline apply` and the doctor say what is wrong with it


def _text(schedule: Any) -> str:
    text: str = schedule.model_dump_json(exclude={"anchor_date"})
    return text


async def _late(client: PrefectClient, deployment: DeploymentResponse, now: datetime) -> list[FlowRun]:
    """Return the planned runs whose time is over and that nothing has begun, the latest first."""
    found: list[FlowRun] = []
    while True:
        page = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]),
                state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Scheduled", "Late"])),
                expected_start_time=FlowRunFilterExpectedStartTime(before_=now),  # type: ignore[arg-type]
            ),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=PAGE,
            offset=len(found),
        )
        found += page
        if len(page) < PAGE:
            return [run for run in found if run.auto_scheduled and run.expected_start_time]


def _surplus(
    late: Sequence[FlowRun],
    deployment: DeploymentResponse,
    policies: Mapping[tuple[str, str], Sequence[tuple[str, Policy]]],
    now: datetime,
) -> Iterable[tuple[FlowRun, Policy]]:
    """Yield the runs that are not kept."""
    of_deployment = dict(policies.get((deployment.name, deployment.entrypoint or ""), ()))
    kept = {each.id: of_deployment.get(_text(each.schedule), DEFAULT) for each in deployment.schedules}
    # Sorted is stable: those of one schedule stay the latest first.
    for schedule, runs in groupby(sorted(late, key=_schedule_key), key=_schedule_key):
        policy = kept.get(UUID(schedule), DEFAULT) if schedule else DEFAULT
        for place, run in enumerate(runs):
            is_kept = policy == "all" or (policy == "latest" and place == 0)
            if not is_kept and run.expected_start_time and now - run.expected_start_time > MISSED:
                yield run, policy


def _schedule_key(run: FlowRun) -> str:
    created = run.created_by
    return str(created.id) if created and created.type == "SCHEDULE" and created.id else ""


def _skipped(run: FlowRun, policy: Policy) -> Any:
    keeps = "the latest of its missed runs" if policy == "latest" else "none of its missed runs"
    return Cancelled(
        name="Skipped",
        message=f"It was due at {run.expected_start_time:%Y-%m-%d %H:%M} UTC, while no worker was there; its schedule "
        f"keeps {keeps} (`missed` in prefect.yaml).",
    )


async def skip_missed_now(client: PrefectClient, deployments: Path) -> int:
    """Skip what was missed until now; see `skip_missed`."""
    return await skip_missed(client, deployments, datetime.now(UTC))
