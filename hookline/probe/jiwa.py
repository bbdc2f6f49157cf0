"""The probe of Jiwa: first what can be read, then a subscriber that is switched off, and an order with one note."""

from typing import Any, Final

import httpx
from pydantic import SecretStr

from hookline.clients import VendorError
from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.clients.jiwa.webhooks import Header
from hookline.probe.frame import Exchange, Probe, step

NOWHERE: Final = "https://hookline.invalid/hooks/jiwa"
"""An address at which nobody can be (RFC 2606)."""
HEADER: Final = "X-Hookline-Probe"
EVENTS: Final = ("salesorder.created", "salesorder.updated")
NO_ROUTE: Final = (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED)
MANY: Final = 200
"""Rows in which two of a kind are looked for."""


# Reading ----------------------------------------------------------------------------------------------------


@step("session", "Who we are", confirms=("session-shown", "key-session-kept"))
async def session(probe: Probe) -> None:
    """Read the session of the key or user."""
    exchange = await probe.call(JiwaClient.get_current_session)
    if exchange.answer is None:
        probe.fails("session-shown", str(exchange.error))
        return
    probe.holds("session-shown", exchange.answer.APIKey_Type or "a user")
    has_id = bool(exchange.answer.Id.get_secret_value())
    (probe.holds if has_id else probe.fails)("key-session-kept", "an id" if has_id else "no id")


@step("refusal", "What a wrong key is told", confirms=("refusals-worded",))
async def refusal(probe: Probe) -> None:
    """Call once with a key that is none."""
    heard: list[httpx.Response] = []
    address, transport = probe.client.base_url, probe.client.transport
    async with JiwaClient(address, JiwaKey(SecretStr("hookline-probe")), transport=transport) as stranger:
        stranger.heard = heard.append
        try:
            await stranger.get_current_session()
        except VendorError:
            if heard:
                is_empty = not heard[-1].content.strip()
                probe.saw("refusals-worded", "empty" if is_empty else "worded", str(heard[-1].status_code))


@step("routes", "Which routes there are", confirms=("order-deletion", "drafts-exist"))
async def routes(probe: Probe) -> None:
    """Look for the routes that one version has and another has not."""
    exchange = await probe.call(JiwaClient.list_rest_paths)
    verbs: dict[str, str] = {}
    for each in exchange.answer or ():
        path = each.Path.rstrip("/").lower()
        verbs[path] = f"{verbs.get(path, '')} {each.AllowedVerbs or 'GET POST PATCH DELETE'}"
    if not verbs:
        return
    can_delete = "DELETE" in verbs.get("/salesorders/{invoiceid}", "").upper()
    probe.saw("order-deletion", "deleted" if can_delete else "no-route", f"{len(verbs)} paths")
    has_drafts = any(path.endswith("/save") for path in verbs)
    (probe.holds if has_drafts else probe.fails)("drafts-exist")


@step("missing", "Read an order that is not there", confirms=("single-missing",))
async def missing(probe: Probe) -> None:
    """Read an order by an id that none has."""
    exchange = await probe.call(JiwaClient.get_sales_order, InvoiceID="hookline-probe-none")
    is_missing = exchange.status == httpx.codes.NOT_FOUND
    (probe.holds if is_missing else probe.fails)("single-missing", str(exchange.status))


@step("orders", "The newest order in the list", confirms=("saved-times", "total-counted"))
async def orders(probe: Probe) -> None:
    """Read one row of the order list without asking for the total."""
    exchange = await probe.call(JiwaClient.query_sales_orders, Take=1, OrderByDesc="LastSavedDateTime")
    if not (exchange.answer and exchange.answer.Results):
        return
    saved = exchange.answer.Results[0].LastSavedDateTime
    if saved is not None:
        probe.saw("saved-times", "with-zone" if saved.tzinfo else "without-zone")
    probe.saw("total-counted", "always" if exchange.answer.Total else "if-asked", f"{exchange.answer.Total}")


@step("deliveries", "An order with two deliveries", confirms=("row-per-delivery",))
async def deliveries(probe: Probe) -> None:
    """Look for an order that has two rows in the list."""
    exchange = await probe.call(JiwaClient.query_sales_orders, Take=MANY, OrderByDesc="LastSavedDateTime")
    rows = [row.InvoiceID for row in (exchange.answer.Results if exchange.answer else ())]
    if len(rows) > len(set(rows)):
        probe.holds("row-per-delivery", f"{len(rows)} rows of {len(set(rows))} orders")


