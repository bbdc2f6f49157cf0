"""Work within limits of time and memory, whatever a stranger makes of it."""

import asyncio
import os
import re
import signal
import time
from contextlib import suppress

import pytest

from hookline.confined import Confined, TooCostly

HOARD = []


class Unreadable:
    """A result that breaks the whole pool, for no process can read it."""

    def __reduce__(self):
        return int, ((),)


def break_once(marker):
    """Break the pool at the first call, and return at the next."""
    if marker.exists():
        return "done"
    marker.touch()
    time.sleep(0.2)  # so that other work waits behind it
    return Unreadable()


def hoard():
    """Take all the memory that there is, and keep it."""
    with suppress(MemoryError):
        while True:
            HOARD.append(bytes(1_000_000))


def taken(size):
    return len(bytes(size))


@pytest.fixture
def confined():
    made = Confined(seconds=1, megabytes=100)
    yield made
    made.close()


async def test_what_it_returns_and_raises_comes_back(confined):
    assert 42 == await confined.run(int, "42")
    with pytest.raises(ValueError, match="invalid literal"):
        await confined.run(int, "no number")


async def test_work_that_takes_too_long_is_ended_and_the_next_is_done(confined):
    with pytest.raises(TooCostly, match="longer than 1 s"):
        await confined.run(re.match, "(a+)+b", "a" * 60)

    assert 1 == await confined.run(int, "1")


async def test_work_that_takes_too_much_memory_is_ended_and_the_next_is_done(confined):
    with pytest.raises(TooCostly, match="more than 100 MB"):
        await confined.run(bytes, 10**9)

    assert 1 == await confined.run(int, "1")


async def test_work_that_kills_its_process_ends_alone(confined):
    with pytest.raises(TooCostly, match="crashed"):
        await confined.run(os.kill, await confined.run(os.getpid), signal.SIGKILL)

    assert 1 == await confined.run(int, "1")


async def test_what_one_piece_of_work_left_full_harms_not_the_next(confined):
    await confined.run(hoard)

    assert 10_000_000 == await confined.run(len, bytes(10_000_000))


async def test_work_whose_pool_another_s_work_broke_is_done_by_the_next(confined, tmp_path):
    breaking, waiting = confined.run(break_once, tmp_path / "broken"), confined.run(int, "1")

    assert ["done", 1] == await asyncio.gather(breaking, waiting)


async def test_where_its_processes_cannot_go_on_there_are_new_ones(confined):
    confined.close()

    assert 1 == await confined.run(int, "1")


async def test_another_limit_of_memory_holds_from_the_next_piece_of_work_on(confined):
    confined.megabytes = 900

    assert 200_000_000 == await confined.run(taken, 200_000_000)
    confined.megabytes = 100
    with pytest.raises(TooCostly, match="more than 100 MB"):
        await confined.run(taken, 200_000_000)
