"""The bill of one customer: the orders that were left out, and that of the month."""

from dataclasses import dataclass

from blocks.jiwa import JiwaCredentials
from flows.meter_orders import AtJiwa, Books, Made, order_of, write_down
from flows.meter_table import Entry, entries_of, left_out, named, nobodys
from flows.meters import Bill, Plan
from hookline.catalog import Meters
from hookline.clients.errors import VendorAway
from hookline.errors import HooklineError
from hookline.record_links import Record


@dataclass(frozen=True)
class Run:
    """What a run works with."""

    jiwa: JiwaCredentials
    at_jiwa: AtJiwa
    rules: Meters
    books: Books
    period: str
    dry_run: bool


async def bill_customer(run: Run, plan: Plan) -> list[Entry]:
    """Bill one customer, or propose it; return what was done."""
    made = run.books.made.get(plan.customer)
    if made is None:
        return nobodys(plan)
    entries = left_out(named(made.customer), plan.left_out)
    bill = made.bills.get(run.period) or plan.bill(run.rules, run.period)
    try:
        entries += await _completed(run, made)
        if run.period in made.bills:
            return entries
        _require_turn(made, run.period)
        if bill.lines or bill.gone:
            entries += entries_of(run.rules, made, bill, order=await _new(run, made, bill))
    except VendorAway:  # nothing failed: the run waits
        raise
    except HooklineError as error:
        entries += entries_of(run.rules, made, bill, problem=str(error))
    return entries


async def _completed(run: Run, made: Made) -> list[Entry]:
    """Make the orders that a broken-off run left out; return the rows of those, and of the month's bill."""
    entries = []
    unfinished = made.unfinished()
    for bill in unfinished:
        order = None if run.dry_run else await _first(run, made, bill)
        note = f"of {bill.period}: begun and broken off" + "; billing completes it" * run.dry_run
        entries += entries_of(run.rules, made, bill, order=order, note=note)
    billed = made.bills.get(run.period)
    if billed is not None and billed not in unfinished:
        number = made.orders.get(run.period, "")  # all that the journal has of it: no link
        before = Record("jiwa", "sales-order", "", run.jiwa.stored_as, number)
        entries += entries_of(run.rules, made, billed, order=before, note="billed before")
    return entries


def _require_turn(made: Made, period: str) -> None:
    """Raise HooklineError where a later month is billed: its bill began where the last one had ended."""
    later = max(made.bills, default="")
    if later > period:
        raise HooklineError(f"{later} is billed already: what was left of {period} is part of that.")


async def _new(run: Run, made: Made, bill: Bill) -> Record | None:
    """Write a new bill down and make its order; return it. In a dry run only see if it could be made."""
    if bill.needs_order:
        await run.at_jiwa.require(run.rules, made.customer, bill)
    if run.dry_run:
        return None
    bill = await write_down(made, bill)
    return await order_of(run.jiwa, run.rules, made, bill) if bill.needs_order else None


async def _first(run: Run, made: Made, bill: Bill) -> Record:
    """Make the order of a bill that was left out; a later month is billed only after it."""
    try:
        return await order_of(run.jiwa, run.rules, made, bill)
    except VendorAway:
        raise
    except HooklineError as error:
        raise HooklineError(f"Its order of {bill.period} comes first: {error}") from error
