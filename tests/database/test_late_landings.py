"""What lands at a vendor when nobody goes on with its order, or after it was undone, is found by a late check."""

import asyncio
from dataclasses import replace
from itertools import count

import pytest

from hookline.journal import (
    CountReadback,
    Effect,
    EffectBusy,
    EffectLanding,
    Journal,
    Outcome,
    late_check,
    store,
)
from hookline.journal.resolution import resolve

EVERYTHING = 100


class Lost(Exception):
    """The answer was lost."""

    transient, maybe_applied = True, True


class RefusedByVendor(Exception):
    """The vendor said no."""

    transient, maybe_applied = False, False


class Died(BaseException):
    """The process died with the request on its way."""


class Vendor:
    """A vendor at which a write lands when the test says so."""

    def __init__(self, journal):
        self.journal = journal
        self.things = []
        self.numbers = count(1)

    async def find(self):
        return Outcome(self.things[:1], copies=list(self.things)) if self.things else None

    def counted(self):
        async def all_things():
            return set(self.things)

        return CountReadback("all things", all_things)

    async def act(self):
        self.things.append(f"thing-{next(self.numbers)}")
        return Outcome(self.things[-1:])

    async def run(self, effect, *answers, readback):
        """Make one attempt after the other, each when the one before cannot land any more; what the last one raised."""
        for answer in answers:

            async def send(answer=answer):
                if answer is not None:
                    raise answer
                return await self.act()

            try:
                await landed(self.journal, effect, send, readback)
            except (Lost, RefusedByVendor, Died) as error:
                raised = error
            else:
                raised = None
        return raised


def effect(key="order-1", generation=0):
    return Effect(
        "test",
        key,
        "license",
        f"order {key}",
        "vendor.act",
        {"n": 1},
        expected=1,
        call={},
        generation=generation,
    )


async def landed(journal, *args):
    while True:
        try:
            return await journal.run(*args)
        except EffectLanding as landing:
            await asyncio.sleep(landing.retry_after)


@pytest.fixture
def vendor(database, database_settings):
    return Vendor(Journal(database_settings))


@pytest.fixture
def look_again(database, database_settings):
    """Make all late checks now, whenever they are due; what was found too much."""

    async def look_again(readback):
        await database.execute(
            "UPDATE effects SET check_at = now() - interval '1 s' WHERE check_at IS NOT NULL"
        )
        found = []
        for row in await store.claim_checks(database, EVERYTHING, 60):
            found += await late_check.check(database_settings, row, readback, "Undo it.")
        return found

    return look_again


@pytest.fixture
def rows(database):
    async def rows(*columns):
        found = await database.fetch(f"SELECT {', '.join(columns)} FROM effects ORDER BY id")
        return [tuple(row) for row in found]

    return rows


async def undo(database):
    """As a compensation does, once its steps are done."""
    await database.execute("UPDATE effects SET state = 'undone'")


async def test_what_lands_of_a_refused_order_is_done(vendor, look_again, rows):
    await vendor.run(effect(), Lost(), RefusedByVendor(), readback=vendor.find)
    before = await rows("state", "check_at IS NOT NULL")
    await vendor.act()

    surplus = await look_again(vendor.find)

    assert [("failed", True)] == before
    assert ([], [("done", ["thing-1"])]) == (surplus, await rows("state", "reference"))


async def test_what_was_refused_at_its_only_attempt_is_not_looked_for(vendor, rows):
    await vendor.run(effect(), RefusedByVendor(), readback=vendor.find)

    assert [("failed", None)] == await rows("state", "check_at")


@pytest.mark.parametrize("last", [Lost(), Died()], ids=["its answer was lost", "its process died"])
async def test_what_lands_of_an_order_with_which_nobody_goes_on_is_done(vendor, look_again, rows, last):
    await vendor.run(effect(), last, readback=vendor.find)
    nothing = await look_again(vendor.find)
    await vendor.act()
    await vendor.act()

    surplus = await look_again(vendor.find)

    assert ([], ["thing-2"]) == (nothing, surplus)
    assert [("doubled", ["thing-1"], ["thing-2"])] == await rows("state", "reference", "surplus")


@pytest.mark.parametrize("copies", [1, 2])
async def test_what_is_found_more_than_once_is_looked_at_again_at_once(vendor, rows, copies):
    await vendor.run(effect(), Lost(), readback=vendor.find)
    for _ in range(copies):
        await vendor.act()

    await vendor.run(effect(), None, readback=vendor.find)

    assert [("done", copies > 1)] == await rows("state", "check_at <= now()")


async def test_of_two_that_are_wanted_one_that_landed_is_not_enough(vendor, look_again, rows):
    two = replace(effect(), expected=2)
    await vendor.run(two, Lost(), readback=vendor.find)
    await vendor.act()
    [(before,)] = await rows("checks")

    surplus = await look_again(vendor.find)

    assert ([], [("intended", before + 1, True)]) == (
        surplus,
        await rows("state", "checks", "check_at > now()"),
    )


