"""Jiwa's writes happen once: looked for by our numbers, or counted before and after."""

import httpx
import pytest
from pydantic import SecretStr
from writes import ReadBack, Vendor, Write

from hookline.clients import InvalidInput, Refused, VendorError, operations
from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.facts import facts_of
from hookline.journal import EffectConflict
from tasks import jiwa as tasks
from tasks.effects import BusinessKey
from tasks.readback import jiwa as readback

PAPER = {"PartNo": "PAP-A4-80", "QuantityOrdered": 2}
STATEFUL = {"jiwa-stateful": "true"}
HOOK = {"URL": "https://firm.example/hooks", "EventName": "salesorder.created"}


@pytest.fixture
def vendor(sandbox, jiwa):
    return Vendor(tasks, jiwa, sandbox.jiwa)


# What there is at Jiwa --------------------------------------------------------------------------------------


def documents(kind, key):
    """Counts the documents of an id."""
    return lambda simulator, inputs: sum(each[key] == inputs[key] for each in simulator.records()[kind])


def the_document(simulator, inputs, kind, key):
    return next(each for each in simulator.records()[kind] if each[key] == inputs[key])


def parts_of(name, kind="orders", key="InvoiceID"):
    """Counts the rows in one of a document's lists."""
    return lambda simulator, inputs: len(the_document(simulator, inputs, kind, key)[name])


def changed(kind, key):
    """Whether a document has the reference that is given."""

    def count(simulator, inputs):
        existing = the_document(simulator, inputs, kind, key)["SOReference"]
        return int(existing == inputs.get("SOReference", "draft"))

    return count


def invoiced(simulator, inputs):
    histories = the_document(simulator, inputs, "orders", "InvoiceID")["Histories"]
    return sum(each["Status"].endswith("Invoiced") for each in histories)


def so_numbered(kind):
    return lambda simulator, inputs: sum(
        each["OrderNo"] == inputs["OrderNo"] for each in simulator.records()[kind]
    )


def subscribers(simulator, inputs):
    return sum(each.row["Name"] == inputs["Name"] for each in simulator.webhooks.subscribers.values())


def subscriptions(simulator, _inputs):
    return sum(len(each.subscriptions) for each in simulator.webhooks.subscribers.values())


# What each write needs there, and what could be taken for it ------------------------------------------------


async def numbered_order(client):
    """This customer has such an order already, and so has another."""
    inputs = {"OrderNo": "PO-77", "Lines": [PAPER]}
    for account in ("1001", "1002"):
        await client.create_sales_order(DebtorAccountNo=account, **inputs)
    return {"DebtorAccountNo": "1001", **inputs}


async def numbered_quote(client):
    inputs = {"OrderNo": "PO-77", "Lines": [PAPER]}
    for account in ("1001", "1002"):
        await client.create_sales_quote(DebtorAccountNo=account, **inputs)
    return {"DebtorAccountNo": "1001", **inputs}


async def order(client):
    """An order with a line and a note like those that will be appended to it."""
    return await client.create_sales_order(
        DebtorAccountNo="1001", Lines=[PAPER, {"PartNo": "LBL-62"}], Notes=[{"NoteText": "By fax"}]
    )


async def quote(client):
    return await client.create_sales_quote(
        DebtorAccountNo="1001", Lines=[PAPER, {"PartNo": "LBL-62"}], Notes=[{"NoteText": "By fax"}]
    )


async def one_order(client):
    return {"InvoiceID": (await order(client)).InvoiceID}


async def half_delivered_order(client):
    """Its first delivery is invoiced, the rest of it is not."""
    rows = await client.query_sales_orders(OrderNo="HA-0093")
    return {"InvoiceID": rows.Results[0].InvoiceID}


async def changed_order(client):
    made = await order(client)
    line = {"InvoiceLineID": made.Lines[0].InvoiceLineID, "QuantityOrdered": 5}
    return {"InvoiceID": made.InvoiceID, "SOReference": "changed", "Lines": [line]}


async def appended_order(client):
    return await one_order(client) | {"Lines": [PAPER], "append": True}


async def drafted_order(client):
    inputs = await one_order(client)
    draft = JiwaClient.update_sales_order.validate(**inputs, SOReference="draft")
    await client.send(JiwaClient.update_sales_order.with_headers(STATEFUL), draft)
    return inputs


