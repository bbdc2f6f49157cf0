"""The journal: intended, sent, done, and everything that can happen between."""

import asyncio
import pickle
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from pydantic import SecretStr

from hookline import context
from hookline.database import DatabaseUnavailable, embedded, high_water, lent, pool
from hookline.database.connection import outside
from hookline.errors import HooklineError
from hookline.journal import (
    CountReadback,
    Effect,
    EffectBusy,
    EffectConflict,
    EffectLanding,
    EffectUncertain,
    Journal,
    Outcome,
    fence,
    late_check,
    locks,
    store,
)
from hookline.journal.resolution import resolve


class Lost(Exception):
    """The answer was lost: the vendor may have acted."""

    transient = True
    maybe_applied = True


class NotSent(Exception):
    """The vendor was not reached."""

    transient = True
    maybe_applied = False


class RefusedByVendor(Exception):
    """The vendor said no."""

    transient = False
    maybe_applied = False


class Vendor:
    """A vendor of one kind of thing, which acts and then may lose its answer."""

    def __init__(self):
        self.things = []
        self.sent = 0
        self.fail = []

    async def send(self):
        self.sent += 1
        error = self.fail.pop(0) if self.fail else None
        if error is None or isinstance(error, Lost):
            self.things.append(f"thing-{len(self.things) + 1}")
        if error is not None:
            raise error
        return Outcome([self.things[-1]])

    async def find(self):
        return Outcome([self.things[-1]]) if self.things else None

    async def count(self):
        return set(self.things)


@pytest.fixture
def vendor():
    return Vendor()


def effect(step="mail", key="order-1", expected=0, **request):
    return Effect(
        workflow="test",
        key=key,
        step=step,
        label=f"order {key}",
        operation="vendor.act",
        request=request or {"to": "a"},
        expected=expected,
    )


async def landed(journal, *args, **options):
    """Run an effect as a task does, which tries again once an earlier attempt can no longer appear."""
    while True:
        try:
            return await journal.run(*args, **options)
        except EffectLanding as landing:
            await asyncio.sleep(landing.retry_after)


async def state_of(database, number=1):
    async with database.acquire() as connection:
        return (await store.read(connection, number))["state"]


async def test_a_write_that_is_done_is_not_sent_again(database, database_settings, vendor):
    first = await Journal(database_settings).run(effect(), vendor.send)
    second = await Journal(database_settings).run(effect(), vendor.send)

    assert (1, ["thing-1"], ["thing-1"]) == (vendor.sent, first.reference, second.reference)


async def test_a_lost_answer_is_read_back_before_anything_is_sent_again(database, database_settings, vendor):
    vendor.fail = [Lost()]
    with pytest.raises(Lost):
        await Journal(database_settings).run(effect(), vendor.send, readback=vendor.find)

    found = await Journal(database_settings).run(effect(), vendor.send, readback=vendor.find)

    assert (1, ["thing-1"], "done") == (vendor.sent, found.reference, await state_of(database))


async def test_what_a_readback_does_not_find_is_sent_again(database, database_settings, vendor):
    with pytest.raises(Lost):
        await Journal(database_settings).run(effect(), lost_on_the_way, readback=vendor.find)

    done = await landed(Journal(database_settings), effect(), vendor.send, readback=vendor.find)

    assert ["thing-1"] == done.reference == vendor.things


async def test_a_lost_answer_that_cannot_be_read_back_is_uncertain_and_never_repeated(
    database, database_settings, vendor
):
    vendor.fail = [Lost()]
    with pytest.raises(EffectUncertain, match="hookline effects resolve 1"):
        await Journal(database_settings).run(effect(), vendor.send)

    with pytest.raises(EffectUncertain):
        await Journal(database_settings).run(effect(), vendor.send)

    assert (1, "uncertain") == (vendor.sent, await state_of(database))