async def test_what_a_person_says_to_send_again_is_looked_for_too(database, vendor, look_again, rows):
    async with database.acquire() as connection:
        await vendor.run(effect(), Lost(), readback=vendor.find)
        await store.uncertain(connection, 1, "nobody knows", effect())
        waits_for_a_person = await rows("check_at")
        await store.resolve(connection, 1, happened=False, reference=[], check_after=0, what="x", grace=0)
    await vendor.act()

    await look_again(vendor.find)

    assert [(None,)] == waits_for_a_person
    assert [("done", ["thing-1"])] == await rows("state", "reference")


async def test_what_is_sent_again_for_a_person_waits_for_another_that_may_have_brought_what_is_there(
    database, vendor, rows
):
    await vendor.run(effect(), Lost(), readback=vendor.counted())
    async with database.acquire() as connection:
        await store.uncertain(connection, 1, "nobody knows", effect())
        await store.resolve(connection, 1, happened=False, reference=[], check_after=0, what="x", grace=0)
    await vendor.run(effect("order-2"), Lost(), readback=vendor.counted())
    await vendor.act()

    with pytest.raises(EffectBusy, match=r"license of order order-2 .* must be resolved first"):
        await vendor.run(effect(), Lost(), readback=vendor.counted())
    for each in (effect("order-2"), effect()):
        await vendor.run(each, None, readback=vendor.counted())

    assert [("order-1", ["thing-2"]), ("order-2", ["thing-1"])] == sorted(await rows("key", "reference"))


async def test_what_a_person_says_while_it_is_counted_is_no_double_of_another(
    database, database_settings, vendor, look_again, rows
):
    await vendor.run(effect(), Lost(), None, readback=vendor.counted())
    await vendor.run(effect("order-2"), Lost(), readback=vendor.counted())
    await vendor.act()
    number = await database.fetchval("SELECT max(id) FROM effects")
    async with database.acquire() as connection:
        await store.uncertain(connection, number, "nobody knows", effect("order-2"))

    async def counted_while_a_person_says_so():
        await resolve(database_settings, number, happened=True, reference=["thing-2"], actor="ann")
        return set(vendor.things)

    surplus = await look_again(CountReadback("all things", counted_while_a_person_says_so))

    assert ([], [("done", []), ("done", [])]) == (surplus, await rows("state", "surplus"))


async def test_what_lands_after_it_was_undone_is_doubled_with_the_way_to_undo_it(
    database, vendor, look_again, rows
):
    await vendor.run(effect(), Lost(), None, readback=vendor.find)
    await undo(database)
    await vendor.act()

    surplus = await look_again(vendor.find)

    assert ["thing-2"] == surplus
    assert [
        ("doubled", ["thing-2"], "vendor shows thing-2, though it was given back. Undo it.")
    ] == await rows("state", "surplus", "reason")


async def test_what_lands_after_it_was_undone_and_done_again_is_shown_with_what_came_in_its_place(
    database, vendor, look_again, rows
):
    await vendor.run(effect(), Lost(), None, readback=vendor.find)
    await undo(database)
    vendor.things.clear()
    await vendor.run(effect(generation=2), None, readback=vendor.find)
    await vendor.act()

    surplus = await look_again(vendor.find)

    assert ["thing-3"] == surplus
    assert [("undone", ["thing-1"], []), ("doubled", ["thing-2"], ["thing-3"])] == await rows(
        "state", "reference", "surplus"
    )


async def test_of_a_count_what_is_new_is_of_the_order_with_which_nobody_went_on(
    database, vendor, look_again, rows
):
    """And not too much of its neighbour, which looks first."""
    counted = vendor.counted()
    await vendor.run(effect("refused"), Lost(), RefusedByVendor(), readback=counted)
    await vendor.run(effect("done"), Lost(), None, readback=counted)
    await database.execute("UPDATE effects SET check_at = NULL WHERE key = 'refused'")
    await vendor.act()

    first = await look_again(counted)
    hurried = await rows("key", "state", "check_at <= now()")
    second = await look_again(counted)

    assert ([], []) == (first, second)
    assert [("refused", "failed", True), ("done", "done", False)] == hurried
    assert [("done", ["thing-2"]), ("done", ["thing-1"])] == await rows("state", "reference")


async def test_a_count_waits_until_what_a_refused_order_sent_can_no_longer_land(
    database, database_settings, vendor, rows
):
    counted, slow = vendor.counted(), database_settings.model_copy(update={"landing_seconds": 60})
    await vendor.run(effect("refused"), Lost(), RefusedByVendor(), readback=counted)

    with pytest.raises(EffectLanding, match="license of order refused"):
        await Journal(slow).run(effect("next"), vendor.act, counted)
    await vendor.run(effect("next"), Lost(), readback=counted)
    # It was tried and refused once more, later than the next one.
    await database.execute(
        "UPDATE effects SET attempted_at = now(), given_up_at = now(), clock = NULL WHERE key = 'refused'"
    )
    await vendor.run(effect("next"), None, readback=counted)

    assert [("failed", []), ("done", ["thing-1"])] == await rows("state", "reference")
