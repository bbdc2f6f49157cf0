"""Jiwa's lines, notes, quotes, customers, parts and ledger against its simulator, each way and back."""

from decimal import Decimal

import pytest
from pydantic import SecretStr

from hookline.clients import Conflict, NotAllowed, NotFound, Refused, operations, pages
from hookline.clients.jiwa import JiwaClient, JiwaUser
from hookline.clients.jiwa.debtors import ChangedContactName, NewContactName
from hookline.clients.jiwa.models import ChangedLine, ChangedNote, NewLine, NewNote, NewPayment
from hookline.clients.jiwa.quotes import ChangedQuoteLine, NewQuoteLine

DEBTOR_KEY = "sandbox-jiwa-debtor-key"


@pytest.fixture
async def order(sandbox, jiwa):
    lines = [NewLine(PartNo="TON-BK-12", QuantityOrdered=2)]
    return await jiwa.create_sales_order(DebtorAccountNo="1001", OrderNo="PO-77", Lines=lines)


@pytest.fixture
async def quote(sandbox, jiwa):
    lines = [NewQuoteLine(PartNo="TON-BK-12", QuantityOrdered=2)]
    return await jiwa.create_sales_quote(DebtorAccountNo="1001", SOReference="ext-1", Lines=lines)


def one(order):
    return {"InvoiceID": order.InvoiceID}


def delivery_of(order):
    return one(order) | {"InvoiceHistoryID": order.Histories[0].InvoiceHistoryID}


def version_of(quote):
    return {"QuoteID": quote.QuoteID, "QuoteHistoryID": quote.Histories[0].QuoteHistoryID}


# Orders -----------------------------------------------------------------------------------------------------


async def test_a_line_is_appended_read_changed_and_removed(jiwa, order):
    history = delivery_of(order)
    made = await jiwa.create_sales_order_line(**history, PartNo="PAP-A4-80", QuantityOrdered=3)
    line = history | {"InvoiceLineID": made.InvoiceLineID}
    await jiwa.update_sales_order_line(**line, DiscountedPrice=Decimal("10.5"))

    read = await jiwa.get_sales_order_line(**line)
    before = await jiwa.list_sales_order_lines(**history)
    await jiwa.delete_sales_order_line(**line)
    after = await jiwa.list_sales_order_lines(**history)

    assert ("PAP-A4-80", Decimal(3), Decimal("10.5")) == (
        read.PartNo,
        read.QuantityOrdered,
        read.DiscountedPrice,
    )
    assert (["TON-BK-12", "PAP-A4-80"], ["TON-BK-12"]) == (
        [each.PartNo for each in before],
        [each.PartNo for each in after],
    )
    with pytest.raises(NotFound):
        await jiwa.delete_sales_order_line(**line)


async def test_one_update_changes_a_line_and_appends_another_with_a_note_and_a_payment(jiwa, order):
    first = ChangedLine(InvoiceLineID=order.Lines[0].InvoiceLineID, QuantityOrdered=5)

    changed = await jiwa.update_sales_order(
        **one(order),
        Lines=[first, ChangedLine(PartNo="PAP-A4-80", QuantityOrdered=1)],
        Notes=[ChangedNote(NoteText="x")],
        Payments=[NewPayment(AmountPaid=Decimal("1.5"), PaymentRef="ref-1")],
        append=True,
    )

    assert [("TON-BK-12", Decimal(5)), ("PAP-A4-80", Decimal(1))] == [
        (line.PartNo, line.QuantityOrdered) for line in changed.Lines
    ]
    assert (["x"], ["ref-1"]) == (
        [note.NoteText for note in changed.Notes],
        [payment.PaymentRef for payment in changed.Payments],
    )


