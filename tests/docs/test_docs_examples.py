"""The examples in the pages: files load, Python compiles, and what says that it runs does."""

import ast
import asyncio
import importlib
import sys
from contextlib import contextmanager

import pytest
from documents import ROOT, blocks

from hookline.catalog import load_catalog
from hookline.hooks import load_hooks
from hookline.settings import Settings, simulator_environment
from hookline.simulators.server import running
from hookline.texts import Template, declared
from hookline.texts.in_force import judged
from tests.conftest import with_parts

PYTHON = {str(block): block for block in blocks("python")}
YAML = {str(block): block for block in blocks("yaml")}
FLOWS = [block for block in PYTHON.values() if block.mark.startswith("flows/")]
SANDBOXED = [block for block in PYTHON.values() if block.mark == "sandbox"]
DEPLOYMENTS = [block for block in YAML.values() if block.mark == "prefect.yaml"]


@contextmanager
def flows_of_the_pages(folder, monkeypatch):
    """Provide the flows of the pages' examples, as if somebody had written them."""
    import flows

    monkeypatch.setattr(flows, "__path__", [*flows.__path__, str(folder)])
    modules = [f"flows.{block.mark.removeprefix('flows/').removesuffix('.py')}" for block in FLOWS]
    for block in FLOWS:
        (folder / block.mark.removeprefix("flows/")).write_text(block.text, encoding="utf-8")
    importlib.invalidate_caches()
    yield
    for module in modules:
        sys.modules.pop(module, None)


def test_there_are_examples_of_each_kind():
    """An empty collection would pass every test below."""
    marks = {block.mark for block in YAML.values()} | {
        block.mark for block in PYTHON.values() if block.mark in ("runnable", "sandbox")
    }

    assert {
        "hooks.yaml",
        "catalog.yaml",
        "prefect.yaml",
        "automations.yaml",
        "approval",
        "accounts",
        "runnable",
        "sandbox",
    } == marks


@pytest.mark.parametrize("block", PYTHON.values(), ids=PYTHON)
def test_python_compiles(block):
    assert compile(block.text, str(block), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("block", [block for block in PYTHON.values() if block.mark == "runnable"], ids=str)
async def test_python_that_says_so_runs(block):
    code = compile(block.text, str(block), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names = {"__name__": "__example__"}

    outcome = eval(code, names)  # it raises if the example is wrong
    if asyncio.iscoroutine(outcome):
        await outcome

    assert names.keys() > {"__name__"}


@pytest.mark.parametrize("block", SANDBOXED, ids=str)
async def test_python_on_the_vendors_runs_against_the_simulators(block, monkeypatch):
    """Each asserts its result at its own end."""
    async with running() as vendors:
        addresses = {f"{vendor.vendor.upper()}_BASE_URL": vendor.url for vendor in vendors}
        for name, value in (simulator_environment(Settings()) | addresses).items():
            monkeypatch.setenv(name, value)

        await eval(compile(block.text, str(block), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), {})


def test_each_example_on_the_vendors_asserts_its_result():
    """Without an assertion it would be a smoke test."""
    assert [] == [str(block) for block in SANDBOXED if "\nassert " not in block.text]


@pytest.mark.parametrize("block", DEPLOYMENTS, ids=str)
def test_an_example_of_deployments_loads(block, tmp_path, monkeypatch):
    from hookline.provisioning.deployments import load_deployments

    path = tmp_path / "prefect.yaml"
    path.write_text(block.text, encoding="utf-8")

    with flows_of_the_pages(tmp_path, monkeypatch):
        deployments = load_deployments(path)

    assert deployments
    assert all(
        schedule.active is False
        for each in deployments.values()
        if not each.use
        for schedule in each.prefect_schedules()
    )


@pytest.mark.parametrize(
    "block", [block for block in YAML.values() if block.mark == "automations.yaml"], ids=str
)
def test_an_example_of_automations_loads(block, tmp_path):
    from hookline.provisioning.automations import load_automations

    path = tmp_path / "automations.yaml"
    path.write_text(block.text, encoding="utf-8")

    assert load_automations(path)


@pytest.mark.parametrize("block", [block for block in YAML.values() if block.mark == "hooks.yaml"], ids=str)
def test_an_example_of_hooks_loads(block, tmp_path):
    path = tmp_path / "hooks.yaml"
    path.write_text(block.text, encoding="utf-8")

    hooks = load_hooks(path)

    assert hooks.sources
    assert hooks.routes


@pytest.mark.parametrize("block", [block for block in blocks("jinja") if block.mark.endswith(".j2")], ids=str)
async def test_a_text_of_the_pages_renders(block, tmp_path):
    text = declared()["order-to-license", block.mark.partition(".")[0]]

    assert block.text == await judged(Template(tmp_path / block.mark, text, "fr"), block.text)


@pytest.mark.parametrize("block", [block for block in YAML.values() if block.mark == "catalog.yaml"], ids=str)
def test_an_example_of_a_catalog_loads(block, tmp_path):
    path = tmp_path / "catalog.yaml"
    path.write_text(block.text, encoding="utf-8")

    assert load_catalog(path).products


def test_an_example_of_accounts_is_a_part_of_a_catalog():
    [block] = [block for block in YAML.values() if block.mark == "accounts"]
    [catalog] = [block for block in YAML.values() if block.mark == "catalog.yaml"]

    whole = _catalog(f"{catalog.text}\n{block.text}")

    assert ("emea", "default") == tuple(
        whole.of(jiwa=jiwa).product("LIC-PRO").zentitle for jiwa in ("north", "default")
    )


def test_an_example_of_an_approval_is_a_part_of_a_catalog():
    from hookline.catalog import Catalog

    [block] = [block for block in YAML.values() if block.mark == "approval"]
    [catalog] = [block for block in YAML.values() if block.mark == "catalog.yaml"]

    approval = _catalog(f"{catalog.text}\n{block.text}").approval

    assert isinstance(_catalog(catalog.text), Catalog)
    assert (5000, ["anna"], ["boss", "decline"]) == (approval.above, approval.ask, approval.otherwise)


def test_the_first_own_workflow_of_the_readme_fits_together(tmp_path, monkeypatch):
    """Its flow, deployment and route, beside those that we ship, as a reader would have them."""
    from hookline.provisioning.deployments import check_routes, load_deployments

    readme = {
        block.mark: block for block in (*YAML.values(), *PYTHON.values()) if block.page == ROOT / "README.md"
    }
    for name in ("hooks.yaml", "prefect.yaml"):
        (tmp_path / name).write_text(readme[name].text, encoding="utf-8")

    with flows_of_the_pages(tmp_path, monkeypatch):
        hooks = load_hooks(tmp_path / "hooks.yaml")
        deployments = load_deployments(tmp_path / "prefect.yaml")
        check_routes(hooks, deployments)

    assert {"note-shipment/default"} == hooks.deployments == set(deployments)


def test_the_catalog_that_we_ship_is_the_one_that_its_page_shows():
    [block] = [block for block in YAML.values() if block.mark == "catalog.yaml"]

    shipped = (ROOT / "deployments" / "catalog.yaml").read_text(encoding="utf-8")

    assert (
        _catalog(with_parts(shipped, "credits", "renewals", "trials", "customers")).model_dump()
        == _catalog(block.text).model_dump()
    )


def _catalog(text):
    import yaml

    from hookline.catalog import Catalog

    return Catalog.model_validate(yaml.safe_load(text))
