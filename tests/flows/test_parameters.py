"""What is routed is accepted by a real Prefect server, or told of before; and large bodies reach their flow."""

import asyncio
import json
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from hookline.engine.engine import Engine
from hookline.hooks import load_hooks
from hookline.inbox import deliveries
from hookline.provisioning.deployments import Deployment
from hookline.states import OPEN
from tests.database.conftest import serve

__all__ = ["serve"]

SECRET = "a-secret-of-the-takers"
NAMES = ("number", "after", "tags", "order", "price", "at", "kind", "few", "flag")
HOOKS = """
sources:
  takers: {scheme: shared-secret, max_body: 26214400}
routes:
  reads:
    source: takers
    when: body.large is defined
    deployment: reads/test
    parameters: {record: "{{ body.record }}"}
""" + "".join(
    f"""
  {name}:
    source: takers
    when: body.name == '{name}'
    deployment: takes/test
    parameters: {{record: "{{{{ body.record }}}}", {name}: "{{{{ body.value }}}}"}}
"""
    for name in NAMES
)
TAKEN = [
    ("number", "7", "7"),
    ("number", 7, "7"),
    ("after", 5, "datetime.timedelta(seconds=5)"),
    ("after", "PT5S", "datetime.timedelta(seconds=5)"),
    ("tags", ["a", "b", "a"], "['a', 'b']"),
    ("order", "A-7", "Order(no='A-7')"),
    ("order", {"no": "A-7"}, "Order(no='A-7')"),
    ("order", None, "None"),
    ("price", "1.10", "Decimal('1.10')"),
    ("price", 1.5, "Decimal('1.5')"),
    ("at", "2026-11-28T12:00:00Z", "datetime.datetime(2026, 11, 28, 12"),
    ("at", 0, "datetime.datetime(1970, 1, 1"),
    ("kind", "paid", "<Kind.PAID: 'paid'>"),
    ("few", "3", "3"),
    ("flag", "yes", "True"),
]


@pytest.fixture
async def engine(admin, database, database_settings, environment, repository, tmp_path):
    """An engine that knows the takers, on an inbox of its own: the sandbox's engine would route what it finds."""
    environment.setenv("HOOKLINE_HOME", str(database_settings.home))
    path = tmp_path / "hooks.yaml"
    path.write_text(HOOKS)
    hooks = load_hooks(path)
    deployments = {
        f"{name}/test": Deployment(
            name="test", entrypoint=f"tests/flows/takers.py:{name}", work_pool={"name": "hookline"}
        )
        for name in ("takes", "reads")
    }
    for deployment in deployments.values():
        await admin.deploy(deployment, repository)

    @asynccontextmanager
    async def engine():
        serving = Engine(database_settings, hooks, deployments)
        ready = asyncio.Event()
        task = asyncio.create_task(serving.serve(ready=ready))
        await ready.wait()
        try:
            yield path
        finally:
            serving.stop()
            await task

    async with engine() as path:
        yield path


async def accept(database, body):
    arrival = deliveries.Arrival(
        source="takers",
        external_id=uuid4().hex,
        method="POST",
        query={},
        headers={},
        content_type="application/json",
        body=json.dumps(body).encode(),
    )
    return (await deliveries.accept(database, arrival)).id


@pytest.fixture
def ended(database, until):
    async def ended(delivery):
        async def over():
            row = await database.fetchrow("SELECT state, reason FROM deliveries WHERE id = $1", delivery)
            return None if row["state"] in OPEN else (row["state"], row["reason"])

        return await until(over, f"{delivery} does not end")

    return ended


async def test_what_the_flows_types_take_prefects_server_takes_too(engine, database, ended, tmp_path):
    sent = []
    for name, value, _shown in TAKEN:
        record = tmp_path / uuid4().hex
        sent.append((await accept(database, {"name": name, "value": value, "record": str(record)}), record))

    for (delivery, record), (name, value, shown) in zip(sent, TAKEN, strict=True):
        assert ("done", None) == await ended(delivery), (name, value)
        assert shown in record.read_text(), (name, value)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("number", "seven", "routes.number: parameter number: Input should be a valid integer"),
        ("few", 0, "routes.few: parameter few: Input should be greater than or equal to 1"),
        ("kind", "gone", "routes.kind: parameter kind: Input should be 'paid'"),
        ("tags", [["a"]], "routes.tags: parameter tags: "),
    ],
)
async def test_what_does_not_fit_is_rejected_with_the_place(engine, database, ended, name, value, told):
    state, reason = await ended(await accept(database, {"name": name, "value": value, "record": "/x"}))

    assert "rejected" == state
    assert reason.startswith(told)


async def test_a_body_of_18_megabytes_comes_to_a_flow_that_takes_its_delivery(
    engine, database_settings, ended, serve, environment, tmp_path
):
    environment.setenv("HOOKLINE_SECRET_TAKERS", SECRET)
    record = tmp_path / "record"
    body = json.dumps({"large": "x" * 1_000_000, "lines": [{"no": n} for n in range(300_000)]})
    body = json.dumps({"record": str(record), "large": [body] * 3}).encode()
    async with serve(database_settings, hooks=engine) as gateway:
        headers = {"X-Hookline-Key": SECRET, "Content-Type": "application/json", "X-Of": "takers"}
        answer = await gateway.post("/hooks/takers", content=body, headers=headers)

    assert 202 == answer.status_code
    assert ("done", None) == await ended(answer.json()["id"])
    assert f"{len(body)} True takers" == record.read_text()
