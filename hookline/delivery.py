"""
Access to a delivery from a flow: the request as it was stored.

A flow whose parameter `delivery` is the delivery's id reads the body itself, and is not bound by the size of
parameters that Prefect accepts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from hookline.database import lent
from hookline.errors import HooklineError
from hookline.hooks import hooks_in_force
from hookline.hooks.bodies import AS_NAMED, Part, Reading, parts_of
from hookline.inbox.bodies import REMOVED, unseal
from hookline.inbox.deliveries import sender_id
from hookline.rehearsal import doors
from hookline.settings import settings


class NoSuchDelivery(HooklineError):
    """The inbox does not have this delivery, or its body no longer."""


@dataclass(frozen=True)
class Delivery:
    """An accepted request, as it is stored."""

    id: UUID
    source: str
    external_id: str
    """The sender's id; of a copy, that of what was copied."""
    content_type: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    envelope: Mapping[str, Any] | None
    """Of an item of a bundle, the plain values around it."""
    is_copy: bool
    """A person copied another delivery, with a change."""
    copy_of: UUID | None
    """The delivery that was copied, while the inbox has it."""
    raw: bytes
    """The bytes of the body, redacted where the source says so."""

    @cached_property
    def body(self) -> Any:
        """
        The parsed body, as templates see it; parsed when first asked for.

        Raises:
            ValueError: it cannot be read as `hooks.yaml` says.
        """
        return self._reading.parse(self.content_type, self.raw)

    def files(self) -> list[Part]:
        """
        Return the files of a form that was sent with some, each with its `name`, `filename` and `content`.

        Raises:
            ValueError: it is no such form.
        """
        return [part for part in parts_of(self.content_type, self.raw) if part.filename is not None]

    @property
    def _reading(self) -> Reading:
        if self.envelope is not None:
            return AS_NAMED
        current = settings()
        source = hooks_in_force(current.hooks, current.home, note=False).sources.get(self.source)
        return AS_NAMED if source is None else source.reading


async def read_delivery(delivery: UUID | str) -> Delivery:
    """
    Return a delivery of the inbox.

    Args:
        delivery: its id, such as a flow's parameter `delivery`.

    Raises:
        NoSuchDelivery: it is not there, or its body is no longer stored.
        DatabaseUnavailable: PostgreSQL does not answer.
        ValueError: the body is sealed, and its key is gone.
    """
    current = settings()
    rehearsal = doors.current()
    async with lent(rehearsal.recorded if rehearsal else current) as connection:
        row = await connection.fetchrow(
            """
            SELECT id, source, external_id, content_type, headers, query, envelope, body, altered, copy_of, changed
            FROM deliveries WHERE id = $1
            """,
            UUID(str(delivery)),
        )
    if row is None:
        raise NoSuchDelivery(f"There is no delivery {delivery} in the inbox.")
    raw = unseal(row, current.body_keys)
    if raw is None:
        raise NoSuchDelivery(f"Delivery {delivery}: {REMOVED}.")
    fields = {name: value for name, value in row.items() if name not in {"body", "altered", "changed"}}
    own = {"external_id": sender_id(row), "is_copy": row["changed"] is not None}
    return Delivery(raw=raw, **(fields | own))
