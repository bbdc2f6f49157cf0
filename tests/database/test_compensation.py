"""A business whose rule says no gives back what it did: once, in reverse, through every crash; and only its own."""

import asyncio
import pickle
from dataclasses import replace
from uuid import uuid4

import pytest

from hookline.journal import (
    BusinessFailure,
    CompensationStep,
    CountReadback,
    Effect,
    EffectBusy,
    EffectError,
    EffectLanding,
    EffectUncertain,
    Journal,
    Outcome,
    Saga,
    store,
)
from hookline.journal.resolution import keep, resolve

RULE = "the customer is over its credit limit"
NO = BusinessFailure(RULE)


class Lost(Exception):
    """The answer was lost: the vendor may have acted."""

    transient = True
    maybe_applied = True


class Killed(BaseException):
    """What nobody catches."""


class Vendor:
    """A vendor where things are made and given back, in an order that is seen."""

    def __init__(self):
        self.things = []
        self.log = []
        self.fail = {}

    async def act(self, verb, thing):
        before, error = self.fail.pop((verb, thing), (False, None))
        if error is None or not before:
            self.log.append(f"{verb} {thing}")
            (self.things.append if verb == "make" else self.things.remove)(thing)
        if error is not None:
            raise error

    def break_off(self, verb, thing, error, *, before=False):
        """Let it be acted upon and then fail; or fail before anything is done."""
        self.fail[verb, thing] = (before, error)


async def landed(run):
    """Run an effect as a task does, which tries again once an earlier attempt can no longer appear."""
    while True:
        try:
            return await run()
        except EffectLanding as landing:
            await asyncio.sleep(landing.retry_after)


class BusinessKey:
    """A business of one customer at that vendor, as one run does it."""

    def __init__(self, settings, vendor, key="order-1", run=None):
        self.settings, self.vendor, self.key = settings, vendor, key
        self.run = run or uuid4()
        self.ended = False
        self.number = 0
        self.steps = []

    def effect(self, step, *, key=None, depends_on=(), operation="vendor.make"):
        return Effect(
            workflow="test",
            key=key or self.key,
            step=step,
            label=key or self.key,
            operation=operation,
            request={"thing": step},
            flow_run_id=self.run,
            depends_on=depends_on,
            generation=0 if key else self.number,
        )

    async def make(self, step, thing, *, key=None, depends_on=(), compensated=True):
        async def send():
            await self.vendor.act("make", thing)
            return Outcome([thing])

        async def readback():
            return Outcome([thing]) if thing in self.vendor.things else None

        await Journal(self.settings).run(
            self.effect(step, key=key, depends_on=depends_on), send, readback=readback
        )
        if compensated:
            self.steps.append(self.compensate(step, thing, key))

    def compensate(self, step, thing, key=None):
        call = {"inputs": {"thing": thing}}
        return CompensationStep("test", key or self.key, step, "vendor.remove", "remove", call)

    async def perform(self, row):
        thing = row["call"]["inputs"]["thing"]

        async def send():
            await self.vendor.act("remove", thing)
            return Outcome()

        async def readback():
            return None if thing in self.vendor.things else Outcome()

        effect = replace(self.effect(row["step"], operation="vendor.remove"), generation=row["generation"])
        look = None if thing.startswith("mail") else readback
        await landed(lambda: Journal(self.settings).run(effect, send, readback=look))

    @property
    def saga(self):
        async def ended_with(_rule):
            return self.ended

        return Saga(
            self.settings,
            "test",
            self.key,
            self.key,
            perform=self.perform,
            flow_run_id=self.run,
            ended_with=ended_with,
        )

    async def enter(self):
        self.number, self.steps = await self.saga.enter(), []

    async def refuse(self):
        return await self.saga.compensate(NO, self.steps, self.number)


@pytest.fixture
def vendor():
    return Vendor()


@pytest.fixture
def order(database, database_settings, vendor):
    """A run of order-1; another run of it, or of another order, where that is said."""

    def run(key="order-1", **more):
        return BusinessKey(database_settings, vendor, key, **more)

    return run


@pytest.fixture
def states(database):
    async def read():
        rows = await database.fetch("SELECT step, state FROM effects ORDER BY id")
        return [f"{row['step']}: {row['state']}" for row in rows]

    return read


async def license_and_seat(run):
    await run.enter()
    await run.make("license", "code")
    await run.make("seat", "chair")