async def test_an_error_that_says_nothing_of_itself_may_have_been_applied(
    database, database_settings, vendor
):
    """The most important default: a bug in our own code, behind a request that has left, must not send it twice."""
    vendor.fail = [ValueError("a bug")]
    with pytest.raises(EffectUncertain, match="a bug"):
        await Journal(database_settings).run(effect(), vendor.send)

    with pytest.raises(EffectUncertain):
        await Journal(database_settings).run(effect(), vendor.send)

    assert (1, "uncertain") == (vendor.sent, await state_of(database))


async def test_after_an_error_that_says_nothing_of_itself_the_write_is_read_back(
    database, database_settings, vendor
):
    async def acts_and_breaks():
        await vendor.send()
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await Journal(database_settings).run(effect(), acts_and_breaks, readback=vendor.find)

    found = await Journal(database_settings).run(effect(), vendor.send, readback=vendor.find)

    assert (1, ["thing-1"]) == (vendor.sent, found.reference)


class Unreadable(Lost):
    """The answer came, and nobody can read it."""

    transient = False
    retry_after = None


async def test_after_an_answer_that_cannot_be_read_the_write_is_looked_for_at_once(
    database, database_settings, vendor
):
    vendor.fail = [Unreadable()]

    found = await Journal(database_settings).run(effect(), vendor.send, readback=vendor.find)

    assert (1, ["thing-1"], "done") == (vendor.sent, found.reference, await state_of(database))


async def test_what_is_not_found_after_an_answer_that_cannot_be_read_is_tried_again_when_it_would_have_landed(
    database, database_settings, vendor
):
    async def refused_in_words():
        raise Unreadable

    with pytest.raises(Unreadable) as unreadable:
        await Journal(database_settings).run(effect(), refused_in_words, readback=vendor.find)
    done = await landed(Journal(database_settings), effect(), vendor.send, readback=vendor.find)

    again = (unreadable.value.transient, unreadable.value.retry_after)
    assert ((True, database_settings.landing_seconds), ["thing-1"]) == (again, done.reference)


async def test_what_a_count_finds_after_an_answer_that_cannot_be_read_is_only_what_is_new(
    database, database_settings, vendor
):
    vendor.things = ["somebody's"]
    vendor.fail = [Unreadable()]
    readback = CountReadback("things of company 1", vendor.count)

    found = await Journal(database_settings).run(
        effect("license", expected=1), vendor.send, readback=readback
    )

    assert (["thing-2"], "done") == (found.reference, await state_of(database))


async def test_a_later_attempt_that_is_refused_because_an_earlier_one_landed_is_done(database, slow, vendor):
    with pytest.raises(Lost):
        await slow.run(effect(), lost_on_the_way, readback=vendor.find)
    await let_pass(database, 61)

    async def refused_as_there():
        vendor.things.append("landed just now")
        raise RefusedByVendor("is there already")

    found = await slow.run(effect(), refused_as_there, readback=vendor.find)

    assert (["landed just now"], "done") == (found.reference, await state_of(database))


# Time -------------------------------------------------------------------------------------------------------


@pytest.fixture
def slow(database_settings):
    """A journal of vendors whose writes may appear a minute after nobody waits for them any more."""
    return Journal(database_settings.model_copy(update={"landing_seconds": 60.0}))


async def lost_on_the_way():
    raise Lost


async def let_pass(database, seconds):
    """Let so many seconds pass for all that is written down."""
    await database.execute(
        """
        UPDATE effects SET attempted_at = attempted_at - make_interval(secs => $1),
            given_up_at = given_up_at - make_interval(secs => $1), check_at = check_at - make_interval(secs => $1),
            clock = NULL   -- as if another machine looked
        """,
        seconds,
    )


async def test_what_is_not_there_yet_is_not_sent_again_before_it_can_no_longer_come(database, slow, vendor):
    with pytest.raises(Lost):
        await slow.run(effect(), lost_on_the_way, readback=vendor.find)
    await let_pass(database, 55)
    with pytest.raises(EffectLanding) as landing:
        await slow.run(effect(), vendor.send, readback=vendor.find)
    sent_before = vendor.sent
    await let_pass(database, 6)

    done = await slow.run(effect(), vendor.send, readback=vendor.find)

    assert (0, True, ["thing-1"]) == (sent_before, 3 < landing.value.retry_after <= 5, done.reference)


