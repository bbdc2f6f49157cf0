"""`hookline init` and `hookline new flow`: a project that is right as it is written."""

import json
import os
import shutil
import stat
import subprocess
import sys

import pytest
from commands import run_here
from projects import new_flow

from hookline import project
from hookline.catalog import read_catalog
from hookline.errors import ConfigurationError
from hookline.hooks import load_hooks
from hookline.new_project import make_project
from hookline.project import CHECKOUT, SHIPPED, made_by, why_too_new, write_schemas
from hookline.provisioning.automations import load_automations
from hookline.provisioning.deployments import check_routes, load_deployments
from hookline.settings import Settings


@pytest.fixture
def acme(tmp_path):
    folder = tmp_path / "Müller & Söhne"
    make_project(folder)
    return folder


@pytest.fixture(autouse=True)
def _unnamed(monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(sys, "path", sys.path.copy())
    for name in ("HOOKLINE_PROJECT", "HOOKLINE_HOME"):
        os.environ.pop(name, None)


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def all_of(folder):
    """Read all files of a project, as `hookline apply` does."""
    os.environ["HOOKLINE_PROJECT"] = str(folder)
    settings = Settings.from_environment()
    hooks, deployments = load_hooks(settings.hooks), load_deployments(settings.deployments)
    check_routes(hooks, deployments)
    return hooks, deployments, load_automations(settings.automations), read_catalog(settings.catalog)


def test_a_new_project_has_all_that_is_shipped(acme):
    ours, shipped = load_hooks(SHIPPED / "hooks.yaml"), load_deployments(SHIPPED / "prefect.yaml")
    hooks, deployments, automations, catalog = all_of(acme)
    assert [route.spec for route in hooks.routes] == [route.spec for route in ours.routes]
    assert set(deployments) == set(shipped)
    assert automations == load_automations(SHIPPED / "automations.yaml")
    assert catalog == read_catalog(SHIPPED / "catalog.yaml")


def test_its_settings_are_for_its_owner_alone_and_none_of_them_is_set(acme):
    assert stat.S_IMODE((acme / ".env").stat().st_mode) == 0o600
    lines = (acme / ".env").read_text().splitlines()
    declared = {
        line
        for line in (CHECKOUT / ".env.example").read_text().splitlines()
        if line.startswith("# HOOKLINE_")
    }
    assert {line for line in lines if line.startswith("# HOOKLINE_")} == {
        line for line in declared if not line.startswith("# HOOKLINE_PROJECT=")
    }
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_each_file_names_a_schema_that_is_there(acme):
    for name in ("hooks", "catalog", "prefect", "automations"):
        first = (acme / f"{name}.yaml").read_text().splitlines()[0]
        place = first.removeprefix("# yaml-language-server: $schema=")
        assert json.loads((acme / place).read_text()) == json.loads(
            (SHIPPED / f"schemas/{name}.json").read_text()
        )


def test_git_sees_neither_secrets_nor_data(acme):
    subprocess.run(["git", "init", "-q"], cwd=acme, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-oc", "--exclude-standard"], cwd=acme, capture_output=True, text=True
    )
    files = set(listed.stdout.split())
    assert {".gitignore", "README.md", "flows/.gitkeep", "vendors/.gitkeep"} <= files
    assert not [name for name in files if name.startswith((".env", ".hookline"))]


def test_the_command_names_what_to_do_next_and_what_it_made(tmp_path):
    done = run_here("init", str(tmp_path / "acme"))
    assert done.returncode == 0, done.stderr
    assert f"cd {tmp_path}/acme\n" in done.stdout
    assert "up --sandbox\n" in done.stdout
    made = json.loads(run_here("init", str(tmp_path / "other"), "--json").stdout)
    assert made["project"] == str(tmp_path / "other")
    assert set(made["files"]) == set(tree(tmp_path / "other")) - {
        f".hookline/schemas/{each}.json" for each in ("hooks", "catalog", "prefect", "automations")
    }


@pytest.mark.parametrize("present", [[], [".git"]])
def test_an_empty_folder_is_taken(present, tmp_path):
    for name in present:
        (tmp_path / name).mkdir()
    make_project(tmp_path)
    assert project.is_project(tmp_path)


def test_an_empty_folder_behind_a_link_is_taken(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert run_here("init", str(tmp_path / "link")).returncode == 0
    assert project.is_project(tmp_path / "real")


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path):
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).write_text("mine")
    before = tree(tmp_path)
    done = run_here("init", str(tmp_path))
    assert "is not empty: it has a, b, c and 1 more." in done.stderr
    assert (done.returncode, tree(tmp_path)) == (2, before)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (".", "is a project already. Check it: hookline doctor --project"),
        ("flows/inner", "would be a project inside of the project"),
        ("README.md", "Nothing was made: "),
        ("README.md/inner", "would be a project inside of the project"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_place_where_no_project_can_be_is_answered_in_words(place, message, acme):
    before = tree(acme)
    with pytest.raises(ConfigurationError) as wrong:
        make_project(acme / place if place != "." else acme)
    assert message in str(wrong.value)
    assert tree(acme) == before


def test_hookline_itself_is_no_place_for_a_project():
    for place in (CHECKOUT, SHIPPED / "acme"):
        with pytest.raises(ConfigurationError, match="is Hookline itself"):
            make_project(place)


def test_of_a_project_that_cannot_be_written_nothing_stays(tmp_path, monkeypatch):
    def full(_folder):
        raise OSError(28, "No space left on device", str(tmp_path))

    monkeypatch.setattr("hookline.new_project.write_schemas", full)
    with pytest.raises(ConfigurationError, match="No space left on device"):
        make_project(tmp_path / "acme")
    assert list(tmp_path.iterdir()) == []


def test_an_upgrade_brings_new_schemas_and_touches_nothing_else(acme):
    before = tree(acme)
    (acme / ".hookline/schemas/hooks.json").write_text("{}")
    write_schemas(acme)
    assert tree(acme) == before


@pytest.mark.parametrize(
    ("line", "made", "too_new"),
    [
        ("hookline-version: 0.0.9", "0.0.9", False),
        ("hookline-version: 0.1.0", "0.1.0", False),
        ("hookline-version: 0.1", "0.1", False),
        ("hookline-version: 0.1.1", "0.1.1", True),
        ("hookline-version: 7", "7", True),
        ("hookline-version: [1]", None, False),
        ("hookline-version: of ours", None, False),
        ("", None, False),
        ("a: [", None, False),
        ("- a", None, False),
    ],
)
def test_the_version_that_made_a_project_is_read_and_a_newer_one_is_answered(line, made, too_new, tmp_path):
    (tmp_path / "prefect.yaml").write_text(f"{line}\n")
    assert (made_by(tmp_path), bool(why_too_new(tmp_path))) == (made, too_new)


def test_a_project_of_a_newer_version_is_not_applied(acme):
    path = acme / "prefect.yaml"
    path.write_text(path.read_text().replace("hookline-version: 0.1.0", "hookline-version: 99.0"))
    done = run_here("apply", "--dry-run", "--project", str(acme))
    assert (
        "the project was made by Hookline 99.0, and this is 0.1.0, which may not know what is in it."
        in done.stderr
    )
    assert done.returncode == 2


def test_a_new_flow_has_a_file_a_test_a_deployment_and_a_route_that_fit(acme):
    made = new_flow(acme, "late_orders", "standard")
    assert [str(path.relative_to(acme)) for path in made] == [
        "flows/late_orders.py",
        "tests/test_late_orders.py",
        "prefect.yaml",
        "hooks.yaml",
    ]
    hooks, deployments, _, _ = all_of(acme)
    route = next(route for route in hooks.routes if route.name == "late-orders")
    assert (route.source, route.deployment) == ("standard", "late-orders/default")
    assert deployments["late-orders/default"].flow().fn.__module__.endswith(".flows.late_orders")
    assert deployments["late-orders/default"].entrypoint_of_run == "flows/late_orders.py:late_orders"


def test_all_that_stood_in_the_files_stands_there_still(acme):
    before = tree(acme)
    new_flow(acme, "late-orders", "standard")
    for name in ("prefect.yaml", "hooks.yaml"):
        now = iter((acme / name).read_text().splitlines())
        assert all(line in now for line in before[name].decode().splitlines())


def test_a_new_flow_passes_the_checks_of_hookline_and_its_own_test(acme):
    new_flow(acme, "late-orders", "standard")
    ruff = [sys.executable, "-m", "ruff"]
    files = ["flows/late_orders.py", "tests/test_late_orders.py", "conftest.py"]
    config = ["--config", str(CHECKOUT / "pyproject.toml"), "--no-cache"]
    for command in (
        ["format", "--check", *config],
        ["check", *config, "--extend-ignore", "INP001,S101,D103,PLR2004"],
    ):
        done = subprocess.run([*ruff, *command, *files], cwd=acme, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q"],
        cwd=acme,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("class", "is a word of Python itself"),
        ("match", "is a word of Python itself"),
        ("print", "is a word of Python itself"),
        ("no", "means something else in the files that are written"),
        ("null", "means something else in the files that are written"),
        ("get-run-logger", "means something else in the files that are written"),
        ("json", "is the name of a module of Python or of a library"),
        ("prefect", "is the name of a module of Python or of a library"),
        ("tasks", "is the name of a module of Python or of a library"),
        ("vendors", "is the name of a module of Python or of a library"),
        ("order-to-license", "is a shipped workflow. Take it by `use: order-to-license`"),
        ("order_to_license", "is a shipped workflow"),
        ("there", "flows/there.py is there already"),
        ("tested", "tests/test_tested.py is there already"),
        ("linked", "flows/linked.py is there already"),
        ("deployed", "has a deployment of deployed already"),
        ("jiwa-order", "it has a route jiwa-order already"),
        *((name, "is no name of a flow") for name in ("", "1st", "späte", "a b", "a--b", "-a", "A", "../x", "a.py", "x" * 41)),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be_a_new_flow_is_refused_and_nothing_is_written(name, message, acme):
    (acme / "flows" / "there.py").write_text("")
    (acme / "flows" / "linked.py").symlink_to("nowhere")
    (acme / "tests" / "test_tested.py").write_text("")
    path = acme / "prefect.yaml"
    entry = (
        "deployments:\n  - {name: d, entrypoint: 'flows/other.py:deployed', work_pool: {name: hookline}}\n"
    )
    path.write_text(path.read_text().replace("deployments:\n", entry))
    before = tree(acme)
    with pytest.raises(ConfigurationError) as wrong:
        new_flow(acme, name, "standard")
    assert message in str(wrong.value)
    assert tree(acme) == before


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("prefect.yaml", "deployments: []\n", "must stand one below the other"),
        ("prefect.yaml", "deployments: [{use: notify}]\n", "must stand one below the other"),
        ("prefect.yaml", "a: [", "is not YAML"),
        ("prefect.yaml", "", "it has no `deployments`"),
        (
            "hooks.yaml",
            "sources:\n  standard: {use: standard}\nroutes: {}\n",
            "must stand one below the other",
        ),
        ("hooks.yaml", "sources: {}\n", "has no source 'standard'"),
        ("hooks.yaml", "", "is not right"),
    ],
)
def test_files_to_which_no_flow_can_be_added_are_left_alone(file, text, message, acme):
    (acme / file).write_text(text)
    before = tree(acme)
    with pytest.raises(ConfigurationError) as wrong:
        new_flow(acme, "late-orders", "standard")
    assert message in str(wrong.value)
    assert tree(acme) == before


