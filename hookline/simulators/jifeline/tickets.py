"""
States of a Jifeline ticket, from the day it is made to the day it is closed or cancelled.

A ticket is stored with the fields of all its states; what a call answers of it are the fields that the vendor
publishes for that call.
"""  # fact: ticket-states

import secrets
import string
import uuid
from datetime import UTC, datetime
from typing import Any

from hookline.simulators.records import Document, names

STATES = ("prepared", "pending", "in_progress", "outsourced", "closed", "cancelled")
ENDED = ("closed", "cancelled")

FIELDS = names("""
    id assigned_at cancel_reason_id connection_id created_at customer_channel_id customer_connector_id customer_id
    customer_reference external_reference externally_processed finished_at operator_channel_id operator_id
    operator_reference outsourced preparer_external_reference source_provider_id state ticket_number vehicle_model_id
    vin voucher_code
""")
"""Of a ticket that is read by its id or listed among all."""  # fact: preparer-reference-stays

_SHARED = names("id created_at customer_id ticket_number vehicle_model_id vin")
_ENDED = names(
    "finished_at externally_processed external_reference operator_id vehicle_battery_voltage connection_id"
)
FIELDS_IN = {
    "prepared": (*_SHARED, *names("voucher_code preparer_external_reference")),
    "pending": (*_SHARED, *names("voucher_code connection_id")),
    "in_progress": (
        *_SHARED,
        *names("service_started_at operator_id outsourced voucher_code connection_id"),
    ),
    "outsourced": (
        *_SHARED,
        *names("outsource_provider_id outsource_ticket_id reclaimable voucher_code connection_id"),
    ),
    "closed": (*_SHARED, *_ENDED),
    "cancelled": (*_SHARED, *_ENDED, "cancel_reason_id"),
}
"""Of a ticket in the list of its state, which does not say the state."""  # fact: pending-tickets

OUR_PROVIDER = "5b0f7c1e-64a2-4d0b-9a43-0c7c3f1f2a10"
OPERATOR = "8d1f4b76-2f5c-4c11-b1d8-7a0e5c9b6f21"

VOUCHER = string.ascii_uppercase + string.digits
UNSET = names("""
    assigned_at cancel_reason_id connection_id customer_channel_id customer_connector_id customer_reference
    external_reference finished_at operator_channel_id operator_id operator_reference preparer_external_reference
    vehicle_battery_voltage vehicle_model_id vin
""")


def prepared(number: int, customer_id: str, at: datetime, **inputs: Any) -> Document:
    """Return a ticket that waits for the workshop to pick it up."""
    return {
        "id": new_id(),
        "ticket_number": number,
        "state": "prepared",
        "created_at": written(at),
        "customer_id": customer_id,
        "externally_processed": False,
        "outsourced": False,
        "source_provider_id": OUR_PROVIDER,
        "voucher_code": "".join(secrets.choice(VOUCHER) for _ in range(6)),
        **dict.fromkeys(UNSET),
        **inputs,
    }


def submit(ticket: Document, connector_id: str | None) -> None:
    """Let the workshop connect the vehicle: the ticket is pending and has a channel to the workshop, of its own id."""
    ticket |= {"state": "pending", "connection_id": new_id(), "customer_channel_id": ticket["id"]}
    ticket["customer_connector_id"] = connector_id


def begin(ticket: Document, at: datetime) -> None:
    """Let an operator of ours begin."""
    start = written(at)
    ticket |= {"state": "in_progress", "assigned_at": start, "service_started_at": start, "outsourced": False}
    ticket |= {"operator_id": OPERATOR, "operator_channel_id": new_id()}


def outsource(ticket: Document, provider_id: str) -> None:
    """Give the ticket to another provider, who has not begun."""
    ticket |= {"state": "outsourced", "outsourced": True, "reclaimable": True}
    ticket |= {"outsource_provider_id": provider_id, "outsource_ticket_id": new_id()}


def close(ticket: Document, at: datetime) -> None:
    """Close a ticket; stages that were skipped are gone through at once."""
    if ticket["state"] == "prepared":
        submit(ticket, None)
    if ticket["state"] == "pending":
        begin(ticket, at)
    ticket |= {"state": "closed", "finished_at": written(at), "vehicle_battery_voltage": "12v"}


def cancel(ticket: Document, at: datetime, reason: int) -> None:
    """Cancel a ticket that nobody began in time; no operator, for it is cancelled automatically."""
    ticket |= {"state": "cancelled", "finished_at": written(at), "cancel_reason_id": reason}
    ticket |= {"operator_id": None, "vehicle_battery_voltage": None}


def product_line(ticket: Document, product: Document, quantity: int, price: float) -> Document:
    """Return a service done on a ticket; provider and customer have the same currency."""
    return {
        "product_id": product["id"],
        "ticket_id": ticket["id"],
        "quantity": quantity,
        "unit_gross_price": money(price),
        "gross_price": money(round(price * quantity, 2)),
        "order_debtor_monetary_discount": 0,
        "order_debtor_percentual_discount": 0,
    }


def money(amount: float) -> Document:
    """Return an amount as the vendor writes it."""
    return {"amount": amount, "currency": "EUR", "customer_amount": amount, "customer_currency": "EUR"}


def new_id() -> str:
    """Draw a fresh identifier."""
    return str(uuid.uuid4())


def written(at: datetime) -> str:
    """Return a time as the vendor writes it: UTC, whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
