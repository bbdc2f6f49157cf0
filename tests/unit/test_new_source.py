"""`hookline new source`: lines in hooks.yaml, and the variables of the secrets."""

import json
import os
import subprocess
import sys

import pytest

from hookline.hooks import load_hooks
from hookline.hooks.adding import with_source
from hookline.hooks.presets import SENDERS

FILE = """# our senders
sources:
    jiwa:            # signs nothing
        scheme: shared-secret

routes: {}
"""


def new(folder, *arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")}
    environment |= {"HOOKLINE_HOME": str(folder / "home"), "HOOKLINE_HOOKS": "hooks.yaml"}
    command = [sys.executable, "-m", "hookline", "new", "source", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_all_that_stands_in_the_file_stays_as_it_is():
    assert FILE.replace("    jiwa:", "    payments:\n      preset: stripe\n    jiwa:") == with_source(
        FILE, "payments", {"preset": "stripe"}
    )


@pytest.mark.parametrize("preset", SENDERS)
def test_every_preset_can_be_added_to_an_empty_file(preset, tmp_path):
    path = tmp_path / "hooks.yaml"
    path.write_text(with_source("", "shop", {"preset": preset}))

    assert {"shop"} == set(load_hooks(path).sources)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sources: {}", "lines of its own"),
        ("sources: {jiwa: {scheme: shared-secret}}", "lines of its own"),
        ("routes: {}", "no `sources`"),
        ("sources:\n  stripe:\n    preset: stripe\n", "already"),
        ("a: [", "not YAML"),
        ("- a", "no `sources`"),
    ],
)
def test_a_file_to_which_nothing_can_be_added_is_left_alone(text, said):
    with pytest.raises(ValueError, match=said):
        with_source(text, "stripe", {"preset": "stripe"})


def test_a_secret_that_the_sender_gives_is_left_to_be_filled_in(tmp_path):
    (tmp_path / "hooks.yaml").write_text(FILE)
    (tmp_path / ".env").write_text("A=1")

    done = new(tmp_path, "stripe", "--name", "payments")

    assert 0 == done.returncode, done.stderr
    assert {"jiwa", "payments"} == set(load_hooks(tmp_path / "hooks.yaml").sources)
    assert "A=1\nHOOKLINE_SECRET_PAYMENTS=\n" == (tmp_path / ".env").read_text()
    assert "/hooks/payments" in done.stdout


def test_a_secret_and_a_token_that_we_choose_are_made_and_not_shown(tmp_path):
    done = new(tmp_path, "telegram"), new(tmp_path, "meta", "--json")

    lines = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())
    assert {"HOOKLINE_SECRET_TELEGRAM", "HOOKLINE_SECRET_META", "HOOKLINE_TOKEN_META"} == set(lines)
    assert "" == lines["HOOKLINE_SECRET_META"]
    assert 48 == len(lines["HOOKLINE_SECRET_TELEGRAM"])
    assert not any(value and value in each.stdout + each.stderr for value in lines.values() for each in done)
    assert 0o600 == (tmp_path / ".env").stat().st_mode & 0o777
    assert ["HOOKLINE_SECRET_META"] == json.loads(done[1].stdout)["fill_in"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("strip",), "There is no preset 'strip'"),
        (("stripe", "--name", "My Shop"), "is not a name"),
        (("jiwa",), "has a source jiwa already"),
    ],
)
def test_what_cannot_be_added_is_said_and_nothing_is_written(tmp_path, arguments, said):
    (tmp_path / "hooks.yaml").write_text(FILE)

    done = new(tmp_path, *arguments)

    assert 2 == done.returncode
    assert said in done.stderr
    assert FILE == (tmp_path / "hooks.yaml").read_text()
    assert not (tmp_path / ".env").exists()
