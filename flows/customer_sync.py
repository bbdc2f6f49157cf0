"""Customers of Jiwa, made and changed at the other vendors; what conflicts is left to a person."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.jetadvice import JetadviceCredentials
from blocks.jifeline import JifelineCredentials
from blocks.jiwa import JiwaCredentials
from blocks.sensorpro import SensorproCredentials
from blocks.zentitle import ZentitleCredentials
from flows.customer_contacts import workshops
from flows.customer_places import Accounts, sync_customer
from flows.customer_records import WORKFLOW, Decision
from flows.customer_sweep import Sweep
from flows.parameters import (
    ID_LENGTH,
    JetadviceBlock,
    JifelineBlock,
    JiwaBlock,
    SensorproBlock,
    ZentitleBlock,
    titled,
)
from flows.report import Row, conclude, with_progress
from hookline.account_keys import label_at
from hookline.catalog import Customers, load_catalog
from hookline.settings import settings
from tasks.about import about, begin, say_failed


@flow(name=WORKFLOW, persist_result=False, on_failure=[say_failed])
async def customer_sync(
    debtor_id: Annotated[str, titled("Customer: Jiwa's DebtorID", max_length=ID_LENGTH)] = "",
    everyone: Annotated[int, titled("Customers of a sweep", ge=0, le=100_000)] = 0,
    adopt: Annotated[bool, titled("Adopt records")] = False,
    overwrite: Annotated[bool, titled("Overwrite")] = False,
    jiwa: JiwaBlock = "default",
    zentitle: ZentitleBlock = "default",
    jetadvice: JetadviceBlock = "default",
    sensorpro: SensorproBlock = "default",
    jifeline: JifelineBlock = "default",
) -> State[None]:
    """
    Make or change a customer of Jiwa at the other vendors, where the two differ.

    What conflicts is left to a person: the run ends Failed and says what to do. Run again, it repeats nothing.

    Args:
        debtor_id: Jiwa's DebtorID of the customer; empty with `everyone`.
        everyone: instead of one: so many customers, from where the last such run ended; the next goes on.
        adopt: take a record of the same name or address that is no customer's, or that an earlier customer had.
        overwrite: write what Jiwa has also where somebody changed it at a vendor.
        jiwa: name of the Jiwa Credentials block.
        zentitle: name of the Zentitle Credentials block.
        jetadvice: name of the JetAdvice Credentials block.
        sensorpro: name of the Sensorpro Credentials block.
        jifeline: name of the Jifeline Credentials block.
    """
    await begin(label_at(f"customer {debtor_id}" if debtor_id else f"{everyone} customers", jiwa=jiwa))
    rules = load_catalog(settings().catalog).of(jiwa=jiwa).customers
    if rules is None:
        return Completed(
            name="Switched off", message="catalog.yaml has no part `customers`; nothing was done."
        )
    accounts = Accounts(
        await JiwaCredentials.named(jiwa),
        await ZentitleCredentials.named(zentitle) if rules.zentitle_product else None,
        await JetadviceCredentials.named(jetadvice) if rules.jetadvice else None,
        await SensorproCredentials.named(sensorpro) if rules.sensorpro_tag else None,
        await workshops(await JifelineCredentials.named(jifeline)) if rules.jifeline else [],
        jifeline,
    )
    decision = Decision(adopt, overwrite)
    if everyone < 1:
        return await _one(accounts, rules, debtor_id, decision)
    sweep = await Sweep.of(accounts.jiwa, everyone)
    name, workflow = label_at(f"customers {sweep}", jiwa=jiwa), label_at(WORKFLOW, jiwa=jiwa)
    await about(name)
    rows: list[Row] = []
    async for each in with_progress(workflow, sweep.debtor_ids):
        rows += await sync_customer(accounts, rules, each, decision) or []
        await sweep.passed(each)
    return await conclude(workflow, rows, nothing="Unchanged", name=name, done="changed")


async def _one(accounts: Accounts, rules: Customers, debtor_id: str, decision: Decision) -> State[None]:
    rows = await sync_customer(accounts, rules, debtor_id, decision, label=True)
    if rows is None:
        message = (
            f"Jiwa has no active customer {debtor_id} (any more); its records elsewhere stay as they are."
        )
        return Completed(name="Deleted or inactive", message=message)
    workflow = label_at(WORKFLOW, jiwa=accounts.jiwa.stored_as)
    return await conclude(workflow, rows, nothing="Unchanged")
