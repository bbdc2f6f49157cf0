"""Meters that are billed, as a batch runs it: tasks are plain calls, the journal and the vendors real."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from credited_orders import write_catalog
from main_flow import End

from flows.meter_billing import meter_billing
from hookline import context
from hookline.catalog import Meters
from hookline.journal import Journal
from hookline.settings import settings

METERS = {"report": "5001", "since": "2020-01", "parts": {"Mono": "CLICK-MONO", "Color": "CLICK-COLOR"}}
NORTHGATE, HARBOUR = "48211", "48236"
FRONT_DESK, DRAWING_OFFICE = "730101", "730215"


def month(back=1):
    """The month so many months ago."""
    first = datetime.now(UTC).replace(day=1)
    for _ in range(back):
        first = (first - timedelta(days=1)).replace(day=1)
    return f"{first:%Y-%m}"


class Fleet:
    """A dealer's printers, and what the vendors and the journal hold of their meters by their own records."""

    def __init__(self, sandbox, jetadvice, jiwa, environment, repository, path):
        self.sandbox, self.jetadvice, self.jiwa = sandbox, jetadvice, jiwa
        self._catalog = (environment, repository, path)
        self.at = datetime.now(UTC) - timedelta(days=3)
        """When the printers reported last: each time an hour later."""
        self.rules()
        for device in sandbox.jetadvice.records()["devices"]:
            self.report(device["deviceId"])

    def rules(self, **changes):
        meters = METERS | changes if changes.get("parts", ...) is not None else None
        if meters:
            Meters.model_validate(meters)
        write_catalog(*self._catalog, meters=meters)

    async def run(self, tries=6, waits=20, **parameters):
        """Run the flow as an engine does: again after errors that may pass."""
        end = End()
        while tries:
            try:
                with context.working_on(uuid4(), uuid4(), in_batch=True):
                    end.state, end.error = await meter_billing.fn(**parameters), None
                return end
            except Exception as error:  # noqa: BLE001  (whatever a run ends with)
                end.error = error
                is_wait = getattr(error, "is_wait", False)
                tries, waits = tries - (not is_wait), waits - is_wait
                if not getattr(error, "transient", False) or waits < 0:
                    break
                await asyncio.sleep(getattr(error, "retry_after", None) or 0.01)
        return end

    async def propose(self, back=1, **parameters):
        return await self.run(period=month(back), **parameters)

    async def bill(self, back=1, **parameters):
        return await self.run(period=month(back), dry_run=False, **parameters)

    def report(self, device, at=None, **counters):
        """Let a device report its meters; later than all before, or at another time."""
        self.at += timedelta(hours=1)
        text = (at or self.at).strftime("%Y-%m-%dT%H:%M:%S")
        return self.sandbox.jetadvice.set_counters(device, text, counters)

    def count(self, device):
        [found] = [row for row in self.sandbox.jetadvice.records()["devices"] if row["deviceId"] == device]
        return {kind: int(found["counters"][kind]) for kind in ("mono", "color")}

    def print(self, device, mono=0, color=0):
        before = self.count(device)
        self.report(device, mono=before["mono"] + mono, color=before["color"] + color)

    def orders(self, back=None, customer=None):
        """The orders of meters, each with its quantities by part."""
        return [
            {line["PartNo"]: line["QuantityOrdered"] for line in each["Lines"] if line.get("PartNo")}
            for each in self.sandbox.jiwa.records()["orders"]
            if (each["OrderNo"] or "").startswith(f"METERS-{month(back) if back is not None else ''}")
            and (each["OrderNo"] or "").endswith(customer or "")
        ]

    def comments(self):
        return [
            line["CommentText"]
            for each in self.sandbox.jiwa.records()["orders"]
            if (each["OrderNo"] or "").startswith("METERS-")
            for line in each["Lines"]
            if line.get("CommentText")
        ]

    def reports(self):
        return len(self.sandbox.jetadvice.records()["report_runs"])

    async def bills(self):
        """Every bill that is written down, by customer and step."""
        journal, found = Journal(settings()), {}
        for key in await journal.keys("meter-billing", "meters of customer "):
            for step in await journal.steps("meter-billing", key, "bill "):
                found[key.split()[-1], step.name] = step.request
        return found
