"""Many edits of one key become one run, of the last; none is lost, and what has begun is left alone."""

import asyncio
import json
from datetime import timedelta

import asyncpg
import pytest
from rows import arrival, bring

from hookline.hooks import load_hooks
from hookline.inbox import audit, commands, deliveries, dispatches, search
from hookline.inbox.debounce import Debounce
from hookline.provisioning.deployments import load_deployments

ROUTE = {
    "source": "jiwa",
    "deployment": "order-to-license/default",
    "parameters": {"invoice_id": "{{ body.text }}"},
    "key": "jiwa order {{ body.order }}",
    "debounce": {"quiet": "20s", "at_most": "1m"},
}
LEASE = timedelta(seconds=30)


@pytest.fixture(scope="module")
def deployments(repository):
    return load_deployments(repository / "deployments/prefect.yaml")


@pytest.fixture
def hooks(tmp_path):
    """Hooks with this one route, and another one of the same key that does not debounce."""
    path = tmp_path / "hooks.yaml"
    other = {**ROUTE, "when": "body.text == 'both'"}
    del other["debounce"]
    routes = {"edits": ROUTE, "other": other}
    path.write_text(json.dumps({"sources": {"jiwa": {"scheme": "shared-secret"}}, "routes": routes}))
    return load_hooks(path)


class Bench:
    """Deliveries of one order, or another, and what happened to them."""

    def __init__(self, database, hooks, deployments, route_received):
        self.database = database
        self.hooks = hooks
        self.deployments = deployments
        self.route_received = route_received

    async def accept(self, *texts, order="7", source="jiwa"):
        for text in texts:
            body = json.dumps({"order": order, "text": text}).encode()
            await deliveries.accept(self.database, arrival(f"{order} {text}", source, body=body))

    async def route(self):
        await self.route_received(self.hooks, self.deployments)

    async def come(self, *texts, **more):
        """Deliveries, each routed before the next comes."""
        for text in texts:
            await self.accept(text, **more)
            await self.route()

    async def passes(self, seconds):
        """Let time pass, as the dispatches have it."""
        await self.database.execute(
            "UPDATE dispatches SET not_before = not_before - $1::interval, quiet_since = quiet_since - $1::interval",
            timedelta(seconds=seconds),
        )

    async def claim(self, owner="engine"):
        """What may run now, by its text."""
        rows = await dispatches.claim(self.database, owner, limit=50, lease=LEASE)
        return [row["parameters"]["invoice_id"] for row in rows]

    async def states(self):
        rows = await self.database.fetch(
            "SELECT d.external_id, d.state, p.state AS of_it FROM deliveries d JOIN dispatches p ON p.delivery_id = d.id"
            " ORDER BY d.seq, p.seq"
        )
        assert [(row["external_id"], row["state"]) for row in rows] == [
            (row["external_id"], row["of_it"]) for row in rows
        ]
        return {row["external_id"]: row["state"] for row in rows}

    async def ids(self):
        rows = await self.database.fetch("SELECT id, external_id FROM deliveries")
        return {row["external_id"]: row["id"] for row in rows}

    async def due(self):
        """In how many seconds what waits may run, by its text, rounded to five."""
        rows = await self.database.fetch(
            "SELECT parameters, extract(epoch FROM not_before - now()) AS s FROM dispatches WHERE state = 'dispatched'"
        )
        return {row["parameters"]["invoice_id"]: 5 * round(float(row["s"]) / 5) for row in rows}


@pytest.fixture
def bench(database, hooks, deployments, route_received):
    return Bench(database, hooks, deployments, route_received)


@pytest.mark.parametrize("together", [True, False], ids=["at once", "one after another"])
async def test_twenty_edits_become_one_run_with_the_last_body(bench, together):
    edits = [f"edit {n}" for n in range(20)]
    await (bench.accept(*edits) if together else bench.come(*edits))
    await bench.route()

    before = await bench.claim()
    await bench.passes(20)

    assert ([], ["edit 19"], []) == (before, await bench.claim(), await bench.claim("another"))
    assert {f"7 {edit}": "replaced" for edit in edits[:-1]} | {"7 edit 19": "running"} == await bench.states()


async def test_each_edit_makes_the_wait_longer_but_no_longer_than_at_most(bench):
    dues = []
    for number in range(5):
        await bench.come(f"edit {number}")
        dues += (await bench.due()).values()
        await bench.passes(15)

    assert [20, 20, 20, 15, 0] == dues
    assert ["edit 4"] == await bench.claim()


