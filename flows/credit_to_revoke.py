"""The licenses of a credited Jiwa order: taken back at Zentitle, noted in Jiwa, and mailed to the customer."""

from typing import Annotated

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.jiwa import JiwaCredentials
from blocks.sensorpro import SensorproCredentials
from flows.credits import (
    WORKFLOW,
    Credit,
    Taken,
    codes_of,
    credited,
    credited_order,
    find_credit_note,
    reason_to_wait,
)
from flows.mail import Mailer
from flows.order_to_license import WORKFLOW as ORDER_TO_LICENSE
from flows.orders import customer_of
from flows.parameters import JiwaBlock, SensorproBlock, ZentitleBlock, identifier
from flows.report import artifact_key, with_delivery
from flows.texts.credit_to_revoke import CreditMail, DocumentNote
from flows.wording import worded
from hookline.account_keys import label_at
from hookline.catalog import load_catalog
from hookline.record_links import Record, record_links
from hookline.settings import settings
from hookline.text import markdown
from tasks import jiwa as jiwa_tasks
from tasks.about import about, begin, is_unbatched, say_failed
from tasks.effects import BusinessKey


@flow(name=WORKFLOW, persist_result=False, on_failure=[say_failed])
async def credit_to_revoke(
    credit_note_id: Annotated[str, identifier("Credit note: Jiwa's InvoiceID")],
    jiwa: JiwaBlock = "default",
    zentitle: ZentitleBlock = "default",
    sensorpro: SensorproBlock = "default",
) -> State[None]:
    """
    Take back as many licenses of an order as a credit note credits, and inform the customer.

    Run again, it completes what is missing and repeats nothing.

    Args:
        credit_note_id: Jiwa's InvoiceID of the credit note.
        jiwa: name of the Jiwa Credentials block.
        zentitle: name of the Zentitle Credentials block.
        sensorpro: name of the Sensorpro Credentials block.
    """
    await begin(f"credit note {credit_note_id}")
    catalog = load_catalog(settings().catalog).of(jiwa=jiwa, zentitle=zentitle)
    if catalog.credits is None:
        return Completed(name="Switched off", message="catalog.yaml has no part `credits`; nothing was done.")
    jiwa_account = await JiwaCredentials.named(jiwa)
    note = await find_credit_note(jiwa_account, credit_note_id)
    if note is None:
        return Completed(
            name="Deleted", message=f"Jiwa has no credit note {credit_note_id}; nothing was done."
        )
    if reason := reason_to_wait(catalog, catalog.credits, note):
        label = label_at(f"credit note {note.InvoiceNo}: {reason}", jiwa=jiwa)
        await about(label, credit_note=note.InvoiceNo)
        return Completed(name=reason.capitalize(), message=f"{label}; nothing was done.")

    order = await credited_order(jiwa_account, note)
    licensing = BusinessKey(ORDER_TO_LICENSE, order.InvoiceID, f"order {order.InvoiceNo}").at(jiwa=jiwa)
    credit = Credit(order, note, jiwa)
    await about(
        f"{credit.label} · {order.DebtorName}",
        credit_note=note.InvoiceNo,
        order=order.InvoiceNo,
        customer=order.DebtorAccountNo,
    )
    await codes_of(licensing, credit.name)  # which waits
    async with licensing.exclusive():
        codes = await codes_of.fn(licensing, credit.name)  # now that nothing of the order can change
        taken = [
            await credit.take_off(product, number, codes.get(product.part_no, []))
            for product, number in credited(catalog, note)
        ]
        listing = "\n".join(line for each in taken for line in each.lines())
        taken_back = [each.values() for each in taken]
        text = DocumentNote(
            order=order.InvoiceNo, credit_note=note.InvoiceNo, customer=order.DebtorName, taken=taken_back
        )
        for document in (order, note):
            step = credit.business.step(f"note on {document.InvoiceNo} about {credit.name}")
            await jiwa_tasks.create_sales_order_note(
                jiwa_account, step, InvoiceID=document.InvoiceID, NoteText=await worded(step, text)
            )
        await _report(credit, taken)
        if any(each.revoked for each in taken):
            customer = await customer_of(jiwa_account, order, so_far="The licenses are taken back.")
            mailer = Mailer(await SensorproCredentials.named(sensorpro), customer.contact, customer.language)
            mail = CreditMail(
                order=order.InvoiceNo,
                credit_note=note.InvoiceNo,
                customer=customer.account.name,
                contact=customer.first_name,
                taken=taken_back,
            )
            await mailer.send(credit.business.step(f"mail about {credit.name}"), catalog.credits.mail, mail)
    return Completed(message=f"{credit.label}:\n{listing}")


async def _report(credit: Credit, taken: list[Taken]) -> None:
    """Report in the Prefect UI what was done: in a table."""
    if not is_unbatched():
        return
    rows = [
        {"part": markdown(each.part), "credited": each.number, "what was done": markdown(line)}
        for each in taken
        for line in each.lines()
    ]
    documents = [
        Record("jiwa", "sales-order", each.InvoiceID, credit.jiwa, f"{what} {each.InvoiceNo}")
        for what, each in (("order", credit.order), ("credit note", credit.note))
    ]
    links = record_links(documents, settings().record_urls)
    summary = with_delivery(
        " · ".join(filter(None, (f"Licenses taken back by {markdown(credit.label)}", links)))
    )
    key = artifact_key(label_at(f"credit {credit.note.InvoiceNo or credit.note.InvoiceID}", jiwa=credit.jiwa))
    await acreate_table_artifact(key=key, description=summary, table=rows)
