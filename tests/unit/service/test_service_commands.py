"""`hookline service` where systemd does not run, and with units of others."""

import os
from pathlib import Path

import pytest
from commands import run_here

from hookline.project import FILES
from hookline.service import install_steps, uninstall_steps, units
from hookline.service.install import Refused, require_visible
from hookline.service.units import PARTS, TEMPLATE, UNIT, Place, part_unit


@pytest.fixture
def place(tmp_path):
    return Place(python=Path("/usr/bin/python3"), folder=tmp_path, home=tmp_path / "home", user=None)


def test_a_dry_run_for_oneself_shows_the_unit_and_writes_nothing(tmp_path, repository):
    env = {**os.environ, "HOOKLINE_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}
    ended = run_here("service", "install", "--user", "--dry-run", env=env, cwd=repository)

    assert (0, True) == (ended.returncode, "would write " in ended.stdout), ended.stderr
    assert f"WorkingDirectory={repository}" in ended.stdout
    assert not (tmp_path / ".config").exists()


def test_a_process_alone_needs_a_database_that_others_reach(tmp_path, repository):
    env = {name: value for name, value in os.environ.items() if name != "HOOKLINE_DATABASE_URL"}
    ended = run_here("service", "install", "engine", "--dry-run", env=env, cwd=repository)

    assert (2, True) == (ended.returncode, "HOOKLINE_DATABASE_URL" in ended.stderr)


def test_a_unit_that_another_wrote_or_changed_is_neither_replaced_nor_removed(tmp_path, place):
    texts = units(place)
    for foreign in ("[Unit]\n", texts[UNIT] + "# mine\n"):
        (tmp_path / UNIT).write_text(foreign)
        with pytest.raises(Refused, match="was not written by"):
            install_steps(place, texts, tmp_path)
        with pytest.raises(Refused, match="was not written by"):
            uninstall_steps(tmp_path, user=True)

        assert foreign == (tmp_path / UNIT).read_text()


def test_what_is_there_already_is_not_written_again(tmp_path, place):
    texts = units(place)
    for step in install_steps(place, texts, tmp_path):
        if not step.text.startswith("systemctl"):
            step.do()
    again = [
        step.text for step in install_steps(place, texts, tmp_path) if not step.text.startswith("systemctl")
    ]

    assert [] == again
    assert texts[UNIT] == (tmp_path / UNIT).read_text()
    assert f"HOOKLINE_HOME={place.home}\n" == (tmp_path / ".env").read_text()


def test_of_a_template_what_is_made_of_it_is_stopped_before_it_goes(tmp_path, place):
    texts = units(place, parts=["engine"])
    (tmp_path / TEMPLATE).write_text(texts[TEMPLATE])
    enabled(tmp_path, "engine")
    first, second, _ = uninstall_steps(tmp_path, user=True)

    assert "systemctl --user disable --now hookline@engine.service" == first.text
    assert f"remove {tmp_path / TEMPLATE}" == second.text


def enabled(folder, *parts):
    """Let these be units of their own, as systemd remembers it."""
    folder.joinpath("default.target.wants").mkdir()
    for part in parts:
        folder.joinpath("default.target.wants", part_unit(part)).symlink_to(folder / TEMPLATE)


def test_a_process_with_a_port_is_not_run_a_second_time_beside_the_unit_of_everything(tmp_path, place):
    (tmp_path / UNIT).write_text(units(place)[UNIT])
    for part in PARTS:
        texts = units(place, parts=[part])
        if part in {"engine", "prefect-services"}:
            assert install_steps(place, texts, tmp_path, parts=[part])
        else:
            with pytest.raises(
                Refused, match=r"^hookline\.service would run .* hookline service uninstall --user$"
            ):
                install_steps(place, texts, tmp_path, parts=[part])


def test_everything_in_one_unit_is_not_run_beside_units_of_the_same_processes(tmp_path, place):
    texts = units(place, parts=["engine", "gateway"])
    (tmp_path / TEMPLATE).write_text(texts[TEMPLATE])
    enabled(tmp_path, "engine", "gateway")

    assert not [
        each for each in install_steps(place, texts, tmp_path, parts=["engine"]) if "write" in each.text
    ]
    with pytest.raises(Refused, match=r"^hookline@gateway\.service would run"):
        install_steps(place, units(place), tmp_path)


def test_backups_go_to_the_folder_that_was_named_here_whatever_the_service_stands_in(tmp_path, repository):
    env = {**os.environ, "HOOKLINE_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}
    options = ("--user", "--dry-run", "--project", str(make(tmp_path / "acme")))
    ended = run_here("service", "install", *options, "--backups", "b", env=env, cwd=tmp_path)

    assert 0 == ended.returncode, ended.stderr
    assert f"find {tmp_path}/b -maxdepth 1" in ended.stdout


def test_a_service_of_the_system_writes_no_backup_where_it_sees_nothing():
    opt = Place(
        python=Path("/usr/bin/python3"),
        folder=Path("/opt/acme"),
        home=Path("/var/lib/hookline"),
        user="hookline",
    )
    hidden = Path("/", "home", "ann")
    with pytest.raises(Refused, match=f"The folder of backups is {hidden}"):
        require_visible(opt, hidden)
    require_visible(opt, Path("/var/backups/hookline"))


def test_settings_that_are_there_stay_byte_by_byte(tmp_path, place):
    before = b"export JIWA_PASSWORD=gr\xfc\xdfe"
    (tmp_path / ".env").write_bytes(before)
    (tmp_path / ".env").chmod(0o600)
    next(step for step in install_steps(place, units(place), tmp_path) if step.text.startswith("add ")).do()

    assert before + f"\nHOOKLINE_HOME={place.home}\n".encode() == (tmp_path / ".env").read_bytes()


@pytest.mark.parametrize("line", ["HOOKLINE_HOME=/srv", "export HOOKLINE_HOME=/srv", "HOOKLINE_HOME = /srv"])
def test_a_data_folder_that_is_set_already_is_not_set_again(line, tmp_path, place):
    (tmp_path / ".env").write_text(f"{line}\n")

    assert [] == [
        step.text for step in install_steps(place, units(place), tmp_path) if step.text.startswith("add ")
    ]


def make(folder):
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text("")
    return folder


def test_a_data_folder_that_is_not_that_of_dotenv_is_refused_with_both(tmp_path, repository):
    acme = make(tmp_path / "acme")
    (acme / ".env").write_text("HOOKLINE_HOME=/srv/one\n")
    env = {name: value for name, value in os.environ.items() if name != "HOOKLINE_HOME"} | {
        "HOME": str(tmp_path)
    }
    options = ("service", "install", "--user", "--dry-run", "--project", str(acme))
    other = run_here(*options, "--home", "/srv/two", env=env, cwd=tmp_path)
    of_environment = run_here(*options, env=env | {"HOOKLINE_HOME": "/srv/three"}, cwd=tmp_path)
    same = run_here(*options, "--home", "/srv/one", env=env, cwd=tmp_path)

    assert (2, 2, 0) == (other.returncode, of_environment.returncode, same.returncode), same.stderr
    assert f"would be /srv/two, and {acme}/.env says HOOKLINE_HOME=/srv/one" in other.stderr
    assert "would be /srv/three, and" in of_environment.stderr


def test_the_data_folder_of_a_system_service_is_there_before_its_first_start(tmp_path):
    opt = Place(
        python=Path("/usr/bin/python3"),
        folder=tmp_path,
        home=Path("/var/lib/hookline-of-a-test"),
        user="root",
    )
    steps = [step.text for step in install_steps(opt, units(opt), tmp_path)]

    assert f"make {opt.home} for root alone" in steps
