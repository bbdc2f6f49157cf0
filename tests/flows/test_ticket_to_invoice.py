"""A closed ticket is billed once, and the workshop is asked once."""

import httpx
import pytest
import yaml

from flows.ticket_to_invoice import ticket_to_invoice

LINES = [{"product": "DIAG-CODE", "quantity": 2}, {"product": "DIAG-CALIB"}]


class Jifeline:
    """Jifeline's simulator, and what happened to a ticket at the vendors, by their own records."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.url = sandbox.simulator("jifeline")

    def closed(self, *lines, customer="3001"):
        """A ticket that was just closed with these products."""
        ticket = self._tell("/_sandbox/tickets", customer=customer)
        return self._tell(f"/_sandbox/tickets/{ticket['id']}/close", product_lines=list(lines))

    def ticket(self, ticket):
        [found] = [row for row in self.sandbox.records("jifeline")["tickets"] if row["id"] == ticket["id"]]
        return found

    def orders(self, ticket):
        number = f"JF-{ticket['ticket_number']}"
        return [row for row in self.sandbox.records("jiwa")["orders"] if row["OrderNo"] == number]

    def surveys(self, ticket):
        number = str(ticket["ticket_number"])
        mails = self.sandbox.records("sensorpro")["mails"]
        return [mail for mail in mails if mail["parameters"].get("ticket") == number]

    def held(self, ticket):
        """How many orders and surveys, and whether the ticket is marked with the order's number."""
        orders = self.orders(ticket)
        marked = self.ticket(ticket)["external_reference"] in [order["InvoiceNo"] for order in orders]
        return (
            len(orders),
            len(self.surveys(ticket)),
            marked and self.ticket(ticket)["externally_processed"],
        )

    def speak(self, **facts):
        return self._tell(
            "/_sandbox/dialect", seed=0, facts={name.replace("_", "-"): facts[name] for name in facts}
        )

    def products(self):
        return {row["name"]: row["id"] for row in self.sandbox.records("jifeline")["products"]}

    def _tell(self, path, **order):
        return httpx.post(f"{self.url}{path}", json=order, timeout=30).raise_for_status().json()


BILLED = (1, 1, True)
NOT_BILLED = (0, 0, False)


@pytest.fixture
def jifeline(sandbox):
    jifeline = Jifeline(sandbox)
    yield jifeline
    jifeline.speak()
    for vendor in ("jiwa", "sensorpro", "jifeline"):
        sandbox.clear_faults(vendor)


@pytest.fixture
def run(run_flow):
    return lambda ticket: run_flow(ticket_to_invoice, ticket_id=ticket["id"])


@pytest.fixture
def rules(environment, repository, tmp_path):
    """Change the part `tickets` of catalog.yaml for one test."""

    def change(**parts):
        catalog = yaml.safe_load((repository / "deployments/catalog.yaml").read_text())
        catalog["tickets"] = catalog["tickets"] | parts if parts else None
        path = tmp_path / "catalog.yaml"
        path.write_text(yaml.safe_dump(catalog))
        environment.setenv("HOOKLINE_CATALOG", str(path))

    return change


async def test_a_closed_ticket_becomes_an_order_and_a_survey_and_is_marked(run, jifeline):
    ticket = jifeline.closed(*LINES)

    state = await run(ticket)

    [order] = jifeline.orders(ticket)
    [mail] = jifeline.surveys(ticket)
    assert ("Completed", BILLED) == (state.name, jifeline.held(ticket))
    assert "3001" == order["DebtorAccountNo"]
    assert [("DIAG-CODE", 2), ("DIAG-CALIB", 1)] == [
        (line["PartNo"], line["QuantityOrdered"]) for line in order["Lines"]
    ]
    assert ("office@millroadgarage.example", "Code a control unit, Calibrate a camera") == (
        mail["to"],
        mail["parameters"]["services"],
    )


@pytest.mark.parametrize(
    "facts",
    [
        {"product_lines_filter": "ignored", "unset_fields": "absent", "mark_answer": "empty"},
        {"mark_answer": "accepted", "times": "offset"},
        {"mark_answer": "see-other", "times": "fraction", "product_lines_filter": "ignored"},
    ],
    ids=lambda facts: " ".join(facts.values()),
)
async def test_it_is_billed_the_same_however_the_vendor_answers(run, jifeline, facts):
    jifeline.speak(**facts)
    jifeline.closed({"product": "DIAG-INIT"})  # whose lines are not this ticket's
    ticket = jifeline.closed(*LINES)

    state = await run(ticket)

    [order] = jifeline.orders(ticket)
    assert ("Completed", BILLED) == (state.name, jifeline.held(ticket))
    assert [("DIAG-CODE", 2), ("DIAG-CALIB", 1)] == [
        (line["PartNo"], line["QuantityOrdered"]) for line in order["Lines"]
    ]


async def test_a_workshop_none_of_whose_people_has_an_address_is_asked_at_one_of_its_own(run, jifeline):
    ticket = jifeline.closed(*LINES, customer="3002")

    await run(ticket)

    [mail] = jifeline.surveys(ticket)
    assert ("workshop@elmstreetmotors.example", "3002") == (
        mail["to"],
        jifeline.orders(ticket)[0]["DebtorAccountNo"],
    )


