"""Whether a process is ready is never read from what another one left behind."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext

import psutil
import pytest

from hookline.health import processes
from hookline.supervisor import file_ready, report_ready, wait_for_turn
from hookline.supervisor.ready import TURN


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOOKLINE_READY_FILE", str(tmp_path / "ready"))
    return tmp_path / "ready"


async def test_a_process_that_said_so_and_lives_is_ready(path):
    before = await file_ready(path)()
    report_ready()

    assert (False, True) == (before, await file_ready(path)())


async def test_what_a_dead_process_said_counts_no_more(path):
    code = (
        "from hookline.supervisor import report_ready; report_ready(); print(end='up', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.read(2)
        alive = await file_ready(path)()
        process.kill()
        psutil.Process(process.pid).wait(10) if psutil.pid_exists(process.pid) else None
        dead = await file_ready(path)()

    assert (True, False, True) == (alive, dead, path.exists())


@pytest.mark.parametrize(
    "text",
    ["", "ready", f"{os.getpid()}", f"{os.getpid()} 1.0", "0 0", "-1 0", "\0", "9" * 40],
    ids=["empty", "a word", "no time", "another time", "zeros", "no pid", "NUL", "long"],
)
async def test_what_else_stands_in_the_file_is_not_believed(path, text):
    path.write_text(text)

    assert False is await file_ready(path)()


def test_processes_in_trouble_are_told_while_the_one_that_says_so_lives(tmp_path):
    nobody = processes.read(tmp_path)
    processes.write(tmp_path, {})
    well = processes.read(tmp_path)
    processes.write(tmp_path, {"worker": "died 5 times: no table"})
    unwell = processes.check(tmp_path)
    processes.clear(tmp_path)

    assert (None, {}, None) == (nobody, well, processes.read(tmp_path))
    assert ("problem", "worker died 5 times: no table") == (unwell.state, unwell.detail)


@pytest.mark.parametrize(
    "told",
    [{}, [], None, {"pid": 1}, {"pid": os.getpid(), "since": 1, "troubles": {}}, {"pid": "x", "since": 1}],
    ids=["empty", "a list", "null", "no time", "another time", "no pid"],
)
def test_what_a_dead_process_said_of_processes_counts_no_more(tmp_path, told):
    (tmp_path / "processes.json").write_text(json.dumps(told))

    assert (None, "skipped") == (processes.read(tmp_path), processes.check(tmp_path).state)


@pytest.mark.parametrize(("said", "ends"), [(b"1", False), (b"", True)], ids=["begin", "the supervisor died"])
def test_a_process_that_waits_for_its_turn_begins_when_it_is_told_and_ends_with_its_supervisor(
    monkeypatch, said, ends
):
    read, write = os.pipe()
    os.write(write, said)
    os.close(write)
    monkeypatch.setenv(TURN, str(read))

    with pytest.raises(SystemExit) if ends else nullcontext():
        assert wait_for_turn()

    assert TURN not in os.environ


def test_without_a_supervisor_it_is_always_ones_turn(monkeypatch):
    monkeypatch.delenv(TURN, raising=False)

    assert not wait_for_turn()
