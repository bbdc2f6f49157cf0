"""Prefect's own published examples, unchanged, deployed by a firm's prefect.yaml and started by signed webhooks."""

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_LOCAL_STORAGE_PATH,
    temporary_settings,
)

from hookline.database import pool
from hookline.schemes.standard_webhooks import sign_standard_webhooks
from tests.installation import own_sandbox

EXAMPLES = Path(__file__).parents[1] / "samples" / "prefect_examples"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STARTED = {
    "examples_hello_world": ("hello", {"name": "Ford"}),
    "examples_per_worker_task_concurrency": ("process_image", {"image_id": 7}),
    "examples_resume_flow_run_on_pr_merge": ("my_flow", {}),
    "flows_concurrent_subflows": ("parent_flow", {"n_subflows": 2, "n_tasks_per_subflow": 2}),
    "flows_flow_pauses": ("pause_test", {}),
    "flows_flow_results": ("hello", {}),
    "flows_flow_retries": ("hello", {}),
    "flows_flow_retries_with_subflows": ("parent_flow", {}),
    "flows_hello_tasks": ("hello", {"name": "world", "count": 3}),
    "flows_hello_world": ("hello", {"name": "Arthur"}),
    "flows_multiprocessing_flow": ("main", {}),
    "flows_secret_block": ("save_and_load_secret", {}),
    "flows_setup_logging": ("myflow", {}),
    "flows_task_results": ("wrapper_flow", {}),
    "flows_task_retries": ("hello", {}),
}
"""The flow of each example, and its parameters, which the webhook brings."""
IN_POOL = {"flows_multiprocessing_flow"}
PAUSES = {"flows_flow_pauses"}


def test_the_examples_are_unchanged():
    sources = json.loads((EXAMPLES / "sources.json").read_text())

    assert {name: source["sha256"] for name, source in sources.items()} == {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in EXAMPLES.glob("*.py")
    }
    assert set(STARTED) == {name.removesuffix(".py") for name in sources}


class Firm:
    """A firm's folder with the examples, and what `hookline up` makes of it."""

    def __init__(self, folder, repository):
        self.folder, self.running = folder, None
        (folder / "published").mkdir()
        for example in EXAMPLES.glob("*.py"):
            (folder / "published" / example.name).write_bytes(example.read_bytes())
        (folder / "config.json").write_text("{}")  # which one of them reads
        (folder / "catalog.yaml").write_text((repository / "deployments/catalog.yaml").read_text())
        deployments = [
            {
                "name": name.replace("_", "-"),
                "entrypoint": f"published/{name}.py:{function}",
                "work_pool": {"name": "hookline"},
            }
            for name, (function, _) in STARTED.items()
        ]
        (folder / "prefect.yaml").write_text(yaml.safe_dump({"deployments": deployments}))
        routes = {
            name.replace("_", "-"): {
                "source": "firm",
                "when": f"body.example == '{name}'",
                "deployment": f"{function.replace('_', '-')}/{name.replace('_', '-')}",
                "parameters": {parameter: f"{{{{ body.{parameter} }}}}" for parameter in parameters},
            }
            for name, (function, parameters) in STARTED.items()
        }
        sources = {
            "firm": {"scheme": "standard-webhooks"},
            "jiwa": {"scheme": "shared-secret", "header": "X-Hookline-Key"},  # which the sandbox subscribes
        }
        (folder / "hooks.yaml").write_text(yaml.safe_dump({"sources": sources, "routes": routes}))

    def send(self, example):
        """Send a signed webhook, as any sender that follows standardwebhooks.com does."""
        body = json.dumps({"example": example, **STARTED[example][1]}).encode()
        identifier, now = f"msg_{uuid4().hex}", str(int(time.time()))
        answer = httpx.post(
            f"{self.running.settings.gateway_url}/hooks/firm",
            content=body,
            headers={
                "content-type": "application/json",
                "webhook-id": identifier,
                "webhook-timestamp": now,
                "webhook-signature": f"v1,{sign_standard_webhooks(SECRET, identifier, now, body)}",
            },
            timeout=60,
        )
        assert 202 == answer.status_code
        return answer.json()["id"]

    async def row(self, delivery):
        database = await pool(self.running.settings)
        return await database.fetchrow(
            "SELECT d.state AS delivered, p.* FROM dispatches p JOIN deliveries d ON d.id = p.delivery_id "
            "WHERE p.delivery_id = $1",
            delivery,
        )


