"""`hookline apply`, `doctor` and `render` find a wrong text before anything is changed."""

import json
import os
import subprocess
import sys

import pytest

from hookline.catalog import load_catalog
from hookline.hooks import load_hooks
from hookline.provisioning.file_changes import Files, file_changes, record
from hookline.settings import settings
from hookline.texts import Texts, read_texts

NOTE = "order-to-license/order-note.en.j2"


@pytest.fixture
def own(repository, tmp_path):
    """A folder of the firm's own, and the environment of a command that uses it."""
    folder = tmp_path / "templates"
    (folder / "order-to-license").mkdir(parents=True)
    paths = {"HOOKLINE_HOME": str(tmp_path / "home"), "HOOKLINE_TEMPLATES": str(folder)}
    return folder, {**os.environ, **paths}, repository


def hookline(own, *arguments):
    _, environment, repository = own
    return subprocess.run(
        [sys.executable, "-m", "hookline", *arguments],
        env=environment,
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_apply_names_file_and_line_and_changes_nothing(own, tmp_path):
    (own[0] / NOTE).write_text("Order {{ order }}\n{{ ordr }}")

    done = hookline(own, "apply")

    assert 2 == done.returncode
    assert f"{own[0] / NOTE}, line 2: ordr is not a value of this text (do you mean order?)" in done.stderr
    assert [] == list((tmp_path / "home").glob("in-force/*"))


def test_doctor_names_file_and_line(own):
    (own[0] / NOTE).write_text("{% if order %}")

    findings = json.loads(hookline(own, "doctor", "--json").stdout)

    [finding] = [each for each in findings if each["check"] == "texts"]
    assert "problem" == finding["state"]
    assert f"{NOTE}, line 1: Unexpected end of template" in finding["detail"]


def test_render_lists_all_texts_and_shows_one(own):
    (own[0] / NOTE).write_text("Ours: {{ order }}")

    listed = json.loads(hookline(own, "render", "--json").stdout)
    shown = hookline(own, "render", NOTE)
    as_json = json.loads(
        hookline(own, "render", "order-to-license/mail", "--language", "nl", "--json").stdout
    )

    [row] = [each for each in listed if each["text"] == "order-to-license/order-note"]
    assert [str(own[0] / NOTE)] == row["files"]
    assert "The number of the order in Jiwa." == row["values"]["order"]
    assert "Ours: 100123\n" == shown.stdout
    assert "Uw licenties bij order 100123" == as_json["result"]["subject"]


async def test_a_changed_text_is_named_by_its_lines(repository, environment, tmp_path):
    folder = tmp_path / "templates"
    (folder / "order-to-license").mkdir(parents=True)
    (folder / NOTE).write_text("one\ntwo\n{{ order }}\n")
    environment.setenv("HOOKLINE_HOME", str(tmp_path / "home"))
    current = settings()

    async def files():
        hooks = load_hooks(repository / "deployments/hooks.yaml")
        catalog = load_catalog(repository / "deployments/catalog.yaml")
        return Files(hooks, catalog, await read_texts(Texts(folder)))

    first = [each for each in file_changes(current, await files()) if each.kind == "text"]
    record(current, await files())
    (folder / NOTE).write_text("one\n2\n{{ order }}\n")
    [change] = [each for each in file_changes(current, await files()) if each.kind == "text"]

    assert {"made"} == {each.change for each in first}
    assert (NOTE, "changed") == (change.name, change.change)
    assert ["line 2: two → 2"] == [str(each) for each in change.differences]
