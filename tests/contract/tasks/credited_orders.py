"""Orders that are licensed and credited, as a batch runs them: tasks are plain calls, the journal and the vendors real."""

from uuid import uuid4

import httpx
import yaml
from main_flow import End

from flows.credit_to_revoke import credit_to_revoke
from hookline import context
from hookline.clients.jiwa.models import NewLine

CREDITS = {
    "since": "2020-01-01",
    "mail": {"campaign_id": "9f2b7c15-48d0-4e6a-b3c7-0a5d81e94f62", "broadcast_id": 1},
}


def write_catalog(environment, repository, path, **changes):
    """A catalog.yaml beside the shipped one, with these parts changed."""
    catalog = yaml.safe_load((repository / "deployments/catalog.yaml").read_text())
    path.write_text(yaml.safe_dump(catalog | changes))
    environment.setenv("HOOKLINE_CATALOG", str(path))


class Credits:
    """A firm's orders and credit notes, and what the vendors hold of them by their own records."""

    def __init__(self, shop):
        self.shop = shop
        self.sandbox = shop.sandbox

    async def licensed(self, *lines, customer=None):
        """An order that was paid and licensed; of the customer of another one."""
        order = await self.shop.paid_order(*lines, customer=customer)
        end = await self.shop.run(order)
        assert end.is_done, end
        return order

    async def credit(self, order, *lines, process=True, made_from=True, **fields):
        """A credit note of an order: made from it, or by hand."""
        [delivery] = order.Histories
        origin = {"CreditNoteFromInvoiceHistoryID": delivery.InvoiceHistoryID} if made_from else {}
        async with self.shop.jiwa.get_client() as client:
            note = await client.create_sales_order(
                DebtorAccountNo=order.DebtorAccountNo,
                CreditNote=True,
                Lines=[NewLine(PartNo=part, QuantityOrdered=units) for part, units in lines],
                **origin,
                **fields,
            )
            if process:
                note = await client.process_sales_order(InvoiceID=note.InvoiceID)
        return note

    async def run(self, note):
        invoice = note if isinstance(note, str) else note.InvoiceID
        return await self.run_flow(credit_to_revoke, invoice)

    async def run_flow(self, flow, *inputs, tries=4):
        """Run a flow as an engine does: again after errors that may pass."""
        end = End()
        for _ in range(tries):
            try:
                with context.working_on(uuid4(), uuid4(), in_batch=True):
                    end.state, end.error = await flow.fn(*inputs), None
                return end
            except Exception as error:  # noqa: BLE001  (whatever a run ends with)
                end.error = error
                if not getattr(error, "transient", False):
                    break
        return end

    def licenses(self, order):
        """The codes of an order, each with whether it is enabled and how many clients it allows."""
        licenses = self.sandbox.zentitle.records()["licenses"]
        ours = [row for row in licenses if f"order {order.InvoiceNo} " in (row["reference"] or "")]
        return {row["licenseCode"]: (row["enabledforuse"] == "True", row["clientsallowed"]) for row in ours}

    def enabled(self, order):
        return sum(is_enabled for is_enabled, _ in self.licenses(order).values())

    def license_notes(self, order):
        notes = self.sandbox.zentitle.records()["notes"]
        codes = self.licenses(order)
        return [
            each for each in notes if each["licenseCode"] in codes and "Taken back" in each["description"]
        ]

    def notes(self, document):
        orders = self.sandbox.jiwa.records()["orders"]
        [found] = [each for each in orders if each["InvoiceID"] == document.InvoiceID]
        return [each["NoteText"] for each in found["Notes"] if "taken back" in each["NoteText"]]

    def mails(self, note):
        mails = self.sandbox.sensorpro.records()["mails"]
        return [each for each in mails if each["parameters"].get("credit_note") == note.InvoiceNo]

    async def activate(self, code):
        async with httpx.AsyncClient(base_url=self.sandbox.zentitle.url) as http:
            answer = await http.post(f"/_sandbox/licenses/{code}/activate", json={})
            answer.raise_for_status()

    async def pay(self, order):
        [delivery] = order.Histories
        async with self.shop.jiwa.get_client() as client:
            await client.create_sales_order_payment(
                InvoiceID=order.InvoiceID,
                InvoiceHistoryID=delivery.InvoiceHistoryID,
                AmountPaid=delivery.HistoryTotal,
                PaymentRef=uuid4().hex,
            )

    async def address(self, order, email):
        async with self.shop.jiwa.get_client() as client:
            await client.update_debtor(DebtorID=order.DebtorID, EmailAddress=email)

    async def enlarge(self, order, quantity):
        """Change the only line of an order in Jiwa, and pay the order as it is then."""
        [history], [line] = order.Histories, order.Lines
        async with self.shop.jiwa.get_client() as client:
            await client.update_sales_order_line(
                InvoiceID=order.InvoiceID,
                InvoiceHistoryID=history.InvoiceHistoryID,
                InvoiceLineID=line.InvoiceLineID,
                QuantityOrdered=quantity,
            )
            await self.pay(await client.get_sales_order(InvoiceID=order.InvoiceID))

    def told(self, order, note):
        """How many notes at both ends and mails there are about a credit note."""
        return (
            len(
                [
                    each
                    for each in self.license_notes(order)
                    if f"note {note.InvoiceNo}" in each["description"]
                ]
            ),
            len([each for each in self.notes(order) if f"note {note.InvoiceNo}" in each]),
            len(self.notes(note)),
            len(self.mails(note)),
        )