@pytest.fixture(scope="module")
def firm(tmp_path_factory, repository):
    made = Firm(tmp_path_factory.mktemp("firm"), repository)
    with own_sandbox(
        checkout=made.folder,
        HOOKLINE_HOOKS=str(made.folder / "hooks.yaml"),
        HOOKLINE_DEPLOYMENTS=str(made.folder / "prefect.yaml"),
        HOOKLINE_CATALOG=str(made.folder / "catalog.yaml"),
        HOOKLINE_SECRET_FIRM=SECRET,
        HOOKLINE_SECRET_JIWA="a-shared-secret-that-is-long-enough",
    ) as running:
        made.running = running
        yield made


async def test_each_example_is_started_by_a_signed_webhook_and_completes(firm, until):
    deliveries = {example: firm.send(example) for example in STARTED}
    prefect = {
        PREFECT_API_URL: firm.running.settings.prefect_api_url,
        PREFECT_API_AUTH_STRING: os.environ["PREFECT_API_AUTH_STRING"],
        PREFECT_LOCAL_STORAGE_PATH: firm.running.settings.home / "prefect" / "storage",
    }
    with temporary_settings(prefect):
        async with get_client() as client:
            await resumed(firm, client, until, deliveries)
            ended = {
                example: await has_ended(firm, until, delivery) for example, delivery in deliveries.items()
            }
            flow_runs = {
                example: await client.read_flow_run(row["flow_run_id"]) for example, row in ended.items()
            }
            assert dict.fromkeys(STARTED, ("done", "done", "COMPLETED")) == {
                example: (row["delivered"], row["state"], flow_runs[example].state_type.value)
                for example, row in ended.items()
            }, {example: row["reason"] for example, row in ended.items() if row["state"] != "done"}
            assert IN_POOL == {
                example for example, run in flow_runs.items() if run.labels.get("prefect.worker.name")
            }
            assert {"flows_flow_retries": 3, "flows_flow_retries_with_subflows": 3} == {
                example: run.run_count
                for example, run in flow_runs.items()
                if run.run_count > 1 + (example in PAUSES)
            }
            assert "Hello!" == await flow_runs["flows_flow_results"].state.aresult()
            assert 2 == await children(client, flow_runs["flows_concurrent_subflows"])
            log = await logged(client, until, flow_runs["examples_hello_world"], "Hello, Ford!")
            assert "Hello, Ford!" in log


async def resumed(firm, client, until, deliveries):
    """Resume what waits for a person, as the Prefect UI does."""
    for example in PAUSES:

        async def accepted(delivery=deliveries[example]):
            row = await firm.row(delivery)
            if row is None or row["flow_run_id"] is None:
                return False
            flow_run = await client.read_flow_run(row["flow_run_id"])
            if not flow_run.state.is_paused():
                return False
            return "ACCEPT" == (await client.resume_flow_run(flow_run.id)).status.value

        await until(
            accepted, lambda example=example: f"{example} does not pause: {firm.running.last_lines()}"
        )


async def has_ended(firm, until, delivery):
    seen = None

    async def over():
        nonlocal seen
        seen = await firm.row(delivery)
        return seen if seen and seen["state"] in {"done", "failed", "uncertain", "discarded"} else None

    for _ in range(4):  # longer than elsewhere: a worker starts a process, which takes long on a busy machine
        with suppress(AssertionError):
            return await until(over, "not yet")
    raise AssertionError(f"it does not end: {seen}")


async def children(client, flow_run):
    by_parent = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[flow_run.id]))
    return len(await client.read_flow_runs(flow_run_filter=by_parent))


async def logged(client, until, flow_run, text):
    """What the run has logged to Prefect, once the text is there."""

    async def found():
        logs = await client.read_logs(
            log_filter=LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run.id]))
        )
        messages = [log.message for log in logs]
        return messages if text in messages else None

    return await until(found, f"{text} is not in the log")
