"""The meters of a month become Jiwa orders, one for a customer; at first as a proposal that a person looks at."""

from typing import Annotated, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.jetadvice import JetadviceCredentials
from blocks.jiwa import JiwaCredentials
from flows.meter_bills import Run, bill_customer
from flows.meter_orders import AtJiwa, plans_for, read_books
from flows.meter_report import WORKFLOW, month_to_bill, readings_of
from flows.meter_table import Entry, conclude
from flows.meters import plans_of, require_devices
from flows.parameters import JetadviceBlock, JiwaBlock, titled
from flows.report import with_progress
from hookline.account_keys import label_at
from hookline.catalog import MONTH, load_catalog
from hookline.settings import settings
from tasks import jetadvice as jetadvice_tasks
from tasks.about import about, begin, say_failed
from tasks.effects import BusinessKey


@flow(name=WORKFLOW, persist_result=False, on_failure=[say_failed])
async def meter_billing(
    period: Annotated[str | None, titled("Month", pattern=MONTH)] = None,
    customers: Annotated[list[str] | None, titled("Only these customers", max_length=1000)] = None,
    dry_run: Annotated[bool, titled("Only propose")] = True,
    readings: Annotated[Literal["proposed", "newest"], titled("Readings")] = "proposed",
    confirmed: Annotated[list[str] | None, titled("Confirmed devices", max_length=1000)] = None,
    jetadvice: JetadviceBlock = "default",
    jiwa: JiwaBlock = "default",
) -> State[None]:
    """
    Bill the clicks of a month: the readings of JetAdvice's report, from those that were billed last.

    A dry run writes nothing at Jiwa: its table has the proposed orders. Run again, it completes what is missing and
    repeats nothing.

    Args:
        period: the month that is billed, such as 2026-10; empty: the last one.
        customers: only these, by their id or external number in JetAdvice; empty: all.
        dry_run: only propose; switched off, the orders are made.
        readings: those that were proposed for the month, or the newest: JetAdvice makes another report.
        confirmed: devices whose jump, reset or move you have checked, by their id or serial number.
        jetadvice: name of the JetAdvice Credentials block.
        jiwa: name of the Jiwa Credentials block.
    """
    accounts = {"jetadvice": jetadvice, "jiwa": jiwa}
    await begin(label_at(f"meters of {period or 'the last month'}", **accounts))
    rules = load_catalog(settings().catalog).of(jiwa=jiwa).meters
    if rules is None:
        return Completed(name="Switched off", message="catalog.yaml has no part `meters`; nothing was done.")
    month = month_to_bill(period)
    if month < rules.since:
        message = f"{month} is before {rules.since}, the first month that is billed (meters.since)."
        return Completed(name="Nothing to bill", message=message)
    await about(label_at(f"meters of {month}{', proposed' if dry_run else ''}", **accounts), period=month)
    at_jetadvice = await JetadviceCredentials.named(jetadvice)
    at_jiwa = await JiwaCredentials.named(jiwa)
    newest = readings == "newest"
    async with BusinessKey(WORKFLOW, "meters", "meters").at(jetadvice=jetadvice).exclusive():
        taken = await readings_of(at_jetadvice, rules, month, newest=newest, may_begin=dry_run or newest)
        require_devices(confirmed or (), taken)
        books = await read_books(await jetadvice_tasks.list_customers(at_jetadvice), jetadvice)
        run = Run(at_jiwa, AtJiwa(at_jiwa), rules, books, month, dry_run)
        plans = plans_for(customers or (), books, plans_of(taken, books.ledger, rules, confirmed or ()))
        entries: list[Entry] = []
        async for plan in with_progress(WORKFLOW, plans):
            entries += await bill_customer(run, plan)
    return await conclude(WORKFLOW, month, taken, entries, dry_run=dry_run, accounts=accounts)
