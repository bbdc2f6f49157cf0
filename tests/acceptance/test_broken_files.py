"""Files that are broken while everything runs, and over restarts: what is not broken goes on, and nothing is lost."""

import json
import re
import signal
import subprocess
import sys
from uuid import uuid4

import httpx
import psutil
import pytest
from commands import run_process

from hookline.database import pool
from tests.installation import own_sandbox

SECRET = "a-shared-secret-that-is-long-enough"
FLOW = '''
from prefect import flow


@flow(name="{name}")
async def {name}(order: str) -> str:
    """Say which version this is."""
    return "{version}"
'''


class Firm:
    """A firm's own files, in a folder of its own, and what `hookline up` makes of them."""

    def __init__(self, folder, repository):
        self.folder = folder
        self.hooks, self.prefect, self.catalog = (
            folder / f"{name}.yaml" for name in ("hooks", "prefect", "catalog")
        )
        self.running = None
        self.good_catalog = (repository / "deployments/catalog.yaml").read_text()
        self.catalog.write_text(self.good_catalog)
        for name in ("steady", "shaky"):
            self.write_flow(name)
        self.prefect.write_text(
            json.dumps(
                {
                    "deployments": [
                        {
                            "name": "d",
                            "entrypoint": f"firm_{name}.py:{name}",
                            "work_pool": {"name": "hookline"},
                        }
                        for name in ("steady", "shaky")
                    ]
                }
            )
        )
        self.write_hooks()

    def write_flow(self, name, text=None, version="1"):
        path = self.folder / f"firm_{name}.py"
        path.write_text(FLOW.format(name=name, version=version) if text is None else text)

    def write_hooks(self, text=None):
        scheme = {"scheme": "shared-secret"}
        route = {"parameters": {"order": "{{ body.order }}"}}
        whole = {
            "sources": {"jiwa": scheme, "steady": scheme, "shaky": scheme},
            "routes": {
                name: {"source": name, "deployment": f"{name}/d", **route} for name in ("steady", "shaky")
            },
        }
        self.hooks.write_text(json.dumps(whole) if text is None else text)

    @property
    def log(self):
        return self.running.log.read_text(errors="replace")

    def process(self, name):
        for child in psutil.Process(self.running.process.pid).children(recursive=True):
            if child.cmdline()[-2:] == ["hookline", name]:
                return child
        raise AssertionError(f"there is no {name}")

    async def restart(self, name, until):
        before = len(re.findall(rf"{name} ready", self.log))
        self.process(name).send_signal(signal.SIGTERM)
        await until(
            lambda: len(re.findall(rf"{name} ready", self.log)) > before, f"{name} is not ready again"
        )

    async def send(self, source):
        answer = httpx.post(
            f"{self.running.settings.gateway_url}/hooks/{source}",
            json={"order": uuid4().hex},
            headers={"X-Hookline-Key": SECRET},
            timeout=30,
        )
        assert 202 == answer.status_code
        return answer.json()["id"]

    async def state(self, delivery):
        database = await pool(self.running.settings)
        row = await database.fetchrow("SELECT state, reason FROM deliveries WHERE id = $1", delivery)
        return row["state"], row["reason"]

    async def prefect_was_told(self):
        """Whether Prefect took an event for each thing that is wrong."""
        database = await pool(self.running.settings)
        due = [
            row["event_due"] for row in await database.fetch("SELECT event_due FROM configuration_problems")
        ]
        return due and not any(due)

    async def is_(self, until, delivery, state):
        seen = None

        async def there():
            nonlocal seen
            seen = await self.state(delivery)
            return seen if seen[0] == state else None

        return await until(there, lambda: f"{delivery} is not {state}: {self.running.last_lines()}")


@pytest.fixture(scope="module")
def firm(tmp_path_factory, repository):
    made = Firm(tmp_path_factory.mktemp("firm"), repository)
    with own_sandbox(
        PYTHONPATH=str(made.folder),
        HOOKLINE_HOOKS=str(made.hooks),
        HOOKLINE_DEPLOYMENTS=str(made.prefect),
        HOOKLINE_CATALOG=str(made.catalog),
        HOOKLINE_SECRET_JIWA=SECRET,
        HOOKLINE_SECRET_STEADY=SECRET,
        HOOKLINE_SECRET_SHAKY=SECRET,
    ) as running:
        made.running = running
        yield made


