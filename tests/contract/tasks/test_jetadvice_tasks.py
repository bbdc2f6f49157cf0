"""JetAdvice's writes happen once: found in its lists by all its inputs."""

import pytest
from writes import ReadBack, Vendor, Write

from hookline.clients import VendorError, operations
from hookline.clients.jetadvice import JetadviceClient
from tasks import jetadvice as tasks


@pytest.fixture
def vendor(sandbox, jetadvice):
    return Vendor(tasks, jetadvice, sandbox.jetadvice)


# What each write needs there, and what could be taken for it ------------------------------------------------


async def new_customer(client):
    """There is one of the name, with another number."""
    inputs = {"name": "Corner Shop", "externalNumber": "77", "city": "Leeds"}
    await client.create_customer(**inputs | {"externalNumber": "78"})
    return inputs


async def new_level(client):
    """Another customer has one of the name."""
    first, second = (each.customerId for each in (await client.list_customers())[:2])
    await client.create_level(customerId=second, name="Workshop")
    return {"customerId": first, "name": "Workshop"}


async def new_user(client):
    customer = (await client.list_customers())[0].customerId
    return {"customerId": customer, "userName": "pat", "email": "pat@firm.example"}


async def new_tag(client):
    await client.create_tag(name="To be moved soon")
    return {"name": "To be moved"}


async def new_report(client):
    """There is one of the name for all customers."""
    customer = (await client.list_customers())[0].customerId
    view = (await client.list_views())[0].viewId
    await client.create_report(name="Toner", viewId=view)
    return {"name": "Toner", "viewId": view, "customerId": customer}


async def report_run(client):
    return {"reportId": (await client.list_reports())[0].reportId, "OutputFormat": 5}


def rows(kind, **named):
    """Counts records by those of their fields that are inputs."""
    return lambda simulator, inputs: sum(
        all(each[name] == inputs[name] for name in named.get("by", inputs))
        for each in simulator.records()[kind]
    )


WRITES = [
    Write("create_customer", new_customer, rows("customers")),
    Write("create_level", new_level, rows("levels")),
    Write("create_user", new_user, rows("users")),
    Write("create_tag", new_tag, rows("tags")),
    Write("create_report", new_report, rows("reports")),
    # JetAdvice lists no runs; one that nobody waits for does no harm.
    Write("request_report_run", report_run, rows("report_runs", by=["reportId"]), lost=(2, 2)),
]


def test_every_write_that_is_looked_for_is_tested():
    read_back = [name for name, each in operations(JetadviceClient).items() if each.repeat == "readback"]

    assert read_back == [write.operation for write in WRITES]


@pytest.mark.parametrize("write", WRITES, ids=str)
class TestLookedFor(ReadBack):
    """Each of JetAdvice's writes."""


async def test_a_field_that_jetadvice_drops_is_not_missed(vendor, business):
    """`more` sends what is not foreseen, perhaps for nothing; without the city it would be another customer."""
    inputs = {"name": "Corner Shop", "city": "Leeds", "more": {"shoeSize": 9}}
    async with vendor.credentials.get_client() as client:
        await client.create_customer(name="Corner Shop")
    vendor.misbehave("create_customer", "lose")
    with pytest.raises(VendorError):
        await vendor.call("create_customer", business, inputs)

    found = await vendor.call("create_customer", business, inputs)

    assert "Leeds" == found.city
    assert 2 == rows("customers", by=["name"])(vendor.simulator, inputs)
