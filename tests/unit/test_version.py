"""Which Hookline it is: of a checkout by Git, of an archive or an image by a file, and nothing where nobody knows."""

import os
import re
import shutil
import subprocess

import pytest
from commands import run_here

from hookline.database.schema import head
from hookline.health.machine import check_version
from hookline.version import VERSION, WRITTEN, commit_of


@pytest.fixture
def checkout(tmp_path, repository):
    """A checkout of Git with one commit, and the file that an archive fills in."""
    (tmp_path / "hookline").mkdir()
    for name in (".gitattributes", WRITTEN):
        shutil.copy(repository / name, tmp_path / name)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message=one")
    return tmp_path


def git(folder, *words):
    names = {
        f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        ["git", *words], cwd=folder, env=os.environ | names, capture_output=True, check=True
    )
    return done.stdout


def test_a_checkout_has_the_commit_of_git_and_says_if_it_was_changed(checkout):
    clean = commit_of(checkout)
    (checkout / ".gitattributes").write_text("")

    assert git(checkout, "rev-parse", "--short=12", "HEAD").decode().strip() == clean
    assert f"{clean}-dirty" == commit_of(checkout)


def test_an_archive_has_the_commit_in_its_file(checkout, tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    archive = git(checkout, "archive", "HEAD")
    subprocess.run(["tar", "-x"], cwd=folder, input=archive, check=True)

    assert commit_of(checkout).startswith(commit_of(folder))


def test_an_image_has_what_its_build_was_given(checkout):
    shutil.rmtree(checkout / ".git")
    (checkout / WRITTEN).write_text("0123456789ab-dirty\n")

    assert "0123456789ab-dirty" == commit_of(checkout)


def test_nobody_knows_the_commit_of_a_copy_in_another_checkout(checkout):
    copy = checkout / "copy"
    shutil.copytree(checkout / "hookline", copy / "hookline")

    assert commit_of(copy) is None


def test_version_and_doctor_say_version_commit_and_schema():
    said = run_here("--version").stdout.strip()

    assert re.fullmatch(
        rf"hookline {VERSION}, commit ([0-9a-f]{{7,}}(-dirty)?|unknown), schema {head()}", said
    ), said
    assert said == f"hookline {check_version(head()).detail}"
