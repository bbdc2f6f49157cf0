"""New code is taken by `hookline restart`, and nothing is lost or refused meanwhile: real processes."""

import asyncio
import json

import httpx
import pytest
from commands import run_process

from hookline.errors import HooklineError
from hookline.settings import webhook_secrets
from hookline.supervisor import control

ORDERS = 50


async def stream(sandbox, orders):
    """Send each order's webhook once, one a connection, over some seconds; the statuses."""
    [secret] = webhook_secrets("jiwa")
    headers = {"X-Hookline-Key": secret.get_secret_value()}

    async def send(order):
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.post(
                f"{sandbox.settings.gateway_url}/hooks/jiwa", json={"InvoiceID": order}, headers=headers
            )
            return answer.status_code

    sending = []
    for order in orders:
        sending.append(asyncio.create_task(send(order)))
        await asyncio.sleep(0.2)
    return await asyncio.gather(*sending)


async def restarted(*names):
    return await asyncio.to_thread(run_process, "restart", *names)


@pytest.mark.parametrize("name", ["gateway", "engine"])
async def test_a_restart_refuses_and_loses_nothing_of_what_streams_in(name, business, sandbox, until):
    before = business.process("hookline", name)
    orders = [f"{name}-{number}" for number in range(ORDERS)]

    statuses, done = await asyncio.gather(stream(sandbox, orders), restarted(name))

    assert (0, "") == (done.returncode, done.stderr)
    assert f"{name} restarted, ready after" in done.stdout
    assert {202} == set(statuses)
    assert before.pid != business.process("hookline", name).pid

    def ended():
        rows = business.cli("inbox", "list", "--source", "jiwa", "--limit", "1000", "--json")
        mine = [row for row in rows if json.dumps(row).count(f'"{name}-')]
        return len(mine) >= ORDERS and all(row["state"] not in ("received", "dispatched") for row in mine)

    await until(ended, "not every delivery came to an end")
    assert "refused" not in sandbox.last_lines()


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