async def delivery(client):
    made = await order(client)
    return {"InvoiceID": made.InvoiceID, "InvoiceHistoryID": made.Histories[0].InvoiceHistoryID}


async def new_line(client):
    return await delivery(client) | PAPER


async def comment_line(client):
    return await delivery(client) | {"CommentLine": True, "CommentText": "Mind the dog"}


async def one_line(client):
    made = await order(client)
    history = made.Histories[0].InvoiceHistoryID
    line = made.Lines[1].InvoiceLineID
    return {"InvoiceID": made.InvoiceID, "InvoiceHistoryID": history, "InvoiceLineID": line}


async def new_note(client):
    """The business has noted something else already."""
    inputs = await one_order(client)
    await client.create_sales_order_note(**inputs, NoteText="Something else\n[workflow key]")
    return inputs | {"NoteText": "Mailed"}


async def one_note(client):
    made = await order(client)
    return {"InvoiceID": made.InvoiceID, "NoteID": made.Notes[0].NoteID}


async def payment(client):
    """The same was paid for the other delivery; for this one, another amount, and by another reference."""
    made = await client.get_sales_order(**await half_delivered_order(client))
    first, second = ({"InvoiceHistoryID": each.InvoiceHistoryID} for each in made.Histories)
    order = {"InvoiceID": made.InvoiceID}
    inputs = {"PaymentRef": "ext-1", "AmountPaid": 40.7}
    await client.create_sales_order_payment(**order, **first, **inputs)
    await client.create_sales_order_payment(**order, **second, **inputs | {"AmountPaid": 40})
    await client.create_sales_order_payment(**order, **second, **inputs | {"PaymentRef": "ext-2"})
    return order | second | inputs


async def one_quote(client):
    return {"QuoteID": (await quote(client)).QuoteID}


async def changed_quote(client):
    made = await quote(client)
    line = {"QuoteLineID": made.Lines[0].QuoteLineID, "QuantityOrdered": 5}
    return {"QuoteID": made.QuoteID, "SOReference": "changed", "Lines": [line]}


async def appended_quote(client):
    return await one_quote(client) | {"Notes": [{"NoteText": "By fax"}], "append": True}


async def drafted_quote(client):
    inputs = await one_quote(client)
    draft = JiwaClient.update_sales_quote.validate(**inputs, SOReference="draft")
    await client.send(JiwaClient.update_sales_quote.with_headers(STATEFUL), draft)
    return inputs


async def new_quote_line(client):
    made = await quote(client)
    return {"QuoteID": made.QuoteID, "QuoteHistoryID": made.Histories[0].QuoteHistoryID, **PAPER}


async def one_quote_line(client):
    made = await quote(client)
    history = made.Histories[0].QuoteHistoryID
    line = made.Lines[1].QuoteLineID
    return {"QuoteID": made.QuoteID, "QuoteHistoryID": history, "QuoteLineID": line}


async def new_debtor(client):
    await client.create_debtor(AccountNo="77", Name="Corner Shop")
    return {"AccountNo": "7", "Name": "Corner Shop", "EmailAddress": "shop@corner.example"}


async def drafted_debtor(client):
    rows = await client.query_debtors(AccountNo="1001")
    inputs = {"DebtorID": rows.Results[0].DebtorID}
    draft = JiwaClient.update_debtor.validate(**inputs, Name="Draft")
    await client.send(JiwaClient.update_debtor.with_headers(STATEFUL), draft)
    return inputs


def named_draft(simulator, inputs):
    return int(the_document(simulator, inputs, "debtors", "DebtorID")["Name"] == "Draft")


async def new_item(client):
    await client.create_inventory_item(PartNo="NEW-10", Description="Something new")
    return {"PartNo": "NEW-1", "Description": "Something new", "DefaultPrice": 9.5}


def items(simulator, inputs):
    return sum(each["PartNo"] == inputs["PartNo"] for each in simulator.records()["inventory"])


def debtors(simulator, inputs):
    return sum(each["AccountNo"] == inputs["AccountNo"] for each in simulator.records()["debtors"])


async def new_subscriber(client):
    """One of the name is switched off."""
    await client.create_webhook_subscriber(Name="Hookline", IsEnabled=False)
    return {"Name": "Hookline"}


async def one_subscriber(client):
    return {"SubscriberID": (await client.create_webhook_subscriber(Name="Hookline")).SubscriberID}


