"""
Which routes take a delivery, and with what: all that is done with a body before a flow has it.

It runs in a confined process (`hookline.confined`): a stranger decides what it costs. What goes there and comes back
is plain data.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.protocols import Validator
from pydantic import SecretStr
from referencing import Registry

from hookline.hooks.bodies import parse
from hookline.hooks.config import Route, route_of
from hookline.hooks.limits import bounded, bounded_key, shortened
from hookline.hooks.sources import Source, source_of
from hookline.hooks.templates import TemplateError
from hookline.inbox.bodies import unseal
from hookline.text import one_line

MAX_MESSAGE = 200
MAX_REFUSED = 20
"""Parameters that are told of, where Prefect's schema refuses many."""


@dataclass(frozen=True)
class Candidate:
    """A route that may take the delivery, and the deployment that it leads to."""

    route: str
    spec: str
    schema: str | None = None
    """The JSON Schema, as text, by which Prefect's server judges the parameters; None: not known here."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """The deployment's own parameters."""
    filled: Mapping[str, Any] = field(default_factory=dict)
    """Parameters that the route does not set, and the engine does."""


@dataclass(frozen=True)
class Incoming:
    """A delivery as it is kept."""

    content_type: str
    body: bytes | None
    altered: Sequence[str]
    context: Mapping[str, Any]
    """What templates may use of it beside its body."""
    source: str | None = None
    """The source's `spec`; None where `hooks.yaml` no longer has it."""
    only_route: str | None = None
    """The route that a person replayed it to, whatever its condition says."""


@dataclass(frozen=True)
class Match:
    """A route that takes the delivery."""

    route: str
    parameters: dict[str, Any]
    key: str | None
    refused: dict[str, str]
    """The parameters that Prefect's schema refuses as they are, and why."""


def match_routes(
    delivery: Incoming, candidates: Sequence[Candidate], body_keys: Sequence[SecretStr]
) -> list[Match]:
    """
    Read a delivery's body and render the parameters and keys of the routes that take it.

    Raises:
        ValueError: it cannot be routed; names the place.
    """
    body = unseal({"body": delivery.body, "altered": delivery.altered}, body_keys) or b""
    parsed = parse(delivery.content_type, body)
    if delivery.source is not None:
        _require_fit(source_of(delivery.source), parsed)
    context = {**delivery.context, "body": parsed}
    matches = []
    for candidate in candidates:
        route = route_of(candidate.route, candidate.spec)
        if _takes(route, delivery, context):
            matches.append(_match(candidate, route, context))
    return matches


def bounded_and_judged(
    candidate: Candidate, parameters: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """
    Return parameters as they can be kept, and those of them that Prefect's schema refuses, each with the reason.

    Raises:
        ValueError: one cannot be kept; names the place.
    """
    kept = bounded(parameters)
    return kept, _refused(candidate, kept)


def _require_fit(source: Source, body: Any) -> None:
    """Raise ValueError where the body does not fit the schema that its source asks for."""
    if source.schema_ is None:
        return
    try:
        error = best_match(source.schema_.iter_errors(body))
    except RecursionError:
        raise ValueError("the schema leads deeper into the body than can be followed") from None
    if error is not None:
        raise ValueError(f"does not fit the schema at {one_line(error.json_path, 100)}: {_message(error)}")


def _takes(route: Route, delivery: Incoming, context: Mapping[str, Any]) -> bool:
    if delivery.only_route:
        return route.name == delivery.only_route
    try:
        return route.accepts(context)
    except TemplateError as error:
        raise TemplateError(f"routes.{route.name}.when: {error}") from None


def _match(candidate: Candidate, route: Route, context: Mapping[str, Any]) -> Match:
    try:
        rendered = {**candidate.filled, **route.render_parameters(context)}
        parameters, refused = bounded_and_judged(candidate, rendered)
        key = route.render_key(context)
    except ValueError as error:
        raise ValueError(f"routes.{route.name}: {error}") from None
    return Match(route.name, parameters, None if key is None else bounded_key(key), refused)


def _refused(candidate: Candidate, parameters: Mapping[str, Any]) -> dict[str, str]:
    """The parameters that Prefect's server would refuse, and why; under "" what is of no single one."""
    if candidate.schema is None:
        return {}
    refused: dict[str, str] = {}
    try:
        for error in _validator(candidate.schema).iter_errors({**candidate.defaults, **parameters}):
            name = str(error.absolute_path[0]) if error.absolute_path else ""
            refused.setdefault(name, _message(error))
            if len(refused) >= MAX_REFUSED:
                break
    except RecursionError:
        raise ValueError("Prefect's schema leads deeper into the parameters than can be followed") from None
    return refused


@lru_cache(maxsize=256)
def _validator(schema: str) -> Validator:
    # As `prefect.utilities.schema_tools.validate` does on the server: formats are not looked at, nothing is fetched.
    validator: Validator = Draft202012Validator(json.loads(schema), registry=Registry())
    return validator


def _message(error: ValidationError) -> str:
    """What does not fit, with no more of the value than its beginning."""
    message = error.message.replace(repr(error.instance), shortened(error.instance))
    return one_line(message, MAX_MESSAGE)