async def test_each_key_is_debounced_by_itself(bench):
    await bench.come("a", "b")
    await bench.come("c", "d", order="8")
    await bench.passes(20)

    assert ["b", "d"] == sorted(await bench.claim())


async def test_what_was_replaced_says_by_which_delivery_and_leads_there(bench, database):
    await bench.come("first", "last")
    ids = await bench.ids()

    first, last = [await search.read(database, str(ids[f"7 {name}"])) for name in ("first", "last")]
    changes = await audit.trail(database, first["id"])
    listing = await search.find(database, search.Filter(key=str(last["id"])))

    [replaced], [waiting] = first["dispatches"], last["dispatches"]
    assert (f"replaced by the later delivery {last['id']}", last["id"]) == (
        replaced["reason"],
        replaced["replaced_by"],
    )
    assert replaced["reason"] == changes[-1]["reason"]
    assert (0, 1) == (first["replaces"], last["replaces"])
    assert waiting["reason"].startswith("waits until ")
    assert {first["id"], last["id"]} == {row["id"] for row in listing.deliveries}


async def test_what_has_begun_is_not_replaced_and_the_next_edit_waits_for_it(bench, database):
    await bench.come("first")
    await bench.passes(20)
    assert ["first"] == await bench.claim()

    await bench.come("second", "third")
    await bench.passes(20)

    assert [] == await bench.claim()
    await bring(database, "dispatches", "failed", "state = 'running'")
    assert ["third"] == await bench.claim()
    assert {"7 first": "failed", "7 second": "replaced", "7 third": "running"} == await bench.states()


@pytest.mark.parametrize("state", ["failed", "uncertain", "held", "done", "discarded"])
async def test_what_ended_or_needs_a_person_stays_as_it_is(bench, database, state):
    await bench.come("first")
    await bring(database, "dispatches", state)

    await bench.come("second")

    assert {"7 first": state, "7 second": "dispatched"} == await bench.states()


async def test_one_that_was_taken_over_is_not_replaced(bench, database):
    await bench.come("first")
    await bench.passes(20)
    await bench.claim("dead")
    await dispatches.take_over(database, dead=["dead"])

    await bench.come("second")

    assert {"7 first": "dispatched", "7 second": "dispatched"} == await bench.states()


async def test_a_rejected_edit_replaces_nothing(bench, database):
    await bench.come("first")
    await deliveries.accept(database, arrival("7 bad", body=b'{"order": "7", "text": 5}'))
    await bench.route()

    rows = await database.fetch("SELECT external_id, state FROM deliveries ORDER BY seq")
    assert [("7 first", "dispatched"), ("7 bad", "rejected")] == [tuple(row) for row in rows]


async def test_a_repeat_makes_nothing_wait_longer(bench):
    await bench.come("first")
    await bench.passes(15)
    await bench.come("first")

    assert {"first": 5} == await bench.due()


@pytest.mark.parametrize("state", ["replaced", "done", "discarded"])
async def test_a_replay_is_not_debounced_and_replaces_nothing(bench, database, state):
    await bench.come("first")
    ids = await bench.ids()
    await bring(database, "dispatches", state)
    await bench.come("second")
    async with database.acquire() as connection:
        await commands.replay(connection, [ids["7 first"]], actor="ann")

    await bench.come("third")

    assert {"7 first": "dispatched", "7 second": "replaced", "7 third": "dispatched"} == await bench.states()
    assert ["first"] == await bench.claim()


async def test_a_replay_of_a_rejected_delivery_runs_at_once_and_is_not_replaced_by_a_later_one(
    bench, database
):
    await bench.accept("first")
    ids = await bench.ids()
    await database.execute("UPDATE deliveries SET state = 'rejected'")
    await bench.come("second")
    async with database.acquire() as connection:
        await commands.replay(connection, [ids["7 first"]], actor="ann")

    await bench.route()

    assert {"7 first": "dispatched", "7 second": "dispatched"} == await bench.states()
    assert {"first": 0, "second": 20} == await bench.due()


async def test_the_edits_of_a_paused_source_become_one_run_when_it_is_resumed(bench, database):
    async with database.acquire() as connection:
        await commands.pause(connection, "jiwa", actor="ann", reason="upgrade")
        await bench.come("a", "b", "c")
        await commands.resume(connection, "jiwa", actor="ann")
    await bench.route()
    await bench.passes(20)

    assert ["c"] == await bench.claim()


