"""`hookline demo`: the main job, told as a story, through real processes."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any

import httpx
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hookline.cli.output import AsJson, console, print_json
from hookline.cli.trace import follow, show_trace
from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.clients.jiwa.models import NewLine, SalesOrder
from hookline.clients.paging import pages
from hookline.database import pool
from hookline.database.connection import close_pool
from hookline.errors import HooklineError
from hookline.hooks import load_hooks
from hookline.inbox import search
from hookline.sandbox.stack import SandboxStack, sandbox_stack
from hookline.schemes.shared_secret import SharedSecret
from hookline.settings import JiwaSettings
from hookline.source_secrets import webhook_secrets

PATIENCE = 60.0


def demo(
    *,
    keep: Annotated[bool, Parameter(negative="", help="Leave everything running at the end.")] = False,
    as_json: AsJson = False,
) -> None:
    """
    Run the main job in a sandbox of its own, with simulated vendors, and show what happened.

    With --json, the last line tells how many orders were paid and what stands at the vendors then; `duplicates`
    counts what is there more often than it was paid for.

    Try:
        hookline demo
        hookline demo --keep
    """
    began = time.monotonic()
    out = console(stderr=as_json)
    out.print(
        Text("Hookline", "bold"),
        "a paid order becomes a license. PostgreSQL, Prefect, gateway and engine are real.",
        sep=": ",
    )
    with (
        out.status("starting PostgreSQL") as status,
        sandbox_stack(
            keep=lambda: keep,
            on_line=lambda line: status.update(f"starting: {line}"),
            HOOKLINE_FIRST_RUNS="false",
        ) as sandbox,
    ):
        status.update("everything runs")
        _tick(out, f"everything runs ({time.monotonic() - began:.0f} s)")
        counts = asyncio.run(_tell(sandbox, out, status.update))
        counts["seconds"] = round(time.monotonic() - began, 1)
        status.stop()
        _end(sandbox, out, counts, keep=keep)
    if as_json:
        print_json(counts)
    if counts["duplicates"] or counts["licenses"] != counts["orders_paid"]:
        raise HooklineError("This is not what was paid for: please report it.")


async def _tell(sandbox: SandboxStack, out: Console, progress: Callable[[str], None]) -> dict[str, Any]:
    """The story; the counts at its end."""
    given = JiwaSettings.from_environment()
    if given.api_key is None:
        raise HooklineError("The sandbox's Jiwa has no key: this is a defect of the demo.")
    async with JiwaClient(given.base_url, JiwaKey(given.api_key)) as jiwa:
        story = _Story(sandbox, jiwa, out, progress)
        first = await story.paid_order("1001", NewLine(PartNo="LIC-PRO", QuantityOrdered=1))
        await story.the_same_webhook_again(first)
        await story.a_lost_answer("1002", NewLine(PartNo="LIC-TEAM", QuantityOrdered=5))
        await story.an_unpaid_order("1003", NewLine(PartNo="LIC-PRO", QuantityOrdered=1))
        out.print(f"\nhookline trace {first.InvoiceNo}", style="bold")
        show_trace(sandbox.settings, first.InvoiceNo, await follow(sandbox.settings, first.InvoiceNo), out)
    await close_pool()
    return count(sandbox)


class _Story:
    """What happens in the demo, chapter by chapter."""

    def __init__(
        self, sandbox: SandboxStack, jiwa: JiwaClient, out: Console, progress: Callable[[str], None]
    ) -> None:
        self.sandbox = sandbox
        self.jiwa = jiwa
        self.out = out
        self.progress = progress

    async def paid_order(self, account: str, line: NewLine) -> SalesOrder:
        """An order is entered and paid in Jiwa; the webhook does the rest."""
        order = await self._order(account, line)
        began = await self._pay(order)
        await self._until_noted(order)
        code = self._codes(order)
        self._say(
            f"order {order.InvoiceNo} of {order.DebtorName} paid: license {code} allocated, recorded, mailed and "
            f"noted {time.monotonic() - began:.1f} s later"
        )
        return order

    async def the_same_webhook_again(self, order: SalesOrder) -> None:
        """Jiwa repeats a webhook that it has sent already."""
        self.progress("the same webhook again")
        scheme = load_hooks(self.sandbox.settings.hooks).sources["jiwa"].auth_scheme
        secret = webhook_secrets("jiwa")[0].get_secret_value()
        body = await self._sent_webhook(order)
        header = scheme.header if isinstance(scheme, SharedSecret) else ""
        async with httpx.AsyncClient() as sender:
            answer = await sender.post(
                f"{self.sandbox.settings.gateway_url}/hooks/jiwa",
                content=body,
                headers={header: secret, "Content-Type": "application/json"},
            )
        if answer.status_code != httpx.codes.OK or not answer.json()["duplicate"]:
            raise HooklineError(
                f"The repeated webhook was not recognised: {answer.status_code} {answer.text}"
            )
        self._say("the same webhook again: recognised, nothing changed")

    async def a_lost_answer(self, account: str, line: NewLine) -> None:
        """Zentitle allocates, but its answer never arrives."""
        self.sandbox.fault("zentitle", operation="create_license_codes", kind="lose")
        order = await self._order(account, line)
        await self._pay(order)
        await self._until_noted(order)
        self._say(
            f"order {order.InvoiceNo} of {order.DebtorName}: Zentitle's answer was lost on the way; its license "
            f"{self._codes(order)} was found there, not allocated twice"
        )

    async def an_unpaid_order(self, account: str, line: NewLine) -> None:
        """An order that nobody has paid."""
        order = await self._order(account, line)
        await self._until(order, "not paid", lambda row: any(_ended(d) for d in row["dispatches"]))
        self._say(f"order {order.InvoiceNo} of {order.DebtorName} is not paid: left alone")

    async def _order(self, account: str, line: NewLine) -> SalesOrder:
        self.progress(f"an order of customer {account}")
        return await self.jiwa.create_sales_order(DebtorAccountNo=account, Lines=[line])

    async def _pay(self, order: SalesOrder) -> float:
        self.progress(f"order {order.InvoiceNo} is paid")
        history = order.Histories[0]
        began = time.monotonic()
        await self.jiwa.create_sales_order_payment(
            InvoiceID=order.InvoiceID,
            InvoiceHistoryID=history.InvoiceHistoryID,
            AmountPaid=history.HistoryTotal,
            PaymentRef=f"demo {order.InvoiceNo}",
        )
        return began

    async def _until_noted(self, order: SalesOrder) -> None:
        """The note on the order is the last thing that is done."""
        deadline = time.monotonic() + PATIENCE
        while not await self.jiwa.list_sales_order_notes(InvoiceID=order.InvoiceID):
            await self._complain_after(deadline, order)

    async def _until(self, order: SalesOrder, what: str, holds: Callable[[Any], bool]) -> None:
        self.progress(f"waiting: {what}")
        deadline = time.monotonic() + PATIENCE
        while not any(map(holds, await self._deliveries(order))):
            await self._complain_after(deadline, order)

    async def _deliveries(self, order: SalesOrder) -> list[dict[str, Any]]:
        database = await pool(self.sandbox.settings)
        return (await search.find(database, search.Filter(key=order.InvoiceID))).deliveries

    async def _complain_after(self, deadline: float, order: SalesOrder) -> None:
        if time.monotonic() > deadline:
            raise HooklineError(
                f"Order {order.InvoiceNo} is not done after {PATIENCE:.0f} s:\n{self.sandbox.last_lines()}"
            )
        await asyncio.sleep(0.05)

    async def _sent_webhook(self, order: SalesOrder) -> bytes:
        """The body of a webhook about an order that Jiwa has sent."""
        async for subscriber in pages(self.jiwa.list_webhook_subscribers):
            async for message in pages(self.jiwa.list_webhook_messages, SubscriberID=subscriber.SubscriberID):
                if order.InvoiceID in message.Body:
                    return message.Body.encode()
        raise HooklineError(f"Jiwa has sent no webhook about order {order.InvoiceNo}.")

    def _codes(self, order: SalesOrder) -> str:
        records = self.sandbox.records("zentitle")["consumer_records"]
        return ", ".join(row["licenseCode"] for row in records if row["computerID"] == order.InvoiceID)

    def _say(self, text: str) -> None:
        _tick(self.out, text)


def count(sandbox: SandboxStack) -> dict[str, Any]:
    """What stands at the vendors, by their own records; `duplicates` is what is there too often."""
    orders = [order for order in sandbox.records("jiwa")["orders"] if _is_paid(order)]
    zentitle, mails = sandbox.records("zentitle"), sandbox.records("sensorpro")["mails"]
    notes = [order["InvoiceID"] for order in orders for _note in order["Notes"]]
    records = [row["licenseCode"] for row in zentitle["consumer_records"]]
    mailed = [mail["parameters"]["order"] for mail in mails]
    due = sum(_licenses_due(order) for order in orders)
    doubled = [sum((Counter(seen) - Counter(set(seen))).values()) for seen in (notes, records, mailed)]
    return {
        "orders_paid": len(orders),
        "licenses": len(zentitle["licenses"]),
        "consumer_records": len(records),
        "mails": len(mails),
        "notes": len(notes),
        "duplicates": sum(doubled) + max(0, len(zentitle["licenses"]) - due),
    }


def _licenses_due(order: dict[str, Any]) -> int:
    """One code a unit of LIC-PRO, one code a line of LIC-TEAM."""
    return sum(int(line["QuantityOrdered"]) if line["PartNo"] == "LIC-PRO" else 1 for line in order["Lines"])


def _is_paid(order: dict[str, Any]) -> bool:
    return all(history["AmountPaid"] >= history["HistoryTotal"] > 0 for history in order["Histories"])


def _ended(dispatch: dict[str, Any]) -> bool:
    return bool(dispatch["state"] == "done")


def _tick(out: Console, text: str) -> None:
    out.print(Text("✓", "green"), text)


def _end(sandbox: SandboxStack, out: Console, counts: dict[str, Any], *, keep: bool) -> None:
    table = Table(title="\nWhat stands at the vendors", title_justify="left", box=None, header_style="bold")
    for name in counts:
        table.add_column(name.replace("_", " "), justify="right")
    table.add_row(*map(str, counts.values()))
    out.print(table)
    settings = sandbox.settings
    token = settings.home / "secrets" / "admin-token"
    out.print(f"\nPrefect UI  {settings.prefect_ui_url}\ninbox       {settings.base_url}/")
    if keep:
        out.print(f"Both stay up (token of the inbox: {token}). Stop them with: kill {sandbox.process.pid}")
    else:
        out.print("Both are down now; look at them with: make demo KEEP=1")
