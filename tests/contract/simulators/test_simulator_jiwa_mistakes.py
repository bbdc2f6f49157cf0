"""What Jiwa's simulator answers to mistakes: an error of its kind, and nothing is changed."""

import pytest
from jiwa_calls import complaint

NEW = {"DebtorAccountNo": "1001"}
QUOTE = {"DebtorAccountNo": "2001"}
HALF = {"SOReference": "x", "Notes": [{"NoteID": "none"}]}
ORDER, HISTORY = "/SalesOrders/{order}", "/SalesOrders/{order}/Historys/{history}"

# fmt: off
MISTAKES = {
    (500, "JiwaException"): [
        ("POST /SalesOrders", {}),
        ("POST /SalesQuotes", {"DebtorAccountNo": None}),
    ],
    (409, "JiwaException"): [
        ("POST /Debtors", {"AccountNo": "1001", "Name": "Again"}),
        ("POST /Inventory", {"PartNo": "lic-pro"}),
    ],
    (400, "ArgumentException"): [
        ("POST /Debtors", {"Name": "No number"}),
        ("POST /Debtors", {"AccountNo": "4002"}),
        ("POST /Inventory", {"Description": "No number"}),
    ],
    (400, "SerializationException"): [
        ("POST /SalesOrders", NEW | {"Lines": "two"}),
        ("POST /SalesOrders", NEW | {"InvoiceInitDate": "soon"}),
        ("POST /SalesOrders", NEW | {"Lines": [{"PartNo": "LIC-PRO", "QuantityOrdered": "many"}]}),
        ("POST /SalesQuotes", QUOTE | {"Lines": [{"PartNo": "LIC-PRO", "QuantityOrdered": 1e300}]}),
        ("POST /SalesQuotes", QUOTE | {"Notes": "none"}),
        ("POST /Debtors", {"AccountNo": "4002", "Name": "x", "TermsType": "Never"}),
        ("POST /Debtors", {"AccountNo": "4002", "Name": {"first": "x"}}),
        ("POST /Inventory", {"PartNo": "KEY-1", "DefaultPrice": "much"}),
        ("POST /Inventory", {"PartNo": "KEY-1", "Status": "e_InventoryStatusLost"}),
        ("POST /Inventory", {"PartNo": "KEY-1", "UseSerialNo": "perhaps"}),
    ],
    (404, "RecordNotFoundException"): [
        ("POST /SalesOrders", {"DebtorAccountNo": "9999"}),
        ("POST /SalesOrders", {"DebtorID": "9999"}),
        ("POST /SalesOrders", NEW | {"Lines": [{"PartNo": "NONE"}]}),
        ("GET /SalesOrders/none", None),
        ("GET /SalesOrders/none/Notes", None),
        ("GET /SalesOrders/none/Payments", None),
        ("GET /SalesOrders/none/Process", None),
        (f"PATCH {ORDER}", HALF),
        (f"POST {HISTORY}/Payments", {"PaymentType": {"PaymentTypeID": "x"}}),
        (f"POST {ORDER}/Historys/none/Payments", {}),
        (f"GET {ORDER}/Historys/none", None),
        (f"GET {ORDER}/Historys/none/Lines", None),
        (f"POST {ORDER}/Historys/none/Lines", {}),
        (f"GET {HISTORY}/Lines/none", None),
        (f"PATCH {HISTORY}/Lines/none", {}),
        (f"DELETE {HISTORY}/Lines/none", None),
        (f"GET {ORDER}/Notes/none", None),
        (f"PATCH {ORDER}/Notes/none", {}),
        (f"DELETE {ORDER}/Notes/none", None),
        (f"GET {ORDER}/CustomFieldValues/none", None),
        (f"PATCH {ORDER}/CustomFieldValues/none", {}),
        ("POST /SalesQuotes", QUOTE | {"DebtorAccountNo": "9999"}),
        ("POST /SalesQuotes", QUOTE | {"Lines": [{"PartNo": "NONE"}]}),
        ("GET /SalesQuotes/none", None),
        ("PATCH /SalesQuotes/none", {}),
        ("GET /SalesQuotes/none/Save", None),
        ("DELETE /SalesQuotes/none/Abandon", None),
        ("POST /SalesQuotes/none/Historys/none/Lines", {}),
        ("GET /SalesQuotes/none/Historys/none/Lines/none", None),
        ("GET /Debtors/none", None),
        ("PATCH /Debtors/none", {"Name": "x"}),
        ("GET /Debtors/none/Save", None),
        ("GET /Inventory/none", None),
        ("PATCH /Inventory/none", {}),
    ],
}
# fmt: on


@pytest.mark.parametrize(
    ("call", "body", "expected"),
    [(*mistake, expected) for expected, mistakes in MISTAKES.items() for mistake in mistakes],
)
async def test_a_mistake_is_an_error_of_its_kind_and_changes_nothing(sandbox, jiwa, call, body, expected):
    verb, path = call.split()
    before = sandbox.jiwa.records()
    order = before["orders"][-1]
    path = path.format(order=order["InvoiceID"], history=order["Histories"][0]["InvoiceHistoryID"])

    response = await jiwa.request(verb, path, json=body)

    assert expected == complaint(response)
    assert before == sandbox.jiwa.records()
