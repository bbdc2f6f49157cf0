"""The types that a flow sees of tasks; checked by mypy, never run."""

from typing import assert_type

from blocks.jetadvice import JetadviceCredentials
from blocks.jiwa import JiwaCredentials
from blocks.sensorpro import SensorproCredentials
from blocks.zentitle import ZentitleCredentials
from hookline.clients.jetadvice.models import Device
from hookline.clients.jiwa.models import Note, SalesOrder
from hookline.clients.sensorpro.models import Done, NewContact
from tasks import jetadvice, jiwa, sensorpro, zentitle
from tasks.effects import BusinessKey, Compensation


async def calls(account: JiwaCredentials, fleet: JetadviceCredentials) -> None:
    assert_type(await jiwa.get_sales_order(account, InvoiceID="1"), SalesOrder)
    assert_type(await jetadvice.list_devices(fleet, customerId="1"), list[Device])
    await jiwa.get_sales_order(account, InvoiceNo="1")  # type: ignore[call-overload]
    await jiwa.get_sales_order(account)  # type: ignore[call-overload]
    await jiwa.get_sales_order(fleet, InvoiceID="1")  # type: ignore[call-overload]


async def effects(account: JiwaCredentials, licenses: ZentitleCredentials, business: BusinessKey) -> None:
    note = jiwa.create_sales_order_note(account, business.step("note"), InvoiceID="1", NoteText="paid")
    assert_type(await note, Note)
    assert_type(await zentitle.create_license_codes(licenses, business, productid="1", numcodes=2), list[str])
    await jiwa.create_sales_order_note(account, InvoiceID="1", NoteText="paid")  # type: ignore[call-overload]


async def blind(account: SensorproCredentials, business: BusinessKey) -> None:
    person = NewContact(PersonalEMail="a@example.com")
    mail = sensorpro.trigger_email(account, business, CampId="1", BroadcastId=1, ContactData=person)
    assert_type(await mail, Done | None)


def undone(licenses: ZentitleCredentials, fleet: JetadviceCredentials, saga: Compensation) -> None:
    made = saga.compensate(saga.step("company"))
    made.by(zentitle.delete_company, licenses, companyid=7)
    made.by(zentitle.set_license_terms, licenses, "1", "2", clients=1, days=None)
    made.by(zentitle.return_license_code_activations, licenses, productid="1", licensecode="2")
    made.by(zentitle.delete_company, licenses, company=7)  # type: ignore[call-overload]
    made.by(zentitle.delete_company, licenses)  # type: ignore[call-overload]
    made.by(zentitle.delete_company, fleet, companyid=7)  # type: ignore[call-overload]
