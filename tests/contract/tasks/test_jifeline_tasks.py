"""Jifeline's one write that must not be repeated happens once: found by our reference, which has the token."""

import pytest
from writes import ReadBack, Vendor, Write

from hookline.clients import InvalidInput, VendorError, operations
from hookline.clients.jifeline import JifelineClient
from tasks import jifeline as tasks

VIN, OTHER_VIN = "WVWZZZ1KZAW000001", "WVWZZZ1KZAW000002"


@pytest.fixture
def vendor(sandbox, jifeline):
    return Vendor(tasks, jifeline, sandbox.jifeline)


async def new_ticket(client):
    """The business has prepared one for another vehicle, and somebody else one for this."""
    customer = (await client.list_customers()).Results[0].id
    inputs = {"customer_id": customer, "vin": VIN, "preparer_external_reference": "job 7"}
    await client.create_prepared_ticket(
        **inputs | {"vin": OTHER_VIN, "preparer_external_reference": "job 7 [workflow key: another]"}
    )
    await client.create_prepared_ticket(**inputs)
    return inputs


def token(inputs):
    return f"[workflow key: create prepared ticket of {inputs['customer_id']}]"


def tickets(simulator, inputs):
    return sum(each["vin"] == inputs["vin"] for each in simulator.records()["tickets"])


WRITES = [Write("create_prepared_ticket", new_ticket, tickets)]


def test_every_write_that_is_looked_for_is_tested():
    read_back = [name for name, each in operations(JifelineClient).items() if each.repeat == "readback"]

    assert read_back == [write.operation for write in WRITES]


@pytest.mark.parametrize("write", WRITES, ids=str)
class TestLookedFor(ReadBack):
    """Each of Jifeline's writes."""


async def lost_ticket(vendor, business):
    async with vendor.credentials.get_client() as client:
        inputs = await new_ticket(client)
    vendor.misbehave("create_prepared_ticket", "lose")
    with pytest.raises(VendorError):
        await vendor.call("create_prepared_ticket", business, inputs)
    [ours] = [
        each
        for each in vendor.simulator.records()["tickets"]
        if (each["vin"], each["preparer_external_reference"]) == (VIN, f"job 7 {token(inputs)}")
    ]
    return inputs, ours


async def test_a_ticket_is_found_though_the_workshop_has_picked_it_up(vendor, business):
    inputs, ours = await lost_ticket(vendor, business)
    vendor.simulator.close_ticket(ours["id"])

    found = await vendor.call("create_prepared_ticket", business, inputs)

    assert (ours["id"], "closed", False) == (found.id, found.state, found.unfinished)


async def test_a_ticket_bears_the_mark_in_one_line_behind_our_reference(vendor, business):
    async with vendor.credentials.get_client() as client:
        customer = (await client.list_customers()).Results[0].id

    bare = await vendor.call("create_prepared_ticket", business, {"customer_id": customer})

    assert token({"customer_id": customer}) == bare.preparer_external_reference


async def test_a_reference_too_long_for_the_mark_is_not_sent(vendor, business):
    async with vendor.credentials.get_client() as client:
        customer = (await client.list_customers()).Results[0].id
    inputs = {"customer_id": customer, "preparer_external_reference": "x" * 250}

    with pytest.raises(InvalidInput, match="preparer_external_reference"):
        await vendor.call("create_prepared_ticket", business, inputs)

    assert 0 == vendor.sent("create_prepared_ticket")