async def new_subscription(client):
    """The same address for another event, and the same event at another address."""
    inputs = await one_subscriber(client)
    await client.create_webhook_subscription(**inputs, **HOOK | {"EventName": "salesorder.updated"})
    await client.create_webhook_subscription(**inputs, **HOOK | {"URL": "https://other.example"})
    header = {"Name": "X-Hookline-Key", "Value": "the-shared-secret"}
    return inputs | HOOK | {"RequestHeaders": [header]}


async def one_subscription(client):
    inputs = await one_subscriber(client)
    made = await client.create_webhook_subscription(**inputs, **HOOK)
    return inputs | {"SubscriptionID": made.SubscriptionID}


WRITES = [
    Write("create_sales_order", numbered_order, so_numbered("orders")),
    Write("update_sales_order", changed_order, changed("orders", "InvoiceID")),
    Write("update_sales_order", appended_order, parts_of("Lines")),
    Write("delete_sales_order", one_order, documents("orders", "InvoiceID")),
    Write("process_sales_order", one_order, invoiced),
    Write("process_sales_order", half_delivered_order, invoiced),
    Write("save_sales_order", drafted_order, changed("orders", "InvoiceID"), lost=(1, 2)),
    Write("create_sales_order_line", new_line, parts_of("Lines")),
    Write("create_sales_order_line", comment_line, parts_of("Lines")),
    Write("delete_sales_order_line", one_line, parts_of("Lines")),
    Write("create_sales_order_note", new_note, parts_of("Notes")),
    Write("delete_sales_order_note", one_note, parts_of("Notes")),
    Write("create_sales_order_payment", payment, parts_of("Payments")),
    Write("create_sales_quote", numbered_quote, so_numbered("quotes")),
    Write("update_sales_quote", changed_quote, changed("quotes", "QuoteID")),
    Write("update_sales_quote", appended_quote, parts_of("Notes", "quotes", "QuoteID")),
    Write("save_sales_quote", drafted_quote, changed("quotes", "QuoteID"), lost=(1, 2)),
    Write("create_sales_quote_line", new_quote_line, parts_of("Lines", "quotes", "QuoteID")),
    Write("delete_sales_quote_line", one_quote_line, parts_of("Lines", "quotes", "QuoteID")),
    Write("create_debtor", new_debtor, debtors),
    Write("save_debtor", drafted_debtor, named_draft, lost=(1, 2)),
    Write("create_inventory_item", new_item, items),
    Write("create_webhook_subscriber", new_subscriber, subscribers),
    Write(
        "delete_webhook_subscriber", one_subscriber, lambda simulator, _: len(simulator.webhooks.subscribers)
    ),
    Write("create_webhook_subscription", new_subscription, subscriptions),
    Write("delete_webhook_subscription", one_subscription, subscriptions),
]


def test_every_write_that_is_looked_for_is_tested():
    read_back = [name for name, each in operations(JiwaClient).items() if each.repeat == "readback"]

    assert read_back == list(dict.fromkeys(write.operation for write in WRITES))


@pytest.mark.parametrize("write", WRITES, ids=str)
class TestLookedFor(ReadBack):
    """Each of Jiwa's writes."""


OTHER_DIALECT = {
    fact.id: list(fact.variants)[-1]
    for fact in facts_of("jiwa").facts
    if fact.variants and fact.id != "order-deletion"
}
"""The last variant of each fact, but that an order cannot be deleted at all."""


@pytest.mark.parametrize("write", WRITES, ids=str)
class TestLookedForInAnotherDialect(ReadBack):
    """Each of Jiwa's writes, where Jiwa answers otherwise than it likeliest does."""

    @pytest.fixture(autouse=True)
    def other_dialect(self, sandbox):
        sandbox.jiwa.dialect.speak(OTHER_DIALECT)


# Orders -----------------------------------------------------------------------------------------------------


async def lost(vendor, operation, business, inputs):
    """The vendor does it, and its answer is lost."""
    vendor.misbehave(operation, "lose")
    with pytest.raises(VendorError):
        await vendor.call(operation, business, inputs)


async def failed(vendor, operation, business, inputs):
    """The vendor fails before it does anything, which nobody can know."""
    vendor.misbehave(operation, "refuse", status=503)
    with pytest.raises(VendorError):
        await vendor.call(operation, business, inputs)


@pytest.fixture
async def client(jiwa):
    async with jiwa.get_client() as client:
        yield client


