"""Stateful work at Jiwa: what a session has in work is its own until it is saved or abandoned."""

import httpx
import pytest
from jiwa_calls import LOGIN, complaint

STATEFUL = {"jiwa-stateful": "true"}


@pytest.fixture
async def colleague(sandbox):
    """A client of another session."""
    async with httpx.AsyncClient(base_url=sandbox.jiwa.url) as client:
        await client.post("/auth", json=LOGIN)
        yield client


@pytest.fixture
async def order(jiwa):
    """The address of an order of one cartridge."""
    lines = [{"PartNo": "TON-BLK-410", "QuantityOrdered": 1}]
    made = await jiwa.post("/SalesOrders", json={"DebtorAccountNo": "2001", "Lines": lines})
    return f"/SalesOrders/{made.json()['InvoiceID']}"


async def reference(client, order, **options):
    return (await client.get(order, **options)).json()["SOReference"]


async def test_a_stateful_change_is_seen_by_nobody_else_until_it_is_saved(jiwa, colleague, order):
    await jiwa.patch(order, json={"SOReference": "mine"}, headers=STATEFUL)
    before = [
        await reference(jiwa, order, headers=STATEFUL),
        await reference(jiwa, order),
        await reference(colleague, order),
        await reference(colleague, order, headers=STATEFUL),
    ]

    saved = await jiwa.get(f"{order}/Save", headers=STATEFUL)

    assert ["mine", "", "", ""] == before
    assert (200, "mine") == (saved.status_code, saved.json()["SOReference"])
    assert ["mine", "mine"] == [await reference(jiwa, order), await reference(colleague, order)]


async def test_what_is_abandoned_is_gone(jiwa, order):
    await jiwa.patch(order, json={"SOReference": "mine"}, headers=STATEFUL)

    response = await jiwa.delete(f"{order}/Abandon", headers=STATEFUL)

    assert (204, b"") == (response.status_code, response.content)
    assert "" == await reference(jiwa, order, headers=STATEFUL)


async def test_the_header_says_no_too(jiwa, order):
    await jiwa.patch(order, json={"SOReference": "at once"}, headers={"jiwa-stateful": "false"})

    assert "at once" == await reference(jiwa, order)


async def test_a_new_order_is_not_there_until_it_is_saved(sandbox, jiwa, colleague):
    body = {"DebtorAccountNo": "2001", "Lines": [{"PartNo": "DIAG-INIT"}]}
    before = len(sandbox.jiwa.records()["orders"])
    made = (await jiwa.post("/SalesOrders", json=body, headers=STATEFUL)).json()
    address = f"/SalesOrders/{made['InvoiceID']}"
    line = f"{address}/Historys/{made['Histories'][0]['InvoiceHistoryID']}/Lines/{made['Lines'][0]['InvoiceLineID']}"
    await jiwa.patch(line, json={"QuantityOrdered": 2}, headers=STATEFUL)
    unseen = [(await client.get(address)).status_code for client in (jiwa, colleague)]
    during = len(sandbox.jiwa.records()["orders"])

    saved = await jiwa.get(f"{address}/Save", headers=STATEFUL)

    assert ([404, 404], before) == (unseen, during)
    assert 187 == saved.json()["Histories"][0]["HistoryTotal"]
    assert saved.json() == (await colleague.get(address)).json()


async def test_a_new_order_that_is_abandoned_was_never_there(jiwa):
    made = (await jiwa.post("/SalesOrders", json={"DebtorAccountNo": "2001"}, headers=STATEFUL)).json()
    address = f"/SalesOrders/{made['InvoiceID']}"
    statuses = [(await jiwa.delete(f"{address}/Abandon", headers=STATEFUL)).status_code for _ in range(2)]

    response = await jiwa.get(address, headers=STATEFUL)

    assert ([204, 404], 404) == (statuses, response.status_code)


async def test_notes_payments_and_processing_are_kept_in_work_as_well(jiwa, order):
    history = (await jiwa.get(order)).json()["Histories"][0]["InvoiceHistoryID"]
    await jiwa.post(f"{order}/Notes", json={"NoteText": "x"}, headers=STATEFUL)
    await jiwa.post(f"{order}/Historys/{history}/Payments", json={"AmountPaid": 5}, headers=STATEFUL)
    await jiwa.get(f"{order}/Process", headers=STATEFUL)
    before = (await jiwa.get(order)).json()
    await jiwa.get(f"{order}/Save", headers=STATEFUL)

    after = (await jiwa.get(order)).json()

    assert ([], [], "e_SalesOrderEntered") == (before["Notes"], before["Payments"], before["Status"])
    assert (1, 1, "e_SalesOrderProcessed") == (len(after["Notes"]), len(after["Payments"]), after["Status"])


