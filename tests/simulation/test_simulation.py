"""The journal in a world where everything that may happen between two of its steps does; more by `make simulate`."""

from contextlib import nullcontext

import pytest

from hookline.journal import fence, journal
from tests.simulation import schedule, world
from tests.simulation.schedule import Problem, Schedule

SCHEDULES = 3_000
FOUND = (1042, 1843, 7788, 12937, 18974, 3177, 35027, 42813)
"""
Seeds that found something once: a lost lock, an attempt that hid an earlier one, a count that took its own; what lands
of an order that was undone while another process began it again.
"""


@pytest.mark.parametrize("block", range(3))
def test_what_lands_within_its_landing_time_is_done_once_and_what_lands_later_is_shown(block):
    for seed in range(block * SCHEDULES // 3, (block + 1) * SCHEDULES // 3):
        Schedule(seed).play()
        Schedule(seed, beyond=True).play()


@pytest.mark.parametrize("seed", FOUND)
def test_a_schedule_that_found_something_once_finds_nothing_any_more(seed):
    Schedule(seed).play()
    Schedule(seed, beyond=True).play()


def doubles(seeds=400, *, beyond=False):
    found = 0
    for seed in range(seeds):
        try:
            Schedule(seed, beyond=beyond).play()
        except Problem:
            found += 1
    return found


def test_a_wait_that_counts_from_the_beginning_of_an_attempt_is_found_out(monkeypatch):
    """So it was once: five seconds from the beginning, of which none were left of a call that hung."""

    def from_the_beginning(write, row, why):
        if (seconds := 5.0 - (fence.now() - row["attempted_at"])) > 0:
            raise write._landing(seconds, why)

    monkeypatch.setattr(journal._Write, "_ensure_landed", from_the_beginning)

    assert doubles() > 0


def test_a_process_that_stood_still_and_sends_all_the_same_is_found_out(monkeypatch):
    monkeypatch.setattr(journal.Fence, "around", lambda fence, write_again: nullcontext())

    assert doubles(4_000) > 0


@pytest.mark.parametrize("state", ["undone", "failed", "intended"])
def test_what_lands_of_an_order_that_is_over_and_is_not_looked_for_is_found_out(monkeypatch, state):
    """So it was once: late checks looked for what was done, and nothing else."""
    monkeypatch.setattr(schedule, "SET_ASIDE", 0.4)
    monkeypatch.setattr(world, "LOOKED_FOR", tuple({*world.LOOKED_FOR} - {state}))

    assert doubles(1_200, beyond=True) > 0


def test_a_readback_that_is_left_out_is_found_out(monkeypatch):
    monkeypatch.setattr(journal, "next_for", lambda row, **_: _next_without_readback(row))

    assert doubles() > 0


def _next_without_readback(row):
    found = journal.Next.ANSWER if row["state"] in journal.DONE else journal.Next.BEGIN
    return journal.Next.SEND if row["begun"] else found
