"""The project: how its folder is found, and what begins in it."""

import os
import subprocess
import sys

import pytest
from commands import run_here

from hookline import project
from hookline.errors import ConfigurationError
from hookline.project import CHECKOUT, find_project, put_in_force
from hookline.settings import NO_DOTENV, Settings, dotenv_path


@pytest.fixture
def acme(tmp_path):
    """A folder with the files of a project, under a name as people choose them."""
    folder = tmp_path / "Käse & Söhne" / "acme"
    (folder / "flows" / "deep").mkdir(parents=True)
    for name in project.FILES:
        (folder / name).write_text("")
    return folder


@pytest.fixture(autouse=True)
def _unnamed(monkeypatch):
    for name in ("HOOKLINE_PROJECT", "HOOKLINE_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_a_project_is_found_from_its_folder_and_from_below(acme, monkeypatch):
    found = []
    for where in (acme, acme / "flows" / "deep"):
        monkeypatch.chdir(where)
        found.append(find_project())
    assert found == [acme, acme]


def test_a_project_into_which_everybody_may_write_is_refused_unless_it_is_named(acme, monkeypatch):
    acme.chmod(0o777)
    monkeypatch.chdir(acme / "flows")
    with pytest.raises(ConfigurationError, match="everybody may write to it"):
        find_project()
    monkeypatch.setenv("HOOKLINE_PROJECT", str(acme))

    assert acme == find_project()


def test_a_project_of_another_user_is_refused_unless_it_is_named(acme, monkeypatch):
    if os.getuid() == 0:
        os.chown(acme, 1234, -1)
    monkeypatch.setattr(os, "getuid", lambda: 4321)
    monkeypatch.chdir(acme)

    with pytest.raises(ConfigurationError, match="it belongs to another user"):
        find_project()


def test_the_nearest_of_two_projects_is_found(acme, monkeypatch):
    for name in project.FILES:
        (acme / "flows" / name).write_text("")
    monkeypatch.chdir(acme / "flows" / "deep")
    assert find_project() == acme / "flows"


def test_there_is_no_project_in_the_checkout_nor_among_the_shipped_files(monkeypatch):
    found = []
    for where in (CHECKOUT, CHECKOUT / "deployments" / "templates"):
        monkeypatch.chdir(where)
        found.append(find_project())
    assert found == [None, None]
    monkeypatch.chdir(CHECKOUT)
    assert [str(Settings().hooks), str(Settings().catalog)] == [
        "deployments/hooks.yaml",
        "deployments/catalog.yaml",
    ]


def test_a_folder_with_one_of_the_files_is_no_project(acme, monkeypatch):
    (acme / "prefect.yaml").unlink()
    monkeypatch.chdir(acme)
    assert find_project() is None


def test_a_folder_that_was_deleted_is_in_no_project(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert find_project() is None


def test_the_variable_wins_over_the_folder_one_stands_in_and_a_link_leads_to_the_folder_itself(
    acme, tmp_path, monkeypatch
):
    (tmp_path / "link").symlink_to(acme)
    monkeypatch.setenv("HOOKLINE_PROJECT", "link")
    monkeypatch.chdir(tmp_path)
    assert find_project() == acme


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("nowhere", "is not there. Correct it, or make a project there: hookline init nowhere"),
        ("a-file", "is no folder."),
        ("empty", "is no project: it has no hooks.yaml and no prefect.yaml."),
        ("half", "is no project: it has no prefect.yaml."),
        ("~nobody-here/acme", "cannot be a folder"),
        ("round", "cannot be a folder"),
    ],
)
def test_a_folder_that_is_named_and_is_no_project_is_answered_in_words(named, message, tmp_path, monkeypatch):
    (tmp_path / "a-file").write_text("")
    for folder in ("empty", "half"):
        (tmp_path / folder).mkdir()
    (tmp_path / "half" / "hooks.yaml").write_text("")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOOKLINE_PROJECT", named)
    with pytest.raises(ConfigurationError) as wrong:
        find_project()
    assert message in str(wrong.value)
    assert "HOOKLINE_PROJECT" in str(wrong.value)


