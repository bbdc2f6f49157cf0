"""What runs wait for: found by an index, race-free, kept until it was used, and seen on both sides."""

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from rows import arrival

from hookline.engine.waits import backfill
from hookline.errors import ConfigurationError, HooklineError
from hookline.hooks import Hooks, load_hooks
from hookline.inbox import audit, commands, deliveries, dispatches
from hookline.inbox.retention import prune
from hookline.settings import Settings
from hookline.waits import matching, store
from hookline.waits.errors import WaitChanged
from hookline.waits.store import Answer, NewWait

DAY = timedelta(days=1)
SOURCE = "sources: {zentitle: {scheme: shared-secret}, other: {scheme: shared-secret}}\nroutes: {}\n"


@pytest.fixture
def hooks(tmp_path):
    (tmp_path / "hooks.yaml").write_text(SOURCE)
    return load_hooks(tmp_path / "hooks.yaml")


@pytest.fixture
def route(hooks, route_received):
    async def route(**changed):
        return await route_received(hooks, {}, **changed)

    return route


@pytest.fixture
def comes(database):
    """A delivery that is received, not yet routed."""

    async def comes(body, source="zentitle", *, ago=None):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        receipt = await deliveries.accept(database, arrival(uuid4().hex, source=source, body=raw))
        if ago:
            await database.execute(
                "UPDATE deliveries SET received_at = now() - $2::interval WHERE id = $1", receipt.id, ago
            )
        return receipt.id

    return comes


@pytest.fixture
def waits(database):
    """A run that begins to wait, as `wait_for` does."""

    async def waits(match, source="zentitle", **changed):
        return await store.begin(database, new_wait(match, source, **changed))

    return waits


def new_wait(
    match, source="zentitle", *, run=None, name=None, timeout=DAY, since=timedelta(0), dispatch=None
):
    conditions, run = matching.conditions_of(match), run or uuid4()
    what = matching.in_words(source, conditions)
    return NewWait(
        scope=f"flow run {run}",
        name=name or what,
        kind="delivery",
        fingerprint=what,
        what=what,
        flow_run_id=run,
        dispatch_id=dispatch,
        began=datetime.now(UTC),
        timeout=timeout,
        source=source,
        conditions=conditions,
        match_key=matching.digest(source, conditions),
        since=since,
    )


def asks(run=None, *, people=("anna",), later=(), timeout=DAY, dispatch=None, scope=None):
    run = run or uuid4()
    return NewWait(
        scope=scope or f"flow run {run}",
        name="approval",
        kind="answer",
        fingerprint="approval",
        what="an answer of anna",
        flow_run_id=run,
        dispatch_id=dispatch,
        began=datetime.now(UTC),
        timeout=timeout,
        form={"type": "object"},
        people=people,
        later=later,
    )


async def compared(database):
    """What came before was looked at."""
    await database.execute("UPDATE waits SET backfill_from = NULL")


async def state_of(database, row):
    return await database.fetchval("SELECT state FROM waits WHERE id = $1", row["id"])


async def held_dispatch(database, comes, flow_run_id):
    """A dispatch whose run is suspended."""
    delivery = await comes({})
    async with database.acquire() as connection:
        await dispatches.add_all(connection, [dispatches.NewDispatch(delivery, "r", "f/d", {}, None)])
    await database.execute(
        "UPDATE dispatches SET flow_run_id = $2 WHERE delivery_id = $1", delivery, flow_run_id
    )
    for state in ("running", "held"):
        await database.execute("UPDATE dispatches SET state = $2 WHERE delivery_id = $1", delivery, state)
    return await database.fetchrow("SELECT * FROM dispatches WHERE delivery_id = $1", delivery)


