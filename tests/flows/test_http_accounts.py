"""An account at any HTTP API on a real Prefect server: connected by a person, renewed by one process, written to once."""

import asyncio
import re
import subprocess
import sys
from contextlib import suppress
from uuid import uuid4

import httpx
import pytest
from prefect import flow
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterFlowRunId
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from blocks import connections
from blocks.http import HttpConnection, HttpCredentials
from hookline.clients import NotAuthenticated
from hookline.database import pool
from hookline.simulators.http import HttpSimulator
from hookline.simulators.server import Sandbox, running
from tasks import http
from tasks.effects import BusinessKey

ORDERS = "/records/orders"


@pytest.fixture(scope="module")
async def acme():
    """The vendor, in this process."""
    async with running(sandbox=Sandbox(http=HttpSimulator())) as vendors:
        yield vendors.http


@pytest.fixture
async def stored(sandbox, acme):
    """Stores an account, and at its end forgets it."""
    acme.reset()
    connections._known.clear()
    made = []

    async def store(**changed):
        name = f"a{uuid4().hex[:8]}"
        inputs = {
            "base_url": acme.url,
            "login": "authorization_code",
            "client_id": "sandbox-http-client",
            "client_secret": SecretStr("sandbox-http-secret"),
            "token_url": f"{acme.url}/oauth/token",
            "authorize_url": f"{acme.url}/oauth/authorize",
            **changed,
        }
        await HttpCredentials(**inputs).save(name, overwrite=True)
        made.append(name)
        return name

    with temporary_settings({PREFECT_API_URL: sandbox.settings.prefect_api_url}):
        yield store
        for name in made:
            await HttpCredentials.adelete(name)
            with suppress(ValueError):  # not every one is connected
                await HttpConnection.adelete(name)


@pytest.fixture
def person(operator):
    """Who has logged in, with time for the processes that know Prefect."""
    operator.timeout = httpx.Timeout(120)
    return operator


async def agree(person, name, answer="yes"):
    """A person connects the account; the address to which the vendor sends the browser back."""
    begun = await person.post(f"/connect/http/{name}", data={"your name": "Pat"})
    assert 303 == begun.status_code, begun.text
    async with httpx.AsyncClient() as vendor:
        asked = await vendor.get(begun.headers["location"])
        assert "Let Hookline in?" in asked.text
        answered = await vendor.post(begun.headers["location"], data={"answer": answer})
    return answered.headers["location"]


async def connect(person, name):
    return await person.get(await agree(person, name))


@pytest.fixture
def exchanged(acme):
    """The grants that the vendor exchanged, or refused to."""
    seen = []
    issue = acme.oauth.issue

    def noting(form, authorization):
        seen.append(form["grant_type"])
        return issue(form, authorization)

    acme.oauth.issue = noting
    return seen


async def test_a_person_connects_an_account_and_flows_read_with_it(person, stored, acme):
    name = await stored()
    page = await person.get(f"/connect/http/{name}")
    back = await connect(person, name)
    after = await person.get(f"/connect/http/{name}")
    orders = await http.read.fn(name, "GET", ORDERS)
    tokens = (await HttpConnection.aload(name)).tokens.get_secret_value()

    assert f"form-action 'self' {acme.url}" in page.headers["content-security-policy"]
    assert "/connect/http/callback" in page.text
    assert 303 == back.status_code, back.text
    assert "connected since" in after.text
    assert "Pat (admin at" in after.text
    assert 3 == len(orders)
    assert re.findall(r'"access_token":"([^"]+)"', tokens)[0] not in after.text + page.text


async def test_a_code_is_exchanged_once_and_only_by_the_browser_that_began(person, stored, exchanged):
    name = await stored()
    address = await agree(person, name)
    async with httpx.AsyncClient() as stranger:
        stolen = await stranger.get(address)
    first, second = await person.get(address), await person.get(address)

    assert [303, 303, 400] == [stolen.status_code, first.status_code, second.status_code]
    assert "/login" in stolen.headers["location"]
    assert ["authorization_code"] == exchanged


