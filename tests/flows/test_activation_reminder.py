"""A license that is not activated brings one reminder; one that is, none; and thousands may wait."""

import json
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings
from rows import arrival

from hookline.cli.poll import client_of_block
from hookline.hooks import load_hooks
from hookline.inbox import commands, deliveries, polls
from hookline.polling.poller import Poller
from hookline.provisioning.deployments import Deployment
from hookline.settings import settings
from hookline.waits import store

PRODUCT = "6453300110"
ACTIVATIONS = "zentitle-activations"


@pytest.fixture(autouse=True)
def catalog(environment, repository, sandbox, tmp_path):  # the sandbox brings a catalog of its own
    """A catalog with reminders."""
    raw = yaml.safe_load((repository / "deployments/catalog.yaml").read_text())
    path = tmp_path / "catalog.yaml"
    path.write_text(yaml.safe_dump({**raw, "activation": {"days": 7, "mail": raw["mail"]}}))
    environment.setenv("HOOKLINE_CATALOG", str(path))
    settings.cache_clear()


@pytest.fixture
async def reminder(admin, repository, run, vendors):
    """A license that was allocated a moment ago, and its reminder on the test's own engines."""
    deployment = Deployment(
        name="test",
        entrypoint="flows/activation_reminder.py:activation_reminder",
        work_pool={"name": "hookline"},
    )
    await admin.deploy(deployment, repository)
    admin.deployments["activation-reminder/test"] = deployment

    async def reminder():
        order = await vendors.order(("LIC-PRO", 1))
        await run(order)
        [code] = vendors.held(order).codes
        work = await admin.dispatch("activation-reminder")
        parameters = {"invoice_id": order.InvoiceID, "product_id": PRODUCT, "license_code": code}
        await admin.database.execute(
            "UPDATE dispatches SET parameters = $2 WHERE delivery_id = $1", work.delivery, parameters
        )
        return work, order, code

    yield reminder
    await admin.database.execute("DELETE FROM waits")
    await admin.database.execute(
        "DELETE FROM deliveries WHERE source IN ('zentitle-activations', 'licensed')"
    )


async def times_out(admin, work):
    await work.is_("held")
    await admin.database.execute(
        "UPDATE waits SET until = now() - interval '2 days' WHERE dispatch_id = $1", (await work.row())["id"]
    )


def reminders(vendors, code):
    mails = vendors.sandbox.records("sensorpro")["mails"]
    return [mail for mail in mails if mail["parameters"].get("license") == code]


async def test_a_license_that_is_activated_in_time_brings_no_mail(admin, vendors, reminder):
    work, _, code = await reminder()
    async with admin.engine():
        await work.is_("held")
        body = json.dumps({"licenseCode": code, "productID": PRODUCT, "numActivations": 1}).encode()
        await deliveries.accept(
            admin.database, arrival(uuid4().hex, source="zentitle-activations", body=body)
        )
        await work.is_("done")

    assert ("Activated", []) == ((await work.flow_run()).state_name, reminders(vendors, code))


async def test_a_license_that_is_not_activated_brings_one_mail_also_if_it_is_replayed(
    admin, vendors, reminder
):
    work, order, code = await reminder()
    async with admin.engine():
        await times_out(admin, work)
        await work.is_("done")
        await work.act(commands.replay)
        await times_out(admin, work)
        await work.is_("done")

    [mail] = reminders(vendors, code)
    assert ("buyer@customer.example", order.InvoiceNo) == (mail["to"], mail["parameters"]["order"])
    assert "Reminded" == (await work.flow_run()).state_name


async def test_a_mail_that_fails_at_first_is_sent_without_waiting_again(admin, vendors, reminder):
    work, _, code = await reminder()
    vendors.misbehave("sensorpro", "trigger_email", "refuse", status=400)
    async with admin.engine():
        await times_out(admin, work)
        await work.is_("failed")
        await work.act(commands.replay)
        await work.is_("done")

    assert 1 == len(reminders(vendors, code))


async def test_what_was_activated_without_being_seen_brings_no_mail(admin, vendors, reminder):
    work, _, code = await reminder()
    async with httpx.AsyncClient(base_url=vendors.sandbox.simulator("zentitle")) as zentitle:
        await zentitle.post(f"/_sandbox/licenses/{code}/activate", json={"computerID": "one"})
    async with admin.engine():
        await times_out(admin, work)
        await work.is_("done")

    assert ("Activated", []) == ((await work.flow_run()).state_name, reminders(vendors, code))


async def test_order_to_license_lets_a_reminder_begin_once_for_each_code(admin, vendors, run, until):
    order = await vendors.order(("LIC-PRO", 2))
    began = datetime.now(UTC)
    for _ in range(2):
        await run(order)

    rows = await admin.database.fetch(
        "SELECT external_id FROM deliveries WHERE source = 'licensed' AND received_at >= $1", began
    )
    assert sorted(vendors.held(order).codes) == sorted(row["external_id"] for row in rows)


async def test_the_list_of_activations_is_read_while_a_run_waits_and_answers_it(
    admin, vendors, reminder, repository
):
    work, _, code = await reminder()
    hooks = load_hooks(repository / "deployments/hooks.yaml")
    poller = Poller(admin.database, settings(), hooks, "test", client_of_block)

    async def polled():
        await admin.database.execute("UPDATE polls SET next_at = now() WHERE source = $1", ACTIVATIONS)
        with temporary_settings({PREFECT_API_URL: admin.sandbox.settings.prefect_api_url}):
            claimed = await polls.claim(admin.database, ACTIVATIONS, hooks.sources[ACTIVATIONS].poll, "test")
            return await poller.poll(claimed, hooks.sources[ACTIVATIONS])

    async with admin.engine():
        await work.is_("held")
        names = await poller.names()
        first = await polled()
        async with httpx.AsyncClient(base_url=vendors.sandbox.simulator("zentitle")) as zentitle:
            await zentitle.post(f"/_sandbox/licenses/{code}/activate", json={"computerID": "one"})
        second = await polled()
        await work.is_("done")

    [wait] = await store.of(admin.database, dispatches=[await work.row()])
    source = await admin.database.fetchval("SELECT source FROM deliveries WHERE id = $1", wait["delivery_id"])
    assert (True, 0, 1) == (ACTIVATIONS in names, first.new, second.new)
    assert ("Activated", ACTIVATIONS) == ((await work.flow_run()).state_name, source)
