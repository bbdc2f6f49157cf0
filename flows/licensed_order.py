"""An order with its license codes, as its mail, its note and its report show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flows.licenses import Customer, LineItem
from flows.texts.order_to_license import License, LicensesMail, Line, OrderNote, Report
from hookline.account_keys import DEFAULT
from hookline.clients.jiwa.models import SalesOrder
from hookline.record_links import Record


@dataclass(frozen=True)
class LicensedOrder:
    """An order, and the codes of each of its lines by the line's step."""

    order: SalesOrder
    customer: Customer
    line_items: Sequence[LineItem]
    codes: Mapping[str, list[str]]
    added: Sequence[str] = ()
    """What was added after it had been licensed."""

    @property
    def licenses(self) -> list[License]:
        """Its license codes, each with its part."""
        return [
            License(part=line.product.part_no, code=code)
            for line in self.line_items
            for code in self.codes[line.step]
        ]

    def records(self, jiwa: str) -> list[Record]:
        """Return the records at the vendors that its report links to; the order is of this Jiwa account."""
        order = Record("jiwa", "sales-order", self.order.InvoiceID, jiwa, f"order {self.order.InvoiceNo}")
        return [
            order,
            *(
                Record("zentitle", "license", code, line.product.zentitle or DEFAULT, f"license {code}")
                for line in self.line_items
                for code in self.codes[line.step]
            ),
        ]

    def mail(self) -> LicensesMail:
        """Return the values of its mail."""
        return LicensesMail(
            order=self.order.InvoiceNo,
            customer=self.customer.account.name,
            contact=self.customer.first_name,
            licenses=self.licenses,
        )

    def note(self) -> OrderNote:
        """Return the values of its note."""
        return OrderNote(
            order=self.order.InvoiceNo,
            customer=self.customer.account.name,
            licenses=self.licenses,
            added=list(self.added),
        )

    def report(self) -> Report:
        """Return the values of its report."""
        account = self.customer.account
        return Report(
            order=self.order.InvoiceNo,
            customer=account.name,
            account=account.account_no,
            email=account.email,
            lines=[
                Line(part=line.product.part_no, quantity=line.quantity, codes=self.codes[line.step])
                for line in self.line_items
            ],
        )
