"""Two Jiwas with the same numbers and ids, from their signed webhooks to their notes, by gateway, engine and Prefect."""

import asyncio
import json
import re
from contextlib import AsyncExitStack, suppress
from uuid import uuid4

import pytest
import yaml
from commands import run_here
from pydantic import SecretStr

from blocks import base
from blocks.jiwa import JiwaCredentials
from blocks.zentitle import ZentitleCredentials
from hookline.engine.engine import Engine
from hookline.hooks import load_hooks
from hookline.provisioning.deployments import load_deployments
from hookline.settings import settings
from hookline.simulators.jiwa.orders import Order
from hookline.simulators.server import running
from tests.database.conftest import serve

__all__ = ["serve"]

NORTH = "jiwa/north"
SECRETS = {"jiwa": "the-secret-of-the-default-jiwa", "jiwa-north": "the-secret-of-the-other-jiwa"}
ENDED = ("done", "failed", "rejected")
EXAMPLE = re.compile(r"```yaml hooks\.yaml\n(.*?)```", re.DOTALL)


class Firm:
    """A firm with the Jiwas `default` and `north`, what came of their orders, and its commands."""

    def __init__(self, vendors, north, gateway, database, until):
        self.vendors = vendors
        self.north = north
        self.gateway = gateway
        self.database = database
        self.until = until
        self.blocks = {
            "north": JiwaCredentials(base_url=north.jiwa.url, api_key=SecretStr("sandbox-jiwa-key")),
            "emea": ZentitleCredentials(
                base_url=north.zentitle.url, customer_id="1234", api_key=SecretStr("sandbox-zentitle-key")
            ),
        }

    async def store_blocks(self):
        for name, block in self.blocks.items():
            await block.save(name, overwrite=True)

    async def remove_blocks(self):
        for name, block in self.blocks.items():
            with suppress(ValueError):
                await type(block).adelete(name)
            base._loaded.pop((type(block), name), None)

    async def paid_orders(self, monkeypatch):
        """The same order in both Jiwas: one id, one number, one account number, and other customers."""
        customer = await self.vendors.customer(email="default@customer.example")
        here = await self.vendors.order(("LIC-PRO", 1), customer=customer)
        async with self.blocks["north"].get_client() as client:
            await client.create_debtor(
                AccountNo=customer.AccountNo, Name="Customer of north", EmailAddress="north@customer.example"
            )
            with monkeypatch.context() as patch:
                new = Order.new_header
                ids = {"InvoiceID": here.InvoiceID, "InvoiceNo": here.InvoiceNo}
                patch.setattr(Order, "new_header", staticmethod(lambda number: new(number) | ids))
                there = await type(self.vendors)(self.vendors.sandbox, client, None).order(
                    ("LIC-PRO", 1), customer=customer, paid=False
                )
            await client.create_sales_order_payment(
                InvoiceID=there.InvoiceID,
                InvoiceHistoryID=there.Histories[0].InvoiceHistoryID,
                AmountPaid=there.Histories[0].HistoryTotal,
                PaymentRef=uuid4().hex,
            )
        same = {(each.InvoiceID, each.InvoiceNo, each.DebtorAccountNo) for each in (here, there)}
        assert 1 == len(same), "the two Jiwas have other ids, so that this test shows nothing"
        return here

    async def webhook(self, source, order, secret=None):
        """What Jiwa posts to this source about an order; the delivery."""
        body = {each: getattr(order, each) for each in ("InvoiceID", "InvoiceNo", "DebtorAccountNo")}
        answer = await self.gateway.post(
            f"/hooks/{source}",
            content=json.dumps(body),
            headers={"X-Hookline-Key": secret or SECRETS[source], "Content-Type": "application/json"},
        )
        return answer.json()["id"] if answer.is_success else answer.status_code  # 200: a repeat

    async def is_(self, delivery, *states):
        """Wait until a delivery is in one of these states; how it stands then."""
        seen = None

        async def there():
            nonlocal seen
            seen = await self.database.fetchrow(
                "SELECT deliveries.state, coalesce(deliveries.reason, dispatches.reason) AS reason, waits_account "
                "FROM deliveries LEFT JOIN dispatches ON delivery_id = deliveries.id WHERE deliveries.id = $1",
                delivery,
            )
            return seen if seen["state"] in (states or ENDED) else None

        return await self.until(there, f"delivery {delivery} does not end")

    async def waits_for(self, delivery, account):
        async def waiting():
            return account == await self.database.fetchval(
                "SELECT waits_account FROM dispatches WHERE delivery_id = $1", delivery
            )

        await self.until(waiting, f"it does not wait for {account}")

    def held(self, order):
        """By Jiwa, the codes in its Zentitle, in the mail to its customer, and in the notes on its order."""
        sandbox = self.vendors.sandbox
        mails = [
            mail
            for mail in sandbox.records("sensorpro")["mails"]
            if mail["parameters"].get("order") == order.InvoiceNo
        ]
        vendors = {
            "default": (sandbox.records("jiwa"), sandbox.records("zentitle")),
            "north": (self.north.jiwa.records(), self.north.zentitle.records()),
        }
        return {
            name: {
                "licenses": [
                    each["licenseCode"]
                    for each in zentitle["licenses"]
                    if order.InvoiceNo in (each["reference"] or "").split()
                ],
                "mails": [
                    re.findall(r"\d{18}", mail["parameters"]["licenses"])
                    for mail in mails
                    if mail["to"] == f"{name}@customer.example"
                ],
                "notes": [
                    re.findall(r"LIC-PRO: (\d{18})", note["NoteText"])
                    for each in jiwa["orders"]
                    if each["InvoiceID"] == order.InvoiceID
                    for note in each["Notes"]
                ],
            }
            for name, (jiwa, zentitle) in vendors.items()
        }

    async def command(self, *words):
        """What a command ends with, typed while all of this runs."""
        return await asyncio.to_thread(run_here, *words)

    async def json(self, *words):
        ended = await self.command(*words, "--json")
        assert 0 == ended.returncode, ended.stderr
        return json.loads(ended.stdout)


