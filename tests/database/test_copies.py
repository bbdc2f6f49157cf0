"""A replay with a change: a copy runs beside what came, which stays as it is, and never stands in the way of it."""

import json
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from rows import arrival, bring

from hookline import delivery
from hookline.engine.rehearsal import rehearse
from hookline.engine.trying import Files
from hookline.errors import HooklineError
from hookline.hooks import load_hooks
from hookline.hooks.ids import BUNDLE
from hookline.inbox import audit, bodies, commands, copies, deliveries, retention, search, silences
from hookline.inbox.copies import Change
from hookline.provisioning.deployments import load_deployments

ANN = "ann at desk"
KEYS = [SecretStr(Fernet.generate_key().decode())]
HOOKS = """
sources:
  jiwa:
    scheme: shared-secret
    redact: ["$.card"]
    schema: {type: object, properties: {InvoiceID: {type: string}}}
  events:
    scheme: shared-secret
    split: "$.entry[*]"
    id: "{{ body.n }}"
routes:
  jiwa-order:
    source: jiwa
    deployment: order-to-license/default
    when: body.InvoiceID is defined
    key: "order {{ delivery_id }}"
    parameters: {invoice_id: "{{ body.InvoiceID }}"}
  jiwa-strict:
    source: jiwa
    deployment: order-to-license/default
    when: body.strict is defined
    parameters: {invoice_id: "{{ body.missing.field }}"}
  event:
    source: events
    deployment: order-to-license/default
    parameters: {invoice_id: "{{ body.order }}"}
"""


@pytest.fixture(scope="module")
def deployments(repository):
    return load_deployments(repository / "deployments/prefect.yaml")


@pytest.fixture
def hooks(tmp_path: Path):
    path = tmp_path / "hooks.yaml"
    path.write_text(HOOKS)
    return load_hooks(path)


@pytest.fixture
def route(route_received, hooks, deployments):
    """Routes all that was received."""

    async def route(keys=()):
        await route_received(hooks, deployments, keys)

    return route


@pytest.fixture
def make(database, hooks):
    """Makes a copy; its row as it is to be stored."""

    async def make(original_id, change, *, keys=(), store=True, reason="", copy_id=None):
        row = await copies.original(database, original_id)
        copy = copies.copied(row, copy_id or uuid4(), change, hooks.sources[row["source"]], keys)
        if store:
            async with database.acquire() as connection:
                await copies.store(connection, copy, actor=ANN, reason=reason)
        return copy

    return make


async def accept(database, body=b'{"InvoiceID": "A"}', external_id="one", source="jiwa", **fields):
    sealed = bodies.sealed((), body)
    receipt = await deliveries.accept(
        database,
        arrival(external_id, source=source, body=body, fingerprints=sealed.fingerprints, **fields),
    )
    return receipt.id


async def of(database, delivery_id):
    return await database.fetchrow("SELECT * FROM deliveries WHERE id = $1", delivery_id)


async def started(database):
    rows = await database.fetch(
        "SELECT route, parameters ->> 'invoice_id' AS o, key FROM dispatches ORDER BY seq"
    )
    return [tuple(row) for row in rows]


async def trail(database, delivery_id):
    return [(row["became"], row["actor"], row["reason"]) for row in await audit.trail(database, delivery_id)]


async def test_a_copy_runs_with_another_body_under_the_same_key_and_what_came_stays(database, make, route):
    first = await accept(database)
    await route()
    before = await of(database, first)

    copy = await make(first, Change(b'{"InvoiceID": "B"}'))
    await route()

    assert before == await of(database, first)
    assert [("jiwa-order", "A", "order one"), ("jiwa-order", "B", "order one")] == await started(database)
    row = await of(database, copy.id)
    assert (first, b'{"InvoiceID": "B"}', True) == (row["copy_of"], row["body"], row["changed"]["body"])


async def test_both_sides_say_who_made_the_copy_when_and_what_was_changed(database, make):
    first = await accept(database)
    change = Change(b"{}", {"jiwa-order": {"invoice_id": "B"}}, "jiwa-order")

    copy = await make(first, change, reason="wrong order")

    what = "another body and other parameters of jiwa-order: invoice_id, only for jiwa-order: wrong order"
    assert ("copied", ANN, f"as {copy.id} with {what}") == (await trail(database, first))[-1]
    assert [("received", ANN, f"a copy of {first} with {what}")] == await trail(database, copy.id)