async def test_work_on_one_record_leaves_that_on_another_alone(jiwa, order):
    other = (await jiwa.post("/SalesOrders", json={"DebtorAccountNo": "2001"})).json()["InvoiceID"]
    for address in (order, f"/SalesOrders/{other}"):
        await jiwa.patch(address, json={"SOReference": "mine"}, headers=STATEFUL)
    await jiwa.delete(f"/SalesOrders/{other}/Abandon", headers=STATEFUL)

    saved = await jiwa.get(f"{order}/Save", headers=STATEFUL)

    assert "mine" == saved.json()["SOReference"]
    assert "" == await reference(jiwa, f"/SalesOrders/{other}")


@pytest.mark.parametrize("first", [STATEFUL, {}])
async def test_who_saves_after_somebody_else_did_is_told_of_the_conflict(jiwa, colleague, order, first):
    await jiwa.get(order, headers=STATEFUL)
    await colleague.patch(order, json={"SOReference": "theirs"}, headers=first)
    await colleague.get(f"{order}/Save", headers=first)
    await jiwa.patch(order, json={"OrderNo": "mine"}, headers=STATEFUL)

    refused = await jiwa.get(f"{order}/Save", headers=STATEFUL)
    await jiwa.delete(f"{order}/Abandon", headers=STATEFUL)
    again = await jiwa.get(order, headers=STATEFUL)

    assert (409, "ConcurrencyException") == complaint(refused)
    assert ("theirs", "") == (again.json()["SOReference"], again.json()["OrderNo"])


async def test_cash_allocated_meanwhile_is_not_lost(sandbox, jiwa, order):
    await jiwa.patch(order, json={"OrderNo": "mine"}, headers=STATEFUL)
    sandbox.jiwa.allocate(order.rpartition("/")[2], 5)

    refused = await jiwa.get(f"{order}/Save", headers=STATEFUL)

    [row] = (
        await jiwa.get("/Queries/SalesOrderList", params={"InvoiceID": order.rpartition("/")[2]})
    ).json()["Results"]
    assert ((409, "ConcurrencyException"), 5) == (complaint(refused), row["TotalAllocated"])


async def test_an_order_that_was_deleted_meanwhile_cannot_be_saved(jiwa, colleague, order):
    await jiwa.patch(order, json={"OrderNo": "mine"}, headers=STATEFUL)
    await colleague.delete(order)

    response = await jiwa.get(f"{order}/Save", headers=STATEFUL)

    assert (409, "ConcurrencyException") == complaint(response)


async def test_saving_what_is_not_in_work_changes_nothing(jiwa, order):
    before = (await jiwa.get(order)).json()

    unread = await jiwa.get(f"{order}/Save", headers=STATEFUL)
    await jiwa.get(order, headers=STATEFUL)
    unchanged = await jiwa.get(f"{order}/Save", headers=STATEFUL)

    assert [before, before] == [unread.json(), unchanged.json()]


async def test_a_change_that_fails_leaves_what_was_in_work(jiwa, order):
    await jiwa.patch(order, json={"SOReference": "mine"}, headers=STATEFUL)

    failed = await jiwa.patch(
        order, json={"SOReference": "x", "Notes": [{"NoteID": "none"}]}, headers=STATEFUL
    )

    assert (404, "mine") == (failed.status_code, await reference(jiwa, order, headers=STATEFUL))


@pytest.mark.parametrize("end", ["logout", "lapse"])
async def test_with_the_session_its_work_is_gone(sandbox, jiwa, order, end):
    await jiwa.patch(order, json={"SOReference": "mine"}, headers=STATEFUL)
    if end == "logout":
        await jiwa.get("/auth/logout")
    else:
        sandbox.jiwa.end_sessions()

    assert "" == await reference(jiwa, order, headers=STATEFUL)


async def test_a_debtor_is_worked_on_and_saved(jiwa, colleague):
    [row] = (await jiwa.get("/Queries/DebtorList", params={"AccountNo": "3002"})).json()["Results"]
    address = f"/Debtors/{row['DebtorID']}"
    for change in ({"Name": "Elm Street Cars"}, {"Address1": "4 Elm Street"}):
        await jiwa.patch(address, json=change, headers=STATEFUL)
    before = (await colleague.get(address)).json()["Name"]

    saved = await jiwa.get(f"{address}/Save", headers=STATEFUL)

    assert "Elm Street Motors" == before
    assert ("Elm Street Cars", "4 Elm Street") == (saved.json()["Name"], saved.json()["Address1"])
    assert saved.json() == (await colleague.get(address)).json()


async def test_a_quote_is_worked_on_abandoned_and_saved(jiwa, colleague):
    made = (await jiwa.post("/SalesQuotes", json={"DebtorAccountNo": "2001"})).json()
    address = f"/SalesQuotes/{made['QuoteID']}"
    seen = []
    for end, verb in (("Abandon", "DELETE"), ("Save", "GET")):
        await jiwa.patch(address, json={"SOReference": end}, headers=STATEFUL)
        await jiwa.request(verb, f"{address}/{end}", headers=STATEFUL)
        seen.append((await colleague.get(address)).json()["SOReference"])

    assert ["", "Save"] == seen
