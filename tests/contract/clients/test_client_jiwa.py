"""Jiwa's operations against its simulator."""

from decimal import Decimal

import pytest

from hookline.clients import InvalidInput, NotAuthenticated, NotFound, Refused, pages
from hookline.clients.jiwa.models import CustomField, NewLine, NewNote


async def new_order(jiwa, **more):
    lines = [NewLine(PartNo="LIC-PRO", QuantityOrdered=Decimal(2))]
    return await jiwa.create_sales_order(DebtorAccountNo="1001", Lines=lines, **more)


@pytest.fixture
async def order(sandbox, jiwa):
    return await new_order(jiwa, OrderNo="PO-77", SOReference="ext-0001")


async def test_an_order_is_read_back_as_it_was_created(jiwa, order):
    again = await jiwa.get_sales_order(InvoiceID=order.InvoiceID)

    assert ("PO-77", "ext-0001") == (again.OrderNo, again.SOReference)
    assert Decimal(2) == again.Lines[0].QuantityOrdered


async def test_an_unknown_order_is_not_found(jiwa):
    with pytest.raises(NotFound) as failure:
        await jiwa.get_sales_order(InvoiceID="nosuchorder")

    assert ("get_sales_order", False) == (failure.value.operation, failure.value.transient)


async def test_an_update_changes_only_what_is_given(jiwa, order):
    changed = await jiwa.update_sales_order(InvoiceID=order.InvoiceID, SOReference="ext-0002")

    assert ("PO-77", "ext-0002") == (changed.OrderNo, changed.SOReference)


async def test_a_note_is_added_and_listed(jiwa, order):
    await jiwa.create_sales_order_note(InvoiceID=order.InvoiceID, NoteText="paid")

    notes = await jiwa.list_sales_order_notes(InvoiceID=order.InvoiceID)

    assert ["paid"] == [note.NoteText for note in notes]


async def test_an_order_without_notes_has_an_empty_list(jiwa, order):
    assert [] == await jiwa.list_sales_order_notes(InvoiceID=order.InvoiceID)


async def test_a_payment_is_added_and_listed(jiwa, order):
    history = order.Histories[0].InvoiceHistoryID
    await jiwa.create_sales_order_payment(
        InvoiceID=order.InvoiceID, InvoiceHistoryID=history, AmountPaid=Decimal("12.34"), PaymentRef="ref-1"
    )

    payments = await jiwa.list_sales_order_payments(InvoiceID=order.InvoiceID)

    assert [("ref-1", Decimal("12.34"))] == [(each.PaymentRef, each.AmountPaid) for each in payments]


async def test_custom_fields_are_listed(jiwa, order):
    values = await jiwa.list_sales_order_custom_field_values(InvoiceID=order.InvoiceID)
    known = [each.SettingID for each in values][:1]
    await jiwa.update_sales_order(
        InvoiceID=order.InvoiceID,
        CustomFieldValues=[CustomField(SettingID=each, Contents="x") for each in known] or None,
    )

    after = await jiwa.list_sales_order_custom_field_values(InvoiceID=order.InvoiceID)

    assert ["x"] * len(known) == [each.Contents for each in after if each.SettingID in known]


async def test_an_order_is_found_by_its_number(jiwa, order):
    await new_order(jiwa, OrderNo="PO-78")

    found = await jiwa.query_sales_orders(OrderNo="PO-77", Include="Total")

    assert ({order.InvoiceID}, 1) == ({row.InvoiceID for row in found.Results}, found.Total)


async def test_an_order_is_found_by_a_filter_of_the_vendor(jiwa, order):
    found = await jiwa.query_sales_orders(where={"OrderNoStartsWith": "PO-7"})

    assert [order.InvoiceID] == [row.InvoiceID for row in found.Results]


async def test_a_misspelt_filter_is_refused_because_the_vendor_would_return_everything(jiwa):
    with pytest.raises(InvalidInput, match="OrderNumber"):
        await jiwa.query_sales_orders(where={"OrderNumber": "PO-77"})


