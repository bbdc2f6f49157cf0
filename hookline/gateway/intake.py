"""
Reading of a request: its body is parsed, redacted and sealed, and its deduplication key found.

Pure: what comes in and goes out can be handed to a confined process, where time and memory are limited.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jinja2 import Environment, nodes
from pydantic import SecretStr

from hookline.gateway.handshakes import NotVerified, Reply, handshake, is_signed_for_strangers
from hookline.gateway.incoming import IncomingRequest
from hookline.gateway.request_parsing import RETRY_AFTER, Rejection
from hookline.hooks.ids import external_id
from hookline.hooks.sources import Source, source_of
from hookline.hooks.templates import Template
from hookline.inbox import bodies
from hookline.inbox.deliveries import Arrival
from hookline.schemes import SignedRequest

SLOW = "The body took too long to read; send it again."
CHEAP_BYTES = 262_144
"""Bytes of JSON or a form that are parsed within a few hundredths of a second, whatever they hold."""


@dataclass(frozen=True)
class RequestData:
    """A request as plain data, which another process can be given."""

    spec: str
    """Of its source."""
    method: str
    content_type: str
    context: Mapping[str, Any]
    """The values that templates may use of it, but for its body."""
    keys: Mapping[str, Sequence[SecretStr]]
    """The `secret` and the `token` values that the source holds, the newest first."""
    confidential: Sequence[SecretStr]
    """The values that must not be stored."""
    signed: SignedRequest
    body_keys: Sequence[SecretStr] = ()


@dataclass(frozen=True)
class Intake:
    """The result of reading a request: a reply, or a delivery to store."""

    reply: Reply | None = None
    external_id: str = ""
    body: bytes | None = None
    """As it is stored; None where that is as it came."""
    altered: list[str] = field(default_factory=list)
    fingerprints: Sequence[bytes] = ()


def request_data(incoming: IncomingRequest, body: bytes, body_keys: Sequence[SecretStr]) -> RequestData:
    """Return a request as plain data."""
    return RequestData(
        spec=incoming.source.spec,
        method=incoming.method,
        content_type=incoming.content_type,
        context=incoming.context,
        keys={"secret": incoming.secrets, "token": incoming.tokens},
        confidential=incoming.confidential,
        signed=incoming.signed(body),
        body_keys=body_keys,
    )


def arrival_of(incoming: IncomingRequest, body: bytes, intake: Intake) -> Arrival:
    """Return a request that was read as it is to be stored."""
    return Arrival(
        source=incoming.name,
        external_id=intake.external_id,
        method=incoming.method,
        query=incoming.stored.query,
        headers=incoming.stored.headers,
        content_type=incoming.masked(incoming.content_type),
        body=body if intake.body is None else intake.body,
        altered=intake.altered,
        fingerprints=intake.fingerprints,
        within=incoming.source.repeats.window,
    )


def reply_unverified(request: RequestData) -> Reply | None:
    """Return the reply to a handshake that needs no verified sender; raises NotVerified or Rejection."""
    return handshake(source_of(request.spec), request.method, request.keys, request.context, verified=False)


def read_request(request: RequestData) -> Intake:
    """
    Read the request of a verified sender; raises NotVerified or Rejection.

    A body that cannot be parsed is a delivery all the same: the engine rejects it where people see it, and it can be
    replayed.
    """
    source = source_of(request.spec)
    context = {**request.context, "body": _parsed(source, request)}
    if reply := handshake(source, request.method, request.keys, context, verified=True):
        return Intake(reply)
    if request.method != "POST":
        raise Rejection(404, "Not Found")
    return _delivery(source, request, context)


def unread(request: RequestData, *, slow: bool) -> Intake:
    """
    Return the delivery of a request that is too costly to read.

    Args:
        request: of a verified sender.
        slow: it took too long, which may be for all else that the machine does: its sender may send it again.

    Raises:
        Rejection: it must be redacted, or has its id in its body: a repeat that is read would not be known as one.
    """
    source = source_of(request.spec)
    has_id_within = isinstance(source.id, Template) and source.split is None
    if source.redact or has_id_within or request.method != "POST":
        if slow:
            raise Rejection(503, SLOW, {"Retry-After": RETRY_AFTER}, is_listed=True)
        raise Rejection(413, "The body is too costly to read.")
    return _delivery(source, request, None)


def _delivery(source: Source, request: RequestData, context: Mapping[str, Any] | None) -> Intake:
    body = request.signed.body
    if is_signed_for_strangers(source, body):
        raise NotVerified
    try:
        stored = bodies.seal(source, request.body_keys, request.content_type, body)
    except ValueError as error:
        raise Rejection(400, str(error)) from None
    key = external_id(source, request.signed, context, request.confidential)
    changed = None if stored.body is body else stored.body
    return Intake(None, key, changed, stored.altered, stored.fingerprints)


def is_cheap(request: RequestData) -> bool:
    """Return True if reading the request is sure to be quick: it is short, and nothing in it can multiply the work."""
    return (
        len(request.signed.body) <= CHEAP_BYTES
        and source_of(request.spec).reading.kind_of(request.content_type) != "xml"
        and not source_of(request.spec).redact
        and is_plain(request.spec)
    )


@cache
def is_plain(spec: str) -> bool:
    """Return True if the templates of a source only look values up and compare them."""
    return all(_is_plain_lookup(template) for template in _templates(source_of(spec)))


def _parsed(source: Source, request: RequestData) -> Any:
    """Return the parsed body; None where it cannot be parsed, or no template reads it."""
    if request.method != "POST":
        return None
    if source.reading.kind_of(request.content_type) == "other" and not any(
        "body" in each.variables for each in _templates(source)
    ):
        return None
    with suppress(ValueError):
        return source.reading.parse(request.content_type, request.signed.body)
    return None


def _templates(source: Source) -> list[Template]:
    of_handshakes = [each for one in source.handshakes for each in one.templates]
    of_requests = [source.id] if isinstance(source.id, Template) and source.split is None else []
    return [*of_handshakes, *of_requests]


_PLAIN = (
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Const,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Test,
    nodes.Dict,
    nodes.List,
    nodes.Pair,
    nodes.Output,
)


def _is_plain_lookup(template: Template) -> bool:
    tree = Environment(autoescape=True).parse(
        "{{ " + template.text + " }}" if template.is_condition else template.text
    )
    return all(isinstance(each, _PLAIN) for each in tree.find_all(nodes.Node))
