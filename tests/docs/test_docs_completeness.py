"""Everything in the code that people use is documented, found by walking the code."""

import ast
import re
import runpy
from typing import Literal, get_args, get_origin

import pytest
from documents import ROOT, codes, prose
from prometheus_client.metrics import MetricWrapperBase

from hookline import catalog, timings
from hookline.clients import CLIENTS, InvalidInput, VendorError, operations
from hookline.health import metrics
from hookline.hooks import config
from hookline.hooks.presets import PRESETS
from hookline.hooks.sources import AnswerSignature, Confirmation, Handshake, Response, Source
from hookline.hooks.templates import CONTEXT
from hookline.provisioning.deployments import load_deployments
from hookline.runtime import prefect_environment
from hookline.schemes import SCHEMES, SECRET_HEADERS
from hookline.schemes.hmacs import Hmac
from hookline.schemes.signature import Parts, Signature, SignedFields
from hookline.settings import VENDORS, Settings
from hookline.simulators import Fault
from hookline.source_secrets import SECRET_PREFIX

DOCS = ROOT / "docs"
WORDS = {14: "Fourteen", 15: "Fifteen", 16: "Sixteen"}
GENERATED = runpy.run_path(str(DOCS / "generate.py"))


def names_on(page):
    """Return what is in backticks on a page."""
    return set(codes(DOCS / page))


def rows(page, *, section):
    """Return the backticked names in the first column of a section's tables."""
    found = re.search(
        rf"^#+ {re.escape(section)}\n(.*?)(?=^#|\Z)", prose(DOCS / page), re.MULTILINE | re.DOTALL
    )
    return set(re.findall(r"^\| `([^`]+)` \|", found[1], re.MULTILINE)) if found else set()


@pytest.mark.parametrize("path", GENERATED["pages"](), ids=lambda path: path.name)
def test_the_generated_part_is_what_the_code_says(path):
    """Write it again with `make docs`."""
    assert GENERATED["pages"]()[path] == path.read_text(encoding="utf-8")


def test_every_setting_is_documented():
    kinds = (Settings, *VENDORS.values())

    expected = {variable for kind in kinds for variable in kind.variables().values()}

    assert expected <= names_on("settings.md")


def test_every_setting_that_hookline_gives_prefect_is_documented(tmp_path):
    environment = prefect_environment(Settings(home=tmp_path))

    assert set(environment) == rows("settings.md", section="What Hookline gives Prefect")


def test_the_values_that_hookline_gives_prefect_are_those_documented(tmp_path):
    rows = re.findall(
        r"^\| `(PREFECT_\w+|DO_NOT_TRACK)` \| `([\w.]+)` \|", prose(DOCS / "settings.md"), re.MULTILINE
    )
    environment = prefect_environment(Settings(home=tmp_path))

    assert {name: environment.get(name) for name, _ in rows} == dict(rows)


def test_every_command_is_documented():
    headings = re.findall(r"^## `(hookline [^`]+)`$", prose(DOCS / "cli.md"), re.MULTILINE)

    commands = [name for name, _ in GENERATED["commands"]()]

    assert sorted(commands) == sorted(headings)


def fields_of(model):
    """Return the fields by their names in `hooks.yaml`."""
    return {field.alias or name for name, field in model.model_fields.items()}


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_of_a_source_is_documented_with_its_fields(name):
    scheme = SCHEMES[name]
    shared_with_hmac = fields_of(Signature) if issubclass(scheme, Signature) and scheme is not Hmac else set()

    assert fields_of(scheme) - shared_with_hmac <= rows("hooks.md", section=f"Scheme `{name}`")


def test_every_field_of_a_source_is_documented():
    assert fields_of(Source) - {"auth_scheme", "spec"} | {"scheme", "preset"} <= rows(
        "hooks.md", section="Sources"
    )
    assert fields_of(Parts) | fields_of(SignedFields) <= rows("hooks.md", section="Scheme `hmac`")
    assert fields_of(Confirmation) <= rows("hooks.md", section="Visits that confirm")
    assert fields_of(Handshake) | fields_of(AnswerSignature) | fields_of(Response) <= rows(
        "hooks.md", section="Responses and handshakes"
    )


def test_every_preset_is_documented():
    assert set(PRESETS) == rows("senders.md", section="Presets")


def test_every_field_of_a_route_is_documented():
    assert set(config.RouteText.model_fields) <= rows("hooks.md", section="Routes")


def test_every_name_of_a_template_is_documented():
    assert set(CONTEXT) <= rows("hooks.md", section="Templates")


