"""Tasks on Jiwa, one an operation."""

from blocks import JiwaCredentials
from hookline.clients import JiwaClient
from tasks.looks import jiwa as looks
from tasks.operations import VendorTasks

_jiwa = VendorTasks(JiwaCredentials, __name__)

create_sales_order = _jiwa.effect(
    JiwaClient.create_sales_order,
    of="OrderNo",
    look=looks.ordered,
    found_by=("OrderNo", "SOReference"),
    reference="InvoiceNo",
)
get_sales_order = _jiwa.call(JiwaClient.get_sales_order)
create_sales_order_note = _jiwa.effect(
    JiwaClient.create_sales_order_note,
    look=looks.noted_order,
    marked="NoteText",
    reference="NoteID",
)
get_debtor = _jiwa.call(JiwaClient.get_debtor)
query_sales_orders = _jiwa.call(JiwaClient.query_sales_orders)