async def test_what_lands_late_is_adopted_the_moment_it_is_there(database, slow, vendor):
    with pytest.raises(Lost):
        await slow.run(effect(), lost_on_the_way, readback=vendor.find)
    vendor.things.append("late")

    found = await slow.run(effect(), vendor.send, readback=vendor.find)

    assert (["late"], 0) == (found.reference, vendor.sent)


async def test_the_wait_counts_from_when_our_side_stopped_waiting(database, slow, vendor):
    """A call that hung for longer than the landing time has not landed for that."""

    async def hangs():
        await let_pass(database, 300)
        raise Lost

    with pytest.raises(Lost):
        await slow.run(effect(), hangs, readback=vendor.find)

    with pytest.raises(EffectLanding) as landing:
        await slow.run(effect(), vendor.send, readback=vendor.find)
    assert landing.value.retry_after > 55


async def test_of_a_dead_process_it_counts_from_when_it_could_have_waited_last(
    database, database_settings, slow, vendor
):
    async def killed():
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await slow.run(effect(), killed, readback=vendor.find)
    await let_pass(database, store.MAY_LEAVE_SECONDS + database_settings.call_seconds + 57)
    with pytest.raises(EffectLanding):
        await slow.run(effect(), vendor.send, readback=vendor.find)
    await let_pass(database, 4)

    done = await slow.run(effect(), vendor.send, readback=vendor.find)

    assert ["thing-1"] == done.reference


async def test_a_clock_that_was_set_back_an_hour_makes_no_wait_longer_than_the_landing_time(
    database, slow, vendor
):
    with pytest.raises(Lost):
        await slow.run(effect(), lost_on_the_way, readback=vendor.find)
    await let_pass(database, -3600)

    with pytest.raises(EffectLanding) as landing:
        await slow.run(effect(), vendor.send, readback=vendor.find)

    assert 60 <= landing.value.retry_after <= 60 + store.MAY_LEAVE_SECONDS


async def test_on_one_machine_no_clock_that_is_set_shortens_or_lengthens_the_wait(database, slow, vendor):
    with pytest.raises(Lost):
        await slow.run(effect(), lost_on_the_way, readback=vendor.find)
    waits = []
    for hours in (1, -2):
        set_forward = "UPDATE effects SET given_up_at = given_up_at - $1::interval"
        await database.execute(set_forward, timedelta(hours=hours))
        with pytest.raises(EffectLanding) as landing:
            await slow.run(effect(), vendor.send, readback=vendor.find)
        waits.append(landing.value.retry_after)

    assert all(55 < each <= 60 for each in waits)


async def test_a_vendor_s_own_landing_time_goes_before_the_common_one(database, slow, vendor):
    quick = replace(effect(), landing_seconds=0.0)
    with pytest.raises(Lost):
        await slow.run(quick, lost_on_the_way, readback=vendor.find)

    done = await slow.run(quick, vendor.send, readback=vendor.find)

    assert ["thing-1"] == done.reference


async def test_what_lands_late_of_one_order_is_not_counted_for_the_next(database, slow, vendor):
    readback = CountReadback("things of company 1", vendor.count)
    with pytest.raises(Lost):
        await slow.run(effect("license", "order-1", 1), lost_on_the_way, readback=readback)
    with pytest.raises(EffectLanding, match="order-1"):
        await slow.run(effect("license", "order-2", 1), vendor.send, readback=readback)
    vendor.things.append("late-1")
    await let_pass(database, 61)

    second = await slow.run(effect("license", "order-2", 1), vendor.send, readback=readback)
    first = await slow.run(effect("license", "order-1", 1), vendor.send, readback=readback)

    assert (["late-1"], ["thing-2"], 1) == (first.reference, second.reference, vendor.sent)


