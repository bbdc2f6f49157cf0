"""The threads of an engine: bounded, interrupted when their run is stopped, and left if they do not end."""

import asyncio
import threading
import time
from contextvars import ContextVar

import pytest

from hookline.engine import threads as threads_module
from hookline.engine.threads import Threads

HERE = ContextVar("here", default="")


@pytest.fixture
def threads(monkeypatch):
    monkeypatch.setattr(threads_module, "LEFT_SECONDS", 0.3)
    monkeypatch.setattr(threads_module, "INTERRUPT_SECONDS", 0.05)
    return Threads(2)


class Blocking:
    """A call that blocks until it is let go, where no exception reaches it, or where one does."""

    def __init__(self, *, deaf=False):
        self.begun, self.go_on, self.deaf = threading.Event(), threading.Event(), deaf
        self.left = False

    def __call__(self):
        self.begun.set()
        if self.deaf:
            self.go_on.wait()
        while not self.go_on.is_set():
            time.sleep(0.01)

    def leave(self):
        self.left = True

    async def has_begun(self):
        assert await asyncio.to_thread(self.begun.wait, 10)

    def start(self, threads):
        return asyncio.create_task(threads.run(self, name="work", on_left=self.leave))


async def test_a_call_has_the_context_of_here_and_a_thread_of_its_own(threads):
    HERE.set("set")
    seen = []

    await threads.run(
        lambda: seen.append((HERE.get(), threading.current_thread().name, threading.current_thread().daemon)),
        name="work",
        on_left=lambda: None,
    )

    assert ([("set", "work", True)], set()) == (seen, threads.running)


@pytest.mark.parametrize(
    ("raised", "expected", "words"),
    [(ValueError("x"), ValueError, "x"), (SystemExit(3), RuntimeError, "the flow raised SystemExit: 3")],
)
async def test_what_a_call_raises_is_raised_here_and_ends_no_loop(threads, raised, expected, words):
    def fails():
        raise raised

    with pytest.raises(expected, match=words):
        await threads.run(fails, name="work", on_left=lambda: None)


async def test_only_so_many_run_at_once(threads):
    calls = [Blocking() for _ in range(3)]
    tasks = [call.start(threads) for call in calls]
    for call in calls[:2]:
        await call.has_begun()
    await asyncio.sleep(0.05)
    third_has_begun = calls[2].begun.is_set()
    calls[0].go_on.set()
    await calls[2].has_begun()
    for call in calls:
        call.go_on.set()
    await asyncio.gather(*tasks)

    assert not third_has_begun


async def test_a_stopped_call_is_interrupted_and_gives_its_place_back(threads):
    call = Blocking()
    task = call.start(threads)
    await call.has_begun()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (False, set(), set()) == (call.left, threads.running, threads.left)


async def test_a_stopped_call_that_does_not_end_is_left_and_keeps_its_place_until_it_does(threads):
    call = Blocking(deaf=True)
    task = call.start(threads)
    await call.has_begun()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    left = (call.left, len(threads.left), threads._free._value)
    call.go_on.set()
    while threads.running:
        await asyncio.sleep(0.01)

    assert ((True, 1, 1), (0, 2)) == (left, (len(threads.left), threads._free._value))
