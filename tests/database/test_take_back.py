"""What a person decided about an effect is taken back until something is built on it, and not a moment longer."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from random import Random

import asyncpg
import pytest
from rows import bring
from test_by_hand import Bench, Lost, Refused

from hookline.errors import HooklineError
from hookline.inbox import audit, commands, dispatches
from hookline.journal import EffectUncertain, Journal, Outcome, choices, store
from hookline.journal.effect import EffectBusy
from hookline.journal.resolution import keep, resolve, take_back, undo

LEASE = timedelta(seconds=60)
UNCHANGED = (
    "state, reason, reference, answer, attempted_at, given_up_at, finished_at, waiting, check_at, surplus, decided, "
    "undo_actor, undo_surplus, call"
)


class Case(Bench):
    """An order whose step is uncertain, and its dispatch that waits for a person."""

    async def uncertain(self, *, expected=0):
        self.dispatch_id = await self.dispatch()
        self.step = self.effect(self.dispatch_id, expected=expected)
        with pytest.raises(EffectUncertain):
            await self.run(self.step, Lost("the answer was lost"))
        await self.database.execute(
            "UPDATE dispatches SET state = 'uncertain', waits_for = 1, reason = 'It is not known.', unbatched = false"
        )

    async def doubled(self):
        """Its effect was done, and the vendor has it once too often."""
        self.dispatch_id = await self.dispatch()
        self.step = self.effect(self.dispatch_id, expected=1)
        await self.run(self.step)
        await bring(self.database, "dispatches", "done", "id = $1", self.dispatch_id)
        async with self.database.acquire() as connection:
            await store.doubled(connection, 1, ["c-2"], "once too often", next_after=None)

    async def resolve(self, *, happened, reference=()):
        return await resolve(self.settings, 1, happened=happened, reference=list(reference), actor="ann")

    async def take_back(self):
        return await take_back(self.settings, 1, actor="bob")

    async def due(self):
        """Let the time be over in which it can be taken back."""
        await self.database.execute("UPDATE dispatches SET not_before = now()")

    async def claim(self):
        return await dispatches.claim(self.database, "engine", limit=1, lease=LEASE)

    async def rows(self):
        """The effect and its dispatches, as far as a decision changes them."""
        effect = await self.database.fetchrow(f"SELECT {UNCHANGED} FROM effects WHERE id = 1")
        runs = await self.database.fetch(
            "SELECT state, reason, waits_for, unbatched, finished_at, attempts FROM dispatches ORDER BY seq"
        )
        return effect, runs


@pytest.fixture
def case(database, database_settings):
    return Case(database, database_settings)


@pytest.mark.parametrize("happened", [True, False])
async def test_a_word_is_taken_back_and_all_is_as_it_was(case, database, happened):
    await case.uncertain()
    before = await case.rows()
    await case.resolve(happened=happened)
    between = await case.state()

    noted = await case.take_back()

    assert (("done" if happened else "intended"), ["dispatched"]) == between
    assert before == await case.rows()
    assert "Nobody knows again whether it happened" in noted
    delivery = await database.fetchval("SELECT delivery_id FROM dispatches")
    said = "it happened" if happened else "it is to be sent again"
    assert [("effect", "uncertain", "bob"), ("dispatch", "uncertain", "bob")] == [
        (row["subject"], row["became"], row["actor"])
        for row in await audit.trail(database, delivery)
        if row["reason"] == f"taken back: {said}"
    ]


async def test_what_was_done_by_hand_is_taken_back_with_every_run_that_went_on_behind_it(case):
    case.step = case.effect(await case.dispatch())
    await case.fails(case.step)
    await case.dispatch("same order", "failed")
    before = await case.rows()
    await case.say("A", "B")
    between = await case.state()

    await case.take_back()

    assert ("done", ["dispatched", "dispatched"]) == between
    assert before == await case.rows()


async def test_a_run_that_failed_goes_on_behind_what_was_done_by_hand_only_when_its_time_is_over(case):
    case.step = case.effect(await case.dispatch())
    await case.fails(case.step)
    await case.say("A", "B")
    early = await case.claim()
    await case.due()

    assert ([], 1) == (early, len(await case.claim()))


async def test_a_double_that_was_kept_is_one_again(case):
    await case.doubled()
    before = await case.rows()
    await keep(case.settings, 1, actor="ann")
    between = await case.state()

    await case.take_back()

    assert ("done", ["done"]) == between
    assert before == await case.rows()


async def test_an_undo_that_did_not_begin_is_taken_back_and_in_the_audit_trail(case, database):
    await case.doubled()
    before = await case.rows()
    await undo(case.settings, 1, surplus=["c-2"], actor="ann")
    due_before = await store.requested_undos(database)

    await case.take_back()

    assert ([], before) == (due_before, await case.rows())
    delivery = await database.fetchval("SELECT delivery_id FROM dispatches")
    assert ["license of order 7: undo c-2", "license of order 7: not to be undone after all"] == [
        row["reason"].removeprefix("taken back: ")
        for row in await audit.trail(database, delivery)
        if row["was"] == row["became"]
    ]


async def test_an_undo_that_began_is_not_taken_back(case, database):
    await case.doubled()
    await undo(case.settings, 1, surplus=["c-2"], actor="ann")
    begun = await store.begin_undo(database, 1, "engine 1")

    with pytest.raises(HooklineError, match=r"too late.*was used by engine 1"):
        await case.take_back()

    assert ["c-2"] == begun["undo_surplus"]


async def test_an_undo_that_was_taken_back_does_not_begin(case, database):
    await case.doubled()
    await undo(case.settings, 1, surplus=["c-2"], actor="ann")
    await case.take_back()

    assert await store.begin_undo(database, 1, "engine 1") is None


async def test_no_engine_claims_what_waits_for_the_time_to_take_it_back(case):
    await case.uncertain()
    await case.resolve(happened=True)

    early = await case.claim()
    await case.due()

    assert ([], [case.dispatch_id]) == (early, [row["id"] for row in await case.claim()])


async def test_without_that_time_it_goes_on_at_once(case):
    case.settings = case.settings.model_copy(update={"take_back_seconds": 0})
    await case.uncertain()

    noted = await case.resolve(happened=True)

    assert (True, 1) == (noted.endswith("Its run goes on now."), len(await case.claim()))


async def test_what_an_engine_claimed_is_not_taken_back(case):
    await case.uncertain()
    await case.resolve(happened=True)
    await case.due()
    await case.claim()

    with pytest.raises(
        HooklineError, match=r"too late to take back that license of order 7: it happened\. .* went on"
    ):
        await case.take_back()

    assert ("done", ["running"]) == await case.state()


async def test_what_a_run_has_used_is_not_taken_back(case):
    """Any run that goes on from it, also one that is in no inbox."""
    await case.uncertain()
    await case.resolve(happened=True)
    await case.run(replace(case.step, dispatch_id=None))

    with pytest.raises(HooklineError, match="was used by"):
        await case.take_back()


@pytest.mark.parametrize("read", ["outcome_of", "steps"])
async def test_what_a_flow_has_read_in_the_journal_is_not_taken_back(case, read):
    await case.uncertain()
    await case.resolve(happened=True)
    await getattr(Journal(case.settings), read)("order-to-license", "7", "license")

    with pytest.raises(HooklineError, match="was used by"):
        await case.take_back()


async def test_what_is_sent_again_is_not_taken_back(case):
    await case.uncertain()
    await case.resolve(happened=False)
    await case.run(case.step)

    with pytest.raises(HooklineError, match="was used by"):
        await case.take_back()

    assert 2 == case.sent


async def test_what_was_begun_behind_it_is_named(case):
    await case.uncertain()
    await case.resolve(happened=True)
    await case.run(replace(case.step, step="order note", expected=0))

    with pytest.raises(HooklineError, match="Built on it: order note of order 7 was begun"):
        await case.take_back()


async def test_a_delivery_that_was_set_aside_meanwhile_is_not_taken_up_again(case, database):
    await case.uncertain()
    await case.resolve(happened=True)
    async with database.acquire() as connection:
        ids = [row["id"] for row in await connection.fetch("SELECT id FROM deliveries")]
        await commands.discard(connection, ids, actor="ann", reason="a test")

    with pytest.raises(HooklineError, match="was set aside"):
        await case.take_back()


async def test_it_is_taken_back_once_and_decided_again(case):
    await case.uncertain()
    await case.resolve(happened=True)
    await case.take_back()

    with pytest.raises(HooklineError, match="is uncertain, and no decision about it can be taken back"):
        await case.take_back()
    await case.resolve(happened=False)

    assert ("intended", ["dispatched"]) == await case.state()


async def test_the_open_decisions_are_those_that_can_be_taken_back(case, database):
    await case.uncertain()
    await case.resolve(happened=True)
    before = [row["what"] for row in await store.open_decisions(database)]
    await case.due()
    await case.claim()

    assert (["it happened"], []) == (before, await store.open_decisions(database))


@pytest.mark.parametrize("seed", range(12))
async def test_taken_back_or_gone_on_and_never_both(case, database, seed):
    """Engines and a retried run race with two people who take it back, each at a moment of its own."""
    random = Random(seed)
    await case.uncertain()
    await case.resolve(happened=random.random() < 0.5)
    await case.due()

    async def at_some_time(act):
        await asyncio.sleep(random.uniform(0, 0.02))
        try:
            return await act()
        except (HooklineError, asyncpg.PostgresError) as error:
            return error

    async def go_on():
        return await case.run(replace(case.step, dispatch_id=None))

    claimed, again, used, *taken = await asyncio.gather(
        *(at_some_time(act) for act in (case.claim, case.claim, go_on, case.take_back, case.take_back))
    )
    is_taken_back = any(isinstance(each, str) for each in taken)
    effect, [dispatch] = await case.state()

    claims = [*claimed, *again]
    went_on = bool(claims) or isinstance(used, Outcome)
    assert [] == [each for each in (*taken, used) if isinstance(each, asyncpg.PostgresError)]
    assert all(isinstance(each, str | HooklineError) for each in taken)
    assert isinstance(used, Outcome | EffectUncertain | EffectBusy)
    assert is_taken_back != went_on
    if is_taken_back:
        assert ("uncertain", "uncertain") == (effect, dispatch)
    assert len(claims) <= 1


async def test_whom_it_concerns_and_what_follows_is_told_before(case, database):
    case.dispatch_id = await case.dispatch()
    mail = replace(
        case.effect(case.dispatch_id),
        step="mail",
        operation="sensorpro.trigger_email",
        expected=0,
        about={"mail to": "ann@harbour.example", "name": "Ann Lee"},
    )
    with pytest.raises(EffectUncertain):
        await case.run(mail, Lost("the answer was lost"))
    await database.execute(
        "UPDATE dispatches SET state = 'uncertain', waits_for = 1, label = 'order 7 · Harbour Print', "
        """about = '{"order": "7", "customer": "C-9"}'"""
    )
    async with database.acquire() as connection:
        happened, again = [
            await choices.choice(case.settings, connection, 1, name) for name in ("happened", "send again")
        ]

    assert {
        "for": "order 7 · Harbour Print",
        "mail to": "ann@harbour.example",
        "name": "Ann Lee",
        "order": "7",
        "customer": "C-9",
        "vendor": "sensorpro",
    } == happened.facts
    runs = "Its run goes on after 30 seconds; until then you can take it back."
    assert ["No second mail is sent.", runs] == happened.follows
    assert [
        "The mail is sent again to ann@harbour.example. If the first one did arrive, it comes twice.",
        runs,
    ] == (again.follows)


async def test_what_follows_for_a_double_is_told_before_and_for_a_single_one_refused(case, database):
    await case.doubled()
    async with database.acquire() as connection:
        undone, kept = [await choices.choice(case.settings, connection, 1, name) for name in ("undo", "keep")]
        await database.execute("UPDATE effects SET reference = '{}' WHERE id = 1")
        nameless = await choices.choice(case.settings, connection, 1, "undo")
        await keep(case.settings, 1, actor="ann")
        for name in ("undo", "keep"):
            with pytest.raises(HooklineError, match="is done; only what is doubled"):
                await choices.choice(case.settings, connection, 1, name)

    begins = "An engine begins after 30 seconds; until then you can take it back."
    stays = "stays. Once that began, nothing brings it back."
    assert [f"c-2 is taken back at v, and of the vendor {stays}", begins] == undone.follows
    assert [f"c-2 is taken back at v, and the first {stays}", begins] == nameless.follows
    assert [
        "Nothing is taken back at v: c-2 stays, too.",
        "You can take it back.",
    ] == kept.follows


async def test_how_many_runs_go_on_is_told_before(case, database):
    case.step = case.effect(await case.dispatch())
    await case.fails(case.step)
    await case.dispatch("same order", "failed")
    async with database.acquire() as connection:
        by_hand, happened = [
            (await choices.choice(case.settings, connection, 1, name)).follows[-1]
            for name in ("by hand", "happened")
        ]

    assert "2 runs that wait for it go on after 30 seconds; until then you can take it back." == by_hand
    assert happened.startswith("No run of the inbox waits for it")


async def test_a_mail_that_was_corrected_concerns_the_address_it_was_sent_to(case, database):
    dispatch = await case.dispatch()
    mail = replace(case.effect(dispatch), expected=0, about={"mail to": "old@harbour.example"})
    await case.fails(mail, Refused("no such mailbox"))

    await case.run(replace(mail, about={"mail to": "new@harbour.example"}))

    assert {"mail to": "new@harbour.example"} == await database.fetchval("SELECT about FROM effects")
