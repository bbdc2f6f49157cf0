"""The main job: every order brings what it is paid for, once, whatever the vendors do."""

import asyncio
from datetime import timedelta

import pytest
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, FlowRunFilter

from hookline.clients.zentitle import ZentitleClient, ZentitleKey
from hookline.journal.resolution import by_hand, resolve
from hookline.shipped.zentitle import ZentitleSettings

ONE_OF_EACH = {"licenses": 1, "consumer_records": 1, "license_notes": 1, "mails": 1, "notes": 1}
NOTHING = dict.fromkeys(ONE_OF_EACH, 0)


async def test_a_paid_order_brings_license_record_mail_and_note(run, vendors):
    customer = await vendors.customer("Baxter & Lowe", "accounts@baxter.example")
    order = await vendors.order(("LIC-PRO", 1), ("TON-BK-12", 3), customer=customer)

    state = await run(order)

    held = vendors.held(order)
    assert ("Completed", ONE_OF_EACH) == (state.name, held.counts)
    [code] = held.codes
    [mail] = held.mails
    assert ("accounts@baxter.example", f"LIC-PRO: {code}") == (mail["to"], mail["parameters"]["licenses"])
    assert order.InvoiceNo in held.license_notes[0]["description"]
    assert code in held.notes[0]["NoteText"]
    assert order.InvoiceID == held.consumer_records[0]["computerID"]
    assert ("True", "Perpetual", 1) == (
        held.licenses[0]["enabledforuse"],
        held.licenses[0]["licensetype"],
        held.licenses[0]["clientsallowed"],
    )


async def test_codes_are_one_a_unit_and_seats_one_code_with_so_many_clients(run, vendors):
    order = await vendors.order(("LIC-PRO", 3), ("LIC-TEAM", 5))

    await run(order)

    held = vendors.held(order)
    by_part = [(row["productID"], row["clientsallowed"], row["subscriptionperiod"]) for row in held.licenses]
    assert [("6453300110", 1, 0)] * 3 + [("6872450105", 5, 365)] == by_part
    assert {"licenses": 4, "consumer_records": 4, "license_notes": 4, "mails": 1, "notes": 1} == held.counts
    assert sorted(held.codes) == sorted(
        line.split(": ")[1] for line in held.mails[0]["parameters"]["licenses"].splitlines()
    )


async def test_two_lines_of_one_part_are_two_pieces_of_business(run, vendors):
    order = await vendors.order(("LIC-TEAM", 5), ("LIC-TEAM", 2))

    await run(order)

    assert [5, 2] == [row["clientsallowed"] for row in vendors.held(order).licenses]


async def test_running_it_again_repeats_nothing(run, vendors):
    order = await vendors.order(("LIC-PRO", 2))
    await run(order)
    before = vendors.held(order)

    state = await run(order)

    assert ("Completed", before) == (state.name, vendors.held(order))


async def test_every_answer_lost_once_still_brings_one_of_each(run, vendors):
    order = await vendors.order(("LIC-PRO", 1))
    for operation in (
        "create_company",
        "create_license_codes",
        "update_license_code",
        "create_license_note",
        "create_consumer_data",
    ):
        vendors.misbehave("zentitle", operation)
    vendors.misbehave("jiwa", "create_sales_order_note")

    state = await run(order)

    assert ("Completed", ONE_OF_EACH) == (state.name, vendors.held(order).counts)


async def test_every_call_answered_badly_once_still_brings_one_of_each(run, vendors):
    order = await vendors.order(("LIC-PRO", 1))
    for vendor, operation, form in (
        ("jiwa", "get_sales_order", "redirect"),
        ("zentitle", "create_company", "sentence"),
        ("zentitle", "create_license_codes", "html"),
        ("zentitle", "update_license_code", "missing_field"),
        ("zentitle", "create_license_note", "changed_type"),
        ("zentitle", "create_consumer_data", "sentence"),
        ("jiwa", "create_sales_order_note", "redirect"),
    ):
        vendors.misbehave(vendor, operation, "garble", form=form)

    state = await run(order)

    assert ("Completed", ONE_OF_EACH) == (state.name, vendors.held(order).counts)


async def test_a_subscription_whose_answer_was_lost_is_not_extended_twice(run, vendors):
    order = await vendors.order(("LIC-TEAM", 5))
    vendors.misbehave("zentitle", "update_license_code", skip=1)  # the one that sets the days

    await run(order)

    assert 365 == vendors.held(order).licenses[0]["subscriptionperiod"]


