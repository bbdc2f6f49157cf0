"""A license on loan: taken, and given back where the customer's account may not have one."""

import asyncio
import json
import signal
from uuid import uuid4

import pytest

from flows.license_on_loan import license_on_loan
from hookline.clients.zentitle import ZentitleClient, ZentitleKey
from hookline.database import pool
from hookline.inbox import search
from hookline.shipped.zentitle import ZentitleSettings

PART, PRODUCT = "LIC-DESKTOP", "3659410102"
HELD = "is on hold in Jiwa"


class Loans:
    """Requests for a license on loan, and what the vendors hold of them by their own records."""

    def __init__(self, sandbox, jiwa, zentitle, run_flow):
        self.sandbox, self.jiwa, self.zentitle, self.run_flow = sandbox, jiwa, zentitle, run_flow

    async def request(self, *, on_hold=False, **debtor):
        """A new customer who asks for a license, of which one more lies in the stock."""
        number = uuid4().hex[:8]
        code = str(uuid4().int)[:18]
        await self.zentitle.create_license_codes(productid=PRODUCT, licensecodes=code)
        customer = await self.jiwa.create_debtor(
            **{"AccountNo": number, "Name": f"Customer {number}", "EmailAddress": "b@customer.example"}
            | debtor
        )
        await self.hold(customer, on_hold=on_hold)
        return f"R-{number}", customer

    async def hold(self, customer, *, on_hold):
        await self.jiwa.update_debtor(DebtorID=customer.DebtorID, AccountOnHold=on_hold)

    async def run(self, request, customer, part_no=PART):
        return await self.run_flow(license_on_loan, request, customer.DebtorID, part_no)

    def company(self, customer):
        companies = self.sandbox.records("zentitle")["companies"]
        return [row for row in companies if row["search1"] == customer.AccountNo]

    def lent(self, customer):
        """Codes that are the customer's, switched on for it, or taken out of the stock."""
        held = self.sandbox.records("zentitle")
        rows = held["licenses"] + held["seeded"]["licenses"]
        names = [row["company"] for row in self.company(customer)] or [customer.Name]
        return [row for row in rows if row["productID"] == PRODUCT and row["company"] in names]

    def mails(self, request):
        mails = self.sandbox.records("sensorpro")["mails"]
        return [mail for mail in mails if mail["parameters"].get("request") == request]

    async def effects(self, request):
        database = await pool(self.sandbox.settings)
        return await database.fetch("SELECT * FROM effects WHERE key = $1 ORDER BY id", request)

    async def states(self, request):
        return {
            row["step"].partition(":")[0].rstrip(" 0123456789"): row["state"]
            for row in await self.effects(request)
        }

    async def taken(self, request):
        """The code that was taken for a request, last."""
        *_, last = [row for row in await self.effects(request) if row["step"] == "license"]
        return last["reference"][0]

    async def existing(self, code):
        found = await self.zentitle.get_license_code(productid=PRODUCT, licensecode=code)
        return found.company, found.enabledforuse, found.acquiredbywebservice, found.licensetype.lower()


IN_STOCK = ("", False, False, "perpetual")
MEMBERS = {"company of", "terms of", "license note of", "license"}


@pytest.fixture
async def loans(sandbox, jiwa, run_flow, business):
    given = ZentitleSettings.from_environment()
    async with ZentitleClient(given.base_url, ZentitleKey(given.customer_id, given.api_key)) as zentitle:
        yield Loans(sandbox, jiwa, zentitle, run_flow)


async def test_a_customer_in_good_standing_gets_a_license_for_two_weeks_and_a_mail(loans):
    request, customer = await loans.request()

    state = await loans.run(request, customer)

    [lent], [mail] = loans.lent(customer), loans.mails(request)
    assert ("Completed", "SubscriptionPeriod", 14, "True") == (
        state.name,
        lent["licensetype"],
        lent["subscriptionperiod"],
        lent["enabledforuse"],
    )
    assert f"{PART}: {lent['licenseCode']}" == mail["parameters"]["license"]


@pytest.mark.parametrize(
    ("debtor", "rule"),
    [({"on_hold": True}, HELD), ({"CreditLimit": 100}, r"more than its credit limit of 100.00 in Jiwa")],
    ids=["on hold", "over its credit limit"],
)
async def test_a_customer_who_may_not_gives_it_back_with_the_company_and_is_told(
    loans, business, debtor, rule
):
    request, customer = await loans.request(**debtor)
    if "CreditLimit" in debtor:
        await _owe(business, customer)

    state = await loans.run(request, customer)

    code = await loans.taken(request)
    assert ("Declined", IN_STOCK, [], []) == (
        state.name,
        await loans.existing(code),
        loans.company(customer),
        loans.lent(customer),
    )
    assert rule in state.message
    assert f"Given back: license of loan {request} ({code}); company of customer" in state.message
    [mail] = loans.mails(request)
    assert PART == mail["parameters"]["license"]
    assert {"undone"} == {s for step, s in (await loans.states(request)).items() if step in MEMBERS}


async def _owe(business, customer):
    from hookline.clients.jiwa.models import NewLine

    order = await business.jiwa.create_sales_order(
        DebtorAccountNo=customer.AccountNo, Lines=[NewLine(PartNo="LIC-PRO", QuantityOrdered=3)]
    )
    await business.jiwa.process_sales_order(InvoiceID=order.InvoiceID)