async def test_a_note_is_changed_and_deleted(jiwa, order):
    made = await jiwa.create_sales_order_note(**one(order), NoteText="paid")
    note = one(order) | {"NoteID": made.NoteID}
    await jiwa.update_sales_order_note(**note, NoteText="paid twice", RowHash=made.RowHash)

    read = await jiwa.get_sales_order_note(**note)
    await jiwa.delete_sales_order_note(**note)

    assert "paid twice" == read.NoteText
    with pytest.raises(NotFound):
        await jiwa.get_sales_order_note(**note)


async def test_a_note_that_somebody_changed_since_is_not_overwritten(jiwa, order):
    made = await jiwa.create_sales_order_note(**one(order), NoteText="paid")
    note = one(order) | {"NoteID": made.NoteID}
    await jiwa.update_sales_order_note(**note, NoteText="theirs")

    with pytest.raises(Conflict):
        await jiwa.update_sales_order_note(**note, NoteText="ours", RowHash=made.RowHash)


async def test_a_custom_field_is_set_and_read(jiwa, order):
    [known, *_] = await jiwa.list_sales_order_custom_field_values(**one(order))
    field = one(order) | {"SettingID": known.SettingID}
    await jiwa.update_sales_order_custom_field_value(**field, Contents="A")

    assert "A" == (await jiwa.get_sales_order_custom_field_value(**field)).Contents


async def test_deliveries_are_listed_and_read(jiwa, order):
    [listed] = await jiwa.list_sales_order_histories(**one(order))

    read = await jiwa.get_sales_order_history(**delivery_of(order))

    assert listed == read
    assert ["TON-BK-12"] == [line.PartNo for line in read.Lines]


async def test_processing_invoices_an_order_once(jiwa, order):
    processed = await jiwa.process_sales_order(**one(order))

    assert "e_SalesOrderProcessed" == processed.Status
    with pytest.raises(Refused) as failure:
        await jiwa.process_sales_order(**one(order))
    assert (409, False) == (failure.value.status, failure.value.transient)


async def test_an_order_is_deleted(jiwa, order):
    await jiwa.delete_sales_order(**one(order))

    with pytest.raises(NotFound):
        await jiwa.get_sales_order(**one(order))


# Quotes -----------------------------------------------------------------------------------------------------


async def test_a_quote_is_read_back_changed_and_found(jiwa, quote):
    changed = await jiwa.update_sales_quote(
        QuoteID=quote.QuoteID,
        OrderNo="PO-1",
        Lines=[ChangedQuoteLine(QuoteLineID=quote.Lines[0].QuoteLineID, QuantityOrdered=7)],
        Notes=[ChangedNote(NoteText="x")],
        append=True,
    )

    again = await jiwa.get_sales_quote(QuoteID=quote.QuoteID)
    found = await jiwa.query_sales_quotes(QOReference="ext-1")

    assert changed == again
    assert ("PO-1", "ext-1", Decimal(7), ["x"]) == (
        again.OrderNo,
        again.SOReference,
        again.Lines[0].QuantityOrdered,
        [note.NoteText for note in again.Notes],
    )
    assert [(quote.QuoteID, quote.QuoteNo)] == [(row.InvoiceID, row.InvoiceNo) for row in found.Results]


async def test_a_line_of_a_quote_is_appended_read_changed_and_removed(jiwa, quote):
    made = await jiwa.create_sales_quote_line(**version_of(quote), PartNo="PAP-A4-80", QuantityOrdered=3)
    line = version_of(quote) | {"QuoteLineID": made.QuoteLineID}
    await jiwa.update_sales_quote_line(**line, QuantityOrdered=4)

    read = await jiwa.get_sales_quote_line(**line)
    await jiwa.delete_sales_quote_line(**line)

    assert ("PAP-A4-80", Decimal(4)) == (read.PartNo, read.QuantityOrdered)
    with pytest.raises(NotFound):
        await jiwa.get_sales_quote_line(**line)


