"""The mail about a closed ticket names what was done."""

from uuid import uuid4

import httpx
import pytest
from main_flow import stored

from flows.ticket_to_invoice import ticket_to_invoice
from hookline import context


@pytest.fixture
def run(jiwa, sensorpro, jifeline):
    async def run(flow, *parameters):
        with stored(jiwa, sensorpro, jifeline), context.working_on(uuid4(), uuid4(), in_batch=True):
            return await flow.fn(*parameters)

    return run


def mails(sandbox, **values):
    found = [each["parameters"] for each in sandbox.sensorpro.records()["mails"]]
    return [each for each in found if values.items() <= each.items()]


async def test_a_survey_names_what_was_done(sandbox, run):
    async with httpx.AsyncClient(base_url=sandbox.jifeline.url) as http:
        ticket = (await http.post("/_sandbox/tickets", json={"customer": "3001"})).json()
        lines = [{"product": "DIAG-CALIB"}]
        closed = await http.post(f"/_sandbox/tickets/{ticket['id']}/close", json={"product_lines": lines})
        closed.raise_for_status()

    state = await run(ticket_to_invoice, ticket["id"])

    [mail] = mails(sandbox, ticket=str(ticket["ticket_number"]))
    assert state.is_completed()
    assert "Calibrate a camera" == mail["services"]
    assert str(ticket["ticket_number"]) in mail["subject"]