async def test_vendors_that_refuse_for_a_while_are_asked_again(run, vendors):
    order = await vendors.order(("LIC-PRO", 1))
    vendors.misbehave("zentitle", "create_license_codes", "refuse", status=503)
    vendors.misbehave("sensorpro", "sign_in", "refuse", status=503)
    vendors.misbehave("jiwa", "get_sales_order", "throttle", seconds=1)

    state = await run(order)

    assert ("Completed", ONE_OF_EACH) == (state.name, vendors.held(order).counts)


async def test_a_vendor_that_asks_to_wait_longer_is_asked_again_then_and_prefect_shows_it(
    run, vendors, ask_prefect
):
    order = await vendors.order(("LIC-PRO", 1), paid=False)
    vendors.misbehave("jiwa", "get_sales_order", "throttle", seconds=4)

    state = await run(order)

    [waited] = await ask_prefect(lambda client: _waits(client, state.state_details.flow_run_id))
    assert ("Not paid", timedelta(seconds=4)) == (state.name, _rounded(waited))


async def _waits(client, flow_run_id):
    """How long the task runs of a flow run stood as AwaitingRetry."""
    task_runs = await client.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": [flow_run_id]}))
    states = [state for run in task_runs for state in await client.read_task_run_states(run.id)]
    return [
        state.state_details.scheduled_time - state.timestamp
        for state in states
        if state.name == "AwaitingRetry"
    ]


def _rounded(time):
    return timedelta(seconds=round(time.total_seconds()))


async def test_a_mail_whose_answer_was_lost_waits_for_a_person_and_is_not_sent_twice(sandbox, run, vendors):
    order = await vendors.order(("LIC-PRO", 1))
    vendors.misbehave("sensorpro", "trigger_email")

    first = await run(order)
    second = await run(order)

    [uncertain] = [row for row in await vendors.effects(order) if row["state"] == "uncertain"]
    assert ("Failed", "Failed", 1, 0) == (
        first.name,
        second.name,
        vendors.held(order).counts["mails"],
        vendors.held(order).counts["notes"],
    )
    assert f"mail of order {order.InvoiceNo}" in first.message
    assert f"hookline effects resolve {uncertain['id']}" in first.message

    await resolve(sandbox.settings, uncertain["id"], happened=True, reference=[], actor="ann")
    finished = await run(order)

    assert ("Completed", ONE_OF_EACH) == (finished.name, vendors.held(order).counts)


async def test_a_license_that_a_person_made_by_hand_is_mailed_and_noted(run, vendors, sandbox):
    order = await vendors.order(("LIC-PRO", 1))
    vendors.misbehave("zentitle", "create_license_codes", "refuse", status=400)
    failed = await run(order)
    [refused] = [row for row in await vendors.effects(order) if row["state"] == "failed"]
    given = ZentitleSettings.from_environment()
    async with ZentitleClient(given.base_url, ZentitleKey(given.customer_id, given.api_key)) as client:
        [code] = await client.create_license_codes(
            productid="6453300110", companyid=0, numcodes=1, reference=f"order {order.InvoiceNo} by hand"
        )

    noted = await by_hand(sandbox.settings, refused["id"], reference=[code], answer={}, actor="ann")
    state = await run(order)

    held = vendors.held(order)
    assert ("Failed", "Completed", ONE_OF_EACH) == (failed.name, state.name, held.counts)
    assert "Retry its run" in noted
    assert f"LIC-PRO: {code}" == held.mails[0]["parameters"]["licenses"]
    assert code in held.notes[0]["NoteText"]


async def test_orders_of_one_customer_at_once_with_lost_answers_get_a_license_each(run, vendors):
    customer = await vendors.customer()
    orders = [await vendors.order(("LIC-PRO", 1), customer=customer) for _ in range(3)]
    vendors.misbehave("zentitle", "create_license_codes", times=2)

    states = await asyncio.gather(*map(run, orders))

    assert ["Completed"] * 3 == [state.name for state in states], [state.message for state in states]
    assert [ONE_OF_EACH] * 3 == [vendors.held(order).counts for order in orders]
    mailed = [vendors.held(order).mails[0]["parameters"]["licenses"] for order in orders]
    assert 3 == len(set(mailed))


async def test_two_customers_of_one_name_have_a_company_each(run, vendors, sandbox):
    customers = [await vendors.customer("John Smith") for _ in range(2)]
    orders = [await vendors.order(("LIC-PRO", 1), customer=customer) for customer in customers]

    for order in orders:
        await run(order)

    owners = {c["search1"]: c["company"] for c in sandbox.records("zentitle")["companies"]}
    companies = [vendors.held(order).licenses[0]["company"] for order in orders]
    assert [owners[customer.AccountNo] for customer in customers] == companies
    assert 2 == len(set(companies))