@step("order", "A list of an order that has no rows", confirms=("empty-lists",))
async def order(probe: Probe) -> None:
    """Read the notes and payments of the newest orders until one has none."""
    found = await probe.call(JiwaClient.query_sales_orders, Take=10, OrderByDesc="LastSavedDateTime")
    for row in found.answer.Results if found.answer else ():
        for operation in (JiwaClient.list_sales_order_notes, JiwaClient.list_sales_order_payments):
            exchange = await probe.call(operation, InvoiceID=row.InvoiceID)
            if exchange.answer == []:
                is_bodiless = exchange.status == httpx.codes.NO_CONTENT
                probe.saw("empty-lists", "no-content" if is_bodiless else "empty", str(exchange.status))
                return


@step("debtors", "Whose customer the key is", confirms=("staff-key-debtor",))
async def key_debtor(probe: Probe) -> None:
    """Read the customer of the key, which a staff member's has not."""
    exchange = await probe.call(JiwaClient.get_api_key_debtor)
    if exchange.status == httpx.codes.NO_CONTENT:
        probe.saw("staff-key-debtor", "no-content", "204")
    elif exchange.status == httpx.codes.NOT_FOUND:
        probe.saw("staff-key-debtor", "not-found", "404")


@step("ledger", "Which side of the ledger is which", confirms=("ledger-sides",))
async def ledger(probe: Probe) -> None:
    """Compare `DebitCredit` with the amounts of the two sides."""
    exchange = await probe.call(JiwaClient.query_debtor_transactions, Take=MANY)
    rows = [row for row in (exchange.answer.Results if exchange.answer else ()) if row.CreditAmountIncTax]
    if rows:
        is_credit = all(row.DebitCredit for row in rows)
        (probe.holds if is_credit else probe.fails)("ledger-sides", f"{len(rows)} credits")


@step("parts", "A part in two warehouses", confirms=("row-per-warehouse",))
async def parts(probe: Probe) -> None:
    """Look for a part that has two rows."""
    exchange = await probe.call(JiwaClient.query_inventory_items, Take=MANY)
    rows = [row.InventoryID for row in (exchange.answer.Results if exchange.answer else ())]
    if len(rows) > len(set(rows)):
        probe.holds("row-per-warehouse", f"{len(rows)} rows of {len(set(rows))} parts")


@step("events", "The events that Jiwa can send", confirms=("webhook-is-document",))
async def events(probe: Probe) -> None:
    """Look for the events of orders."""
    exchange = await probe.call(JiwaClient.list_webhook_events)
    if exchange.answer is None:
        return
    names = {each.Name.lower() for each in exchange.answer}
    has_both = set(EVENTS) <= names
    (probe.holds if has_both else probe.fails)("webhook-is-document", f"{len(names)} events")


# Writing ----------------------------------------------------------------------------------------------------


@step(
    "subscription",
    "Make a subscriber that is switched off, with two subscriptions, and delete them",
    confirms=(
        "created-status",
        "subscription-headers-field",
        "subscription-headers-shown",
        "subscriptions-listed-without-headers",
        "request-headers-replaced",
        "subscriptions-may-repeat",
    ),
    writes=True,
)
async def subscription(probe: Probe) -> None:
    """Look how Jiwa takes, shows and changes the headers of a subscription; nothing is ever sent."""
    made = await probe.call(JiwaClient.create_webhook_subscriber, Name=probe.marker, IsEnabled=False)
    if made.answer is None:
        _tell_if_made(probe, made, "a webhook subscriber")
        return
    probe.saw("created-status", "created" if made.status == httpx.codes.CREATED else "ok", str(made.status))
    subscriber = {"SubscriberID": made.answer.SubscriberID}
    try:
        await _subscriptions(probe, subscriber)
    finally:
        await _undo_subscriber(probe, subscriber)


