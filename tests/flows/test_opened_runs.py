"""What Prefect is told of a run in an engine: one request before its first line, and short task runs when they are over."""

import pytest
from prefect.client.base import PrefectHttpxAsyncClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

SHORTEST = ["Running", "Completed"]
ASKED = ["Pending", "Running", "Completed"]
FILLED_IN = {"answer": {"__prefect_kind": "jinja", "template": "gate"}}
"""A default parameter that the server fills in for each run."""


@pytest.fixture
def requests(monkeypatch):
    """The requests to Prefect that change something, by method and path."""
    sent = []
    send = PrefectHttpxAsyncClient.send

    async def noted(self, request, *arguments, **named):
        if request.method != "GET" and not request.url.path.endswith("/filter"):
            sent.append(f"{request.method} {request.url.path}")
        return await send(self, request, *arguments, **named)

    monkeypatch.setattr(PrefectHttpxAsyncClient, "send", noted)
    return sent


async def done(admin, flow, **parameters):
    work = await admin.dispatch(flow, **parameters)
    work.open()
    async with admin.engine():
        await work.is_("done")
    return work


async def story(admin, work):
    """The names of the states that its flow run had."""
    flow_run_id = str((await work.row())["flow_run_id"])
    found = await admin.client.request("GET", "/flow_run_states/", params={"flow_run_id": flow_run_id})
    return [state["name"] for state in sorted(found.json(), key=lambda state: state["timestamp"])]


async def events_of(admin, task_run_id):
    wanted = {"filter": {"resource": {"id": [f"prefect.task-run.{task_run_id}"]}}, "limit": 50}
    found = await admin.client.request("POST", "/events/filter", json=wanted)
    return [event["event"] for event in found.json()["events"]]


async def test_a_flow_begins_after_one_request_to_prefect(admin, requests):
    work = await admin.dispatch("steps")
    async with admin.engine():
        await work.has_written("first")
        before = [each for each in requests if "/flow_runs/" in each]
        work.open()
        await work.is_("done")

    assert ["POST /api/flow_runs/"] == before
    assert SHORTEST == await story(admin, work)


async def test_an_opened_run_has_all_that_prefects_own_way_gives_it(admin):
    opened = await (await done(admin, "steps", answer=None)).flow_run()
    deployment = await admin.client.read_deployment_by_name("steps/test")
    usual = await admin.client.create_flow_run_from_deployment(deployment.id, parameters={"record": "none"})

    same = ("flow_id", "deployment_id", "work_queue_id", "work_queue_name", "work_pool_name")
    assert [getattr(usual, name) for name in same] == [getattr(opened, name) for name in same]
    assert admin.deployments["steps/test"].flow().version == opened.flow_version
    assert {"retries": 0, "retry_type": "in_process"}.items() <= opened.empirical_policy.model_dump().items()
    assert usual.labels.keys() <= opened.labels.keys()
    assert {"route:admin"} < set(opened.tags)


async def test_a_short_task_run_is_one_event_and_whole(admin, until):
    work = await done(admin, "steps")
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[(await work.row())["flow_run_id"]]))

    async def recorded():
        runs = await admin.client.read_task_runs(flow_run_filter=of_run)
        return runs if 2 == len(runs) and all(run.state_name == "Completed" for run in runs) else None

    runs = await until(recorded, "its task runs are not recorded")
    for run in runs:
        events = await until(lambda run=run: events_of(admin, run.id), "it has no event")
        assert ["prefect.task-run.Completed"] == events
        assert (1, True) == (run.run_count, run.expected_start_time <= run.start_time <= run.end_time)


async def test_a_task_run_that_lasts_is_seen_running(admin, until):
    work = await admin.dispatch("steps", answer="answered")

    async def seen():
        of_run = FlowRunFilter(id=FlowRunFilterId(any_=[(await work.row())["flow_run_id"]]))
        return [run.state_name for run in await admin.client.read_task_runs(flow_run_filter=of_run)]

    async with admin.engine():
        await work.has_written("first")
        await until(lambda: is_running(seen), "nobody sees that it runs")
        work.open("answered")
        work.open()
        await work.is_("done")


async def is_running(seen):
    return ["Running"] == await seen()


@pytest.mark.parametrize(
    ("changed", "back", "expected"),
    [
        ({"concurrency_limit": 3}, {"concurrency_limit": None}, ASKED),
        ({"parameters": {}}, {"parameters": {}}, SHORTEST),
    ],
)
async def test_where_the_server_has_a_say_it_is_asked(admin, changed, back, expected):
    deployment = await admin.client.read_deployment_by_name("steps/test")

    async def change(what):
        answer = await admin.client.request(
            "PATCH", "/deployments/{id}", path_params={"id": deployment.id}, json=what
        )
        answer.raise_for_status()

    await change(changed)
    try:
        work = await done(admin, "steps")
    finally:
        await change(back)

    assert expected == await story(admin, work)


async def test_where_the_server_fills_in_a_default_parameter_it_is_asked(admin, repository):
    made = admin.deployments["steps/test"]
    flow_id = await admin.client.create_flow(made.flow())
    pool = {"work_pool_name": made.work_pool.name, "entrypoint": made.entrypoint}
    await admin.client.create_deployment(flow_id, name="test", parameters=FILLED_IN, **pool)
    try:
        work = await done(admin, "steps")
    finally:
        await admin.deploy(made, repository)

    assert ASKED == await story(admin, work)
    assert "gate" == (await work.flow_run()).parameters["answer"]


async def test_what_a_person_sets_on_the_deployment_in_the_prefect_ui_counts(admin):
    deployment = await admin.client.read_deployment_by_name("steps/test")
    changed = {"parameters": {"answer": "gate"}, "tags": ["by-hand"]}
    address = {"path_params": {"id": deployment.id}}
    await admin.client.request("PATCH", "/deployments/{id}", json=changed, **address)
    try:
        flow_run = await (await done(admin, "steps")).flow_run()
    finally:
        await admin.client.request(
            "PATCH", "/deployments/{id}", json={"parameters": {}, "tags": []}, **address
        )

    assert ("gate", True) == (flow_run.parameters["answer"], "by-hand" in flow_run.tags)