async def test_a_request_leaves_only_while_the_journal_can_say_when(
    database, database_settings, vendor, monkeypatch
):
    """A process that stood still goes on where it was, and its session at PostgreSQL is gone."""

    async def stands_still():
        monkeypatch.setattr(fence, "now", lambda: time.monotonic() + 3600)
        await database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        )
        await asyncio.sleep(0.1)
        await context.leaving()
        return await vendor.send()

    monkeypatch.setattr(fence, "now", time.monotonic)
    with pytest.raises(DatabaseUnavailable):
        await Journal(database_settings).run(effect(), stands_still, readback=vendor.find)

    assert 0 == vendor.sent


async def test_a_request_that_leaves_late_is_written_down_again_first(database, slow, vendor):
    async def late_and_lost():
        await let_pass(database, 50)
        fence_now = fence.now
        fence.now = lambda: fence_now() + 50
        try:
            await context.leaving()
        finally:
            fence.now = fence_now
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await slow.run(effect(), late_and_lost, readback=vendor.find)

    with pytest.raises(EffectLanding) as landing:
        await slow.run(effect(), vendor.send, readback=vendor.find)
    assert landing.value.retry_after > 60


async def test_a_request_that_leaves_late_is_remembered_outside_first(
    database, database_settings, vendor, monkeypatch
):
    """Else a database of between the two would not be known for an older one, nor when the request left."""
    seen = []

    async def leaves_late():
        monkeypatch.setattr(fence, "now", lambda: time.monotonic() + 5)
        await context.leaving()
        remembered = outside(database_settings).marks()  # first: a new connection would remember it, too
        position = await high_water.position(database)
        seen.append((position.mark, remembered[position.lineage]))
        return await vendor.send()

    monkeypatch.setattr(fence, "now", time.monotonic)
    await Journal(database_settings).run(effect(), leaves_late)

    [(there, remembered)] = seen
    assert there.attempts == remembered.attempts


async def test_a_request_whose_attempt_the_database_has_forgotten_does_not_leave(
    database, database_settings, vendor, monkeypatch
):
    async def leaves_late():
        await database.execute("DELETE FROM effects")
        monkeypatch.setattr(fence, "now", lambda: time.monotonic() + 5)
        await context.leaving()
        return await vendor.send()

    monkeypatch.setattr(fence, "now", time.monotonic)
    with pytest.raises(context.NotSent, match="the database has forgotten it"):
        await Journal(database_settings).run(effect(), leaves_late, readback=vendor.find)

    assert 0 == vendor.sent


@pytest.mark.parametrize(
    "error",
    [
        EffectUncertain(7, "mail of order 1", "The answer was lost."),
        EffectLanding("mail of order 1", "the answer was lost", 9.0),
    ],
)
def test_an_error_of_the_journal_survives_being_stored(error):
    again = pickle.loads(pickle.dumps(error))

    assert (type(error), str(error), vars(error)) == (type(again), str(again), vars(again))


async def test_every_run_that_met_an_uncertain_effect_waits_for_its_number_until_it_is_resolved(
    database, database_settings, vendor
):
    first, second, other = uuid4(), uuid4(), uuid4()
    vendor.fail = [Lost()]
    for run in (first, second):
        with pytest.raises(EffectUncertain) as uncertain:
            await Journal(database_settings).run(replace(effect(), flow_run_id=run), vendor.send)

    waits = [await store.uncertain_of(database, run) for run in (first, second, other, None)]
    await resolve(database_settings, 1, happened=True, reference=[], actor="ann")
    afterwards = [await store.uncertain_of(database, run) for run in (first, second)]

    assert (1, [1, 1, None, None], [None, None]) == (uncertain.value.effect_id, waits, afterwards)