async def test_what_was_done_is_undone_in_reverse_and_the_journal_says_so(order, vendor, states):
    run = order()
    await license_and_seat(run)

    failure = await run.refuse()

    assert ["make code", "make chair", "remove chair", "remove code"] == vendor.log
    assert [
        "license: undone",
        "seat: undone",
        "undo 2: remove: done",
        "undo 1: remove: done",
    ] == await states()
    assert f"{RULE}. Given back: seat of order-1 (chair); license of order-1 (code)." == str(failure)


async def test_a_failure_survives_being_stored(order, vendor):
    run = order()
    await license_and_seat(run)

    failure = await run.refuse()

    again = pickle.loads(pickle.dumps(failure))
    assert (str(failure), failure.rule, failure.undone) == (str(again), again.rule, again.undone)


async def test_a_no_before_anything_was_done_undoes_nothing(order, states):
    run = order()
    await run.enter()

    assert (NO, []) == (await run.refuse(), await states())


async def test_what_has_no_step_of_its_own_counts_as_undone_with_the_rest(order, vendor, states):
    run = order()
    await run.enter()
    await run.make("license", "code")
    await run.make("terms", "paper", compensated=False)

    await run.refuse()

    assert ["license: undone", "terms: undone", "undo 1: remove: done"] == await states()


async def test_what_stands_outside_of_it_is_not_undone(order, vendor, states):
    run = order()
    await run.make("greeting", "card", compensated=False)
    await run.enter()
    await run.make("license", "code")

    await run.refuse()

    assert ["greeting: done", "license: undone", "undo 2: remove: done"] == await states()


async def test_one_thing_may_take_several_steps_and_is_undone_with_the_last(order, vendor, states):
    run = order()
    await run.enter()
    await run.make("license", "code")
    vendor.things.append("second code")
    run.steps.append(run.compensate("license", "second code"))
    vendor.break_off("remove", "code", Lost(), before=True)

    with pytest.raises(Lost):
        await run.refuse()
    between = await states()
    again = order(run=run.run)
    with pytest.raises(BusinessFailure):
        await again.enter()

    assert ["license: done", "undo 1: remove: done", "undo 1: remove (2): intended"] == between
    assert ["license: undone", "undo 1: remove: done", "undo 1: remove (2): done"] == await states()


@pytest.mark.parametrize("before", [True, False], ids=["before it acted", "after it acted"])
@pytest.mark.parametrize("thing", ["chair", "code"])
async def test_killed_in_the_middle_of_undoing_the_same_run_goes_on_though_the_rule_would_pass_now(
    order, vendor, states, thing, before
):
    run = order()
    await license_and_seat(run)
    vendor.break_off("remove", thing, Killed(), before=before)
    with pytest.raises(Killed):
        await run.refuse()

    resumed = order(run=run.run)
    with pytest.raises(BusinessFailure, match=RULE) as failure:
        await resumed.enter()  # before any rule is asked

    assert ["make code", "make chair", "remove chair", "remove code"] == vendor.log
    assert ("seat of order-1 (chair)", "license of order-1 (code)") == failure.value.undone
    assert {"done", "undone"} == {line.split(": ")[-1] for line in await states()}


async def test_that_undoing_began_is_written_down_before_the_first_step(order, vendor, states):
    run = order()
    await license_and_seat(run)
    vendor.break_off("remove", "chair", Killed(), before=True)

    with pytest.raises(Killed):
        await run.refuse()

    steps = ["undo 2: remove: intended", "undo 1: remove: intended"]
    assert ["license: done", "seat: done", *steps] == await states()


async def test_an_answer_lost_in_an_undo_is_looked_for_and_nothing_is_given_back_twice(order, vendor):
    run = order()
    await license_and_seat(run)
    vendor.break_off("remove", "chair", Lost())
    with pytest.raises(Lost):
        await run.refuse()

    with pytest.raises(BusinessFailure):
        await order(run=run.run).enter()

    assert ["remove chair", "remove code"] == vendor.log[2:]


async def test_an_undo_that_nobody_can_know_of_is_uncertain_until_a_person_resolves_it(
    order, vendor, states, database_settings
):
    run = order()
    await run.enter()
    await run.make("license", "code")
    await run.make("letter", "mail 1")
    vendor.break_off("remove", "mail 1", Lost())
    with pytest.raises(EffectUncertain, match="hookline effects resolve 3"):
        await run.refuse()
    uncertain = await states()
    with pytest.raises(EffectUncertain):
        await order(run=run.run).enter()

    await resolve(database_settings, 3, happened=True, reference=[], actor="ann")
    with pytest.raises(BusinessFailure):
        await order(run=run.run).enter()

    assert ["letter: done", "undo 2: remove: uncertain", "undo 1: remove: intended"] == uncertain[1:]
    assert ["license: undone", "letter: undone"] == (await states())[:2]
    assert ["remove mail 1", "remove code"] == vendor.log[2:]


