"""The probe of a Jifeline account: paths, filters and product lines, which the reference only lets us expect."""

import re
from datetime import UTC, datetime
from typing import Any, Final

from hookline.clients import Operation
from hookline.clients.jifeline import JifelineClient
from hookline.probe.frame import Exchange, Probe, step

ROWS: Final = 25
NOBODY: Final = "00000000-0000-4000-8000-000000000000"

CLOSED_TICKET: Final = {
    "id",
    "created_at",
    "customer_id",
    "ticket_number",
    "vehicle_model_id",
    "vin",
    "finished_at",
    "externally_processed",
    "external_reference",
    "operator_id",
    "vehicle_battery_voltage",
    "connection_id",
}
"""The fields of a closed ticket in the reference."""

LISTS: Final[tuple[Operation[..., Any], ...]] = (
    JifelineClient.list_prepared_tickets,
    JifelineClient.list_in_progress_tickets,
    JifelineClient.list_outsourced_tickets,
    JifelineClient.list_cancelled_tickets,
    JifelineClient.list_locations,
    JifelineClient.list_employees,
    JifelineClient.list_contact_points,
    JifelineClient.list_connectors,
    JifelineClient.list_products,
    JifelineClient.list_vehicle_models,
    JifelineClient.list_vehicle_makes,
    JifelineClient.list_openobd_sessions,
)
"""Lists whose paths are read out of the names of the reference's pages."""

FRACTION, OFFSET = re.compile(r"T[\d:]+\.\d"), re.compile(r"[+-]\d\d:?\d\d$")


@step("customers", "Read customers, and one by its id", confirms=("customers-path", "customer-reference"))
async def customers(probe: Probe) -> None:
    """See where customers are, and if they have references."""
    listed = await probe.call(JifelineClient.list_customers, limit=ROWS)
    if listed.answer is None:
        probe.fails("customers-path", _message(listed))
        return
    found = listed.answer.result
    if not found:
        return
    one = await probe.call(JifelineClient.get_customer, id=found[0].id)
    (probe.fails if one.answer is None else probe.holds)("customers-path", _message(one))
    if not any(customer.reference for customer in found):
        probe.fails("customer-reference", f"none of {len(found)} customers has one")


@step(
    "closed-tickets",
    "Read closed tickets, all and those closed just now",
    confirms=("closed-tickets-filters", "times", "unset-fields"),
)
async def closed_tickets(probe: Probe) -> None:
    """See if the filters are applied, and how times and unset fields are written."""
    listed = await probe.call(JifelineClient.list_closed_tickets, limit=ROWS)
    rows = _rows(listed)
    if not rows:
        return
    written = str(rows[0].get("finished_at"))
    probe.saw("times", _way_of(written), re.sub(r"\d", "9", written))
    if any(CLOSED_TICKET - row.keys() for row in rows):
        probe.saw("unset-fields", "absent")
    elif any(value is None for row in rows for value in row.values()):
        probe.saw("unset-fields", "null")
    recent = await probe.call(JifelineClient.list_closed_tickets, finished_after=datetime.now(UTC), limit=1)
    if recent.answer is not None:
        probe.saw(
            "closed-tickets-filters",
            "ignored" if recent.answer.result else "filtered",
            f"{recent.answer.Total} of {listed.answer.Total} were closed after now",
        )


@step(
    "product-lines",
    "Read the product lines of a closed ticket, and of all",
    confirms=("product-lines-path", "product-lines-filter", "line-prices"),
)
async def product_lines(probe: Probe) -> None:
    """See where product lines are, if they are filtered, and what they hold."""
    closed = await probe.call(JifelineClient.list_closed_tickets, limit=1)
    every = await probe.call(JifelineClient.list_product_lines, limit=ROWS)
    if every.answer is None:
        probe.fails("product-lines-path", _message(every))
        return
    probe.holds("product-lines-path", _message(every))
    lines = every.answer.result
    if lines:
        priced = all(line.unit_gross_price and line.gross_price for line in lines)
        (probe.holds if priced else probe.fails)("line-prices", ", ".join(_rows(every)[0]))
    if closed.answer is None or not closed.answer.result:
        return
    ticket = closed.answer.result[0].id
    theirs = await probe.call(JifelineClient.list_product_lines, ticket_id=ticket, limit=ROWS)
    if theirs.answer is None or {line.ticket_id for line in lines} <= {ticket}:
        return  # refused; or nothing else is there that could be left out
    others = any(line.ticket_id != ticket for line in theirs.answer.result)
    probe.saw("product-lines-filter", "ignored" if others else "filtered", f"{theirs.answer.Total} lines")


