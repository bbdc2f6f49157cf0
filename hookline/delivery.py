"""
What a flow may ask of its delivery: the request as it was kept.

A flow whose parameter `delivery` is its id reads the body itself, and is not bound by what Prefect takes as
parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from hookline.database import lent
from hookline.errors import HooklineError
from hookline.hooks.bodies import parse
from hookline.inbox.bodies import REMOVED, unseal
from hookline.settings import settings


class NoSuchDelivery(HooklineError):
    """The inbox does not have this delivery, or no longer its body."""


@dataclass(frozen=True)
class Delivery:
    """An accepted request, as it is kept."""

    id: UUID
    source: str
    external_id: str
    content_type: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    raw: bytes
    """The bytes of the body, redacted where the source says so."""

    @cached_property
    def body(self) -> Any:
        """
        What the body says, as templates see it; read when first asked for.

        Raises:
            ValueError: it is not what its content type says.
        """
        return parse(self.content_type, self.raw)


async def read_delivery(delivery: UUID | str) -> Delivery:
    """
    Return a delivery of the inbox.

    Args:
        delivery: its id, such as a flow's parameter `delivery`.

    Raises:
        NoSuchDelivery: it is not there, or its body is no longer kept.
        DatabaseUnavailable: PostgreSQL does not answer.
        ValueError: the body is sealed, and its key is gone.
    """
    current = settings()
    async with lent(current) as connection:
        row = await connection.fetchrow(
            """
            SELECT id, source, external_id, content_type, headers, query, body, altered
            FROM deliveries WHERE id = $1
            """,
            UUID(str(delivery)),
        )
    if row is None:
        raise NoSuchDelivery(f"There is no delivery {delivery} in the inbox.")
    raw = unseal(row, current.body_keys)
    if raw is None:
        raise NoSuchDelivery(f"Delivery {delivery}: {REMOVED}.")
    kept = {name: value for name, value in row.items() if name not in {"body", "altered"}}
    return Delivery(raw=raw, **kept)
