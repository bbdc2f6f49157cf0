"""Jiwa's debtors: accounts, the ledger, and what a customer may do with an API key."""

import httpx
import pytest
from jiwa_calls import complaint


@pytest.fixture
async def customer(sandbox):
    """A client with the API key of Northgate Printing, account 2001."""
    headers = {"Authorization": "Bearer sandbox-jiwa-debtor-key"}
    async with httpx.AsyncClient(base_url=sandbox.jiwa.url, headers=headers) as client:
        yield client


async def ordered(jiwa, **body):
    response = await jiwa.post("/SalesOrders", json={"DebtorAccountNo": "1006"} | body)
    assert 201 == response.status_code, response.text
    return response.json()


async def found(jiwa, view, **query):
    return (await jiwa.get(f"/Queries/{view}", params=query)).json()["Results"]


async def debtor(jiwa, account):
    [row] = await found(jiwa, "DebtorList", AccountNo=account)
    return (await jiwa.get(f"/Debtors/{row['DebtorID']}")).json()


# Accounts


async def test_one_debtor_has_no_address_for_mails(jiwa):
    debtors = await found(jiwa, "DebtorList")

    assert ["1005"] == [each["AccountNo"] for each in debtors if not each["EmailAddress"]]


@pytest.mark.parametrize(
    ("account", "name"),
    [
        ("2001", "Northgate Printing"),
        ("2002", "Harbour Architects"),
        ("3001", "Mill Road Garage"),
        ("3002", "Elm Street Motors"),
    ],
)
async def test_print_fleets_and_garages_have_an_address_and_somebody_to_talk_to(jiwa, account, name):
    known = await debtor(jiwa, account)

    assert (name, True) == (known["Name"], known["EmailAddress"].endswith(".example"))
    assert [True] == [contact["DefaultContact"] for contact in known["ContactNames"]]


async def test_a_debtor_is_added_changed_and_seen_on_its_orders(jiwa):
    made = await jiwa.post("/Debtors", json={"AccountNo": "4001", "Name": "New Shop"})
    key = f"/Debtors/{made.json()['DebtorID']}"
    order = await ordered(jiwa, DebtorID=made.json()["DebtorID"])
    before = [each["EmailAddress"] for each in await found(jiwa, "SalesOrderList", AccountNo="4001")]

    changed = await jiwa.patch(key, json={"EmailAddress": "new@shop.example"})

    assert (201, [""], 200) == (made.status_code, before, changed.status_code)
    assert changed.json() == (await jiwa.get(key)).json()
    assert (
        "new@shop.example"
        == (await jiwa.get(f"/SalesOrders/{order['InvoiceID']}")).json()["DebtorEmailAddress"]
    )
    assert ["new@shop.example"] == [
        each["EmailAddress"] for each in await found(jiwa, "SalesOrderList", AccountNo="4001")
    ]


async def test_a_contact_with_a_key_is_changed_and_one_without_is_appended_at_each_repeat(jiwa):
    known = await debtor(jiwa, "3001")
    key = known["ContactNames"][0]["ContactNameID"]
    contacts = [{"ContactNameID": key, "Phone": "1"}, {"FirstName": "Kit", "ExternalAppRecID": "c-9"}]
    for _ in range(2):
        await jiwa.patch(f"/Debtors/{known['DebtorID']}", json={"ContactNames": contacts})

    after = (await debtor(jiwa, "3001"))["ContactNames"]

    assert [("Dana", "1"), ("Kit", None), ("Kit", None)] == [
        (each["FirstName"], each.get("Phone")) for each in after
    ]


async def test_a_contact_that_is_not_there_is_not_found_and_nothing_is_changed(jiwa):
    before = await debtor(jiwa, "3001")

    response = await jiwa.patch(
        f"/Debtors/{before['DebtorID']}", json={"Phone": "1", "ContactNames": [{"ContactNameID": "none"}]}
    )

    assert 404 == response.status_code
    assert before == await debtor(jiwa, "3001")


