"""
The JSON Schemas of our YAML files, by which an editor completes and checks them while they are written.

They are made from the models that read the files, and stand in `deployments/schemas/`. They know names, kinds and
bounds; what depends on other files, such as whether a deployment exists, is checked by `hookline apply --dry-run`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from prefect.events.schemas.automations import AutomationCore
from pydantic import BaseModel

from hookline.catalog import Catalog
from hookline.files import FileSchema
from hookline.hooks.config import NAME, RouteText
from hookline.hooks.presets import PRESETS
from hookline.hooks.sources import OF_REQUESTS, Source
from hookline.provisioning.automations import NAMED
from hookline.provisioning.deployments import Deployment
from hookline.schemes import SCHEMES
from hookline.shipped_parts import PARTS, USE

Schema = dict[str, Any]
DRAFT: Final = "http://json-schema.org/draft-07/schema#"
"""The draft that the editors know."""


def hooks() -> Schema:
    """Return the schema of `hooks.yaml`."""
    definitions: Schema = {}
    route = _of(RouteText, definitions)
    sources = list(_sources(definitions))
    return _file(
        "Which senders are believed, which lists are polled, and what their deliveries start.",
        {
            "sources": _named({"anyOf": [*sources, _used("source", {})]}),
            "routes": _named(_or_used("route", route)),
        },
        definitions,
        required=["sources"],
    )


def catalog() -> Schema:
    """Return the schema of `catalog.yaml`."""
    definitions: Schema = {}
    return _of(Catalog, definitions) | {"$schema": DRAFT, "definitions": definitions}


def prefect() -> Schema:
    """Return the schema of the deployments of `prefect.yaml`; Prefect's other fields are Prefect's."""
    definitions: Schema = {}
    deployment = _of(Deployment, definitions)
    del deployment["properties"][USE]
    listed = {"type": "array", "items": _or_used("workflow", deployment)}
    return _file(
        "The deployments, in Prefect's own notation.",
        {"deployments": listed},
        definitions,
        required=["deployments"],
        more=True,
    )


def automations() -> Schema:
    """Return the schema of `automations.yaml`: Prefect's own, and names where Prefect wants ids."""
    definitions: Schema = {}
    automation = _of(AutomationCore, definitions)
    for each in (automation, *definitions.values()):
        if "properties" in each:
            each["additionalProperties"] = False  # Prefect would ignore a misspelt field; we refuse it
        for name, field in NAMED.items():
            if field in each.get("properties", ()):
                each["properties"][name] = {
                    "type": "string",
                    "description": f"The full name of the {name}.",
                }
                each["required"] = [entry for entry in each.get("required", ()) if entry != field]
    return _file(
        "The automations, in Prefect's own notation.",
        {"automations": {"type": "array", "items": _or_used("automation", automation)}},
        definitions,
    )


SCHEMAS: Final[Mapping[str, Callable[[], Schema]]] = {
    "hooks": hooks,
    "catalog": catalog,
    "prefect": prefect,
    "automations": automations,
}
"""The schemas by the names of their files, without `.yaml`."""


def _file(
    description: str,
    properties: Schema,
    definitions: Schema,
    *,
    required: Iterable[str] = (),
    more: bool = False,
) -> Schema:
    return {
        "$schema": DRAFT,
        "description": description,
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": more,
        "definitions": definitions,
    }


def _named(part: Schema) -> Schema:
    """Return the schema of a section whose parts have names."""
    return {
        "type": "object",
        "patternProperties": {f"^{NAME.pattern}$": part},
        "additionalProperties": False,
    }


def _or_used(kind: str, part: Schema) -> Schema:
    """Return the schema of a part that stands there whole, or that uses a shipped one."""
    return {"anyOf": [part, _used(kind, part["properties"])]}


def _used(kind: str, properties: Schema) -> Schema:
    use = {
        "enum": list(PARTS[kind]()),
        "description": f"The shipped {kind} that this is; what else stands here is laid over it.",
    }
    return {
        "type": "object",
        "properties": properties | {USE: use},
        "required": [USE],
        "additionalProperties": not properties,
    }


def _of(model: type[BaseModel], definitions: Schema) -> Schema:
    """Return the schema of a model; what it refers to goes into the definitions."""
    schema = model.model_json_schema(schema_generator=FileSchema, ref_template="#/definitions/{model}")
    definitions.update(schema.pop("$defs", {}))
    return schema


def _sources(definitions: Schema) -> Iterable[Schema]:
    """Yield the kinds of source: by each scheme, by a preset of each scheme, polled, internal."""
    ours = _of(Source, definitions)["properties"]
    del ours["auth_scheme"], ours["spec"], definitions["AuthScheme"]
    definitions["source"] = {"properties": ours}
    refs = {name: {"$ref": f"#/definitions/source/properties/{name}"} for name in ours}
    requests = {name: field for name, field in refs.items() if name not in ("poll", "internal")}
    for name, scheme in SCHEMES.items():
        own = _of(scheme, definitions)
        definitions[name] = {"properties": own["properties"]}
        fields = {field: {"$ref": f"#/definitions/{name}/properties/{field}"} for field in own["properties"]}
        yield _source({"scheme": {"const": name}} | fields | requests, ["scheme", *own.get("required", ())])
        if presets := [preset for preset, filled in PRESETS.items() if filled.get("scheme") == name]:
            yield _source({"preset": {"enum": presets}} | fields | requests, ["preset"])
    of_items = {name: field for name, field in refs.items() if name not in OF_REQUESTS}
    yield _source({name: field for name, field in of_items.items() if name != "internal"}, ["poll"])
    internal = {name: field for name, field in of_items.items() if name != "poll"}
    yield _source(internal | {"internal": {"const": True}}, ["internal"])


def _source(properties: Schema, required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
