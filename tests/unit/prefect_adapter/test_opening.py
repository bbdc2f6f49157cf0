"""A flow run that is made as running: when it may be, and what Prefect's engine need not ask then."""

import inspect
from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import AsyncFlowRunEngine
from prefect.server.schemas.actions import FlowRunCreate

from hookline.prefect_adapter.opening import KnownDeployments, OpenedRunClient, begins_at_once


def deployment(limit=None, **parameters):
    return SimpleNamespace(global_concurrency_limit=limit, parameters=parameters)


@pytest.mark.parametrize(
    ("made", "at_once"),
    [
        (deployment(), True),
        (deployment(invoice_id="1"), True),
        (deployment(limit=SimpleNamespace(limit=2)), False),
        (deployment(secret={"__prefect_kind": "workspace_variable", "variable_name": "x"}), False),
        (deployment(inner=[{"deep": {"__prefect_kind": "jinja", "template": "x"}}]), False),
    ],
)
def test_a_run_begins_at_once_where_the_server_has_no_say(made, at_once):
    assert at_once is begins_at_once(made)


def test_the_server_takes_all_that_an_opening_says():
    said = {
        "flow_id", "deployment_id", "flow_version", "work_pool_name", "work_queue_name", "parameters",
        "idempotency_key", "name", "labels", "tags", "empirical_policy", "state",
    }  # fmt: skip

    assert said <= FlowRunCreate.model_fields.keys(), (
        "Prefect's server takes no longer what `open_running` sends."
    )


@pytest.mark.parametrize("part", ["initialize_run", "setup_run_context", "begin_run"])
def test_prefects_engine_asks_what_the_client_of_an_opened_run_answers(part):
    text = " ".join(inspect.getsource(getattr(AsyncFlowRunEngine, part)).split())
    wanted = {
        "initialize_run": "await self.client.update_flow_run( flow_run_id=self.flow_run.id, flow_version="
        "self.flow.version, empirical_policy=self.flow_run.empirical_policy, )",
        "setup_run_context": "self.flow_run = await client.read_flow_run(self.flow_run.id)",
        "begin_run": "new_state = Running() state = await self.set_state(new_state)",
    }

    assert wanted[part] in text, (
        f"Prefect's {part} is otherwise: OpenedRunClient and DispatchFlowRun follow it."
    )


class NotingClient(PrefectClient):
    """A client that notes what it is asked."""

    def __init__(self):
        self.asked = []


async def test_the_client_of_an_opened_run_is_asked_from_its_second_look_on(monkeypatch):
    async def read(self, flow_run_id):
        self.asked.append("read")
        return FlowRun(id=flow_run_id, flow_id=uuid4(), name="as it is now")

    async def update(self, flow_run_id, **changes):
        self.asked.append(sorted(changes))

    monkeypatch.setattr(PrefectClient, "read_flow_run", read)
    monkeypatch.setattr(PrefectClient, "update_flow_run", update)
    run = FlowRun(flow_id=uuid4(), name="as it was opened")
    shared = NotingClient()
    client = OpenedRunClient(shared, run)

    await client.update_flow_run(run.id, flow_version="1", empirical_policy=run.empirical_policy)
    await client.update_flow_run(run.id, tags=["a"])
    names = [(await client.read_flow_run(run.id)).name for _ in range(2)]
    await client.update_flow_run(run.id, flow_version="1", empirical_policy=run.empirical_policy)

    assert ["as it was opened", "as it is now"] == names
    assert [["tags"], "read", ["empirical_policy", "flow_version"]] == shared.asked


async def test_a_deployment_is_read_again_after_some_seconds_and_when_it_is_to_be_forgotten(monkeypatch):
    now, reads = 100.0, []
    monkeypatch.setattr("hookline.prefect_adapter.opening.time.monotonic", lambda: now)

    async def read(name):
        reads.append(now)
        return deployment()

    known = KnownDeployments(SimpleNamespace(read_deployment_by_name=read))
    await known.get("f/d")
    now = 104.9
    await known.get("f/d")
    now = 105.1
    await known.get("f/d")
    known.forget("f/d")
    await known.get("f/d")

    assert [100.0, 105.1, 105.1] == reads
