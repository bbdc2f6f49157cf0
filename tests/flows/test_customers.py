"""Customers of Jiwa, synced on a real Prefect server, with a run that is broken off; the cases are in contract tests."""

import asyncio
import json
from uuid import uuid4

import pytest
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from flows.customer_sync import customer_sync
from hookline.database import pool


@pytest.fixture
async def customer(jiwa):
    number = uuid4().hex[:8]
    return await jiwa.create_debtor(
        AccountNo=number, Name=f"Customer {number}", EmailAddress=f"{number}@customer.example"
    )


@pytest.fixture
def held(sandbox, customer):
    """How many companies, printer customers and contacts there are of the customer."""

    def count():
        number = customer.AccountNo
        return (
            sum(each["search1"] == number for each in sandbox.records("zentitle")["companies"]),
            sum(each["externalNumber"] == number for each in sandbox.records("jetadvice")["customers"]),
            sum(number in each["PersonalEMail"] for each in sandbox.records("sensorpro")["contacts"]),
        )

    return count


async def test_a_customer_is_made_once_and_what_conflicts_stands_in_a_table(
    customer, held, jiwa, run_flow, ask_prefect
):
    states = [await run_flow(customer_sync, customer.DebtorID) for _ in range(2)]
    other = await jiwa.create_debtor(AccountNo=f"9{customer.AccountNo}", Name=customer.Name)

    states.append(await run_flow(customer_sync, other.DebtorID))

    run = states[-1].state_details.flow_run_id
    artifacts = await ask_prefect(
        lambda client: client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
        )
    )
    [table] = [json.loads(each.data) for each in artifacts if each.type == "table"]
    assert ["Completed", "Unchanged", "Failed"] == [state.name for state in states]
    assert (1, 1, 1) == held()
    assert f"is that of {customer.AccountNo}" in states[-1].message
    assert [True, True] == ["is that of" in row["problem"] for row in table]


async def test_a_run_that_is_broken_off_while_it_writes_leaves_one_of_each(
    customer, held, sandbox, run_flow, until
):
    sandbox.fault("jetadvice", operation="create_customer", kind="latency", seconds=3)
    database = await pool(sandbox.settings)

    async def is_writing():
        return await database.fetchval(
            "SELECT count(*) FROM effects WHERE state = 'intended' AND operation = 'jetadvice.create_customer' "
            "AND label LIKE '%' || $1 || '%'",
            customer.AccountNo,
        )

    run = asyncio.create_task(run_flow(customer_sync, customer.DebtorID))
    await until(is_writing, "nothing is written")
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)

    state = await run_flow(customer_sync, customer.DebtorID)

    assert (True, (1, 1, 1)) == (state.is_completed(), held()), state
