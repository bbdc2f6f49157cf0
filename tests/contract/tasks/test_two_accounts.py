"""Two Jiwa databases with the same numbers and ids, and two Zentitle accounts: nothing of one is taken for the other's."""

import json
import re
import secrets
from contextlib import ExitStack
from itertools import count
from uuid import uuid4

import pytest
import yaml
from main_flow import stored
from prefect.exceptions import ObjectNotFound
from pydantic import SecretStr

from blocks.base import BlockMissing
from blocks.jiwa import JiwaCredentials
from blocks.zentitle import ZentitleCredentials
from flows.order_to_license import order_to_license
from flows.previews import preview, read_case
from hookline import context
from hookline.clients.errors import VendorAway
from hookline.clients.jiwa.models import NewLine
from hookline.database import pool
from hookline.errors import HooklineError
from hookline.settings import settings
from hookline.simulators.jiwa import values
from hookline.simulators.server import running
from hookline.texts import Texts

ACCOUNT_NO = "C-77"
ACTIVATION = {"mail": {"campaign_id": "2f7b90c4-51d8-4e36-9a0f-8c64e1b7d350", "broadcast_id": 1}}


class Repeating:
    """Ids that are the same again in each Jiwa, as those of two databases may be."""

    def __init__(self):
        self.numbers = count(1)

    def token_hex(self, _bytes):
        return f"{next(self.numbers):020x}"

    def token_bytes(self, number):
        return secrets.token_bytes(number)


class Firm:
    """A firm with the Jiwas `default` and `north`, and what its vendors hold by their own records."""

    def __init__(self, here, there, jiwas, monkeypatch):
        self.sandboxes = {"default": here, "north": there}
        self.jiwas = jiwas
        self.monkeypatch = monkeypatch

    async def paid_orders(self, part="LIC-PRO"):
        """The same order in both Jiwas: one id, one number, one account number, and other customers."""
        orders = {}
        for name, jiwa in self.jiwas.items():
            self.monkeypatch.setattr(values, "secrets", Repeating())
            self.sandboxes[name].jiwa._last_number = 99_999_999_999
            async with jiwa.get_client() as client:
                await client.create_debtor(
                    AccountNo=ACCOUNT_NO, Name=f"Customer of {name}", EmailAddress=f"{name}@customer.example"
                )
                order = await client.create_sales_order(
                    DebtorAccountNo=ACCOUNT_NO, Lines=[NewLine(PartNo=part, QuantityOrdered=1)]
                )
                [delivery] = order.Histories
                await client.create_sales_order_payment(
                    InvoiceID=order.InvoiceID,
                    InvoiceHistoryID=delivery.InvoiceHistoryID,
                    AmountPaid=delivery.HistoryTotal,
                    PaymentRef="1",
                )
            orders[name] = order
        same = {(each.InvoiceID, each.InvoiceNo, each.DebtorAccountNo) for each in orders.values()}
        assert 1 == len(same), "the two Jiwas have other ids, so that this test shows nothing"
        return orders["default"]

    async def license(self, order, jiwa, **blocks):
        with context.working_on(uuid4(), uuid4(), in_batch=True):
            return await order_to_license.fn(order.InvoiceID, jiwa=jiwa, **blocks)

    def codes_noted(self, jiwa, order):
        """The codes in the notes of an order in one Jiwa."""
        [found] = [
            each
            for each in self.sandboxes[jiwa].jiwa.records()["orders"]
            if each["InvoiceID"] == order.InvoiceID
        ]
        return [re.findall(r"LIC-PRO: (\d{18})", each["NoteText"]) for each in found["Notes"]]

    def licenses(self, zentitle="default"):
        """The company of each licence that was given there, by its code."""
        place = {"default": "default", "emea": "north"}[zentitle]
        records = self.sandboxes[place].zentitle.records()
        names = {each["companyID"]: (each["company"], each["search1"]) for each in records["companies"]}
        return {
            each["licenseCode"]: names[each["companyID"]]
            for each in records["licenses"]
            if ACCOUNT_NO in names.get(each["companyID"], ("", ""))[1]
        }

    def mailed(self):
        mails = self.sandboxes["default"].sensorpro.records()["mails"]
        return {each["to"]: re.findall(r"\d{18}", each["parameters"]["licenses"]) for each in mails}


