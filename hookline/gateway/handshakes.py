"""Handshakes: a sender's challenge, which is answered at once and makes no delivery."""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from hookline.gateway.request_parsing import Rejection
from hookline.hooks.sources import SIGNATURE, AnswerSignature, Handshake, Source
from hookline.hooks.templates import Template, TemplateError
from hookline.schemes import is_one_of
from hookline.schemes.crypto import encode, octets

NO_PAGE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
"""A reply repeats what a stranger sent: in no browser may it act as a page of ours."""
SIGNABLE = re.compile(r"[A-Za-z0-9_+/.~-]{1,256}={0,2}", re.ASCII)
"""What is signed for a stranger: a token. A body that could have been signed so proves nothing."""
END_OF_SIGNABLE = re.compile(rb"[A-Za-z0-9_+/.~-]{0,256}={0,2}")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e]{0,1000}", re.ASCII)


class NotVerified(Exception):
    """The sender did not authenticate: it holds none of the source's secrets."""


@dataclass(frozen=True)
class Reply:
    """The answer to a handshake."""

    text: str
    status: int
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


def handshake(
    source: Source,
    method: str,
    keys: Mapping[str, Sequence[SecretStr]],
    context: Mapping[str, Any],
    *,
    verified: bool,
) -> Reply | None:
    """
    Return the answer to a handshake; None if the request is no handshake.

    Args:
        source: declares the handshakes; one that needs a token or a secret is off where the source has none.
        method: of the request.
        keys: the source's own by `secret` and `token`; no token proves a delivery.
        context: what templates may use of the request; its body only where `verified`.
        verified: the sender has authenticated; only handshakes that ask for that, or only the others, are tried.

    Raises:
        NotVerified: the handshake's token is none of the source's.
        Rejection: it cannot be answered.
    """
    for each in source.handshakes:
        if (each.method, each.verified) != (method, verified) or not all(
            keys[name] for name in _needed(each)
        ):
            continue
        if not _is_true(each.when, context):
            continue
        try:
            if each.token and not is_one_of(str(each.token.render(context)), keys["token"]):
                raise NotVerified
            return _reply(each, keys, context)
        except TemplateError:
            raise Rejection(400, "The handshake lacks something that its answer needs.") from None
    return None


def is_signed_for_strangers(source: Source, body: bytes) -> bool:
    """Return True if anybody could have had a signature over this body from the answer to a handshake."""
    signs = any(each.sign and each.sign.by == "secret" and not each.verified for each in source.handshakes)
    return signs and END_OF_SIGNABLE.fullmatch(body) is not None


def _needed(each: Handshake) -> set[str]:
    """Return the kinds of keys without which a handshake is off."""
    return ({"token"} if each.token else set()) | ({each.sign.by} if each.sign else set())


def _reply(each: Handshake, keys: Mapping[str, Sequence[SecretStr]], context: Mapping[str, Any]) -> Reply:
    if each.sign:
        key = keys[each.sign.by][0].get_secret_value()
        context = {**context, SIGNATURE: _signature(each.sign, key, context)}
    headers = {name: str(value.render(context)) for name, value in each.headers.items()}
    if not all(HEADER_VALUE.fullmatch(value) for value in headers.values()):
        raise Rejection(400, "The handshake gives a value that no header can carry.")
    return Reply(each.answer(context), each.status, each.content_type, headers)


def _signature(sign: AnswerSignature, key: str, context: Mapping[str, Any]) -> str:
    value = str(sign.value.render(context))
    if not SIGNABLE.fullmatch(value):
        raise Rejection(400, "The handshake asks to sign what is no token: it could be a delivery.")
    return encode(hmac.digest(octets(key), octets(value), sign.algorithm), sign.encoding)


def _is_true(condition: Template, context: Mapping[str, Any]) -> bool:
    try:
        return bool(condition.render(context))
    except TemplateError:
        return False
