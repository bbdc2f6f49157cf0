"""From a delivery to its dispatches, and to a clear word where that cannot be."""

import asyncio
import json
import random
import string
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.utilities.schema_tools.validation import validate
from rows import arrival

from hookline.engine.routing import FATAL, MAX_ATTEMPTS, Router
from hookline.hooks import load_hooks
from hookline.inbox import commands, deliveries
from hookline.provisioning.deployments import Deployment, load_deployments
from hookline.text import reason

ORDER = {"InvoiceID": "5244dd5e199749f4b6fe", "InvoiceNo": "100123"}


@pytest.fixture(scope="module")
def deployments(repository):
    return load_deployments(repository / "deployments/prefect.yaml")


@pytest.fixture(scope="module")
def hooks(repository):
    return load_hooks(repository / "deployments/hooks.yaml")


@pytest.fixture
def route(database, route_received):
    """Keeps a delivery, routes it, and says what happened to it."""

    async def route(
        hooks, deployments, body, source="jiwa", content_type="application/json", *, before=None, now=True
    ):
        receipt = await deliveries.accept(
            database,
            arrival(
                uuid4().hex,
                source=source,
                content_type=content_type,
                body=body if isinstance(body, bytes) else json.dumps(body).encode(),
            ),
        )
        if before is not None:
            await before
        if now:
            await route_received(hooks, deployments)
        return await database.fetchrow(
            "SELECT d.id, d.state, d.reason, p.route, p.parameters, p.key FROM deliveries d"
            " LEFT JOIN dispatches p ON p.delivery_id = d.id WHERE d.id = $1 ORDER BY p.seq DESC LIMIT 1",
            receipt.id,
        )

    return route


async def test_an_order_of_jiwa_becomes_a_dispatch_of_the_main_flow(route, hooks, deployments):
    row = await route(hooks, deployments, ORDER)

    assert ("dispatched", "jiwa-order", {"invoice_id": ORDER["InvoiceID"]}) == (
        row["state"],
        row["route"],
        row["parameters"],
    )
    assert f"jiwa order {ORDER['InvoiceID']}" == row["key"]


@pytest.mark.parametrize("body", [{"PartNo": "1170"}, [], "text", 7, None])
async def test_what_is_no_order_is_kept_and_said_to_fit_no_route(route, hooks, deployments, body):
    row = await route(hooks, deployments, body)

    assert ("unrouted", "no route's condition holds", None) == (row["state"], row["reason"], row["route"])


async def test_a_parameter_of_the_wrong_type_costs_no_delivery_and_names_the_place(route, hooks, deployments):
    row = await route(hooks, deployments, {"InvoiceID": 12})

    assert "rejected" == row["state"]
    assert "routes.jiwa-order: parameter invoice_id: Input should be a valid string, not 12" == row["reason"]


async def test_a_name_that_the_body_lacks_costs_no_delivery_and_names_the_place(route, hooks, deployments):
    row = await route(hooks, deployments, {"type": "order.paid", "data": {}}, source="standard")

    assert "rejected" == row["state"]
    assert row["reason"].startswith("routes.standard-order: parameter invoice_id: ")
    assert "invoice_id" in row["reason"]


@pytest.mark.parametrize("directive", [{"$ref": {"block_document_id": "x"}}, {"__prefect_kind": "jinja"}])
async def test_a_stranger_cannot_make_prefect_load_blocks(route, hooks, deployments, directive):
    row = await route(hooks, deployments, {"InvoiceID": [{"deep": directive}]})

    assert "rejected" == row["state"]
    assert "refused" in row["reason"]


@pytest.mark.parametrize("half", ["\x00", "\ud800"])
async def test_what_no_column_holds_is_replaced_in_parameters_and_keys(route, hooks, deployments, half):
    row = await route(hooks, deployments, {"InvoiceID": f"half {half} inside"})

    assert ("dispatched", {"invoice_id": "half \ufffd inside"}, "jiwa order half \ufffd inside") == (
        row["state"],
        row["parameters"],
        row["key"],
    )


