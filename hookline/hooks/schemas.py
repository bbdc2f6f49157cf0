"""JSON Schemas of `hooks.yaml`: checked when they are loaded; nothing is ever fetched for them."""

import json
from pathlib import Path
from typing import Any, TypeAlias

from jsonschema import (
    Draft4Validator,
    Draft6Validator,
    Draft7Validator,
    Draft201909Validator,
    Draft202012Validator,
    SchemaError,
)
from jsonschema.protocols import Validator
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

Schema: TypeAlias = dict[str, Any] | bool

DRAFTS: dict[str, Any] = {
    draft.META_SCHEMA["$schema"].removesuffix("#"): draft
    for draft in (
        Draft202012Validator,
        Draft201909Validator,
        Draft7Validator,
        Draft6Validator,
        Draft4Validator,
    )
}
"""The drafts by their `$schema`; Any, because the protocol of a validator lacks some of their methods."""
LATEST = next(iter(DRAFTS))


def load_schema(schema: object) -> Validator:
    """
    Return the validator of a schema; its draft is the one that `$schema` names, else 2020-12.

    Raises:
        ValueError: it is no schema, or has a reference to the outside.
    """
    if not isinstance(schema, dict | bool):
        raise ValueError("is not a JSON Schema: it is a mapping, true or false, or the path of a file")  # noqa: TRY004
    draft = _draft(schema)
    try:
        draft.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"is not a JSON Schema: {error.json_path}: {error.message}") from None
    _require_closed(schema)
    validator: Validator = draft(schema, registry=Registry())
    return validator


def read_schema(path: Path) -> Any:
    """
    Return the content of a schema's file.

    Raises:
        ValueError: it cannot be read, or is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None


def _draft(schema: Schema) -> Any:
    named = schema.get("$schema", LATEST) if isinstance(schema, dict) else LATEST
    draft = DRAFTS.get(named.removesuffix("#")) if isinstance(named, str) else None
    if draft is None:
        raise ValueError(f"$schema: {named!r} is not a known draft; there are: {', '.join(DRAFTS)}")
    return draft


def _require_closed(schema: Schema) -> None:
    """Check every reference; raises ValueError naming the one that leads nowhere."""
    resource = Resource.from_contents(schema, default_specification=DRAFT202012)
    address = resource.id() or ""
    _check_references(resource, Registry().with_resource(address, resource).resolver(address), seen=set())


def _check_references(resource: Resource[Any], resolver: Any, seen: set[int]) -> None:
    contents = resource.contents
    if not isinstance(contents, dict) or id(contents) in seen:
        return
    seen.add(id(contents))
    for reference in ("$ref", "$dynamicRef"):
        if reference in contents:
            _check_reference(contents[reference], resolver, seen)
    for inner in resource.subresources():
        _check_references(inner, resolver.in_subresource(inner), seen)


def _check_reference(reference: str, resolver: Any, seen: set[int]) -> None:
    """Check the target of a reference, which may be where no keyword leads."""
    try:
        found = resolver.lookup(reference)
    except Unresolvable:
        raise ValueError(f"refers to {reference}, which it does not contain; nothing is fetched") from None
    _check_references(
        Resource.from_contents(found.contents, default_specification=DRAFT202012), found.resolver, seen
    )
