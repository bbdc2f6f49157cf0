"""One customer of Jiwa, synced with each vendor that the catalog names."""

from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from blocks.jetadvice import JetadviceCredentials
from blocks.jiwa import JiwaCredentials
from blocks.sensorpro import SensorproCredentials
from blocks.zentitle import ZentitleCredentials
from flows.customer_contacts import same_workshops, sync_contact
from flows.customer_records import (
    WORKFLOW,
    Companies,
    Customer,
    Decision,
    PrinterCustomers,
    sync_record,
)
from flows.report import Row
from hookline.account_keys import DEFAULT, label_at
from hookline.catalog import Customers
from hookline.clients import NotFound
from hookline.clients.errors import VendorAway
from hookline.clients.jifeline.models import Customer as Workshop
from hookline.errors import HooklineError
from tasks import jiwa as jiwa_tasks
from tasks.about import about
from tasks.effects import BusinessKey

INACTIVE: Final = "e_DebtorTradingStatusInActive"


@dataclass(frozen=True)
class Accounts:
    """The vendors' accounts that customers are synced with; those that the catalog leaves out are None."""

    jiwa: JiwaCredentials
    zentitle: ZentitleCredentials | None
    jetadvice: JetadviceCredentials | None
    sensorpro: SensorproCredentials | None
    workshops: list[Workshop]
    """All customers of Jifeline, none of which is changed."""
    jifeline: str = DEFAULT
    """The name of the block that they were read with."""


async def sync_customer(
    accounts: Accounts, rules: Customers, debtor_id: str, decision: Decision, *, label: bool = False
) -> list[Row] | None:
    """
    Sync one customer, by what Jiwa has now; return what was done or is left to a person, a row each.

    None: Jiwa has no such customer (any more), or it is not active.

    Args:
        accounts: where.
        rules: which of them, and how.
        debtor_id: whose.
        decision: what a person decided.
        label: the run is about this one customer.
    """
    business = BusinessKey(WORKFLOW, f"debtor {debtor_id}", f"customer {debtor_id}")
    async with business.at(jiwa=accounts.jiwa.stored_as).exclusive():
        try:
            debtor = await jiwa_tasks.get_debtor(accounts.jiwa, DebtorID=debtor_id)
        except NotFound:
            return None
        if label:
            name = label_at(f"customer {debtor.AccountNo} · {debtor.Name}", jiwa=accounts.jiwa.stored_as)
            await about(name, customer=debtor.AccountNo)
        if debtor.TradingStatus == INACTIVE:
            return None
        customer = Customer(debtor, accounts.jiwa.stored_as)
        rows = []
        for vendor, synced in _places(accounts, rules, customer, decision):
            try:
                row = await synced
            except VendorAway:  # nothing failed: the run waits
                raise
            except HooklineError as error:
                row = Row(f"customer at {vendor}", str(customer), problem=str(error))
            if row is not None:
                rows.append(row)
    rows += same_workshops(customer, accounts.workshops, accounts.jifeline)
    return [replace(row, records=[customer.record, *row.records]) for row in rows]


def _places(
    accounts: Accounts, rules: Customers, customer: Customer, decision: Decision
) -> Iterator[tuple[str, Awaitable[Row | None]]]:
    """Yield the sync with each vendor, to be awaited before the next."""
    if accounts.zentitle and rules.zentitle_product:
        companies = Companies(accounts.zentitle, rules.zentitle_product)
        yield "Zentitle", sync_record(companies, customer, decision)
    if accounts.jetadvice:
        yield "JetAdvice", sync_record(PrinterCustomers(accounts.jetadvice), customer, decision)
    if accounts.sensorpro and rules.sensorpro_tag:
        yield "Sensorpro", sync_contact(accounts.sensorpro, rules.sensorpro_tag, customer, decision)
