"""
What a request of a proven sender says, and what is kept of it.

Pure: what comes in and goes out can be handed to another process, where work has an end to its time and memory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jinja2 import Environment, nodes
from pydantic import SecretStr

from hookline.gateway import schemes
from hookline.gateway.handshakes import Reply, handshake
from hookline.gateway.request_parsing import Rejection
from hookline.gateway.schemes import SignedRequest
from hookline.hooks.bodies import kind, parse
from hookline.hooks.sources import Source, source_of
from hookline.hooks.templates import Template
from hookline.inbox import bodies

CHEAP_BYTES = 262_144
"""JSON or a form of this size is parsed within a few hundredths of a second, whatever it holds."""
CONTENT_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "xml": "application/xml",
    "any": "anything",
}


@dataclass(frozen=True)
class Given:
    """A request, as another process can be given it."""

    spec: str
    """Of its source."""
    method: str
    content_type: str
    names: Mapping[str, Any]
    """What templates may use of it, but for its body."""
    tokens: Sequence[SecretStr]
    known: Sequence[SecretStr]
    """What must not be kept."""
    signed: SignedRequest
    body_keys: Sequence[SecretStr] = ()


@dataclass(frozen=True)
class Intake:
    """What came of a request: a reply, or something to keep."""

    reply: Reply | None = None
    external_id: str = ""
    body: bytes | None = None
    """As it is kept; None where that is as it came."""
    altered: list[str] = field(default_factory=list)


def greet(given: Given) -> Reply | None:
    """The reply to a handshake of somebody who has proved nothing; raises NotProven or Rejection."""
    return handshake(source_of(given.spec), given.method, given.tokens, given.names, verified=False)


def take_in(given: Given) -> Intake:
    """Read the request of a proven sender; raises NotProven or Rejection."""
    source, body = source_of(given.spec), given.signed.body
    names = {**given.names, "body": _said(source, given)}
    if reply := handshake(source, given.method, given.tokens, names, verified=True):
        return Intake(reply)
    if given.method != "POST":
        raise Rejection(404, "Not Found")
    try:
        kept, altered = bodies.seal(source, given.body_keys, given.content_type, body)
    except ValueError as error:
        raise Rejection(400, str(error)) from None
    external_id = schemes.external_id(source, given.signed, names, given.known)
    return Intake(None, external_id, None if kept is body else kept, altered)


def require_accepted(source: Source, content_type: str) -> None:
    """Raise Rejection where the source does not take content of this type."""
    if not source.takes(content_type):
        wanted = " or ".join(CONTENT_TYPES[kind] for kind in source.accept)
        raise Rejection(415, f"Send {wanted}, not {content_type.partition(';')[0] or 'nothing'}.")


def is_cheap(given: Given) -> bool:
    """Return True if reading the request takes no longer than its length says, and that is short."""
    return (
        len(given.signed.body) <= CHEAP_BYTES
        and kind(given.content_type) != "xml"
        and not source_of(given.spec).redact
        and is_plain(given.spec)
    )


@cache
def is_plain(spec: str) -> bool:
    """Return True if the templates of a source only look values up and compare them."""
    return all(_only_looks_up(template) for template in _templates(source_of(spec)))


def _said(source: Source, given: Given) -> Any:
    """What the body says; raises Rejection where it says nothing that we read."""
    if given.method != "POST":
        return None
    if kind(given.content_type) == "other" and not any("body" in each.uses for each in _templates(source)):
        return None  # whatever it is, nobody looks at it here
    try:
        return parse(given.content_type, given.signed.body)
    except ValueError as error:
        if "any" in source.accept:
            return None  # it is kept as bytes, whatever it calls itself
        raise Rejection(400, str(error)) from None


def _templates(source: Source) -> list[Template]:
    of_handshakes = [each for one in source.handshakes for each in (one.when, one.token, one.reply) if each]
    return [*of_handshakes, *([source.id] if isinstance(source.id, Template) else [])]


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
    nodes.Pair,
    nodes.Output,
)


def _only_looks_up(template: Template) -> bool:
    tree = Environment(autoescape=True).parse(
        "{{ " + template.text + " }}" if template.is_condition else template.text
    )
    return all(isinstance(each, _PLAIN) for each in tree.find_all(nodes.Node))