async def test_a_debtors_custom_field_is_set_and_an_unknown_one_is_not_found(jiwa):
    known = await debtor(jiwa, "2001")
    setting, key = known["CustomFieldValues"][0]["SettingID"], f"/Debtors/{known['DebtorID']}"

    changed = await jiwa.patch(key, json={"CustomFieldValues": [{"SettingID": setting, "Contents": 17}]})
    unknown = await jiwa.patch(key, json={"CustomFieldValues": [{"SettingID": "none"}]})

    assert "17" == changed.json()["CustomFieldValues"][0]["Contents"]
    assert 404 == unknown.status_code


async def test_an_account_number_can_be_changed_to_a_free_one(jiwa):
    known = await debtor(jiwa, "3001")

    free = await jiwa.patch(f"/Debtors/{known['DebtorID']}", json={"AccountNo": "3003"})
    in_use = await jiwa.patch(f"/Debtors/{known['DebtorID']}", json={"AccountNo": "3002"})

    assert (200, "3003") == (free.status_code, free.json()["AccountNo"])
    assert (409, "JiwaException") == complaint(in_use)


# The ledger


async def test_an_invoice_stands_in_the_ledger_and_what_is_owed_in_the_balance(jiwa):
    order = await ordered(jiwa, OrderNo="PO-9", Lines=[{"PartNo": "TON-BLK-410", "QuantityOrdered": 2}])
    before = await found(jiwa, "DebtorTransactionList", AccountNo="1006")
    processed = (await jiwa.get(f"/SalesOrders/{order['InvoiceID']}/Process")).json()

    [row] = await found(jiwa, "DebtorTransactionList", AccountNo="1006")

    assert [] == before
    assert (259.6, 0, 259.6, 23.6) == (
        row["Amount"],
        row["AllocatedAmount"],
        row["OutstandingAmount"],
        row["GSTAmount"],
    )
    assert (False, 259.6, 0) == (row["DebitCredit"], row["DebitAmountIncTax"], row["CreditAmountIncTax"])
    assert (order["InvoiceNo"], "PO-9") == (row["InvRemitNo"], row["Ref"])
    assert processed["Histories"][0]["DBTransID"] == row["TransID"]
    assert 259.6 == (await debtor(jiwa, "1006"))["CurrentBalance"]
    assert [259.6] == [each["CurrentBalance"] for each in await found(jiwa, "DebtorList", AccountNo="1006")]


async def test_cash_that_is_allocated_settles_an_invoice_and_stands_beside_it(sandbox, jiwa):
    order = await ordered(jiwa, Lines=[{"PartNo": "TON-BLK-410", "QuantityOrdered": 2}])
    await jiwa.get(f"/SalesOrders/{order['InvoiceID']}/Process")
    sandbox.jiwa.allocate(order["InvoiceID"], 200)
    part = await found(jiwa, "DebtorTransactionList", AccountNo="1006", DebitCredit="false")
    sandbox.jiwa.allocate(order["InvoiceID"])

    invoices = await found(
        jiwa, "DebtorTransactionList", AccountNo="1006", OutstandingAmount=0, DebitCredit="false"
    )
    receipts = await found(jiwa, "DebtorTransactionList", AccountNo="1006", DebitCredit="true")

    assert [59.6] == [each["OutstandingAmount"] for each in part]
    assert [259.6] == [each["AllocatedAmount"] for each in invoices]
    assert [200, 59.6] == [each["CreditAmountIncTax"] for each in receipts]
    assert 0 == (await debtor(jiwa, "1006"))["CurrentBalance"]


async def test_a_payment_with_the_order_settles_its_invoice_unless_it_was_declined(jiwa):
    payments = [
        {"AmountPaid": 100, "PaymentRef": "p-1"},
        {"AmountPaid": 29.8, "PaymentRef": "p-2", "AuthorisationStatus": "Declined"},
    ]
    order = await ordered(jiwa, Lines=[{"PartNo": "TON-BLK-410", "QuantityOrdered": 1}], Payments=payments)
    await jiwa.get(f"/SalesOrders/{order['InvoiceID']}/Process")

    rows = await found(jiwa, "DebtorTransactionList", AccountNo="1006", OrderBy="OutstandingAmount")

    assert [("p-1", 0), ("", 29.8)] == [(each["Ref"], each["OutstandingAmount"]) for each in rows]