async def test_a_product_that_jifeline_no_longer_knows_is_billed_by_its_id(sandbox, run, jifeline, rules):
    ticket = jifeline.closed({"product": "DIAG-INIT"})
    product = jifeline.products()["Initialise trailer module"]
    rules(services={product: "DIAG-INIT"})
    sandbox.fault("jifeline", operation="get_product", kind="refuse", status=404)

    state = await run(ticket)

    [mail] = jifeline.surveys(ticket)
    assert ("Completed", BILLED, product) == (
        state.name,
        jifeline.held(ticket),
        mail["parameters"]["services"],
    )


async def test_running_again_bills_nothing_twice(run, jifeline):
    ticket = jifeline.closed(*LINES)
    await run(ticket)

    again = await run(ticket)

    assert ("Nothing to bill", BILLED) == (again.name, jifeline.held(ticket))


@pytest.mark.parametrize(
    ("vendor", "operation", "kind"),
    [
        ("jiwa", "create_sales_order", "lose"),
        ("jiwa", "create_sales_order", "refuse"),
        ("jifeline", "mark_ticket_processed", "lose"),
        ("jifeline", "get_ticket", "refuse"),
        ("jifeline", "list_product_lines", "refuse"),
        ("jifeline", "list_employees", "lose"),
    ],
)
async def test_what_fails_for_a_moment_is_done_once_all_the_same(
    sandbox, run, jifeline, vendor, operation, kind
):
    ticket = jifeline.closed(*LINES)
    sandbox.fault(vendor, operation=operation, kind=kind)

    state = await run(ticket)

    assert ("Completed", BILLED) == (state.name, jifeline.held(ticket))


async def test_a_mark_that_is_refused_for_good_is_made_when_it_is_run_again_and_nothing_is_billed_twice(
    sandbox, run, jifeline
):
    ticket = jifeline.closed(*LINES)
    sandbox.fault("jifeline", operation="mark_ticket_processed", kind="refuse", status=403)
    failed = await run(ticket)
    between = jifeline.held(ticket)

    state = await run(ticket)

    assert ("Failed", (1, 1, False)) == (failed.name, between)
    assert ("Completed", BILLED) == (state.name, jifeline.held(ticket))


async def test_a_ticket_that_cannot_be_billed_says_why_and_is_billed_when_it_is_run_again(
    run, jifeline, rules
):
    ticket = jifeline.closed({"product": "DIAG-INIT"})
    rules(services={"Code a control unit": "DIAG-CODE", "Calibrate a camera": "DIAG-CALIB"})
    failed = await run(ticket)
    between = jifeline.held(ticket)
    rules(services={"Initialise trailer module": "DIAG-INIT"})

    state = await run(ticket)

    assert ("Failed", NOT_BILLED) == (failed.name, between)
    assert "catalog.yaml names no part" in failed.message
    assert ("Completed", BILLED) == (state.name, jifeline.held(ticket))


async def test_a_ticket_that_is_still_open_or_unknown_is_not_billed(run, jifeline):
    ticket = jifeline._tell("/_sandbox/tickets", customer="3001")
    still_open = await run(ticket)
    unknown = await run({"id": "3f0c6a52-9d1e-4b7a-8c35-5e0f7a9b2d14"})

    assert ("Nothing to bill", NOT_BILLED) == (still_open.name, jifeline.held(ticket))
    assert "Failed" == unknown.name
    assert "Jifeline has no ticket with the id" in unknown.message


async def test_a_ticket_closed_without_a_product_is_left_to_a_person_with_the_command_to_mend_it(
    run, jifeline, business
):
    ticket = jifeline.closed()

    state = await run(ticket)

    command = f"hookline call jifeline mark_ticket_processed id={ticket['id']} externally_processed=true"
    assert ("Failed", NOT_BILLED) == (state.name, jifeline.held(ticket))
    assert command in state.message
    ended = business.run(*command.split()[1:], "--yes")
    assert (0, "Nothing to bill") == (ended.returncode, (await run(ticket)).name)


async def test_tickets_closed_before_the_catalog_s_day_are_left_alone(run, jifeline, rules):
    ticket = jifeline.closed(*LINES)
    rules(closed_since="2100-01-01")
    before = await run(ticket), jifeline.held(ticket)
    rules(closed_since="2026-01-01")

    await run(ticket)

    assert ("Nothing to bill", NOT_BILLED) == (before[0].name, before[1])
    assert BILLED == jifeline.held(ticket)


async def test_without_a_survey_in_the_catalog_nobody_is_asked(run, jifeline, rules):
    ticket = jifeline.closed(*LINES)
    rules(survey=None)

    await run(ticket)

    assert (1, 0, True) == jifeline.held(ticket)


async def test_a_catalog_without_tickets_is_said_so(run, rules, jifeline):
    ticket = jifeline.closed(*LINES)
    rules()

    state = await run(ticket)

    assert "Failed" == state.name
    assert "no part `tickets`" in state.message


async def test_prefect_shows_by_the_run_s_name_what_was_billed(run, jifeline, ask_prefect):
    ticket = jifeline.closed(*LINES)

    state = await run(ticket)

    named = await ask_prefect(lambda client: client.read_flow_run(state.state_details.flow_run_id))
    [order] = jifeline.orders(ticket)
    billed = f"ticket {ticket['ticket_number']} of Mill Road Garage: order {order['InvoiceNo']}"
    assert (billed, billed) == (named.name, state.message)
