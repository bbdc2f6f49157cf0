"""Jifeline's feed of events, each with a ULID: a number that grows with time, so that a reader can go on from it."""

import re
import secrets
from datetime import datetime

from hookline.simulators.jifeline.tickets import written
from hookline.simulators.records import Document

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID = re.compile(rf"[0-7][{CROCKFORD}]{{25}}")
RANDOM_BITS, BITS_A_LETTER, LETTERS = 80, 5, 26


class Feed:
    """The events, oldest first."""

    def __init__(self) -> None:
        self.events: list[Document] = []
        self._last = 0

    def emit(self, kind: str, ticket: Document, customer: Document, at: datetime) -> None:
        """Append an event about a ticket."""
        number = ticket["ticket_number"]
        payload = {
            "customer": {"id": customer["id"], "name": customer["company_name"]},
            "ticket": {"id": ticket["id"], "number": number, "ticket_number": number},
            "parent_ticket": None,
        }
        kind = f"tickets.ticket.{kind}"  # fact: event-types
        event = {"id": self._next_id(at), "type": kind, "occurred_at": written(at), "payload": payload}
        self.events.append(event)

    def _next_id(self, at: datetime) -> str:
        """Return a ULID above all before it, also within one millisecond."""
        milliseconds = int(at.timestamp() * 1000)
        drawn = (milliseconds << RANDOM_BITS) | secrets.randbits(RANDOM_BITS)
        self._last = max(drawn, self._last + 1)
        shifts = reversed(range(0, LETTERS * BITS_A_LETTER, BITS_A_LETTER))
        return "".join(CROCKFORD[(self._last >> shift) % len(CROCKFORD)] for shift in shifts)


def ulid(raw: str) -> str:
    """Read an event's id, in whatever case."""
    if not ULID.fullmatch(raw.upper()):
        raise ValueError("must be the id of an event")
    return raw.upper()
