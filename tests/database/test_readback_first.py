"""After a restore, what the journal does not know is looked for before it is sent, and never guessed."""

import contextlib

import pytest

from hookline.database import high_water
from hookline.database.connection import outside
from hookline.inbox import holding
from hookline.journal import (
    CountReadback,
    Effect,
    EffectBusy,
    EffectLanding,
    EffectUncertain,
    Journal,
    Outcome,
    late_check,
    readback_first,
    store,
)
from hookline.journal.resolution import resolve

AS_USUAL = (
    "UPDATE lineage SET held_since = NULL, held_reason = NULL, readback_first_since = NULL, event_due = false"
)


class Vendor:
    """A vendor that has things with notes on them, and counts what it is sent."""

    def __init__(self):
        self.notes = {}
        self.sent = []

    def send(self, name="new", note=""):
        async def send():
            self.sent.append(name)
            self.notes[name] = note
            return Outcome([name])

        return send

    def find(self, name):
        async def find():
            return Outcome([name]) if name in self.notes else None

        return find

    @property
    def count(self):
        async def count():
            return set(self.notes)

        async def texts(each):
            return [self.notes[each]]

        return CountReadback("things of the firm", count, texts=texts)


@pytest.fixture
def vendor():
    return Vendor()


@pytest.fixture
async def journal(database, database_settings):
    """The journal of a database that went back in time, and that a person let go on."""
    await database.execute(AS_USUAL)
    yield Journal(database_settings)
    await database.execute(AS_USUAL)


@pytest.fixture
async def restored(database, database_settings):
    """The database went back, and a person let it go on: an hour ago, unless said otherwise."""

    async def restored(*, ago="1 hour"):
        await high_water.hold(database, "It is old.")
        async with database.acquire() as connection:
            await holding.release(connection, outside(database_settings), actor="ann", reason="looked at")
        await database.execute(
            """
            UPDATE effects SET created_at = created_at - $1::text::interval, clock = NULL,
                attempted_at = attempted_at - $1::text::interval, given_up_at = given_up_at - $1::text::interval,
                first_readback_at = first_readback_at - $1::text::interval
            """,
            ago,
        )
        await database.execute(
            "UPDATE lineage SET released_at = released_at - $1::text::interval, "
            "readback_first_since = readback_first_since - $1::text::interval",
            ago,
        )

    return restored


def effect(step="license", key="order-1", expected=0):
    return Effect("test", key, step, f"order {key}", "vendor.act", {"to": "a"}, expected, call={})


async def test_what_is_at_the_vendor_is_adopted_and_not_sent(journal, restored, vendor):
    vendor.notes["lost"] = ""
    await restored()

    outcome = await journal.run(effect(), vendor.send(), vendor.find("lost"))

    assert (["lost"], []) == (outcome.reference, vendor.sent)
    assert ["lost"] == (await journal.outcome_of("test", "order-1", "license")).reference


async def test_what_is_not_there_is_sent_once(journal, restored, vendor):
    await restored()

    for _ in range(2):
        await journal.run(effect(), vendor.send(), vendor.find("lost"))

    assert ["new"] == vendor.sent


async def test_what_cannot_be_looked_for_asks_and_a_persons_word_counts(
    journal, restored, vendor, database_settings
):
    await restored()
    for _ in range(2):
        with pytest.raises(EffectUncertain, match="went back to an earlier state"):
            await journal.run(effect("mail"), vendor.send())

    await resolve(database_settings, 1, happened=False, reference=[], actor="ann")
    await journal.run(effect("mail"), vendor.send())

    assert ["new"] == vendor.sent


async def test_a_business_that_began_since_is_not_asked_about(journal, restored, vendor):
    await restored()

    await journal.run(effect("license"), vendor.send(), vendor.find("lost"))
    await journal.run(effect("mail"), vendor.send("mail"))

    assert ["new", "mail"] == vendor.sent


async def test_a_business_of_which_a_step_was_found_is_asked_about(journal, restored, vendor):
    vendor.notes["lost"] = ""
    await restored()
    await journal.run(effect("license 1"), vendor.send(), vendor.find("other"))
    await journal.run(effect("license 2"), vendor.send(), vendor.find("lost"))

    with pytest.raises(EffectUncertain):
        await journal.run(effect("mail"), vendor.send("mail"))


async def test_a_business_that_began_before_the_restore_is_asked_about(journal, restored, vendor):
    await journal.run(effect("license"), vendor.send(), vendor.find("lost"))
    await restored()
    await journal.run(effect("note"), vendor.send("note"), vendor.find("lost"))

    with pytest.raises(EffectUncertain):
        await journal.run(effect("mail"), vendor.send("mail"))


async def test_what_was_refused_before_is_looked_for_too(journal, restored, vendor):
    async def refused():
        raise Refused

    with pytest.raises(Refused):
        await journal.run(effect(), refused, vendor.find("lost"))
    vendor.notes["lost"] = ""
    await restored()

    assert ["lost"] == (await journal.run(effect(), vendor.send(), vendor.find("lost"))).reference