async def test_a_run_that_had_its_no_has_it_again_when_it_is_resumed(order, vendor):
    """It may have been killed between the undoing and its end."""
    run = order()
    await license_and_seat(run)
    first = await run.refuse()

    with pytest.raises(BusinessFailure) as failure:
        await order(run=run.run).enter()

    assert (str(first), 4) == (str(failure.value), len(vendor.log))


async def test_a_run_of_one_step_that_had_its_no_has_it_again_and_a_replay_begins_the_next_generation(order):
    run, replay = order(), order()
    await run.enter()
    await run.make("license", "code")
    await run.refuse()

    with pytest.raises(BusinessFailure):
        await order(run=run.run).enter()
    await replay.enter()

    assert (1, 2) == (run.number, replay.number)


@pytest.mark.parametrize("same_run", [False, True], ids=["a replay", "a retry of a run that had ended"])
async def test_begun_again_by_a_person_it_is_done_again_and_undone_again(order, vendor, states, same_run):
    run = order()
    await license_and_seat(run)
    await run.refuse()

    again = order(run=run.run) if same_run else order()
    again.ended = same_run
    await license_and_seat(again)
    between = await states()
    await again.refuse()

    assert ["license: done", "seat: done"] == between[4:]
    assert vendor.log[:4] * 2 == vendor.log
    assert ["license: undone", "seat: undone"] == [
        line for line in (await states())[4:] if "undo " not in line
    ]


async def test_committed_it_stays_and_a_later_no_is_reported_to_a_person(order, vendor, states):
    run = order()
    await license_and_seat(run)
    await run.saga.commit()

    later = order()
    await license_and_seat(later)
    with pytest.raises(EffectError, match=rf"from an earlier run.*although now: {RULE}"):
        await later.refuse()

    assert (["make code", "make chair"], ["license: done", "seat: done"]) == (vendor.log, await states())


async def test_another_run_of_the_business_goes_on_undoing_and_then_begins_again(order, vendor):
    killed = order()
    await license_and_seat(killed)
    vendor.break_off("remove", "chair", Killed())
    with pytest.raises(Killed):
        await killed.refuse()

    other = order()
    await license_and_seat(other)

    assert ["remove chair", "remove code", "make code", "make chair"] == vendor.log[2:]


async def test_while_it_is_being_undone_nothing_else_is_done_for_the_business(order, vendor):
    killed = order()
    await license_and_seat(killed)
    vendor.break_off("remove", "chair", Killed())
    with pytest.raises(Killed):
        await killed.refuse()

    with pytest.raises(EffectError, match=r"order-1 is being undone.*compensated"):
        await order().make("letter", "mail 1")

    assert "make mail 1" not in vendor.log


# What others depend on -----------------------------------------------------------------------------------


async def company_and_license(run):
    await run.enter()
    await run.make("company", "Acme", key="customer-1")
    await run.make("license", f"code of {run.key}", depends_on=("Acme",))


async def test_what_another_business_depends_on_is_kept(order, vendor, states):
    first, second = order("order-1"), order("order-2")
    await company_and_license(first)
    await company_and_license(second)

    failure = await first.refuse()

    assert ["Acme", "code of order-2"] == vendor.things
    assert ("company of customer-1 (Acme), for license of order-2 depends on it",) == failure.kept
    assert ["undo 2: remove: done", "undo 1: remove: kept"] == (await states())[3:]


async def test_what_another_run_made_is_left_to_it(order, vendor):
    first, second = order("order-1"), order("order-2")
    await first.enter()
    await first.make("company", "Acme", key="customer-1")
    await company_and_license(second)

    failure = await second.refuse()

    assert (["Acme"], ("license of order-2 (code of order-2)",)) == (vendor.things, failure.undone)


async def test_what_was_given_back_itself_keeps_nothing(order, vendor):
    first, second = order("order-1"), order("order-2")
    await company_and_license(first)
    await company_and_license(second)
    await second.refuse()

    await first.refuse()

    assert [] == vendor.things


async def test_what_the_business_itself_built_upon_it_keeps_nothing(order, vendor):
    run = order()
    await run.enter()
    await run.make("company", "Acme", key="customer-1")
    await run.make("terms", "paper", depends_on=("Acme",), compensated=False)

    failure = await run.refuse()

    assert (["paper"], ()) == (vendor.things, failure.kept)