async def test_a_quote_for_an_unknown_part_is_refused(jiwa):
    with pytest.raises(NotFound, match="NOSUCH"):
        await jiwa.create_sales_quote(
            DebtorAccountNo="1001", Lines=[NewQuoteLine(PartNo="NOSUCH", QuantityOrdered=1)]
        )


# Customers and parts ----------------------------------------------------------------------------------------


async def test_a_customer_and_its_contact_are_changed(jiwa):
    made = await jiwa.create_debtor(
        AccountNo="HOOK-1", Name="Hookline", ContactNames=[NewContactName(FirstName="Ann", Surname="Lee")]
    )
    contact = ChangedContactName(ContactNameID=made.ContactNames[0].ContactNameID, Surname="Moss")
    await jiwa.update_debtor(DebtorID=made.DebtorID, CreditLimit=1000, ContactNames=[contact])

    read = await jiwa.get_debtor(DebtorID=made.DebtorID)

    assert ("Hookline", Decimal(1000), [("Ann", "Moss")]) == (
        read.Name,
        read.CreditLimit,
        [(each.FirstName, each.Surname) for each in read.ContactNames],
    )


async def test_a_customers_key_tells_whose_it_is_and_opens_no_more_than_it_may(
    sandbox, jiwa, clients, open_clients
):
    theirs = await open_clients(clients.jiwa_by_key(sandbox, key=DEBTOR_KEY))

    mine = await theirs.get_api_key_debtor()

    assert "2001" == mine.AccountNo
    with pytest.raises(NotAllowed):
        await theirs.create_debtor(AccountNo="HOOK-1", Name="Hookline")
    with pytest.raises(NotFound):
        await jiwa.get_api_key_debtor()


async def test_a_part_is_created_changed_read_and_found_without_its_picture(jiwa):
    made = await jiwa.create_inventory_item(
        PartNo="HOOK-P", Description="A part", DefaultPrice=Decimal("125.67")
    )
    await jiwa.update_inventory_item(InventoryID=made.InventoryID, Description="Another part")

    read = await jiwa.get_inventory_item(InventoryID=made.InventoryID)
    [row] = (await jiwa.query_inventory_items(PartNo="HOOK-P")).Results
    [whole] = (await jiwa.query_inventory_items(PartNo="HOOK-P", Fields="Picture")).Results

    assert ("HOOK-P", "Another part", Decimal("125.67")) == (read.PartNo, read.Description, read.DefaultPrice)
    assert (made.InventoryID, Decimal("125.67")) == (row.InventoryID, row.SellPrice)
    assert ({}, {"Picture": "AA=="}) == (row.model_extra, whole.model_extra)


async def test_a_part_number_that_is_taken_is_refused(jiwa):
    with pytest.raises(Refused):
        await jiwa.create_inventory_item(PartNo="TON-BK-12", Description="Another")


async def test_an_invoice_is_outstanding_until_it_is_paid(sandbox, jiwa, order):
    await jiwa.process_sales_order(**one(order))
    [before] = (await jiwa.query_debtor_transactions(InvRemitNo=order.InvoiceNo)).Results
    sandbox.jiwa.allocate(order.InvoiceID)

    rows = pages(jiwa.query_debtor_transactions, InvRemitNo=order.InvoiceNo)
    [after] = [row async for row in rows if row.TransID == before.TransID]

    assert (before.Amount, Decimal(0)) == (before.OutstandingAmount, after.OutstandingAmount)
    assert before.Amount > 0


async def test_the_installation_offers_every_route_that_we_call(jiwa):
    offered = {(route.AllowedVerbs, route.Path) for route in await jiwa.list_rest_paths()}

    assert {(each.verb, each.path) for each in operations(JiwaClient).values()} <= offered


# Sessions and drafts ----------------------------------------------------------------------------------------


async def test_a_session_works_as_a_cookie_too(sandbox):
    user = JiwaUser("api", SecretStr("sandbox-jiwa-password"), form="cookie")
    async with JiwaClient(sandbox.jiwa.url, user) as client:
        await client.get_system_info()
        sandbox.jiwa.end_sessions()
        session = await client.get_current_session()

    assert ("api", 2) == (session.UserName, len(sandbox.jiwa.requests(operation="login")))