@pytest.fixture
async def firm(sandbox, environment, monkeypatch, tmp_path, jiwa, zentitle, sensorpro):
    environment.setenv("HOOKLINE_RETRY_SECONDS", "0.1")
    settings.cache_clear()
    async with running() as other:
        north = JiwaCredentials(base_url=other.jiwa.url, api_key=SecretStr("sandbox-jiwa-key"))
        emea = ZentitleCredentials(
            base_url=other.zentitle.url, customer_id="1234", api_key=SecretStr("sandbox-zentitle-key")
        )
        with ExitStack() as stack:
            stack.enter_context(stored(jiwa, zentitle, sensorpro))
            stack.enter_context(stored(north, name="north"))
            stack.enter_context(stored(emea, name="emea"))
            yield Firm(sandbox, other, {"default": jiwa, "north": north}, monkeypatch)


@pytest.fixture
def catalog(environment, repository, tmp_path):
    """Change the catalog."""

    def change(**sections):
        text = yaml.safe_load((repository / "deployments/catalog.yaml").read_text(encoding="utf-8"))
        path = tmp_path / "catalog.yaml"
        path.write_text(yaml.safe_dump(text | sections), encoding="utf-8")
        environment.setenv("HOOKLINE_CATALOG", str(path))
        settings.cache_clear()

    return change


async def test_the_same_order_of_two_jiwas_is_licensed_once_in_each_with_its_own_notes_and_mail(firm):
    order = await firm.paid_orders()

    for jiwa in ("default", "north", "default", "north"):
        await firm.license(order, jiwa)

    codes = {company: code for code, company in firm.licenses().items()}
    here = codes["Customer of default", ACCOUNT_NO]
    there = codes["Customer of north", f"{ACCOUNT_NO}@jiwa/north"]
    assert 2 == len(codes)
    assert [[here]] == firm.codes_noted("default", order)
    assert [[there]] == firm.codes_noted("north", order)
    assert {"default@customer.example": [here], "north@customer.example": [there]} == firm.mailed()


async def previewed(about, account=None):
    template = Texts.of_settings(settings(), "en").find("order-to-license/order-note")
    case = await read_case("order-to-license", about, account)
    return case, await preview(template, template.read(), case)


async def test_a_text_is_previewed_with_the_order_of_the_account_that_is_named_or_known(firm):
    order = await firm.paid_orders()
    number = order.InvoiceNo
    unknown, _ = await previewed(number)
    await firm.license(order, "north")

    known, made = await previewed(number)
    by_id, _ = await previewed(f"{order.InvoiceID}@jiwa/north")
    named, _ = await previewed(number, "default")
    await firm.license(order, "default")

    [[code]] = firm.codes_noted("north", order)
    assert "Customer of default" == unknown.values["customer"] == named.values["customer"]
    assert "Customer of north" == known.values["customer"] == by_id.values["customer"]
    assert (f"jiwa/north order {number}", "") == (known.label, known.remark)
    assert code in made.result
    with pytest.raises(
        HooklineError, match=r"several accounts of jiwa: default, north\. Name one: --account"
    ):
        await previewed(number)


async def test_each_account_has_effects_of_its_own_by_the_same_id(firm):
    order = await firm.paid_orders()
    for jiwa in ("default", "north"):
        await firm.license(order, jiwa)

    database = await pool(settings())
    rows = await database.fetch(
        "SELECT key, label, account, step FROM effects WHERE step IN ('license LIC-PRO', 'order note') ORDER BY id"
    )

    number = order.InvoiceNo
    assert [
        (order.InvoiceID, f"order {number}", "zentitle/default", "license LIC-PRO"),
        (order.InvoiceID, f"order {number}", "jiwa/default", "order note"),
        (
            f"{order.InvoiceID}@jiwa/north",
            f"jiwa/north order {number}",
            "zentitle/default",
            "license LIC-PRO",
        ),
        (f"{order.InvoiceID}@jiwa/north", f"jiwa/north order {number}", "jiwa/north", "order note"),
    ] == [tuple(row) for row in rows]


