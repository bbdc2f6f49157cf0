"""The clock and the disk of the chaos test do to a process what they say, and nothing else."""

import errno
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.chaos.machine import (
    NOTHING_GROWS,
    NOTHING_IS_WRITTEN,
    SAYS_SO,
    Clock,
    Disk,
    compiled,
    preloading,
)

LOOKS_AT_THE_CLOCK = "import time\nprint('begins', flush=True)\nwhile True: time.time()"
WRITES = """
import os, shutil, sys
folder = sys.argv[1]
for how, flags in (("over", os.O_WRONLY), ("behind", os.O_WRONLY | os.O_APPEND)):
    file = os.open(os.path.join(folder, "there"), flags)
    try:
        os.write(file, b"x")
        print(how, 0)
    except OSError as error:
        print(how, error.errno)
print("free", shutil.disk_usage(folder).free)
"""


@pytest.fixture(autouse=True)
def compiler(tmp_path):
    if compiled("clock.c", tmp_path / "compiler", SECONDS=tmp_path) is None:
        pytest.skip("there is no C compiler")


@contextmanager
def running(code, *devices):
    environment = os.environ | preloading(*devices)
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.kill()


def test_a_clock_that_is_set_ends_nobody_who_looks_at_it(tmp_path):
    clock = Clock.made(tmp_path / "clock")
    with running(LOOKS_AT_THE_CLOCK, clock) as process:
        for number in range(20_000):
            clock.set(number % 40 - 20)
        ended = process.poll()

    assert None is ended


def test_a_clock_is_ahead_for_those_who_have_it(tmp_path):
    clock = Clock.made(tmp_path / "clock")
    clock.set(10_000)
    ask = [sys.executable, "-c", "import time; print(time.time())"]
    theirs, ours = (
        float(subprocess.check_output(ask, env=os.environ | preloading(device))) for device in (clock, None)
    )

    assert 9_900 < theirs - ours < 10_100


@pytest.mark.parametrize(
    ("how", "over", "behind", "is_free"),
    [
        (0, 0, 0, True),
        (NOTHING_GROWS, 0, errno.ENOSPC, True),
        (NOTHING_IS_WRITTEN, errno.ENOSPC, errno.ENOSPC, True),
        (SAYS_SO, 0, 0, False),
    ],
)
def test_a_full_disk_refuses_what_a_full_disk_refuses(tmp_path, how, over, behind, is_free):
    home = tmp_path / "home"
    home.mkdir()
    (home / "there").write_bytes(b"12345")
    disk = Disk.made(tmp_path / "disk", home)
    with disk.full(how):
        told = subprocess.check_output(
            [sys.executable, "-c", WRITES, home], env=os.environ | preloading(disk), text=True
        )
    found = dict(line.split() for line in told.splitlines())

    assert {"over": str(over), "behind": str(behind)} == {name: found[name] for name in ("over", "behind")}
    assert is_free == (found["free"] != "0")
    assert 0 == subprocess.call(
        [sys.executable, "-c", WRITES, home], env=os.environ | preloading(disk), stdout=subprocess.DEVNULL
    )
