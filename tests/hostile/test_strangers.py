"""
Whatever strangers send, and whatever a `hooks.yaml` asks of it, an innocent delivery behind it is done.

All that `hookline up` runs is here, in real processes. Each round is a generated `hooks.yaml`, which is taken while
all runs, and generated requests to it, each followed by an innocent one of another source. A round is made from its
number: `-k 'round-7-'` runs the same one again.
"""

import asyncio
import json
import os
import re
import signal

import httpx
import psutil
import pytest
import yaml

from hookline.database import pool
from hookline.source_secrets import secret_variable
from tests.hostile import strange
from tests.installation import own_sandbox

SECRET = "a-secret-of-the-strangers"
SOURCES = ("jiwa", strange.INNOCENT, "moody", "costly", "broken", *strange.STRANGERS)
AT_ONCE = 8
FORGET = """
UPDATE deliveries SET external_id = id::text
WHERE id IN (SELECT id FROM deliveries WHERE external_id <> id::text FOR UPDATE SKIP LOCKED)
"""
ACTS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What does something on a screen."""
END = {"done", "failed", "rejected", "unrouted"}
BROKE = (
    "Traceback",
    "nothing can be routed just now",
    "broke off",
    "PostgreSQL cannot store its outcome",
    "its lease runs out",
)
"""What is logged where the last net caught something, or none."""


class World:
    """Everything that `hookline up` runs, with a `hooks.yaml` of the test's."""

    def __init__(self, running, hooks, until):
        self.running = running
        self.hooks = hooks
        self.until = until
        self.pids = {name: self.process(name).pid for name in ("gateway", "engine")}

    @property
    def log(self):
        return self.running.log.read_text(errors="replace")

    def process(self, name):
        """The process of this name."""
        children = psutil.Process(self.running.process.pid).children(recursive=True)
        [found] = [child for child in children if child.cmdline()[-2:] == ["hookline", name]]
        return found

    async def takes(self, number):
        """Let the gateway and the engine take this round's file; nothing that is sent then has come before."""
        await (await pool(self.running.settings)).execute(FORGET)
        # A name of over 1,024 characters is read as one where it stands behind a question mark, as YAML writes it.
        self.hooks.write_text(yaml.safe_dump(strange.file_of(number)))
        self.running.process.send_signal(signal.SIGHUP)
        await self.until(lambda: self.has_taken(number), "the file was not taken")

    def has_taken(self, number):
        """Whether both have told of what is broken in this round's file, and gone on with the rest of it."""
        for name in self.pids:
            lines = [line for line in self.log.splitlines() if line.startswith(name)]
            told = [
                at for at, line in enumerate(lines) if f"routes.{strange.broken_route_of(number)}" in line
            ]
            if not told or not any("the files were read again" in line for line in lines[told[-1] :]):
                return False
        return True

    async def through(self, requests):
        """Send each request and an innocent one behind it; the hostile answers, and the innocent deliveries."""
        places = asyncio.Semaphore(AT_ONCE)
        async with httpx.AsyncClient(base_url=self.running.settings.gateway_url, timeout=60) as client:

            async def pair(number, request):
                async with places:
                    answer = await client.post(
                        f"/hooks/{request.source}?{request.query}",
                        content=request.body,
                        headers={
                            "X-Hookline-Key": SECRET,
                            "Content-Type": request.content_type,
                            **request.headers,
                        },
                    )
                    innocent = await client.post(
                        f"/hooks/{strange.INNOCENT}", json={"n": number}, headers={"X-Hookline-Key": SECRET}
                    )
                    assert (False, 202) == (answer.status_code == 500, innocent.status_code), str(request)
                    return answer, innocent.json()["id"]

            return await asyncio.gather(*(pair(*numbered) for numbered in enumerate(requests)))

    async def ended(self, ids):
        """Deliveries, once each is at its end."""
        database = await pool(self.running.settings)
        rows = []

        async def all_ended():
            nonlocal rows
            rows = await database.fetch(
                "SELECT d.id, d.source, d.state, d.reason, p.route, p.deployment, p.state AS dispatch,"
                " p.reason AS why, p.parameters FROM deliveries d LEFT JOIN dispatches p ON p.delivery_id = d.id"
                " WHERE d.id = ANY($1)",
                ids,
            )
            return all(row["state"] in END for row in rows)

        await self.until(all_ended, "")
        return rows

    def prefect(self, kind):
        """How the Prefect server answers who asks it for a list."""
        log_in = httpx.BasicAuth(*os.environ["PREFECT_API_AUTH_STRING"].split(":"))
        answer = httpx.post(
            f"{self.running.settings.prefect_api_url}/{kind}/filter", json={}, auth=log_in, timeout=30
        )
        return answer.status_code


@pytest.fixture(scope="module")
def world(tmp_path_factory, until):
    folder = tmp_path_factory.mktemp("hostile")
    hooks, prefect = folder / "hooks.yaml", folder / "prefect.yaml"
    scheme = {"scheme": "shared-secret"}
    hooks.write_text(json.dumps({"sources": {"jiwa": scheme, strange.INNOCENT: scheme}}))
    deployments = [
        {
            "name": "test",
            "entrypoint": f"tests/hostile/takers.py:{name}",
            "work_pool": {"name": "hookline"},
        }
        for name in strange.FLOWS
    ]
    prefect.write_text(json.dumps({"deployments": deployments}))
    with own_sandbox(
        HOOKLINE_HOOKS=str(hooks),
        HOOKLINE_DEPLOYMENTS=str(prefect),
        **{secret_variable(name): SECRET for name in SOURCES},
    ) as running:
        yield World(running, hooks, until)


async def _innocent_deliveries_are_done(world, number):
    requests = strange.requests_of(number)
    await world.takes(number)
    answers = await world.through(requests)
    accepted = {
        answer.json()["id"]: request
        for (answer, _), request in zip(answers, requests, strict=True)
        if answer.status_code == 202
    }
    innocent = {innocent for _, innocent in answers}
    rows = await world.ended([*accepted, *innocent])

    said = [text for row in rows for text in (row["reason"], row["why"]) if text]
    of_innocent = [row for row in rows if str(row["id"]) in innocent]
    not_done = {
        f"{row['route']}: {row['why']}: {accepted[str(row['id'])]}"
        for row in rows
        if str(row["id"]) in accepted
        and row["dispatch"] not in {None, "done"}
        and row["deployment"] != "fails/test"
    }
    assert [{"done"}, len(requests)] == [{row["state"] for row in of_innocent}, len(of_innocent)]
    assert set() == not_done
    assert len(accepted) >= len(requests) / 4
    assert [] == [text for text in said if len(text) > 500 or ACTS.search(text)]
    assert world.pids == {name: world.process(name).pid for name in world.pids}
    assert [] == [line for line in world.log.splitlines() if any(word in line for word in BROKE)]
    assert [200] * 3 == [world.prefect(kind) for kind in ("flow_runs", "task_runs", "events")]


def rounds(*numbers):
    return pytest.mark.parametrize(
        "number", [pytest.param(each, id=f"round-{each}-") for each in range(*numbers)]
    )


@rounds(10)
async def test_each_innocent_delivery_behind_a_hostile_one_is_done(world, number):
    await _innocent_deliveries_are_done(world, number)


@pytest.mark.long
@rounds(10, 200)
async def test_each_of_many_innocent_deliveries_behind_a_hostile_one_is_done(world, number):
    await _innocent_deliveries_are_done(world, number)
