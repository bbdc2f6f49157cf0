"""What a person did in the vendor's own UI is taken as done, once, and its run goes on behind it."""

import asyncio
from dataclasses import replace

import pytest
from rows import arrival, bring
from test_gateway_login import Browser

from hookline.errors import HooklineError
from hookline.gateway.views.confirming import CONFIRMED
from hookline.inbox import audit, commands, deliveries, dispatches
from hookline.journal import EffectConflict, Journal, Outcome, store
from hookline.journal.effect import Effect, EffectUncertain
from hookline.journal.resolution import BY_HAND, by_hand, resolve

RECORD = {"InvoiceID": "text", "Count": "number"}


class Refused(HooklineError):
    """The vendor says no: nothing was done."""

    transient = maybe_applied = False


class Lost(HooklineError):
    """It may have been done."""

    transient, maybe_applied = False, True


class Bench:
    """One order, its dispatches, and a step of it that fails."""

    def __init__(self, database, settings):
        self.database = database
        self.settings = settings
        self.sent = 0

    async def dispatch(self, name="one", state="running"):
        receipt = await deliveries.accept(self.database, arrival(name))
        new = dispatches.NewDispatch(receipt.id, "r", "order-to-license/default", {}, "jiwa order 7")
        async with self.database.acquire() as connection:
            await dispatches.add_all(connection, [new])
        await bring(self.database, "dispatches", state, "delivery_id = $1", receipt.id)
        return await self.database.fetchval("SELECT id FROM dispatches WHERE delivery_id = $1", receipt.id)

    def effect(self, dispatch=None, **changed):
        plain = Effect(
            "order-to-license", "7", "license", "order 7", "v.o", {"n": 1}, expected=2, dispatch_id=dispatch
        )
        return replace(plain, **changed)

    async def run(self, effect, error=None, **options):
        async def send():
            self.sent += 1
            if error is not None:
                raise error
            return Outcome(["of the vendor"] * effect.expected)

        return await Journal(self.settings).run(effect, send, **options)

    async def fails(self, effect, error=None, **options):
        """The step fails, and with it the run of its dispatch."""
        with pytest.raises((Refused, Lost, EffectUncertain)):
            await self.run(effect, error or Refused("refused"), **options)
        await self.database.execute(
            "UPDATE dispatches SET state = 'failed' WHERE id = $1 AND state = 'running'", effect.dispatch_id
        )

    async def say(self, *reference, answer=None, number=1, **options):
        return await by_hand(
            self.settings, number, reference=list(reference), answer=answer or {}, actor="ann", **options
        )

    async def state(self):
        """The state of the effect, and of each dispatch."""
        async with self.database.acquire() as connection:
            effect = await store.read(connection, 1)
        rows = await self.database.fetch("SELECT state FROM dispatches ORDER BY seq")
        return effect["state"], [row["state"] for row in rows]


@pytest.fixture
def bench(database, database_settings):
    return Bench(database, database_settings)


async def test_a_step_that_the_vendor_refused_is_done_by_hand_and_its_run_goes_on(bench, database):
    effect = bench.effect(await bench.dispatch())
    await bench.fails(effect)

    noted = await bench.say("A", "B")
    outcome = await bench.run(effect)

    assert (1, ["A", "B"], ("done", ["dispatched"])) == (bench.sent, outcome.reference, await bench.state())
    assert noted.startswith(f"Noted for license of order 7: {BY_HAND}. Its run goes on at ")
    delivery = await database.fetchval("SELECT delivery_id FROM dispatches")
    assert [("effect", "done", "ann", BY_HAND), ("dispatch", "dispatched", "ann", BY_HAND)] == [
        (row["subject"], row["became"], row["actor"], row["reason"])
        for row in (await audit.trail(database, delivery))[-2:]
    ]


