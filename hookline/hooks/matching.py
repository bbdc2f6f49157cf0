"""
Route matching: the body of a delivery is parsed, its routes are found, and their parameters rendered.

It runs in a confined process (`hookline.confined`): a stranger decides what it costs. Arguments and results are
plain data.
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

from hookline.hooks.bodies import AS_NAMED, Reading
from hookline.hooks.bundles import Item, split
from hookline.hooks.config import Route, condition_of, route_of
from hookline.hooks.limits import bounded, bounded_key, shortened
from hookline.hooks.sources import Source, source_of
from hookline.hooks.templates import TemplateError
from hookline.inbox.bodies import unseal
from hookline.labels import UNLABELLED, Label
from hookline.text import one_line

MAX_MESSAGE = 200
MAX_REFUSED = 20
"""Parameters that are named, where Prefect's schema refuses many."""


@dataclass(frozen=True)
class Candidate:
    """A route that may match the delivery, and its deployment."""

    route: str
    spec: str
    schema: str | None = None
    """The JSON Schema, as text, with which Prefect's server validates the parameters; None: not known here."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """The deployment's own parameters."""
    filled: Mapping[str, Any] = field(default_factory=dict)
    """The parameters that the engine sets, unless the route does."""
    changed: Mapping[str, Any] = field(default_factory=dict)
    """The parameters that a person chose for a copy; they win."""


@dataclass(frozen=True)
class Incoming:
    """A delivery as it is stored."""

    content_type: str
    body: bytes | None
    altered: Sequence[str]
    context: Mapping[str, Any]
    """The values that templates may use of it, but for its body."""
    source: str | None = None
    """The source's `spec`; None where `hooks.yaml` no longer has it."""
    is_item: bool = False
    """It is an item of a bundle, written as JSON by us."""
    only_route: str | None = None
    """The route that a person replayed it to, whatever its condition says."""
    changed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The parameters that a person chose for a copy, by route."""

    @property
    def reading(self) -> Reading:
        """Return how its body is read."""
        return AS_NAMED if self.source is None or self.is_item else source_of(self.source).reading

    def content(self, keys: Sequence[SecretStr]) -> bytes:
        """Return the body as it was sent; raises ValueError, for people, where its source does not accept it."""
        body = unseal({"body": self.body, "altered": self.altered}, keys) or b""
        _require_plain(self.context["headers"])
        if self.source is not None and not self.is_item:
            source_of(self.source).require_accepted(self.content_type)
        return body


@dataclass(frozen=True)
class Match:
    """A route that matches the delivery."""

    route: str
    parameters: dict[str, Any]
    key: str | None
    refused: dict[str, str]
    """The parameters that Prefect's schema refuses, and why."""
    label: Label = UNLABELLED


class NotMatched(ValueError):
    """A delivery cannot be routed, though a route's condition is true; names the place."""

    def __init__(self, message: str, label: Label = UNLABELLED) -> None:
        super().__init__(message)
        self.label = label
        """What it would have been called."""


def match_routes(
    delivery: Incoming, candidates: Sequence[Candidate], body_keys: Sequence[SecretStr]
) -> list[Match]:
    """
    Parse a delivery's body and render the parameters, keys and labels of the routes that match it.

    Raises:
        ValueError: it cannot be routed; names the place.
    """
    context = _context(delivery, body_keys)
    return [
        _match(candidate, route_of(candidate.route, candidate.spec), context)
        for candidate in candidates
        if _matches(candidate, delivery, context)
    ]


def condition_values(
    delivery: Incoming, routes: Mapping[str, str], body_keys: Sequence[SecretStr]
) -> dict[str, dict[str, str]]:
    """
    Return what the condition of each route finds in a delivery.

    Args:
        delivery: as it is stored.
        routes: the `spec` of each, by name.
        body_keys: decrypt its body.

    Raises:
        ValueError: it cannot be read.
    """
    context = _context(delivery, body_keys)
    return {name: condition_of(spec).lookups(context) for name, spec in routes.items()}


def split_bundle(delivery: Incoming, body_keys: Sequence[SecretStr]) -> list[Item]:
    """Return the items of a bundle, of a source that has `split`; raises ValueError, for people."""
    content = delivery.content(body_keys)
    return split(
        delivery.source or "", delivery.content_type, content, delivery.context, delivery.altered, body_keys
    )


def bounded_and_judged(
    candidate: Candidate, parameters: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """
    Return parameters as they can be stored, and those of them that Prefect's schema refuses, each with the reason.

    Raises:
        ValueError: one cannot be stored; names the place.
    """
    stored = bounded(parameters)
    return stored, _refused(candidate, stored)


def _context(delivery: Incoming, body_keys: Sequence[SecretStr]) -> dict[str, Any]:
    """Return what templates may use of a delivery; raises ValueError where its body cannot be read or does not fit."""
    parsed = delivery.reading.parse(delivery.content_type, delivery.content(body_keys))
    if delivery.source is not None:
        _require_fit(source_of(delivery.source), parsed)
    return {**delivery.context, "body": parsed}


def _require_plain(headers: Mapping[str, str]) -> None:
    """Raise ValueError where a body is compressed: the bytes that came are stored, and nothing is unpacked."""
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        raise ValueError(
            f"The body is compressed ({one_line(encoding, 20)}); let the sender send it as it is."
        )


def _require_fit(source: Source, body: Any) -> None:
    """Raise ValueError where the body does not fit the JSON Schema of its source."""
    if source.schema_ is None:
        return
    try:
        error = best_match(source.schema_.iter_errors(body))
    except RecursionError:
        raise ValueError("the schema leads deeper into the body than can be followed") from None
    if error is not None:
        raise ValueError(f"does not fit the schema at {one_line(error.json_path, 100)}: {_message(error)}")


def _matches(candidate: Candidate, delivery: Incoming, context: Mapping[str, Any]) -> bool:
    if delivery.only_route:
        return candidate.route == delivery.only_route
    try:
        return bool(condition_of(candidate.spec).render(context))
    except TemplateError as error:
        raise TemplateError(f"routes.{candidate.route}.when: {error}") from None


def _match(candidate: Candidate, route: Route, context: Mapping[str, Any]) -> Match:
    label = route.render_label(context)
    try:
        rendered = {**candidate.filled, **route.render_parameters(context, candidate.changed)}
        parameters, refused = bounded_and_judged(candidate, rendered)
        key = route.render_key(context, candidate.changed)
    except ValueError as error:
        raise NotMatched(f"routes.{route.name}: {error}", label) from None
    return Match(route.name, parameters, None if key is None else bounded_key(key), refused, label)


def _refused(candidate: Candidate, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters that Prefect's server would refuse, and why; under "" what concerns no single one."""
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
    # As `prefect.utilities.schema_tools.validate` does on the server: formats are not checked, nothing is fetched.
    validator: Validator = Draft202012Validator(json.loads(schema), registry=Registry())
    return validator


def _message(error: ValidationError) -> str:
    """Return the error's message, with only the beginning of the value."""
    message = error.message.replace(repr(error.instance), shortened(error.instance))
    return one_line(message, MAX_MESSAGE)