def test_of_a_flow_that_cannot_be_written_nothing_stays(acme):
    shutil.rmtree(acme / "tests")
    (acme / "tests").write_text("a file where a folder should be")
    before = tree(acme)
    with pytest.raises(ConfigurationError, match=r"Nothing was written: .*tests: File exists"):
        new_flow(acme, "late-orders", "standard")
    assert tree(acme) == before


def test_an_unknown_source_is_answered_with_the_nearest_one(acme):
    with pytest.raises(ConfigurationError, match=r"has no source 'standart' \(do you mean standard\?\)"):
        new_flow(acme, "late-orders", "standart")


def test_a_new_flow_goes_into_the_files_that_are_in_force(acme):
    (acme / "conf").mkdir()
    for name in ("hooks.yaml", "prefect.yaml"):
        shutil.copy(acme / name, acme / "conf" / name)
    (acme / ".env").write_text("HOOKLINE_HOOKS=conf/hooks.yaml\nHOOKLINE_DEPLOYMENTS=conf/prefect.yaml\n")
    done = run_here("new", "flow", "late-orders", "--json", cwd=acme, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"][2:] == ["conf/prefect.yaml", "conf/hooks.yaml"]
    assert "late-orders" in [each.name for each in load_hooks(acme / "conf" / "hooks.yaml").routes]
    assert "late-orders" not in (acme / "hooks.yaml").read_text()


def test_a_folder_whose_name_ends_a_path_for_python_is_no_place_for_a_project(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot stand in PYTHONPATH"):
        make_project(tmp_path / "a:b")
    assert tree(tmp_path) == {}


def test_a_flow_is_made_in_a_project_only(tmp_path):
    done = run_here("new", "flow", "late-orders", cwd=tmp_path, env={"HOOKLINE_HOME": str(tmp_path / "home")})
    assert "There is no project here. Make one with `hookline init FOLDER`" in done.stderr


def test_a_new_source_goes_into_the_project_from_anywhere_in_it(acme):
    done = run_here("new", "source", "stripe", cwd=acme / "flows", env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    assert "stripe" in load_hooks(acme / "hooks.yaml").sources
    assert "\nHOOKLINE_SECRET_STRIPE=\n" in (acme / ".env").read_text()
    assert stat.S_IMODE((acme / ".env").stat().st_mode) == 0o600


def test_a_worker_s_process_loads_the_project_s_flow_with_what_is_beside_it_and_a_shipped_one(acme):
    new_flow(acme, "late-orders", "standard")
    (acme / "vendors" / "greeting.py").write_text("GREETING = 'hello'")
    (acme / "flows" / "prices.py").write_text("PRICE = 7")
    flow = acme / "flows" / "late_orders.py"
    flow.write_text(flow.read_text() + "\nfrom prices import PRICE\nfrom vendors.greeting import GREETING\n")
    project.put_in_force(acme)
    _, deployments, _, _ = all_of(acme)
    entrypoints = [deployments[f"{name}/default"].entrypoint_of_run for name in ("late-orders", "reconcile")]
    ask = (
        "import sys; from prefect.flows import load_flow_from_entrypoint as load\n"
        "print([load(each).name for each in sys.argv[1:]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask, *entrypoints], cwd=acme, env=os.environ, capture_output=True, text=True
    )
    assert done.stdout == "['late-orders', 'reconcile']\n", done.stderr


@pytest.mark.parametrize("name", ["", "  "])
def test_no_name_is_no_folder(name, tmp_path):
    done = run_here("init", name, cwd=tmp_path)

    assert (2, "FOLDER is empty. Name the folder to make, such as: hookline init ~/acme") == (
        done.returncode,
        done.stderr.strip(),
    )
    assert [] == [*tmp_path.iterdir()]
