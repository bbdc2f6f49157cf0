"""Doctor's checks of a Prefect server: one that is slow is not one that is away."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prefect import __version__ as prefect_version
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from hookline.provisioning import checks
from hookline.settings import Settings

AT_ONCE = {"/api/health": True, "/api/admin/version": prefect_version, "/api/csrf-token": None}


class Slow(BaseHTTPRequestHandler):
    """Says at once that it lives, and takes its time for all else."""

    def do_GET(self):
        if self.path not in AT_ONCE:
            time.sleep(1)
        body = json.dumps(AT_ONCE.get(self.path)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def slow():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()
    server.server_close()


async def test_what_takes_long_is_named_and_the_api_that_answers_is_well(slow, monkeypatch, tmp_path):
    monkeypatch.setattr(checks, "ASKING_SECONDS", 0.2)
    monkeypatch.setenv("PREFECT_API_URL", slow)
    with temporary_settings({PREFECT_API_URL: slow, PREFECT_CLIENT_MAX_RETRIES: 0}):
        found = await checks.check_prefect(Settings(home=tmp_path), {"a/b": "hookline"})

    states = {each.check: (each.state, each.detail) for each in found}
    assert ("ok", f"{prefect_version} at {slow}") == states["Prefect API"]
    assert [("problem", "no answer within 0.2 s")] * 2 == [states["deployments"], states["schedules"]]


async def test_a_server_that_is_away_is_named_once(monkeypatch, tmp_path):
    nowhere = "http://127.0.0.1:9/api"
    monkeypatch.setenv("PREFECT_API_URL", nowhere)
    with temporary_settings({PREFECT_API_URL: nowhere, PREFECT_CLIENT_MAX_RETRIES: 0}):
        [api, *rest] = await checks.check_prefect(Settings(home=tmp_path), {"a/b": "hookline"})

    assert ("Prefect API", "problem") == (api.check, api.state)
    assert nowhere in api.detail
    assert {"skipped"} == {each.state for each in rest}