async def test_a_run_waits_for_what_a_flow_within_it_met(database, database_settings, vendor):
    """That one has a flow run of its own; they have the dispatch in common."""
    run, inner = uuid4(), uuid4()
    dispatch = await database.fetchval(
        """
        WITH delivery AS (INSERT INTO deliveries (source, external_id, method, query, headers, content_type, state)
                          VALUES ('s', '1', 'POST', '{}', '{}', '', 'running') RETURNING id)
        INSERT INTO dispatches (delivery_id, source, route, deployment, parameters, flow_run_id)
        SELECT id, 's', 'r', 'f/d', '{}', $1 FROM delivery RETURNING id
        """,
        run,
    )
    met = replace(effect(), flow_run_id=inner, dispatch_id=dispatch)
    vendor.fail = [Lost()]
    with pytest.raises(EffectUncertain):
        await Journal(database_settings).run(met, vendor.send)

    assert 1 == await store.uncertain_of(database, run)


async def test_a_route_may_choose_to_send_again_what_cannot_be_read_back(database, database_settings, vendor):
    vendor.fail = [Lost()]
    with pytest.raises(Lost):
        await Journal(database_settings).run(effect(), vendor.send, resend=True)

    await Journal(database_settings).run(effect(), vendor.send, resend=True)

    assert (2, "done") == (vendor.sent, await state_of(database))


async def test_what_certainly_did_not_happen_is_sent_again_without_a_readback(
    database, database_settings, vendor
):
    vendor.fail = [NotSent()]
    with pytest.raises(NotSent):
        await Journal(database_settings).run(effect(), vendor.send)

    await Journal(database_settings).run(effect(), vendor.send)

    assert (2, "done") == (vendor.sent, await state_of(database))


async def test_a_refusal_is_written_down_and_may_be_tried_again_once_corrected(
    database, database_settings, vendor
):
    vendor.fail = [RefusedByVendor("no such product")]
    with pytest.raises(RefusedByVendor):
        await Journal(database_settings).run(effect(), vendor.send)
    refused = await state_of(database)

    await Journal(database_settings).run(effect(), vendor.send)

    assert ("failed", "done") == (refused, await state_of(database))


async def test_the_same_step_with_another_request_is_refused_naming_both(database, database_settings, vendor):
    await Journal(database_settings).run(effect(codes=1), vendor.send)

    with pytest.raises(EffectConflict, match=r"codes.*1 then, 2 now"):
        await Journal(database_settings).run(effect(codes=2), vendor.send)

    assert 1 == vendor.sent


@pytest.mark.parametrize("error", [NotSent(), RefusedByVendor("no such product")])
async def test_what_changed_nothing_may_be_corrected_and_sent_with_another_request(
    database, database_settings, vendor, error
):
    vendor.fail = [error]
    with pytest.raises(type(error)):
        await Journal(database_settings).run(effect(codes=1), vendor.send)

    await Journal(database_settings).run(effect(codes=2), vendor.send)

    row = await database.fetchrow("SELECT * FROM effects")
    assert ("done", {"codes": 2}, effect(codes=2).digest) == (row["state"], row["request"], row["digest"])


async def test_what_may_have_been_done_is_not_sent_with_another_request(database, database_settings, vendor):
    vendor.fail = [Lost()]
    with pytest.raises(Lost):
        await Journal(database_settings).run(effect(codes=1), vendor.send, readback=vendor.find)

    with pytest.raises(EffectConflict):
        await Journal(database_settings).run(effect(codes=2), vendor.send, readback=vendor.find)

    assert 1 == vendor.sent


async def test_a_killed_process_leaves_an_intention_that_the_next_one_looks_for(
    database, database_settings, vendor
):
    async def killed():
        vendor.things.append("thing-1")
        raise asyncio.CancelledError  # what no handler of ours may take for an answer

    with pytest.raises(asyncio.CancelledError):
        await Journal(database_settings).run(effect(), killed, readback=vendor.find)
    intended = await state_of(database)

    found = await Journal(database_settings).run(effect(), vendor.send, readback=vendor.find)

    assert ("intended", ["thing-1"], 0) == (intended, found.reference, vendor.sent)


async def test_two_runs_at_one_effect_send_it_once(database, database_settings, vendor):
    async def slowly():
        await asyncio.sleep(0.1)
        return await vendor.send()

    outcomes = await asyncio.gather(*(Journal(database_settings).run(effect(), slowly) for _ in range(8)))

    assert (1, [["thing-1"]] * 8) == (vendor.sent, [outcome.reference for outcome in outcomes])


