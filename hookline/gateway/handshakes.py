"""Handshakes: a sender's challenge, which is answered at once and makes no delivery."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from hookline.gateway.request_parsing import Rejection
from hookline.hooks.sources import Source
from hookline.hooks.templates import Template, TemplateError
from hookline.schemes import is_one_of

NO_SNIFFING = {"X-Content-Type-Options": "nosniff"}
"""A reply repeats what a stranger sent: no browser may take it for a page."""


class NotVerified(Exception):
    """The sender did not authenticate: it holds none of the source's secrets."""


@dataclass(frozen=True)
class Reply:
    """The answer to a handshake."""

    text: str
    status: int
    content_type: str


def handshake(
    source: Source, method: str, tokens: Sequence[SecretStr], context: Mapping[str, Any], *, verified: bool
) -> Reply | None:
    """
    Return the answer to a handshake; None if the request is no handshake.

    Args:
        source: declares the handshakes; one with a token is off where the source has no token.
        method: of the request.
        tokens: the tokens of the source, none of which proves a delivery.
        context: what templates may use of the request; its body only where `verified`.
        verified: the sender has authenticated; only handshakes that ask for that, or only the others, are tried.

    Raises:
        NotVerified: the handshake's token is none of the source's.
        Rejection: it cannot be answered.
    """
    for each in source.handshakes:
        if (each.method, each.verified) != (method, verified) or (each.token and not tokens):
            continue
        if not _is_true(each.when, context):
            continue
        try:
            if each.token and not is_one_of(str(each.token.render(context)), tokens):
                raise NotVerified
            return Reply(each.answer(context), each.status, each.content_type)
        except TemplateError:
            raise Rejection(400, "The handshake lacks something that its answer needs.") from None
    return None


def _is_true(condition: Template, context: Mapping[str, Any]) -> bool:
    try:
        return bool(condition.render(context))
    except TemplateError:
        return False