async def test_what_comes_later_under_the_same_id_is_compared_with_what_came_only(database, make, route):
    first = await accept(database)
    copy = await make(first, Change(b'{"InvoiceID": "B"}'))

    again = await accept(database)
    other = await accept(database, b'{"InvoiceID": "B"}')

    assert (first, first) == (again, other)
    rows = await database.fetch("SELECT id, duplicates, repeats_id, state FROM deliveries ORDER BY seq")
    assert [(first, 2, None), (copy.id, 0, None)] == [tuple(row)[:3] for row in rows[:2]]
    assert [(first, "discarded")] == [(row["repeats_id"], row["state"]) for row in rows[2:]]


async def test_a_copy_that_is_asked_for_twice_is_made_once(database, make):
    first, copy_id = await accept(database), uuid4()
    change = Change(b'{"InvoiceID": "B"}', {"jiwa-order": {"invoice_id": "B"}})
    copy = await make(first, change, copy_id=copy_id, keys=KEYS)

    async with database.acquire() as connection:
        again = await copies.store(connection, copy, actor=ANN)

    assert (False, 2) == (again, await database.fetchval("SELECT count(*) FROM deliveries"))
    assert 0 == (await of(database, copy_id))["duplicates"]
    with pytest.raises(HooklineError, match="Another delivery has the id"):
        await make(first, Change(b'{"InvoiceID": "C"}'), copy_id=copy_id)
    with pytest.raises(HooklineError, match="Another delivery has the id"):
        await make(first, change, copy_id=first)


async def test_a_parameter_wins_over_the_route_s_own_and_over_a_template_that_fails(database, make, route):
    first = await accept(database, b'{"strict": 1}')
    await route()

    await make(first, Change(parameters={"jiwa-strict": {"invoice_id": "B"}}))
    await route()

    assert "rejected" == (await of(database, first))["state"]
    assert [("jiwa-strict", "B", None)] == await started(database)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (Change(b'{"InvoiceID": 7}'), "does not fit the schema at $.InvoiceID"),
        (Change(b"{}"), "no route's condition holds"),
        (
            Change(parameters={"jiwa-order": {"invoice_id": {"deep": 1}}}),
            "routes.jiwa-order: parameter invoice_id: Input should be a valid string",
        ),
        (
            Change(parameters={"jiwa-order": {"invoice": "B"}}),
            "routes.jiwa-order: parameter invoice: the flow has no such parameter; it has: invoice_id",
        ),
        (Change(parameters={"jiwa-strict": {"invoice_id": "B"}}), "the route jiwa-strict does not take it"),
    ],
    ids=["schema", "no route", "type", "unknown", "other route"],
)
async def test_what_an_engine_would_reject_is_refused_before_it_is_stored(
    database, make, hooks, deployments, confined, change, problem
):
    copy = await make(await accept(database), change, store=False)

    rehearsed = await rehearse(Files(hooks, deployments), copy.unsealed, confined)

    assert problem in (rehearsed.problem or "nothing"), rehearsed.problem


async def test_a_rehearsal_says_what_would_start(database, make, hooks, deployments, confined):
    first = await accept(database)
    copy = await make(first, Change(parameters={"jiwa-order": {"invoice_id": "B"}}), store=False, keys=KEYS)

    [start] = (await rehearse(Files(hooks, deployments), copy.unsealed, confined)).starts

    assert ("jiwa-order", "order-to-license/default", {"invoice_id": "B"}, "order one") == (
        start.route, start.deployment, start.parameters, start.key,
    )  # fmt: skip
    assert 1 == await database.fetchval("SELECT count(*) FROM deliveries")


async def test_a_changed_body_is_redacted_and_encrypted_as_any_other(database, make, route):
    first = await accept(database)

    copy = await make(first, Change(b'{"InvoiceID": "B", "card": "4111"}'), keys=KEYS)
    await route(KEYS)

    row = await of(database, copy.id)
    assert ["redacted", "encrypted"] == row["altered"]
    assert {"InvoiceID": "B", "card": "[redacted]"} == json.loads(bodies.unseal(row, KEYS))
    assert ("jiwa-order", "B", "order one") == (await started(database))[-1]


