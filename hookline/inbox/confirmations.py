"""Requests of senders that a person must allow: an address of theirs is visited, which confirms ours."""

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from pydantic import SecretStr

from hookline import text
from hookline.errors import HooklineError
from hookline.hooks.sources import Confirmation
from hookline.hooks.templates import TemplateError
from hookline.inbox import bodies
from hookline.inbox.deliveries import template_context
from hookline.schemes.fields import read_body, text_at

DAYS = 7
MAX_DELIVERIES = 500
"""The deliveries of a source that are looked at, the latest first."""


@dataclass(frozen=True)
class Visit:
    """A delivery that asks for a visit to an address."""

    delivery_id: UUID
    received_at: datetime
    address: str


async def asked(
    database: asyncpg.Pool, source: str, confirmation: Confirmation, keys: list[SecretStr]
) -> list[Visit]:
    """
    Return the deliveries of the last days that ask for a visit, the latest first; one for each address.

    Raises:
        HooklineError: the body of one cannot be read.
    """
    rows = await database.fetch(
        """
        SELECT id, source, external_id, method, query, headers, received_at, envelope, changed FROM deliveries
        WHERE source = $1 AND changed IS NULL   -- no sender asked with a copy
          AND received_at > now() - make_interval(days => $2) ORDER BY seq DESC LIMIT $3
        """,
        source,
        DAYS,
        MAX_DELIVERIES,
    )
    found: dict[str, Visit] = {}
    for row in rows:
        if not _asks(confirmation, row):
            continue
        address = text_at(read_body("", await _body(database, row["id"], keys)), confirmation.field) or ""
        if is_allowed(address, confirmation.hosts):
            found.setdefault(address, Visit(row["id"], row["received_at"], address))
    return list(found.values())


async def note(
    database: asyncpg.Pool,
    source: str,
    visit: Visit,
    became: str,
    *,
    actor: str,
    why: str,
    was: str | None = None,
) -> None:
    """
    Write down in the audit trail of the delivery that a person lets an address be visited, or what came of it.

    No state changes by that, so that no trigger does so. The address's parameters are in the delivery alone: they hold
    the sender's token.
    """
    parts = urlsplit(visit.address)
    address = f"{parts.scheme}://{parts.netloc}{parts.path}{'?…' if parts.query else ''}"
    await database.execute(
        """
        INSERT INTO changes (subject, delivery_id, source, was, became, actor, reason)
        VALUES ('source', $1, $2, $3, $4, $5, $6)
        """,
        visit.delivery_id,
        source,
        was,
        became,
        actor,
        text.reason(f"{address}: {why}"),
    )


async def _body(database: asyncpg.Pool, delivery_id: UUID, keys: list[SecretStr]) -> bytes:
    """Return one body: all those of a source could be more than there is memory."""
    row = await database.fetchrow("SELECT body, altered FROM deliveries WHERE id = $1", delivery_id)
    try:
        return (row and bodies.unseal(row, keys)) or b""
    except ValueError as error:
        raise HooklineError(f"Delivery {str(delivery_id)[:8]} may ask for a visit, but {error}.") from None


def is_allowed(address: str, hosts: tuple[str, ...]) -> bool:
    """Return True for an address of https at one of the hosts, `*` for letters, digits and dashes."""
    try:
        parts = urlsplit(address)
        has_port = parts.port is not None
    except ValueError:
        return False
    name = parts.hostname or ""
    at_host = any(re.fullmatch("[a-z0-9-]+".join(map(re.escape, host.split("*"))), name) for host in hosts)
    return parts.scheme == "https" and at_host and not has_port and "@" not in parts.netloc


def _asks(confirmation: Confirmation, row: asyncpg.Record) -> bool:
    try:
        return bool(confirmation.when.render(template_context(row, None)))
    except TemplateError:
        return False
