"""Read `hooks.yaml` and say clearly, with its place in the file, what is wrong with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from hookline.errors import ConfigurationError
from hookline.files import read_yaml
from hookline.hooks.proofs import Strict
from hookline.hooks.sources import Source, SourceError, read_source
from hookline.hooks.templates import Template, TemplateError

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class _RouteText(Strict):
    source: str
    when: str = "true"
    deployment: str = Field(pattern=r"^[^/]+/[^/]+$")
    parameters: dict[str, Any] = Field(default_factory=dict)
    key: str | None = None
    own_run: bool = False


class _File(Strict):
    sources: dict[str, dict[str, Any]]
    routes: dict[str, _RouteText] = Field(default_factory=dict)

    @field_validator("sources", "routes")
    @classmethod
    def _names(cls, named: dict[str, Any]) -> dict[str, Any]:
        for name in named:
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a name: use lower-case letters, digits and dashes")
        return named


@dataclass(frozen=True)
class Route:
    """A source and a condition, and the deployment that a delivery which fulfils it starts."""

    name: str
    source: str
    deployment: str
    when: Template
    parameters: Mapping[str, Any]
    """As in the file, each text a `Template`; nested lists and maps are kept."""
    key: Template | None
    """Deliveries of one key are worked on one after another."""
    spec: str
    """All of it as JSON: `route_of` reads it."""
    own_run: bool = False
    """Each dispatch has a flow run of its own, however many wait."""

    def accepts(self, names: Mapping[str, Any]) -> bool:
        """Whether the condition holds for a delivery; raises TemplateError."""
        return bool(self.when.render(names))

    def render_parameters(self, names: Mapping[str, Any]) -> dict[str, Any]:
        """The flow's parameters for a delivery; raises TemplateError naming the parameter."""
        rendered = {}
        for parameter, value in self.parameters.items():
            try:
                rendered[parameter] = _render(value, names)
            except TemplateError as error:
                raise TemplateError(f"parameter {parameter}: {error}") from None
        return rendered

    def render_key(self, names: Mapping[str, Any]) -> str | None:
        """The ordering key for a delivery; raises TemplateError."""
        return None if self.key is None else str(self.key.render(names))


@dataclass(frozen=True)
class Hooks:
    """The whole of `hooks.yaml`, checked."""

    path: Path
    sources: Mapping[str, Source]
    routes: list[Route] = field(default_factory=list)

    @cached_property
    def deployments(self) -> set[str]:
        """The deployments that routes lead to."""
        return {route.deployment for route in self.routes}


def load_hooks(path: Path) -> Hooks:
    """
    Read and check `hooks.yaml`.

    Raises:
        ConfigurationError: names the file, the place in it, and what is wrong there.
    """
    file = read_yaml(path, _File)
    problems = []
    sources = {}
    for name, given in file.sources.items():
        try:
            sources[name] = read_source(given, path.parent)
        except SourceError as error:
            problems += [f"sources.{name}{problem}" for problem in error.problems]
    routes = []
    for name, text in file.routes.items():
        if text.source not in file.sources:
            problems.append(f"routes.{name}.source: there is no source {text.source!r}")
        try:
            routes.append(_route(name, text))
        except TemplateError as error:
            problems.append(f"routes.{name}.{error}")
    if problems:
        raise ConfigurationError(f"{path} is not right:\n  " + "\n  ".join(problems))
    return Hooks(path=path, sources=sources, routes=routes)


@cache
def route_of(name: str, spec: str) -> Route:
    """Return the route that a `Route.spec` describes: so a process that was given only the text has the route."""
    return _route(name, _RouteText.model_validate_json(spec))


def _route(name: str, text: _RouteText) -> Route:
    return Route(
        spec=text.model_dump_json(),
        name=name,
        source=text.source,
        deployment=text.deployment,
        when=_template("when", text.when, expression=True),
        parameters={key: _templates(f"parameters.{key}", value) for key, value in text.parameters.items()},
        key=None if text.key is None else _template("key", text.key),
        own_run=text.own_run,
    )


def _template(place: str, text: str, *, expression: bool = False) -> Template:
    try:
        return Template(text, expression=expression)
    except TemplateError as error:
        raise TemplateError(f"{place}: {error}") from None


def _templates(place: str, value: Any) -> Any:
    match value:
        case str() if "{{" in value or "{%" in value:
            return _template(place, value)
        case dict():
            return {key: _templates(f"{place}.{key}", inner) for key, inner in value.items()}
        case list():
            return [_templates(f"{place}[{number}]", inner) for number, inner in enumerate(value)]
        case _:
            return value


def _render(value: Any, names: Mapping[str, Any]) -> Any:
    match value:
        case Template():
            return value.render(names)
        case dict():
            return {key: _render(inner, names) for key, inner in value.items()}
        case list():
            return [_render(inner, names) for inner in value]
        case _:
            return value