@step("lists", "Read one row of each other list", confirms=("other-paths", "pending-tickets", "vehicles"))
async def lists(probe: Probe) -> None:
    """See which lists are where their pages let us expect them."""
    gone = [each.name for each in LISTS if (await probe.call(each, limit=1)).answer is None]
    (probe.fails if gone else probe.holds)("other-paths", ", ".join(gone) or f"{len(LISTS)} lists")
    for fact, operation in (
        ("pending-tickets", JifelineClient.list_pending_tickets),
        ("vehicles", JifelineClient.list_vehicles),
    ):
        exchange = await probe.call(operation, limit=1)
        (probe.fails if exchange.answer is None else probe.holds)(fact, _message(exchange))


@step("ticket-filters", "Count tickets with and without filters", confirms=("ticket-filters",))
async def ticket_filters(probe: Probe) -> None:
    """See which filters of all tickets are applied."""

    async def count(**filters: Any) -> int | None:
        exchange = await probe.call(JifelineClient.list_tickets, limit=1, **filters)
        return exchange.answer.Total if exchange.answer is not None else None

    if not (total := await count()):
        return
    processed, waiting = await count(externally_processed=True), await count(externally_processed=False)
    ignored = {
        "customer_id": await count(customer_id=NOBODY) != 0,
        "ticket_number": await count(ticket_number=0) != 0,
        "externally_processed": None in (processed, waiting) or (processed or 0) + (waiting or 0) != total,
        "state": await count(state="cancelled") == total and await count(state="closed") == total,
    }
    names = [name for name, is_ignored in ignored.items() if is_ignored]
    (probe.fails if names else probe.holds)("ticket-filters", ", ".join(names) or f"{total} tickets")


@step("refusal", "Ask for what cannot be", confirms=("refusal-rows",))
async def refusal(probe: Probe) -> None:
    """See how a request is refused."""
    exchange = await probe.call(JifelineClient.list_channel_messages, channel_id="hookline-probe")
    if exchange.status == 400 and isinstance(exchange.json, dict):  # noqa: PLR2004
        variant = "rows" if isinstance(exchange.json.get("errors"), list) else "detail"
        probe.saw("refusal-rows", variant, str(exchange.json.get("detail", "")))


@step(
    "mark",
    "Set our reference on a cancelled ticket, and set it back",
    confirms=("mark-path", "mark-answer"),
    writes=True,
)
async def mark(probe: Probe) -> None:
    """See how a mark is made and answered; on a cancelled ticket, which nobody bills."""
    cancelled = await probe.call(JifelineClient.list_cancelled_tickets, limit=1)
    if cancelled.answer is None or not cancelled.answer.result:
        return
    ticket = cancelled.answer.result[0]
    try:
        made = await probe.call(
            JifelineClient.mark_ticket_processed, id=ticket.id, external_reference=probe.marker
        )
        if made.answer is None:
            probe.fails("mark-path", _message(made))
            return
        probe.saw("mark-answer", _kind_of(made), _message(made))
        read = await probe.call(JifelineClient.get_ticket, id=ticket.id)
        if read.answer is not None and read.answer.external_reference == probe.marker:
            probe.holds("mark-path", _message(made))
        elif not made.answer.unfinished:
            probe.fails("mark-path", "it was answered, and the ticket has not changed")
    finally:
        await _set_back(probe, ticket.id, ticket.external_reference)


async def _set_back(probe: Probe, ticket: str, reference: str) -> None:
    await probe.call(JifelineClient.mark_ticket_processed, id=ticket, external_reference=reference)
    read = await probe.call(JifelineClient.get_ticket, id=ticket)
    if read.answer is None or read.answer.external_reference == probe.marker:
        probe.leaves(f"the external reference of the cancelled ticket {ticket}, which was {reference!r}")


def _kind_of(made: Exchange) -> str:
    kinds = {202: "accepted", 204: "empty", 303: "see-other"}
    return kinds.get(made.status or 0, "record" if made.text.strip() else "empty")


def _way_of(written: str) -> str:
    if FRACTION.search(written):
        return "fraction"
    return "offset" if OFFSET.search(written) else "utc"


def _rows(exchange: Exchange) -> list[dict[str, Any]]:
    return exchange.json["result"] if exchange.answer is not None else []


def _message(exchange: Exchange) -> str:
    return f"HTTP {exchange.status}" if exchange.error is None else str(exchange.error)
