"""The registry: vendors of entry points and of a project, and packages that cannot be used."""

import ast
import json
import re
from pathlib import Path

import pytest
from commands import run_here
from prefect.blocks.core import Block
from prefect.utilities.dispatch import get_registry_for_type
from projects import LAGER7, add_lager7, add_vendor, new_project, on_path

from blocks import BLOCKS
from hookline.clients import CLIENTS, operations
from hookline.errors import ConfigurationError
from hookline.gateway.logos import logo
from hookline.record_links import parse_record_urls
from hookline.settings import VENDORS, Settings, secrets_of_environment, simulator_environment
from hookline.simulators import SIMULATORS, Sandbox
from hookline.vendors import UnusableVendor, Vendor, place, problems, sandbox_ports, vendors

SHIPPED = ["jiwa", "zentitle", "sensorpro", "jetadvice", "jifeline"]
VENDOR = """
from hookline.vendors import Vendor
VENDOR = Vendor(name={name!r}, title="X", settings={settings!r}, client={client!r}, block={block!r}, tasks={tasks!r})
"""
PARTS = {
    "settings": "vendors.lager7.settings:LagerSettings",
    "client": "vendors.lager7.client:LagerClient",
    "block": "vendors.lager7.block:LagerCredentials",
    "tasks": "vendors.lager7.tasks",
}


def registered_as(name, **parts):
    return VENDOR.format(name=name, **(PARTS | parts))


@pytest.fixture
def folder(tmp_path):
    return new_project(tmp_path / "acme")


@pytest.fixture
def lager7(folder):
    add_lager7(folder)
    with on_path(folder):
        yield folder


def own_of(names):
    return [name for name in names if name not in SHIPPED and name != "http"]


@pytest.mark.usefixtures("lager7")
def test_a_vendor_in_a_project_is_in_every_list_of_the_core():
    lists = {
        "settings": VENDORS,
        "clients": CLIENTS,
        "blocks": BLOCKS,
        "simulators": SIMULATORS,
        "ports": sandbox_ports(8000),
    }

    assert {name: ["lager7"] for name in lists} == {name: own_of(each) for name, each in lists.items()}
    assert ["list_parcels", "get_parcel", "create_parcel"] == list(operations(CLIENTS["lager7"]))
    assert SHIPPED == [name for name in vendors() if name in SHIPPED]
    assert "lager7" == list(vendors())[-1]


@pytest.mark.usefixtures("lager7")
def test_its_variables_are_known_and_its_secrets_are_masked(environment):
    environment.setenv("LAGER7_NORTH_API_KEY", "the-key-of-the-north")

    assert "the-key-of-the-north" in secrets_of_environment()
    assert "http://127.0.0.1" in simulator_environment(Settings())["LAGER7_BASE_URL"]


@pytest.mark.usefixtures("lager7")
def test_it_has_a_logo_limits_and_addresses_of_records():
    block = BLOCKS["lager7"](base_url="https://x.example", api_key="k" * 10, calls_per_second=2)

    assert "#" in vendors()["lager7"].mark[1]
    assert ">La</text>" in logo("lager7")
    assert ["lager7-default-rate"] == [limit.name for limit in block.limits("default")]
    assert {"lager7": "https://x.example/{id}"} == parse_record_urls("lager7=https://x.example/{id}")


def test_a_logo_is_no_way_into_a_page():
    vendor = Vendor(name="x", title="<script>", settings="", client="", block="", tasks="")

    assert "<s" == vendor.mark[0]
    with pytest.raises(ValueError, match="its colour"):
        Vendor(name="x", title="X", settings="", client="", block="", tasks="", colour='"><script>')


@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_a_vendor_of_an_installed_distribution_is_found_by_its_entry_point(tmp_path, kind):
    name, site = f"hookline_lager7_{kind}", tmp_path / "site"
    source = site if kind == "wheel" else tmp_path / "source"
    for file in LAGER7.glob("*.py"):
        target = source / name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.read_text().replace("vendors.lager7", name))
    distribution(site, name.replace("_", "-"), f"lager7 = {name}.vendor:VENDOR")

    with on_path(*{site, source}):
        assert ["lager7"] == own_of(CLIENTS) == own_of(BLOCKS) == own_of(SIMULATORS)
        assert f"entry point of the distribution {name.replace('_', '-')}" == place("lager7")


def distribution(site, name, *entries):
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(["[hookline.vendors]", *entries]) + "\n")


