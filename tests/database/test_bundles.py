"""A bundle: each of its items is a delivery of its own, once, however the bundles overlap."""

import asyncio
import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from hookline.hooks import load_hooks
from hookline.hooks.bundles import MAX_ITEMS, split
from hookline.hooks.ids import BUNDLE
from hookline.inbox import bodies, commands, deliveries, dry_run
from hookline.inbox.deliveries import Arrival
from hookline.provisioning.deployments import load_deployments

HOOKS = """
sources:
  events:
    scheme: shared-secret
    accept: [json, form]
    split: "$.entry[*].changes[*]"
    id: "{{ envelope.id }}-{{ body.n }}"
routes:
  event:
    source: events
    deployment: order-to-license/default
    when: body.n is defined
    key: "event {{ envelope.id }}"
    parameters: {invoice_id: "{{ envelope.object }} {{ body.n }}"}
"""
WITHOUT_ID = HOOKS.replace('    id: "{{ envelope.id }}-{{ body.n }}"\n', "")


@pytest.fixture(scope="module")
def deployments(repository):
    return load_deployments(repository / "deployments/prefect.yaml")


@pytest.fixture
def hooks(tmp_path: Path):
    def read(text=HOOKS):
        path = tmp_path / "hooks.yaml"
        path.write_text(text)
        return load_hooks(path)

    return read


@pytest.fixture
async def send(database, route_received, hooks, deployments):
    """Sends a bundle, and routes all that is there."""

    async def send(body, number=0, *, hooks_=None, content_type="application/json", keys=()):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sealed = bodies.sealed(keys, content)
        arrival = Arrival("events", f"{BUNDLE}{number}", "POST", {"q": "1"}, {}, content_type, *sealed)
        await deliveries.accept(database, arrival)
        await route_received(hooks_ or hooks(), deployments, keys)

    return send


def entry(identifier, *numbers):
    return {"id": identifier, "changes": [{"n": number} for number in numbers]}


def bundle(*entries):
    return {"object": "page", "entry": list(entries)}


async def rows(database):
    return await database.fetch(
        """
        SELECT d.external_id, d.state, d.reason, d.duplicates, d.bundle_id, d.envelope, d.body, d.id, d.query,
               p.parameters ->> 'invoice_id' AS order, p.key
        FROM deliveries d LEFT JOIN dispatches p ON p.delivery_id = d.id ORDER BY d.seq
        """
    )


async def test_each_item_is_a_delivery_of_its_own_in_order_with_what_is_around_it(database, send):
    await send(bundle(entry(7, 1, 2), entry(8, 1)))

    whole, *items = await rows(database)
    assert ("split", "items: 3") == (whole["state"], whole["reason"])
    assert [("7-1", "page 1", "event 7"), ("7-2", "page 2", "event 7"), ("8-1", "page 1", "event 8")] == [
        (row["external_id"], row["order"], row["key"]) for row in items
    ]
    assert {(whole["id"], "dispatched", '{"q": "1"}')} == {
        (row["bundle_id"], row["state"], json.dumps(row["query"])) for row in items
    }
    assert ({"id": 7, "object": "page"}, b'{"n": 1}') == (items[0]["envelope"], items[0]["body"])


async def test_an_item_that_comes_in_two_bundles_is_worked_on_once(database, send):
    await send(bundle(entry(7, "A", "B")))
    await send(bundle(entry(7, "B", "C")), 1)

    assert ["7-A", "7-B", "7-C"] == [row["external_id"] for row in await rows(database) if row["bundle_id"]]
    assert 3 == await database.fetchval("SELECT count(*) FROM dispatches")


async def test_an_item_that_is_there_twice_in_one_bundle_is_worked_on_once(database, send):
    await send(bundle(entry(7, 1, 1, 2), entry(7, 2)))

    assert ["7-1", "7-2"] == [row["external_id"] for row in (await rows(database))[1:]]


