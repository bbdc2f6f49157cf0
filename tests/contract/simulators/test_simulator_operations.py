"""What holds for all simulators: their operations and faults, and orders that make no sense."""

import csv
import json
import re
import uuid
from pathlib import Path

import httpx
import pytest

from hookline.simulators.jetadvice import JetadviceSimulator
from hookline.simulators.jifeline import JifelineSimulator
from hookline.simulators.jiwa import JiwaSimulator
from hookline.simulators.sensorpro import SensorproSimulator
from hookline.simulators.zentitle import ZentitleSimulator

TABLE = Path(__file__).parents[2] / "samples" / "operations.csv"
SIMULATORS = {
    each.vendor: each
    for each in (JiwaSimulator, ZentitleSimulator, SensorproSimulator, JetadviceSimulator, JifelineSimulator)
}
FORMS = {
    "jiwa": lambda response: response.json()["ResponseStatus"]["Message"],
    "zentitle": lambda response: response.json()["Message"],
    "sensorpro": lambda response: response.json()["Result"]["ErrorMessages"][0]["Description"],
    "jetadvice": lambda response: response.text,
    "jifeline": lambda response: response.json()["detail"],
}
"""Where a vendor's error says what is wrong."""
MEDIA_TYPES = {"jetadvice": "text/plain; charset=utf-8", "jifeline": "application/problem+json"}
STUDIO_CODE, TRIED = "286450110220930851", "w7Zk+2mQv5Rt8LsN1xHy"
VIEWER, PRO = "3117410103", "6453300110"
SUPPLY, TICKET = "/devices/730101/supplies/black", "/tickets/17386048/close"


@pytest.fixture
def client_of(sandbox):
    """A client of a vendor's simulator that is not logged in."""

    def client(vendor):
        return httpx.AsyncClient(base_url=getattr(sandbox, vendor).url, verify=False)

    return client


@pytest.mark.parametrize("vendor", SIMULATORS)
def test_the_operations_are_those_of_the_table(vendor):
    with TABLE.open(encoding="utf-8", newline="") as file:
        expected = {
            (row["operation"], row["verb"], row["path"])
            for row in csv.DictReader(file)
            if row["vendor"] == vendor
        }

    offered = {
        (each.name, verb, each.path) for each in SIMULATORS[vendor].operations.values() for verb in each.verbs
    }
    assert expected == offered - {("login", "GET", "/auth")}  # Jiwa takes it too; the client does not use it


@pytest.mark.parametrize(
    ("vendor", "name"), [(vendor, name) for vendor, each in SIMULATORS.items() for name in each.operations]
)
async def test_every_operation_can_be_refused_throttled_and_lost(sandbox, client_of, vendor, name):
    operation = SIMULATORS[vendor].operations[name]
    path = re.sub(r"\{\w+\}", str(uuid.uuid4()), operation.path)
    for kind in ("refuse", "throttle", "lose"):
        getattr(sandbox, vendor).faults.add(name, kind)

    async with client_of(vendor) as client:
        refused, throttled = [await client.request(operation.verbs[0], path) for _ in range(2)]
        with pytest.raises(httpx.TransportError):
            await client.request(operation.verbs[0], path)

    media_type = MEDIA_TYPES.get(vendor, "application/json")
    assert [503, 429] == [refused.status_code, throttled.status_code]
    assert "The sandbox was told to refuse this call." == FORMS[vendor](refused)
    assert "The sandbox was told to throttle this call." == FORMS[vendor](throttled)
    assert {media_type} == {each.headers["content-type"] for each in (refused, throttled)}


@pytest.mark.parametrize("vendor", SIMULATORS)
async def test_every_simulator_reports_its_health(client_of, vendor):
    async with client_of(vendor) as client:
        response = await client.get("/healthz")

    assert (200, {"vendor": vendor}) == (response.status_code, response.json())


@pytest.mark.parametrize("vendor", SIMULATORS)
def test_addresses_lead_nowhere(sandbox, vendor):
    addresses = re.findall(r"[^\s\"\\]+@[^\s\"\\,]+", json.dumps(getattr(sandbox, vendor).records()))

    assert addresses
    assert [] == [each for each in addresses if not each.endswith(".example")]


