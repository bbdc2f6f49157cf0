"""A cartridge that runs out is ordered once, and again only after it was replaced."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
import yaml

from flows.supply_alert import supply_alert

DEVICE, SERIAL = "730103", "CLD7550-0012006"
PRINTER = {"device_id": DEVICE, "customer_id": "48211"}


class Jetadvice:
    """JetAdvice's simulator, and what was ordered of a cartridge, by the vendors' own records."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.url = sandbox.simulator("jetadvice")

    def level(self, color, percent, device=DEVICE):
        order = {"levelPercent": percent}
        path = f"/_sandbox/devices/{device}/supplies/{color}"
        httpx.post(f"{self.url}{path}", json=order, timeout=30).raise_for_status()

    def silent(self, device, *, days):
        last = datetime.now(UTC) - timedelta(days=days)
        order = {"lastReport": f"{last:%Y-%m-%dT%H:%M:%S}"}
        httpx.post(
            f"{self.url}/_sandbox/devices/{device}/counters", json=order, timeout=30
        ).raise_for_status()

    def orders(self, color, serial=SERIAL):
        start = f"{color}-{serial}-"
        return [row for row in self.sandbox.records("jiwa")["orders"] if row["OrderNo"].startswith(start)]

    def mails(self, color, serial=SERIAL):
        mails = self.sandbox.records("sensorpro")["mails"]
        start, end = f"{color} toner of ", f" {serial}"
        told = [(mail, mail["parameters"].get("cartridge", "")) for mail in mails]
        return [mail for mail, said in told if said.startswith(start) and said.endswith(end)]

    def held(self, color):
        return len(self.orders(color)), len(self.mails(color))


@pytest.fixture
async def jetadvice(sandbox, run_flow):
    """JetAdvice, where nothing that these tests look at runs out."""
    vendor = Jetadvice(sandbox)
    for color in ("black", "cyan", "magenta", "yellow"):
        vendor.level(color, 90)
    await run_flow(supply_alert, **PRINTER)  # which forgets what was replaced
    yield vendor
    for name in ("jiwa", "sensorpro", "jetadvice"):
        sandbox.clear_faults(name)


@pytest.fixture
def run(run_flow):
    return lambda **printer: run_flow(supply_alert, **PRINTER | printer)


@pytest.fixture
def rules(environment, repository, tmp_path):
    """Change the part `supplies` of catalog.yaml for one test."""

    def change(**parts):
        catalog = yaml.safe_load((repository / "deployments/catalog.yaml").read_text())
        catalog["supplies"] = catalog["supplies"] | parts if parts else None
        path = tmp_path / "catalog.yaml"
        path.write_text(yaml.safe_dump(catalog))
        environment.setenv("HOOKLINE_CATALOG", str(path))

    return change


def more(jetadvice, color, before):
    """How many orders and mails have come since."""
    return tuple(now - then for now, then in zip(jetadvice.held(color), before, strict=True))


async def test_a_cartridge_that_runs_out_is_ordered_for_its_customer_and_somebody_is_told(run, jetadvice):
    before = jetadvice.held("black")
    jetadvice.level("black", 9)

    state = await run()

    order, mail = jetadvice.orders("black")[-1], jetadvice.mails("black")[-1]
    assert ("Completed", (1, 1)) == (state.name, more(jetadvice, "black", before))
    assert ("2001", [("TON-BLK-410", 1)]) == (
        order["DebtorAccountNo"],
        [(line["PartNo"], line["QuantityOrdered"]) for line in order["Lines"]],
    )
    assert ("office@northgateprinting.example", order["InvoiceNo"], "Proofing table") == (
        mail["to"],
        mail["parameters"]["order"],
        mail["parameters"]["location"],
    )


async def test_until_it_is_replaced_it_is_not_ordered_again(run, jetadvice):
    before = jetadvice.held("cyan")
    names = []
    for level in (15, 9, 3, 20, 50, 12, 0):
        jetadvice.level("cyan", level)
        names.append((await run()).name)

    assert (["Completed"] + ["Nothing runs out"] * 6, (1, 1)) == (names, more(jetadvice, "cyan", before))


async def test_once_replaced_it_is_ordered_again_when_it_runs_out(run, jetadvice):
    before = jetadvice.held("magenta")
    for level in (10, 51, 10):
        jetadvice.level("magenta", level)
        await run()

    assert (2, 2) == more(jetadvice, "magenta", before)


async def test_above_the_threshold_nothing_is_ordered(run, jetadvice):
    before = jetadvice.held("yellow")
    jetadvice.level("yellow", 16)

    state = await run()

    assert ("Nothing runs out", (0, 0)) == (state.name, more(jetadvice, "yellow", before))


@pytest.mark.parametrize(
    ("vendor", "operation", "kind"),
    [("jiwa", "create_sales_order", "lose"), ("jiwa", "create_sales_order", "refuse"),
     ("jetadvice", "list_devices", "refuse"), ("sensorpro", "trigger_email", "throttle")],
)  # fmt: skip
async def test_what_fails_for_a_moment_is_done_once_all_the_same(
    sandbox, run, jetadvice, vendor, operation, kind
):
    before = jetadvice.held("black")
    jetadvice.level("black", 5)
    sandbox.fault(vendor, operation=operation, kind=kind)

    state = await run()

    assert ("Completed", (1, 1)) == (state.name, more(jetadvice, "black", before))


async def test_a_mail_refused_for_good_is_sent_when_it_is_run_again_and_nothing_is_ordered_twice(
    sandbox, run, jetadvice
):
    before = jetadvice.held("black")
    jetadvice.level("black", 5)
    sandbox.fault("sensorpro", operation="trigger_email", kind="refuse", status=400)
    failed = await run()
    between = more(jetadvice, "black", before)

    state = await run()

    assert ("Failed", (1, 0)) == (failed.name, between)
    assert (
        "black toner of C7550 CLD7550-0012006 of Northgate Printing: sensorpro trigger_email"
        in failed.message
    )
    assert ("Completed", (1, 1)) == (state.name, more(jetadvice, "black", before))


async def test_a_printer_that_has_not_reported_for_long_is_not_believed(run, jetadvice, rules):
    rules(below=40, replaced_above=95)  # device 730104 stands at 31 %
    jetadvice.silent("730104", days=9)

    state = await run(device_id="730104")

    assert ("Nothing runs out", []) == (state.name, jetadvice.orders("black", "OR35N1190497"))


async def test_the_catalog_names_the_part_and_the_account_where_jetadvice_does_not(run, jetadvice, rules):
    before = jetadvice.held("yellow")
    jetadvice.level("yellow", 5)
    rules(part_nos={"TON-YEL-410": "TON-BK-12"}, debtors={"48211": "1001"})

    await run()

    order = jetadvice.orders("yellow")[-1]
    assert (1, 1) == more(jetadvice, "yellow", before)
    assert ("1001", ["TON-BK-12"]) == (order["DebtorAccountNo"], [line["PartNo"] for line in order["Lines"]])


async def test_a_catalog_without_supplies_is_said_so(run, rules):
    rules()

    state = await run()

    assert "Failed" == state.name
    assert "no part `supplies`" in state.message