async def test_an_order_whose_answer_was_lost_is_not_taken_for_an_older_one_of_its_number(
    vendor, client, business
):
    inputs = await numbered_order(client)
    before = {each["InvoiceNo"] for each in vendor.simulator.records()["orders"]}
    await lost(vendor, "create_sales_order", business, inputs)

    found = await vendor.call("create_sales_order", business, inputs)

    assert found.InvoiceNo not in before
    assert ("1001", "PO-77") == (found.DebtorAccountNo, found.OrderNo)


@pytest.mark.parametrize("numbers", [{"SOReference": "ours-1"}, {"OrderNo": "po-1", "SOReference": "ours-1"}])
async def test_an_order_is_found_by_any_number_of_ours_and_its_customer_by_id(
    vendor, client, business, numbers
):
    rows = await client.query_debtors(AccountNo="1001")
    inputs = {"DebtorID": rows.Results[0].DebtorID, "Lines": [PAPER], **numbers}
    await lost(vendor, "create_sales_order", business, inputs)

    found = await vendor.call("create_sales_order", business, inputs)

    assert (1, "ours-1") == (vendor.sent("create_sales_order"), found.SOReference)


@pytest.mark.parametrize("kind", ["orders", "quotes"])
async def test_none_but_ours_are_counted_where_jiwa_ignores_a_filter(kind):
    """As it does with one that it does not know: everything is returned."""
    rows = [
        {"InvoiceID": "1", "InvoiceNo": "ours", "AccountNo": "1001", "OrderNo": "PO-77"},
        {"InvoiceID": "2", "InvoiceNo": "another's", "AccountNo": "1002", "OrderNo": "PO-77"},
        {"InvoiceID": "3", "InvoiceNo": "of another number", "AccountNo": "1001", "OrderNo": "PO-78"},
    ]
    everything = httpx.MockTransport(lambda _request: httpx.Response(200, json={"Results": rows, "Total": 3}))
    inputs = {"DebtorAccountNo": "1001", "OrderNo": "po-77 "}
    count, new = {
        "orders": (readback.orders_so_numbered, JiwaClient.create_sales_order),
        "quotes": (readback.quotes_so_numbered, JiwaClient.create_sales_quote),
    }[kind]

    async with JiwaClient("http://localhost", JiwaKey(SecretStr("key")), transport=everything) as client:
        counted = await count(client, new.validate(**inputs)).count()

    assert {"ours"} == counted


async def test_an_order_without_a_number_of_ours_is_not_sent(vendor, business):
    with pytest.raises(InvalidInput, match="give OrderNo or SOReference"):
        await vendor.call("create_sales_order", business, {"DebtorAccountNo": "1001", "OrderNo": ""})

    assert 0 == vendor.sent("create_sales_order")


async def test_two_orders_of_a_business_are_told_apart_by_their_numbers(vendor, business, database):
    for number in ("a", "b"):
        await vendor.call(
            "create_sales_order",
            business,
            {"DebtorAccountNo": "1001", "SOReference": number, "Lines": [PAPER]},
        )

    steps = await database.fetch("SELECT step FROM effects ORDER BY id")
    assert ["create sales order of a", "create sales order of b"] == [row["step"] for row in steps]
    assert 2 == vendor.sent("create_sales_order")


async def test_all_that_is_appended_to_an_order_is_appended_once(vendor, client, business):
    inputs = await one_order(client) | {
        "Lines": [PAPER, PAPER],
        "Notes": [{"NoteText": "By fax"}],
        "Payments": [{"PaymentRef": "ext-1", "AmountPaid": 5}],
        "SOReference": "changed",
        "append": True,
    }
    await lost(vendor, "update_sales_order", business, inputs)

    found = await vendor.call("update_sales_order", business, inputs)

    assert (4, 2, 1) == (len(found.Lines), len(found.Notes), len(found.Payments))
    assert 1 == vendor.sent("update_sales_order")