@pytest.mark.parametrize(
    "model",
    [
        catalog.Catalog,
        catalog.Language,
        catalog.Mail,
        catalog.Product,
        catalog.Tickets,
        catalog.Supplies,
        catalog.Loans,
        catalog.Stock,
        catalog.Approval,
        catalog.Activation,
        catalog.Meters,
        catalog.Offline,
    ],
    ids=lambda model: model.__name__,
)
def test_every_field_of_the_catalog_is_documented_with_its_choices(model):
    fields = model.model_fields

    choices = {
        choice
        for field in fields.values()
        if get_origin(field.annotation) is Literal
        for choice in get_args(field.annotation)
    }

    assert set(fields) | choices <= names_on("catalog.md")


def test_every_field_and_kind_of_a_fault_is_documented():
    fields = {name for name, field in Fault.__dataclass_fields__.items() if field.init}

    assert fields | set(get_args(Fault.__dataclass_fields__["kind"].type)) <= rows(
        "sandbox.md", section="Faults"
    )


def test_every_control_route_of_the_simulators_is_documented():
    source = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "hookline" / "simulators").glob("*.py")
    )

    routes = {
        f"{verb} {path}" for verb, path in re.findall(r'@control\("([A-Z]+)", "(/_sandbox[^"]*)"\)', source)
    }

    assert routes <= {each.partition("?")[0] for each in rows("sandbox.md", section="Looking in")}


def test_every_state_is_documented():
    migrations = (ROOT / "hookline" / "database" / "migrations" / "versions").glob("*.py")
    schema = "".join(path.read_text(encoding="utf-8") for path in migrations)
    columns = re.findall(r"CREATE TABLE (\w+) \((.*?)^\)", schema, re.DOTALL | re.MULTILINE)
    tables = [
        (table, found[1]) for table, text in columns if (found := re.search(r"state IN \(([^)]*)\)", text))
    ]

    section_of = {"deliveries": "Deliveries and dispatches", "dispatches": "Deliveries and dispatches"}
    expected = {
        (section_of.get(table, table.capitalize()), state)
        for table, states in tables
        for state in re.findall(r"'(\w+)'", states)
    }

    page = prose(DOCS / "daily-work.md")
    documented = {
        (section, state)
        for section in {name for name, _ in expected}
        for state in re.findall(r"^\| (\w+) \|", _section(page, section), re.MULTILINE)
        if state != "state"
    }
    assert expected == documented


def _section(page, name):
    found = re.search(rf"^### {name}\n(.*?)(?=^#)", page, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def test_every_metric_is_documented():
    ours = [
        family
        for value in vars(metrics).values()
        if isinstance(value, MetricWrapperBase)
        for family in value.describe()
    ]

    names = {family.name + ("_total" if family.type == "counter" else "") for family in ours} | {*timings.ALL}

    assert names == rows("watching.md", section="Metrics")


def test_every_header_that_is_never_kept_is_documented():
    assert names_on("security.md") >= SECRET_HEADERS


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_operation_is_on_its_vendor_s_page(vendor):
    """That its row is what the code says is held by the test of generated parts."""
    assert set(operations(CLIENTS[vendor])) == rows(f"vendors/{vendor}.md", section="Operations")


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_operation_that_our_flows_and_checks_use_is_said_to_be_used(vendor):
    """Read-backs come and go with the tasks; these do not."""
    trees = [
        ast.parse(path.read_text(encoding="utf-8"))
        for path in (ROOT / "blocks" / f"{vendor}.py", *(ROOT / "flows").glob("*.py"))
    ]
    called = {
        node.func.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and getattr(node.func.value, "id", "") in ("client", f"{vendor}_tasks")
    }
    introduction = prose(DOCS / "vendors" / f"{vendor}.md").partition("\n## ")[0]

    expected = called & set(operations(CLIENTS[vendor]))

    assert expected
    assert expected <= set(re.findall(r"`(\w+)`", introduction))


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_input_that_opens_something_dangerous_is_on_its_vendor_s_page(vendor):
    """They are our own and not sent; the page says to which operations each belongs."""
    page = prose(DOCS / "vendors" / f"{vendor}.md")
    guards = {
        (name, operation.name)
        for operation in operations(CLIENTS[vendor]).values()
        for name in consents(operation.input)
    }

    table = re.findall(r"^\| `(\w+)` \| (`[^|]+`) \|", page, re.MULTILINE)

    assert guards <= {(name, each) for name, of in table for each in re.findall(r"`(\w+)`", of)}


def consents(model):
    """Return the inputs of a model that are ours and not sent."""
    return {name for name, field in model.model_fields.items() if field.exclude}


def test_there_are_inputs_that_open_something_dangerous():
    """None found would pass the test above."""
    found = {
        name
        for client in CLIENTS.values()
        for operation in operations(client).values()
        for name in consents(operation.input)
    }

    assert {"all_activity", "all_notes", "append", "for_good", "mass_send"} == found


def test_every_error_of_the_clients_is_documented_with_its_words():
    page = prose(DOCS / "vendors" / "README.md")
    kinds = {kind.__name__: kind.happened for kind in VendorError.__subclasses__()}

    table = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page, re.MULTILINE))

    assert kinds == {name: happened for name, happened in table.items() if name in kinds}
    assert InvalidInput.__name__ in table