async def test_an_item_under_an_id_that_another_item_has_is_kept_beside_it(database, send):
    first = {"n": 1, "state": "sent"}
    await send({"object": "page", "entry": [{"id": 7, "changes": [first, {"n": 1, "state": "read"}, first]}]})

    _, item, other = await rows(database)
    assert ["7-1", "dispatched", None] == [item["external_id"], item["state"], item["reason"]]
    assert ("discarded", deliveries.OTHER_BODY) == (other["state"], other["reason"])
    assert {"n": 1, "state": "read"} == json.loads(other["body"])


async def test_bundles_that_are_routed_together_lose_no_item_of_one_id(
    database, send, route_received, hooks, deployments
):
    for number, state in enumerate(("sent", "read")):
        body = json.dumps({"entry": [{"id": 7, "changes": [{"n": 1, "state": state}]}]}).encode()
        arrival = Arrival(
            "events", f"{BUNDLE}{number}", "POST", {}, {}, "application/json", *bodies.sealed([], body)
        )
        await deliveries.accept(database, arrival)
    await route_received(hooks(), deployments)

    assert [{"n": 1, "state": "sent"}, {"n": 1, "state": "read"}] == [
        json.loads(row["body"]) for row in await rows(database) if row["bundle_id"]
    ]


async def test_what_postgresql_cannot_store_around_an_item_does_not_keep_the_item_away(database, send):
    await send({"object": "pa\x00ge", "half": "\ud800", "entry": [entry(7, 1)]})

    _, item = await rows(database)
    assert {"id": 7, "object": "pa\ufffdge", "half": "\ufffd"} == item["envelope"]


async def test_a_deadlock_rejects_no_bundle(database, send):
    """Somebody has the second item and waits for the first, which the engine has, waiting for the second."""
    await send(bundle(entry(7, 1, 2)))
    touch = "UPDATE deliveries SET duplicate_at = now() WHERE external_id = $1"
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with database.acquire() as connection, connection.transaction():
        await connection.execute(touch, "7-2")
        routing = asyncio.create_task(send(bundle(entry(7, 1, 2, 3)), 1))
        while not await database.fetchval(waiting):
            await asyncio.sleep(0.01)
        await connection.execute(touch, "7-1")
    await routing

    assert ["split", "split"] == [row["state"] for row in await rows(database) if not row["bundle_id"]]
    assert 3 == await database.fetchval("SELECT count(*) FROM dispatches")


async def test_of_items_without_an_id_the_same_content_is_the_same_item(database, send, hooks):
    without = hooks(WITHOUT_ID)
    await send(bundle(entry(7, "A", "B")), hooks_=without)
    await send(bundle(entry(7, "B", "C")), 1, hooks_=without)

    assert [{"n": "A"}, {"n": "B"}, {"n": "C"}] == [
        json.loads(row["body"]) for row in await rows(database) if row["bundle_id"]
    ]


async def test_of_items_without_an_id_two_equal_ones_in_one_bundle_are_two_and_the_same_two_in_the_next(
    database, send, hooks
):
    without = hooks(WITHOUT_ID)
    for number, sent in enumerate(("AA", "AA", "A", "BAAA")):
        await send(bundle(entry(7, *sent)), number, hooks_=without)

    found = await rows(database)
    assert ["A", "A", "B", "A"] == [json.loads(row["body"])["n"] for row in found if row["bundle_id"]]
    assert [
        "items: 2",
        "items: 2 (there before: 2)",
        "items: 1 (there before: 1)",
        "items: 4 (there before: 2)",
    ] == [row["reason"] for row in found if not row["bundle_id"]]


@pytest.mark.parametrize("fields", ["", "    repeats: by-body\n"])
async def test_an_item_without_an_id_is_the_same_in_whatever_order_its_fields_come(
    database, send, hooks, fields
):
    without = hooks(WITHOUT_ID.replace("    split:", f"{fields}    split:"))
    for number, item in enumerate(({"n": 1, "m": 2}, {"m": 2, "n": 1})):
        await send({"object": "page", "entry": [{"id": 7, "changes": [item]}]}, number, hooks_=without)

    assert [None] == [row["reason"] for row in await rows(database) if row["bundle_id"]]


