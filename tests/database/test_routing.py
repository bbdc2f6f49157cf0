"""From a delivery to its dispatches, and to a clear word where that cannot be."""

import json
from pathlib import Path
from uuid import uuid4

import pytest

from hookline.engine.deployments import load_deployments
from hookline.hooks import load_hooks
from hookline.inbox import acts, deliveries

ORDER = {"InvoiceID": "5244dd5e199749f4b6fe", "InvoiceNo": "100123"}


@pytest.fixture(scope="module")
def deployments(repository):
    return load_deployments(repository / "deployments/prefect.yaml")


@pytest.fixture(scope="module")
def hooks(repository):
    return load_hooks(repository / "deployments/hooks.yaml")


@pytest.fixture
def route(database, route_received):
    """Keeps a delivery, routes it, and says what became of it."""

    async def route(hooks, deployments, body, source="jiwa", content_type="application/json"):
        await deliveries.accept(
            database,
            deliveries.Arrival(
                source=source,
                external_id=uuid4().hex,
                method="POST",
                query={},
                headers={},
                content_type=content_type,
                body=body if isinstance(body, bytes) else json.dumps(body).encode(),
            ),
        )
        await route_received(hooks, deployments)
        return await database.fetchrow(
            "SELECT d.id, d.state, d.reason, p.route, p.parameters, p.key FROM deliveries d"
            " LEFT JOIN dispatches p ON p.delivery_id = d.id ORDER BY d.seq DESC LIMIT 1"
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


@pytest.mark.parametrize("half", ["\x00", "\ud800", "\udfff"])  # noqa: PT014  (ruff takes halves for one)
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
    broken, mended = tmp_path / "broken.yaml", tmp_path / "mended.yaml"
    text = (
        "sources: {{jiwa: {{scheme: shared-secret}}}}\n"
        "routes: {{r: {{source: jiwa, deployment: order-to-license/default, "
        "parameters: {{invoice_id: '{{{{ body.{} }}}}'}}}}}}\n"
    )
    broken.write_text(text.format("Invoice"))
    mended.write_text(text.format("InvoiceID"))
    rejected = await route(load_hooks(broken), deployments, ORDER)

    async with database.acquire() as connection:
        await acts.replay(connection, await connection.fetchval("SELECT id FROM deliveries"), actor="ann")
    await route_received(load_hooks(mended), deployments)

    states = [rejected["state"], await database.fetchval("SELECT state FROM deliveries")]
    assert ["rejected", "dispatched"] == states


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
        await acts.replay(connection, await connection.fetchval("SELECT id FROM deliveries"), actor="ann")
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
        await acts.replay(connection, delivery, route="never", actor="ann")
    await route_received(hooks_of(tmp_path), deployments)

    rows = await database.fetch("SELECT route, parameters->>'invoice_id' AS id FROM dispatches ORDER BY seq")
    assert ("never", "x") == tuple(rows[-1])
    assert 3 == len(rows)