BROKEN = {
    "a capital": ("Lager", registered_as("Lager"), "the name 'Lager' must be a small letter"),
    "a dash": ("my-erp", "", "the name 'my-erp' must be"),
    "an underscore": ("my_erp", "", "the name 'my_erp' must be"),
    "a keyword": ("class", "", "the name 'class' is a word of Python"),
    "ours": ("hookline", "", "the name 'hookline' is Hookline's own"),
    "taken": ("jiwa", registered_as("jiwa"), "the name is taken by entry point of the distribution hookline"),
    "another name": ("broken", registered_as("other"), "it is registered as broken and names itself other"),
    "no value": ("broken", "", "vendors.broken.vendor has no VENDOR"),
    "another value": ("broken", "VENDOR = {}", "is no hookline.vendors.Vendor"),
    "no such module": ("broken", "import nowhere_at_all", "No module named 'nowhere_at_all'"),
    "bad syntax": ("broken", "VENDOR = (", "SyntaxError"),
    "raises": ("broken", "raise LookupError('the moon')", "the moon"),
    "exits": ("broken", "raise SystemExit(3)", "its import ends the process (3)"),
    "raises what has no text": ("broken", "raise RuntimeError", "RuntimeError"),
    "a field is missing": (
        "broken",
        "from hookline.vendors import Vendor\nVENDOR = Vendor(name='broken', title='B')",
        "missing 4 required keyword-only arguments: 'settings', 'client', 'block', and 'tasks'",
    ),
    "a colour that is none": (
        "broken",
        registered_as("broken").replace("title=", "colour='red', title="),
        "its colour 'red' is none",
    ),
    "asks for vendors while it is read": (
        "broken",
        f"from hookline.vendors import vendors\nvendors()\n{registered_as('broken')}",
        "asks for the vendors while it is imported",
    ),
    "a module of a part is missing": (
        "broken",
        registered_as("broken", client="vendors.broken.client:BrokenClient"),
        "No module named 'vendors.broken.client'",
    ),
    "a class of a part is missing": (
        "broken",
        registered_as("broken", client="vendors.lager7.client:Missing"),
        "vendors.lager7.client has no Missing",
    ),
    "a part is something else": (
        "broken",
        registered_as("broken", client="vendors.lager7.settings:LagerSettings"),
        "it is no subclass of hookline.clients.transport.VendorClient",
    ),
    "a part is of another vendor": (
        "broken",
        registered_as("broken"),
        "its `vendor` must be 'broken', and is 'lager7'",
    ),
    "a prefix collides": (
        "broken",
        registered_as("broken", settings="hookline.shipped.jiwa:JiwaSettings"),
        "its `prefix` must be 'BROKEN_', and is 'JIWA_'",
    ),
    "a client that cannot connect": (
        "broken",
        "from hookline.clients import VendorClient\nfrom hookline.vendors import Vendor\n"
        "class Client(VendorClient):\n    vendor = 'broken'\n"
        + registered_as("broken", client="vendors.broken.vendor:Client"),
        "it does not define `connect`",
    ),
    "a reference is none": ("broken", registered_as("broken", tasks="../../etc"), "broken"),
}


@pytest.mark.parametrize(("name", "text", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_package_that_cannot_be_used_is_named_with_its_place_and_stops_no_other(folder, name, text, reason):
    add_lager7(folder)
    add_vendor(folder, name, vendor=text)
    with on_path(folder):
        found = {str(error) for error in problems()}

        assert [] != [each for each in found if reason in each], found
        assert [] == [
            each for each in found if str(folder / "vendors" / name) not in each or name not in each
        ]
        assert [*SHIPPED, "lager7"] == [each for each in CLIENTS if each in SHIPPED or each == "lager7"]
        assert "hookline" in place("jiwa")


def test_what_a_package_prints_does_not_reach_the_output_of_a_command(folder, tmp_path):
    add_lager7(folder)
    add_vendor(folder, "loud", vendor="print('hello')\nprint('more')\nraise SystemExit")
    with on_path(folder):
        ended = run_here("vendors", "--registered", "--json", cwd=tmp_path)

    rows = {row["vendor"]: row for row in json.loads(ended.stdout)}
    assert 3 == rows["lager7"]["operations"]
    assert "its import ends the process" in rows["loud"]["problem"]
    assert ("hello" in ended.stderr, "Traceback" in ended.stderr) == (True, False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("call", "broken", "get_thing"), "The vendor broken cannot be used: LookupError: the moon"),
        (("operations", "broken"), "The vendor broken cannot be used: LookupError: the moon"),
        (("probe", "broken"), "The vendor broken cannot be used: LookupError: the moon"),
        (("operations", "lager"), "Do you mean lager7?"),
        (("probe", "lager7"), "There is no probe of lager7"),
    ],
)
def test_a_command_that_names_it_says_what_is_wrong(folder, tmp_path, environment, words, message):
    environment.setenv("HOOKLINE_HOME", str(tmp_path / "home"))
    environment.setenv("LAGER7_BASE_URL", "https://lager7.example")
    environment.setenv("LAGER7_API_KEY", "the-key-of-the-test")
    add_lager7(folder)
    add_vendor(folder, "broken", vendor="raise LookupError('the moon')")
    with on_path(folder):
        ended = run_here(*words, cwd=tmp_path)

    assert ended.returncode
    assert message in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr


def test_a_block_of_another_slug_is_not_used(folder):
    add_lager7(folder)
    block = folder / "vendors" / "lager7" / "block.py"
    block.write_text(block.read_text().replace('"lager7-credentials"', '"other-credentials"'))
    with on_path(folder):
        assert ("lager7" in CLIENTS, "lager7" in BLOCKS) == (True, False)
        with pytest.raises(UnusableVendor, match="its `_block_type_slug` must be 'lager7-credentials'"):
            BLOCKS["lager7"]
    get_registry_for_type(Block).pop("other-credentials")


def test_what_a_package_that_cannot_be_read_would_be_told_is_taken_for_a_secret(folder, environment):
    environment.setenv("BROKEN_API_KEY", "the-key-of-the-moon")
    environment.setenv("LAGER7_API_KEY", "the-key-of-the-sun")
    add_lager7(folder)
    (folder / "vendors" / "lager7" / "settings.py").write_text("raise LookupError('the sun')")
    add_vendor(folder, "broken", vendor="raise LookupError('the moon')")
    with on_path(folder):
        assert {"the-key-of-the-moon", "the-key-of-the-sun"} <= set(secrets_of_environment())


def test_a_simulator_that_cannot_be_made_stops_no_other(folder, caplog):
    add_lager7(folder)
    simulator = folder / "vendors" / "lager7" / "simulator.py"
    simulator.write_text(simulator.read_text().replace("def refusal(", "def refuse("))
    with on_path(folder):
        names = [each.vendor for each in Sandbox()]

    assert SHIPPED == [name for name in names if name in SHIPPED]
    assert "lager7" not in names
    assert re.search(r"lager7 cannot be used: .*abstract method.*refusal.*simulator", caplog.text)


def test_a_vendor_that_is_not_there_any_more_is_said_in_words():
    with pytest.raises(ConfigurationError, match=r"There is no vendor 'gone'. There is: jiwa, "):
        BLOCKS["gone"]


def test_of_two_packages_of_one_name_the_first_is_used_and_the_other_is_named(folder, tmp_path):
    other = new_project(tmp_path / "other")
    add_lager7(folder)
    add_lager7(other)
    with on_path(other, folder):
        taken = [str(error) for error in problems()]
        assert "lager7" in CLIENTS

    assert 1 == len(taken)
    assert "the name is taken by" in taken[0]


def test_an_entry_point_of_a_distribution_that_is_gone_is_named(tmp_path):
    distribution(tmp_path, "hookline-gone", "gone = hookline_gone.vendor:VENDOR", "half = hookline")
    with on_path(tmp_path):
        found = {error.name: str(error) for error in problems()}

        assert SHIPPED == [name for name in CLIENTS if name in SHIPPED]
    assert {"gone", "half"} == set(found)
    assert "No module named 'hookline_gone' (entry point of the distribution hookline-gone)" in found["gone"]
    assert "hookline is no hookline.vendors.Vendor" in found["half"]


def test_a_distribution_does_not_take_the_name_of_a_shipped_vendor(tmp_path):
    distribution(tmp_path, "aardvark", "jiwa = aardvark.vendor:VENDOR")
    with on_path(tmp_path):
        [refused] = problems()

        assert "hookline.clients.jiwa.client" == CLIENTS["jiwa"].__module__
    assert "the name is taken by entry point of the distribution hookline (entry point of" in str(refused)
    assert "aardvark" in str(refused)