async def test_a_replay_after_the_route_was_mended_goes_through(
    database, deployments, tmp_path: Path, route, route_received
):
    broken, fixed = tmp_path / "broken.yaml", tmp_path / "fixed.yaml"
    text = (
        "sources: {{jiwa: {{scheme: shared-secret}}}}\n"
        "routes: {{r: {{source: jiwa, deployment: order-to-license/default, "
        "parameters: {{invoice_id: '{{{{ body.{} }}}}'}}}}}}\n"
    )
    broken.write_text(text.format("Invoice"))
    fixed.write_text(text.format("InvoiceID"))
    rejected = await route(load_hooks(broken), deployments, ORDER)

    async with database.acquire() as connection:
        await commands.replay(
            connection, [await connection.fetchval("SELECT id FROM deliveries")], actor="ann"
        )
    await route_received(load_hooks(fixed), deployments)

    states = [rejected["state"], await database.fetchval("SELECT state FROM deliveries")]
    assert ["rejected", "dispatched"] == states


@pytest.mark.parametrize(
    ("body", "content_type", "why"),
    [
        (b"{not json", "application/json", "The body is not JSON: "),
        (
            b"[" * 100_000,
            "application/json",
            "The body is not JSON that we accept: more than 100 values within",
        ),
        (b"InvoiceID=1", "application/x-www-form-urlencoded", "`accept` of the source says application/json"),
        (b'{"InvoiceID": "1"}', "", "The content type is nothing"),
    ],
    ids=["text", "deep", "form", "nothing"],
)
async def test_what_nobody_can_read_is_rejected_with_the_reason(
    route, hooks, deployments, body, content_type, why
):
    row = await route(hooks, deployments, body, content_type=content_type)

    assert "rejected" == row["state"]
    assert why in row["reason"]


async def test_what_was_sent_in_another_form_is_routed_once_the_source_accepts_that(
    database, deployments, tmp_path: Path, route, route_received
):
    text = (
        "sources: {{jiwa: {{scheme: shared-secret, accept: {}}}}}\n"
        "routes: {{r: {{source: jiwa, deployment: order-to-license/default, "
        "parameters: {{invoice_id: '{{{{ body.InvoiceID }}}}'}}}}}}\n"
    )
    strict, open_ = tmp_path / "strict.yaml", tmp_path / "open.yaml"
    strict.write_text(text.format("[json]"))
    open_.write_text(text.format("[json, form]"))
    rejected = await route(
        load_hooks(strict), deployments, b"InvoiceID=7", content_type="application/x-www-form-urlencoded"
    )

    async with database.acquire() as connection:
        await commands.replay(connection, [rejected["id"]], actor="ann")
    await route_received(load_hooks(open_), deployments)

    dispatch = await database.fetchrow("SELECT state, parameters FROM dispatches")
    assert ("rejected", "dispatched", {"invoice_id": "7"}) == (
        rejected["state"],
        dispatch["state"],
        dispatch["parameters"],
    )


WITH_SCHEMA = """
sources:
  jiwa:
    scheme: shared-secret
    schema: {{type: object, properties: {{InvoiceID: {{type: string, minLength: {least}}}}}}}
routes:
  first: &order
    source: jiwa
    when: body.InvoiceID is defined
    deployment: order-to-license/default
    parameters: {{invoice_id: "{{{{ body.InvoiceID }}}}"}}
  second: *order
  never: {{source: jiwa, when: "false", deployment: order-to-license/default, parameters: {{invoice_id: "x"}}}}
"""


def hooks_of(tmp_path, *, least=1):
    path = tmp_path / f"hooks-{least}.yaml"
    path.write_text(WITH_SCHEMA.format(least=least))
    return load_hooks(path)


async def test_a_misfit_is_kept_as_rejected_with_the_place_and_goes_through_once_the_schema_is_mended(
    database, deployments, tmp_path, route, route_received
):
    rejected = await route(hooks_of(tmp_path, least=30), deployments, ORDER)
    async with database.acquire() as connection:
        await commands.replay(
            connection, [await connection.fetchval("SELECT id FROM deliveries")], actor="ann"
        )
    await route_received(hooks_of(tmp_path), deployments)

    assert ("rejected", "dispatched") == (
        rejected["state"],
        await database.fetchval("SELECT state FROM deliveries"),
    )
    assert rejected["reason"].startswith("does not fit the schema at $.InvoiceID: ")


async def test_every_route_whose_condition_holds_gets_a_dispatch_of_its_own(
    database, deployments, tmp_path, route
):
    await route(hooks_of(tmp_path), deployments, ORDER)

    rows = await database.fetch("SELECT route FROM dispatches ORDER BY seq")
    assert ["first", "second"] == [row["route"] for row in rows]


