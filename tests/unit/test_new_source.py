"""`hookline new source`: lines in hooks.yaml, and the variables of the secrets."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

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


def new(folder, *arguments, hooks="hooks.yaml"):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")}
    environment |= {"HOOKLINE_HOME": str(folder / "home"), "HOOKLINE_HOOKS": hooks}
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
    (tmp_path / ".env").chmod(0o600)

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


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_no_secret_is_written_where_others_may_read_it(tmp_path, mode):
    (tmp_path / "hooks.yaml").write_text(FILE)
    (tmp_path / ".env").write_text("A=1")
    (tmp_path / ".env").chmod(mode)

    done = new(tmp_path, "telegram")

    assert 2 == done.returncode
    assert f"(mode {mode:04o}), and secrets belong there. Do this first: chmod 600" in done.stderr
    assert ("A=1", FILE) == ((tmp_path / ".env").read_text(), (tmp_path / "hooks.yaml").read_text())


def test_what_is_in_the_files_stays_whatever_it_is_and_whatever_they_are(tmp_path):
    """A link stays one, modes stay, and so do bytes and line ends; a variable that is there is not written again."""
    (tmp_path / "real").write_bytes(b"export HOOKLINE_SECRET_TELEGRAM=x\r\n# \xc3\xa9")
    (tmp_path / "real").chmod(0o400)
    (tmp_path / ".env").symlink_to("real")
    (tmp_path / "hooks.yaml").write_bytes(FILE.replace("\n", "\r\n").encode())
    (tmp_path / "hooks.yaml").chmod(0o664)
    done = new(tmp_path, "telegram"), new(tmp_path, "github")

    assert [0, 0] == [each.returncode for each in done], done
    assert (tmp_path / ".env").is_symlink()
    before, after = (tmp_path / "real").read_bytes().split(b"# \xc3\xa9\nHOOKLINE_SECRET_GITHUB=")
    assert (b"export HOOKLINE_SECRET_TELEGRAM=x\r\n", 49) == (before, len(after))
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("real", "hooks.yaml")]
    assert [0o400, 0o664] == modes
    assert FILE.count("\n") == (tmp_path / "hooks.yaml").read_bytes().count(b"\r\n")
    assert {"jiwa", "telegram", "github"} == set(load_hooks(tmp_path / "hooks.yaml").sources)


def test_commands_at_the_same_time_lose_no_source_and_no_secret(tmp_path):
    (tmp_path / "hooks.yaml").write_text(FILE)
    names = [f"shop-{number}" for number in range(4)]
    with ThreadPoolExecutor() as threads:
        done = list(threads.map(lambda name: new(tmp_path, "telegram", "--name", name), names))

    assert [0] * 4 == [each.returncode for each in done], done
    assert {"jiwa", *names} == set(load_hooks(tmp_path / "hooks.yaml").sources)
    assert 4 == len((tmp_path / ".env").read_text().splitlines())
    assert {"hooks.yaml", ".env", "home"} >= {each.name for each in tmp_path.iterdir()}


def test_where_the_secret_cannot_be_written_the_source_is_not_either(tmp_path):
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/hooks.yaml").write_text(FILE)
    (tmp_path / ".env").mkdir(mode=0o700)

    done = new(tmp_path, "telegram", hooks="hooks/hooks.yaml")

    assert 0 != done.returncode
    assert FILE == (tmp_path / "hooks/hooks.yaml").read_text()


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