@pytest.fixture
def hooks(environment, database_settings, repository, tmp_path):
    """The shipped route of paid orders, beside the one of the account `north` as docs/accounts.md has it."""
    shipped = yaml.safe_load((repository / "deployments/hooks.yaml").read_text(encoding="utf-8"))
    [example] = EXAMPLE.findall((repository / "docs/accounts.md").read_text(encoding="utf-8"))
    north = yaml.safe_load(example)
    path = tmp_path / "hooks.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "sources": {"jiwa": shipped["sources"]["jiwa"], **north["sources"]},
                "routes": {"jiwa-order": shipped["routes"]["jiwa-order"], **north["routes"]},
            }
        ),
        encoding="utf-8",
    )
    environment.setenv("HOOKLINE_HOME", str(database_settings.home))
    environment.setenv("HOOKLINE_HOOKS", str(path))
    for source, secret in SECRETS.items():
        environment.setenv(f"HOOKLINE_SECRET_{source.upper().replace('-', '_')}", secret)
    settings.cache_clear()
    return path


@pytest.fixture
async def firm(admin, vendors, hooks, database, repository, serve, until):
    """The firm, whose inbox and journal are its own: no engine of the sandbox takes what it gets."""
    deployments = load_deployments(repository / "deployments/prefect.yaml")
    deployments = {"order-to-license/default": deployments["order-to-license/default"]}
    async with AsyncExitStack() as stack:
        north = await stack.enter_async_context(running())
        gateway = await stack.enter_async_context(serve(settings()))
        made = Firm(vendors, north, gateway, database, until)
        stack.push_async_callback(made.remove_blocks)
        engine = Engine(settings(), load_hooks(hooks), deployments)
        ready = asyncio.Event()
        serving = asyncio.create_task(engine.serve(ready=ready))
        await ready.wait()
        try:
            yield made
        finally:
            engine.stop()
            await serving


def keys_of_orders(effects):
    """The keys of what was done about orders, without the companies, which later orders share."""
    return {each["key"] for each in effects if not each["key"].startswith("debtor ")}


