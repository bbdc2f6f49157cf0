"""An operator with the Prefect UI and the inbox, and flows that only the engines of a test know."""

import asyncio
import os
import subprocess
import sys
import threading
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Pending

from hookline.database import pool
from hookline.engine import engine as engine_module
from hookline.engine.engine import Engine
from hookline.hooks import Hooks
from hookline.inbox import audit, dispatches
from hookline.inbox.deliveries import CHANNEL
from hookline.labels import UNLABELLED
from hookline.provisioning.deployments import Deployment

FLOWS = (
    "steps",
    "curious",
    "impatient",
    "fragile",
    "approval",
    "pausing",
    "ends",
    "severed",
    "mails",
    "passing",
    "undoable",
    "quotes",
    "answers",
    "kills",
    "hogs",
    "leaves",
    "patient",
    "nested",
    "limited",
    "calls",
    "awaits",
    "reminds",
    "reorders",
    "renames",
    "misplaced",
    "asking",
    "wishing",
    "business",
    "fickle",
    "labelled",
)


class Admin:
    """A person with the Prefect UI and the inbox, and flows that only this test's engines know."""

    def __init__(self, sandbox, client, database, deployments, until, folder):
        self.sandbox = sandbox
        self.client = client
        self.database = database
        self.deployments = deployments
        self.until = until
        self.folder = folder

    async def deploy(self, deployment, repository):
        """Make a deployment on the Prefect server."""
        await self.client.create_deployment(
            await self.client.create_flow(deployment.flow()),
            name="test",
            entrypoint=deployment.entrypoint,
            work_pool_name=deployment.work_pool.name,
            parameter_openapi_schema=deployment.flow().parameters.model_dump_for_openapi(),
            pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(repository)}}],
        )

    async def flow_of(self, flow_run_id):
        """The name of the flow that this is a run of."""
        flow_run = await self.client.read_flow_run(flow_run_id)
        return (await self.client.read_flow(flow_run.flow_id)).name

    async def dispatch(self, flow, key=None, label=UNLABELLED, debounce=None, **parameters):
        """A dispatch as routing makes it; its record is a file."""
        record = self.folder / uuid4().hex
        async with self.database.acquire() as connection, connection.transaction():
            delivery = await connection.fetchval(
                """
                INSERT INTO deliveries (source, external_id, method, query, headers, content_type, body, state)
                VALUES ('admin', $1, 'POST', '{}', '{}', 'application/json', '{}', 'received') RETURNING id
                """,
                record.name,
            )
            await dispatches.add_all(
                connection,
                [
                    dispatches.NewDispatch(
                        delivery,
                        route="admin",
                        deployment=f"{flow}/test",
                        parameters={"record": str(record), **parameters},
                        key=key,
                        label=label,
                        debounce=debounce,
                    )
                ],
            )
        await self.wake()
        return Work(self, delivery, record)

    async def wake(self):
        """Tell the engines that there is something to do, as the gateway does."""
        await self.database.execute("SELECT pg_notify($1, '')", CHANNEL)

    @asynccontextmanager
    async def engine(self, routes=(), **changed):
        """An engine in this process."""
        settings = self.sandbox.settings.model_copy(update={"lease_seconds": 3, **changed})
        engine = Engine(
            settings, Hooks(path=self.folder / "none", sources={}, routes=list(routes)), self.deployments
        )
        ready = asyncio.Event()
        serving = asyncio.create_task(engine.serve(ready=ready))
        await ready.wait()
        try:
            yield engine
        finally:
            engine.stop()
            await serving

    @contextmanager
    def engine_process(self, repository, log, **environment):
        """An engine of the tests' flows in a process of its own, as a supervisor starts it."""
        entries = [
            {"name": "test", "entrypoint": deployment.entrypoint, "work_pool": {"name": "hookline"}}
            for deployment in self.deployments.values()
        ]
        (self.folder / "prefect.yaml").write_text(yaml.safe_dump({"deployments": entries}))
        (self.folder / "hooks.yaml").write_text(
            "sources: {standard: {scheme: standard-webhooks}}\nroutes: {}\n"
        )
        changed = {
            "HOOKLINE_HOOKS": str(self.folder / "hooks.yaml"),
            "HOOKLINE_DEPLOYMENTS": str(self.folder / "prefect.yaml"),
            **environment,
        }
        engine = subprocess.Popen(
            [sys.executable, "-m", "hookline", "engine"], env=os.environ | changed, cwd=repository, stderr=log
        )
        try:
            yield engine
        finally:
            engine.kill()
            engine.wait()


