"""Approval: an order above a value waits for a person before anything is licensed."""

from decimal import Decimal

from pydantic import BaseModel, Field

from blocks.jiwa import JiwaCredentials
from flows.texts.order_to_license import DeclinedNote
from flows.wording import worded
from hookline.catalog import Approval
from hookline.clients.jiwa.models import SalesOrder
from tasks import jiwa as jiwa_tasks
from tasks.effects import BusinessKey
from tasks.waits import ask


class Decision(BaseModel):
    """A person's decision about an order."""

    approved: bool = Field(
        title="Allocate the licenses?", description="No: nothing is licensed, and the order says so."
    )
    comment: str = Field(default="", title="Comment", max_length=300)


async def is_approved(
    jiwa: JiwaCredentials, business: BusinessKey, order: SalesOrder, rules: Approval | None
) -> bool:
    """
    Return True if an order may be licensed: its value asks for nobody, or a person said yes.

    What was decided holds for every run of the order, for as long as its value is the same.

    Raises:
        TimedOut: nobody decided in time.
    """
    value = _value(order)
    if rules is None or value <= rules.above:
        return True
    customer = f"{order.DebtorName} ({order.DebtorAccountNo})"
    decision = await ask(
        rules.ask,
        Decision,
        question=f"May {business.label} of {customer} for {value:,.2f} be licensed?",
        timeout=rules.timeout,
        otherwise=_otherwise(rules),
        business=business.step(f"approval of {value:.2f}"),
    )
    if not decision.approved:
        step = business.step(declined_step(order))
        note = DeclinedNote(order=order.InvoiceNo, comment=decision.comment)
        await jiwa_tasks.create_sales_order_note(
            jiwa, step, InvoiceID=order.InvoiceID, NoteText=await worded(step, note)
        )
    return decision.approved


def declined_step(order: SalesOrder) -> str:
    """Return the step that an order has which was declined at the value that it has now."""
    return f"order note: declined at {_value(order):.2f}"


def _value(order: SalesOrder) -> Decimal:
    return sum((history.HistoryTotal for history in order.Histories), Decimal(0))


def _otherwise(rules: Approval) -> list[str | Decision]:
    decisions = {"approve": Decision(approved=True), "decline": Decision(approved=False)}
    return [decisions.get(each, each) for each in rules.otherwise]
