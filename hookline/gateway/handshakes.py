"""Requests that a sender makes to see who we are; they are answered at once and make no delivery."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from hookline.gateway.asked import Asked
from hookline.gateway.reading import Rejection
from hookline.gateway.schemes import is_secret
from hookline.hooks.templates import Template, TemplateError

NO_GUESSING = {"X-Content-Type-Options": "nosniff"}
"""What a stranger makes us repeat, no browser takes for a page."""


class NotProven(Exception):
    """Whoever asks does not hold one of the source's secrets."""


def handshake(asked: Asked, names: Mapping[str, Any], *, verified: bool) -> Response | None:
    """
    The answer to a handshake; None where the request is none.

    Args:
        asked: the request.
        names: what templates may use of it; the body only where `verified`.
        verified: whether the sender has proved itself; a handshake of the other sort is not looked at.

    Raises:
        NotProven: the handshake's token is none of the secrets.
        Rejection: it cannot be answered.
    """
    for each in asked.source.handshakes:
        if (each.method, each.verified) != (asked.method, verified) or not _holds(each.when, names):
            continue
        try:
            if each.token and not is_secret(str(each.token.render(names)), asked.secrets):
                raise NotProven
            reply = each.answer(names)
        except TemplateError:
            raise Rejection(400, "The handshake lacks something that its answer needs.") from None
        return Response(reply, each.status, NO_GUESSING, each.content_type)
    return None


def _holds(condition: Template, names: Mapping[str, Any]) -> bool:
    try:
        return bool(condition.render(names))
    except TemplateError:
        return False
