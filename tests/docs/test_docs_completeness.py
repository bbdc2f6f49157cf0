"""Everything there is stands in the pages, found by looking at the code."""

import ast
import re
import runpy
from typing import Literal, get_args, get_origin

import pytest
from documents import ROOT, codes, prose
from prometheus_client.metrics import MetricWrapperBase

from hookline import catalog
from hookline.gateway import metrics
from hookline.gateway.schemes import SECRET_HEADERS
from hookline.hooks import config
from hookline.hooks.templates import NAMES
from hookline.runtime import prefect_environment
from hookline.settings import SECRET_PREFIX, VENDORS, Settings
from hookline.simulators import Fault

DOCS = ROOT / "docs"
GENERATED = runpy.run_path(str(DOCS / "generate.py"))
SCHEMES = (config.SharedSecret, config.StandardWebhooks)


def told(page):
    """What stands in backticks on a page."""
    return set(codes(DOCS / page))


def rows(page, *, section):
    """What the tables of a section are about: the backticked names in their first column."""
    found = re.search(
        rf"^#+ {re.escape(section)}\n(.*?)(?=^#|\Z)", prose(DOCS / page), re.MULTILINE | re.DOTALL
    )
    return set(re.findall(r"^\| `([^`]+)` \|", found[1], re.MULTILINE)) if found else set()


@pytest.mark.parametrize("path", GENERATED["pages"](), ids=lambda path: path.name)
def test_the_generated_part_is_what_the_code_says(path):
    """Write it anew with `.venv/bin/python docs/generate.py`."""
    assert GENERATED["pages"]()[path] == path.read_text(encoding="utf-8")


def test_every_setting_is_told():
    kinds = (Settings, *VENDORS.values())

    wanted = {kind.model_config["env_prefix"] + name.upper() for kind in kinds for name in kind.model_fields}

    assert wanted <= told("settings.md")


def test_every_setting_that_hookline_gives_prefect_is_told(tmp_path):
    given = prefect_environment(Settings(home=tmp_path))

    assert set(given) == rows("settings.md", section="What Hookline gives Prefect")


def test_the_values_that_hookline_gives_prefect_are_those_told(tmp_path):
    rows = re.findall(
        r"^\| `(PREFECT_\w+|DO_NOT_TRACK)` \| `([\w.]+)` \|", prose(DOCS / "settings.md"), re.MULTILINE
    )
    given = prefect_environment(Settings(home=tmp_path))

    assert {name: given.get(name) for name, _ in rows} == dict(rows)


def test_every_command_is_told():
    headings = re.findall(r"^## `(hookline [^`]+)`$", prose(DOCS / "cli.md"), re.MULTILINE)

    commands = [name for name, _ in GENERATED["commands"]()]

    assert sorted(commands) == sorted(headings)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.__name__)
def test_every_scheme_of_a_source_is_told_with_its_fields(scheme):
    [word] = get_args(scheme.model_fields["scheme"].annotation)

    assert set(scheme.model_fields) <= rows("hooks.md", section=f"Scheme `{word}`")


def test_the_schemes_are_all_there_are():
    """A third one would escape the test above."""
    assert set(SCHEMES) == set(get_args(get_args(config.Source)[0]))


def test_every_field_of_a_route_is_told():
    assert set(config._RouteText.model_fields) <= rows("hooks.md", section="Routes")


def test_every_name_of_a_template_is_told():
    assert set(NAMES) <= rows("hooks.md", section="Templates")


@pytest.mark.parametrize(
    "model", [catalog.Catalog, catalog.Mail, catalog.Product], ids=lambda model: model.__name__
)
def test_every_field_of_the_catalog_is_told_with_its_choices(model):
    fields = model.model_fields

    choices = {
        choice
        for field in fields.values()
        if get_origin(field.annotation) is Literal
        for choice in get_args(field.annotation)
    }

    assert set(fields) | choices <= told("catalog.md")


def test_every_field_and_kind_of_a_fault_is_told():
    fields = {name for name, field in Fault.__dataclass_fields__.items() if field.init}

    assert fields | set(get_args(Fault.__dataclass_fields__["kind"].type)) <= rows(
        "sandbox.md", section="Faults"
    )


def test_every_control_route_of_the_simulators_is_told():
    source = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "hookline" / "simulators").glob("*.py")
    )

    routes = {
        f"{verb} {path}" for verb, path in re.findall(r'@control\("([A-Z]+)", "(/_sandbox[^"]*)"\)', source)
    }

    assert routes <= {each.partition("?")[0] for each in rows("sandbox.md", section="Looking in")}


def test_every_state_is_told():
    migrations = (ROOT / "hookline" / "database" / "migrations" / "versions").glob("*.py")
    schema = "".join(path.read_text(encoding="utf-8") for path in migrations)
    tables = re.findall(r"CREATE TABLE (\w+).*?state IN \(([^)]*)\)", schema, re.DOTALL)

    wanted = {(table, state) for table, states in tables for state in re.findall(r"'(\w+)'", states)}

    page = prose(DOCS / "operating.md")
    sections = {
        table: re.search(rf"^### {table.capitalize()}\n(.*?)(?=^#)", page, re.MULTILINE | re.DOTALL)
        for table, _ in tables
    }
    assert wanted == {
        (table, state)
        for table, found in sections.items()
        for state in re.findall(r"^\| (\w+) \|", found[1], re.MULTILINE)
    } - {(table, "state") for table in sections}


def test_every_metric_is_told():
    ours = [
        family
        for value in vars(metrics).values()
        if isinstance(value, MetricWrapperBase)
        for family in value.describe()
    ]

    names = {family.name + ("_total" if family.type == "counter" else "") for family in ours}

    assert names <= rows("operating.md", section="Watching")


def test_every_header_that_is_never_kept_is_told():
    assert told("security.md") >= SECRET_HEADERS


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_operation_that_our_tasks_call_is_on_the_vendor_s_page(vendor):
    from hookline.clients import CLIENTS, operations

    sources = [
        ROOT / "tasks" / f"{vendor}.py",
        ROOT / "blocks" / f"{vendor}.py",
        ROOT / "hookline" / "cli" / "apply.py",
    ]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sources]
    used = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}

    called = used & set(operations(CLIENTS[vendor]))

    assert called <= told(f"vendors/{vendor}.md")
    assert called


def test_every_variable_of_a_vendor_is_on_its_page():
    for vendor, kind in VENDORS.items():
        wanted = {kind.model_config["env_prefix"] + name.upper() for name in kind.model_fields}

        assert wanted <= told(f"vendors/{vendor}.md")


def test_the_numbers_of_operations_in_the_readme_are_right():
    from hookline.clients import CLIENTS, operations

    here = sum(len(operations(client)) for client in CLIENTS.values())
    wanted = len((ROOT / "tests" / "samples" / "operations.csv").read_text(encoding="utf-8").splitlines()) - 1

    assert [f"{here} of {wanted} operations"] == re.findall(
        r"\d+ of \d+ operations", prose(ROOT / "README.md")
    )


def test_secrets_of_sources_are_told_by_the_form_of_their_name():
    assert SECRET_PREFIX + "<SOURCE>" in told("hooks.md")