async def test_what_is_no_longer_stored_or_cannot_be_redacted_is_not_copied(database, make):
    first = await accept(database)
    with pytest.raises(HooklineError, match="cannot be stored"):
        await make(first, Change(b"{not json"))
    with pytest.raises(HooklineError, match="Nothing is changed"):
        await make(first, Change(parameters={"jiwa-order": {}}))
    await database.execute("UPDATE deliveries SET body = NULL, altered = '{removed}'")

    with pytest.raises(HooklineError, match="no longer stored; give another"):
        await make(first, Change(parameters={"jiwa-order": {"invoice_id": "B"}}))
    assert [] == (await make(first, Change(b"{}"))).row["altered"]


async def test_headers_that_were_true_of_the_old_bytes_do_not_come_with_others(database, make, route):
    headers = {"content-encoding": "gzip", "content-length": "7", "x-shop": "1"}
    first = await accept(database, b"\x1f\x8b", headers=headers)
    await route()

    copy = await make(first, Change(b'{"InvoiceID": "B"}'))
    await route()

    assert {"x-shop": "1"} == (await of(database, copy.id))["headers"]
    assert [("jiwa-order", "B", "order one")] == await started(database)


async def test_a_copy_of_a_copy_has_both_changes_and_the_sender_s_id(database, make, route):
    first = await accept(database)
    copy = await make(first, Change(parameters={"jiwa-order": {"invoice_id": "B"}}))

    second = await make(copy.id, Change(b'{"InvoiceID": "C"}'))
    await route()

    row = await of(database, second.id)
    assert (copy.id, f"one copy {second.id}") == (row["copy_of"], row["external_id"])
    assert ("jiwa-order", "B", "order one") == (await started(database))[-1]


async def test_a_copy_of_a_paused_source_waits(database, make):
    first = await accept(database)
    async with database.acquire() as connection:
        await commands.pause(connection, "jiwa", actor=ANN, reason="upgrade")
        copy = await make(first, Change(b"{}"))
        assert "held" == (await of(database, copy.id))["state"]
        await commands.resume(connection, "jiwa", actor=ANN)

    assert "received" == (await of(database, copy.id))["state"]


async def test_a_copy_for_one_route_takes_it_whatever_its_condition_says(database, make, route):
    first = await accept(database)

    change = Change(parameters={"jiwa-strict": {"invoice_id": "B"}}, route="jiwa-strict")
    await make(first, change)
    await route()

    assert ("jiwa-strict", "B", None) == (await started(database))[-1]


async def test_a_copy_is_found_by_what_it_is_a_copy_of(database, make):
    first = await accept(database)
    copy = await make(first, Change(b"{}"))

    found = await search.find(database, search.Filter(key=str(first)[:8]))

    assert [(copy.id, 0), (first, 1)] == [(row["id"], row["copies"]) for row in found.deliveries]


async def test_a_copy_outlives_what_it_is_a_copy_of_and_is_one_still(
    database, make, hooks, database_settings
):
    first = await accept(database)
    copy = await make(first, Change(b'{"InvoiceID": "B"}'))
    await bring(database, "deliveries", "discarded", "id = $1", first)
    await database.execute(
        "UPDATE deliveries SET received_at = now() - interval '9 years' WHERE id = $1", first
    )
    await database.execute("UPDATE changes SET at = now() - interval '9 years' WHERE delivery_id = $1", first)

    await retention.prune(database, database_settings, hooks)

    row = await of(database, copy.id)
    assert (None, None, True) == (await of(database, first), row["copy_of"], row["changed"]["body"])
    assert "one" == deliveries.sender_id(row)


async def test_a_flow_reads_the_changed_body_and_that_it_is_a_copy(
    database, make, database_settings, environment
):
    environment.setenv("HOOKLINE_HOME", str(database_settings.home))
    first = await accept(database)
    copy = await make(first, Change(b'{"InvoiceID": "B"}'))

    found, before = await delivery.read_delivery(copy.id), await delivery.read_delivery(first)

    assert (True, first, "one", b'{"InvoiceID": "B"}') == (
        found.is_copy, found.copy_of, found.external_id, found.raw,
    )  # fmt: skip
    assert (False, None) == (before.is_copy, before.copy_of)


