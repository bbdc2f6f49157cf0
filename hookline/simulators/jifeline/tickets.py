"""
What becomes of a Jifeline ticket, from the day it is made to the day it is closed or cancelled.

The fields that a state adds are from the vendor notes, section 2.4; the order of the states and the product
lines of a closed ticket are assumed.
"""

import secrets
import string
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]

STATES = ("prepared", "pending", "in_progress", "outsourced", "closed", "cancelled")
ENDED = ("closed", "cancelled")

OUR_PROVIDER = "5b0f7c1e-64a2-4d0b-9a43-0c7c3f1f2a10"
OPERATOR = "8d1f4b76-2f5c-4c11-b1d8-7a0e5c9b6f21"

VOUCHER = string.ascii_uppercase + string.digits


def prepared(
    number: int, customer_id: str, at: datetime, *, key: str | None = None, **given: Any
) -> Document:
    """A ticket that waits for the workshop to pick it up."""
    return {
        "id": key or new_id(),
        "ticket_number": number,
        "state": "prepared",
        "created_at": written(at),
        "assigned_at": None,
        "connection_id": None,
        "customer_id": customer_id,
        "customer_connector_id": None,
        "customer_reference": None,
        "external_reference": None,
        "externally_processed": False,
        "operator_reference": None,
        "preparer_external_reference": None,
        "source_provider_id": OUR_PROVIDER,
        "vehicle_model_id": None,
        "vin": None,
        "voucher_code": "".join(secrets.choice(VOUCHER) for _ in range(6)),
    } | given


def submit(ticket: Document, connector_id: str | None) -> None:
    """The workshop connects the vehicle: the ticket is pending and has a channel to the workshop."""
    ticket |= {
        "state": "pending",
        "connection_id": new_id(),
        "customer_connector_id": connector_id,
        "customer_channel_id": new_id(),
    }


def take_up(ticket: Document, at: datetime) -> None:
    """An operator of ours begins."""
    ticket |= {
        "state": "in_progress",
        "assigned_at": written(at),
        "service_started_at": written(at),
        "operator_id": OPERATOR,
        "operator_channel_id": new_id(),
        "outsourced": False,
    }


def outsource(ticket: Document, provider_id: str) -> None:
    """Another provider gets the ticket, and has not begun."""
    ticket |= {
        "state": "outsourced",
        "outsourced": True,
        "outsource_provider_id": provider_id,
        "outsource_ticket_id": new_id(),
        "reclaimable": True,
    }


def close(ticket: Document, at: datetime, lines: Sequence[Document]) -> None:
    """The work is done; stages that were skipped are gone through at once."""
    if ticket["state"] == "prepared":
        submit(ticket, None)
    if ticket["state"] == "pending":
        take_up(ticket, at)
    ticket |= {
        "state": "closed",
        "finished_at": written(at),
        "vehicle_battery_voltage": "12v",
        "product_lines": list(lines),
    }


def cancel(ticket: Document, at: datetime, reason: int) -> None:
    """Nobody took the ticket up in time; no operator, for it is cancelled automatically."""
    ticket |= {
        "state": "cancelled",
        "finished_at": written(at),
        "cancel_reason_id": reason,
        "operator_id": None,
    }


def product_line(product: Document, quantity: float = 1, **price: float | None) -> Document:
    """A service done on a ticket; at the product's price unless another is given, which may be none."""
    return {
        "id": new_id(),
        "product_id": product["id"],
        "name": product["name"],
        "quantity": quantity,
        "price": product["price"],
    } | price


def new_id() -> str:
    """A fresh identifier."""
    return str(uuid.uuid4())


def written(at: datetime) -> str:
    """A time as the vendor writes it: UTC, whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
