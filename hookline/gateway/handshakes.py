"""Requests that a sender makes to see who we are; they are answered at once and make no delivery."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from hookline.gateway.request_parsing import Rejection
from hookline.hooks.sources import Source
from hookline.hooks.templates import Template, TemplateError
from hookline.schemes import is_one_of

NO_GUESSING = {"X-Content-Type-Options": "nosniff"}
"""What a stranger makes us repeat, no browser takes for a page."""


class NotProven(Exception):
    """Whoever asks does not hold one of the source's secrets."""


@dataclass(frozen=True)
class Reply:
    """What a handshake is answered."""

    text: str
    status: int
    content_type: str


def handshake(
    source: Source, method: str, tokens: Sequence[SecretStr], names: Mapping[str, Any], *, verified: bool
) -> Reply | None:
    """
    The answer to a handshake; None where the request is none.

    Args:
        source: whose handshakes are looked at; one with a token is off where the source has no token.
        method: of the request.
        tokens: the tokens of the source, none of which proves a delivery.
        names: what templates may use of the request; the body only where `verified`.
        verified: whether the sender has proved itself; a handshake of the other sort is not looked at.

    Raises:
        NotProven: the handshake's token is none of the source's.
        Rejection: it cannot be answered.
    """
    for each in source.handshakes:
        if (each.method, each.verified) != (method, verified) or (each.token and not tokens):
            continue
        if not _holds(each.when, names):
            continue
        try:
            if each.token and not is_one_of(str(each.token.render(names)), tokens):
                raise NotProven
            return Reply(each.answer(names), each.status, each.content_type)
        except TemplateError:
            raise Rejection(400, "The handshake lacks something that its answer needs.") from None
    return None


def _holds(condition: Template, names: Mapping[str, Any]) -> bool:
    try:
        return bool(condition.render(names))
    except TemplateError:
        return False
