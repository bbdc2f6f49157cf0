"""
The bodies of deliveries: redacted and sealed before they are kept, opened where they are shown or worked on.

What was done to one stands in its delivery's `altered`: `redacted`, `encrypted`, and `removed` once its time
was over. A delivery without `encrypted` is read as it is, whatever keys there are.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
from pydantic import SecretStr

from hookline.database.types import Row

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

    from hookline.hooks import Source

NO_KEY = "the body is sealed with a key that is not among HOOKLINE_BODY_KEYS; put the key back, then start this again"
REMOVED = "the body is no longer kept"


def keep(
    source: "Source", keys: Sequence[SecretStr], content_type: str, body: bytes
) -> tuple[bytes, list[str]]:
    """
    What is put on disk of a body, and what was done to it.

    Args:
        source: says what is redacted.
        keys: `HOOKLINE_BODY_KEYS`; the first seals, none: nothing is sealed.
        content_type: of the request.
        body: as it came.

    Raises:
        ValueError: the source wants it redacted, and that cannot be done; in words.
    """
    altered = []
    if source.redact:
        redacted = source.redacted(content_type, body)
        if redacted != body:
            body = redacted
            altered.append("redacted")
    if keys:
        body = _fernet(keys).encrypt(body)
        altered.append("encrypted")
    return body, altered


def opened(delivery: Row, keys: Sequence[SecretStr]) -> bytes | None:
    """
    The body of a row with `body` and `altered`; None where its time is over.

    Raises:
        ValueError: none of the keys opens it.
    """
    body: bytes | None = delivery["body"]
    if body is None or "encrypted" not in delivery["altered"]:
        return body
    from cryptography.fernet import InvalidToken

    with suppress(InvalidToken):
        if keys:
            return _fernet(keys).decrypt(body)
    raise ValueError(NO_KEY)


async def read(
    database: asyncpg.Pool, delivery_ids: Sequence[UUID], keys: Sequence[SecretStr]
) -> dict[UUID, bytes | None]:
    """The bodies of deliveries by their ids; None where there is none to show: `absence` says why."""
    rows = await database.fetch("SELECT id, body, altered FROM deliveries WHERE id = ANY($1)", delivery_ids)
    return {row["id"]: _opened_or_none(row, keys) for row in rows}


def absence(altered: Sequence[str]) -> str:
    """Why `read` gave None for a delivery, in words."""
    return REMOVED if "removed" in altered else NO_KEY


def as_json(body: bytes | None) -> Any:
    """A body as JSON can hold it: the value it stands for, or its text."""
    if body is None:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


def _opened_or_none(delivery: Row, keys: Sequence[SecretStr]) -> bytes | None:
    with suppress(ValueError):
        return opened(delivery, keys)
    return None


def _fernet(keys: Sequence[SecretStr]) -> "MultiFernet":
    from cryptography.fernet import Fernet, MultiFernet  # 50 ms that those without keys do not wait for

    return MultiFernet([Fernet(key.get_secret_value()) for key in keys])
