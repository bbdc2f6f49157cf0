"""An order of Jiwa and its customer, as several workflows read them."""

from blocks.jiwa import JiwaCredentials
from flows.customers import Account
from flows.licenses import Customer
from flows.mail import contact_of
from hookline.catalog import load_catalog
from hookline.clients import NotFound
from hookline.clients.jiwa.models import SalesOrder
from hookline.errors import HooklineError
from hookline.settings import settings
from tasks import jiwa as jiwa_tasks


async def order_of(jiwa: JiwaCredentials, invoice_id: str) -> SalesOrder:
    """Return an order; raises HooklineError if Jiwa has none."""
    try:
        return await jiwa_tasks.get_sales_order(jiwa, InvoiceID=invoice_id)
    except NotFound:
        raise HooklineError(
            f"Jiwa has no order with the InvoiceID {invoice_id!r}. It may be deleted, or the webhook came from "
            "another company's database."
        ) from None


async def customer_of(jiwa: JiwaCredentials, order: SalesOrder, *, so_far: str) -> Customer:
    """
    Return the customer of an order, complete before anything is done that needs the mail.

    Args:
        jiwa: where the order is.
        order: it.
        so_far: what was done or not done, in a sentence.

    Raises:
        HooklineError: the customer has no valid e-mail address.
    """
    email = (
        order.DebtorEmailAddress
        or order.DeliveryAddressEmailAddress
        or (await jiwa_tasks.get_debtor(jiwa, DebtorID=order.DebtorID)).EmailAddress
    )
    contact = contact_of(
        f"customer {order.DebtorName} ({order.DebtorAccountNo}) of order {order.InvoiceNo}",
        email,
        order.DebtorContactName or order.DebtorName,
        kept_in="Jiwa",
        so_far=so_far,
    )
    languages = load_catalog(settings().catalog).of(jiwa=jiwa.stored_as).language
    return Customer(
        Account(order.DebtorAccountNo, order.DebtorName, email, jiwa.stored_as),
        contact,
        languages.of(order.DebtorAccountNo, order.DeliveryAddressCountry),
    )
