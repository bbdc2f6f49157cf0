"""The journal in a world where everything that may happen between two of its steps does; more by `make simulate`."""

from contextlib import nullcontext

import pytest

from hookline.database import high_water
from hookline.journal import fence, journal, readback_first
from tests.simulation import schedule, world
from tests.simulation.schedule import KINDS, Problem, Schedule

SCHEDULES = 3_000
FOUND = (
    *(1042, 1843, 7788, 12937, 18974, 3177, 35027, 42813, 13255, 23160, 35540, 116692, 9147, 61036, 40930),
    *(701326, 731733, 703095, 710821),
)
"""
Seeds that found something once: a lost lock, an attempt that hid an earlier one, a count that took its own; what lands
of an order that was undone while another process began it again; what an older database took for another's; a request
that left late and was remembered in the database alone; two that waited for each other though nothing had come; a
count that was old when the next attempt began.
"""


@pytest.mark.parametrize("kind", KINDS)
def test_all_is_done_once_and_what_lands_too_late_is_shown(kind):
    for seed in range(SCHEDULES):
        Schedule(seed, **KINDS[kind]).play()


@pytest.mark.parametrize("seed", FOUND)
def test_a_schedule_that_found_something_once_finds_nothing_any_more(seed):
    for kind in KINDS.values():
        Schedule(seed, **kind).play()


def is_found_out(seeds=400, **kind):
    """Return True if a schedule goes wrong."""
    try:
        for seed in range(seeds):
            Schedule(seed, **kind).play()
    except Problem:
        return True
    return False


def test_a_wait_that_counts_from_the_beginning_of_an_attempt_is_found_out(monkeypatch):
    """So it was once: five seconds from the beginning, of which none were left of a call that hung."""

    def from_the_beginning(write, row, why):
        if (seconds := 5.0 - (fence.now() - row["attempted_at"])) > 0:
            raise write._landing(seconds, why)

    monkeypatch.setattr(journal._Write, "_ensure_landed", from_the_beginning)

    assert is_found_out()


def test_a_process_that_stood_still_and_sends_all_the_same_is_found_out(monkeypatch):
    monkeypatch.setattr(journal.Fence, "around", lambda fence, write_again: nullcontext())

    assert is_found_out(4_000)


@pytest.mark.parametrize("state", ["undone", "failed", "intended"])
def test_what_lands_of_an_order_that_is_over_and_is_not_looked_for_is_found_out(monkeypatch, state):
    """So it was once: late checks looked for what was done, and nothing else."""
    monkeypatch.setattr(schedule, "SET_ASIDE", 0.4)
    monkeypatch.setattr(world, "LOOKED_FOR", tuple({*world.LOOKED_FOR} - {state}))

    assert is_found_out(1_200, beyond=True)


def test_a_word_that_is_taken_back_though_a_run_went_on_from_it_is_found_out(monkeypatch):
    async def unnoticed(_connection, _row):
        return True

    monkeypatch.setattr(journal, "_may_build_on", unnoticed)

    assert is_found_out(2_000, **KINDS["taken-back"])


def test_a_readback_that_is_left_out_is_found_out(monkeypatch):
    monkeypatch.setattr(journal, "next_for", lambda row, **_: _next_without_readback(row))

    assert is_found_out()


def _next_without_readback(row):
    found = journal.Next.ANSWER if row["state"] in journal.DONE else journal.Next.BEGIN
    return journal.Next.SEND if row["begun"] else found


def test_an_older_database_that_is_not_known_for_one_is_found_out(monkeypatch):
    monkeypatch.setattr(high_water, "older", lambda *_: None)

    assert is_found_out(goes_back=True)


def test_an_attempt_that_is_not_remembered_outside_is_found_out(monkeypatch):
    monkeypatch.setattr(journal._Write, "_remember", lambda *_: None)

    assert is_found_out(goes_back=True)


def test_a_journal_that_goes_on_while_the_database_is_held_is_found_out(monkeypatch):
    run = journal._Write.run

    async def without_hold(write, send):
        write.row = {**write.row, "held_reason": None}
        return await run(write, send)

    monkeypatch.setattr(journal._Write, "run", without_hold)

    assert is_found_out(goes_back=True)


def test_a_write_that_is_not_looked_for_first_after_a_restore_is_found_out(monkeypatch):
    monkeypatch.setattr(readback_first, "is_due", lambda _row: False)

    assert is_found_out(goes_back=True)


def test_a_forgotten_attempt_that_is_not_waited_for_is_found_out(monkeypatch):
    monkeypatch.setattr(journal._Write, "_ensure_forgotten_landed", lambda _write: None)

    assert is_found_out(4_000, goes_back=True)


def test_a_process_that_stood_still_through_a_restore_and_sends_all_the_same_is_found_out(monkeypatch):
    monkeypatch.setattr(journal.Fence, "around", lambda fence, write_again: nullcontext())

    assert is_found_out(4_000, goes_back=True)


def test_what_was_found_and_not_adopted_by_a_process_that_died_is_found_out(monkeypatch):
    """So it was once: that it was looked for was written down before what was found."""

    def once(row):
        since, at = row["readback_first_since"], row["first_readback_at"]
        return since is not None and (at is None or at < since)

    monkeypatch.setattr(readback_first, "is_due", once)

    assert is_found_out(4_000, goes_back=True)


def test_what_was_there_when_another_effect_began_and_counts_as_known_is_found_out(monkeypatch):
    """So it was once, whatever the attempt of before the restore had brought until then."""
    monkeypatch.setattr(world, "was_before", lambda _row, _began: True)

    assert is_found_out(4_000, goes_back=True)


def test_a_late_check_that_takes_what_is_forgotten_for_a_double_is_found_out(monkeypatch):
    async def never(*_):
        return False

    monkeypatch.setattr(world.Store, "is_of_before", never)

    assert is_found_out(goes_back=True)
