"""Two engines route side by side: the order of one source stays, of its deliveries and of the items of its bundles."""

import asyncio
import json
from dataclasses import replace

import pytest

from hookline.confined import Confined
from hookline.engine.routing import WARMING_UP, Router
from hookline.hooks import load_hooks
from hookline.hooks.matching import match_routes
from hookline.inbox import bodies, commands, configuration, deliveries
from hookline.inbox.deliveries import Arrival
from hookline.provisioning.deployments import load_deployments

HOOKS = """
sources:
  plain: {scheme: shared-secret}
  bundles: {scheme: shared-secret, split: "$.items[*]", id: "{{ body.n }}"}
routes:
  plain: &route
    source: plain
    deployment: order-to-license/default
    key: "one key"
    parameters: {invoice_id: "{{ body.n | string }}"}
  bundles: {<<: *route, source: bundles, key: "another key"}
"""

ROUNDS = 150


@pytest.fixture(scope="module")
def deployments(repository):
    return load_deployments(repository / "deployments/prefect.yaml")


@pytest.fixture
def hooks(tmp_path):
    path = tmp_path / "hooks.yaml"
    path.write_text(HOOKS)
    return load_hooks(path)


async def send(database, source, body, number):
    arrival = Arrival(
        source, f"{number}", "POST", {}, {}, "application/json", *bodies.sealed([], json.dumps(body).encode())
    )
    await deliveries.accept(database, arrival)


async def orders(database):
    """The numbers that came to each key, in the order in which they take turns."""
    rows = await database.fetch("SELECT key, parameters ->> 'invoice_id' AS n FROM dispatches ORDER BY seq")
    return {key: [int(row["n"]) for row in rows if row["key"] == key] for key in {row["key"] for row in rows}}


async def test_engines_side_by_side_keep_the_order_of_a_source(database, hooks, deployments):
    names = ["one", "two", "three"]
    pools = [Confined(processes=1, modules=[match_routes.__module__]) for _ in names]
    routers = [
        Router(database, hooks, deployments, owner=name, confined=confined)
        for name, confined in zip(names, pools, strict=True)
    ]
    serving = [asyncio.create_task(router.serve()) for router in routers]
    await asyncio.gather(*(pool.run(match_routes, WARMING_UP, [], []) for pool in pools))
    for number in range(ROUNDS):
        await send(database, "plain", {"n": number}, number)
        await send(
            database, "bundles", {"items": [{"n": 2 * number}, {"n": 2 * number + 1}]}, f"bundle {number}"
        )
        for router in routers:
            router.wake.set()
    async with asyncio.timeout(60):
        while await database.fetchval("SELECT count(*) FROM dispatches") < 3 * ROUNDS:
            for router in routers:
                router.wake.set()
            await asyncio.sleep(0.01)
    for router in routers:
        router.stop()
    await asyncio.gather(*serving)

    found = await orders(database)
    assert list(range(ROUNDS)) == found["one key"]
    assert list(range(2 * ROUNDS)) == found["another key"]


async def test_a_claim_beside_another_claim_takes_nothing_of_its_source(database):
    for number in range(3):
        await send(database, "plain", {"n": number}, number)
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
    )
    async with database.acquire() as one, database.acquire() as two:
        async with one.transaction():
            first = await deliveries.claim_received(one, 1)
            second = asyncio.create_task(deliveries.claim_received(two, 9))
            while not (second.done() or await database.fetchval(waiting)):
                await asyncio.sleep(0.01)

        assert (["0"], []) == ([row["external_id"] for row in first], await second)


async def test_nothing_is_claimed_before_an_earlier_delivery_that_is_just_being_changed(database):
    """As a repeat of it is counted, say."""
    for number in range(3):
        await send(database, "plain", {"n": number}, number)
    await send(database, "bundles", {}, 3)
    async with database.acquire() as one, database.acquire() as two, one.transaction():
        await one.execute("UPDATE deliveries SET duplicates = 1 WHERE external_id = '1'")
        claimed = await deliveries.claim_received(two, 9)

    assert ["0", "3"] == [row["external_id"] for row in claimed]


