"""Mails about trials on a real Prefect server, by the schedule's deployment; the cases are in contract tests."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from flows.trial_nurture import trial_nurture
from hookline.clients.zentitle import ZentitleClient, ZentitleKey
from hookline.shipped.zentitle import ZentitleSettings

PRO = "6453300110"


async def trial(ends_in):
    """A trial of Draftline Pro that ends in so many days; the address of its user."""
    computer = uuid4().hex[:20]
    given = ZentitleSettings.from_environment()
    order = {"computerID": computer, "productID": PRO, "daysAgo": 30 - ends_in}
    async with httpx.AsyncClient(base_url=given.base_url) as http:
        (await http.post("/_sandbox/trials", json=order)).raise_for_status()
    async with ZentitleClient(given.base_url, ZentitleKey(given.customer_id, given.api_key)) as zentitle:
        await zentitle.create_consumer_data(
            productid=PRO, computerid=computer, clientinfo={"email": f"{computer}@try.example"}
        )
    return f"{computer}@try.example"


async def test_the_mails_of_a_day_stand_in_a_table_and_are_sent_once(sandbox, run_flow, ask_prefect):
    soon, later = await trial(5), await trial(25)

    states = [await run_flow(trial_nurture), await run_flow(trial_nurture)]

    run = states[0].state_details.flow_run_id
    artifacts = await ask_prefect(
        lambda client: client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
        )
    )
    [table] = [json.loads(each.data) for each in artifacts if each.type == "table"]
    mails = sandbox.records("sensorpro")["mails"]
    ends = (datetime.now(UTC) + timedelta(days=5)).date()
    assert ["Completed", "Nothing ends"] == [state.name for state in states]
    assert [(f"Draftline Pro until {ends}")] == [
        each["parameters"]["trials"] for each in mails if each["to"] == soon
    ]
    assert [] == [each for each in mails if each["to"] == later]
    assert ["mailed"] == [row["result"] for row in table if soon[:20] in row["what"]]