async def test_what_did_not_come_about_keeps_nothing(order, vendor):
    class Refused(Exception):
        maybe_applied = False

    first, second = order("order-1"), order("order-2")
    await company_and_license(first)
    vendor.break_off("make", "code of order-2", Refused(), before=True)
    with pytest.raises(Refused):
        await company_and_license(second)

    await first.refuse()

    assert [] == vendor.things


async def test_what_is_kept_serves_the_next_generation_and_may_be_undone_with_it(order, vendor, states):
    first, second = order("order-1"), order("order-2")
    await company_and_license(first)
    await company_and_license(second)
    await first.refuse()
    await second.refuse()

    again = order("order-1", run=first.run)
    again.ended = True
    await company_and_license(again)
    await again.refuse()

    assert (1, 1) == (vendor.log.count("make Acme"), vendor.log.count("remove Acme"))
    assert [] == vendor.things


async def test_nothing_is_built_upon_what_is_being_undone(order, vendor):
    first, second = order("order-1"), order("order-2")
    await company_and_license(first)
    vendor.break_off("remove", "Acme", Lost(), before=True)
    with pytest.raises(Lost):
        await first.refuse()

    with pytest.raises(EffectBusy, match=r"company of customer-1 \(effect 1\) is being undone") as busy:
        await company_and_license(second)

    assert (True, 1) == (busy.value.transient, sum(line.startswith("make code") for line in vendor.log))


async def test_nothing_is_built_upon_what_was_undone_meanwhile(order, vendor):
    first, second = order("order-1"), order("order-2")
    await company_and_license(first)
    await second.enter()
    await first.refuse()

    with pytest.raises(EffectError, match=r"which was undone meanwhile\. Run this again"):
        await second.make("license", "code of order-2", depends_on=("Acme",))

    await company_and_license(second)
    assert ["Acme", "code of order-2"] == vendor.things


async def test_whoever_comes_just_before_the_undoing_is_seen_by_it(order, vendor):
    """The other's effect is written down before it looks; the undoing's step before it looks too."""
    first, second = order("order-1"), order("order-2")
    await company_and_license(first)
    await second.enter()
    vendor.break_off("remove", "code of order-1", Killed())
    with pytest.raises(Killed):
        await first.refuse()
    with pytest.raises(EffectBusy):
        await second.make("license", "code of order-2", depends_on=("Acme",))

    with pytest.raises(BusinessFailure) as failure:
        await order("order-1", run=first.run).enter()
    await second.make("license", "code of order-2", depends_on=("Acme",))

    assert (["Acme", "code of order-2"], 1) == (vendor.things, len(failure.value.kept))


# Mistakes of a flow ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 2], ids=["planned last", "planned first"])
async def test_a_step_that_was_never_done_is_said_so_and_nothing_is_undone(order, vendor, states, place):
    """All steps are written down in one transaction, or none is."""
    run = order()
    await license_and_seat(run)
    run.steps.insert(place, run.compensate("lisense", "code"))

    with pytest.raises(EffectError, match="order-1 has nothing done at the step 'lisense'"):
        await run.refuse()

    assert (["license: done", "seat: done"], 2) == (await states(), len(vendor.log))


async def test_an_undo_that_goes_past_the_journal_is_said_so(order, vendor):
    run = order()
    await license_and_seat(run)

    async def nothing(_row):
        """Does no effect."""

    run.perform = nothing
    with pytest.raises(EffectError, match="did not go through the journal as that step"):
        await run.refuse()


# The count of what was undone -----------------------------------------------------------------------------


async def test_a_count_does_not_take_what_another_order_got_meanwhile_and_gave_back_where_it_stands_on(
    database, database_settings, order, vendor
):
    async def lost_on_the_way():
        raise Lost

    async def draw():
        vendor.things.append(f"code {len(vendor.things) + 1}")
        return Outcome([vendor.things[-1]])

    async def count():
        return set(vendor.things)

    readback = CountReadback("codes", count)
    first, second = (Effect("test", key, "license", key, "vendor.draw", {}, expected=1) for key in ("a", "b"))
    with pytest.raises(Lost):
        await Journal(database_settings).run(first, lost_on_the_way, readback=readback)
    journal = Journal(database_settings)
    await landed(lambda: journal.run(second, draw, readback=readback))
    await database.execute("UPDATE effects SET state = 'undone' WHERE key = 'b'")  # disabled, but not gone

    own = await landed(lambda: journal.run(first, draw, readback=readback))

    assert ["code 2"] == own.reference