async def test_every_answer_lost_once_in_the_undoing_still_gives_back_once(loans):
    request, customer = await loans.request(on_hold=True)
    loans.sandbox.fault(
        "zentitle", operation="update_license_code", kind="lose", skip=2
    )  # behind company and terms
    loans.sandbox.fault("zentitle", operation="delete_company", kind="lose")

    state = await loans.run(request, customer)

    code = await loans.taken(request)
    assert ("Declined", IN_STOCK, []) == (state.name, await loans.existing(code), loans.company(customer))
    assert 1 == len(loans.mails(request))
    assert [] == loans.sandbox.faults("zentitle")


async def test_the_company_is_kept_where_an_order_s_license_is_built_upon_it_meanwhile(loans, vendors, run):
    request, customer = await loans.request(on_hold=True)
    order = await vendors.order(("LIC-PRO", 1), customer=customer)
    loans.sandbox.fault("zentitle", operation="take_next_license_codes", kind="latency", seconds=6)

    loan = asyncio.create_task(loans.run(request, customer))
    while not loans.company(customer):
        await asyncio.sleep(0.1)
    bought = await run(order)
    state = await loan

    [company], [license_] = loans.company(customer), vendors.held(order).licenses
    assert ("Completed", "Declined", company["company"]) == (bought.name, state.name, license_["company"])
    assert f"Kept: company of customer {customer.Name} ({customer.AccountNo})" in state.message
    assert f"license LIC-PRO of order {order.InvoiceNo} depends on it" in state.message


async def test_run_anew_by_a_person_after_the_no_it_is_lent_anew(loans):
    request, customer = await loans.request(on_hold=True)
    await loans.run(request, customer)
    await loans.hold(customer, on_hold=False)

    state = await loans.run(request, customer)

    code = await loans.taken(request)
    assert ("Completed", [code]) == (state.name, [row["licenseCode"] for row in loans.lent(customer)])
    assert [PART, f"{PART}: {code}"] == [mail["parameters"]["license"] for mail in loans.mails(request)]
    assert (customer.Name, True, True, "subscriptionperiod") == await loans.existing(code)


async def test_run_anew_and_declined_anew_it_is_given_back_anew_and_told_once(loans):
    request, customer = await loans.request(on_hold=True)

    first, second = [await loans.run(request, customer) for _ in range(2)]

    rows = await loans.effects(request)
    assert ("Declined", "Declined") == (first.name, second.name)
    assert 2 == sum(row["step"] == "license" and row["state"] == "undone" for row in rows)
    assert ([], 1) == (loans.lent(customer), len(loans.mails(request)))


async def test_lent_once_it_is_not_taken_back_by_a_replay_that_meets_a_no(loans):
    request, customer = await loans.request()
    await loans.run(request, customer)
    await loans.hold(customer, on_hold=True)

    state = await loans.run(request, customer)

    assert ("Failed", 1, 1) == (state.name, len(loans.lent(customer)), len(loans.mails(request)))
    assert "is from an earlier run" in state.message
    assert HELD in state.message


@pytest.mark.parametrize(
    ("part_no", "debtor", "words"),
    [
        ("LIC-NONE", {}, "names nothing to lend for the part 'LIC-NONE'"),
        (PART, {"EmailAddress": ""}, "is missing or not valid"),
    ],
)
async def test_what_cannot_be_lent_is_said_before_anything_is_taken(loans, part_no, debtor, words):
    request, customer = await loans.request(**debtor)

    state = await loans.run(request, customer, part_no)

    assert ("Failed", []) == (state.name, await loans.effects(request))
    assert words in state.message


async def test_an_unknown_customer_is_said_so(loans):
    state = await loans.run_flow(license_on_loan, "R-1", "00000000000000000000", PART)

    assert "Jiwa has no customer with the DebtorID '00000000000000000000'" in state.message


# Through the engine ----------------------------------------------------------------------------------------


async def test_an_engine_killed_in_the_middle_of_undoing_goes_on_undoing_though_the_rule_would_pass_now(
    loans, business, until, tmp_path, prefect_api
):
    request, customer = await loans.request(on_hold=True)
    loans.sandbox.fault(
        "zentitle", operation="update_license_code", kind="latency", seconds=3, skip=2
    )  # the undoing
    body = tmp_path / "loan.json"
    data = {"request_id": request, "debtor_id": customer.DebtorID, "part_no": PART}
    body.write_text(json.dumps({"type": "loan.requested", "data": data}))
    sent = business.cli("send", "standard", str(body), "--json")

    async def undoing():
        return [
            row
            for row in await loans.effects(request)
            if row["step"].startswith("undo ") and row["attempted_at"]
        ]

    begun = await until(undoing, "nothing is undone")
    killed = business.process("hookline", "engine")
    killed.send_signal(signal.SIGKILL)
    await loans.hold(customer, on_hold=False)

    async def ended():
        database = await pool(loans.sandbox.settings)
        [delivery] = (await search.find(database, search.Filter(key=request))).deliveries
        return delivery if delivery["state"] == "done" else None

    delivery = await until(ended, "the delivery does not end")

    code = await loans.taken(request)
    [dispatch] = delivery["dispatches"]
    run = prefect_api.get(f"flow_runs/{dispatch['flow_run_id']}").raise_for_status().json()
    assert (sent["id"], ["intended"]) == (str(delivery["id"]), [row["state"] for row in begun])
    assert ("Declined", 2) == (run["state_name"], run["run_count"])
    assert HELD in dispatch["reason"]
    assert (IN_STOCK, [], 1) == (
        await loans.existing(code),
        loans.company(customer),
        len(loans.mails(request)),
    )
    trace = business.cli("trace", request, "--json")
    assert {"done", "undone"} == {effect["state"] for effect in trace["effects"]}
