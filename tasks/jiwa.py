"""Tasks on Jiwa, one an operation. Changes that are saved together are made by `JiwaClient.editing`, in one task."""

from collections.abc import Mapping
from typing import Any, Final, cast

from blocks import VendorCredentials
from blocks.jiwa import JiwaCredentials
from hookline.clients import pages
from hookline.clients.jiwa import JiwaClient
from hookline.errors import HooklineError
from tasks.operations import VendorTasks
from tasks.readback import gone
from tasks.readback import jiwa as readback
from tasks.remedies import Remedy

_jiwa = VendorTasks(JiwaCredentials, __name__)

# Sessions
login = _jiwa.call(JiwaClient.login)
logout = _jiwa.call(JiwaClient.logout)
keep_alive = _jiwa.call(JiwaClient.keep_alive)
get_current_session = _jiwa.call(JiwaClient.get_current_session)
get_system_info = _jiwa.call(JiwaClient.get_system_info)
list_rest_paths = _jiwa.call(JiwaClient.list_rest_paths)

# Sales orders. A save writes what the session has not saved yet, or nothing: again does no harm.
create_sales_order = _jiwa.write_task(
    JiwaClient.create_sales_order,
    of=("OrderNo", "SOReference"),
    count_readback=readback.orders_so_numbered,
    found_by=("OrderNo", "SOReference"),
)
get_sales_order = _jiwa.call(JiwaClient.get_sales_order)
update_sales_order = _jiwa.write_task(
    JiwaClient.update_sales_order, readback=readback.order_as_given, count_readback=readback.added_to_order
)
delete_sales_order = _jiwa.write_task(
    JiwaClient.delete_sales_order, readback=gone(JiwaClient.get_sales_order)
)
process_sales_order = _jiwa.write_task(
    JiwaClient.process_sales_order, count_readback=readback.invoiced_deliveries
)
save_sales_order = _jiwa.write_task(JiwaClient.save_sales_order, harmless=True, reference="InvoiceNo")
abandon_sales_order = _jiwa.call(JiwaClient.abandon_sales_order)
list_sales_order_histories = _jiwa.call(JiwaClient.list_sales_order_histories)
get_sales_order_history = _jiwa.call(JiwaClient.get_sales_order_history)
list_sales_order_lines = _jiwa.call(JiwaClient.list_sales_order_lines)
create_sales_order_line = _jiwa.write_task(
    JiwaClient.create_sales_order_line,
    of=("InvoiceHistoryID", "InventoryID", "PartNo", "CommentText"),
    count_readback=readback.lines_of_order,
)
get_sales_order_line = _jiwa.call(JiwaClient.get_sales_order_line)
update_sales_order_line = _jiwa.call(JiwaClient.update_sales_order_line)
delete_sales_order_line = _jiwa.write_task(
    JiwaClient.delete_sales_order_line, readback=gone(JiwaClient.get_sales_order_line)
)
list_sales_order_notes = _jiwa.call(JiwaClient.list_sales_order_notes)
get_sales_order_note = _jiwa.call(JiwaClient.get_sales_order_note)
create_sales_order_note = _jiwa.write_task(
    JiwaClient.create_sales_order_note,
    identity=("InvoiceID",),
    wording=("NoteText",),
    readback=readback.noted_order,
    carrier="NoteText",
    reference="NoteID",
)
update_sales_order_note = _jiwa.call(JiwaClient.update_sales_order_note)
delete_sales_order_note = _jiwa.write_task(
    JiwaClient.delete_sales_order_note, readback=gone(JiwaClient.get_sales_order_note)
)
list_sales_order_payments = _jiwa.call(JiwaClient.list_sales_order_payments)
create_sales_order_payment = _jiwa.write_task(
    JiwaClient.create_sales_order_payment,
    of=("InvoiceHistoryID", "PaymentRef"),
    identity=("InvoiceID", "InvoiceHistoryID", "PaymentRef", "AmountPaid"),
    readback=readback.payment_of_delivery,
    reference="PaymentRef",
)
list_sales_order_custom_field_values = _jiwa.call(JiwaClient.list_sales_order_custom_field_values)
get_sales_order_custom_field_value = _jiwa.call(JiwaClient.get_sales_order_custom_field_value)
update_sales_order_custom_field_value = _jiwa.call(JiwaClient.update_sales_order_custom_field_value)

