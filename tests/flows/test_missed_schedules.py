"""Runs that a schedule missed while everything was down, on a real Prefect server: all, the latest, or none is kept."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import yaml
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.sorting import FlowRunSort

from flows.notify import notify
from hookline.provisioning.entries import Schedule
from hookline.provisioning.missed import skip_missed

ENTRYPOINT = "flows/notify.py:notify"
EVERY = {"interval": 3600}


@pytest.fixture
async def missed(admin, tmp_path):
    """A deployment whose schedules missed four runs each; the states of those runs afterwards, the latest first."""
    made = []

    async def missed(*schedules):
        name = f"missed-{uuid4().hex[:8]}"
        deployment = await admin.client.create_deployment(
            await admin.client.create_flow(notify),
            name=name,
            entrypoint=ENTRYPOINT,
            schedules=[Schedule(**each).prefect() for each in schedules],
        )
        made.append(deployment)
        now = datetime.now(UTC)
        window = {
            "start_time": (now - timedelta(hours=4, minutes=30)).isoformat(),
            "end_time": (now - timedelta(minutes=2)).isoformat(),
            "min_runs": 4,
            "max_runs": 4,
        }
        (
            await admin.client.request("POST", f"/deployments/{deployment}/schedule", json=window)
        ).raise_for_status()
        path = tmp_path / "prefect.yaml"
        entry = {"name": name, "entrypoint": ENTRYPOINT, "schedules": list(schedules)}
        path.write_text(yaml.safe_dump({"deployments": [entry]}))
        await skip_missed(admin.client, path, now)
        runs = await admin.client.read_flow_runs(
            flow_run_filter=FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment])),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        )
        return [run for run in runs if run.expected_start_time < now]

    yield missed
    for deployment in made:
        await admin.client.delete_deployment(deployment)


def names(runs):
    return ["Skipped" if run.state.name == "Skipped" else "kept" for run in runs]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, ["kept", "Skipped", "Skipped", "Skipped"]),
        ({"missed": "latest"}, ["kept", "Skipped", "Skipped", "Skipped"]),
        ({"missed": "all"}, ["kept"] * 4),
        ({"missed": "none"}, ["Skipped"] * 4),
    ],
)
async def test_of_the_runs_that_were_missed_as_many_are_kept_as_the_schedule_says(missed, policy, expected):
    runs = (await missed(EVERY | policy))[:4]

    assert expected == names(runs)
    for run in runs:
        if run.state.name == "Skipped":
            assert "while no worker was there; its schedule keeps" in run.state.message


async def test_each_schedule_of_a_deployment_has_a_policy_of_its_own(missed):
    runs = await missed(EVERY | {"missed": "none"}, {"interval": 5400, "missed": "all"})

    assert {"kept", "Skipped"} == set(names(runs))
    assert names(runs).count("kept") >= 2
    assert 4 == names(runs).count("Skipped")


def test_another_word_for_the_policy_is_refused():
    with pytest.raises(ValueError, match="Input should be 'all', 'latest' or 'none'"):
        Schedule(**EVERY, missed="some")
