"""An order that is changed after it was licensed, and words that are changed after they were sent."""

import pytest

ALLOWED = ("when_enlarged: stop ", "when_enlarged: license ")


@pytest.fixture
def catalog(environment, repository, tmp_path):
    """Change catalog.yaml for one test."""
    path = tmp_path / "catalog.yaml"
    path.write_text((repository / "deployments/catalog.yaml").read_text())
    environment.setenv("HOOKLINE_CATALOG", str(path))

    def change(before, after):
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after, 1))

    return change


@pytest.fixture
def change_quantity(jiwa, business):
    """Change the only line of an order in Jiwa, and pay the order as it is then."""

    async def change(order, quantity):
        [history] = order.Histories
        [line] = order.Lines
        await jiwa.update_sales_order_line(
            InvoiceID=order.InvoiceID,
            InvoiceHistoryID=history.InvoiceHistoryID,
            InvoiceLineID=line.InvoiceLineID,
            QuantityOrdered=quantity,
        )
        await business.pay(await jiwa.get_sales_order(InvoiceID=order.InvoiceID))

    return change


async def test_a_changed_broadcast_and_profile_leave_what_is_done_done(run, vendors, catalog):
    order = await vendors.order(("LIC-TEAM", 5))
    await run(order)
    before = vendors.held(order)
    catalog("broadcast_id: 1", "broadcast_id: 2")
    catalog("profile: Team", "profile: Standard")

    state = await run(order)

    assert ("Completed", before) == (state.name, vendors.held(order))


async def test_licenses_added_to_a_licensed_order_stop_it_unless_the_catalog_allows_them(
    run, vendors, change_quantity
):
    order = await vendors.order(("LIC-PRO", 1))
    await run(order)
    await change_quantity(order, 3)

    state = await run(order)

    assert ("Failed", 1) == (state.name, len(vendors.held(order).codes))
    assert "'numcodes': '1 then, 3 now'" in state.message


async def test_codes_added_to_a_licensed_order_are_licensed_noted_and_mailed_once(
    run, vendors, change_quantity, catalog
):
    catalog(*ALLOWED)
    order = await vendors.order(("LIC-PRO", 1))
    await run(order)
    await change_quantity(order, 3)
    vendors.misbehave("zentitle", "create_license_codes")

    states = [await run(order), await run(order)]
    await change_quantity(order, 4)
    states.append(await run(order))

    held = vendors.held(order)
    assert ["Completed"] * 3 == [state.name for state in states]
    assert "license LIC-PRO up to 3" in states[0].message
    assert {"licenses": 4, "consumer_records": 4, "license_notes": 4, "mails": 3, "notes": 3} == held.counts
    assert all(code in held.mails[-1]["parameters"]["licenses"] for code in held.codes)


async def test_seats_added_to_a_licensed_order_are_added_to_its_code(run, vendors, change_quantity, catalog):
    catalog(*ALLOWED)
    order = await vendors.order(("LIC-TEAM", 5))
    await run(order)
    await change_quantity(order, 8)

    states = [await run(order), await run(order)]

    held = vendors.held(order)
    assert ["Completed"] * 2 == [state.name for state in states]
    assert [(8, 365)] == [(row["clientsallowed"], row["subscriptionperiod"]) for row in held.licenses]
    assert (2, 2) == (len(held.mails), len(held.notes))


@pytest.mark.parametrize("part", ["LIC-PRO", "LIC-TEAM"])
async def test_licenses_taken_off_an_order_that_grew_are_left_to_a_person(
    run, vendors, change_quantity, catalog, part
):
    catalog(*ALLOWED)
    order = await vendors.order((part, 2))
    await run(order)
    await change_quantity(order, 4)
    await run(order)
    before = vendors.held(order)
    await change_quantity(order, 2)

    state = await run(order)

    assert ("Failed", before) == (state.name, vendors.held(order))
    assert f"asks for 2 of {part}, and 4 are licensed" in state.message
