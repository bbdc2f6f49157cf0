"""What stands beside Hookline is closed: to programs of other users, to other names, to anyone who has not logged in."""

import json
import os
import stat
import subprocess
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
import websockets
from commands import run_process
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from hookline import runtime
from hookline.database import embedded
from hookline.gateway import prefect_proxy
from hookline.gateway.views.session import SESSION

KEYS = {"include_secrets": True}
EVENTS = "/prefect/api/events/out"
AUTH = json.dumps({"type": "auth", "token": None})


@pytest.fixture
async def stranger(sandbox):
    async with httpx.AsyncClient(base_url=sandbox.settings.own_prefect_api_url, timeout=30) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/block_documents/filter"),
        ("POST", "/flow_runs/filter"),
        ("POST", "/deployments/filter"),
        ("GET", "/admin/settings"),
        ("GET", "/openapi.json"),
        ("POST", "/admin/database/clear"),
        ("GET", "/variables/name/health"),
    ],
)
async def test_prefect_s_api_answers_nobody_who_has_no_log_in(stranger, method, path):
    log_ins = (None, httpx.BasicAuth("hookline", ""), httpx.BasicAuth("hookline", "guess"))
    statuses = [
        (await stranger.request(method, path, json=KEYS, auth=log_in)).status_code for log_in in log_ins
    ]

    assert [401, 401, 401] == statuses


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:4200", "["]
)
async def test_prefect_answers_to_no_other_name_than_this_machine_s(stranger, prefect_api, host):
    named = {"Host": host}
    statuses = [
        (await stranger.get("/health", headers=named)).status_code,
        prefect_api.get("version", headers=named).status_code,
        (await stranger.get("/../prefect/", headers=named)).status_code,
    ]

    assert [421, 421, 421] == statuses


async def test_prefect_lets_no_page_of_another_origin_read_what_it_answers(stranger):
    asks = {"Origin": "http://127.0.0.1:9999", "Access-Control-Request-Method": "POST"}
    before = await stranger.options("/block_documents/filter", headers=asks)
    answer = await stranger.get("/health", headers={"Origin": "http://127.0.0.1:9999"})

    assert [None, None] == [each.headers.get("access-control-allow-origin") for each in (before, answer)]


@pytest.mark.parametrize("token", [None, "", "guess", "tests:guess"])
async def test_a_websocket_of_prefect_ends_without_the_log_in(sandbox, token):
    url = sandbox.settings.own_prefect_api_url.replace("http", "ws") + "/events/out"
    async with websockets.connect(url, subprotocols=["prefect"], proxy=None) as socket:
        await socket.send(json.dumps({"type": "auth", "token": token}))
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()

    assert 1008 == closed.value.rcvd.code


def of_living(ask):
    """The answer about a process; nothing if it has ended, as the processes of the worker's runs do."""
    try:
        return ask()
    except (psutil.NoSuchProcess, FileNotFoundError):
        return []


def test_everything_listens_on_this_machine_only(sandbox):
    supervisor = psutil.Process(sandbox.process.pid)
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for process in [supervisor, *supervisor.children(recursive=True)]
        for connection in of_living(partial(process.net_connections, "inet"))
        if connection.status == psutil.CONN_LISTEN
    }
    ports = {sandbox.settings.gateway_port, sandbox.settings.prefect_port, sandbox.settings.worker_port}

    assert {"127.0.0.1"} == {ip for ip, _ in listening}
    assert ports <= {port for _, port in listening}


def secrets_of(sandbox):
    """All that must be seen nowhere: the files of `secrets`, and what the processes have in their environment."""
    files = [path.read_text().strip() for path in (sandbox.settings.home / "secrets").iterdir()]
    return {*files, os.environ["PREFECT_API_AUTH_STRING"], "sandbox-jiwa-key", "sandbox-sensorpro-password"}


def test_no_command_line_holds_a_secret(sandbox):
    supervisor = psutil.Process(sandbox.process.pid)
    lines = [" ".join(process.cmdline()) for process in [supervisor, *supervisor.children(recursive=True)]]

    assert [] == [line for line in lines if any(secret in line for secret in secrets_of(sandbox))]


def test_no_log_holds_a_secret(sandbox):
    log = sandbox.log.read_text(errors="replace")

    assert [] == [secret for secret in secrets_of(sandbox) if secret in log]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_reads_no_file_no_environment_and_reaches_no_socket(sandbox):
    home = sandbox.settings.home
    supervisor = psutil.Process(sandbox.process.pid)
    pids = [process.pid for process in [supervisor, *supervisor.children(recursive=True)]]
    socket = embedded.socket_dir(home) / ".s.PGSQL.5432"
    tries = [
        f"ls {home}",
        f"cat {home}/secrets/admin-token",
        f"cat {home}/up.log",
        f"test -r {socket} -o -w {socket}",
        *(f"cat /proc/{pid}/environ" for pid in pids),
        *(f"ls /proc/{pid}/fd" for pid in pids),
    ]

    ended = {
        line: subprocess.run(["/bin/sh", "-c", line], user="nobody", group="nogroup", extra_groups=[],
                             cwd="/", capture_output=True)
        for line in tries
    }  # fmt: skip

    assert [] == [line for line, done in ended.items() if done.returncode == 0 or done.stdout]


def test_the_home_is_its_owner_s_alone(sandbox):
    home = sandbox.settings.home
    open_to_others = [path for path in (home / "secrets").iterdir() if path.stat().st_mode & 0o077]

    assert 0 == stat.S_IMODE(home.stat().st_mode) & ~stat.S_IXOTH & 0o077
    assert [] == open_to_others