async def test_a_company_once_made_is_known_from_the_journal_whatever_it_is_called_now(run, vendors, sandbox):
    from blocks.zentitle import ZentitleCredentials

    customer = await vendors.customer("Blue Barn Media")
    first, second = [await vendors.order(("LIC-PRO", 1), customer=customer) for _ in range(2)]
    await run(first)
    async with (await ZentitleCredentials.named("default")).get_client() as zentitle:
        company = (await zentitle.get_company_id(company=customer.Name)).companyID
        await zentitle.update_company(
            companyid=company, productid="6453300110", company="Blue Barn Media Ltd"
        )
    before = sandbox.requests("zentitle")[-1]["seq"]

    await run(second)

    asked = {request["operation"] for request in sandbox.requests("zentitle", before)}
    assert ["Blue Barn Media Ltd"] == [row["company"] for row in vendors.held(second).licenses]
    assert not asked & {"get_company_id", "get_company", "create_company"}


async def test_a_company_that_was_made_anew_by_hand_is_found_once_the_old_one_was_refused(run, vendors):
    from blocks.zentitle import ZentitleCredentials

    customer = await vendors.customer("Green Barn Media")
    orders = [await vendors.order(("LIC-PRO", 1), customer=customer) for _ in range(3)]
    await run(orders[0])
    async with (await ZentitleCredentials.named("default")).get_client() as zentitle:
        company = (await zentitle.get_company_id(company=customer.Name)).companyID
        await zentitle.delete_company(companyid=company)
        await zentitle.create_company(
            company=customer.Name, productid="6453300110", global_=1, search1=customer.AccountNo
        )

    refused, again, next_one = [await run(order) for order in (orders[1], orders[1], orders[2])]

    assert ["Failed", "Completed", "Completed"] == [refused.name, again.name, next_one.name]
    assert [ONE_OF_EACH] * 3 == [vendors.held(order).counts for order in orders]


async def test_money_allocated_in_the_ledger_pays_an_order(run, vendors, sandbox):
    import httpx

    order = await vendors.order(("LIC-PRO", 1), paid=False)
    before = await run(order)
    httpx.post(
        f"{sandbox.simulator('jiwa')}/_sandbox/orders/{order.InvoiceID}/allocate", json={}
    ).raise_for_status()
    after = await run(order)

    assert ("Not paid", "Completed", ONE_OF_EACH) == (before.name, after.name, vendors.held(order).counts)


async def test_an_unpaid_order_is_left_alone_and_named_so(run, vendors, ask_prefect):
    order = await vendors.order(("LIC-PRO", 1), paid=False)

    state = await run(order)

    flow_run = await ask_prefect(lambda client: client.read_flow_run(state.state_details.flow_run_id))
    assert ("Not paid", NOTHING, []) == (state.name, vendors.held(order).counts, await vendors.effects(order))
    assert f"order {order.InvoiceNo}: not paid" == flow_run.name


@pytest.mark.parametrize(
    ("lines", "more", "name"),
    [
        ([("TON-BK-12", 2)], {}, "No licensed part"),
        ([], {"paid": False}, "Empty order"),
        ([("LIC-PRO", 1)], {"CreditNote": True, "paid": False}, "Credit note"),
    ],
    ids=["ordinary goods", "empty", "credit note"],
)
async def test_an_order_that_calls_for_nothing_completes_and_says_why(run, vendors, lines, more, name):
    order = await vendors.order(*lines, **more)

    state = await run(order)

    assert (name, NOTHING) == (state.name, vendors.held(order).counts)


@pytest.mark.parametrize("email", ["", "not an address"])
async def test_a_customer_who_cannot_be_written_to_fails_before_anything_is_allocated(run, vendors, email):
    order = await vendors.order(("LIC-PRO", 1), customer=await vendors.customer("Shy Ltd", email))

    state = await run(order)

    assert ("Failed", NOTHING) == (state.name, vendors.held(order).counts)
    assert "Shy Ltd" in state.message
    assert "Nothing was allocated" in state.message


async def test_half_a_license_is_refused_in_words(run, vendors):
    order = await vendors.order(("LIC-PRO", 1.5))

    state = await run(order)

    assert ("Failed", NOTHING) == (state.name, vendors.held(order).counts)
    assert "asks for 1.5 licenses" in state.message


