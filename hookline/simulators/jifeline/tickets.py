"""
States of a Jifeline ticket, from the day it is made to the day it is closed or cancelled.

The fields that a state adds are from the vendor notes, section 2.4; the order of the states and the product
lines of a closed ticket are assumed.
"""

import secrets
import string
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hookline.simulators.records import Document, names

STATES = ("prepared", "pending", "in_progress", "outsourced", "closed", "cancelled")
ENDED = ("closed", "cancelled")

OUR_PROVIDER = "5b0f7c1e-64a2-4d0b-9a43-0c7c3f1f2a10"
OPERATOR = "8d1f4b76-2f5c-4c11-b1d8-7a0e5c9b6f21"

VOUCHER = string.ascii_uppercase + string.digits
UNSET = names("""
    assigned_at connection_id customer_connector_id customer_reference external_reference operator_reference
    preparer_external_reference vehicle_model_id vin
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
        "source_provider_id": OUR_PROVIDER,
        "voucher_code": "".join(secrets.choice(VOUCHER) for _ in range(6)),
        **dict.fromkeys(UNSET),
        **inputs,
    }


def submit(ticket: Document, connector_id: str | None) -> None:
    """Let the workshop connect the vehicle: the ticket is pending and has a channel to the workshop."""
    ticket |= {"state": "pending", "connection_id": new_id(), "customer_channel_id": new_id()}
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


def close(ticket: Document, at: datetime, lines: Sequence[Document]) -> None:
    """Close a ticket; stages that were skipped are gone through at once."""
    if ticket["state"] == "prepared":
        submit(ticket, None)
    if ticket["state"] == "pending":
        begin(ticket, at)
    ticket |= {"state": "closed", "finished_at": written(at), "vehicle_battery_voltage": "12v"}
    ticket["product_lines"] = list(lines)


def cancel(ticket: Document, at: datetime, reason: int) -> None:
    """Cancel a ticket that nobody began in time; no operator, for it is cancelled automatically."""
    ticket |= {"state": "cancelled", "finished_at": written(at), "cancel_reason_id": reason}
    ticket["operator_id"] = None


def product_line(product: Document, quantity: float = 1, **price: float | None) -> Document:
    """Return a service done on a ticket; at the product's price unless another is given, which may be none."""
    shared = {name: product[name] for name in ("name", "price")}
    return {"id": new_id(), "product_id": product["id"], "quantity": quantity} | shared | price


def new_id() -> str:
    """Draw a fresh identifier."""
    return str(uuid.uuid4())


def written(at: datetime) -> str:
    """Return a time as the vendor writes it: UTC, whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
