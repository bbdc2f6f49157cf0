"""The main flow beside real vendors' stand-ins and the real journal, as a batch runs it: tasks are plain calls."""

import asyncio
import json
import re
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import httpx

from blocks import base
from flows.order_to_license import order_to_license
from hookline import context
from hookline.clients.jiwa.models import NewLine
from hookline.journal import EffectUncertain
from hookline.journal.resolution import resolve
from hookline.prefect_adapter.retries import RETRIES
from hookline.settings import settings

TERMS = {"LIC-PRO": ("Perpetual", 0), "LIC-TEAM": ("SubscriptionPeriod", 365)}
"""The kind and the days of a license of each part."""
NUMBER = re.compile(r"(?<=^Order )\S*")
MAX_WAITS = 50


@contextmanager
def stored(*blocks, name="default"):
    """Blocks as if they were stored by this name, and just read."""
    for block in blocks:
        block._block_document_name = name
        base._loaded[type(block), name] = (time.monotonic() + 3600, block)
    try:
        yield
    finally:
        for block in blocks:
            base._loaded.pop((type(block), name), None)


@dataclass
class End:
    """How a run of the flow ended: with a state, or an error."""

    state: object = None
    error: Exception | None = None

    @property
    def is_done(self):
        return self.error is None and self.state.is_completed() and self.state.name == "Completed"

    def __str__(self):
        return f"{type(self.error).__name__}: {self.error}" if self.error else str(self.state)


class Shop:
    """One firm: its vendors, the orders of its customers, and what came of them."""

    def __init__(self, sandbox, jiwa):
        self.sandbox = sandbox
        self.jiwa = jiwa

    async def paid_order(self, *lines, by="payment", customer=None):
        number = uuid4().hex[:8]
        async with self.jiwa.get_client() as client:
            if customer is None:
                await client.create_debtor(
                    AccountNo=number, Name=f"Customer {number}", EmailAddress=f"{number}@customer.example"
                )
            order = await client.create_sales_order(
                DebtorAccountNo=customer.DebtorAccountNo if customer else number,
                Lines=[
                    NewLine(PartNo=part, QuantityOrdered=units) for part, units in lines or [("LIC-PRO", 1)]
                ],
            )
            [delivery] = order.Histories
            if by == "payment":
                await client.create_sales_order_payment(
                    InvoiceID=order.InvoiceID,
                    InvoiceHistoryID=delivery.InvoiceHistoryID,
                    AmountPaid=delivery.HistoryTotal,
                    PaymentRef=number,
                )
        if by == "ledger":
            async with httpx.AsyncClient(base_url=self.sandbox.jiwa.url) as http:
                await http.post(f"/_sandbox/orders/{order.InvoiceID}/allocate", json={})
        return order

    async def run(self, order, max_waits=MAX_WAITS):
        """Run the flow as an engine does: again after errors that may pass, and for as long as it is to wait."""
        end, failed, waits = End(), Counter(), 0
        while True:
            try:
                with context.working_on(uuid4(), uuid4(), in_batch=True):
                    end.state, end.error = await order_to_license.fn(order.InvoiceID), None
                    return end
            except Exception as error:  # noqa: BLE001  (whatever a run ends with)
                end.error = error
            if getattr(end.error, "is_wait", False) and waits < max_waits:
                waits += 1
                await asyncio.sleep(end.error.retry_after or 0.01)
                continue
            call = getattr(end.error, "operation", None)
            if not getattr(end.error, "transient", False) or failed[call] >= RETRIES:
                return end
            failed[call] += 1
            await asyncio.sleep(getattr(end.error, "retry_after", None) or 0)

    async def decide(self, end, order):
        """Say of an uncertain write what is true, as a person does who looks at the vendor; nothing, if there is none."""
        if isinstance(end.error, EffectUncertain):
            mails = self._held(order)["mails"]
            await resolve(settings(), end.error.effect_id, happened=bool(mails), reference=[], actor="ann")

    def misbehave(self, case):
        """Let a vendor answer badly."""
        getattr(self.sandbox, case.vendor).faults.add(case.operation, "garble", **case.fault)

    def behave(self):
        """Let all vendors answer well."""
        for simulator in self.sandbox:
            simulator.faults.clear()

    def forget_requests(self):
        for simulator in self.sandbox:
            simulator.log.clear()

    def wrong(self, order, *lines):
        """What the vendors hold about an order that is not as it was ordered, by their own records."""
        held = self._held(order)
        email = f"{order.DebtorAccountNo}@customer.example"
        codes = held.pop("codes")
        expected = {
            "companies": [(order.DebtorName, order.DebtorAccountNo)],
            "licenses": sorted((*TERMS[part], "True", units) for part, units in lines),
            "license_notes": [(code, order.InvoiceNo) for code in codes],
            "consumer_records": [(code, order.DebtorName, email, order.InvoiceNo) for code in codes],
            "mails": [(email, order.InvoiceNo, codes)],
            "notes": [codes],
        }
        return [
            f"{name}: {held[name]}, not {expected[name]}" for name in held if held[name] != expected[name]
        ]

    def _held(self, order):
        jiwa, zentitle, sensorpro = (
            self.sandbox.jiwa.records(),
            self.sandbox.zentitle.records(),
            self.sandbox.sensorpro.records(),
        )
        of_company = [each for each in zentitle["companies"] if order.DebtorAccountNo in str(each)]
        ids = {each["companyID"] for each in of_company}
        licenses = [each for each in zentitle["licenses"] if each["companyID"] in ids]
        codes = {each["licenseCode"] for each in licenses}
        records = [
            json.loads(each["clientInfo"]) | each
            for each in zentitle["consumer_records"]
            if each["licenseCode"] in codes
        ]
        [invoice] = [each for each in jiwa["orders"] if each["InvoiceID"] == order.InvoiceID]
        return {
            "codes": sorted(codes),
            "companies": [(each["company"], each["search1"]) for each in of_company],
            "licenses": sorted(
                (
                    each["licensetype"],
                    each["subscriptionperiod"],
                    each["enabledforuse"],
                    each["clientsallowed"],
                )
                for each in licenses
            ),
            "license_notes": sorted(
                (each["licenseCode"], NUMBER.search(each["description"])[0])
                for each in zentitle["notes"]
                if each["licenseCode"] in codes
            ),
            "consumer_records": sorted(
                (each["licenseCode"], each["company"], each["email"], each["order"]) for each in records
            ),
            "mails": [
                (each["to"], each["parameters"]["order"], _codes(each["parameters"]["licenses"]))
                for each in sensorpro["mails"]
                if order.DebtorAccountNo in each["to"]
            ],
            "notes": [_codes(each["NoteText"]) for each in invoice["Notes"]],
        }

    def requests(self):
        """The calls so far, each as `(vendor, operation)`, and how many."""
        return Counter(
            (simulator.vendor, entry["operation"])
            for simulator in self.sandbox
            for entry in simulator.requests()
        )


def _codes(text):
    """The license codes in a text, as `LIC-PRO: 602239212346876464`."""
    return sorted(re.findall(r"^LIC-\w+: (\w+)$", text, re.MULTILINE))