async def test_what_prefect_s_worker_writes_beside_is_in_the_home(business, sandbox, until, prefect_api):
    home = sandbox.settings.home
    of_the_worker = {
        "flows": {"name": {"any_": ["reconcile"]}},
        "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
    }
    await until(
        lambda: prefect_api.post("flow_runs/filter", json=of_the_worker).json(),
        "no run was completed by the worker",
    )
    supervisor = psutil.Process(sandbox.process.pid)
    opened = {
        file.path
        for process in supervisor.children(recursive=True)
        for file in of_living(process.open_files)
        if file.mode != "r" and not file.path.startswith(("/dev/", str(home)))
    }

    assert str(home / "tmp") == business.process("hookline", "worker").environ()["TMPDIR"]
    assert set() == opened


async def test_the_gateway_serves_prefect_to_whoever_has_logged_in_there_and_asks_for_nothing_more(operator):
    page = await operator.get("/prefect/", headers={"Accept": "text/html"}, follow_redirects=True)
    settings = (await operator.get("/prefect/ui-settings")).json()
    runs = await operator.post("/prefect/api/flow_runs/filter", json={"limit": 1})
    mine = await operator.get("/prefect/api/version", headers={"Authorization": "Basic bm9ib2R5Om5vdGhpbmc="})
    whole = await operator.get("/prefect/api/flows/")

    assert (200, "text/html") == (page.status_code, page.headers["content-type"].partition(";")[0])
    assert ("/prefect/api", None) == (settings["api_url"], settings["auth"])
    assert (200, list, 200) == (runs.status_code, type(runs.json()), mine.status_code)
    assert whole.headers.get("location", "/prefect/").startswith("/prefect/")
    for answer in (page, runs, mine):
        assert not {"set-cookie", "access-control-allow-origin"} & set(answer.headers)
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "same-origin" == answer.headers["cross-origin-resource-policy"]


@pytest.mark.parametrize("path", ["/prefect/", "/prefect/api/health", "/prefect/ui-settings", "/prefect"])
async def test_without_a_session_the_gateway_shows_nothing_of_prefect(sandbox, path):
    async with httpx.AsyncClient(base_url=sandbox.settings.gateway_url) as stranger:
        led = await stranger.get(path)
        by_script = await stranger.get(
            path, headers={"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
        )
        posted = await stranger.post(path, headers={"Origin": sandbox.settings.gateway_url})

    assert (303, f"/login?next={path.replace('/', '%2F')}") == (led.status_code, led.headers["location"])
    assert 401 == by_script.status_code
    assert posted.status_code in {401, 405}


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://127.0.0.1:9999"}, {"Origin": "null"}, {"Origin": ""}], ids=str
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_no_page_of_another_origin_changes_anything_at_prefect(operator, method, headers):
    answer = await operator.request(method, "/prefect/api/flow_runs/filter", json={}, headers=headers)

    assert 403 == answer.status_code


async def test_what_is_sent_to_prefect_is_only_so_long(operator):
    answer = await operator.post("/prefect/api/flow_runs/filter", content=b"x" * (prefect_proxy.MAX_BODY + 1))

    assert 413 == answer.status_code


def joined(operator, *, path=EVENTS, origin=None, cookie=True):
    """A websocket as a page of the gateway opens it."""
    gateway = str(operator.base_url).rstrip("/")
    cookies = {"Cookie": f"{SESSION}={operator.cookies[SESSION]}"} if cookie else {}
    return websockets.connect(
        gateway.replace("http", "ws") + path,
        subprotocols=["prefect"],
        origin=gateway if origin is None else origin,
        additional_headers=cookies,
        proxy=None,
    )


async def test_a_websocket_reaches_prefect_through_the_gateway(operator):
    async with joined(operator) as socket:
        await socket.send(AUTH)
        welcome = json.loads(await socket.recv())
        await socket.send(json.dumps({"type": "filter", "filter": {}, "backfill": True}))
        event = json.loads(await socket.recv())

    assert ("auth_success", "event") == (welcome["type"], event["type"])


@pytest.mark.parametrize(
    "asked",
    [
        {"cookie": False},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
        {"path": "/hooks/jiwa"},
        {"path": "/"},
        {"path": "/prefectx/api/events/out"},
    ],
    ids=str,
)
async def test_no_other_websocket_is_joined(operator, asked):
    with pytest.raises(InvalidHandshake):
        async with joined(operator, **asked):
            pass


async def test_logging_out_ends_the_websockets_of_the_session(operator):
    async with joined(operator) as socket:
        await socket.send(AUTH)
        await socket.recv()
        await operator.post("/logout")
        with suppress(ConnectionClosed):
            while True:
                await socket.recv()

    assert 303 == (await operator.get("/prefect/")).status_code


async def test_commands_typed_beside_it_have_the_log_in_and_do_not_show_it(sandbox, until):
    told = []

    def prefect_answers():
        """A busy machine may need longer than a check waits."""
        told.append(run_process("doctor", "--json").stdout)
        states = {finding["check"]: finding["state"] for finding in json.loads(told[-1])}
        return (states["Prefect API"], states["deployments"]) == ("ok", "ok")

    assert await until(prefect_answers, "doctor is not let in by Prefect")
    assert "/prefect" == urlsplit(sandbox.settings.prefect_ui_url).path
    assert runtime.prefect_auth(sandbox.settings) not in "".join(told)
