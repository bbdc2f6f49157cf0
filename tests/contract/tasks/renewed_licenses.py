"""Licenses that end and are renewed, as a batch runs it: tasks are plain calls, the journal and the vendors real."""

from datetime import UTC, datetime, timedelta

import httpx
from credited_orders import Credits

from flows.renewal_paid import renewal_paid
from flows.renewal_reminder import renewal_reminder
from hookline.clients import pages
from hookline.clients.jiwa.models import NewLine
from hookline.clients.sensorpro.models import NewContact

RENEWALS = {
    "parts": {"REN-TEAM": "LIC-TEAM"},
    "remind_days": 30,
    "grace_days": 30,
    "reminder": {"campaign_id": "47c8e2d9-b613-4fa5-8e70-5d1b96f3a284", "broadcast_id": 1},
    "renewed": {"campaign_id": "e05d91a6-7c42-4b8f-9d13-82f6c4b70e59", "broadcast_id": 1},
}
TEAM = "6872450105"


def day(days):
    """The day so many days from now."""
    return datetime.now(UTC).date() + timedelta(days=days)


class Renewals(Credits):
    """A firm's licenses, and what the vendors hold of them by their own records."""

    def __init__(self, shop, zentitle, sensorpro):
        super().__init__(shop)
        self.zentitle = zentitle
        self.sensorpro = sensorpro

    async def license(self, seats=5, ends_in=20, customer=None):
        """A license that ends in so many days, None: as it was sold; of the customer of an order. Its order and code."""
        order = await self.licensed(("LIC-TEAM", seats), customer=customer)
        [code] = self.licenses(order)
        if ends_in is not None:
            await self.change(code, licensetype="expirationdate", subscriptionenddate=day(ends_in))
        return order, code

    async def change(self, code, **terms):
        async with self.zentitle.get_client() as client:
            await client.update_license_code(productid=TEAM, licensecode=code, **terms)

    async def end(self, code):
        async with self.zentitle.get_client() as client:
            found = await client.get_license_code(productid=TEAM, licensecode=code)
        return found.subscriptionEnddate and found.subscriptionEnddate.date()

    async def remind(self):
        return await self.run_flow(renewal_reminder)

    def quotes(self, code):
        quotes = self.sandbox.jiwa.records()["quotes"]
        return [each for each in quotes if each["SOReference"].startswith(f"Renewal {code} ")]

    def reminders(self, code):
        mails = self.sandbox.sensorpro.records()["mails"]
        return [each for each in mails if each["parameters"].get("license") == code]

    def reminded(self, code):
        return len(self.quotes(code)), len(self.reminders(code))

    async def accept(self, quote, *, paid=True):
        """The order that a person makes from a quote in Jiwa."""
        async with httpx.AsyncClient(base_url=self.sandbox.jiwa.url) as http:
            answer = (
                await http.post(f"/_sandbox/quotes/{quote['QuoteID']}/order", json={})
            ).raise_for_status()
        async with self.shop.jiwa.get_client() as client:
            order = await client.get_sales_order(InvoiceID=answer.json()["InvoiceID"])
        if paid:
            await self.pay(order)
        return order

    async def renew(self, of, units, *, named="", paid=True, part="REN-TEAM", **fields):
        """A renewal that was entered by hand, for the customer of an order."""
        comment = [NewLine(CommentLine=True, CommentText=named)] if named else []
        async with self.shop.jiwa.get_client() as client:
            order = await client.create_sales_order(
                DebtorAccountNo=of.DebtorAccountNo,
                Lines=[NewLine(PartNo=part, QuantityOrdered=units), *comment],
                **fields,
            )
        if paid:
            await self.pay(order)
        return order

    async def pay_out(self, order):
        return await self.run_flow(renewal_paid, order.InvoiceID)

    async def price(self, part, amount):
        async with self.shop.jiwa.get_client() as client:
            async for row in pages(client.query_inventory_items, PartNo=part):
                await client.update_inventory_item(InventoryID=row.InventoryID, DefaultPrice=amount)

    async def opt_out(self, email):
        async with self.sensorpro.get_client() as client:
            await client.upsert_contacts(Contact=[NewContact(PersonalEMail=email, FirstName="x")])
            await client.change_opt_out_status(PersonalEMail=email, OptOut=True)

    def all_licenses(self):
        """Every code, with whether it is enabled and how many clients it allows."""
        licenses = self.sandbox.zentitle.records()["licenses"]
        return {
            row["licenseCode"]: (row["enabledforuse"] == "True", row["clientsallowed"]) for row in licenses
        }

    def renewed(self, order):
        """How many notes on the order and mails there are about a renewal."""
        orders = self.sandbox.jiwa.records()["orders"]
        [found] = [each for each in orders if each["InvoiceID"] == order.InvoiceID]
        mails = self.sandbox.sensorpro.records()["mails"]
        return (
            sum("Licenses renewed" in each["NoteText"] for each in found["Notes"]),
            sum(
                each["parameters"].get("order") == order.InvoiceNo
                and "until" in each["parameters"]["licenses"]
                for each in mails
            ),
        )

    def notes_about(self, code, text="Renewed until"):
        notes = self.sandbox.zentitle.records()["notes"]
        return [each for each in notes if each["licenseCode"] == code and text in each["description"]]