async def test_the_lock_falls_with_the_connection_of_a_killed_process(database, connect, vendor):
    dead = await connect()
    await locks.lock(dead, "effect of somebody")
    dead.terminate()

    async with database.acquire() as connection:
        await locks.lock(connection, "effect of somebody")

    assert dead.is_closed()


async def test_the_locks_fall_when_the_connection_is_given_back(database, database_settings, connect):
    async with lent(database_settings) as connection:
        await locks.lock(connection, "effect of somebody")

    other = await connect()
    await locks.lock(other, "effect of somebody")
    await other.close()


@asynccontextmanager
async def cut_wire(settings, folder):
    """The same database by a wire that brings its last word and not the end: settings that lead there."""
    socket = next(embedded.socket_dir(settings.home).glob(".s.PGSQL.*[0-9]"))
    writers, pumps = [], []

    async def connected(reader, writer):
        from_server, to_server = await asyncio.open_unix_connection(socket)
        writers.extend((writer, to_server))
        pumps.extend(
            asyncio.create_task(pump(*pair)) for pair in ((reader, to_server), (from_server, writer))
        )

    async def pump(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)

    listening = await asyncio.start_unix_server(connected, folder / socket.name)
    there = SecretStr(f"postgresql://postgres@/hookline?host={folder}&port={socket.name.rpartition('.')[2]}")
    theirs = settings.model_copy(update={"database_url": there})
    try:
        yield theirs
    finally:
        (await pool(theirs)).terminate()
        listening.close()
        for writer in writers:
            writer.close()
        for running in pumps:
            running.cancel()
        await asyncio.gather(*pumps, *(each.wait_closed() for each in writers), return_exceptions=True)


async def test_where_the_connection_falls_the_first_error_is_the_one_to_report(
    database, database_settings, tmp_path
):
    async def work(settings):
        async with lent(settings) as connection:
            await locks.lock(connection, "effect of somebody")
            await terminate(database, connection)
            raise LookupError

    async with cut_wire(database_settings, tmp_path) as settings:
        with pytest.raises(LookupError):
            await work(settings)


async def test_a_connection_that_falls_is_a_database_that_is_away_and_worth_another_try(
    database, database_settings, tmp_path
):
    async def work(settings):
        async with lent(settings) as connection:
            await terminate(database, connection)
            await connection.fetchval("SELECT $1::int", 1)

    async with cut_wire(database_settings, tmp_path) as settings:
        with pytest.raises(
            DatabaseUnavailable, match=r"Cannot reach the PostgreSQL server: .* Check"
        ) as away:
            await work(settings)
        async with lent(settings) as connection:
            again = await connection.fetchval("SELECT 1")

    assert (True, 1) == (away.value.transient, again)


async def terminate(database, connection):
    """End a session, as a restart of PostgreSQL does; its end of the wire has heard it."""
    await database.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
    await asyncio.sleep(0.1)


async def test_what_a_vendor_did_is_written_down_though_the_connection_fell_meanwhile(
    database, database_settings, vendor
):
    async def cut_off():
        await database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        )
        return await vendor.send()

    outcome = await Journal(database_settings).run(effect(), cut_off)

    assert (["thing-1"], "done") == (outcome.reference, await state_of(database))


async def test_a_lock_that_another_holds_too_long_says_so_and_is_worth_another_try(
    database, connect, monkeypatch
):
    monkeypatch.setattr(locks, "LOCK_TIMEOUT", "50ms")
    other = await connect()
    await locks.lock(other, "effect of somebody")
    async with database.acquire() as connection:
        with pytest.raises(EffectBusy) as busy:
            await locks.lock(connection, "effect of somebody")
    await other.close()

    assert busy.value.transient


