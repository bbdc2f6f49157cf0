"""Jiwa: the requests it is sent, what is refused beforehand, its odd answers and its sessions."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import parse_qs
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from vendor_answers import answer

from hookline.clients import Conflict, InvalidInput, NotFound, Refused, Unavailable, UnexpectedAnswer, pages
from hookline.clients.jiwa import JiwaClient, JiwaUser
from hookline.clients.jiwa.debtors import ChangedContactName
from hookline.clients.jiwa.models import (
    ChangedLine,
    ChangedNote,
    CustomField,
    LineDetail,
    NewLine,
    NewNote,
    NewPayment,
)
from hookline.clients.jiwa.quotes import ChangedQuoteLine, NewQuoteLine
from hookline.clients.jiwa.webhooks import Header

ROOT = "https://jiwa.example"
ORDER = {"InvoiceID": "i1"}
QUOTE = {"QuoteID": "q1"}


def query_of(request):
    return {name: value for name, [value] in parse_qs(request.url.query.decode()).items()}


def refusal(message, status=409, code="JiwaException"):
    return answer({"ResponseStatus": {"ErrorCode": code, "Message": message}}, status)


# Requests ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "inputs", "verb", "path", "body"),
    [
        (
            JiwaClient.create_sales_order_line,
            ORDER
            | {
                "InvoiceHistoryID": "h1",
                "PartNo": "1170",
                "QuantityOrdered": 2,
                "LineDetails": [LineDetail(SerialNo="s", Quantity=1)],
            },
            "POST",
            "/SalesOrders/i1/Historys/h1/Lines",
            {"PartNo": "1170", "QuantityOrdered": 2, "LineDetails": [{"SerialNo": "s", "Quantity": 1}]},
        ),
        (
            JiwaClient.update_sales_order_line,
            ORDER | {"InvoiceHistoryID": "h1", "InvoiceLineID": "l1", "DiscountedPrice": Decimal("9.95")},
            "PATCH",
            "/SalesOrders/i1/Historys/h1/Lines/l1",
            {"DiscountedPrice": 9.95},
        ),
        (
            JiwaClient.update_sales_order_note,
            ORDER | {"NoteID": "n1", "NoteText": "x", "RowHash": "AA=="},
            "PATCH",
            "/SalesOrders/i1/Notes/n1",
            {"NoteText": "x", "RowHash": "AA=="},
        ),
        (
            JiwaClient.update_sales_order_custom_field_value,
            ORDER | {"SettingID": "s1", "Contents": ""},
            "PATCH",
            "/SalesOrders/i1/CustomFieldValues/s1",
            {"Contents": ""},
        ),
        (
            JiwaClient.create_sales_quote,
            {"DebtorAccountNo": "1001", "Lines": [NewQuoteLine(PartNo="1170", QuantityOrdered=5)]},
            "POST",
            "/SalesQuotes",
            {"DebtorAccountNo": "1001", "Lines": [{"PartNo": "1170", "QuantityOrdered": 5}]},
        ),
        (
            JiwaClient.update_sales_quote,
            QUOTE | {"Status": "e_SalesQuoteClosed"},
            "PATCH",
            "/SalesQuotes/q1",
            {"Status": "e_SalesQuoteClosed"},
        ),
        (
            JiwaClient.update_debtor,
            {"DebtorID": "d1", "ContactNames": [ChangedContactName(ContactNameID="c1", Surname="Lee")]},
            "PATCH",
            "/Debtors/d1",
            {"ContactNames": [{"ContactNameID": "c1", "Surname": "Lee"}]},
        ),
        (
            JiwaClient.create_inventory_item,
            {"PartNo": "1170", "Description": "A part", "DefaultPrice": Decimal("125.67")},
            "POST",
            "/Inventory",
            {"PartNo": "1170", "Description": "A part", "DefaultPrice": 125.67},
        ),
        (JiwaClient.process_sales_order, ORDER, "GET", "/SalesOrders/i1/Process", None),
        (JiwaClient.delete_sales_order, ORDER, "DELETE", "/SalesOrders/i1", None),
        (JiwaClient.get_api_key_debtor, {}, "GET", "/Debtors", None),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_request_says_what_is_asked_and_no_more(operation, inputs, verb, path, body):
    request = operation.request(ROOT, **inputs)

    assert (verb, path) == (request.method, request.url.raw_path.decode())
    assert body == (json.loads(request.content) if request.content else None)


def test_only_a_save_and_an_abandon_are_stateful_by_themselves():
    requests = [
        getattr(JiwaClient, name).request(ROOT, **inputs)
        for name, inputs in [
            ("save_sales_order", ORDER),
            ("abandon_sales_order", ORDER),
            ("save_sales_quote", QUOTE),
            ("abandon_sales_quote", QUOTE),
            ("save_debtor", {"DebtorID": "d1"}),
            ("get_sales_order", ORDER),
        ]
    ]

    assert ["true"] * 5 + [None] == [request.headers.get("jiwa-stateful") for request in requests]


# What is refused beforehand ---------------------------------------------------------------------------------

ADDED = [
    (JiwaClient.update_sales_order, ORDER | {"Lines": [ChangedLine(PartNo="1170")]}, "Lines"),
    (JiwaClient.update_sales_order, ORDER | {"Lines": [ChangedLine(PartNo="1", InvoiceLineID="")]}, "Lines"),
    (JiwaClient.update_sales_order, ORDER | {"Notes": [ChangedNote(NoteText="x")]}, "Notes"),
    (
        JiwaClient.update_sales_order,
        ORDER | {"Payments": [NewPayment(AmountPaid=1, PaymentRef="r")]},
        "Payments",
    ),
    (JiwaClient.update_sales_quote, QUOTE | {"Lines": [ChangedQuoteLine(PartNo="1170")]}, "Lines"),
    (JiwaClient.update_sales_quote, QUOTE | {"Notes": [ChangedNote(NoteText="x")]}, "Notes"),
]


@pytest.mark.parametrize(("operation", "inputs", "named"), ADDED)
def test_what_each_update_would_add_again_is_added_only_if_that_is_confirmed(operation, inputs, named):
    with pytest.raises(InvalidInput, match=rf"{operation.name} was not sent.*{named}.*append=true"):
        operation.request(ROOT, **inputs)

    sent = json.loads(operation.request(ROOT, **inputs, append=True).content)

    assert {named} == set(sent)


def test_rows_with_their_ids_are_changed_without_further_ado():
    request = JiwaClient.update_sales_order.request(
        ROOT,
        **ORDER,
        Lines=[ChangedLine(InvoiceLineID="l1", QuantityOrdered=3)],
        Notes=[ChangedNote(NoteID="n1", NoteText="x")],
        CustomFieldValues=[CustomField(SettingID="s1", Contents="A")],
    )

    assert {
        "Lines": [{"InvoiceLineID": "l1", "QuantityOrdered": 3}],
        "Notes": [{"NoteID": "n1", "NoteText": "x"}],
        "CustomFieldValues": [{"SettingID": "s1", "Contents": "A"}],
    } == json.loads(request.content)


def test_a_new_note_and_line_need_no_ids():
    request = JiwaClient.create_sales_order.request(
        ROOT, DebtorID="d", Notes=[NewNote(NoteText="x")], Lines=[NewLine(CommentLine=True, CommentText="y")]
    )

    assert {
        "DebtorID": "d",
        "Notes": [{"NoteText": "x"}],
        "Lines": [{"CommentLine": True, "CommentText": "y"}],
    } == json.loads(request.content)


@pytest.mark.parametrize(
    ("operation", "inputs", "named"),
    [
        (JiwaClient.update_debtor, {"DebtorID": "d", "ContactNames": [{"Surname": "Lee"}]}, "ContactNameID"),
        (JiwaClient.update_debtor, {"DebtorID": "d", "TermsType": "Never"}, "TermsType"),
        (JiwaClient.update_sales_order, ORDER | {"DebtorID": "d2"}, "DebtorID"),
        (JiwaClient.update_sales_order, ORDER | {"Status": "Processed"}, "Status"),
        (JiwaClient.update_sales_order, ORDER | {"Notes": [{}]}, "NoteText"),
        (JiwaClient.update_sales_quote, QUOTE | {"Status": "CANCELLED"}, "Status"),
        (JiwaClient.create_sales_quote, {"OrderNo": "1"}, "DebtorID"),
        (JiwaClient.create_sales_quote, {"DebtorID": "d", "Lines": [{"QuantityOrdered": 1}]}, "PartNo"),
        (JiwaClient.create_sales_order, {"DebtorID": "d", "Lines": [{"Description": "x"}]}, "PartNo"),
        (JiwaClient.create_sales_order, {"DebtorID": "d", "OrderType": "Reserve"}, "OrderType"),
        (JiwaClient.create_sales_order_line, ORDER | {"InvoiceHistoryID": "h"}, "PartNo"),
        (
            JiwaClient.create_sales_order_payment,
            ORDER | {"InvoiceHistoryID": "h", "AmountPaid": 1, "PaymentRef": ""},
            "PaymentRef",
        ),
        (JiwaClient.update_inventory_item, {"InventoryID": "1", "Status": "Gone"}, "Status"),
        (JiwaClient.login, {"UserName": "a", "Password": "b", "provider": "other"}, "provider"),
        (JiwaClient.query_debtors, {"Take": 1001}, "Take"),
        (JiwaClient.delete_sales_order, {"InvoiceID": ""}, "InvoiceID"),
        (JiwaClient.delete_webhook_subscriber, {"SubscriberID": " "}, "SubscriberID"),
        (
            JiwaClient.create_webhook_subscription,
            {"SubscriberID": "1", "EventName": "salesorder.created", "URL": "hooks.example/jiwa"},
            "https://",
        ),
        (
            JiwaClient.create_webhook_subscription,
            {
                "SubscriberID": "1",
                "EventName": "salesorder.created",
                "URL": ROOT,
                "RequestHeaders": [{"Name": "X-Key", "Value": "a\r\nX-Evil: 1"}],
            },
            "RequestHeaders",
        ),
    ],
)
def test_what_jiwa_would_not_take_or_lose_without_a_word_is_refused_by_name(operation, inputs, named):
    with pytest.raises(InvalidInput, match=rf"{operation.name} was not sent.*{named}"):
        operation.request(ROOT, **inputs)


@pytest.mark.parametrize("field", ["CardNumber", "cardholder", "CardExpiry"])
def test_the_data_of_a_card_is_never_sent_and_never_shown(field):
    payment = {"AmountPaid": 1, "PaymentRef": "r", field: "4111111111111111"}

    with pytest.raises(InvalidInput, match="card is never sent") as direct:
        JiwaClient.create_sales_order_payment.request(ROOT, **ORDER, InvoiceHistoryID="h", **payment)
    with pytest.raises(InvalidInput, match="card is never sent") as nested:
        JiwaClient.create_sales_order.request(ROOT, DebtorID="d", Payments=[payment])

    assert "4111" not in f"{direct.value} {nested.value}"


# Queries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "where", "sent"),
    [
        (JiwaClient.query_sales_orders, {"OrderNoStartsWith": "PO"}, "PO"),
        (JiwaClient.query_sales_orders, {"CreditNote": False}, "false"),
        (JiwaClient.query_sales_orders, {"StatusLessThan": 1}, "1"),
        (JiwaClient.query_sales_quotes, {"LocalInvoiceTotalIncTaxGreaterThan": Decimal("0.01")}, "0.01"),
        (
            JiwaClient.query_debtors,
            {"LastSavedDateTimeLessThan": datetime(2025, 7, 1, tzinfo=UTC)},
            "2025-07-01T00:00:00Z",
        ),
        (JiwaClient.query_debtors, {"AccountNoIn": ["1001", "10,02", 'a"b']}, '1001,"10,02","a""b"'),
        (JiwaClient.query_debtor_transactions, {"AmountBetween": [1, Decimal("9.5")]}, "1,9.5"),
        (JiwaClient.query_inventory_items, {"PartNoIn": "a,b"}, "a,b"),
    ],
)
def test_a_filter_is_sent_as_jiwa_reads_it(operation, where, sent):
    [name] = where

    assert sent == query_of(operation.request(ROOT, where=where))[name]


@pytest.mark.parametrize(
    ("operation", "inputs", "named"),
    [
        (JiwaClient.query_sales_orders, {"where": {"OrderNumber": "1"}}, "OrderNumber"),
        (
            JiwaClient.query_sales_quotes,
            {"where": {"LocalInvoiceTotalGreaterThan": 1}},
            "LocalInvoiceTotalGreaterThan.*do you mean LocalInvoiceTotalIncTaxGreaterThan",
        ),
        (JiwaClient.query_sales_quotes, {"Fields": "InvoiceTotall"}, "no column InvoiceTotall"),
        (
            JiwaClient.query_sales_orders,
            {"OrderBy": "-DueDte"},
            r"no column DueDte \(do you mean DueDate\?\)",
        ),
        (JiwaClient.query_sales_orders, {"where": {"CreditNoteContains": "x"}}, "CreditNoteContains"),
        (JiwaClient.query_sales_orders, {"where": {"CreditNoteLessThan": 1}}, "CreditNoteLessThan"),
        (JiwaClient.query_sales_orders, {"where": {"StatusStartsWith": "1"}}, "StatusStartsWith"),
        (JiwaClient.query_sales_orders, {"where": {"OrderNoGreaterThan": "1"}}, "OrderNoGreaterThan"),
        (
            JiwaClient.query_debtor_transactions,
            {"where": {"LastSavedDateTimeGreaterThan": "2025-07-01"}},
            "LastSavedDateTime",
        ),
        (
            JiwaClient.query_debtor_transactions,
            {"LastSavedDateTimeGreaterThan": datetime(2025, 7, 1, tzinfo=UTC)},
            "LastSavedDateTime",
        ),
        (JiwaClient.query_sales_orders, {"OrderNo": ""}, "OrderNo is empty"),
        (JiwaClient.query_sales_orders, {"where": {"OrderNoContains": " "}}, "OrderNoContains is empty"),
        (JiwaClient.query_debtors, {"where": {"AccountNoIn": []}}, "AccountNoIn is empty"),
        (JiwaClient.query_debtors, {"where": {"AccountNo": ["1", "2"]}}, "AccountNo takes one"),
        (JiwaClient.query_debtors, {"where": {"AccountNoBetween": ["1"]}}, "AccountNoBetween takes"),
    ],
)
def test_a_filter_that_jiwa_would_ignore_is_refused_because_everything_would_come_back(
    operation, inputs, named
):
    with pytest.raises(InvalidInput, match=named):
        operation.request(ROOT, **inputs)


def test_a_column_that_we_do_not_read_can_be_a_filter_as_jiwa_has_it():
    sent = query_of(JiwaClient.query_sales_orders.request(ROOT, where={"CashSaleNameContains": "Lee"}))

    assert "Lee" == sent["CashSaleNameContains"]


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ({"SOReferenc": "x"}, "SOReferenc: there is no such input .do you mean SOReference"),
        (
            {"Lines": [{"PartNumber": "x"}]},
            r"Lines\.0\.PartNumber: there is no such input .do you mean PartNo",
        ),
        ({"zzzzzz": 1}, "zzzzzz: there is no such input."),
    ],
)
def test_an_input_that_jiwa_would_ignore_is_refused_with_the_nearest(inputs, named):
    with pytest.raises(InvalidInput, match=named):
        JiwaClient.update_sales_order.request(ROOT, **ORDER, **inputs)


def test_the_key_of_a_row_comes_whatever_fields_are_asked_for():
    request = JiwaClient.query_sales_orders.request(ROOT, Fields="OrderNo, InvoiceID")

    assert "InvoiceID,InvoiceHistoryID,OrderNo" == query_of(request)["Fields"]


def test_parts_come_without_their_pictures_unless_asked_for():
    usual = query_of(JiwaClient.query_inventory_items.request(ROOT))["Fields"].split(",")
    asked = query_of(JiwaClient.query_inventory_items.request(ROOT, Fields="Picture"))["Fields"]

    assert {"InventoryID", "PartNo", "AvailableStock", "SellPrice"} <= set(usual)
    assert "Picture" not in usual
    assert "InventoryID,IN_LogicalID,Picture" == asked


PAGED = [
    ("query_sales_orders", {}, "InvoiceID", "InvoiceID,InvoiceHistoryID"),
    ("query_sales_quotes", {}, "InvoiceID", "InvoiceID,HistoryNo"),
    ("query_debtor_transactions", {}, "TransID", "TransID"),
    ("query_debtors", {}, "DebtorID", "DebtorID"),
    ("query_inventory_items", {}, "InventoryID", "InventoryID,IN_LogicalID"),
    ("list_webhook_subscribers", {}, "SubscriberID", None),
    ("list_webhook_messages", {"SubscriberID": "s"}, "MessageID", "AddedDateTime,MessageID"),
]


@pytest.mark.parametrize(("name", "inputs", "key", "order"), PAGED)
async def test_every_list_with_pages_is_read_to_its_end_in_the_order_of_a_unique_key(
    client_for, name, inputs, key, order
):
    """Without an order a row that is added meanwhile may push another one past the page that was read."""
    asked = []

    def page(request):
        query = query_of(request)
        asked.append(query)
        start, take = int(query["Skip"]), int(query["Take"])
        rows = [{key: str(number)} for number in range(start, min(start + take, 250))]
        return answer({"Offset": start, "Total": 250, "Results": rows})

    async with client_for("jiwa", page) as client:
        found = [getattr(row, key) async for row in pages(getattr(client, name), **inputs)]

    assert [str(number) for number in range(250)] == found
    assert [("0", "Total", order), ("100", "Total", order), ("200", "Total", order)] == [
        (query["Skip"], query["Include"], query.get("OrderBy")) for query in asked
    ]


@given(
    where=st.dictionaries(
        st.sampled_from(["AccountNo", "NameContains", "CurrentBalanceIn", "AccountNoBetween", "x", "Skip"]),
        st.text() | st.integers() | st.booleans() | st.lists(st.text() | st.integers(), max_size=3),
        max_size=3,
    )
)
def test_no_filter_does_anything_but_filter_or_be_refused(where):
    try:
        request = JiwaClient.query_debtors.request(ROOT, where=where, Take=5)
    except InvalidInput:
        return

    sent = parse_qs(request.url.query.decode(), keep_blank_values=True)

    assert ["5"] == sent.pop("Take")
    assert set(where) == set(sent)


# Answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["process_sales_order", "save_sales_order"])
def test_an_empty_answer_to_a_get_that_writes_leaves_open_whether_it_was_done(name):
    with pytest.raises(UnexpectedAnswer) as failure:
        getattr(JiwaClient, name).read(answer(status=204))

    assert failure.value.maybe_applied


def test_a_key_of_no_debtor_finds_none():
    with pytest.raises(NotFound):
        JiwaClient.get_api_key_debtor.read(answer(status=204))


@pytest.mark.parametrize(
    ("message", "kind", "transient"),
    [
        ("The record was changed by another user.", Conflict, True),
        ("Quote Q-1 is closed and cannot be changed.", Refused, False),
    ],
)
def test_a_save_that_meets_a_change_may_be_repeated_and_one_that_breaks_a_rule_is_for_a_person(
    message, kind, transient
):
    with pytest.raises(kind) as failure:
        JiwaClient.save_sales_quote.read(refusal(message))

    assert (transient, False) == (failure.value.transient, failure.value.maybe_applied)
    assert message in failure.value.detail


def test_a_quote_is_read_with_its_versions_and_unknown_fields_are_kept():
    quote = JiwaClient.get_sales_quote.read(
        answer(
            {
                "QuoteID": "q1",
                "QuoteNo": 1234,
                "Histories": [{"QuoteHistoryID": "h1", "HistoryTotal": 40.7, "ExpiryDays": "30"}],
                "Lines": [{"QuoteLineID": "l1", "QuantityOrdered": "2"}],
                "TaxExemptionNo": "T",
            }
        )
    )

    assert ("1234", Decimal("40.7"), 30) == (
        quote.QuoteNo,
        quote.Histories[0].HistoryTotal,
        quote.Histories[0].ExpiryDays,
    )
    assert (Decimal(2), "T") == (quote.Lines[0].QuantityOrdered, quote.TaxExemptionNo)


def test_what_the_ledger_leaves_out_is_not_taken_for_paid():
    page = JiwaClient.query_debtor_transactions.read(
        answer({"Results": [{"TransID": "1"}, {"TransID": "2", "OutstandingAmount": 0}]})
    )

    assert [None, Decimal(0)] == [row.OutstandingAmount for row in page.Results]


def test_routes_are_read():
    value = [{"Path": "/Debtors", "RequestType": "DebtorGETRequest", "AllowedVerbs": "GET"}]

    assert ["GET"] == [route.AllowedVerbs for route in JiwaClient.list_rest_paths.read(answer(value))]


def test_deleting_twice_says_that_it_is_gone():
    assert JiwaClient.delete_sales_order_line.read(answer(status=204)) is None
    with pytest.raises(NotFound):
        JiwaClient.delete_sales_order_line.read(answer(status=404))


async def test_a_get_that_writes_is_not_repeated_when_its_answer_is_lost(client_for):
    asked = []

    def lose(request):
        asked.append(request)
        return httpx.Response(503, headers={"retry-after": "0"})

    async with client_for("jiwa", lose) as client:
        with pytest.raises(Unavailable) as failure:
            await client.process_sales_order(**ORDER)

    assert (1, True) == (len(asked), failure.value.maybe_applied)


async def test_the_secret_in_a_header_of_a_subscription_is_not_in_an_error(client_for):
    def echo(request):
        return refusal(f"not allowed: {request.content.decode()}", 400)

    async with client_for("jiwa", echo) as client:
        with pytest.raises(Refused) as failure:
            await client.create_webhook_subscription(
                SubscriberID="s",
                URL=ROOT,
                EventName="salesorder.created",
                RequestHeaders=[Header(Name="X-Hookline-Key", Value="hunter22")],
            )

    assert "hunter22" not in failure.value.detail


# Sessions ---------------------------------------------------------------------------------------------------


async def test_a_session_goes_in_its_cookie_where_that_is_chosen():
    sent = []

    def log(request):
        sent.append((request.headers.get("cookie"), request.headers.get("x-ss-id")))
        return answer({"SessionId": "abc-1"})

    user = JiwaUser("api", SecretStr("the-password"), form="cookie")
    async with JiwaClient(f"https://{uuid4()}.example", user, transport=httpx.MockTransport(log)) as client:
        await client.get_system_info()

    assert [(None, None), ("ss-id=abc-1", None)] == sent


@pytest.mark.parametrize("session", ["a;b=c", "a b", "a,b", 'a"b', "a\\b", "ü", ""])
async def test_a_session_that_is_no_cookie_is_no_session(session):
    user = JiwaUser("api", SecretStr("the-password"), form="cookie")
    transport = httpx.MockTransport(lambda request: answer({"SessionId": session}))
    async with JiwaClient(f"https://{uuid4()}.example", user, transport=transport) as client:
        with pytest.raises(UnexpectedAnswer, match="login"):
            await client.get_system_info()
