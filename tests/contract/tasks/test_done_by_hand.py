"""What a vendor refused, and a person did in its own UI: the task returns what the person says, and sends nothing."""

import pytest
from pydantic import SecretStr

from hookline.clients import Refused
from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.database import lent
from hookline.errors import HooklineError
from hookline.journal import store
from hookline.journal.resolution import by_hand
from hookline.settings import settings
from tasks import jiwa as jiwa_tasks
from tasks import zentitle as zentitle_tasks

ORDER = {
    "DebtorAccountNo": "1001",
    "OrderNo": "PO-77",
    "Lines": [{"PartNo": "PAP-A4-80", "QuantityOrdered": 2}],
}


@pytest.fixture
async def client(sandbox):
    async with JiwaClient(sandbox.jiwa.url, JiwaKey(SecretStr("sandbox-jiwa-key"))) as client:
        yield client


async def say(*reference, **answer):
    return await by_hand(settings(), 1, reference=list(reference), answer=answer, actor="ann")


async def effect():
    async with lent(settings()) as connection:
        return await store.read(connection, 1)


def refuse(simulator, operation):
    simulator.faults.add(operation, "refuse", times=1, status=400)


async def test_license_codes_that_a_person_made_are_those_of_the_order(sandbox, zentitle, business):
    refuse(sandbox.zentitle, "create_license_codes")
    inputs = {"productid": "6453300110", "companyid": 0, "numcodes": 2}
    with pytest.raises(Refused):
        await zentitle_tasks.create_license_codes.fn(zentitle, business.step("license"), **inputs)

    await say("646186717608805844", "646186717608805845")
    codes = await zentitle_tasks.create_license_codes.fn(zentitle, business.step("license"), **inputs)

    assert ["646186717608805844", "646186717608805845"] == codes
    assert "done" == (await effect())["state"]


async def test_an_order_that_a_person_entered_is_read_by_its_number(sandbox, jiwa, client, business):
    refuse(sandbox.jiwa, "create_sales_order")
    with pytest.raises(Refused):
        await jiwa_tasks.create_sales_order.fn(jiwa, business.step("invoice"), **ORDER)
    entered = await client.create_sales_order(**ORDER | {"OrderNo": "by hand"})

    with pytest.raises(HooklineError, match="give 1, not 0"):
        await say()
    await say(entered.InvoiceNo)
    order = await jiwa_tasks.create_sales_order.fn(jiwa, business.step("invoice"), **ORDER)

    assert entered.InvoiceID == order.InvoiceID
    assert [] == [each for each in sandbox.jiwa.records()["orders"] if each["OrderNo"] == "PO-77"]


async def test_a_customer_that_a_person_entered_is_the_answer_as_far_as_the_person_says(
    sandbox, jiwa, business
):
    refuse(sandbox.jiwa, "create_debtor")
    inputs = {"AccountNo": "4711", "Name": "By hand"}
    with pytest.raises(Refused):
        await jiwa_tasks.create_debtor.fn(jiwa, business.step("customer"), **inputs)

    with pytest.raises(HooklineError, match="later steps need of it: DebtorID"):
        await say()
    await say(DebtorID="5244dd5e", AccountNo="4712")
    debtor = await jiwa_tasks.create_debtor.fn(jiwa, business.step("customer"), **inputs)

    assert ("5244dd5e", "4712") == (debtor.DebtorID, debtor.AccountNo)


async def test_a_note_that_a_person_wrote_is_not_written_and_not_missed(sandbox, jiwa, client, business):
    order = await client.create_sales_order(**ORDER)
    refuse(sandbox.jiwa, "create_sales_order_note")
    inputs = {"InvoiceID": order.InvoiceID, "NoteText": "Licenses"}
    with pytest.raises(Refused):
        await jiwa_tasks.create_sales_order_note.fn(jiwa, business.step("note"), **inputs)

    await say()
    await jiwa_tasks.create_sales_order_note.fn(jiwa, business.step("note"), **inputs)

    assert [] == await client.list_sales_order_notes(InvoiceID=order.InvoiceID)


async def test_what_has_no_record_takes_none(sandbox, zentitle, business):
    refuse(sandbox.zentitle, "create_license_codes")
    with pytest.raises(Refused):
        await zentitle_tasks.create_license_codes.fn(
            zentitle, business.step("license"), productid="6453300110", companyid=0, numcodes=1
        )

    with pytest.raises(HooklineError, match="needs no answer"):
        await say("646186717608805844", code="x")
