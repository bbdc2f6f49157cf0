"""What each role gets from a real Prefect server, through the gateway."""

import json
import os
import sys
from contextlib import suppress

import pytest
import websockets
from pydantic import SecretStr
from test_people import ADMIN_TOKEN, act, log_in
from test_proxies import free_port, running
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from hookline import people
from hookline.people import GRANTED, Role

API = "/prefect/api"
AUTH = json.dumps({"type": "auth", "token": None})
SOON = {"parameters": {}, "state": {"type": "SCHEDULED"}}


@pytest.fixture(scope="module")
def prefect_port(database_settings, tmp_path_factory):
    """Hookline's own Prefect server, by itself."""
    port = free_port()
    env = {
        **os.environ,
        "HOOKLINE_HOME": str(database_settings.home),
        "HOOKLINE_PREFECT_PORT": str(port),
    }
    folder = tmp_path_factory.mktemp("prefect")
    with running(folder, sys.executable, "-m", "hookline", "prefect", port=port, env=env):
        yield port


@pytest.fixture
async def gateway(serve, database_settings, database, repository, prefect_port):
    settings = {
        "hooks": repository / "deployments/hooks.yaml",
        "admin_token": SecretStr(ADMIN_TOKEN),
        "prefect_port": prefect_port,
    }
    async with serve(database_settings, **settings) as client:
        client.headers["Sec-Fetch-Site"] = "same-origin"
        yield client


@pytest.fixture
async def ask(gateway, database):
    """Asks Prefect as a role: the status of the answer, and what it holds."""
    tokens = {role: await act(database, people.add, f"{role}-person", role) for role in GRANTED}
    browsers = {
        role: await log_in(gateway, token) for role, token in (tokens | {Role.ADMIN: ADMIN_TOKEN}).items()
    }

    async def ask(role, method, path, body=None):
        answer = await gateway.request(method, API + path, json=body, headers=browsers[role])
        is_json = "json" in answer.headers.get("content-type", "")
        return answer.status_code, answer.json() if is_json else answer.text

    ask.browsers = browsers
    return ask


@pytest.fixture
async def deployment(ask):
    _, flow = await ask(Role.ADMIN, "POST", "/flows/", {"name": "f"})
    _, made = await ask(Role.ADMIN, "POST", "/deployments/", {"name": "default", "flow_id": flow["id"]})
    return made["id"]


async def test_each_role_gets_what_is_listed_for_it_and_no_more(ask, deployment):
    create, seen = f"/deployments/{deployment}/create_flow_run", {}
    for role in Role:
        seen[role] = [
            (await ask(role, *request))[0]
            for request in (
                ("POST", "/flow_runs/filter", {"limit": 1}),
                ("GET", "/deployments/name/f/default"),
                ("POST", "/block_documents/filter", {"limit": 1}),
                ("GET", "/variables/name/x%2525y"),
                ("POST", create, SOON),
                ("POST", create, {"job_variables": {"command": "id"}}),
                ("POST", "/block_documents/filter", {"limit": 1, "include_secrets": True}),
                ("POST", "/variables/", {"name": f"v_{role}", "value": "1"}),
                ("GET", "/admin/settings"),
            )
        ]

    reads, closed = [200, 200, 200, 404], [403, 403, 403, 403]
    assert {
        Role.LOOK: [*reads, 403, *closed],
        Role.OPERATE: [*reads, 201, *closed],
        Role.DECIDE: [*reads, 201, *closed],
        Role.ADMIN: [*reads, 201, 201, 200, 201, 200],
    } == seen


async def test_who_operates_ends_a_run_and_who_decides_lets_a_paused_one_go_on(ask, deployment):
    _, run = await ask(Role.OPERATE, "POST", f"/deployments/{deployment}/create_flow_run", SOON)
    state, resume = f"/flow_runs/{run['id']}/set_state", f"/flow_runs/{run['id']}/resume"
    paused = {"type": "PAUSED", "name": "Suspended", "state_details": {"pause_reschedule": True}}
    await ask(Role.ADMIN, "POST", state, {"state": paused, "force": True})
    refused = [
        await ask(Role.OPERATE, "POST", state, {"state": {"type": "SCHEDULED"}}),
        await ask(Role.OPERATE, "POST", resume, {}),
    ]
    decided = await ask(Role.DECIDE, "POST", resume, {})
    ended = await ask(Role.OPERATE, "POST", state, {"state": {"type": "CANCELLED"}})

    assert [403, 403] == [status for status, _ in refused]
    assert all("This needs the role decide" in text for _, text in refused)
    assert (201, 201) == (decided[0], ended[0])


async def test_websockets_that_read_are_open_until_the_person_is_removed(ask, gateway, database):
    base = str(gateway.base_url).rstrip("/")

    def joined(role, path):
        return websockets.connect(
            base.replace("http", "ws") + API + path,
            subprotocols=["prefect"],
            origin=base,
            additional_headers=ask.browsers[role],
            proxy=None,
        )

    with pytest.raises(InvalidHandshake):
        async with joined(Role.DECIDE, "/events/in"):
            pass
    async with joined(Role.LOOK, "/events/out") as socket:
        await socket.send(AUTH)
        welcome = json.loads(await socket.recv())
        await act(database, people.remove, "look-person")
        with suppress(ConnectionClosed):
            while True:
                await socket.recv()

    assert "auth_success" == welcome["type"]


async def test_the_ui_opens_for_everybody_who_looks(ask, gateway):
    headers = ask.browsers[Role.LOOK] | {"Accept": "text/html"}
    page = await gateway.get("/prefect/", headers=headers, follow_redirects=True)

    assert (200, "text/html") == (page.status_code, page.headers["content-type"].partition(";")[0])