async def test_a_bundle_says_how_many_of_its_items_are_no_delivery_of_their_own(database, send):
    await send(bundle(entry(7, 1, 1, 2)))
    await send({"object": "page", "entry": [{"id": 7, "changes": [{"n": 1}, {"n": 2, "m": 0}, {"n": 3}]}]}, 1)

    assert ["items: 3 (equal to another of them: 1)", "items: 3 (there before: 1, set aside: 1)"] == [
        row["reason"] for row in await rows(database) if not row["bundle_id"]
    ]


async def test_where_the_content_tells_items_apart_two_equal_ones_are_one(database, send, hooks):
    by_body = hooks(WITHOUT_ID.replace("    split:", "    repeats: by-body\n    split:"))
    await send(bundle(entry(7, "A", "A")), hooks_=by_body)

    assert ["items: 2 (equal to another of them: 1)", None] == [row["reason"] for row in await rows(database)]


async def test_one_item_that_fits_no_route_leaves_the_others(database, send):
    await send({"object": "page", "entry": [{"id": 1, "changes": [{"n": 1}, {"m": 2}, "text", None]}]})

    assert ["split", "dispatched", "unrouted", "unrouted", "unrouted"] == [
        row["state"] for row in await rows(database)
    ]


@pytest.mark.parametrize("body", [{}, [], {"entry": []}, {"entry": [{"changes": {}}]}, "text", 7, None])
async def test_a_bundle_without_items_is_shown_as_such(database, send, body):
    await send(body)

    [row] = await rows(database)
    assert ("unrouted", "`split` of the source finds no item in it") == (row["state"], row["reason"])


async def test_a_bundle_that_cannot_be_read_is_rejected_and_split_after_the_fix(
    database, send, hooks, route_received, deployments
):
    strict = hooks(HOOKS.replace("[json, form]", "[form]"))
    await send(bundle(entry(7, 1)), hooks_=strict)
    [rejected] = await rows(database)
    async with database.acquire() as connection:
        await commands.replay(connection, [rejected["id"]], actor="ann")
    await route_received(hooks(), deployments)

    whole, item = await rows(database)
    assert ("rejected", "split", "dispatched") == (rejected["state"], whole["state"], item["state"])


async def test_a_replay_of_a_bundle_brings_only_what_was_not_there(
    database, send, hooks, route_received, deployments
):
    await send(bundle(entry(7, 1, 2)))
    whole, first, _ = await rows(database)
    await database.execute("DELETE FROM deliveries WHERE id = $1", first["id"])
    async with database.acquire() as connection:
        await commands.replay(connection, [whole["id"]], actor="ann")
    await route_received(hooks(), deployments)

    assert {"7-1", "7-2"} == {row["external_id"] for row in await rows(database) if row["bundle_id"]}
    assert 2 == await database.fetchval("SELECT count(*) FROM dispatches")


async def test_where_nothing_is_a_repeat_each_item_of_a_bundle_is_worked_on_and_a_replay_brings_none_again(
    database, send, hooks, route_received, deployments
):
    never = hooks(HOOKS.replace("    split:", "    repeats: never\n    split:"))
    await send(bundle(entry(7, 1, 1, 2)), hooks_=never)
    await send(bundle(entry(7, 1)), 1, hooks_=never)
    whole = next(row for row in await rows(database) if not row["bundle_id"])
    async with database.acquire() as connection:
        await commands.replay(connection, [whole["id"]], actor="ann")
    await route_received(never, deployments)

    assert 4 == await database.fetchval("SELECT count(*) FROM dispatches")