async def test_of_what_a_dead_engine_left_only_the_first_of_a_source_is_begun_again(database):
    for source in ("plain", "plain", "bundles"):
        await send(database, source, {}, await database.fetchval("SELECT count(*) FROM deliveries"))
    async with database.acquire() as connection:
        assert 3 == len(await deliveries.claim_received(connection, 9, owner="dead"))
        await deliveries.release_routing_of(database, ["dead"])
        claimed = [await deliveries.claim_suspect(connection) for _ in range(3)]

    assert ["0", "2", None] == [row and row["external_id"] for row in claimed]
    assert not await deliveries.has_suspect(database)


class Slow(Confined):
    """Reads bodies once it is let go on."""

    def __init__(self):
        super().__init__(processes=1, modules=[match_routes.__module__])
        self.reading, self.go_on = asyncio.Event(), asyncio.Event()

    async def run(self, function, /, *arguments):
        self.reading.set()
        await self.go_on.wait()
        return await super().run(function, *arguments)


@pytest.mark.parametrize("refused", ["0", "none"])
async def test_an_engine_that_comes_too_late_writes_nothing_behind_what_another_has_begun(
    database, hooks, deployments, route_received, refused
):
    for number in range(4):
        await send(database, "plain", {"n": number}, number)
    slow = Slow()
    late = asyncio.create_task(Router(database, hooks, deployments, confined=slow).route_received())
    await slow.reading.wait()
    await database.execute(
        "UPDATE deliveries SET routing_attempts = 2, routing_until = now() + interval '9 s' WHERE external_id = '2'"
    )
    check = f"CHECK (parameters ->> 'invoice_id' <> '{refused}')"
    await database.execute(f"ALTER TABLE dispatches ADD CONSTRAINT refusing {check}")
    slow.go_on.set()
    await late
    await database.execute("ALTER TABLE dispatches DROP CONSTRAINT refusing")

    written = [number for number in (0, 1) if str(number) != refused]
    assert {"one key": written} == await orders(database)
    rows = await database.fetch("SELECT state, routing_attempts FROM deliveries ORDER BY seq OFFSET 2")
    assert [("received", 2), ("received", 0)] == [tuple(row) for row in rows]
    await database.execute("UPDATE deliveries SET routing_attempts = 0, routing_until = NULL")
    await route_received(hooks, deployments)
    assert {"one key": [*written, 2, 3]} == await orders(database)


# A delivery that cannot be routed yet -------------------------------------------------------------------------

WITHOUT = "order-to-license/default"
KEYED = """
sources:
  plain: {scheme: shared-secret}
  other: {scheme: shared-secret}
routes:
  plain: &route
    source: plain
    when: body.n < 100
    deployment: order-to-license/default
    key: "{{ body.key }}"
    parameters: {invoice_id: "{{ body.n | string }}"}
  notes:
    source: plain
    when: body.n >= 100
    deployment: credit-to-revoke/default
    key: "{{ body.key }}"
    parameters: {credit_note_id: "{{ body.n | string }}"}
  other: {<<: *route, source: other}
"""
OFF = "waits for flows/order_to_license.py to load: line 3: SyntaxError"


@pytest.fixture
def keyed(tmp_path):
    path = tmp_path / "keyed.yaml"
    path.write_text(KEYED)
    return load_hooks(path)


@pytest.fixture
def broken(keyed):
    """The hooks as an engine has them in force while the flow file cannot be loaded."""
    routes = [replace(route, off=OFF) if route.deployment == WITHOUT else route for route in keyed.routes]
    return replace(keyed, routes=routes)


async def numbers(database):
    """The numbers of all dispatches by key, in the order in which they take turns."""
    rows = await database.fetch(
        "SELECT key, coalesce(parameters ->> 'invoice_id', parameters ->> 'credit_note_id') AS n FROM dispatches ORDER BY seq"
    )
    return {key: [int(row["n"]) for row in rows if row["key"] == key] for key in {row["key"] for row in rows}}


async def held_one(database, broken, deployments, route_received, number=1, key="a"):
    await send(database, "plain", {"n": number, "key": key}, number)
    await route_received(broken, deployments)