async def test_a_route_s_zentitle_has_the_licenses_of_its_jiwa(firm):
    order = await firm.paid_orders()

    await firm.license(order, "default")
    await firm.license(order, "north", zentitle="emea")

    assert [("Customer of default", ACCOUNT_NO)] == list(firm.licenses().values())
    assert [("Customer of north", f"{ACCOUNT_NO}@jiwa/north")] == list(firm.licenses("emea").values())


async def test_a_part_means_another_product_in_another_jiwa_and_is_licensed_where_the_catalog_says(
    firm, catalog
):
    product = {"part_no": "LIC-PRO", "product_id": "6872450105", "allocate": "seats"}
    product |= {"license_type": "subscription", "days": 30, "profile": "Team", "zentitle": "emea"}
    catalog(accounts={"north": {"products": [product]}})
    order = await firm.paid_orders()

    for jiwa in ("default", "north"):
        await firm.license(order, jiwa)

    given = firm.sandboxes["north"].zentitle.records()["licenses"]
    [code] = firm.licenses("emea")
    assert [("6872450105", "SubscriptionPeriod", 30)] == [
        (each["productID"], each["licensetype"], each["subscriptionperiod"])
        for each in given
        if each["licenseCode"] == code
    ]
    assert [("Customer of default", ACCOUNT_NO)] == list(firm.licenses().values())


async def test_what_is_handed_over_says_the_accounts_and_is_another_delivery_for_each(firm, catalog):
    catalog(activation=ACTIVATION)
    order = await firm.paid_orders()

    await firm.license(order, "default")
    await firm.license(order, "north", zentitle="emea")

    database = await pool(settings())
    rows = await database.fetch(
        "SELECT external_id, convert_from(body, 'UTF8') AS body FROM deliveries WHERE source = 'licensed' ORDER BY seq"
    )
    [here], [there] = firm.licenses(), firm.licenses("emea")
    assert [here, f"{there}@zentitle/emea"] == [row["external_id"] for row in rows]
    blocks = [
        {name: body[name] for name in ("jiwa", "zentitle", "sensorpro") if name in body}
        for body in (json.loads(row["body"]) for row in rows)
    ]
    assert [{}, {"jiwa": "north", "zentitle": "emea"}] == blocks


async def test_a_jiwa_that_is_away_holds_no_order_of_the_other(firm):
    order = await firm.paid_orders()
    firm.sandboxes["north"].jiwa.faults.add("get_sales_order", "refuse", status=503, times=0)
    away = []
    for _ in range(6):
        try:
            await firm.license(order, "north")
        except Exception as error:  # noqa: BLE001  (whatever a run ends with)
            away.append(error)

    await firm.license(order, "default")

    assert isinstance(away[-1], VendorAway), away
    assert "jiwa/north" == away[-1].account
    assert [1, 0] == [len(firm.codes_noted(jiwa, order)) for jiwa in ("default", "north")]


async def test_an_answer_that_one_zentitle_lost_keeps_no_write_of_the_other_waiting(firm, environment):
    environment.setenv("HOOKLINE_LANDING_SECONDS", "600")
    settings.cache_clear()
    order = await firm.paid_orders()
    firm.sandboxes["north"].zentitle.faults.add("create_license_codes", "lose", times=0)
    with pytest.raises(Exception, match="create_license_codes"):
        await firm.license(order, "north", zentitle="emea")

    await firm.license(order, "default")

    assert 1 == len(firm.codes_noted("default", order))


async def test_a_block_that_is_not_there_is_named_and_nothing_was_done(firm, monkeypatch):
    order = await firm.paid_orders()

    async def missing(_name):
        raise ValueError("Unable to find block document") from ObjectNotFound(RuntimeError())

    monkeypatch.setattr(JiwaCredentials, "aload", missing)
    with pytest.raises(BlockMissing, match=r"no block jiwa-credentials/south .* can be replayed"):
        await firm.license(order, "south")

    assert {} == firm.licenses()


async def test_changed_credentials_of_a_block_make_no_other_account(firm):
    order = await firm.paid_orders()
    await firm.license(order, "north")
    again = firm.jiwas["north"].model_copy(update={"calls_per_second": None, "landing_seconds": 1.0})

    with stored(again, name="north"):
        await firm.license(order, "north")

    assert 1 == len(firm.codes_noted("north", order))