async def test_a_count_takes_what_was_given_back_before_and_drawn_again(database, database_settings, vendor):
    stock = ["code"]

    async def draw_and_lose():
        vendor.things.append(stock.pop())
        raise Lost

    async def count():
        return set(vendor.things)

    readback = CountReadback("taken", count)
    effect = Effect("test", "a", "license", "a", "vendor.draw", {}, expected=1)
    with pytest.raises(Lost):
        await Journal(database_settings).run(effect, draw_and_lose, readback=readback)
    await Journal(database_settings).run(effect, draw_and_lose, readback=readback)
    stock.append(vendor.things.pop())
    await database.execute("UPDATE effects SET state = 'undone'")

    with pytest.raises(Lost):
        await Journal(database_settings).run(effect, draw_and_lose, readback=readback)
    again = await Journal(database_settings).run(effect, draw_and_lose, readback=readback)

    assert (["code"], []) == (again.reference, stock)


# For people ------------------------------------------------------------------------------------------------


async def test_the_audit_trail_says_what_was_undone_and_what_was_kept(database, order, vendor):
    first, second = order("order-1"), order("order-2")
    await company_and_license(first)
    await company_and_license(second)

    await first.refuse()

    rows = await database.fetch("SELECT was, became, reason FROM changes ORDER BY id")
    assert [
        ("done", "undone", f"license of order-1: {RULE}"),
        ("intended", "kept", "undo 1: remove of order-1: license of order-2 depends on it"),
    ] == [tuple(row) for row in rows]


async def test_what_was_undone_is_found_by_its_state_its_key_and_its_reference(database, order, vendor):
    run = order()
    await license_and_seat(run)
    await run.refuse()

    async with database.acquire() as connection:
        found = [
            [row["step"] for row in await store.find(connection, state=state, key=key)]
            for state, key in (("undone", None), (None, "code"), ("done", "order-1"))
        ]

    assert [["license", "seat"], ["license"], ["undo 2: remove", "undo 1: remove"]] == found


async def test_two_that_undo_at_once_do_each_step_once(order, vendor):
    run = order()
    await license_and_seat(run)
    vendor.break_off("remove", "chair", Killed(), before=True)
    with pytest.raises(Killed):
        await run.refuse()

    ended = await asyncio.gather(*(order(run=run.run).enter() for _ in range(3)), return_exceptions=True)

    assert [BusinessFailure] * 3 == [type(each) for each in ended]
    assert ["remove chair", "remove code"] == vendor.log[2:]


async def doubled(database, step, surplus):
    """What a late check writes down."""
    async with database.acquire() as connection:
        number = await connection.fetchval("SELECT id FROM effects WHERE step = $1", step)
        await store.doubled(connection, number, [surplus], "too many", next_after=None)
    return number


async def test_what_was_found_doubled_is_undone_all_the_same_and_its_surplus_stays_to_be_decided(
    database, database_settings, order, vendor, states
):
    run = order()
    await license_and_seat(run)
    number = await doubled(database, "license", "late-code")

    failure = await run.refuse()

    assert ["remove chair", "remove code"] == vendor.log[2:]
    assert "license of order-1 (code)" in str(failure)
    assert "license: doubled" in await states()
    again = order()
    await again.enter()
    with pytest.raises(EffectError, match=f"hookline effects undo {number}"):
        await again.make("license", "code")
    await keep(database_settings, number, actor="ann")
    assert "license: undone" in await states()
    await again.make("license", "code")
    assert ["code"] == vendor.things


async def test_what_is_found_doubled_while_it_is_being_undone_does_not_stop_that(
    database, order, vendor, states
):
    run = order()
    await license_and_seat(run)
    vendor.break_off("remove", "chair", Killed())
    with pytest.raises(Killed):
        await run.refuse()
    await doubled(database, "license", "late-code")

    with pytest.raises(BusinessFailure):
        await run.enter()

    assert [] == vendor.things
    assert {"license: doubled", "undo 1: remove: done"} <= {*await states()}


async def test_what_a_doubled_effect_depends_on_is_kept(database, order, vendor, states):
    run, other = order(), order("order-2")
    await run.enter()
    await run.make("company", "ACME")
    await other.make("license", "code", depends_on=("ACME",), compensated=False)
    await doubled(database, "license", "late-code")

    failure = await run.refuse()

    assert ["code", "ACME"] == sorted(vendor.things, reverse=True)
    assert "Kept" in str(failure)