async def test_a_delivery_replayed_to_a_route_takes_it_whatever_its_condition_says(
    database, deployments, tmp_path, route, route_received
):
    await route(hooks_of(tmp_path), deployments, ORDER)
    async with database.acquire() as connection:
        delivery = await connection.fetchval("SELECT id FROM deliveries")
        await commands.replay(connection, [delivery], route="never", actor="ann")
    await route_received(hooks_of(tmp_path), deployments)

    rows = await database.fetch("SELECT route, parameters->>'invoice_id' AS id FROM dispatches ORDER BY seq")
    assert ("never", "x") == tuple(rows[-1])
    assert 3 == len(rows)


HOSTILE = """
sources:
  free: {scheme: shared-secret, accept: [any]}
  strict:
    scheme: shared-secret
    schema: {additionalProperties: false, properties: {a: {type: string}}}
  round: {scheme: shared-secret, schema: {additionalProperties: {$ref: "#"}, items: {$ref: "#"}}}
  unique: {scheme: shared-secret, schema: {uniqueItems: true}}
  innocent: {scheme: shared-secret}
routes:
  free:
    source: free
    deployment: takes/test
    key: "k {{ body.key | default('none') }}"
    parameters: {data: "{{ body.data | default(none) }}"}
  strict: {source: strict, deployment: takes/test}
  round: {source: round, deployment: takes/test}
  unique: {source: unique, deployment: takes/test}
  innocent: {source: innocent, deployment: takes/test}
  typed:
    source: free
    when: body.typed is defined
    deployment: typed/test
    parameters: {value: "{{ body.typed }}"}
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Sources and flows that strangers would like."""
    path = tmp_path_factory.mktemp("hostile") / "hooks.yaml"
    path.write_text(HOSTILE)
    deployments = {
        f"{name}/test": Deployment(
            name="test", entrypoint=f"tests/hostile/takers.py:{name}", work_pool={"name": "hookline"}
        )
        for name in ("takes", "typed")
    }
    return load_hooks(path), deployments


@pytest.fixture
def through(route, hostile, database):
    """Routes a delivery together with an innocent one that came after it; what happened to the first."""

    async def through(source, body, **more):
        innocent = route(*hostile, {}, source="innocent", now=False)
        row = await route(*hostile, body, source=source, before=innocent, **more)
        states = await database.fetch("SELECT state FROM deliveries WHERE source = 'innocent'")
        assert {"dispatched"} == {each["state"] for each in states}
        return row

    return through


async def test_a_long_key_is_kept_shortened_and_equal_keys_stay_equal(through, database):
    letters = "".join(random.Random(7).choices(string.ascii_letters, k=4096))
    rows = [await through("free", {"key": letters + end}) for end in ("a", "a", "b")]

    first, again, other = [row["key"] for row in rows]
    assert (first, 200) == (again, len(first))
    assert first != other
    assert first.startswith(f"k {letters[:100]}")


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b", "b" * 100_000, "\x1b[31m"])
async def test_a_misfit_that_quotes_what_cannot_be_stored_is_rejected_with_a_reason_that_can(through, name):
    row = await through("strict", {name: 1})

    assert "rejected" == row["state"]
    assert row["reason"].startswith("does not fit the schema at $: Additional properties")
    assert len(row["reason"]) < 400
    assert row["reason"] == reason(row["reason"])


async def test_of_a_value_that_fits_no_schema_only_the_beginning_is_told(through):
    row = await through("strict", {"a": ["secret of the body " * 10_000]})

    assert "rejected" == row["state"]
    assert "$.a" in row["reason"]
    assert "is not of type 'string'" in row["reason"]
    assert len(row["reason"]) < 200


@pytest.mark.parametrize("depth", [60, 99, 300, 100_000])
async def test_a_schema_that_leads_round_ends_no_engine(through, depth):
    row = await through("round", b'{"a":' * depth + b"{}" + b"}" * depth)

    assert row["state"] in {"dispatched", "rejected"}
    assert "rejected" == row["state"] or depth < 100


async def test_a_body_that_takes_for_ever_is_rejected_and_holds_up_nobody(through):
    row = await through("unique", [{"n": n} for n in range(6_000)] + [1])

    assert ("rejected", "it takes longer than 2 s to read") == (row["state"], row["reason"])


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'{"data": ' + b"9" * 22 + b"}", "routes.free: parameter data: $: a number beyond 64 bits"),
        (b'{"data": {"a": [-' + b"9" * 22 + b"]}}", "routes.free: parameter data: $.a[0]: a number beyond"),
        (b'{"data": "' + b"x" * 600_000 + b'"}', "routes.free: parameter data: gives 600000 characters"),
        (b'{"data": ["' + b"x" * 600_000 + b'"]}', "routes.free: parameter data: all parameters have 6000"),
        (b'{"data": ' + b"[" * 400 + b"]" * 400 + b"}", "more than 100 values within each other"),
        (b'{"data": 1e22}', "routes.free: parameter data: $: a number beyond 64 bits"),
        (b'{"data": 1e999}', "1e999 is larger than any number"),
        (b'{"data": NaN}', "NaN is not a number of JSON"),
        (b'{"data": ' + b"9" * 5_000 + b"}", "a number has too many digits"),
    ],
)
async def test_what_prefect_cannot_hold_is_rejected_with_the_place(through, data, told):
    row = await through("free", data)

    assert "rejected" == row["state"]
    assert told in row["reason"]


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 1.5e15, 2.5e-300, 0])
async def test_what_prefect_can_hold_goes_through(through, number):
    row = await through("free", {"data": number})

    assert ("dispatched", number) == (row["state"], row["parameters"]["data"])