async def test_what_another_business_appends_meanwhile_is_not_taken_for_ours(
    vendor, client, business, database
):
    order = await delivery(client)
    ours, theirs = business, BusinessKey("workflow", "other", "thing 8")
    await failed(vendor, "create_sales_order_line", ours, order | PAPER)
    await vendor.call(
        "update_sales_order",
        theirs,
        {"InvoiceID": order["InvoiceID"], "Lines": [PAPER], "append": True},
    )

    await vendor.call("create_sales_order_line", ours, order | PAPER)

    lines = await client.list_sales_order_lines(**order)
    claimed = await database.fetchval("SELECT array_agg(each) FROM effects, unnest(reference) AS each")
    assert 2 == vendor.sent("create_sales_order_line")
    assert {each.InvoiceLineID for each in lines[2:]} == set(claimed)
    assert ["PAP-A4-80", "LBL-62", "PAP-A4-80", "PAP-A4-80"] == [each.PartNo for each in lines]


async def test_an_order_with_a_back_order_is_invoiced_delivery_by_delivery(vendor, client, business):
    """It is not Processed after the first: only counting tells that anything happened."""
    order = await one_order(client)
    line = {"InvoiceLineID": (await client.get_sales_order(**order)).Lines[0].InvoiceLineID}
    async with httpx.AsyncClient(headers={"Authorization": "Bearer sandbox-jiwa-key"}) as http:
        body = {"Lines": [line | {"QuantityThisDel": 1}]}
        await http.patch(f"{vendor.simulator.url}/SalesOrders/{order['InvoiceID']}", json=body)
    await lost(vendor, "process_sales_order", business, order)

    found = await vendor.call("process_sales_order", business, order)

    assert ("e_SalesOrderEntered", 2) == (found.Status, len(found.Histories))
    assert 1 == vendor.sent("process_sales_order")


# Payments ---------------------------------------------------------------------------------------------------


async def test_a_payment_is_found_where_its_date_is_another_by_now_and_jiwa_rounds(vendor, client, business):
    inputs = await delivery(client) | {"PaymentRef": "ext-1", "AmountPaid": 40.7049}
    first, second = ({"PaymentDate": f"2026-01-0{day}T00:00:00"} for day in (1, 2))
    await lost(vendor, "create_sales_order_payment", business, inputs | first)
    for order in vendor.simulator.orders:
        for each in order.payments:
            each["AmountPaid"] = round(each["AmountPaid"], 2)

    found = await vendor.call("create_sales_order_payment", business, inputs | second)

    assert (1, "ext-1") == (vendor.sent("create_sales_order_payment"), found.PaymentRef)


async def test_another_amount_by_the_same_reference_is_refused(vendor, client, business):
    inputs = await delivery(client) | {"PaymentRef": "ext-1", "AmountPaid": 40.7}
    await vendor.call("create_sales_order_payment", business, inputs)

    with pytest.raises(EffectConflict, match="AmountPaid"):
        await vendor.call("create_sales_order_payment", business, inputs | {"AmountPaid": 50})

    assert 1 == vendor.sent("create_sales_order_payment")


# Customers and parts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "theirs", "ours"),
    [
        ("create_debtor", {"AccountNo": "7", "Name": "Corner Shop"}, {"AccountNo": "7", "Name": "Book Shop"}),
        (
            "create_inventory_item",
            {"PartNo": "NEW-1", "Description": "A bolt"},
            {"PartNo": "NEW-1", "Description": "A nut"},
        ),
    ],
)
async def test_another_s_number_is_not_taken_for_ours(vendor, client, business, operation, theirs, ours):
    await failed(vendor, operation, business, ours)
    await getattr(client, operation)(**theirs)

    with pytest.raises(Refused, match="already in use"):
        await vendor.call(operation, business, ours)


async def test_a_customer_is_found_where_its_address_was_mended_meanwhile(vendor, business):
    inputs = {"AccountNo": "7", "Name": "Corner Shop"}
    await lost(vendor, "create_debtor", business, inputs | {"EmailAddress": "shop@corner"})

    found = await vendor.call("create_debtor", business, inputs | {"EmailAddress": "shop@corner.example"})

    assert "shop@corner" == found.EmailAddress


# Webhooks ---------------------------------------------------------------------------------------------------


async def test_the_journal_holds_no_shared_secret(vendor, client, business, database):
    inputs = await new_subscription(client)
    await lost(vendor, "create_webhook_subscription", business, inputs)

    await vendor.call("create_webhook_subscription", business, inputs)

    [kept] = await database.fetch("SELECT * FROM effects")
    assert "RequestHeaders" in kept["request"]
    assert "X-Hookline-Key" in str(kept["answer"])
    assert "the-shared-secret" not in str(dict(kept))
    assert inputs["SubscriberID"] not in kept["step"]