class Refused(Exception):
    transient = False
    maybe_applied = False


class Lost(Exception):
    transient = True
    maybe_applied = True


async def lost():
    raise Lost


class Died(BaseException):
    pass


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("counts", [False, True])
async def test_what_is_not_there_right_after_the_release_may_have_been_forgotten_and_still_land(
    journal, restored, vendor, begun, counts
):
    readback = vendor.count if counts else vendor.find("lost")
    if begun:
        with pytest.raises(Lost):
            await journal.run(effect(expected=1), lost, readback)
    await restored(ago="1 second")

    with pytest.raises(EffectLanding, match="may have forgotten an attempt"):
        await journal.run(effect(expected=1), vendor.send(), readback)
    vendor.notes["lost"] = "[test order-1]"
    outcome = await journal.run(effect(expected=1), vendor.send(), readback)

    assert (["lost"], []) == (outcome.reference, vendor.sent)


@pytest.mark.parametrize("note", ["", "[test order-1]"])
async def test_a_process_that_dies_while_it_looks_first_leaves_it_to_the_next_one(
    journal, restored, vendor, monkeypatch, note
):
    """Whether it has found something, or is about to ask a person."""
    vendor.notes["lost"] = note
    await restored()
    noted = readback_first.FirstReadback.note

    async def noted_and_died(first, found):
        await noted(first, found)
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(readback_first.FirstReadback, "note", noted_and_died)
        with pytest.raises(Died):
            await journal.run(effect(expected=1), vendor.send(), vendor.count)
    with contextlib.suppress(EffectUncertain):
        await journal.run(effect(expected=1), vendor.send(), vendor.count)

    assert [] == vendor.sent


async def test_what_an_attempt_of_before_brought_is_its_own_though_another_effect_began_with_it_there(
    journal, restored, vendor, database
):
    """Its attempt was open in the backup, it landed, another one of the scope began; then the database went back."""
    with pytest.raises(Lost):
        await journal.run(effect(expected=1), lost, vendor.count)
    vendor.notes["first"] = "[test order-1]"
    await database.execute("UPDATE effects SET given_up_at = given_up_at - interval '1 hour', clock = NULL")
    await journal.run(
        effect(key="order-2", expected=1), vendor.send("second", "[test order-2]"), vendor.count
    )
    await restored()

    outcome = await journal.run(effect(expected=1), vendor.send("again"), vendor.count)

    assert (["first"], ["second"]) == (outcome.reference, vendor.sent)


async def test_what_was_there_when_an_effect_was_asked_about_is_not_known_to_be_anybodys(
    journal, restored, vendor
):
    """Its row is from before the restore, and what was there is written down with it since."""
    with pytest.raises(Lost):
        await journal.run(effect(expected=1), lost, vendor.count)
    vendor.notes["forgotten"] = ""
    await restored()
    for key in ("order-1", "order-2"):
        with pytest.raises(EffectUncertain, match="forgotten"):
            await journal.run(effect(key=key, expected=1), vendor.send(), vendor.count)

    assert [] == vendor.sent


async def test_what_was_there_after_an_earlier_restore_is_not_known_to_be_anybodys_after_the_next(
    journal, restored, vendor
):
    vendor.notes["forgotten"] = "[test order-1]"
    await restored()
    await journal.run(
        effect(key="order-2", expected=1), vendor.send("second", "[test order-2]"), vendor.count
    )
    await restored()

    outcome = await journal.run(effect(expected=1), vendor.send("again"), vendor.count)

    assert (["forgotten"], ["second"]) == (outcome.reference, vendor.sent)


async def test_an_outcome_is_not_written_to_another_effect_that_has_its_number_since_the_database_went_back(
    journal, database, vendor
):
    async def send():
        await database.execute("DELETE FROM effects; ALTER SEQUENCE effects_id_seq RESTART")
        with pytest.raises(Lost):
            await journal.run(effect(key="order-2", expected=1), lost, vendor.find("other"))
        return Outcome(["first"])

    await journal.run(effect(expected=1), send, vendor.find("first"))

    [row] = await database.fetch("SELECT key, state, reference, surplus FROM effects")
    assert ("order-2", "intended", [], []) == tuple(row)


async def test_what_a_late_check_found_meanwhile_is_not_asked_about(journal, restored, vendor, database):
    with pytest.raises(Lost):
        await journal.run(effect(expected=1), lost, vendor.count)
    vendor.notes |= {"first": "", "second": ""}
    await restored()
    count = vendor.count.count

    async def found_meanwhile():
        async with database.acquire() as connection:
            await store.found_late(
                connection, await store.read(connection, 1), ["first"], "found", scope=None, next_after=60
            )
        return await count()

    counted = CountReadback(vendor.count.scope, found_meanwhile, texts=vendor.count.texts)
    with pytest.raises(EffectBusy, match="was done by another run just now"):
        await journal.run(effect(expected=1), vendor.send(), counted)