class Work:
    """One dispatch: what the inbox, Prefect and the record say of it."""

    def __init__(self, admin, delivery, record):
        self.admin = admin
        self.delivery = delivery
        self.record = record

    @property
    def written(self):
        return self.record.read_text().splitlines() if self.record.exists() else []

    def open(self, gate="gate"):
        Path(f"{self.record}.{gate}").touch()

    async def row(self):
        return await self.admin.database.fetchrow(
            "SELECT * FROM dispatches WHERE delivery_id = $1", self.delivery
        )

    async def flow_run(self):
        return await self.admin.client.read_flow_run((await self.row())["flow_run_id"])

    async def begin_elsewhere(self):
        """Its flow run, made and noted as if an engine or a worker had it."""
        row = await self.row()
        deployment = await self.admin.client.read_deployment_by_name(row["deployment"])
        flow_run = await self.admin.client.create_flow_run_from_deployment(
            deployment.id, parameters=row["parameters"], idempotency_key=str(row["id"]), state=Pending()
        )
        await dispatches.note_flow_run(self.admin.database, row["id"], flow_run.id)
        return flow_run

    async def is_(self, *states):
        """Wait until the inbox says so."""
        seen = None

        async def there():
            nonlocal seen
            seen = await self.row()
            return seen if seen["state"] in states else None

        return await self.admin.until(there, lambda: f"not {states}: {seen}")

    async def has_written(self, what):
        await self.admin.until(lambda: what in self.written, f"{what} was not written")

    async def set_state(self, state, force=True):
        """What the buttons of the Prefect UI do."""
        flow_run_id = (await self.row())["flow_run_id"]
        answer = await self.admin.client.request(
            "POST", "/flow_runs/{id}/set_state", path_params={"id": flow_run_id},
            json={"state": state, "force": force},
        )  # fmt: skip
        assert answer.status_code in {200, 201}

    async def is_named(self, name):
        """Whether its flow run is in the state of this name."""
        return name == (await self.flow_run()).state_name

    async def cancel(self):
        await self.set_state({"type": "CANCELLING", "name": "Cancelling"})

    async def retry(self):
        await self.set_state({"type": "SCHEDULED", "name": "AwaitingRetry"}, force=False)

    async def resume(self, answer=None):
        given = None if answer is None else {"value": answer}
        flow_run_id = (await self.row())["flow_run_id"]

        async def accepted():  # the inbox may say that it waits just before Prefect does
            result = await self.admin.client.resume_flow_run(flow_run_id, run_input=given)
            return "ACCEPT" == result.status.value

        await self.admin.until(accepted, "Prefect does not resume it")

    async def act(self, what, **named):
        async with self.admin.database.acquire() as connection:
            return bool(await what(connection, [self.delivery], actor="ann", **named))

    async def trail(self):
        rows = await audit.trail(self.admin.database, self.delivery)
        return [(row["became"], row["actor"], row["reason"]) for row in rows if row["subject"] == "dispatch"]


@pytest.fixture
async def operator_of_flows(sandbox, until, tmp_path, monkeypatch, repository):
    """Make an operator whose engines know some flows, by name and entrypoint; each is deployed once."""
    monkeypatch.setattr(engine_module, "RECONCILE_SECONDS", 0.3)
    monkeypatch.setattr(SyncPrefectClient, "__init__", _refuse_to_block)
    prefect = {PREFECT_API_URL: sandbox.settings.prefect_api_url, PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(prefect):
        async with get_client() as client:
            database = await pool(sandbox.settings)

            async def made(entrypoints, work_pool="hookline"):
                deployments = {}
                for entrypoint in entrypoints.values():
                    one = Deployment(name="test", entrypoint=entrypoint, work_pool={"name": work_pool})
                    deployments[f"{one.flow().name}/test"] = one
                admin = Admin(sandbox, client, database, deployments, until, tmp_path)
                for one in deployments.values():
                    if _deployed.get(one.entrypoint) != work_pool:
                        await admin.deploy(one, repository)
                        _deployed[one.entrypoint] = work_pool
                return admin

            yield made
            await database.execute("DELETE FROM deliveries WHERE source = 'admin'")


_deployed = {}
"""The entrypoints that are on the sandbox's server, with their work pools."""


@pytest.fixture
async def admin(operator_of_flows):
    return await operator_of_flows({name: f"tests/flows/gates.py:{name}" for name in FLOWS})


SYNC_CLIENT = SyncPrefectClient.__init__


def _refuse_to_block(self, *args, **given):
    if threading.current_thread() is threading.main_thread():
        raise AssertionError("a run in the engine blocks the event loop while it asks Prefect something")
    SYNC_CLIENT(self, *args, **given)
