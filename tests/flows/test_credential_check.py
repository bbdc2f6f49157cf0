"""Every stored block is tried on a real Prefect server: what is refused is told once, and tried again when it changed."""

import json
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Failed, Pending
from pydantic import SecretStr

from blocks.zentitle import ZentitleCredentials
from flows.credential_check import credential_check
from hookline.database import pool
from hookline.provisioning import schedules

BLOCK = re.compile(r"\[(.+)\]\(.+/blocks/block/[0-9a-f-]+\)$")
RIGHT, WRONG = SecretStr("sandbox-zentitle-key"), SecretStr("a-wrong-key-0123456789")


@pytest.fixture
async def another_block(sandbox):
    """Save a block of Zentitle's of another name; it is gone at the end."""
    name = f"b{uuid4().hex[:8]}"

    @asynccontextmanager
    async def at_prefect():
        with temporary_settings({PREFECT_API_URL: sandbox.settings.prefect_api_url}):
            yield

    async def save(key, **more):
        block = ZentitleCredentials(
            base_url=sandbox.simulator("zentitle"), customer_id="1234", api_key=key, **more
        )
        async with at_prefect():
            await block.save(name, overwrite=True)

    save.name = name
    yield save
    async with at_prefect():
        await ZentitleCredentials.adelete(name)


@pytest.fixture
def check(run_flow, ask_prefect):
    """Run the check; its state, and the rows of its table by account."""

    async def check(**parameters):
        state = await run_flow(credential_check, **parameters)
        run = state.state_details.flow_run_id
        [artifact] = await ask_prefect(
            lambda client: client.read_artifacts(
                artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
            )
        )
        rows = {f"{row['vendor']}/{BLOCK.match(row['block'])[1]}": row for row in json.loads(artifact.data)}
        return state, rows

    return check


@pytest.fixture
def told(prefect_api, until):
    """Wait for so many events about an account, the oldest first."""

    async def told(account, count):
        about = {"event": {"prefix": ["hookline.credentials"]}, "order": "DESC"}

        def found():
            events = prefect_api.post("events/filter", json={"filter": about}).json()["events"]
            mine = [each for each in reversed(events) if account == each["payload"]["account"]]
            return mine if len(mine) >= count else None

        return await until(found, f"no {count} events about {account}")

    return told


async def test_a_refused_block_fails_the_run_is_told_once_and_tried_again_when_it_was_changed(
    sandbox, another_block, check, told
):
    account = f"zentitle/{another_block.name}"
    await another_block(WRONG)
    states = [await check()]
    before = len(sandbox.requests("zentitle"))
    states.append(await check())
    calls = len(sandbox.requests("zentitle")) - before
    await another_block(RIGHT)
    states.append(await check())

    [(first, rows), (_, _), (_, accepted)] = states
    assert ["Refused", "Refused", "Completed"] == [state.name for state, _ in states]
    assert [True, True, False] == [state.is_failed() for state, _ in states]
    assert (["refused", "accepted"], 1) == ([rows[account]["result"], accepted[account]["result"]], calls)
    assert {f"{vendor}/default" for vendor in ("jiwa", "zentitle", "sensorpro", "jetadvice", "jifeline")} <= {
        name for name, row in rows.items() if row["result"] == "accepted"
    }
    assert WRONG.get_secret_value() not in f"{first.message}{rows}"
    events = await told(account, 2)
    assert ["hookline.credentials.refused", "hookline.credentials.accepted"] == [
        each["event"] for each in events
    ]
    assert f"The credentials of {account} are refused since" in events[0]["payload"]["what"]


async def test_a_vendor_that_is_away_fails_no_run_and_an_end_is_told(
    sandbox, another_block, check, told, ask_prefect
):
    account, end = f"zentitle/{another_block.name}", datetime.now(UTC).date() + timedelta(days=5)
    await another_block(RIGHT, expires=end)
    sandbox.fault("zentitle", operation="*", kind="refuse", times=0)
    try:
        state, rows = await check()
    finally:
        sandbox.clear_faults("zentitle")
        await (await pool(sandbox.settings)).execute("DELETE FROM vendor_accounts WHERE vendor = 'zentitle'")

    run = await ask_prefect(lambda client: client.read_flow_run(state.state_details.flow_run_id))
    assert ("Completed", "away", "accepted") == (
        state.name,
        rows[account]["result"],
        rows["jiwa/default"]["result"],
    )
    assert f"{end} (days: 5)" == rows[account]["ends"]
    assert "credentials: " in run.name
    assert "refused" not in run.name
    [event] = await told(account, 1)
    assert ("hookline.credentials.expiring", end.isoformat()) == (event["event"], event["payload"]["expires"])


async def test_the_day_after_a_refused_block_is_tried_again_and_at_once_if_a_person_asks(
    sandbox, another_block, check
):
    await another_block(WRONG)
    await check()
    calls = []
    for step in ("asked", "a day later"):
        if step == "a day later":
            await (await pool(sandbox.settings)).execute(
                "UPDATE credentials SET tried_at = tried_at - interval '1 day' WHERE account = $1",
                f"zentitle/{another_block.name}",
            )
        before = len(sandbox.requests("zentitle"))
        await check(again=step == "asked")
        calls.append(len(sandbox.requests("zentitle")) - before)

    assert [2, 2] == calls  # of this block, and of the default one


@pytest.mark.parametrize(
    ("state", "expected"),
    [(Failed(name="Refused"), True), (Failed(), False), (Completed(name="No credentials"), True)],
    ids=["Refused", "Failed", "Completed"],
)
async def test_a_run_that_found_something_refused_has_completed_for_its_schedule(
    ask_prefect, state, expected
):
    async def last(client):
        flow = await client.create_flow_from_name("credential-check-schedule")
        made = await client.create_deployment(flow, name=uuid4().hex)
        deployment = await client.read_deployment(made)
        run = await client.create_flow_run_from_deployment(made, state=Pending())
        await client.set_flow_run_state(run.id, state, force=True)
        found = await schedules._last_completed(client, deployment)
        await client.delete_deployment(made)
        return found

    assert expected == ((await ask_prefect(last)) is not None)