@pytest.mark.parametrize(
    ("flow", "files"),
    [
        ("credit_to_revoke", ["credits"]),
        ("renewal_reminder", ["endings"]),
        ("renewal_paid", ["renewals"]),
        ("license_on_loan", []),
        ("ticket_to_invoice", []),
        ("supply_alert", []),
        ("customer_sync", ["customer_records"]),
    ],
)
def test_every_problem_that_a_workflow_reports_is_on_its_page(flow, files):
    page = prose(DOCS / "workflows" / f"{flow.replace('_', '-')}.md")
    problems = [
        node.args[0]
        for file in (flow, "mail", *files)
        for node in ast.walk(ast.parse((ROOT / "flows" / f"{file}.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("HooklineError", "BusinessFailure")
    ]

    messages = [_beginning(problem) for problem in problems]

    assert len(messages) > 2
    assert [] == [message for message in messages if message not in page]


def test_every_reason_for_which_a_certificate_is_not_sent_is_on_its_page():
    from flows.offline_requests import EXPLANATIONS

    page = prose(DOCS / "workflows" / "offline-activation.md")

    assert [] == [reason for reason, text in EXPLANATIONS.items() if f"| `{reason}` | {text}" not in page]


def _beginning(problem):
    """Return the first sentence of a message, as far as it is the same each time."""
    parts = problem.values if isinstance(problem, ast.JoinedStr) else [problem]
    texts = [part.value for part in parts if isinstance(part, ast.Constant)]
    return next(text for text in texts if len(text) > 10).split(". ")[0].strip()


def test_every_deployment_with_a_schedule_has_a_page_that_names_its_memory():
    from flows import supply_alert
    from hookline.provisioning.deployments import load_deployments

    deployments = load_deployments(ROOT / "deployments" / "prefect.yaml")
    scheduled = {name.partition("/")[0] for name, each in deployments.items() if each.schedules}

    pages = {path.stem for path in (DOCS / "workflows").glob("*.md")}

    assert (
        scheduled
        | {"credit-to-revoke", "renewal-paid", "license-on-loan", "ticket-to-invoice", "supply-alert"}
        | {"activation-reminder", "offline-activation", "customer-sync", "order-to-license"}
        == pages
    )
    assert any(code.startswith(supply_alert.VARIABLES) for code in names_on("workflows/supply-alert.md"))


def test_every_workflow_is_in_the_readme_s_table(repository):
    table = re.search(r"^## The workflows\n(.*?)^## ", prose(ROOT / "README.md"), re.MULTILINE | re.DOTALL)[1]
    listed = set(re.findall(r"^\| \[?([a-z-]+)", table, re.MULTILINE)) - {"workflow", "---"}

    assert {name.partition("/")[0] for name in load_deployments(repository / "deployments/prefect.yaml")} == {
        *listed,
        "notify",
    }
    assert f"{WORDS[len(listed)]} workflows" in prose(ROOT / "README.md")


def test_every_variable_of_a_vendor_is_on_its_page():
    for vendor, kind in VENDORS.items():
        expected = set(kind.variables().values())

        assert expected <= names_on(f"vendors/{vendor}.md")


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md"])
def test_the_number_of_operations_is_right(page):
    here = sum(len(operations(client)) for client in CLIENTS.values())

    assert [str(here)] == re.findall(r"(\d+) operations", prose(ROOT / page))


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md"])
def test_the_number_of_presets_is_right(page):
    assert [str(len(PRESETS))] == re.findall(r"(\d+) presets", prose(ROOT / page))


def test_secrets_of_sources_are_documented_by_the_form_of_their_name():
    assert SECRET_PREFIX + "<SOURCE>" in names_on("hooks.md")