async def test_every_delivery_that_failed_over_it_goes_on_and_no_other(bench, database):
    effect = bench.effect(await bench.dispatch())
    await bench.dispatch("same order", "failed")
    await bench.dispatch("set aside", "discarded")
    done = await bench.dispatch("done", "done")
    await bench.fails(effect)

    noted = await bench.say("A", "B")

    assert ("done", ["dispatched", "dispatched", "discarded", "done"]) == await bench.state()
    assert "The 2 runs that waited for it go on" in noted
    assert 0 == await database.fetchval("SELECT replays FROM dispatches WHERE id = $1", done)


async def test_an_uncertain_step_is_done_by_hand_too(bench, database):
    effect = bench.effect(await bench.dispatch())
    await bench.fails(effect, Lost("lost"))
    await database.execute("UPDATE dispatches SET state = 'dispatched'")
    await bring(database, "dispatches", "uncertain")
    await database.execute("UPDATE dispatches SET waits_for = 1")

    await bench.say("A", "B")

    assert ("done", ["dispatched"]) == await bench.state()


async def test_a_step_that_its_run_has_left_is_done_by_hand(bench):
    """Its answer was lost, it could be looked for, and its run gave up."""

    async def find():
        return None

    effect = bench.effect(await bench.dispatch())
    await bench.fails(effect, Lost("lost"), readback=find)

    await bench.say("A", "B")

    assert ("done", ["dispatched"]) == await bench.state()


@pytest.mark.parametrize("state", ["running", "dispatched", "held"])
async def test_a_step_at_which_a_run_may_still_be_is_not(bench, database, state):
    async def find():
        return None

    effect = bench.effect(await bench.dispatch())
    with pytest.raises(Lost):
        await bench.run(effect, Lost("lost"), readback=find)
    await bring(database, "dispatches", state)

    with pytest.raises(HooklineError, match="its run is at it, or waits for it"):
        await bench.say("A", "B")

    assert ("intended", [state]) == await bench.state()


@pytest.mark.parametrize("reference", [[], ["A"], ["A", "A"], ["A", "B", "C"]], ids=str)
async def test_what_later_steps_need_must_be_there(bench, reference):
    await bench.fails(bench.effect(await bench.dispatch()))

    with pytest.raises(HooklineError, match=r"brings 2 vendor references .* give 2, not"):
        await bench.say(*reference)

    assert ("failed", ["failed"]) == await bench.state()


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({}, "later steps need of it: Count, InvoiceID"),
        ({"InvoiceID": "x", "Count": ""}, "later steps need of it: Count"),
        ({"InvoiceID": "x", "Count": "many"}, "Count of v.o is a number, and 'many' is none"),
    ],
    ids=str,
)
async def test_the_fields_of_a_record_must_be_there(bench, answer, complaint):
    await bench.fails(bench.effect(await bench.dispatch(), expected=0, needs=RECORD))

    with pytest.raises(HooklineError, match=complaint):
        await bench.say(answer=answer)

    assert ("failed", ["failed"]) == await bench.state()


async def test_a_record_reaches_the_run_as_the_vendor_would_have_answered(bench):
    effect = bench.effect(await bench.dispatch(), expected=0, needs=RECORD)
    await bench.fails(effect)

    await bench.say(answer={"InvoiceID": "x", "Count": "3", "InvoiceNo": "100123"})

    assert {"InvoiceID": "x", "Count": 3, "InvoiceNo": "100123"} == (await bench.run(effect)).answer


async def test_a_dry_run_says_the_same_and_changes_nothing(bench, database):
    await bench.fails(bench.effect(await bench.dispatch()))
    changes = await database.fetchval("SELECT count(*) FROM changes")

    would = await bench.say("A", "B", dry_run=True)

    assert ("failed", ["failed"]) == await bench.state()
    assert changes == await database.fetchval("SELECT count(*) FROM changes")
    said, noted = [text.partition(" goes on at ")[0] for text in (would, await bench.say("A", "B"))]
    assert said == f"Nothing is noted yet. {noted}"


