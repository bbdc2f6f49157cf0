"""Jifeline's one write that must not be repeated happens once: looked for by our reference, which bears the mark."""

import pytest
from writes import ReadBack, Vendor, Write

from hookline.clients import InvalidInput, JifelineClient, VendorError, operations
from tasks import jifeline as tasks

VIN, OTHER_VIN = "WVWZZZ1KZAW000001", "WVWZZZ1KZAW000002"


@pytest.fixture
def vendor(sandbox, jifeline):
    return Vendor(tasks, jifeline, sandbox.jifeline)


async def new_ticket(client):
    """The business has prepared one for another vehicle, and somebody else one for this."""
    customer = (await client.list_customers()).Results[0].id
    wanted = {"customer_id": customer, "vin": VIN, "preparer_external_reference": "job 7"}
    await client.create_prepared_ticket(
        **wanted | {"vin": OTHER_VIN, "preparer_external_reference": "job 7 [workflow key]"}
    )
    await client.create_prepared_ticket(**wanted)
    return wanted


def tickets(simulator, inputs):
    return sum(each["vin"] == inputs["vin"] for each in simulator.records()["tickets"])


WRITES = [Write("create_prepared_ticket", new_ticket, tickets)]


def test_every_write_that_is_looked_for_is_tested():
    looked_for = [name for name, each in operations(JifelineClient).items() if each.repeat == "look"]

    assert looked_for == [write.operation for write in WRITES]


@pytest.mark.parametrize("write", WRITES, ids=str)
class TestLookedFor(ReadBack):
    """Each of Jifeline's writes."""


async def lost_ticket(vendor, business):
    async with vendor.credentials.get_client() as client:
        wanted = await new_ticket(client)
    vendor.misbehave("create_prepared_ticket", "lose")
    with pytest.raises(VendorError):
        await vendor.call("create_prepared_ticket", business, wanted)
    [ours] = [
        each
        for each in vendor.simulator.records()["tickets"]
        if (each["vin"], each["preparer_external_reference"]) == (VIN, "job 7 [workflow key]")
    ]
    return wanted, ours


async def test_a_ticket_is_found_though_the_workshop_has_picked_it_up(vendor, business):
    wanted, ours = await lost_ticket(vendor, business)
    vendor.simulator.close_ticket(ours["id"])

    found = await vendor.call("create_prepared_ticket", business, wanted)

    assert (ours["id"], "closed", False) == (found.id, found.state, found.unfinished)


async def test_a_ticket_bears_the_mark_in_one_line_behind_our_reference(vendor, business):
    async with vendor.credentials.get_client() as client:
        customer = (await client.list_customers()).Results[0].id

    bare = await vendor.call("create_prepared_ticket", business, {"customer_id": customer})

    assert "[workflow key]" == bare.preparer_external_reference


async def test_a_reference_too_long_for_the_mark_is_not_sent(vendor, business):
    async with vendor.credentials.get_client() as client:
        customer = (await client.list_customers()).Results[0].id
    wanted = {"customer_id": customer, "preparer_external_reference": "x" * 250}

    with pytest.raises(InvalidInput, match="preparer_external_reference"):
        await vendor.call("create_prepared_ticket", business, wanted)

    assert 0 == vendor.sent("create_prepared_ticket")