def test_a_project_that_takes_the_name_of_an_installed_vendor_does_not_stand_in_for_it(folder):
    add_vendor(folder, "zentitle", vendor=registered_as("zentitle"))
    with on_path(folder):
        [refused] = problems()

        assert "hookline.clients.zentitle.client" == CLIENTS["zentitle"].__module__
    assert "the name is taken" in str(refused)


def test_a_part_that_cannot_be_loaded_is_said_where_it_is_asked_for_by_name(folder):
    add_lager7(folder)
    (folder / "vendors" / "lager7" / "simulator.py").write_text("raise LookupError('the moon')")
    with on_path(folder):
        assert ("lager7" in CLIENTS, "lager7" in SIMULATORS) == (True, False)
        with pytest.raises(
            UnusableVendor, match=r"lager7 cannot be used: LookupError: the moon \(.*simulator"
        ):
            SIMULATORS["lager7"]
        with pytest.raises(KeyError):
            SIMULATORS["nobody"]


# The core names no vendor ------------------------------------------------------------------------------------

CORE = ("hookline", "blocks", "tasks")
OWN = re.compile(rf"({'|'.join(SHIPPED)})(_\w+)?(/|\.py)")
NAMES = re.compile(
    rf"(?i)(?<![a-z])({'|'.join(SHIPPED)})(?![a-z])|({'|'.join(each.capitalize() for each in SHIPPED)})[A-Z]"
)
ALLOWED = {
    "hookline/catalog.py": "the rules of the shipped flows are about their vendors",
    "hookline/cli/apply.py": "--subscribe makes Jiwa send its webhooks",
    "hookline/cli/bench.py": "measures the main flow",
    "hookline/cli/demo.py": "plays the main flow",
    "hookline/cli/secrets.py": "rotates the secret that Jiwa sends",
    "hookline/hooks/presets.py": "Jiwa and Zentitle2 are senders, too",
    "hookline/provisioning/fingerprints.py": "names the file of Jiwa's subscriptions",
    "hookline/provisioning/subscriptions.py": "makes Jiwa send its webhooks",
    "hookline/runtime.py": "the sandbox makes a secret for the source jiwa",
    "hookline/sandbox/gateway_stack.py": "has the source jiwa of the shipped hooks.yaml",
    "hookline/sandbox/paid_orders.py": "drives the main flow",
    "hookline/sandbox/stack.py": "has the source jiwa of the shipped hooks.yaml",
}
"""The modules that name a vendor, each with the reason. The list may become shorter, and never longer."""


def named_in(path):
    """The vendors that code names: in names, imports and texts without a space, and not where it speaks to people."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    examples = {
        each.value for each in ast.walk(tree) if isinstance(each, ast.keyword) and each.arg == "example"
    }
    texts = []
    for node in ast.walk(tree):
        if node in examples:
            continue
        match node:
            case ast.Name(id=text) | ast.Attribute(attr=text) | ast.arg(arg=text) | ast.alias(name=text):
                texts.append(text)
            case ast.FunctionDef(name=text) | ast.AsyncFunctionDef(name=text) | ast.ClassDef(name=text):
                texts.append(text)
            case ast.ImportFrom(module=str(text)) | ast.keyword(arg=str(text)):
                texts.append(text)
            case ast.Constant(value=str(text)) if not re.search(r"\s", text.strip()):
                texts.append(text)
    return sorted({text for text in texts if NAMES.search(text)})


def core():
    root = Path(__file__).parents[2]
    for folder in CORE:
        for path in sorted((root / folder).rglob("*.py")):
            name = str(path.relative_to(root))
            if not OWN.search(name):
                yield name, path


def test_no_module_of_the_core_names_one_of_the_shipped_vendors():
    naming = {name: found for name, path in core() if (found := named_in(path))}

    assert {} == {name: found for name, found in naming.items() if name not in ALLOWED}
    assert set() == ALLOWED.keys() - naming.keys(), "take these from the list: they name none now"


@pytest.mark.parametrize(
    "line",
    [
        'X = ("jiwa", "zentitle")',
        "import hookline.clients.jiwa",
        "sandbox.jiwa",
        "f(jiwa=1)",
        "class JiwaThing: ...",
    ],
)
def test_a_module_that_names_a_vendor_is_found(tmp_path, line):
    module = tmp_path / "module.py"
    module.write_text(f'"""About jiwa."""\n{line}\n')

    assert named_in(module)