def doctor():
    told = run_process("doctor", "--json")
    assert "Traceback" not in told.stderr
    return told.returncode, [each for each in json.loads(told.stdout) if each["state"] == "problem"]


async def test_broken_files_stop_nothing_but_themselves_over_restarts_and_once_mended_all_goes_on(
    firm, until
):
    first = [await firm.send(source) for source in ("steady", "shaky")]
    for delivery in first:
        await firm.is_(until, delivery, "done")

    firm.write_flow("shaky", "def shaky(:\n")
    firm.write_hooks("sources: {")
    firm.catalog.write_text("products: [")
    for name in ("engine", "gateway"):
        await firm.restart(name, until)
    steady, shaky = await firm.send("steady"), await firm.send("shaky")
    await firm.is_(until, steady, "done")
    _, waits = await firm.is_(until, shaky, "held")
    code, problems = doctor()
    await until(firm.prefect_was_told, "Prefect was not told")
    refused = run_process("apply")

    firm.write_flow("shaky", version="2")
    firm.write_hooks()
    firm.catalog.write_text(firm.good_catalog)
    applied = run_process("apply")
    await firm.is_(until, shaky, "done")

    assert "route shaky waits for firm_shaky.py to load: line 1: SyntaxError" in waits
    told = " ".join(f"{each['check']} {each['detail']}" for each in problems)
    assert 1 == code
    assert [] == [
        part
        for part in ("firm_shaky.py", "line 1", "hooks.yaml is not YAML", "catalog.yaml is not YAML")
        if part not in told
    ]
    assert (2, True, 0) == (refused.returncode, "is not YAML" in refused.stderr, applied.returncode)

    # What is applied is as it is; what is changed is named by its field, and a dry run changes nothing.
    clean = run_process("apply", "--dry-run")
    firm.catalog.write_text(firm.good_catalog.replace("paid_when: either", "paid_when: payments"))
    firm.write_hooks(firm.hooks.read_text().replace("body.order", "body.number"))
    changed = [run_process("apply", "--dry-run", "--json") for _ in range(2)]
    differences = {
        (row["kind"], row["name"]): [each["field"] for each in row["differences"]]
        for row in json.loads(changed[1].stdout)
        if row["differences"]
    }
    assert (0, [2, 2]) == (clean.returncode, [each.returncode for each in changed]), clean.stdout
    assert {
        ("route", "steady"): ["parameters.order"],
        ("route", "shaky"): ["parameters.order"],
        ("catalog", "catalog.yaml"): ["paid_when"],
    } == differences


async def test_a_hangup_of_up_lets_new_files_take_effect_and_what_streams_in_is_not_lost(firm, until):
    sent = [await firm.send("steady")]
    for text in ("sources: {", None) * 3:
        firm.write_hooks(text)
        firm.running.process.send_signal(signal.SIGHUP)
        sent += [await firm.send("steady") for _ in range(10)]

    for delivery in sent:
        await firm.is_(until, delivery, "done")

    assert None is firm.running.process.poll()


async def test_up_starts_with_what_was_good_and_says_what_is_wrong(firm, until):
    firm.running.process.terminate()
    firm.running.process.wait(60)
    firm.write_hooks("sources: {")
    firm.write_flow("shaky", "import os\nos._exit(7)\n")
    log = firm.folder / "up.log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            [sys.executable, "-m", "hookline", "up", "--sandbox"], stdout=output, stderr=output
        ) as up,
    ):
        try:
            await until(lambda: "hookline ready" in log.read_text(), "it is not ready")
            sent = await firm.send("steady")
            await firm.is_(until, sent, "done")
            told = run_process("doctor", "--json")
        finally:
            up.terminate()

    assert f"hookline starts, but {firm.hooks} is not YAML" in log.read_text()
    assert "its import ended the process 3 times; it is switched off" in log.read_text()

    checks = {each["check"]: each for each in json.loads(told.stdout)}
    assert (1, "problem", "problem") == (
        told.returncode, checks["hooks.yaml"]["state"], checks["prefect.yaml"]["state"]
    )  # fmt: skip
    assert "firm_shaky.py ends the process that imports it" in checks["prefect.yaml"]["detail"]
