"""Jifeline's feed of events, each with a ULID: a number that grows with time, so that a reader can go on from it."""

import re
import secrets
from datetime import datetime
from typing import Any

from hookline.simulators.jifeline.tickets import written

Document = dict[str, Any]

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID = re.compile(rf"[0-7][{CROCKFORD}]{{25}}")

RANDOM_BITS = 80
BITS_A_LETTER = 5
LETTERS = 26


class Feed:
    """What happened, oldest first."""

    def __init__(self) -> None:
        self.events: list[Document] = []
        self._last = 0

    def tell(self, kind: str, ticket: Document, customer: Document, at: datetime) -> None:
        """Append an event about a ticket; of the kinds only `tickets.ticket.created` is documented."""
        self.events.append(
            {
                "id": self._next_id(at),
                "type": f"tickets.ticket.{kind}",
                "occurred_at": written(at),
                "payload": {
                    "customer": {"id": customer["id"], "name": customer["name"]},
                    "ticket": {
                        "id": ticket["id"],
                        "number": ticket["ticket_number"],
                        "ticket_number": ticket["ticket_number"],
                    },
                    "parent_ticket": None,
                },
            }
        )

    def _next_id(self, at: datetime) -> str:
        """A ULID above all before it, also within one millisecond."""
        milliseconds = int(at.timestamp() * 1000)
        drawn = (milliseconds << RANDOM_BITS) | secrets.randbits(RANDOM_BITS)
        self._last = max(drawn, self._last + 1)
        return "".join(
            CROCKFORD[(self._last >> BITS_A_LETTER * place) % len(CROCKFORD)]
            for place in reversed(range(LETTERS))
        )


def ulid(given: str) -> str:
    """Reads an event's id: exactly as it was told, in whatever case."""
    if not ULID.fullmatch(given.upper()):
        raise ValueError("must be the id of an event")
    return given.upper()