async def test_one_that_waits_can_be_set_aside_and_the_next_begins_a_wait_of_its_own(bench, database):
    await bench.come("first")
    await bench.passes(15)
    async with database.acquire() as connection:
        await commands.discard(connection, list((await bench.ids()).values()), actor="ann", reason="test")

    await bench.come("second")

    assert {"7 first": "discarded", "7 second": "dispatched"} == await bench.states()
    assert {"second": 20} == await bench.due()


async def test_a_delivery_whose_other_route_runs_is_not_said_to_be_replaced(bench, database):
    await bench.come("both", "last")

    rows = await database.fetch(
        "SELECT d.external_id, p.route, p.state, d.state AS whole FROM dispatches p"
        " JOIN deliveries d ON d.id = p.delivery_id ORDER BY p.seq"
    )
    assert [
        ("7 both", "edits", "replaced", "dispatched"),
        ("7 both", "other", "dispatched", "dispatched"),
        ("7 last", "edits", "dispatched", "dispatched"),
    ] == [tuple(row) for row in rows]


async def test_two_engines_that_route_at_once_leave_one_that_waits(
    bench, database, hooks, deployments, route_received
):
    edits = [f"edit {n}" for n in range(30)]
    await bench.accept(*edits)

    await asyncio.gather(*(route_received(hooks, deployments) for _ in range(3)))
    await bench.passes(20)

    assert ["edit 29"] == await bench.claim()


async def test_of_two_that_are_routed_in_the_same_moment_one_waits(bench, database):
    await bench.accept("first", "last")
    ids = await bench.ids()

    async def add(name, routed, go):
        new = dispatches.NewDispatch(
            ids[f"7 {name}"], "edits", "f/d", {}, "jiwa order 7", debounce=bench.hooks.routes[0].debounce
        )
        async with database.acquire() as connection, connection.transaction():
            await dispatches.add_all(connection, [new])
            routed.set()
            await go.wait()

    go, one, other = asyncio.Event(), asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(add("first", one, go))
    await one.wait()
    last = asyncio.create_task(add("last", other, go))
    waits = database.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    while not (other.is_set() or await waits):
        waits = database.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    go.set()
    await asyncio.gather(first, last)

    assert {"7 first": "replaced", "7 last": "dispatched"} == await bench.states()


async def test_the_later_one_stands_for_all_though_it_was_routed_first(bench, database):
    await bench.accept("first", "last")
    ids = await bench.ids()
    debounce = bench.hooks.routes[0].debounce

    for name in ("last", "first"):
        new = dispatches.NewDispatch(
            ids[f"7 {name}"], "edits", "f/d", {"invoice_id": name}, "jiwa order 7", debounce=debounce
        )
        async with database.acquire() as connection, connection.transaction():
            await dispatches.add_all(connection, [new])

    assert {"7 first": "replaced", "7 last": "dispatched"} == await bench.states()


async def test_an_engine_that_dies_while_it_routes_leaves_the_earlier_one_waiting(bench, database, connect):
    await bench.come("first")
    await bench.accept("second")
    ids = await bench.ids()
    dying = await connect()
    new = dispatches.NewDispatch(
        ids["7 second"], "edits", "f/d", {}, "jiwa order 7", debounce=bench.hooks.routes[0].debounce
    )
    for name in ("json", "jsonb"):
        await dying.set_type_codec(name, schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    transaction = dying.transaction()
    await transaction.start()
    await dispatches.add_all(dying, [new])

    await dying.close(timeout=1)

    assert {"first": 20} == await bench.due()


async def test_a_long_quiet_is_waited_for(bench, database):
    await bench.accept("first")
    [delivery] = (await bench.ids()).values()
    long = Debounce(timedelta(minutes=10), timedelta(hours=1))
    async with database.acquire() as connection, connection.transaction():
        await dispatches.add_all(
            connection,
            [dispatches.NewDispatch(delivery, "r", "f/d", {"invoice_id": "x"}, "k", debounce=long)],
        )

    assert [] == await bench.claim()
    await bench.passes(600)
    assert ["x"] == await bench.claim()


async def test_a_clock_that_was_set_back_makes_nothing_wait_for_long(bench, database):
    await bench.come("first")
    await bench.passes(-3600)

    assert ["first"] == await bench.claim()


async def test_the_database_holds_nobody_back_who_has_another_key(bench, database, connect):
    holding = await connect()
    async with holding.transaction():
        await holding.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('debounce edits jiwa order 8', 0))"
        )
        await asyncio.wait_for(bench.come("a"), 30)
        with pytest.raises((TimeoutError, asyncpg.PostgresError)):
            await asyncio.wait_for(bench.come("b", order="8"), 1)
    await holding.close()