async def test_the_same_order_of_two_jiwas_is_licensed_once_in_each_and_found_by_its_number(
    firm, monkeypatch
):
    await firm.store_blocks()
    order = await firm.paid_orders(monkeypatch)

    sent = [await firm.webhook(source, order) for source in (*SECRETS, *SECRETS)]
    states = [(await firm.is_(each))["state"] for each in sent]

    held = firm.held(order)
    codes = {name: each["licenses"] for name, each in held.items()}
    listed = await firm.json("inbox", "list", "--key", order.InvoiceNo)
    traced = await firm.json("trace", order.InvoiceNo)
    effects = await firm.json("effects", "list", "--key", order.InvoiceNo)
    assert ["done"] * 4 == states
    assert [1, 1] == [len(each) for each in codes.values()]
    assert codes["default"] != codes["north"]
    assert {
        name: {"licenses": code, "mails": [code], "notes": [code]} for name, code in codes.items()
    } == held
    assert {*sent} == {each["id"] for each in listed} == {each["id"] for each in traced["deliveries"]}
    north = {sent[1], sent[3]}
    assert {each: each in north for each in sent} == {
        each["id"]: each["dispatches"][0]["label"].startswith(f"{NORTH} order {order.InvoiceNo}")
        for each in listed
    }
    keys = {order.InvoiceID, f"{order.InvoiceID}@{NORTH}"}
    assert keys == keys_of_orders(effects) == keys_of_orders(traced["effects"])
    assert {"jiwa/default", "zentitle/default", "sensorpro/default", NORTH, "zentitle/emea"} == {
        each["account"] for each in effects
    }


async def test_the_secret_of_one_jiwa_opens_nothing_of_the_other(firm, monkeypatch):
    order = await firm.paid_orders(monkeypatch)

    assert 401 == await firm.webhook("jiwa-north", order, SECRETS["jiwa"])


async def test_a_jiwa_that_is_away_holds_no_order_of_the_other(firm, monkeypatch):
    await firm.store_blocks()
    order = await firm.paid_orders(monkeypatch)
    firm.north.jiwa.faults.add("*", "refuse", status=503, times=0)

    there = await firm.webhook("jiwa-north", order)
    await firm.waits_for(there, NORTH)
    here = await firm.is_(await firm.webhook("jiwa", order))
    while_away = firm.held(order)
    firm.north.jiwa.faults.clear()
    again = await firm.is_(there)

    assert ("done", 1, []) == (
        here["state"],
        len(while_away["default"]["notes"]),
        while_away["north"]["licenses"],
    )
    assert ("done", 1) == (again["state"], len(firm.held(order)["north"]["notes"]))


async def test_what_needs_a_block_that_is_not_there_fails_and_is_done_by_a_replay_once_it_is(
    firm, monkeypatch
):
    order = await firm.paid_orders(monkeypatch)
    delivery = await firm.webhook("jiwa-north", order)

    failed = await firm.is_(delivery)
    nothing = firm.held(order)["north"]
    await firm.store_blocks()
    replayed = await firm.command("inbox", "replay", delivery, "--yes")
    done = await firm.is_(delivery, "done")

    assert "failed" == failed["state"]
    assert "There is no block jiwa-credentials/north at Prefect. Make it there" in failed["reason"]
    assert {"licenses": [], "mails": [], "notes": []} == nothing
    assert (0, "done") == (replayed.returncode, done["state"]), replayed.stderr
    assert [1, 1, 1] == [len(each) for each in firm.held(order)["north"].values()]


async def test_apply_and_doctor_name_a_block_that_is_missing_until_it_is_made(firm):
    missing = await firm.command("apply", "--json")
    told = await firm.command("doctor", "--json")
    await firm.store_blocks()
    made = await firm.command("apply", "--json")

    rows = {row["name"]: row["change"] for row in json.loads(missing.stdout) if row["kind"] == "block"}
    findings = {each["check"]: each for each in json.loads(told.stdout)}
    of_jiwa = "missing: sources.jiwa-orders-north, routes.jiwa-north-order name it"
    of_zentitle = "missing: routes.jiwa-north-order names it"
    assert (1, 0) == (missing.returncode, made.returncode), missing.stderr + made.stderr
    assert [of_jiwa, of_zentitle] == [
        rows[name].rpartition(", and ")[0] for name in ("jiwa north", "zentitle emea")
    ]
    assert ("problem", of_jiwa) == (
        findings[NORTH]["state"],
        findings[NORTH]["detail"].rpartition(", and ")[0],
    )