async def test_a_delivery_answers_the_run_that_waits_for_it_and_no_other(database, waits, comes, route):
    mine = await waits({"body.code": "A-1", "body.n": 7})
    others = [await waits({"body.code": "A-2", "body.n": 7}), await waits({"body.code": "A-1"}, "other")]
    found = await comes({"code": "A-1", "n": "7"})
    await route()

    row = await store.read(database, mine["id"])
    assert ("answered", found, "delivery") == (row["state"], row["delivery_id"], row["answered_way"])
    assert ["waiting", "waiting"] == [await state_of(database, each) for each in others]


async def test_a_delivery_that_only_answers_a_wait_is_done_and_stays_so_when_it_is_replayed(
    database, waits, comes, route
):
    await waits({"body.code": "A-1"})
    found = await comes({"code": "A-1"})
    lost = await comes({"code": "A-2"})
    await route()
    async with database.acquire() as connection:
        replayed = await commands.replay(connection, [found], actor="ann")
    await route()

    rows = await database.fetch("SELECT id, state, reason FROM deliveries ORDER BY seq")
    assert {found} == replayed
    assert [
        (found, "done", "it answered a run that waited for it"),
        (lost, "unrouted", "no route's condition holds"),
    ] == [tuple(row) for row in rows]


async def test_several_runs_may_wait_for_one_delivery_and_one_run_for_several(database, waits, comes, route):
    run = uuid4()
    rows = [await waits({"body.code": "A-1"}, run=each) for each in (run, uuid4(), uuid4())]
    rows.append(await waits({"body.code": "A-2"}, run=run))
    await comes({"code": "A-1"})
    await route()

    assert ["answered"] * 3 + ["waiting"] == [await state_of(database, row) for row in rows]


async def test_which_delivery_answered_which_wait_stands_on_both_sides(database, waits, comes, route):
    run = uuid4()
    dispatch = await held_dispatch(database, comes, run)
    row = await waits({"body.code": "A-1"}, run=run, dispatch=dispatch["id"])
    came = await comes({"code": "A-1"})
    await route()

    trails = [
        [(each["subject"], each["became"]) for each in await audit.trail(database, delivery)]
        for delivery in (dispatch["delivery_id"], came)
    ]
    assert [("wait", "waiting"), ("wait", "answered")] == [each for each in trails[0] if each[0] == "wait"]
    assert [("wait", "answered")] == [each for each in trails[1] if each[0] == "wait"]
    assert [row["id"]] == [each["id"] for each in await store.of(database, dispatches=[dispatch])]
    assert [row["id"]] == [each["id"] for each in await store.of(database, delivery_ids=[came])]


@pytest.mark.parametrize(
    ("since", "ago", "expected"),
    [
        (timedelta(0), timedelta(seconds=30), "waiting"),
        (timedelta(hours=1), timedelta(minutes=30), "answered"),
        (timedelta(hours=1), timedelta(minutes=61), "waiting"),
        (datetime.now(UTC) - DAY, timedelta(hours=20), "answered"),
    ],
    ids=["before the run", "within the hour", "before the hour", "at that time or later"],
)
async def test_it_looks_back_as_far_as_it_says(database, waits, comes, route, since, ago, expected):
    came = await comes({"code": "A-1"}, ago=ago)
    router = await route()
    row = await waits({"body.code": "A-1"}, since=since)
    await backfill(database, router)

    found = await store.read(database, row["id"])
    delivery = (came, "done") if expected == "answered" else (None, "unrouted")
    assert (expected, *delivery) == (
        found["state"],
        found["delivery_id"],
        await database.fetchval("SELECT state FROM deliveries"),
    )


async def test_of_what_came_before_the_earliest_counts_and_not_what_a_person_set_aside(
    database, waits, comes, route
):
    aside, first, _second = [await comes({"code": "A-1"}) for _ in range(3)]
    router = await route()
    async with database.acquire() as connection:
        await commands.discard(connection, [aside], actor="ann", reason="a test")
    row = await waits({"body.code": "A-1"}, since=DAY)
    await backfill(database, router)

    assert first == (await store.read(database, row["id"]))["delivery_id"]