@pytest.mark.parametrize("raised", ["KeyError", "OSError", "SystemExit"])
async def test_whatever_a_flows_validator_raises_ends_that_delivery_alone(through, raised):
    row = await through("free", {"typed": raised})

    assert "rejected" == row["state"]
    assert f"routes.typed: parameter value: the flow's own check ends in {raised}" in row["reason"]


ACCEPTED = [
    ("number", "7", 7),
    ("number", 7, 7),
    ("after", 5, "PT5S"),
    ("after", "PT5S", "PT5S"),
    ("tags", ["a"], ["a"]),
    ("order", "A-7", {"no": "A-7"}),
    ("order", {"no": "A-7"}, {"no": "A-7"}),
    ("order", None, None),
    ("price", "1.10", "1.10"),
    ("price", 1.5, 1.5),
    ("at", "2026-11-28T12:00:00Z", "2026-11-28T12:00:00Z"),
    ("at", 0, "1970-01-01T00:00:00Z"),
    ("kind", "paid", "paid"),
    ("few", "3", 3),
    ("flag", "yes", True),
]


@pytest.fixture(scope="module")
def takers(tmp_path_factory):
    """Routes and a flow whose types take more than the JSON Schema that Prefect makes of them."""
    names = sorted({name for name, _, _ in ACCEPTED})
    routes = "".join(
        f"""
  {name}:
    source: takers
    when: body.name == '{name}'
    deployment: takes/test
    parameters: {{record: "/x", {name}: "{{{{ body.value }}}}"}}
"""
        for name in names
    )
    path = tmp_path_factory.mktemp("takers") / "hooks.yaml"
    path.write_text("sources: {takers: {scheme: shared-secret}}\nroutes:\n" + routes)
    takes = Deployment(name="test", entrypoint="tests/flows/takers.py:takes", work_pool={"name": "hookline"})
    return load_hooks(path), {"takes/test": takes}


@pytest.mark.parametrize(("name", "value", "passed"), [*ACCEPTED, ("tags", ["a", "a"], ["a"])])
async def test_what_the_flows_types_take_is_passed_so_that_prefects_own_check_takes_it(
    route, takers, name, value, passed
):
    hooks, deployments = takers
    row = await route(hooks, deployments, {"name": name, "value": value}, source="takers")

    assert ("dispatched", None) == (row["state"], row["reason"])
    assert passed == row["parameters"][name]
    schema = deployments["takes/test"].flow().parameters.model_dump_for_openapi()
    validate(row["parameters"], schema, raise_on_error=True)  # as the server does


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("number", "seven", "routes.number: parameter number: Input should be a valid integer"),
        ("few", 0, "routes.few: parameter few: Input should be greater than or equal to 1"),
        ("kind", "gone", "routes.kind: parameter kind: Input should be 'paid'"),
        ("tags", [["a"]], "routes.tags: parameter tags: "),
        ("number", 1.5, "routes.number: parameter number: Input should be a valid integer"),
    ],
)
async def test_what_the_flows_types_refuse_is_rejected_with_the_place(route, takers, name, value, told):
    row = await route(*takers, {"name": name, "value": value}, source="takers")

    assert "rejected" == row["state"]
    assert row["reason"].startswith(told)


async def test_a_flow_with_a_parameter_delivery_is_given_its_id(through):
    row = await through("free", {"data": 1})

    assert {"delivery": str(row["id"]), "data": 1} == row["parameters"]


