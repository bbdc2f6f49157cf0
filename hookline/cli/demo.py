"""`hookline demo`: run the main job through real processes, step by step."""

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
from hookline.errors import ConfigurationError, HooklineError
from hookline.hooks import load_hooks
from hookline.inbox import search
from hookline.project import find_project
from hookline.sandbox.paid_orders import pay
from hookline.sandbox.stack import SandboxStack, sandbox_stack
from hookline.schemes.shared_secret import SharedSecret
from hookline.shipped.jiwa import JiwaSettings
from hookline.source_secrets import webhook_secrets

ORDER_TIMEOUT_SECONDS = 60.0


def demo(
    *,
    keep: Annotated[bool, Parameter(negative="", help="Leave everything running at the end.")] = False,
    as_json: AsJson = False,
) -> None:
    """
    Run the main job in a throwaway sandbox with simulated vendors, and show what happened.

    With --json, the last line has the number of paid orders and of records at the vendors; `duplicates` counts the
    records that were made more than once for one order.

    Try:
        hookline demo
        hookline demo --keep
    """
    _require_main_job()
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
        counts = asyncio.run(_run(sandbox, out, status.update))
        counts["seconds"] = round(time.monotonic() - began, 1)
        status.stop()
        _end(sandbox, out, counts, keep=keep)
    if as_json:
        print_json(counts)
    if counts["duplicates"] or counts["licenses"] != counts["orders_paid"]:
        raise HooklineError("The records at the vendors do not match the paid orders: please report it.")


def _require_main_job() -> None:
    """Raise where a project has no main job to show."""
    project = find_project()
    if project is None:
        return
    path = project / "hooks.yaml"
    routes = load_hooks(path).routes
    if not any((each.source, each.deployment) == ("jiwa", "order-to-license/default") for each in routes):
        raise ConfigurationError(
            f"{path} has no route from the source jiwa to order-to-license/default, which the demo shows. "
            "Put it back, as `jiwa-order: {use: jiwa-order}`, or run the demo outside of the project."
        )