async def test_it_looks_back_over_more_than_a_page_and_goes_on_where_it_stopped(
    database, waits, comes, route, monkeypatch
):
    for number in range(7):
        await comes({"code": f"B-{number}"})
    last = await comes({"code": "A-1"})
    router = await route()
    row = await waits({"body.code": "A-1"}, since=DAY)
    monkeypatch.setattr("hookline.engine.waits.PAGE", 2)
    monkeypatch.setattr("hookline.engine.waits.TURN_SECONDS", -1)
    turns = 0
    while await store.to_backfill(database):
        await backfill(database, router)
        turns += 1

    assert (4, last) == (turns, (await store.read(database, row["id"]))["delivery_id"])


async def test_a_run_that_begins_to_wait_while_its_delivery_is_routed_misses_it_never(
    database, comes, hooks, confined, monkeypatch
):
    """Both at once, in any order, with all that both do in between."""
    from hookline.engine.routing import Router

    compared = Router._compared

    async def slowly(router, outcome, paths):
        result = await compared(router, outcome, paths)
        await asyncio.sleep(random.random() / 20)
        return result

    monkeypatch.setattr(Router, "_compared", slowly)
    rows = []

    async def wait(number):
        await asyncio.sleep(random.random() / 5)
        rows.append(await store.begin(database, new_wait({f"body.code{number % 5}": number}, since=DAY)))

    async def come(number):
        await asyncio.sleep(random.random() / 5)
        await comes({f"code{number % 5}": number})

    routers = [Router(database, hooks, {}, owner=f"e{n}", confined=confined) for n in range(2)]
    busy = [asyncio.create_task(_route_for_ever(router)) for router in routers]
    try:
        await asyncio.gather(*(action(number) for number in range(40) for action in (wait, come)))
        async with asyncio.timeout(30):
            while await database.fetchval("SELECT count(*) FROM waits WHERE state = 'waiting'"):
                await backfill(database, routers[0])
                await asyncio.sleep(0.05)
    finally:
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)

    numbers = await database.fetch(
        "SELECT w.match, d.body FROM waits w JOIN deliveries d ON d.id = w.delivery_id"
    )
    assert 40 == len(numbers)
    for row in numbers:
        [[path, value]] = row["match"].items()
        assert int(value) == json.loads(row["body"])[path.removeprefix("body.")]


async def _route_for_ever(router):
    while True:
        await router.route_received()
        await asyncio.sleep(0.01)


async def test_what_was_matched_before_a_wait_began_is_matched_again_before_it_is_written(
    database, waits, comes, route, monkeypatch
):
    from hookline.engine.routing import Router

    await comes({"code": "A-1"})
    began, write = [], Router._write

    async def write_late(router, outcomes):
        if not began:
            began.append(await waits({"body.code": "A-1"}, since=DAY))
        await write(router, outcomes)

    monkeypatch.setattr(Router, "_write", write_late)
    await route()

    assert "answered" == await state_of(database, began[0])


async def test_a_wait_begins_only_once_what_was_matched_without_it_is_written(database, waits, until):
    async with database.acquire() as connection, connection.transaction():
        await store.lock_source(connection, "zentitle")
        beginning = asyncio.create_task(waits({"body.code": "A-1"}))
        await until(lambda: _is_waited_for(database), "it does not wait")
        began = await database.fetchval("SELECT count(*) FROM waits")
        other = await waits({"body.code": "A-1"}, "other")
    row = await beginning

    assert (0, "waiting", "waiting") == (began, row["state"], other["state"])


async def _is_waited_for(database):
    return await database.fetchval(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    )