async def test_a_delivery_whose_flow_is_not_there_waits_and_goes_on_once_it_is(
    route, hostile, database, route_received
):
    hooks, deployments = hostile
    waits = await route(hooks, {}, {}, source="innocent")
    await database.execute("UPDATE deliveries SET routing_until = now() - interval '1 second'")
    await route_received(hooks, deployments)

    assert "received" == waits["state"]
    assert "routes.innocent: there is no deployment 'takes/test' here" == waits["reason"]
    assert ("dispatched", None) == tuple(await database.fetchrow("SELECT state, reason FROM deliveries"))


@pytest.fixture
async def refusing(database):
    """A database that refuses one key, as it does what nobody thought of."""
    await database.execute("ALTER TABLE dispatches ADD CONSTRAINT refusing CHECK (key <> 'k refused')")
    yield
    await database.execute("ALTER TABLE dispatches DROP CONSTRAINT refusing")


async def test_what_postgresql_refuses_ends_that_delivery_alone_and_no_body_is_told(
    route, hostile, database, route_received, refusing
):
    for key in ("first", "refused", "last"):
        await route(*hostile, {"key": key, "data": "a secret of the body"}, source="free", now=False)
    await route_received(*hostile)

    rows = await database.fetch("SELECT state, reason FROM deliveries ORDER BY seq")
    assert ["dispatched", "rejected", "dispatched"] == [row["state"] for row in rows]
    assert rows[1]["reason"].startswith("PostgreSQL cannot store its outcome: new row for relation")
    assert "secret" not in rows[1]["reason"]


async def left_alone(database):
    """As if the engine that routed had died, and its time were over."""
    await database.execute("UPDATE deliveries SET routing_until = now() - interval '1 second'")


async def test_a_delivery_whose_routing_ended_three_engines_is_set_aside_and_replayed_afresh(
    route, hostile, database, route_received
):
    await route(*hostile, {}, source="innocent", now=False)
    for _ in range(MAX_ATTEMPTS):
        async with database.acquire() as connection:
            claimed = await deliveries.claim_received(connection, 9) or [
                await deliveries.claim_suspect(connection)
            ]
        assert 1 == len(claimed)
        await left_alone(database)
    await route_received(*hostile)
    set_aside = await database.fetchrow("SELECT id, state, reason FROM deliveries")
    async with database.acquire() as connection:
        await commands.replay(connection, [set_aside["id"]], actor="ann")
    await route_received(*hostile)

    assert ("rejected", FATAL) == tuple(set_aside)[1:]
    assert "dispatched" == await database.fetchval("SELECT state FROM deliveries")


async def test_those_that_an_engine_had_when_it_died_are_routed_one_by_one_and_none_is_blamed(
    route, hostile, database, route_received
):
    for _ in range(3):
        await route(*hostile, {}, source="innocent", now=False)
    async with database.acquire() as connection:
        assert 3 == len(await deliveries.claim_received(connection, 9))
        assert [] == await deliveries.claim_received(connection, 9)
        await left_alone(database)
        assert [] == await deliveries.claim_received(connection, 9)
    await route_received(*hostile)

    rows = await database.fetch("SELECT state FROM deliveries")
    assert ["dispatched"] * 3 == [row["state"] for row in rows]
    order = await database.fetch(
        "SELECT d.seq FROM dispatches p JOIN deliveries d ON d.id = p.delivery_id ORDER BY p.seq"
    )
    assert [1, 2, 3] == [row["seq"] for row in order]


async def test_a_clock_that_was_set_back_holds_up_no_routing(route, hostile, database, route_received):
    await route(*hostile, {}, source="innocent", now=False)
    await database.execute("UPDATE deliveries SET routing_until = now() + interval '1 hour'")
    await route_received(*hostile)

    assert "dispatched" == await database.fetchval("SELECT state FROM deliveries")


async def test_a_source_of_costly_bodies_holds_up_no_other(route, hostile, database, confined):
    costly = [{"n": n} for n in range(6_000)] + [1]
    for _ in range(3):
        await route(*hostile, costly, source="unique", now=False)
    for _ in range(60):
        await route(*hostile, {}, source="innocent", now=False)
    router = Router(database, *hostile, confined=confined)
    routing = asyncio.create_task(router.route_received())

    async def innocent_ones():
        rows = await database.fetch("SELECT source, state FROM deliveries WHERE state <> 'received'")
        return rows if sum(row["source"] == "innocent" for row in rows) == 60 else None

    before = [row["source"] for row in await until(innocent_ones)]
    await routing
    assert before.count("unique") < 2
    assert 3 == await database.fetchval("SELECT count(*) FROM deliveries WHERE state = 'rejected'")


async def until(ask):
    while not (answer := await ask()):
        await asyncio.sleep(0.02)
    return answer