async def _run(sandbox: SandboxStack, out: Console, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run the steps of the demo; return the counts at its end."""
    account = JiwaSettings.from_environment()
    if account.api_key is None:
        raise HooklineError("The sandbox's Jiwa has no key. This is a defect of the demo: please report it.")
    async with JiwaClient(account.base_url, JiwaKey(account.api_key)) as jiwa:
        steps = _Steps(sandbox, jiwa, out, progress)
        first = await steps.paid_order("1001", NewLine(PartNo="LIC-PRO", QuantityOrdered=1))
        await steps.the_same_webhook_again(first)
        await steps.a_lost_answer("1002", NewLine(PartNo="LIC-TEAM", QuantityOrdered=5))
        await steps.an_unpaid_order("1003", NewLine(PartNo="LIC-PRO", QuantityOrdered=1))
        out.print(f"\nhookline trace {first.InvoiceNo}", style="bold")
        show_trace(
            sandbox.settings,
            first.InvoiceNo,
            await follow(await pool(sandbox.settings), first.InvoiceNo),
            out,
        )
    await close_pool()
    return count(sandbox)


class _Steps:
    """The steps of the demo."""

    def __init__(
        self, sandbox: SandboxStack, jiwa: JiwaClient, out: Console, progress: Callable[[str], None]
    ) -> None:
        self.sandbox = sandbox
        self.jiwa = jiwa
        self.out = out
        self.progress = progress

    async def paid_order(self, account: str, line: NewLine) -> SalesOrder:
        """Enter and pay an order in Jiwa; the webhook does the rest."""
        order = await self._order(account, line)
        began = await self._pay(order)
        await self._until_noted(order)
        code = self._codes(order)
        self._report(
            f"order {order.InvoiceNo} of {order.DebtorName} paid: license {code} allocated, recorded, mailed and "
            f"noted {time.monotonic() - began:.1f} s later"
        )
        return order

    async def the_same_webhook_again(self, order: SalesOrder) -> None:
        """Send a webhook again that Jiwa has sent already."""
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
        self._report("the same webhook again: recognised, nothing changed")

    async def a_lost_answer(self, account: str, line: NewLine) -> None:
        """Lose the answer of Zentitle, after it has made the license."""
        self.sandbox.fault("zentitle", operation="create_license_codes", kind="lose")
        order = await self._order(account, line)
        await self._pay(order)
        await self._until_noted(order)
        self._report(
            f"order {order.InvoiceNo} of {order.DebtorName}: Zentitle's answer was lost on the way; its license "
            f"{self._codes(order)} was found there, not allocated twice"
        )

    async def an_unpaid_order(self, account: str, line: NewLine) -> None:
        """Enter an order that nobody pays."""
        order = await self._order(account, line)
        await self._until_handled(order)
        self._report(f"order {order.InvoiceNo} of {order.DebtorName} is not paid: left alone")

    async def _order(self, account: str, line: NewLine) -> SalesOrder:
        self.progress(f"an order of customer {account}")
        return await self.jiwa.create_sales_order(DebtorAccountNo=account, Lines=[line])

    async def _pay(self, order: SalesOrder) -> float:
        self.progress(f"order {order.InvoiceNo} is paid")
        began = time.monotonic()
        await pay(self.jiwa, order)
        return began

    async def _until_noted(self, order: SalesOrder) -> None:
        """Wait for the note on the order, the last step of the flow."""
        deadline = time.monotonic() + ORDER_TIMEOUT_SECONDS
        while not await self.jiwa.list_sales_order_notes(InvoiceID=order.InvoiceID):
            await self._wait_until(deadline, order)

    async def _until_handled(self, order: SalesOrder) -> None:
        """Wait until a flow run of the order is done."""
        self.progress("waiting: not paid")
        deadline = time.monotonic() + ORDER_TIMEOUT_SECONDS
        while "done" not in await self._dispatch_states(order):
            await self._wait_until(deadline, order)

    async def _dispatch_states(self, order: SalesOrder) -> set[str]:
        database = await pool(self.sandbox.settings)
        found = await search.find(database, search.Filter(key=order.InvoiceID))
        return {dispatch["state"] for row in found.deliveries for dispatch in row["dispatches"]}

    async def _wait_until(self, deadline: float, order: SalesOrder) -> None:
        if time.monotonic() > deadline:
            raise HooklineError(
                f"Order {order.InvoiceNo} is not done after {ORDER_TIMEOUT_SECONDS:.0f} s:\n{self.sandbox.last_lines()}"
            )
        await asyncio.sleep(0.05)

    async def _sent_webhook(self, order: SalesOrder) -> bytes:
        """Return the body of a webhook that Jiwa has sent about an order."""
        async for subscriber in pages(self.jiwa.list_webhook_subscribers):
            async for message in pages(self.jiwa.list_webhook_messages, SubscriberID=subscriber.SubscriberID):
                if order.InvoiceID in message.Body:
                    return message.Body.encode()
        raise HooklineError(f"Jiwa has sent no webhook about order {order.InvoiceNo}.")

    def _codes(self, order: SalesOrder) -> str:
        records = self.sandbox.records("zentitle")["consumer_records"]
        return ", ".join(row["licenseCode"] for row in records if row["computerID"] == order.InvoiceID)

    def _report(self, text: str) -> None:
        _tick(self.out, text)


def count(sandbox: SandboxStack) -> dict[str, Any]:
    """Count the records at the vendors; `duplicates` are those that were made too often."""
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
    """Return the licenses of an order: one for each unit of LIC-PRO, one for each line of LIC-TEAM."""
    return sum(int(line["QuantityOrdered"]) if line["PartNo"] == "LIC-PRO" else 1 for line in order["Lines"])


def _is_paid(order: dict[str, Any]) -> bool:
    return all(history["AmountPaid"] >= history["HistoryTotal"] > 0 for history in order["Histories"])


def _tick(out: Console, text: str) -> None:
    out.print(Text("✓", "green"), text)


def _end(sandbox: SandboxStack, out: Console, counts: dict[str, Any], *, keep: bool) -> None:
    table = Table(title="\nRecords at the vendors", title_justify="left", box=None, header_style="bold")
    for name in counts:
        table.add_column(name.replace("_", " "), justify="right")
    table.add_row(*map(str, counts.values()))
    out.print(table)
    settings = sandbox.settings
    token = settings.home / "secrets" / "admin-token"
    out.print(f"\nPrefect UI  {settings.prefect_ui_url}\ninbox       {settings.base_url}/")
    if keep:
        out.print(
            f"Both keep running (token of the inbox: {token}). Stop them with: kill {sandbox.process.pid}"
        )
    else:
        out.print("Both are stopped now; to keep them running: make demo KEEP=1")