async def test_a_person_who_declines_connects_nothing(person, stored, exchanged):
    name = await stored()
    back = await person.get(await agree(person, name, "no"))

    assert "The vendor says: access_denied" in back.text
    assert [] == exchanged
    with pytest.raises(NotAuthenticated, match=f"Connect http/{name} at"):
        await http.read.fn(name, "GET", ORDERS)


async def test_an_account_that_needs_nobody_and_one_that_is_not_there_say_so(person, stored):
    name = await stored(login="bearer", token=SecretStr("sandbox-http-token"))
    needless = await person.get(f"/connect/http/{name}")
    absent = await person.get("/connect/http/nobody")

    assert "nobody needs to connect it" in needless.text
    assert "There is no block http-credentials/nobody" in absent.text


RENEW = """
import asyncio, sys
from hookline import runtime
runtime.bootstrap()
from tasks import http
print(len(asyncio.run(http.read.fn(sys.argv[1], "GET", "/records/orders"))))
"""


async def test_many_calls_of_several_processes_renew_a_rotating_token_once(person, stored, acme, exchanged):
    name = await stored()
    await connect(person, name)
    acme.end_sessions()
    exchanged.clear()

    others = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", RENEW, name, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    own = await asyncio.gather(*(http.read.fn(name, "GET", ORDERS) for _ in range(5)))
    answers = [(await each.communicate(), each.returncode) for each in others]

    assert [3] * 5 == [len(each) for each in own]
    assert [(b"3\n", 0)] * 2 == [(out, code) for (out, _), code in answers], answers
    assert ["refresh_token"] == exchanged


async def test_a_refused_refresh_is_one_issue_until_the_account_is_connected_again(
    person, stored, acme, exchanged, sandbox
):
    name = await stored()
    await connect(person, name)
    acme.end_sessions()
    acme.oauth.refresh.clear()
    exchanged.clear()
    for _ in range(3):
        with pytest.raises(NotAuthenticated, match=f"/connect/http/{name}"):
            await http.read.fn(name, "GET", ORDERS)
    database = await pool(sandbox.settings)
    issue = "SELECT title, advice, closed_at FROM issues WHERE cause = $1"
    before = await database.fetchrow(issue, f"connection of http/{name}")
    await connect(person, name)
    after = await database.fetchrow(issue, f"connection of http/{name}")
    connections._known.clear()  # as a process that starts

    assert ["refresh_token", "authorization_code"] == exchanged
    assert "is not connected" in before["title"]
    assert f"/connect/http/{name}" in before["advice"]
    assert (None, True) == (before["closed_at"], after["closed_at"] is not None)
    assert 3 == len(await http.read.fn(name, "GET", ORDERS))


@flow(persist_result=False)
async def bill(name: str, number: str) -> str:
    step = BusinessKey("bill", number, f"order {number}").step("invoice")
    looks = http.find("/records/invoices", where={"order": number})
    made = await http.write(name, step, "POST", "/records/invoices", json={"order": number}, readback=looks)
    return http.field_of(made, "id")


async def test_a_flow_writes_once_though_the_answer_is_lost_and_its_tasks_have_names(
    stored, acme, run_flow, ask_prefect, until
):
    name, number = await stored(login="bearer", token=SecretStr("sandbox-http-token")), uuid4().hex[:8]
    acme.faults.add("create_record", "lose")
    state = await run_flow(bill, name, number)
    again = await run_flow(bill, name, number)
    of_it = TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[state.state_details.flow_run_id]))

    async def recorded():  # by Prefect, some time after they ended
        return await ask_prefect(lambda client: client.read_task_runs(task_run_filter=of_it))

    runs = await until(recorded, "its task runs are not recorded")

    assert ("Completed", "Completed") == (state.name, again.name)
    assert [number] == [each["order"] for each in acme.records()["invoices"]]
    assert [f"POST /records/invoices · order {number}: invoice"] == [each.name for each in runs]
