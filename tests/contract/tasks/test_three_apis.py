"""
Three public APIs that nobody here wrote, each from its published text to a flow whose writes are journaled.

The commands and the flows are those of docs/own-vendor.md. What they write passes its own tests, the linter and the
type checker; a lost answer at its stand-in, on a real journal, brings nothing twice.
"""

import asyncio
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from main_flow import stored

from hookline import context
from hookline.clients import AnswerLost
from hookline.journal import EffectUncertain
from hookline.new_vendor.document import read_document
from hookline.new_vendor.spec import read_service
from hookline.simulators.server import serving
from tests.docs.documents import FENCE, ROOT

PAGE = ROOT / "docs/own-vendor.md"
SAMPLES = ROOT / "tests/samples/apis"
SPECS = {"xero": "xero_accounting.yaml", "solidus": "solidus-api.oas.yml", "sendgrid": "tsg_mail_v3.yaml"}
FLOWS = {"xero": "order_to_invoice", "solidus": "open_store", "sendgrid": "confirm_order"}
TITLES = {"xero": "Xero, accounting", "solidus": "Solidus, a shop", "sendgrid": "SendGrid, mail"}
TEST_RULES = ["ANN", "ARG", "D", "INP001", "PLR2004", "S", "SIM300", "E501"]
"""What is not asked of tests, as in pyproject.toml."""


def blocks(mark):
    """The blocks of the page whose first line says so."""
    found = FENCE.finditer(PAGE.read_text(encoding="utf-8"))
    return [each[2] for each in found if each[1].strip().partition(" ")[2] == mark]


def commands():
    """The commands of the page, and for the other two services the one that writes the vendor."""
    [shown] = blocks("own-vendor")
    writes, tests, operations = shown.strip().splitlines()
    yield "xero", [writes, tests, operations]
    for name in ("solidus", "sendgrid"):
        yield (
            name,
            [f"hookline new vendor {name} --openapi {SPECS[name]}", f"python -m pytest vendors/{name}"],
        )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project in which every command of the page was run."""
    folder = tmp_path_factory.mktemp("firm")
    for name in ("hooks.yaml", "prefect.yaml"):
        (folder / name).write_text("{}\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOOKLINE_", "PYTEST"))}
    kept |= {
        "HOOKLINE_HOME": str(folder / "home"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    kept |= {"PYTHONPATH": f"{ROOT}:{folder}"}
    for name, lines in commands():
        shutil.copy(SAMPLES / SPECS[name], folder)
        for line in lines:
            ended = subprocess.run(shlex.split(line), cwd=folder, env=kept, capture_output=True, text=True)
            assert 0 == ended.returncode, f"{line}\n{ended.stdout}\n{ended.stderr}"
    (folder / "flows").mkdir()
    for name in FLOWS.values():
        [text] = blocks(f"own-vendor/flows/{name}.py")
        (folder / f"flows/{name}.py").write_text(text)
    return folder


@contextmanager
def on_path(*folders):
    """Modules of the project, as a process has them that was started in it."""
    before = set(sys.modules)
    sys.path[:0] = map(str, folders)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for folder in folders:
            sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if name.split(".")[0] in ("vendors", *FLOWS.values()):
                del sys.modules[name]


@pytest.fixture
def started(project, database, database_settings, environment):
    """Opens a service's stand-in with its flow, on a real journal."""
    environment.setenv("HOOKLINE_HOME", str(database_settings.home))
    environment.setenv("HOOKLINE_LANDING_SECONDS", "0")

    @contextmanager
    def open_(name):
        with on_path(project / "flows", project):
            block = importlib.import_module(f"vendors.{name}.block")
            settings = importlib.import_module(f"vendors.{name}.settings")
            simulator = importlib.import_module(f"vendors.{name}.simulator")
            flow = getattr(importlib.import_module(FLOWS[name]), FLOWS[name])
            kind = name.capitalize()
            login = {
                field.lower(): value
                for field, value in getattr(settings, f"{kind}Settings").sandbox_login.items()
            }
            credentials = getattr(block, f"{kind}Credentials")
            yield (
                flow,
                getattr(simulator, f"{kind}Simulator")(),
                lambda url: credentials(base_url=url, **login),
            )

    return open_


async def run(flow, *arguments):
    """Run a flow as an engine does that works on a backlog: its tasks are plain calls."""
    with context.working_on(uuid4(), uuid4(), in_batch=True):
        return await flow.fn(*arguments)


