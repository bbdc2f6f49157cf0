"""Two gateways and two Prefect servers behind a proxy, three engines, Redis and PostgreSQL: each is killed in turn."""

import shutil
import subprocess
import sys

import pytest

PROGRAMS = ("nginx", "redis-server")
pytestmark = pytest.mark.skipif(
    any(shutil.which(program) is None for program in PROGRAMS),
    reason="nginx or redis-server is not installed",
)


def chaos(*words, seconds):
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--machines", *words],
        capture_output=True,
        text=True,
        timeout=seconds,
    )


def test_each_process_of_several_machines_is_killed_in_turn_and_nothing_is_lost_or_doubled():
    ended = chaos("--orders", "30", "--seed", "7", seconds=600)

    assert 0 == ended.returncode, ended.stdout + ended.stderr
    assert "Nothing lost, nothing twice" in ended.stdout


@pytest.mark.long
def test_the_same_for_a_long_time():
    ended = chaos("--orders", "300", seconds=3600)

    assert 0 == ended.returncode, ended.stdout + ended.stderr