async def test_what_comes_after_a_file_is_right_does_not_overtake_what_waited_for_it(
    database, keyed, broken, deployments, route_received
):
    await held_one(database, broken, deployments, route_received)
    for number, key, source in [(2, "a", "plain"), (3, "b", "plain"), (4, "a", "other"), (105, "a", "plain")]:
        await send(database, source, {"n": number, "key": key}, number)

    await route_received(keyed, deployments)  # the route is in force, and nothing was released yet
    before = await numbers(database)
    first = await database.fetchval("SELECT id FROM deliveries ORDER BY seq LIMIT 1")
    reason = await database.fetchval("SELECT reason FROM deliveries WHERE external_id = '2'")
    await configuration.release(database, ["plain"])
    await route_received(keyed, deployments)

    found = await numbers(database)
    assert {"b": [3]} == before
    assert f"waits for delivery {first}, which came before it with the key 'a'" == reason
    assert [1, 2, 105] == [number for number in found["a"] if number != 4]
    assert 1 == found["a"][0]  # 4 is of another source
    assert 0 == await database.fetchval("SELECT count(*) FROM deliveries WHERE ordering_keys <> '{}'")


async def test_two_sources_with_one_key_let_each_other_follow_at_once(
    database, keyed, deployments, route_received
):
    """What waits for what another source routes at the same moment is not forgotten until its next try."""
    others = {name: each for name, each in deployments.items() if name != WITHOUT}
    for _ in range(5):
        await database.execute("TRUNCATE deliveries CASCADE")
        for number in range(8):
            await send(database, "other" if number % 2 else "plain", {"n": number, "key": "a"}, number)
        await route_received(keyed, others)
        await database.execute("UPDATE deliveries SET routing_until = NULL")
        await route_received(keyed, deployments)

        assert [*range(8)] == sorted((await numbers(database))["a"])


async def test_what_another_route_takes_waits_behind_the_key_of_a_route_that_is_off(
    database, keyed, broken, deployments, route_received
):
    await held_one(database, broken, deployments, route_received)
    await send(database, "plain", {"n": 102, "key": "a"}, 102)
    await send(database, "plain", {"n": 103, "key": "b"}, 103)

    await route_received(broken, deployments)

    assert {"b": [103]} == await numbers(database)


async def test_what_waits_and_what_follows_in_one_group_keep_their_order(
    database, keyed, broken, deployments, route_received
):
    for number in (1, 102):
        await send(database, "plain", {"n": number, "key": "a"}, number)

    await route_received(broken, deployments)

    assert ["held", "received"] == [
        row["state"] for row in await database.fetch("SELECT state FROM deliveries ORDER BY seq")
    ]


async def test_what_an_engine_without_the_flow_tries_again_is_not_overtaken_in_another(
    database, keyed, deployments, route_received
):
    await send(database, "plain", {"n": 1, "key": "a"}, 1)
    await route_received(keyed, {name: each for name, each in deployments.items() if name != WITHOUT})
    for number in (2, 3):
        await send(database, "plain", {"n": number, "key": "a"}, number)

    await route_received(keyed, deployments)
    before = await numbers(database)
    await database.execute(
        "UPDATE deliveries SET routing_until = NULL WHERE external_id = '1'"
    )  # its time has come
    await route_received(keyed, deployments)

    assert ({}, {"a": [1, 2, 3]}) == (before, await numbers(database))


async def test_what_a_person_discards_keeps_nothing_waiting(
    database, keyed, broken, deployments, route_received
):
    await held_one(database, broken, deployments, route_received)
    await send(database, "plain", {"n": 2, "key": "a"}, 2)
    await route_received(keyed, deployments)
    async with database.acquire() as connection:
        first = await connection.fetchval("SELECT id FROM deliveries ORDER BY seq LIMIT 1")
        await commands.discard(connection, [first], actor="a test", reason="not wanted")

    await database.execute("UPDATE deliveries SET routing_until = NULL")  # its time has come
    await route_received(keyed, deployments)

    assert {"a": [2]} == await numbers(database)


async def test_what_was_routed_after_it_waited_holds_nothing_back_though_its_run_waits(
    database, keyed, broken, deployments, route_received
):
    await held_one(database, broken, deployments, route_received)
    await configuration.release(database, ["plain"])
    await route_received(keyed, deployments)
    await database.execute("UPDATE dispatches SET state = 'running'")
    await database.execute("UPDATE dispatches SET state = 'held'")  # its run asks a person
    await send(database, "plain", {"n": 2, "key": "a"}, 2)

    await route_received(keyed, deployments)

    assert {"a": [1, 2]} == await numbers(database)
