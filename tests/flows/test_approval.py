"""Orders above a value wait for a person before anything is licensed; what was decided holds for the order."""

import pytest
import yaml

from hookline.provisioning.deployments import Deployment
from hookline.settings import settings
from hookline.waits import store
from hookline.waits.store import Answer

NOTHING = {"licenses": 0, "consumer_records": 0, "license_notes": 0, "mails": 0, "notes": 0}
ONE_OF_EACH = dict.fromkeys(NOTHING, 1)


@pytest.fixture
def catalog(environment, repository, tmp_path):
    """Change the catalog."""

    def catalog(**changed):
        raw = yaml.safe_load((repository / "deployments/catalog.yaml").read_text())
        path = tmp_path / "catalog.yaml"
        path.write_text(yaml.safe_dump({**raw, **changed}))
        environment.setenv("HOOKLINE_CATALOG", str(path))
        settings.cache_clear()

    return catalog


@pytest.fixture
async def license_order(admin, repository):
    """A dispatch of the main flow for an order, on the test's own engines."""
    deployment = Deployment(
        name="test", entrypoint="flows/order_to_license.py:order_to_license", work_pool={"name": "hookline"}
    )
    await admin.deploy(deployment, repository)
    admin.deployments["order-to-license/test"] = deployment

    async def license_order(order):
        work = await admin.dispatch("order-to-license", key=f"jiwa order {order.InvoiceID}")
        await admin.database.execute(
            "UPDATE dispatches SET parameters = $2 WHERE delivery_id = $1",
            work.delivery,
            {"invoice_id": order.InvoiceID},
        )
        return work

    yield license_order
    await admin.database.execute("DELETE FROM waits")


async def answered(admin, work, **answer):
    held = await work.is_("held")
    [wait] = await store.of(admin.database, dispatches=[held])
    await store.answer(admin.database, wait["id"], Answer(answer, "anna", "link"))
    return wait


async def test_an_order_above_the_value_waits_and_is_licensed_once_a_person_said_yes(
    admin, vendors, license_order, catalog
):
    catalog(approval={"above": 0, "ask": ["anna"]})
    order = await vendors.order(("LIC-PRO", 1))
    first, second = [await license_order(order) for _ in range(2)]
    async with admin.engine():
        await first.is_("held")
        before, behind = vendors.held(order).counts, (await second.row())["state"]
        wait = await answered(admin, first, approved=True)
        await first.is_("done")
        await second.is_("done")

    assert f"May order {order.InvoiceNo} of {order.DebtorName}" in wait["what"]
    assert (NOTHING, "dispatched", ONE_OF_EACH) == (before, behind, vendors.held(order).counts)
    assert 1 == await admin.database.fetchval("SELECT count(*) FROM waits")


async def test_an_order_that_is_declined_brings_nothing_but_a_note_that_says_so(
    admin, vendors, license_order, catalog
):
    catalog(approval={"above": 0, "ask": ["anna"]})
    order = await vendors.order(("LIC-PRO", 1))
    works = [await license_order(order) for _ in range(2)]
    async with admin.engine():
        await answered(admin, works[0], approved=False, comment="too much")
        for work in works:
            await work.is_("done")

    held = vendors.held(order)
    assert NOTHING | {"notes": 1} == held.counts
    assert "No licenses were allocated, for the order was declined: too much" in held.notes[0]["NoteText"]
    assert {"Declined"} == {(await work.flow_run()).state_name for work in works}


async def test_an_order_up_to_the_value_waits_for_nobody(admin, vendors, license_order, catalog):
    catalog(approval={"above": 1_000_000, "ask": ["anna"]})
    order = await vendors.order(("LIC-PRO", 1))
    work = await license_order(order)
    async with admin.engine():
        await work.is_("done")

    assert ONE_OF_EACH == vendors.held(order).counts


async def test_nobody_who_decides_in_time_is_followed_by_what_the_catalog_says(
    admin, vendors, license_order, catalog
):
    catalog(approval={"above": 0, "ask": ["anna"], "timeout": "1s", "otherwise": ["boss", "approve"]})
    order = await vendors.order(("LIC-PRO", 1))
    work = await license_order(order)
    async with admin.engine():
        await work.is_("done")

    [wait] = await store.of(admin.database, dispatches=[await work.row()])
    assert (["anna", "boss"], "default") == (wait["people"], wait["answered_way"])
    assert ONE_OF_EACH == vendors.held(order).counts


async def test_in_a_backlog_an_order_that_waits_has_a_flow_run_of_its_own_and_others_go_on(
    admin, vendors, license_order, catalog
):
    catalog(approval={"above": 0, "ask": ["anna"]})
    orders = [await vendors.order(("LIC-PRO", 1)) for _ in range(5)]
    works = [await license_order(order) for order in orders]
    async with admin.engine(batch_backlog=2, engine_concurrency=2):
        for work in works:
            await answered(admin, work, approved=True)
        for work in works:
            await work.is_("done")

    assert [ONE_OF_EACH] * 5 == [vendors.held(order).counts for order in orders]