async def test_a_count_finds_what_is_new_among_what_was_there(database, database_settings, vendor):
    vendor.things = ["bought-long-ago"]
    vendor.fail = [Lost()]
    readback = CountReadback("things of company 1", vendor.count)
    with pytest.raises(Lost):
        await Journal(database_settings).run(effect("license", expected=1), vendor.send, readback=readback)

    found = await Journal(database_settings).run(
        effect("license", expected=1), vendor.send, readback=readback
    )

    assert (["thing-2"], 1) == (found.reference, vendor.sent)


async def test_a_count_does_not_take_what_another_order_got_meanwhile(database, database_settings, vendor):
    readback = CountReadback("things of company 1", vendor.count)

    with pytest.raises(Lost):
        await Journal(database_settings).run(
            effect("license", "order-1", 1), lost_on_the_way, readback=readback
        )
    other = await landed(
        Journal(database_settings), effect("license", "order-2", 1), vendor.send, readback=readback
    )

    own = await landed(
        Journal(database_settings), effect("license", "order-1", 1), vendor.send, readback=readback
    )

    assert (["thing-1"], ["thing-2"]) == (other.reference, own.reference)


async def test_a_count_waits_for_a_later_write_that_is_not_resolved(database, database_settings, vendor):
    readback = CountReadback("things of company 1", vendor.count)

    with pytest.raises(Lost):
        await Journal(database_settings).run(
            effect("license", "order-1", 1), lost_on_the_way, readback=readback
        )
    vendor.fail = [Lost()]
    with pytest.raises(Lost):
        await landed(
            Journal(database_settings), effect("license", "order-2", 1), vendor.send, readback=readback
        )

    with pytest.raises(EffectBusy, match="order-2"):
        await Journal(database_settings).run(effect("license", "order-1", 1), vendor.send, readback=readback)
    later = await Journal(database_settings).run(
        effect("license", "order-2", 1), vendor.send, readback=readback
    )
    earlier = await landed(
        Journal(database_settings), effect("license", "order-1", 1), vendor.send, readback=readback
    )

    assert (["thing-1"], ["thing-2"]) == (later.reference, earlier.reference)


async def test_a_count_that_finds_nothing_new_waits_for_no_later_write_with_which_nobody_goes_on(
    database, database_settings, vendor
):
    """The order of the later one is set aside, and both requests were lost on their way."""
    readback = CountReadback("things of company 1", vendor.count)
    for number in (1, 2):
        with pytest.raises(Lost):
            await landed(
                Journal(database_settings),
                effect("license", f"order-{number}", 1),
                lost_on_the_way,
                readback=readback,
            )

    earlier = await landed(
        Journal(database_settings), effect("license", "order-1", 1), vendor.send, readback=readback
    )

    assert (["thing-1"], 1) == (earlier.reference, vendor.sent)


async def test_a_count_that_finds_more_than_was_asked_for_asks_a_person(database, database_settings, vendor):
    readback = CountReadback("things of company 1", vendor.count)
    vendor.fail = [Lost()]
    with pytest.raises(Lost):
        await Journal(database_settings).run(effect("license", expected=1), vendor.send, readback=readback)
    vendor.things.append("made-by-hand-meanwhile")

    with pytest.raises(EffectUncertain, match="made-by-hand-meanwhile"):
        await Journal(database_settings).run(effect("license", expected=1), vendor.send, readback=readback)

    assert 1 == vendor.sent


async def test_fewer_references_than_were_asked_for_ask_a_person(database, database_settings, vendor):
    with pytest.raises(EffectUncertain, match="2 were asked for and 1 came"):
        await Journal(database_settings).run(effect("license", expected=2), vendor.send)

    assert "uncertain" == await state_of(database)


async def test_a_person_resolves_that_it_happened_and_it_is_not_sent(database, database_settings, vendor):
    vendor.fail = [Lost()]
    with pytest.raises(EffectUncertain):
        await Journal(database_settings).run(effect(expected=1), vendor.send)

    await resolve(database_settings, 1, happened=True, reference=["thing-1"], actor="ann")
    known = await Journal(database_settings).run(effect(expected=1), vendor.send)

    assert (["thing-1"], 1) == (known.reference, vendor.sent)