async def test_an_invoice_whose_answer_is_lost_is_made_once(started):
    [text] = blocks("own-vendor/lost.py")
    code = compile(text, "lost.py", "exec", flags=__import__("ast").PyCF_ALLOW_TOP_LEVEL_AWAIT)
    with started("xero") as (flow, simulator, credentials):
        async with serving(simulator) as xero:
            with stored(credentials(xero.url)), context.working_on(uuid4(), uuid4(), in_batch=True):
                names = {"order_to_invoice": flow, "xero": xero, "AnswerLost": AnswerLost}
                outcome = eval(code, names)
                assert asyncio.iscoroutine(outcome)
                await outcome

            sent = xero.requests(operation="create_invoices")
            found = xero.requests(operation="get_invoices")

    assert (1, 1) == (len(sent), len(found) > 0)
    assert 1 == len(xero.records()["invoices"])


async def test_a_store_whose_answer_is_lost_is_opened_once(started):
    with started("solidus") as (flow, simulator, credentials):
        async with serving(simulator) as solidus:
            with stored(credentials(solidus.url)):
                solidus.faults.add("create_store", "lose")
                with pytest.raises(AnswerLost):
                    await run(flow, "emea", "Branch EMEA")
                store = await run(flow, "emea", "Branch EMEA")
                again = await run(flow, "emea", "Branch EMEA")

    assert store == again
    assert [(store, "emea")] == [(row["id"], row["code"]) for row in solidus.records()["stores"]]


async def test_a_mail_whose_answer_is_lost_is_uncertain_and_not_sent_twice(started):
    with started("sendgrid") as (flow, simulator, credentials):
        async with serving(simulator) as sendgrid:
            with stored(credentials(sendgrid.url)):
                sendgrid.faults.add("send_mail", "lose")
                for _ in range(2):
                    with pytest.raises((AnswerLost, EffectUncertain)):
                        await run(flow, "100123", "ada@customer.example")
                with pytest.raises(EffectUncertain):
                    await run(flow, "100123", "ada@customer.example")

    assert 1 == len(sendgrid.requests(operation="send_mail"))


@pytest.mark.parametrize("name", SPECS)
def test_what_was_written_passes_the_linter_and_the_formatter(project, name):
    ignored = f"lint.per-file-ignores={{'**/test_*.py' = {TEST_RULES}}}"
    for verb in (["check", "--config", ignored], ["format", "--check"]):
        command = [
            sys.executable,
            "-m",
            "ruff",
            *verb,
            "--config",
            str(ROOT / "pyproject.toml"),
            f"vendors/{name}",
        ]
        ended = subprocess.run(command, cwd=project, capture_output=True, text=True)

        assert 0 == ended.returncode, ended.stdout


@pytest.mark.long
def test_what_was_written_passes_the_type_checker(project):
    packages = [part for name in SPECS for part in ("-p", f"vendors.{name}")]
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--explicit-package-bases",
        "--namespace-packages",
        *packages,
    ]
    ended = subprocess.run(
        command,
        cwd=project,
        env=os.environ | {"MYPYPATH": f"{ROOT}:{project}"},
        capture_output=True,
        text=True,
    )

    assert 0 == ended.returncode, ended.stdout


@pytest.mark.parametrize("name", SPECS)
def test_the_page_counts_what_was_written_by_the_command_and_by_hand(project, name):
    text = (project / SPECS[name]).read_text()
    offered = len(re.findall(r"^ {4}['\"]?(?:get|post|put|patch|delete)['\"]?:\s*$", text, re.MULTILINE))
    readme = (project / f"vendors/{name}/README.md").read_text()
    written = len(re.findall(r"^\| `\w+` \| `(?:GET|POST|PUT|PATCH|DELETE) ", readme, re.MULTILINE))
    lines = sum(_lines(path) for path in (project / f"vendors/{name}").glob("*.py"))
    by_hand = _lines(project / f"flows/{FLOWS[name]}.py")

    row = f"| {TITLES[name]} | {offered} | {written} | {lines} | {by_hand} |"
    assert row in PAGE.read_text(encoding="utf-8")


def test_the_page_says_how_much_of_xero_can_be_written():
    service = read_service(read_document(SAMPLES / SPECS["xero"]))

    assert "Of Xero's 235, all but 51 can be written" in PAGE.read_text(encoding="utf-8")
    assert (235 - 51, 51) == (len(service.calls), len(service.left_out))


def _lines(path):
    return sum(bool(line.strip()) for line in path.read_text(encoding="utf-8").splitlines())
