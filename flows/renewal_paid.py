"""Licenses of a paid renewal: each extended to a day that was chosen once, with a note on the order and one mail."""

from datetime import date
from typing import Final

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.jiwa import JiwaCredentials
from blocks.sensorpro import SensorproCredentials
from blocks.zentitle import ZentitleCredentials
from flows.mail import Mailer
from flows.order_to_license import is_paid
from flows.orders import customer_of, order_of
from flows.parameters import JiwaBlock, OrderId, SensorproBlock, ZentitleBlock
from flows.renewals import License, licenses_of, renewing
from flows.report import Row, conclude
from flows.texts.renewal_paid import LicenseNote, OrderNote, Renewed, RenewedMail
from flows.wording import worded
from hookline.account_keys import DEFAULT
from hookline.catalog import Renewals, load_catalog
from hookline.clients.zentitle.models import NoteChange
from hookline.record_links import Record
from hookline.settings import settings
from tasks import jiwa as jiwa_tasks
from tasks import zentitle as zentitle_tasks
from tasks.about import about, begin, say_failed
from tasks.effects import BusinessKey

WORKFLOW: Final = "renewal-paid"


@flow(name=WORKFLOW, persist_result=False, on_failure=[say_failed])
async def renewal_paid(
    invoice_id: OrderId,
    jiwa: JiwaBlock = "default",
    zentitle: ZentitleBlock = "default",
    sensorpro: SensorproBlock = "default",
) -> State[None]:
    """
    Extend the licenses that a paid order renews, once, and inform the customer.

    Run again, it completes what is missing and extends nothing twice.

    Args:
        invoice_id: Jiwa's InvoiceID of the order.
        jiwa: name of the Jiwa Credentials block.
        zentitle: name of the Zentitle Credentials block.
        sensorpro: name of the Sensorpro Credentials block.
    """
    await begin(f"renewal by order {invoice_id}")
    catalog = load_catalog(settings().catalog).of(jiwa=jiwa, zentitle=zentitle)
    if catalog.renewals is None:
        return Completed(
            name="Switched off", message="catalog.yaml has no part `renewals`; nothing was done."
        )
    jiwa_account = await JiwaCredentials.named(jiwa)
    order = await order_of(jiwa_account, invoice_id)
    business = BusinessKey(WORKFLOW, order.InvoiceID, f"order {order.InvoiceNo}").at(jiwa=jiwa)
    label = business.label
    name = f"renewal by {label} · {order.DebtorName}"
    await about(name, order=order.InvoiceNo, customer=order.DebtorAccountNo)
    if order.CreditNote or not renewing(catalog, order):
        return Completed(name="No renewal", message=f"{label} renews no license; nothing was done.")
    if not await is_paid(catalog, jiwa_account, order):
        return Completed(name="Not paid", message=f"{label} is not paid; nothing was done.")

    licenses = await licenses_of(catalog, business, order, jiwa)
    customer = await customer_of(jiwa_account, order, so_far="Nothing was extended.")
    extended = [(each, await _extend(catalog.renewals, order.InvoiceNo, business, each)) for each in licenses]

    renewed = [Renewed(part=each.product.part_no, code=each.code, until=day) for each, day in extended]
    step = business.step("order note")
    note = OrderNote(order=order.InvoiceNo, customer=order.DebtorName, licenses=renewed)
    await jiwa_tasks.create_sales_order_note(
        jiwa_account, step, InvoiceID=order.InvoiceID, NoteText=await worded(step, note)
    )
    mailer = Mailer(await SensorproCredentials.named(sensorpro), customer.contact, customer.language)
    mail = RenewedMail(
        order=order.InvoiceNo,
        customer=customer.account.name,
        contact=customer.first_name,
        licenses=renewed,
    )
    await mailer.send(business.step("mail"), catalog.renewals.renewed, mail)
    rows = [
        Row(
            f"license {each.code}",
            order.DebtorName,
            f"until {day}",
            records=[
                Record(
                    "zentitle", "license", each.code, each.product.zentitle or DEFAULT, f"license {each.code}"
                ),
                Record("jiwa", "sales-order", order.InvoiceID, jiwa, label),
            ],
        )
        for each, day in extended
    ]
    return await conclude(WORKFLOW, rows, nothing="No renewal")


async def _extend(rules: Renewals, number: str, order: BusinessKey, license_: License) -> date:
    """Extend one license; two orders that renew it take turns, and the second goes on where the first one ends."""
    code, product = license_.code, license_.product
    zentitle = await ZentitleCredentials.named(product.zentitle or DEFAULT)
    business = BusinessKey(WORKFLOW, f"license {code}", f"license {code}").at(zentitle=zentitle.stored_as)
    async with business.exclusive():
        step = business.step(f"renewal by {order.label}")
        day = await zentitle_tasks.choose_license_end(
            zentitle, step, product.product_id, code, days=product.days or 0, grace_days=rules.grace_days
        )
        note = await worded(step, LicenseNote(order=number, until=day))
        await zentitle_tasks.update_license_code(
            zentitle,
            step,
            productid=product.product_id,
            licensecode=code,
            licensetype="expirationdate",
            subscriptionenddate=day,
            notes=[NoteChange(type="general", description=note)],
        )
    return day