async def test_a_person_resolves_that_it_is_to_be_sent_again(database, database_settings, vendor):
    vendor.fail = [Lost()]
    with pytest.raises(EffectUncertain):
        await Journal(database_settings).run(effect(), vendor.send)

    noted = await resolve(database_settings, 1, happened=False, reference=[], actor="ann")
    await Journal(database_settings).run(effect(), vendor.send)

    assert "it is to be sent again. Retry its run in the Prefect UI to go on" in noted
    assert (2, "done") == (vendor.sent, await state_of(database))


@pytest.mark.parametrize(
    ("number", "reference", "complaint"),
    [(99, [], "no effect 99"), (1, [], "give 1, not 0"), (1, ["a", "b"], "give 1, not 2")],
)
async def test_resolving_needs_an_uncertain_effect_and_the_right_references(
    database, database_settings, vendor, number, reference, complaint
):
    vendor.fail = [Lost()]
    with pytest.raises(EffectUncertain):
        await Journal(database_settings).run(effect(expected=1), vendor.send)

    with pytest.raises(HooklineError, match=complaint):
        await resolve(database_settings, number, happened=True, reference=reference, actor="ann")


async def test_what_is_done_is_not_resolved(database, database_settings, vendor):
    await Journal(database_settings).run(effect(), vendor.send)

    with pytest.raises(HooklineError, match="only uncertain ones are resolved"):
        await resolve(database_settings, 1, happened=True, reference=[], actor="ann")


async def test_a_person_who_was_wrong_to_send_a_counted_write_again_is_found_out(
    database, database_settings, vendor
):
    """The code was there when a person said that it was not: the next attempt must not take it for an old one."""
    readback = CountReadback("things of company 1", vendor.count)
    write = replace(effect("license", expected=1), call={"task": "any"})
    vendor.fail = [Lost()]
    with pytest.raises(Lost):
        await Journal(database_settings).run(write, vendor.send, readback=readback)
    vendor.things.append("made-by-hand-meanwhile")
    with pytest.raises(EffectUncertain):
        await Journal(database_settings).run(write, vendor.send, readback=readback)
    vendor.things.remove("made-by-hand-meanwhile")
    await resolve(database_settings, 1, happened=False, reference=[], actor="ann")

    await Journal(database_settings).run(write, vendor.send, readback=readback)
    async with database.acquire() as connection:
        row = await store.read(connection, 1)
    surplus = await late_check.check(database_settings, row, readback, "undo it")

    assert (["thing-2"], ["thing-1"]) == (row["reference"], surplus)


@pytest.mark.parametrize(("state", "is_wait"), [("dispatched", True), ("failed", False)])
async def test_waiting_for_a_later_write_that_goes_on_by_itself_uses_up_no_attempt(
    database, database_settings, vendor, state, is_wait
):
    """As in a vendor's bad night: the later order waits for hours, and the earlier one must not fail of it."""
    readback = CountReadback("things of company 1", vendor.count)
    earlier, later = effect("license", "order-1", 1), effect("license", "order-2", 1)
    dispatch_id = await database.fetchval(
        """
        WITH delivery AS (
            INSERT INTO deliveries (source, external_id, method, query, headers, content_type, state)
            VALUES ('s', '1', 'POST', '{}', '{}', '', 'running') RETURNING id)
        INSERT INTO dispatches (delivery_id, source, route, deployment, parameters, state)
        SELECT id, 's', 'r', 'f/d', '{}', $1 FROM delivery RETURNING id
        """,
        state,
    )

    with pytest.raises(Lost):
        await Journal(database_settings).run(earlier, lost_on_the_way, readback=readback)
    vendor.fail = [Lost()]
    with pytest.raises(Lost):
        await landed(
            Journal(database_settings),
            replace(later, dispatch_id=dispatch_id),
            vendor.send,
            readback=readback,
        )

    with pytest.raises(EffectBusy, match="order-2") as busy:
        await Journal(database_settings).run(earlier, vendor.send, readback=readback)

    assert is_wait == busy.value.is_wait
