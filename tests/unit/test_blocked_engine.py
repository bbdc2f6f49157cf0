"""A process whose loop stays blocked ends itself, even where the blocking code lets no other thread run."""

import signal
import subprocess
import sys
import time

import pytest

from hookline.engine.loop_watchdog import EXIT_CODE

PROGRAM = """
import asyncio, re, signal, sys, threading, time
from hookline.engine import loop_watchdog
loop_watchdog.MARGIN_SECONDS = 0.5 if sys.argv[1] == "computes" else 30
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

def told_to_stop(loop):
    signal.sigwait({signal.SIGTERM})
    loop_watchdog.end_unless_answered(loop, loop.stop, 0.5)

async def main():
    threading.Thread(target=told_to_stop, args=[asyncio.get_running_loop()], daemon=True).start()
    with loop_watchdog.guard_loop(lambda: "dispatch 4711", 0.1, float(sys.argv[2])):
        print("begins", flush=True)
        match sys.argv[1]:
            case "sleeps": time.sleep(60)
            case "computes": re.match("(a+)+$", "a" * 60 + "b")
            case "waits": await asyncio.sleep(60)
try:
    asyncio.run(main())
except RuntimeError:  # the loop was stopped
    pass
"""


@pytest.fixture
def run():
    running = []

    def run(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        process.stdout.readline()
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


def test_a_loop_that_stays_blocked_ends_its_process_which_says_what_was_claimed(run):
    process = run("sleeps", "1")
    _, said = process.communicate(timeout=30)

    assert (EXIT_CODE, True) == (process.returncode, "dispatch 4711" in said)


def test_code_that_lets_no_other_thread_run_is_ended_too_and_the_place_is_said(run):
    process = run("computes", "1")
    _, said = process.communicate(timeout=30)

    assert (True, True) == (process.returncode != 0, "in main" in said)


@pytest.mark.parametrize(("doing", "code"), [("sleeps", EXIT_CODE), ("waits", 0)])
def test_a_signal_to_stop_ends_a_process_whose_loop_is_blocked_and_lets_another_end_by_itself(
    run, doing, code
):
    process = run(doing, "60")
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)

    assert code == process.returncode, said
