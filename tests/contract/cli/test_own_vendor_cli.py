"""The commands, on a vendor that the core does not know, in the project that one stands in."""

import json
import os
import signal
import subprocess
import sys

import httpx
import pytest
from commands import run_process
from projects import add_lager7, add_vendor, new_project

from hookline.project import SHIPPED
from hookline.sandbox.stack import own_ports

KEY = {"Authorization": "Bearer sandbox-lager7-key"}


@pytest.fixture
def project(tmp_path):
    """A project with the sixth vendor, and another one whose package is broken."""
    folder = new_project(tmp_path / "acme")
    (folder / "hooks.yaml").write_text("sources: {}\nroutes: {}\n")
    (folder / "prefect.yaml").write_text("deployments: []\n")
    (folder / "catalog.yaml").write_text((SHIPPED / "catalog.yaml").read_text())
    add_lager7(folder)
    add_vendor(folder, "broken", vendor="print('a stray line')\nraise SystemExit('the moon')")
    return folder


@pytest.fixture
def hookline(project):
    """Runs a command in the project, to its end."""

    def run(*words, **variables):
        ended = run_process(
            *words, cwd=project, env=environment(project, **variables), stdin=subprocess.DEVNULL
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended

    return run


@pytest.fixture
def sandbox(project):
    """`hookline sandbox` in the project: the addresses of the simulators."""
    variables = environment(project, **own_ports())
    process = subprocess.Popen(
        [sys.executable, "-m", "hookline", "sandbox", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=variables,
        cwd=project,
    )
    text = ""
    try:
        while not text.rstrip().endswith("]"):
            line = process.stdout.readline()
            assert line, "it ended"
            text += line
        yield {row["vendor"]: row["address"] for row in json.loads(text)}
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def environment(project, **variables):
    return os.environ | {"HOOKLINE_HOME": str(project / ".hookline")} | variables


def test_its_operations_are_listed_and_the_broken_package_is_named(hookline):
    rows = json.loads(hookline("operations", "lager7", "--json").stdout)
    registered = json.loads((ended := hookline("vendors", "--registered", "--json")).stdout)

    assert ["list_parcels", "get_parcel", "create_parcel"] == [row["operation"] for row in rows]
    assert {"lager7": "", "broken": "yes"} == {
        row["vendor"]: row["problem"] and "yes" for row in registered if row["vendor"] in ("lager7", "broken")
    }
    assert ("a stray line" in ended.stderr, "the moon" in ended.stderr) == (True, True)


def test_its_simulator_runs_in_the_sandbox_and_keeps_what_a_call_wrote(hookline, sandbox):
    login = {"LAGER7_BASE_URL": sandbox["lager7"], "LAGER7_API_KEY": "sandbox-lager7-key"}

    sent = hookline("call", "lager7", "create_parcel", "reference=x", "--yes", "--json", **login)
    with httpx.Client(base_url=sandbox["lager7"]) as http:
        parcels = http.get("/parcels", headers=KEY).json()
        records = http.get("/_sandbox/records").json()
        refused = http.get("/parcels").status_code

    assert "2" == json.loads(sent.stdout)["id"]
    assert (["first", "x"], 401) == ([each["reference"] for each in parcels], refused)
    assert parcels == records["parcels"]


def test_the_doctor_asks_it_who_we_are_and_names_the_broken_package(hookline, sandbox):
    login = {"LAGER7_BASE_URL": sandbox["lager7"], "LAGER7_API_KEY": "sandbox-lager7-key"}

    ended = hookline("doctor", "--json", LAGER7_BASE_ULR="x", **login)

    rows = {row["check"]: row for row in json.loads(ended.stdout)}
    assert "ok" == rows["lager7"]["state"]
    assert "accepts us as the sender of 1 parcels" in rows["lager7"]["detail"]
    assert "problem" == rows["vendor broken"]["state"]
    assert "Correct its package" in rows["vendor broken"]["advice"]
    assert "Rename LAGER7_BASE_ULR to LAGER7_BASE_URL" in rows["environment"]["advice"]