# fmt: off
MISTAKES = [
    ("jiwa", "/orders/none/allocate", {}, "InvoiceID"),
    ("jiwa", "/orders/{order}/allocate", {"amount": -1}, "amount"),
    ("jiwa", "/orders/{order}/allocate", {"amount": "x"}, "amount"),
    ("jiwa", "/orders/{order}/allocate", [], "body"),
    ("zentitle", "/licenses/1/activate", {}, "licenseCode"),
    ("zentitle", f"/licenses/{STUDIO_CODE}/activate", {"computerID": 7}, "computerID"),
    ("zentitle", f"/licenses/{STUDIO_CODE}/activate", [], "body"),
    ("zentitle", "/licenses/1/certificates", {}, "licenseCode"),
    ("zentitle", f"/licenses/{STUDIO_CODE}/certificates", {"computerID": 7}, "computerID"),
    ("zentitle", f"/licenses/{STUDIO_CODE}/certificates", [], "body"),
    ("zentitle", "/trials", {"productID": "1"}, "productID"),
    ("zentitle", "/trials", {}, "productID"),
    ("zentitle", "/trials", {"productID": VIEWER, "computerID": TRIED}, "computerID"),
    ("zentitle", "/trials", {"productID": PRO, "daysAgo": -1}, "daysAgo"),
    ("zentitle", "/trials", {"productID": PRO, "daysAgo": "9"}, "daysAgo"),
    ("zentitle", "/trials", [], "body"),
    ("sensorpro", "/mails/9/open", {}, "Mail"),
    ("sensorpro", "/mails/x/open", {}, "Mail"),
    ("sensorpro", "/mails/1/eat", {}, "Deed"),
    ("sensorpro", "/mails/1/click", {"url": "https://elsewhere.example/"}, "url"),
    ("jetadvice", "/devices/1/supplies/black", {"levelPercent": 50}, "device"),
    ("jetadvice", "/devices/730102/supplies/cyan", {"levelPercent": 50}, "color"),
    ("jetadvice", "/devices/730101/supplies/green", {"levelPercent": 50}, "color"),
    ("jetadvice", SUPPLY, {"levelPercent": 101}, "levelPercent"),
    ("jetadvice", SUPPLY, {"levelPercent": -1}, "levelPercent"),
    ("jetadvice", SUPPLY, {"levelPercent": "full"}, "levelPercent"),
    ("jetadvice", SUPPLY, {"levelPercent": None}, "levelPercent"),
    ("jetadvice", SUPPLY, {"levelPercent": True}, "levelPercent"),
    ("jetadvice", SUPPLY, {"percent": 5}, "percent"),
    ("jetadvice", SUPPLY, {}, "levelPercent"),
    ("jetadvice", SUPPLY, 5, "body"),
    ("jifeline", "/tickets", {}, "customer"),
    ("jifeline", "/tickets", {"customer": "9999"}, "customer"),
    ("jifeline", "/tickets", {"customer": "3001", "vehicle": "nothing"}, "vehicle"),
    ("jifeline", "/tickets", {"customer": "3001", "vehcile": "L-955-ZT"}, "vehcile"),
    ("jifeline", "/tickets", [], "body"),
    ("jifeline", "/tickets/1/close", {}, "ticket"),
    ("jifeline", TICKET, {"lines": []}, "lines"),
    ("jifeline", TICKET, {"product_lines": {}}, "product_lines"),
    ("jifeline", TICKET, {"product_lines": ["DIAG-INIT"]}, "product_lines"),
    ("jifeline", TICKET, {"product_lines": [{"product": "DIAG-INIT", "count": 1}]}, "product_lines"),
    ("jifeline", TICKET, {"product_lines": [{"product": "TEA"}]}, "product"),
    ("jifeline", TICKET, {"product_lines": [{}]}, "product"),
    ("jifeline", TICKET, {"product_lines": [{"product": "DIAG-INIT", "quantity": 0}]}, "quantity"),
    ("jifeline", TICKET, {"product_lines": [{"product": "DIAG-INIT", "quantity": 1.5}]}, "quantity"),
    ("jifeline", TICKET, {"product_lines": [{"product": "DIAG-INIT", "price": "a lot"}]}, "price"),
]
# fmt: on


@pytest.mark.parametrize(("vendor", "path", "body", "field"), MISTAKES)
async def test_an_order_that_makes_no_sense_is_refused_by_its_field_and_changes_nothing(
    sandbox, client_of, vendor, path, body, field
):
    sandbox.sensorpro.mail("ann@shop.example", kind="triggered")
    order = sandbox.jiwa.records()["orders"][0]["InvoiceID"]
    before = getattr(sandbox, vendor).records()

    async with client_of(vendor) as client:
        response = await client.post(f"/_sandbox{path.format(order=order)}", json=body)

    assert (400, field) == (response.status_code, response.json()["error"].split(":")[0])
    assert before == getattr(sandbox, vendor).records()