async def test_two_clicks_at_once_note_it_once(bench, database):
    await bench.fails(bench.effect(await bench.dispatch()))

    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    async with database.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM effects FOR UPDATE")
        clicks = [asyncio.create_task(bench.say("A", "B")) for _ in range(3)]
        while await database.fetchval(waiting) < len(clicks):
            await asyncio.sleep(0.02)
    noted = await asyncio.gather(*clicks)

    assert ["Noted for license of", "license of order 7 is", "license of order 7 is"] == sorted(
        (each[:21].strip() for each in noted), key=str.islower
    )
    assert 1 == await database.fetchval("SELECT count(*) FROM changes WHERE subject = 'effect'")


async def test_what_is_done_is_not_done_by_hand_with_other_references(bench):
    await bench.fails(bench.effect(await bench.dispatch()))
    await bench.say("A", "B")

    with pytest.raises(HooklineError, match="is done; only what failed or is uncertain"):
        await bench.say("A", "C")


async def test_there_is_no_such_effect(bench):
    with pytest.raises(HooklineError, match="There is no effect 7"):
        await bench.say(number=7)


async def test_an_order_that_was_changed_since_is_a_conflict_and_nothing_is_sent(bench):
    effect = bench.effect(await bench.dispatch())
    await bench.fails(effect)
    await bench.say("A", "B")

    with pytest.raises(EffectConflict):
        await bench.run(replace(effect, request={"n": 2}))

    assert 1 == bench.sent


async def test_without_a_delivery_it_says_how_the_run_goes_on(bench):
    await bench.fails(bench.effect())

    assert "Retry its run in the Prefect UI" in await bench.say("A", "B")


async def test_a_word_that_it_happened_is_still_for_uncertain_ones_only(bench):
    await bench.fails(bench.effect(await bench.dispatch()))

    with pytest.raises(HooklineError, match="only uncertain ones"):
        await resolve(bench.settings, 1, happened=True, reference=["A", "B"], actor="ann")


async def test_the_page_of_the_delivery_offers_it_and_notes_it(bench, database, database_settings):
    browser = Browser(database_settings)
    await browser.log_in()
    await bench.fails(bench.effect(await bench.dispatch(), needs=RECORD))
    address = f"/deliveries/{await database.fetchval('SELECT id FROM deliveries')}"

    before = (await browser.get(address)).text
    wrong = await browser.post(
        "/effects/1/resolve", {"happened": "by hand", "reference": "A", "back": address}
    )
    form = {
        "happened": "by hand",
        "reference": "A\n\nB\n",
        "answer": "InvoiceID = x\nCount=3",
        "back": address,
    }
    question = await browser.post("/effects/1/resolve", form)
    state = await bench.state()
    noted = await browser.post("/effects/1/resolve", form | {CONFIRMED: "yes"})
    again = await browser.post("/effects/1/resolve", form | {CONFIRMED: "yes"})

    assert "I did it by hand" in before
    assert "Count=\nInvoiceID=\n" in before
    assert (409, True) == (wrong.status_code, "give 2, not 1" in wrong.text)
    assert (200, ("failed", ["failed"])) == (question.status_code, state)
    assert "It was done by hand: license of order 7?" in question.text
    assert [(303, address)] * 2 == [(each.status_code, each.headers["location"]) for each in (noted, again)]
    assert ("done", ["dispatched"]) == await bench.state()
    assert "I did it by hand" not in (await browser.get(address)).text


async def test_nobody_says_so_without_a_log_in(bench, database_settings):
    await bench.fails(bench.effect(await bench.dispatch()))

    await Browser(database_settings).post("/effects/1/resolve", {"happened": "by hand", "reference": "A\nB"})

    assert ("failed", ["failed"]) == await bench.state()


async def test_a_replay_of_what_was_done_by_hand_repeats_nothing(bench, database):
    effect = bench.effect(await bench.dispatch())
    await bench.fails(effect)
    await bench.say("A", "B")
    await bring(database, "dispatches", "done")
    async with database.acquire() as connection:
        ids = [row["id"] for row in await database.fetch("SELECT id FROM deliveries")]
        await commands.replay(connection, ids, actor="ann")

    assert (["A", "B"], 1) == ((await bench.run(effect)).reference, bench.sent)