async def test_paging_returns_every_order_once(jiwa, monkeypatch):
    monkeypatch.setattr(jiwa.query_sales_orders.operation.input, "page_size", 3)
    made = {(await new_order(jiwa, OrderNo=f"PO-{number}")).InvoiceID for number in range(7)}

    listed = [row.InvoiceID async for row in pages(jiwa.query_sales_orders, AccountNo="1001")]

    assert sorted(made) == sorted(listed)


async def test_debtors_are_created_read_and_found(jiwa):
    made = await jiwa.create_debtor(AccountNo="HOOK-1", Name="Hookline")

    read = await jiwa.get_debtor(DebtorID=made.DebtorID)
    found = await jiwa.query_debtors(AccountNo="HOOK-1")

    assert ("HOOK-1", [made.DebtorID]) == (read.AccountNo, [row.DebtorID for row in found.Results])


async def test_a_debtor_number_taken_is_refused(jiwa):
    await jiwa.create_debtor(AccountNo="HOOK-1", Name="Hookline")

    with pytest.raises(Refused):
        await jiwa.create_debtor(AccountNo="HOOK-1", Name="Another")


async def test_an_order_for_nobody_is_not_sent(sandbox, jiwa):
    with pytest.raises(InvalidInput, match="DebtorID"):
        await jiwa.create_sales_order(Notes=[NewNote(NoteText="x")])

    assert [] == sandbox.jiwa.requests()


async def test_webhooks_are_set_up_and_taken_down(jiwa):
    events = [event.Name for event in await jiwa.list_webhook_events()]
    subscriber = await jiwa.create_webhook_subscriber(Name="hookline")
    one = {"SubscriberID": subscriber.SubscriberID}
    subscription = await jiwa.create_webhook_subscription(
        **one, URL="http://127.0.0.1:9/hooks/jiwa", EventName=events[0]
    )
    both = one | {"SubscriptionID": subscription.SubscriptionID}
    await jiwa.update_webhook_subscriber(**one, Name="Hookline")
    await jiwa.update_webhook_subscription(**both, URL="http://127.0.0.1:9/hooks/jiwa2")

    read = await jiwa.get_webhook_subscription(**both)
    listed = await jiwa.list_webhook_subscriptions(**one)
    subscribers = await jiwa.list_webhook_subscribers()
    messages = await jiwa.list_webhook_messages(**one)
    await jiwa.delete_webhook_subscription(**both)
    await jiwa.delete_webhook_subscriber(**one)

    assert "http://127.0.0.1:9/hooks/jiwa2" == read.URL
    assert [subscription.SubscriptionID] == [each.SubscriptionID for each in listed]
    assert ["Hookline"] == [each.Name for each in subscribers.Results]
    assert [] == messages.Results
    with pytest.raises(NotFound):
        await jiwa.get_webhook_subscriber(**one)


async def test_a_wrong_key_is_not_let_in_however_often_a_right_one_was_used(
    sandbox, jiwa, clients, open_clients
):
    await jiwa.get_system_info()
    wrong = await open_clients(clients.jiwa_by_key(sandbox, key="wrong-key"))

    with pytest.raises(NotAuthenticated):
        await wrong.get_system_info()


async def test_cookies_of_the_vendor_are_not_kept(sandbox, jiwa):
    await jiwa.get_system_info()
    sandbox.jiwa.end_sessions()
    await jiwa.get_system_info()

    assert 0 == len(jiwa._http.cookies.jar)


async def test_logging_out_ends_the_session_for_all(sandbox, clients, open_clients):
    client = await open_clients(clients.jiwa_by_user(sandbox))
    await client.keep_alive()
    gone = await client.logout()
    await client.get_system_info()

    assert ("api", 2) == (gone.Username, len(sandbox.jiwa.requests(operation="login")))