async def test_a_late_check_of_what_is_counted_takes_nothing_that_is_forgotten_for_a_double(
    journal, restored, vendor, database, database_settings
):
    with pytest.raises(Lost):
        await journal.run(effect(expected=1), lost, vendor.count)
    vendor.notes |= {"nobody knows": "", "another's": "[test order-2]", "ours": "[test order-1]"}
    await restored()
    [row] = await due(database)

    surplus = await late_check.check(database_settings, row, vendor.count, "")

    assert [] == surplus
    assert (["ours"], []) == tuple(await database.fetchrow("SELECT reference, surplus FROM effects"))


async def test_while_it_is_held_nothing_is_looked_for_late(journal, vendor, database, database_settings):
    with pytest.raises(Lost):
        await journal.run(effect(), lost, vendor.find("lost"))
    vendor.notes["lost"] = ""
    [row] = await due(database)
    await high_water.hold(database, "It is old.")

    await late_check.check(database_settings, row, vendor.find("lost"), "")

    assert [] == await due(database)
    assert "intended" == await database.fetchval("SELECT state FROM effects")


async def due(database):
    await database.execute("UPDATE effects SET check_at = now()")
    return await store.claim_checks(database, 10, 60)


async def test_of_what_is_counted_what_says_that_it_is_ours_is_adopted(journal, restored, vendor):
    vendor.notes |= {
        "ours": "Order 1\n[test order-1: note of ours]",
        "other": "[test order-12: note of other]",
    }
    await restored()

    outcome = await journal.run(effect(expected=1), vendor.send(), vendor.count)

    assert (["ours"], []) == (outcome.reference, vendor.sent)


async def test_of_what_is_counted_what_is_anothers_is_left_alone(journal, restored, vendor):
    vendor.notes["other"] = "[test order-12: note of other]"
    await restored()

    await journal.run(effect(expected=1), vendor.send(), vendor.count)

    assert ["new"] == vendor.sent


@pytest.mark.parametrize("notes", [["nobody's"], ["nobody's", "[test order-1]", "[test order-1: two]"]])
async def test_of_what_is_counted_what_says_nothing_asks(journal, restored, vendor, notes):
    vendor.notes |= {f"thing {number}": note for number, note in enumerate(notes)}
    await restored()

    with pytest.raises(EffectUncertain, match="neither the journal nor the vendor says whose"):
        await journal.run(effect(expected=1), vendor.send(), vendor.count)

    assert [] == vendor.sent


async def test_what_was_there_before_the_backup_is_nobodys_that_is_forgotten(journal, restored, vendor):
    vendor.notes["old"] = "by hand"
    await journal.run(effect(key="order-0", expected=1), vendor.send("first"), vendor.count)
    await restored()

    await journal.run(effect(expected=1), vendor.send("second"), vendor.count)

    assert ["first", "second"] == vendor.sent


async def test_what_nobody_knew_and_a_later_write_found_is_still_unknown(
    journal, restored, vendor, database_settings
):
    vendor.notes["nobody's"] = ""
    await restored()
    with pytest.raises(EffectUncertain):
        await journal.run(effect(key="order-2", expected=1), vendor.send("second"), vendor.count)
    await resolve(database_settings, 1, happened=False, reference=[], actor="ann")
    await journal.run(effect(key="order-2", expected=1), vendor.send("second"), vendor.count)

    with pytest.raises(EffectUncertain, match="nobody's"):
        await journal.run(effect(expected=1), vendor.send(), vendor.count)


async def test_what_a_person_says_was_done_is_not_taken_for_what_another_order_brought(
    journal, restored, vendor, database_settings
):
    vendor.notes["second"] = ""
    await restored()
    with pytest.raises(EffectUncertain):
        await journal.run(effect(key="order-2", expected=1), vendor.send(), vendor.count)
    await resolve(database_settings, 1, happened=True, reference=["second"], actor="ann")

    await journal.run(effect(expected=1), vendor.send("first"), vendor.count)

    assert ["first"] == vendor.sent


async def test_while_it_is_held_nothing_is_sent(journal, database, vendor):
    await high_water.hold(database, "It is old.")

    with pytest.raises(EffectBusy, match="It is old"):
        await journal.run(effect(), vendor.send(), vendor.find("lost"))

    assert [] == vendor.sent


async def test_once_it_is_closed_nothing_is_looked_for(journal, restored, database, vendor):
    await restored()
    async with database.acquire() as connection:
        await holding.close(connection, actor="ann", reason="all compared")

    await journal.run(effect("mail"), vendor.send("mail"))

    assert ["mail"] == vendor.sent


async def test_an_attempt_is_remembered_outside_before_it_is_sent(journal, database, database_settings):
    async def send():
        remembered = outside(database_settings).marks()
        position = await high_water.position(database)
        seen.append(position.mark.attempts == remembered[position.lineage].attempts)
        return Outcome()

    seen = []
    await journal.run(effect("mail"), send)
    await journal.run(effect("other"), send, CountReadback("scope", _nothing))

    assert [True, True] == seen


async def _nothing():
    return set()