async def test_a_credit_note_is_owed_to_the_customer(jiwa):
    order = await ordered(jiwa, CreditNote=True, Lines=[{"PartNo": "TON-BLK-410", "QuantityOrdered": 1}])
    await jiwa.get(f"/SalesOrders/{order['InvoiceID']}/Process")

    [row] = await found(jiwa, "DebtorTransactionList", AccountNo="1006")

    assert (True, 129.8) == (row["DebitCredit"], row["CreditAmountIncTax"])
    assert -129.8 == (await debtor(jiwa, "1006"))["CurrentBalance"]


async def test_the_ledger_is_filtered_ordered_and_counted(jiwa):
    query = {"OutstandingAmountGreaterThan": 0, "OrderByDesc": "Amount", "Include": "Total", "Take": 1}

    answer = (await jiwa.get("/Queries/DebtorTransactionList", params=query)).json()

    assert (2, ["2002"]) == (answer["Total"], [each["AccountNo"] for each in answer["Results"]])


# A customer's key


async def test_a_customers_key_tells_its_debtor_and_a_users_log_in_none(jiwa, customer):
    theirs, ours = await customer.get("/Debtors"), await jiwa.get("/Debtors")
    session = (await customer.get("/Sessions/Current")).json()

    assert "2001" == theirs.json()["AccountNo"]
    assert (204, b"") == (ours.status_code, ours.content)
    assert ("Debtor", "Northgate Printing") == (session["APIKey_Type"], session["DebtorName"])
    assert "Staff" == (await jiwa.get("/Sessions/Current")).json()["APIKey_Type"]


async def test_a_customers_key_opens_only_what_customers_may_do(customer):
    refused = [await customer.get(path) for path in ("/Queries/DebtorList", "/SystemInfo/", "/RestPaths")]
    refused.append(await customer.post("/Inventory", json={"PartNo": "X"}))

    assert [(403, "Forbidden")] * 4 == [complaint(each) for each in refused]


async def test_a_customer_sees_their_own_orders_quotes_and_transactions(jiwa, customer):
    views = ("SalesOrderList", "SalesQuoteList", "DebtorTransactionList")
    await jiwa.post("/SalesQuotes", json={"DebtorAccountNo": "2001"})

    seen = {view: {row["AccountNo"] for row in await found(customer, view)} for view in views}

    assert {view: {"2001"} for view in views} == seen


async def test_an_order_of_another_customer_is_not_found(jiwa, customer):
    other = f"/SalesOrders/{(await ordered(jiwa))['InvoiceID']}"

    answers = [
        await customer.get(other),
        await customer.patch(other, json={"SOReference": "x"}),
        await customer.get(f"{other}/Save"),
        await customer.delete(f"{other}/Abandon"),
    ]

    assert [(404, "RecordNotFoundException")] * 4 == [complaint(each) for each in answers]


async def test_what_a_customer_may_not_say_is_dropped_and_costs_are_withheld(jiwa, customer):
    body = {
        "DebtorAccountNo": "1001",
        "CreditNote": True,
        "InvoiceInitDate": "2020-01-01",
        "Payments": [{"AmountPaid": 5, "PaymentRef": "p"}],
        "Lines": [{"PartNo": "TON-BLK-410", "QuantityOrdered": 1}],
    }

    order = (await customer.post("/SalesOrders", json=body)).json()

    assert ("2001", False, []) == (order["DebtorAccountNo"], order["CreditNote"], order["Payments"])
    assert "2020" != order["InvoiceInitDate"][:4]
    assert "UnitCost" not in order["Lines"][0]
    assert "UnitCost" in (await jiwa.get(f"/SalesOrders/{order['InvoiceID']}")).json()["Lines"][0]


async def test_a_customer_reads_what_is_on_sale_without_what_it_cost(customer):
    [row] = await found(customer, "InventoryItemList", PartNo="TON-BLK-410")

    item = (await customer.get(f"/Inventory/{row['InventoryID']}")).json()

    assert (118, False) == (item["DefaultPrice"], "LCost" in item)
