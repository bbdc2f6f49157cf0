"""
Copies: a delivery that a person replays with another body or other parameters, beside the one that came.

A copy is a delivery of its own that names what it was made of. That one is never changed; both say in their trails who
did it and what was changed. The id of a copy is one that no sender can send: it is no repeat, and nothing that comes
later is a repeat of it. Templates see the sender's id in its place, so that a key made of it stays the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import SecretStr

from hookline import text
from hookline.database.types import Connection, Row
from hookline.errors import HooklineError
from hookline.hooks.sources import Source
from hookline.inbox import bodies
from hookline.inbox.audit import acting
from hookline.inbox.deliveries import CHANNEL, COPY, Arrival, sender_id

OF_OLD_BYTES = {"content-length", "content-encoding", "transfer-encoding"}
"""Headers that say how the bytes came, which is untrue of others."""
_COLUMNS = """
    id, source, external_id, received_at, method, query, headers, content_type, body, altered, fingerprint, envelope,
    changed, state"""


@dataclass(frozen=True)
class Change:
    """A person's change of a delivery."""

    body: bytes | None = None
    """Another body; None: as it is."""
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Parameters of the flow in place of the route's, by route and name."""
    route: str | None = None
    """The only route, whatever its condition says."""

    def __str__(self) -> str:
        """Name what was changed, without its values."""
        parts = [] if self.body is None else ["another body"]
        parts += [
            f"other parameters of {route}: {', '.join(names)}" for route, names in self.parameters.items()
        ]
        return " and ".join(parts) + (f", only for {self.route}" if self.route else "")


@dataclass(frozen=True)
class Copy:
    """A copy that is to be stored."""

    id: UUID
    original_id: UUID
    change: Change
    row: Mapping[str, Any]
    """As it is stored."""
    content: bytes
    """The body, decrypted."""

    @property
    def unsealed(self) -> dict[str, Any]:
        """The row with its body as it is read."""
        altered = [each for each in self.row["altered"] if each != "encrypted"]
        return {**self.row, "body": self.content, "altered": altered}


def external_id(of_sender: str, copy_id: UUID) -> str:
    """Return the id of a copy."""
    return f"{of_sender}{COPY}{copy_id}"


async def original(database: asyncpg.Pool, delivery_id: UUID) -> asyncpg.Record:
    """Return what may be copied; raises HooklineError where it is not there."""
    row = await database.fetchrow(f"SELECT {_COLUMNS} FROM deliveries WHERE id = $1", delivery_id)  # noqa: S608
    if row is None:
        raise HooklineError(f"There is no delivery {delivery_id} (any more).")
    return row


def copied(
    original: Row, copy_id: UUID, change: Change, source: Source | None, keys: Sequence[SecretStr]
) -> Copy:
    """
    Return a copy of a delivery with a change.

    Args:
        original: as `original` returns it; a copy of a copy has the changes of both.
        copy_id: its id, chosen before, so that asked for twice it is made once.
        change: what is other in it.
        source: as `hooks.yaml` has it; None where it no longer does.
        keys: encrypt its body, as they do for a delivery.

    Raises:
        HooklineError: nothing is changed, or the body cannot be stored as the source asks; says why.
    """
    if change.body is None and not any(change.parameters.values()):
        raise HooklineError(
            "Nothing is changed. Replay it as it is, or give another body or other parameters."
        )
    before = original["changed"] or {}
    of_before = before.get("parameters", {})
    parameters = {
        route: {**of_before.get(route, {}), **change.parameters.get(route, {})}
        for route in (*of_before, *(each for each in change.parameters if each not in of_before))
    }
    row = {
        **dict(original.items()),
        "id": copy_id,
        "external_id": external_id(sender_id(original), copy_id),
        "changed": {
            "body": change.body is not None or before.get("body", False),
            "parameters": parameters,
            "route": change.route,
        },
        "only_route": change.route,
    }
    if change.body is None:
        return Copy(copy_id, original["id"], change, row, _content(original, keys))
    return Copy(
        copy_id, original["id"], change, row | _with_body(original, change.body, source, keys), change.body
    )