def test_all_paths_begin_in_the_project(acme, monkeypatch):
    monkeypatch.chdir(acme / "flows")
    monkeypatch.setenv("HOOKLINE_TEMPLATES", "texts")
    monkeypatch.setenv("HOOKLINE_HIGH_WATER", "/mnt/high-water")
    found = Settings.from_environment()
    assert {
        name: str(getattr(found, name)) for name in ("home", "hooks", "catalog", "deployments", "automations")
    } == {
        "home": str(acme / ".hookline"),
        "hooks": str(acme / "hooks.yaml"),
        "catalog": str(acme / "catalog.yaml"),
        "deployments": str(acme / "prefect.yaml"),
        "automations": str(acme / "automations.yaml"),
    }
    assert (found.project, found.templates, str(found.high_water)) == (
        acme,
        acme / "texts",
        "/mnt/high-water",
    )


def test_the_dotenv_of_the_project_is_read(acme, monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    (acme / ".env").write_text("HOOKLINE_GATEWAY_PORT=8555\nHOOKLINE_HOME=data\n")
    os.environ["HOOKLINE_PROJECT"] = str(acme)
    found = Settings.from_environment()
    assert dotenv_path() == acme / ".env"
    assert (found.gateway_port, found.home) == (8555, acme / "data")


def test_a_dotenv_cannot_name_the_project(acme, monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    (acme / ".env").write_text("HOOKLINE_PROJECT=/srv/acme\n")
    monkeypatch.chdir(acme)
    with pytest.raises(ConfigurationError, match=r"by which \.env itself is found"):
        Settings.from_environment()


def test_children_find_the_project_its_vendors_and_its_flows_and_ours_stay_ours(acme, monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(sys, "path", sys.path.copy())
    (acme / "vendors" / "acme").mkdir(parents=True)
    (acme / "vendors" / "acme" / "__init__.py").write_text("NAME = 'acme'")
    (acme / "tasks").mkdir()
    put_in_force(acme)
    ask = "import flows.mail, tasks.jiwa, vendors.acme as acme; print(flows.mail.__file__, tasks.jiwa.__file__, acme.NAME)"
    found = subprocess.run(
        [sys.executable, "-c", ask], cwd="/", env=os.environ, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == [str(CHECKOUT / "flows/mail.py"), str(CHECKOUT / "tasks/jiwa.py"), "acme"]
    assert os.environ["HOOKLINE_PROJECT"] == str(acme)
    assert sys.path[-2:] == [str(acme), str(acme / "flows")]


def test_flows_of_a_project_may_be_no_package(acme):
    (acme / "flows" / "__init__.py").write_text("")
    with pytest.raises(ConfigurationError, match=r"must be no package.*Remove its __init__\.py"):
        put_in_force(acme)


def test_every_command_takes_the_project(tmp_path):
    for words in (["inbox", "list", "--project", str(tmp_path)], [f"--project={tmp_path}", "doctor"]):
        done = run_here(*words)
        assert (
            f"{tmp_path}, which HOOKLINE_PROJECT or --project names, is no project"
            in done.stderr + done.stdout
        )
    assert run_here("doctor", "--project", "").stderr == "--project names no folder.\n"


def test_where_there_is_no_project_a_missing_file_is_answered_with_what_to_do(tmp_path):
    done = run_here("apply", "--dry-run", cwd=tmp_path, env={"HOOKLINE_HOME": str(tmp_path / "home")})
    assert "Cannot read deployments/hooks.yaml" in done.stderr
    assert "There is no project here: go into yours, name it by --project" in done.stderr


def test_a_sandbox_does_not_read_the_vendors_of_dotenv(acme, monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    (acme / ".env").write_text("JIWA_BASE_URL=https://jiwa.invalid\n")
    os.environ |= {"HOOKLINE_PROJECT": str(acme), NO_DOTENV: "true"}
    Settings.from_environment()
    assert "JIWA_BASE_URL" not in os.environ


def test_the_demo_says_what_a_project_without_the_main_job_lacks(acme):
    (acme / "hooks.yaml").write_text("sources: {}\n")
    done = run_here("demo", "--project", str(acme))
    assert (
        "has no route from the source jiwa to order-to-license/default, which the demo shows." in done.stderr
    )
    assert done.returncode == 2