async def test_an_order_that_does_not_exist_is_said_so(run):
    state = await run("00000000000000000000")

    assert "Failed" == state.name
    assert "Jiwa has no order with the InvoiceID '00000000000000000000'" in state.message


async def test_an_order_that_was_enlarged_afterwards_is_said_so_and_not_licensed_twice(run, vendors):
    order = await vendors.order(("LIC-PRO", 1))
    await run(order)
    line = (await vendors.jiwa.get_sales_order(InvoiceID=order.InvoiceID)).Lines[0]
    from hookline.clients.jiwa.models import ChangedLine

    await vendors.jiwa.update_sales_order(
        InvoiceID=order.InvoiceID, Lines=[ChangedLine(InvoiceLineID=line.InvoiceLineID, QuantityOrdered=2)]
    )
    await vendors.pay(order)

    state = await run(order)

    assert ("Failed", 1) == (state.name, vendors.held(order).counts["licenses"])
    assert "'numcodes': '1 then, 2 now'" in state.message


async def test_an_e_mail_address_mended_between_two_attempts_completes_the_order(run, vendors):
    order = await vendors.order(("LIC-PRO", 1))
    vendors.misbehave("sensorpro", "trigger_email", "refuse", status=400)
    failed = await run(order)
    await vendors.jiwa.update_debtor(DebtorID=order.DebtorID, EmailAddress="fixed@customer.example")

    state = await run(order)

    held = vendors.held(order)
    assert ("Failed", "Completed", ONE_OF_EACH) == (failed.name, state.name, held.counts)
    assert "fixed@customer.example" == held.mails[0]["to"]


async def test_an_unreadable_catalog_fails_the_run_and_names_the_place(run, vendors, environment, tmp_path):
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text("paid_when: sometimes\nmail: {campaign_id: x, broadcast_id: 1}\nproducts: []\n")
    environment.setenv("HOOKLINE_CATALOG", str(catalog))
    order = await vendors.order(("LIC-PRO", 1))

    state = await run(order)

    assert "Failed" == state.name
    assert "catalog.yaml is not right" in state.message
    assert "paid_when: Input should be 'payments', 'allocated' or 'either'" in state.message


async def test_a_custom_field_of_the_order_stands_for_the_computer(
    run, vendors, environment, tmp_path, repository
):
    text = (repository / "deployments/catalog.yaml").read_text()
    field = (
        await vendors.jiwa.list_sales_order_custom_field_values(
            InvoiceID=(await vendors.order(("LIC-PRO", 1), paid=False)).InvoiceID
        )
    )[0].SettingID
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(text.replace('computer_id_field: ""', f'computer_id_field: "{field}"'))
    environment.setenv("HOOKLINE_CATALOG", str(catalog))
    from hookline.clients.jiwa.models import CustomField

    order = await vendors.order(
        ("LIC-PRO", 1), CustomFieldValues=[CustomField(SettingID=field, Contents="PC+0123/456789ABCDEF")]
    )
    await run(order)

    assert "PC+0123/456789ABCDEF" == vendors.held(order).consumer_records[0]["computerID"]


async def test_the_run_says_order_customer_and_codes(run, vendors, ask_prefect):
    order = await vendors.order(("LIC-PRO", 1), customer=await vendors.customer("Marlin Bay Dental"))

    state = await run(order)

    flow_run_id = state.state_details.flow_run_id
    flow_run = await ask_prefect(lambda client: client.read_flow_run(flow_run_id))
    [artifact] = await ask_prefect(
        lambda client: client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run_id]))
        )
    )
    [code] = vendors.held(order).codes
    assert f"order {order.InvoiceNo} · Marlin Bay Dental" == flow_run.name
    assert f"order:{order.InvoiceNo}" in flow_run.tags
    assert all(text in artifact.data for text in (order.InvoiceNo, "Marlin Bay Dental", code))


async def test_no_secret_stands_in_what_prefect_keeps(run, vendors, ask_prefect):
    order = await vendors.order(("LIC-PRO", 1))
    # Twice: the webhook about the order may start a run of it before ours.
    vendors.misbehave("sensorpro", "trigger_email", "refuse", status=400, times=2)

    state = await run(order)
    vendors.sandbox.clear_faults("sensorpro")

    flow_run = await ask_prefect(lambda client: client.read_flow_run(state.state_details.flow_run_id))
    kept = f"{state.message} {flow_run.model_dump_json()}"
    assert "Failed" == state.name
    assert not [
        s for s in ("sandbox-jiwa-key", "sandbox-zentitle-key", "sandbox-sensorpro-password") if s in kept
    ]
