"""Customers of Jiwa at the other vendors, as a batch runs their sync: tasks are plain calls, the journal and the vendors real."""

from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from uuid import uuid4

from credited_orders import Credits

from flows.customer_sync import customer_sync
from hookline.clients import UnexpectedAnswer
from hookline.clients.jiwa.debtors import NewContactName
from hookline.clients.sensorpro.models import NewContact

PRO = "6453300110"
CUSTOMERS = {"zentitle_product": PRO, "jetadvice": True, "sensorpro_tag": "customers", "jifeline": True}


class Customers(Credits):
    """A firm's customers, and what the vendors hold of them by their own records."""

    def __init__(self, shop, zentitle, sensorpro, jetadvice):
        super().__init__(shop)
        self.zentitle = zentitle
        self.sensorpro = sensorpro
        self.jetadvice = jetadvice

    async def customer(self, name=None, email=None, number=None, **fields):
        """A new customer in Jiwa."""
        number = number or uuid4().hex[:8]
        async with self.shop.jiwa.get_client() as client:
            return await client.create_debtor(
                AccountNo=number,
                Name=name or f"Customer {number}",
                EmailAddress=f"{number}@customer.example" if email is None else email,
                Phone="+44 113 555 0100",
                ContactNames=[NewContactName(FirstName="Morag", Surname="Hale", DefaultContact=True)],
                **fields,
            )

    async def change(self, debtor, **fields):
        async with self.shop.jiwa.get_client() as client:
            return await client.update_debtor(DebtorID=debtor.DebtorID, **fields)

    async def sync(self, debtor, **decision):
        """Sync one customer."""
        return await self.run_flow(partial(customer_sync.fn, debtor.DebtorID, **decision))

    async def sweep(self, number):
        """Sync so many of all customers."""
        return await self.run_flow(partial(customer_sync.fn, everyone=number))

    async def run_flow(self, run, *inputs, tries=4):
        return await super().run_flow(SimpleNamespace(fn=run), *inputs, tries=tries)

    async def company(self, name, number="", email="", product=PRO, shared=1):
        """A company that somebody made at Zentitle by hand; its id."""
        before = {each["companyID"] for each in self.companies()}
        async with self.zentitle.get_client() as client:
            with suppress(UnexpectedAnswer):
                await client.create_company(
                    company=name,
                    productid=product,
                    global_=shared,
                    search1=number,
                    companydata={"email": email, "vat": "1"},
                )
        [made] = {each["companyID"] for each in self.companies()} - before
        return made

    async def change_company(self, company_id, **fields):
        async with self.zentitle.get_client() as client:
            with suppress(UnexpectedAnswer):  # what it says of it is not published
                await client.update_company(companyid=company_id, productid=PRO, global_=1, **fields)

    async def printers(self, name, **fields):
        """A customer that somebody made at JetAdvice by hand."""
        async with self.jetadvice.get_client() as client:
            return await client.create_customer(name=name, **fields)

    async def contact(self, email, *, opted_out=False, **fields):
        async with self.sensorpro.get_client() as client:
            await client.upsert_contacts(Contact=[NewContact(PersonalEMail=email, **fields)])
            if opted_out:
                await client.change_opt_out_status(PersonalEMail=email, OptOut=True)

    def companies(self, number=None):
        rows = self.sandbox.zentitle.records()["companies"]
        return [each for each in rows if number is None or each["search1"] == number]

    def printer_customers(self, number=None):
        rows = self.sandbox.jetadvice.records()["customers"]
        return [each for each in rows if number is None or each["externalNumber"] == number]

    def contacts(self, email):
        rows = self.sandbox.sensorpro.records()["contacts"]
        return [each for each in rows if each["PersonalEMail"].lower() == email.lower()]

    def held(self, debtor):
        """How many records there are of a customer by its number or address: companies, printer customers, contacts."""
        return (
            len(self.companies(debtor.AccountNo)),
            len(self.printer_customers(debtor.AccountNo)),
            len(self.contacts(debtor.EmailAddress)),
        )

    def writes(self):
        """The calls since the requests were forgotten that change something outside of Jiwa."""
        return [
            entry["operation"]
            for simulator in self.sandbox
            for entry in simulator.requests()
            if entry["operation"].startswith(("create_", "update_", "upsert_", "add_", "change_"))
        ]