async def test_two_thousand_runs_wait_and_a_delivery_is_matched_by_the_index(database, waits, comes, route):
    await asyncio.gather(*(waits({"body.code": f"C-{number}"}) for number in range(2_000)))
    await database.execute("ANALYZE waits")
    for number in (3, 1_999):
        await comes({"code": f"C-{number}"})
    plans = []
    for query, argument in (
        (
            "SELECT id FROM waits WHERE match_key = ANY($1) AND state = 'waiting' AND match_key IS NOT NULL",
            ["x"],
        ),
        ("SELECT id FROM waits WHERE wake", None),
        ("SELECT id FROM waits WHERE state = 'waiting' AND until <= now()", None),
    ):
        arguments = [] if argument is None else [argument]
        plan = await database.fetch(f"EXPLAIN {query}", *arguments)
        plans.append("\n".join(row[0] for row in plan))
    await route()

    answered = await database.fetch("SELECT match FROM waits WHERE state = 'answered' ORDER BY seq")
    assert [True] * 3 == ["Seq Scan" not in plan for plan in plans], plans
    assert [{"body.code": "C-3"}, {"body.code": "C-1999"}] == [row["match"] for row in answered]
    assert {("body.code",)} == await store.paths(database, "zentitle")


async def test_too_many_kinds_of_conditions_for_one_source_are_refused(database, waits):
    for number in range(store.MAX_PATHS):
        await waits({f"body.p{number}": 1})
    with pytest.raises(HooklineError, match="more than 50 different sets of paths"):
        await waits({"body.one_more": 1})

    assert store.MAX_PATHS == await database.fetchval("SELECT count(*) FROM waits")


async def test_a_body_that_cannot_be_read_answers_nothing_and_stops_nobody(database, waits, comes, route):
    row = await waits({"body.code": "A-1"})
    await comes(b"{")
    await comes({"code": ["A-1"]})
    good = await comes({"code": "A-1"})
    await route()

    assert good == (await store.read(database, row["id"]))["delivery_id"]


async def test_the_same_wait_is_one_wait_and_another_under_its_name_is_refused(database, waits):
    run = uuid4()
    first = await waits({"body.code": "A-1"}, run=run, name="activation")
    again = await waits({"body.code": "A-1"}, run=run, name="activation")
    with pytest.raises(WaitChanged, match=r"'activation' for something else than before.*waits cancel"):
        await waits({"body.code": "A-2"}, run=run, name="activation")

    assert first["id"] == again["id"]


async def test_a_run_is_woken_once_when_its_wait_is_over_also_if_it_is_held_only_later(
    database, waits, comes, route
):
    run = uuid4()
    dispatch = await held_dispatch(database, comes, run)
    await database.execute("UPDATE dispatches SET state = 'running'")
    await waits({"body.code": "A-1"}, run=run, dispatch=dispatch["id"])
    await comes({"code": "A-1"})
    await route()
    before = await store.wake(database)
    await database.execute("UPDATE dispatches SET state = 'held'")
    woken = [await store.wake(database) for _ in range(2)]

    row = await database.fetchrow("SELECT state, reason, unbatched FROM dispatches")
    assert (0, [1, 0], "dispatched", True) == (before, woken, row["state"], row["unbatched"])
    assert row["reason"].endswith(" came")
    assert 0 == await database.fetchval("SELECT count(*) FROM waits WHERE wake")


async def test_a_wait_times_out_and_its_run_is_woken(database, waits, comes):
    run = uuid4()
    dispatch = await held_dispatch(database, comes, run)
    row = await waits(
        {"body.code": "A-1"}, run=run, dispatch=dispatch["id"], timeout=timedelta(microseconds=1)
    )
    await compared(database)
    timed_out = await store.time_out(database)
    woken = await store.wake(database)

    assert (1, 1, "expired") == (timed_out, woken, await state_of(database, row))


async def test_what_came_in_time_counts_though_no_engine_ran_meanwhile(database, waits, comes, route):
    row = await waits({"body.code": "A-1"})
    came = await comes({"code": "A-1"})
    await database.execute("UPDATE waits SET until = now()")
    too_early = await store.time_out(database)
    await route()

    found = await store.read(database, row["id"])
    assert (0, "answered", came) == (too_early, found["state"], found["delivery_id"])


