"""A portal posts certificate requests to a real gateway; an engine activates once, and the customer gets the mails."""

import os
from uuid import uuid4

import httpx
import pytest

from hookline.database import pool

COMPUTER = "BLXRrZJ5T9imK7qP+/SL"


@pytest.fixture
async def posted(sandbox, until):
    """Post a form to the gateway as the portal does; the answer, and the state of the delivery once it rests."""
    url = f"{sandbox.settings.gateway_url}/hooks/offline"
    headers = {"X-Hookline-Key": os.environ["HOOKLINE_SECRET_OFFLINE"]}

    async def posted(fields, certificate, *, key=headers):
        files = {"certificate": ("request.txt", certificate)}
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.post(url, data=fields, files=files, headers=key)
        if not answer.is_success:
            return answer.status_code, None
        database = await pool(sandbox.settings)
        delivery = answer.json()["id"]

        async def rests():
            state = await database.fetchval("SELECT state FROM deliveries WHERE id = $1", delivery)
            return state if state not in ("received", "dispatched", "running") else None

        return answer.status_code, await until(rests, f"delivery {delivery} does not end")

    return posted


async def test_a_posted_form_brings_the_certificate_once_and_a_second_request_the_same_one(
    sandbox, vendors, run, posted
):
    order = await vendors.order(("LIC-PRO", 1))
    await run(order)
    [code] = vendors.held(order).codes
    async with httpx.AsyncClient(base_url=sandbox.simulator("zentitle")) as program:
        made = await program.post(f"/_sandbox/licenses/{code}/certificates", json={"computerID": COMPUTER})
    certificate, first, second = made.json()["activationcertificate"], uuid4().hex[:8], uuid4().hex[:8]
    fields = {
        "product_id": "6453300110",
        "license_code": code,
        "computer_id": COMPUTER,
        "email": "x@y.example",
    }
    since = len(sandbox.requests("zentitle"))

    answers = [
        await posted(fields | {"request_id": number}, certificate) for number in (first, first, second)
    ]
    refused = await posted(fields | {"request_id": "x"}, certificate, key={"X-Hookline-Key": "wrong"})
    too_long = await posted(fields | {"request_id": "y"}, "d" * 200_000)

    assert [(202, "done"), (200, "done"), (202, "done")] == answers
    assert [(401, None), (413, None)] == [refused, too_long]
    mails = [
        mail
        for mail in sandbox.records("sensorpro")["mails"]
        if mail["parameters"].get("request") in (first, second)
    ]
    activated = [
        row for row in sandbox.requests("zentitle")[since:] if row["operation"] == "get_offline_activation"
    ]
    assert [first, second] == [mail["parameters"]["request"] for mail in mails]
    assert {"buyer@customer.example"} == {mail["to"] for mail in mails}
    assert (1, 1) == (len({mail["parameters"]["certificate"] for mail in mails}), len(activated))