@pytest.fixture(params=["jiwa_by_key", "jiwa_by_user"])
async def editor(request, sandbox, clients, open_clients):
    """A client that makes drafts, by key and by user."""
    return await open_clients(getattr(clients, request.param)(sandbox))


async def test_nobody_sees_a_draft_before_its_end(jiwa, editor, order):
    async with editor.editing() as draft:
        await draft.update_sales_order(**one(order), SOReference="one")
        await draft.create_sales_order_line(**delivery_of(order), PartNo="PAP-A4-80", QuantityOrdered=1)
        theirs = await jiwa.get_sales_order(**one(order))
        ours = await draft.get_sales_order(**one(order))

    after = await jiwa.get_sales_order(**one(order))

    assert [("", 1), ("one", 2), ("one", 2)] == [
        (each.SOReference, len(each.Lines)) for each in (theirs, ours, after)
    ]


async def test_a_draft_of_all_kinds_is_saved(jiwa, editor, order, quote):
    debtor = {"DebtorID": order.DebtorID}
    async with editor.editing() as draft:
        await draft.update_sales_order(**one(order), SOReference="one")
        await draft.update_sales_quote(QuoteID=quote.QuoteID, SOReference="two")
        await draft.update_debtor(**debtor, Name="Three")
        made = await draft.create_sales_order(DebtorAccountNo="1001", Notes=[NewNote(NoteText="four")])

    assert ("one", "two", "Three", ["four"]) == (
        (await jiwa.get_sales_order(**one(order))).SOReference,
        (await jiwa.get_sales_quote(QuoteID=quote.QuoteID)).SOReference,
        (await jiwa.get_debtor(**debtor)).Name,
        [note.NoteText for note in (await jiwa.get_sales_order(**one(made))).Notes],
    )


async def spoilt(client, order, quote):
    """A draft of an order, a quote and a customer that an exception ends."""
    async with client.editing() as draft:
        await draft.update_sales_order(**one(order), SOReference="spoilt")
        await draft.update_sales_quote(QuoteID=quote.QuoteID, SOReference="spoilt")
        await draft.update_debtor(DebtorID=order.DebtorID, Name="Spoilt")
        raise ValueError("a bug")


async def test_a_draft_that_an_exception_ends_leaves_no_trace(jiwa, editor, order, quote):
    before = await jiwa.get_debtor(DebtorID=order.DebtorID)
    with pytest.raises(ValueError, match="a bug"):
        await spoilt(editor, order, quote)
    async with editor.editing() as draft:
        await draft.update_sales_order(**one(order), OrderNo="PO-78")
        await draft.update_debtor(DebtorID=order.DebtorID, Phone="1")

    after = await jiwa.get_sales_order(**one(order))
    debtor = await jiwa.get_debtor(DebtorID=order.DebtorID)

    assert ("", "PO-78") == (after.SOReference, after.OrderNo)
    assert "ext-1" == (await jiwa.get_sales_quote(QuoteID=quote.QuoteID)).SOReference
    assert (before.Name, "1") == (debtor.Name, debtor.Phone)


async def overtaken(client, jiwa, order):
    """A draft of an order that somebody else changes before it is saved."""
    async with client.editing() as draft:
        await draft.update_sales_order(**one(order), SOReference="ours")
        await jiwa.update_sales_order(**one(order), SOReference="theirs")


async def test_a_draft_does_not_overwrite_what_somebody_else_saved_meanwhile(jiwa, editor, order):
    with pytest.raises(Conflict) as failure:
        await overtaken(editor, jiwa, order)

    assert ("save_sales_order", True) == (failure.value.operation, failure.value.transient)
    assert "theirs" == (await jiwa.get_sales_order(**one(order))).SOReference