async def test_a_copy_is_no_sign_of_life_of_its_sender(database, make, hooks, environment):
    environment.setenv("HOOKLINE_SECRET_JIWA", "the-secret-of-jiwa-in-tests")
    first = await accept(database)
    hour = timedelta(hours=1)
    await database.execute("UPDATE deliveries SET received_at = now() - $1::interval", hour)
    await silences.watch(database, hooks)
    await database.execute("UPDATE silences SET quiet_since = now() - $1::interval", hour)

    await make(first, Change(b"{}"))
    await silences.watch(database, hooks)

    quiet = await database.fetchval("SELECT now() - quiet_since FROM silences WHERE source = 'jiwa'")
    assert quiet >= hour


async def send_bundle(database, route, *items):
    body = json.dumps({"entry": items}).encode()
    whole = await accept(database, body, f"{BUNDLE}1", "events")
    await route()
    return whole


async def test_of_a_copied_bundle_what_was_changed_or_added_runs_and_no_other(database, make, route):
    items = [{"n": 1, "order": "A"}, {"n": 2, "order": "B"}]
    whole = await send_bundle(database, route, *items)
    before = await database.fetch("SELECT * FROM deliveries ORDER BY seq")

    changed = [items[0], {"n": 2, "order": "B2"}, {"n": 3, "order": "C"}]
    copy = await make(whole, Change(json.dumps({"entry": changed}).encode()))
    await route()

    assert before == await database.fetch("SELECT * FROM deliveries ORDER BY seq LIMIT 3")
    assert ["A", "B", "B2", "C"] == [order for _, order, _ in await started(database)]
    made = await database.fetch("SELECT * FROM deliveries WHERE bundle_id = $1 ORDER BY seq", copy.id)
    assert [(f"2 copy {copy.id}", before[2]["id"]), (f"3 copy {copy.id}", None)] == [
        (row["external_id"], row["copy_of"]) for row in made
    ]
    assert "items: 3 (as they came: 1)" == (await of(database, copy.id))["reason"]
    assert ("copied", f"as {made[0]['id']}") == (await trail(database, before[2]["id"]))[-1][::2]


async def test_a_copied_bundle_that_is_replayed_brings_no_item_again_and_keeps_none_away(
    database, make, route
):
    whole = await send_bundle(database, route, {"n": 1, "order": "A"})
    copy = await make(whole, Change(b'{"entry": [{"n": 3, "order": "C"}]}'))
    await route()
    async with database.acquire() as connection:
        await commands.replay(connection, [copy.id], actor=ANN)
    await route()

    await accept(database, b'{"entry": [{"n": 3, "order": "D"}]}', f"{BUNDLE}2", "events")
    await route()

    assert ["A", "C", "D"] == [order for _, order, _ in await started(database)]


async def test_a_bundle_that_could_not_be_read_is_split_once_a_copy_can(
    database, make, route, hooks, deployments, confined
):
    whole = await accept(database, b"{broken", f"{BUNDLE}1", "events")
    await route()

    copy = await make(whole, Change(b'{"entry": [{"n": 1, "order": "A"}]}'))
    rehearsed = await rehearse(Files(hooks, deployments), copy.unsealed, confined)
    await route()

    assert (1, None) == (rehearsed.items, rehearsed.problem)
    assert ["A"] == [order for _, order, _ in await started(database)]


async def test_a_bundle_has_no_route_and_no_parameter_to_change(
    database, make, route, hooks, deployments, confined
):
    whole = await send_bundle(database, route, {"n": 1, "order": "A"})
    copy = await make(whole, Change(parameters={"event": {"invoice_id": "B"}}), store=False)

    rehearsed = await rehearse(Files(hooks, deployments), copy.unsealed, confined)

    assert "it is a bundle: only its items have routes and parameters" == rehearsed.problem


async def test_a_copy_of_an_item_is_read_as_an_item(database, make, route):
    await send_bundle(database, route, {"n": 1, "order": "A"})
    item = await database.fetchval("SELECT id FROM deliveries WHERE bundle_id IS NOT NULL")

    await make(item, Change(b'{"n": 1, "order": "B"}'))
    await route()

    assert ["A", "B"] == [order for _, order, _ in await started(database)]