async def test_a_polled_list_is_read_once_more_before_a_wait_for_it_ends_but_not_for_ever(database, waits):
    row = await waits({"body.code": "A-1"}, "other")
    await database.execute("UPDATE waits SET backfill_from = NULL, until = now() - interval '1 hour'")
    await database.execute(
        "INSERT INTO polls (source, kind, began_at, polled_at) VALUES ('other', 'list', now(), now() - interval '2 hours')"
    )
    unread = await store.time_out(database)
    await database.execute("UPDATE waits SET until = now() - interval '25 hours'")
    await database.execute("UPDATE polls SET polled_at = now() - interval '26 hours'")
    at_last = await store.time_out(database)

    assert (0, 1, "expired") == (unread, at_last, await state_of(database, row))


async def test_while_everything_is_held_nothing_times_out_and_nobody_is_woken(database, waits, comes):
    run = uuid4()
    dispatch = await held_dispatch(database, comes, run)
    row = await waits(
        {"body.code": "A-1"}, run=run, dispatch=dispatch["id"], timeout=timedelta(microseconds=1)
    )
    await compared(database)
    await database.execute("UPDATE lineage SET held_since = now()")
    held = (await store.time_out(database), await state_of(database, row))
    await database.execute("UPDATE lineage SET held_since = NULL")

    assert (0, "waiting") == held
    assert 1 == await store.time_out(database)


@pytest.mark.parametrize("end", ["discarded", "failed"])
async def test_a_run_that_is_ended_while_it_waits_waits_no_more_and_waits_again_when_it_is_replayed(
    database, waits, comes, end
):
    run = uuid4()
    dispatch = await held_dispatch(database, comes, run)
    row = await waits({"body.code": "A-1"}, run=run, dispatch=dispatch["id"])
    await database.execute("UPDATE dispatches SET state = $1", end)
    ended = await state_of(database, row)
    again = await waits({"body.code": "A-1"}, run=run, dispatch=dispatch["id"])

    assert ("cancelled", row["id"], "waiting") == (ended, again["id"], again["state"])


async def test_what_ended_without_an_answer_stays_so_unless_the_run_failed_of_it(database, waits):
    run = uuid4()
    row = await waits({"body.code": "A-1"}, run=run, timeout=timedelta(microseconds=1))
    await compared(database)
    await store.time_out(database)
    caught = await waits({"body.code": "A-1"}, run=run)
    await store.ended_run(database, row["id"])
    replayed = await waits({"body.code": "A-1"}, run=run)

    assert ("expired", "waiting") == (caught["state"], replayed["state"])
    assert replayed["until"] > datetime.now(UTC) + timedelta(hours=23)


async def test_the_first_answer_holds_whoever_comes_at_the_same_time(database):
    row = await store.begin(database, asks())
    answers = [Answer({"approved": bool(n % 2)}, f"person {n}", "link") for n in range(20)]
    taken = await asyncio.gather(*(store.answer(database, row["id"], each) for each in answers))

    stored = await store.read(database, row["id"])
    [first] = [each for each, was_first in zip(answers, taken, strict=True) if was_first]
    assert (first.by, first.value) == (stored["answered_by"], stored["answer"])
    assert not await store.cancel(database, row["id"], actor="ann", reason="too late")


async def test_who_does_not_answer_is_followed_by_others_and_at_last_by_an_answer(database):
    later = [{"people": ["boss", "anna"]}, {"answer": {"approved": False}}]
    row = await store.begin(database, asks(later=later, timeout=timedelta(microseconds=1)))
    await store.time_out(database)
    escalated = await store.read(database, row["id"])
    await store.time_out(database)
    at_last = await store.read(database, row["id"])

    assert ("waiting", ["anna", "boss"]) == (escalated["state"], escalated["people"])
    assert {"anna", "boss"} == {each["person"] for each in escalated["questions"]}
    assert ("answered", {"approved": False}, "default") == (
        at_last["state"],
        at_last["answer"],
        at_last["answered_way"],
    )


