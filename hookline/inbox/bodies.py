"""
The bodies of deliveries: redacted and encrypted before they are stored, decrypted where they are read.

A delivery's `altered` says what was done to its body: `redacted`, `encrypted`, and `removed` once it was too old.
A body without `encrypted` is read as it is, whatever keys there are.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import asyncpg
from pydantic import SecretStr

from hookline.database.types import Row

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

    from hookline.hooks import Source

NO_KEY = "the body is encrypted with a key that is not in HOOKLINE_BODY_KEYS; put the key back, then start this again"
REMOVED = "the body is no longer stored"


class Sealed(NamedTuple):
    """A body as it is stored."""

    body: bytes
    altered: list[str]
    """What was done to it."""
    fingerprints: tuple[bytes, ...]
    """Of the body before it was encrypted, by each of the keys and by none: repeats of the same content share one."""


def seal(source: "Source", keys: Sequence[SecretStr], content_type: str, body: bytes) -> Sealed:
    """
    Redact and encrypt a body as its source and the settings ask for it.

    Args:
        source: says what is redacted.
        keys: `HOOKLINE_BODY_KEYS`; the first encrypts; none: the body is stored as it is.
        content_type: of the request.
        body: as it was sent.

    Raises:
        ValueError: the body must be redacted, and cannot be; says why.
    """
    redacted = source.redacted(content_type, body) if source.redact else body
    written_as = source.reading.written_as(content_type).encode(errors="replace")
    says = written_as + redacted if written_as else None
    return sealed(keys, redacted, ["redacted"] if redacted != body else [], says=says)


def sealed(
    keys: Sequence[SecretStr], body: bytes, altered: Sequence[str] = (), *, says: bytes | None = None
) -> Sealed:
    """
    Return a body as it is stored, encrypted if there is a key.

    Args:
        keys: `HOOKLINE_BODY_KEYS`.
        body: what is stored.
        altered: what was done to it before.
        says: what another body must say to be the same, where the same can be written in several ways.
    """
    compared = body if says is None else says
    # The first is stored: by a key, so that nobody who has only the database can confirm a guess of the body.
    by_keys = [hmac.digest(key.get_secret_value().encode(), compared, "sha256") for key in keys]
    fingerprints = (*by_keys, hashlib.sha256(compared).digest())
    if not keys:
        return Sealed(body, [*altered], fingerprints)
    return Sealed(_fernet(keys).encrypt(body), [*altered, "encrypted"], fingerprints)


def unseal(delivery: Row, keys: Sequence[SecretStr]) -> bytes | None:
    """
    Decrypt the body of a row with `body` and `altered`; return None if it is no longer stored.

    Raises:
        ValueError: none of the keys decrypts it.
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
    """Return the bodies of deliveries by their ids; None where one cannot be read: `absence` says why."""
    rows = await database.fetch("SELECT id, body, altered FROM deliveries WHERE id = ANY($1)", delivery_ids)
    return {row["id"]: _unsealed_or_none(row, keys) for row in rows}


def absence(altered: Sequence[str]) -> str:
    """Return why `read` has no body for a delivery, for people."""
    return REMOVED if "removed" in altered else NO_KEY


def as_json(body: bytes | None) -> Any:
    """Return a body as JSON can hold it: its value if it is JSON, else its text."""
    if body is None:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


def _unsealed_or_none(delivery: Row, keys: Sequence[SecretStr]) -> bytes | None:
    with suppress(ValueError):
        return unseal(delivery, keys)
    return None


def _fernet(keys: Sequence[SecretStr]) -> "MultiFernet":
    from cryptography.fernet import Fernet, MultiFernet  # 50 ms that those without keys do not wait for

    return MultiFernet([Fernet(key.get_secret_value()) for key in keys])