async def store(connection: Connection, copy: Copy, *, actor: str, reason: str = "") -> bool:
    """
    Store a copy, and wake the engines; a paused source holds it.

    Returns:
        False if this very copy is there already.

    Raises:
        HooklineError: what was to be copied is gone, or another delivery has the copy's id.
    """
    why = f"{copy.change}: {reason}" if reason else str(copy.change)
    async with acting(connection, actor, why):
        exists = "SELECT FROM deliveries WHERE id = $1 FOR KEY SHARE"
        if not await connection.fetch(exists, copy.original_id):
            raise HooklineError(f"There is no delivery {copy.original_id} any more. Nothing was stored.")
        if await connection.fetchval(_INSERT, *_values(copy)):
            await connection.execute("SELECT pg_notify($1, '')", CHANNEL)
            return True
        there = await connection.fetchrow(_THERE, copy.id)
        if there is None or tuple(there) != (copy.original_id, copy.row["fingerprint"], copy.row["changed"]):
            raise HooklineError("Another delivery has the id of this copy. Nothing was stored; begin again.")
    return False


def of_item(item: Arrival, bundle_id: UUID) -> Arrival:
    """Return an item of a copied bundle as a copy: it is no repeat of an item that came."""
    return replace(
        item, external_id=external_id(item.external_id, bundle_id), within=None, changed={"body": True}
    )


async def changed_items(database: asyncpg.Pool, items: Sequence[Arrival]) -> list[Arrival]:
    """Return those items of a copied bundle that did not come with this body, each as the copy of the one that came."""
    rows = await database.fetch(
        "SELECT external_id, id, fingerprint FROM deliveries WHERE source = $1 AND external_id = ANY($2)",
        items[0].source,
        [_of_sender(item.external_id) for item in items],
    )
    came = {row["external_id"]: row for row in rows}
    changed = []
    for item in items:
        first = came.get(_of_sender(item.external_id))
        if first is None:
            changed.append(item)
        elif first["fingerprint"] not in item.fingerprints:
            changed.append(replace(item, copy_of=first["id"]))
    return changed


def _of_sender(identifier: str) -> str:
    return identifier.rpartition(COPY)[0]


_STORED = (
    "id", "source", "external_id", "method", "query", "headers", "content_type", "body", "altered", "fingerprint",
    "envelope", "changed", "only_route",
)  # fmt: skip

_INSERT = """
    WITH paused AS (SELECT FROM pauses WHERE source = $2 FOR SHARE)   -- a resume waits, or is waited for
    INSERT INTO deliveries (id, source, external_id, method, query, headers, content_type, body, altered, fingerprint,
                            envelope, changed, only_route, copy_of, state)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
            CASE WHEN EXISTS (SELECT FROM paused) THEN 'held' ELSE 'received' END)
    ON CONFLICT DO NOTHING RETURNING id"""

# An encrypted body differs each time, its fingerprint does not.
_THERE = "SELECT copy_of, fingerprint, changed FROM deliveries WHERE id = $1"


def _values(copy: Copy) -> list[Any]:
    return [*(copy.row[column] for column in _STORED), copy.original_id]


def _with_body(
    original: Row, body: bytes, source: Source | None, keys: Sequence[SecretStr]
) -> dict[str, Any]:
    """Return the columns of a row that follow from another body."""
    try:
        stored = (
            bodies.sealed(keys, body)
            if source is None
            else bodies.seal(source, keys, original["content_type"], body)
        )
    except ValueError as error:
        raise HooklineError(f"The body cannot be stored: {text.one_line(error)}") from None
    headers = {name: value for name, value in original["headers"].items() if name.lower() not in OF_OLD_BYTES}
    sealed = {"body": stored.body, "altered": stored.altered, "fingerprint": stored.fingerprints[0]}
    return {"headers": headers, **sealed}


def _content(original: Row, keys: Sequence[SecretStr]) -> bytes:
    try:
        body = bodies.unseal(original, keys)
    except ValueError as error:
        raise HooklineError(f"The delivery cannot be copied as it is: {error}.") from None
    if body is None:
        raise HooklineError(f"The delivery cannot be copied as it is: {bodies.REMOVED}; give another.")
    return body