async def test_an_answer_about_a_business_answers_all_its_runs(database, comes):
    runs = [uuid4(), uuid4()]
    held = [await held_dispatch(database, comes, run) for run in runs]
    for run, dispatch in zip(runs, held, strict=True):
        row = await store.begin(database, asks(run, dispatch=dispatch["id"], scope="orders 17"))
    await database.execute("UPDATE dispatches SET state = 'discarded' WHERE id = $1", held[0]["id"])
    still = await state_of(database, row)
    await store.answer(database, row["id"], Answer({}, "anna", "page"))
    later = await store.begin(database, asks(scope="orders 17"))

    assert ("waiting", 1, "answered") == (still, await store.wake(database), later["state"])


async def test_what_answered_a_run_is_kept_until_the_run_is_done(database, waits, comes, route, tmp_path):
    run = uuid4()
    dispatch = await held_dispatch(database, comes, run)
    await waits({"body.code": "A-1"}, run=run, dispatch=dispatch["id"])
    came = await comes({"code": "A-1"})
    await route()
    settings, hooks = Settings(home=tmp_path, keep_days=1), Hooks(path=Path("none"), sources={}, routes=[])
    await database.execute("UPDATE deliveries SET received_at = now() - interval '9 days'")
    await database.execute("UPDATE changes SET at = now() - interval '9 days'")
    await prune(database, settings, hooks)
    kept = await database.fetchval("SELECT count(*) FROM deliveries WHERE id = $1", came)
    await database.execute("UPDATE dispatches SET state = 'done'")
    await database.execute("UPDATE changes SET at = now() - interval '9 days'")
    await prune(database, settings, hooks)
    await database.execute("UPDATE waits SET closed_at = now() - interval '9 days'")
    await database.execute("DELETE FROM waiting_runs")
    await store.prune(database, DAY)

    left = await database.fetchrow("SELECT (SELECT count(*) FROM deliveries), (SELECT count(*) FROM waits)")
    assert (1, 0, 0) == (kept, *left)


async def test_a_paused_source_answers_nobody_before_it_is_resumed(database, waits, comes, route):
    row = await waits({"body.code": "A-1"}, since=DAY)
    async with database.acquire() as connection:
        await commands.pause(connection, "zentitle", actor="ann", reason="a test")
    await comes({"code": "A-1"})
    router = await route()
    await backfill(database, router)
    paused = await state_of(database, row)
    async with database.acquire() as connection:
        await commands.resume(connection, "zentitle", actor="ann")
    await route()

    assert ("waiting", "answered") == (paused, await state_of(database, row))


async def test_a_polled_source_is_read_while_a_run_waits_for_it(database, waits, repository):
    from hookline.polling.poller import Poller

    poller = Poller(database, Settings(), load_hooks(repository / "deployments/hooks.yaml"), "e", None)
    before = await poller.names()
    await waits({"body.licenseCode": "A-1"}, "zentitle-activations")

    assert {"zentitle-activations"} == {*await poller.names()} - {*before}


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ({}, "needs one"),
        ({"bdy.code": 1}, "do you mean body"),
        ({"body..code": 1}, "a path is such as"),
        ({"body.code": None}, "no value for body.code"),
        ({"body.code": ["A"]}, "no value for body.code"),
        ({"body.code": ""}, "no value for body.code"),
        ({"body.code": "x" * 501}, "500 characters"),
    ],
)
def test_a_condition_that_no_delivery_can_meet_is_refused(match, message):
    with pytest.raises(ConfigurationError, match=message):
        matching.conditions_of(match)


@pytest.mark.parametrize(
    ("value", "text"),
    [(7, "7"), ("7", "7"), (7.0, "7"), (True, "true"), (0.1, "0.1"), (1e22, "10000000000000000000000"),
     (UUID(int=1), str(UUID(int=1)))],
)  # fmt: skip
def test_a_number_and_its_text_are_the_same(value, text):
    assert {"body.n": text} == matching.conditions_of({"body.n": value})
