"""The examples of docs/waiting.md, run as they are."""

import json
import re
from pathlib import Path
from uuid import uuid4

import pytest
from rows import arrival

from hookline.inbox import deliveries
from hookline.provisioning.deployments import Deployment
from hookline.waits import store
from hookline.waits.store import Answer

PAGE = Path(__file__).parents[2] / "docs" / "waiting.md"
EXAMPLES = dict(
    re.findall(r"^```python flows/(\w+)\.py\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
)


@pytest.fixture
async def example(admin, repository):
    """A flow of the page, as a deployment of the test's engine."""

    async def example(name):
        namespace = {"__name__": f"flows.{name}"}
        exec(compile(EXAMPLES[name], str(PAGE), "exec"), namespace)
        made = Deployment(name="test", entrypoint=f"flows/{name}.py:{name}", work_pool={"name": "hookline"})
        made._flow = namespace[name]
        await admin.deploy(made, repository)
        full = f"{made.flow().name}/test"
        admin.deployments[full] = made
        return full.partition("/")[0]

    yield example
    await admin.database.execute("DELETE FROM waits")
    await admin.database.execute("DELETE FROM deliveries WHERE source = 'standard'")


async def dispatch(admin, flow, **parameters):
    work = await admin.dispatch(flow)
    await admin.database.execute(
        "UPDATE dispatches SET parameters = $2 WHERE delivery_id = $1", work.delivery, parameters
    )
    return work


async def test_a_shipment_is_waited_for(admin, example):
    flow = await example("confirm_shipment")
    number = uuid4().hex
    body = {"type": "shipment.sent", "data": {"order_no": number, "tracking": "T-1"}}
    work = await dispatch(admin, flow, order_no=number)
    async with admin.engine():
        await work.is_("held")
        await deliveries.accept(
            admin.database, arrival(uuid4().hex, source="standard", body=json.dumps(body).encode())
        )
        done = await work.is_("done")

    [wait] = await store.of(admin.database, dispatches=[done])
    assert {"body.data.order_no": number, "body.type": "shipment.sent"} == wait["match"]


async def test_a_refund_is_asked_about(admin, example):
    flow = await example("approve_refund")
    work = await dispatch(admin, flow, order_no="100123", amount=40)
    async with admin.engine():
        held = await work.is_("held")
        [wait] = await store.of(admin.database, dispatches=[held])
        await store.answer(admin.database, wait["id"], Answer({"approved": True}, "anna", "link"))
        await work.is_("done")

    assert "an answer of anna: Pay 40 back for order 100123?" == wait["what"]