async def _subscriptions(probe: Probe, subscriber: dict[str, str]) -> None:
    hook = {
        "URL": NOWHERE,
        "EventName": EVENTS[1],
        "RequestHeaders": [Header(Name=HEADER, Value=probe.marker)],
    }
    first = await probe.call(JiwaClient.create_webhook_subscription, **subscriber, **hook)
    if first.answer is None:
        return
    one = subscriber | {"SubscriptionID": first.answer.SubscriptionID}
    _compare_headers(probe, await probe.call(JiwaClient.get_webhook_subscription, **one))
    listed = await probe.call(JiwaClient.list_webhook_subscriptions, **subscriber)
    if listed.answer:
        is_bare = all(row.RequestHeaders is None for row in listed.answer)
        (probe.holds if is_bare else probe.fails)("subscriptions-listed-without-headers")
    replaced = await probe.call(
        JiwaClient.replace_webhook_request_headers,
        **one,
        RequestHeaders=[Header(Name=HEADER, Value=f"{probe.marker}, changed")],
    )
    if replaced.status in NO_ROUTE:
        probe.saw("request-headers-replaced", "missing", str(replaced.status))
    elif replaced.answer and replaced.answer[0].Value.get_secret_value().endswith("changed"):
        probe.saw("request-headers-replaced", "replaced", str(replaced.status))
    again = await probe.call(JiwaClient.create_webhook_subscription, **subscriber, **hook)
    (probe.holds if again.answer else probe.fails)("subscriptions-may-repeat", str(again.status))


def _compare_headers(probe: Probe, read: Exchange) -> None:
    answered: dict[str, Any] = read.json if isinstance(read.json, dict) else {}
    fields = [name for name in ("RequestHeaders", "Headers") if name in answered]
    probe.saw("subscription-headers-shown", "shown" if fields else "hidden")
    holding = [name for name in fields if any(each.get("Name") == HEADER for each in answered[name])]
    if holding:
        probe.saw("subscription-headers-field", holding[0])


async def _undo_subscriber(probe: Probe, subscriber: dict[str, str]) -> None:
    listed = await probe.call(JiwaClient.list_webhook_subscriptions, **subscriber)
    for row in listed.answer or ():
        await probe.call(
            JiwaClient.delete_webhook_subscription, **subscriber, SubscriptionID=row.SubscriptionID
        )
    gone = await probe.call(JiwaClient.delete_webhook_subscriber, **subscriber)
    if gone.error:
        probe.leaves(f"webhook subscriber {probe.marker} ({gone.error})")


@step(
    "order-note",
    "Make an order without lines and one note on it, and delete both",
    confirms=("note-row-hash",),
    writes=True,
    needs=("debtor",),
)
async def order_note(probe: Probe) -> None:
    """Look what a wrong `RowHash` does; the order has no lines, so it is worth nothing."""
    made = await probe.call(
        JiwaClient.create_sales_order, DebtorAccountNo=probe.inputs["debtor"], SOReference=probe.marker
    )
    if made.answer is None:
        _tell_if_made(probe, made, "a sales order without lines")
        return
    invoice = {"InvoiceID": made.answer.InvoiceID}
    try:
        await _note(probe, invoice)
    finally:
        gone = await probe.call(JiwaClient.delete_sales_order, **invoice)
        if gone.error:
            probe.leaves(f"sales order {made.answer.InvoiceNo} without lines, reference {probe.marker}")


def _tell_if_made(probe: Probe, made: Exchange, what: str) -> None:
    """Tell that a write may have been done whose answer has no id by which it could be undone, and end the step."""
    if made.error is not None:
        if made.error.maybe_applied:
            probe.leaves(f"perhaps {what}, {probe.marker}")
        raise made.error


async def _note(probe: Probe, invoice: dict[str, str]) -> None:
    noted = await probe.call(JiwaClient.create_sales_order_note, **invoice, NoteText=probe.marker)
    if noted.answer is None:
        return
    note = invoice | {"NoteID": noted.answer.NoteID}
    changed = await probe.call(
        JiwaClient.update_sales_order_note,
        **note,
        NoteText=f"{probe.marker}, changed",
        RowHash="AAAAAAAAAAA=",
    )
    (probe.holds if changed.error else probe.fails)("note-row-hash", str(changed.status))
    gone = await probe.call(JiwaClient.delete_sales_order_note, **note)
    if gone.error:
        probe.leaves(f"a note on the order with reference {probe.marker}")
