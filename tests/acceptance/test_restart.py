"""New code is taken by `hookline restart`, and nothing is lost or refused meanwhile: real processes."""

import asyncio

import httpx
import pytest
from commands import run_process

from hookline.database import pool
from hookline.errors import HooklineError
from hookline.source_secrets import webhook_secrets
from hookline.supervisor import control

DELIVERIES = 50


async def stream(sandbox, numbers):
    """Send a webhook for each number once, one a connection, over some seconds; the statuses."""
    [secret] = webhook_secrets("jiwa")
    headers = {"X-Hookline-Key": secret.get_secret_value()}

    async def send(number):
        async with httpx.AsyncClient(timeout=120) as client:
            answer = await client.post(
                f"{sandbox.settings.gateway_url}/hooks/jiwa", json={"number": number}, headers=headers
            )
            return answer.status_code

    sending = []
    for number in numbers:
        sending.append(asyncio.create_task(send(number)))
        await asyncio.sleep(0.2)
    return await asyncio.gather(*sending)


async def restarted(*names):
    return await asyncio.to_thread(run_process, "restart", *names)


@pytest.mark.parametrize("name", ["gateway", "engine"])
async def test_a_restart_refuses_and_loses_nothing_of_what_streams_in(name, business, sandbox, until):
    before = business.process("hookline", name)
    order = await business.order(("LIC-PRO", 1))
    numbers = {f"{name}-{number}" for number in range(DELIVERIES)}

    statuses, done = await asyncio.gather(stream(sandbox, numbers), restarted(name))

    assert (0, "") == (done.returncode, done.stderr)
    assert f"{name} restarted, ready after" in done.stdout
    assert {202} == set(statuses)
    assert before.pid != business.process("hookline", name).pid
    database = await pool(sandbox.settings)
    ours = "SELECT convert_from(body, 'UTF8')::json ->> 'number' AS number FROM deliveries WHERE state = 'unrouted'"
    await until(lambda: _holds(database, ours, numbers), "not every delivery was dealt with")
    await business.noted(order)


async def _holds(database, statement, numbers):
    return numbers <= {row["number"] for row in await database.fetch(statement)}


async def test_the_worker_is_restarted(business):
    before = business.process("hookline", "worker")

    done = await restarted("worker")

    assert 0 == done.returncode, done.stderr
    assert before.pid != business.process("hookline", "worker").pid


async def test_what_cannot_be_restarted_is_said(business):
    done = await restarted("postgres")

    assert 2 == done.returncode
    assert "engine" in done.stderr


def test_without_a_hookline_up_that_is_said(tmp_path):
    with pytest.raises(HooklineError, match="No `hookline up` runs on this home"):
        control.ask(tmp_path, "restart engine", 1)