async def test_a_bundle_is_replayed_to_no_route_for_only_its_items_have_some(database, send):
    await send(bundle(entry(7, 1)))
    whole, _ = await rows(database)
    async with database.acquire() as connection:
        replayed = await commands.replay(connection, [whole["id"]], route="event", actor="ann")

    [part] = await dry_run.replay(database, [whole["id"]], "event")
    assert (set(), "split") == (replayed, (await rows(database))[0]["state"])
    assert "is a bundle: only its items have routes" == part.left_alone


async def test_an_item_outlives_its_bundle_and_is_never_split_again(
    database, send, hooks, route_received, deployments
):
    await send(bundle(entry(7, 1)))
    whole, item = await rows(database)
    await database.execute("DELETE FROM deliveries WHERE id = $1", whole["id"])
    async with database.acquire() as connection:
        await commands.replay(connection, [item["id"]], actor="ann")
    await database.execute("UPDATE dispatches SET state = 'discarded'")
    async with database.acquire() as connection:
        await commands.replay(connection, [item["id"]], actor="ann")
    await route_received(hooks(), deployments)

    [row] = await rows(database)
    assert ("dispatched", "page 1") == (row["state"], row["order"])


async def test_items_of_a_form_are_json_and_accepted(database, send, hooks):
    text = HOOKS.replace('"$.entry[*].changes[*]"', '"$.n[*]"').replace(
        'id: "{{ envelope.id }}-{{ body.n }}"', 'id: "{{ body }}"'
    )
    await send(b"n=1&n=2&object=page", hooks_=hooks(text), content_type="application/x-www-form-urlencoded")

    assert [b'"1"', b'"2"'] == [row["body"] for row in await rows(database) if row["bundle_id"]]


async def test_items_are_encrypted_as_their_bundle_is(database, send):
    keys = [SecretStr(Fernet.generate_key().decode())]
    await send(bundle(entry(7, 1)), keys=keys)

    [item] = await database.fetch("SELECT id, body, altered FROM deliveries WHERE bundle_id IS NOT NULL")
    assert (["encrypted"], b'{"n": 1}') == (item["altered"], bodies.unseal(item, keys))
    assert b'"n"' not in item["body"]


async def test_items_of_a_paused_source_wait(database, send, hooks, deployments, route_received):
    await send(bundle(entry(7, 1)))
    async with database.acquire() as connection:
        await commands.pause(connection, "events", actor="ann", reason="stock-taking")
        await connection.execute(
            "UPDATE deliveries SET state = 'received', routing_attempts = 0, routing_until = NULL WHERE state = 'split'"
        )
        await connection.execute("DELETE FROM deliveries WHERE bundle_id IS NOT NULL")
    await route_received(hooks(), deployments)

    assert ["split", "held"] == [row["state"] for row in await rows(database)]


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    path = tmp_path_factory.mktemp("hooks") / "hooks.yaml"
    path.write_text(HOOKS)
    return load_hooks(path).sources["events"].spec


def items_of(spec, body):
    return split(spec, "application/json", json.dumps(body).encode(), {"delivery_id": BUNDLE}, [], [])


def test_a_bundle_of_too_many_items_is_refused_in_words(spec):
    with pytest.raises(ValueError, match="more than 10,000 items"):
        items_of(spec, bundle(entry(1, *range(MAX_ITEMS + 1))))


def test_a_bundle_whose_items_would_multiply_it_is_refused_in_words(spec):
    around = {f"field {number}": "x" * 1_000 for number in range(100)}

    with pytest.raises(ValueError, match="more than 67,108,864 bytes together"):
        items_of(spec, {**around, **bundle(entry(1, *range(1_000)))})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["entry", "changes", "id", "n"]) | st.text(), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(anything | anything.map(lambda value: {"entry": [{"id": value, "changes": [value, value]}]}))
def test_whatever_is_in_a_bundle_its_items_are_told_apart_and_can_be_stored(spec, body):
    items = items_of(spec, body)

    assert len(items) == len({(item.external_id, item.fingerprints[0]) for item in items})
    for item in items:
        assert item.external_id.isprintable()
        json.loads(item.body)
        json.dumps(dict(item.envelope))