# Sales quotes
create_sales_quote = _jiwa.write_task(
    JiwaClient.create_sales_quote,
    of=("OrderNo", "SOReference"),
    count_readback=readback.quotes_so_numbered,
    found_by=("OrderNo", "SOReference"),
)
get_sales_quote = _jiwa.call(JiwaClient.get_sales_quote)
update_sales_quote = _jiwa.write_task(
    JiwaClient.update_sales_quote, readback=readback.quote_as_given, count_readback=readback.added_to_quote
)
save_sales_quote = _jiwa.write_task(JiwaClient.save_sales_quote, harmless=True, reference="QuoteNo")
abandon_sales_quote = _jiwa.call(JiwaClient.abandon_sales_quote)
create_sales_quote_line = _jiwa.write_task(
    JiwaClient.create_sales_quote_line,
    of=("QuoteHistoryID", "InventoryID", "PartNo", "CommentText"),
    count_readback=readback.lines_of_quote,
)
get_sales_quote_line = _jiwa.call(JiwaClient.get_sales_quote_line)
update_sales_quote_line = _jiwa.call(JiwaClient.update_sales_quote_line)
delete_sales_quote_line = _jiwa.write_task(
    JiwaClient.delete_sales_quote_line, readback=gone(JiwaClient.get_sales_quote_line)
)

# Debtors
get_api_key_debtor = _jiwa.call(JiwaClient.get_api_key_debtor)
create_debtor = _jiwa.write_task(
    JiwaClient.create_debtor,
    of="AccountNo",
    identity=("AccountNo", "Name"),
    readback=readback.debtor_of_account,
    reference="DebtorID",
)
get_debtor = _jiwa.call(JiwaClient.get_debtor)
update_debtor = _jiwa.call(JiwaClient.update_debtor)
save_debtor = _jiwa.write_task(JiwaClient.save_debtor, harmless=True, reference="DebtorID")

# Inventory
create_inventory_item = _jiwa.write_task(
    JiwaClient.create_inventory_item, of="PartNo", readback=readback.item_of_part, reference="InventoryID"
)
get_inventory_item = _jiwa.call(JiwaClient.get_inventory_item)
update_inventory_item = _jiwa.call(JiwaClient.update_inventory_item)

# Queries
query_sales_orders = _jiwa.call(JiwaClient.query_sales_orders)
query_sales_quotes = _jiwa.call(JiwaClient.query_sales_quotes)
query_debtor_transactions = _jiwa.call(JiwaClient.query_debtor_transactions)
query_debtors = _jiwa.call(JiwaClient.query_debtors)
query_inventory_items = _jiwa.call(JiwaClient.query_inventory_items)

# Webhooks. A subscriber's id opens its messages to anyone who knows it: no step of a lasting one is named after it.
list_webhook_events = _jiwa.call(JiwaClient.list_webhook_events)
list_webhook_subscribers = _jiwa.call(JiwaClient.list_webhook_subscribers)
create_webhook_subscriber = _jiwa.write_task(
    JiwaClient.create_webhook_subscriber, of="Name", readback=readback.subscriber_so_named
)
get_webhook_subscriber = _jiwa.call(JiwaClient.get_webhook_subscriber)
update_webhook_subscriber = _jiwa.call(JiwaClient.update_webhook_subscriber)
delete_webhook_subscriber = _jiwa.write_task(
    JiwaClient.delete_webhook_subscriber, readback=gone(JiwaClient.get_webhook_subscriber)
)
list_webhook_subscriptions = _jiwa.call(JiwaClient.list_webhook_subscriptions)
create_webhook_subscription = _jiwa.write_task(
    JiwaClient.create_webhook_subscription,
    of="EventName",
    readback=readback.subscribed,
    reference="SubscriptionID",
)
get_webhook_subscription = _jiwa.call(JiwaClient.get_webhook_subscription)
update_webhook_subscription = _jiwa.call(JiwaClient.update_webhook_subscription)
replace_webhook_request_headers = _jiwa.call(JiwaClient.replace_webhook_request_headers)
delete_webhook_subscription = _jiwa.write_task(
    JiwaClient.delete_webhook_subscription,
    of="SubscriptionID",
    readback=gone(JiwaClient.get_webhook_subscription),
)
list_webhook_messages = _jiwa.call(JiwaClient.list_webhook_messages)


# What takes back a write that is there too often


async def _order_note(_account: VendorCredentials, written: Mapping[str, Any], note: str) -> dict[str, Any]:
    return {"InvoiceID": written["InvoiceID"], "NoteID": note}


async def _order(account: VendorCredentials, _written: Mapping[str, Any], number: str) -> dict[str, Any]:
    async with cast("JiwaCredentials", account).get_client() as client:
        async for row in pages(client.query_sales_orders, InvoiceNo=number):
            if row.InvoiceNo == number:
                return {"InvoiceID": row.InvoiceID}
    raise HooklineError(f"Jiwa does not show the order {number}.")


REMEDIES: Final = {
    "create_sales_order_note": Remedy(delete_sales_order_note, _order_note, "delete the note of the order"),
    "create_sales_order": Remedy(delete_sales_order, _order, "delete the order"),
}
