"""Read `hooks.yaml` and say clearly, with its place in the file, what is wrong with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from hookline.errors import ConfigurationError
from hookline.files import read_yaml
from hookline.hooks.templates import Template, TemplateError

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
DEFAULT_MAX_BODY = 1_048_576


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SharedSecret(_Strict):
    """The sender puts our secret in a header, as it is."""

    scheme: Literal["shared-secret"]
    header: str = Field("X-Hookline-Key", pattern=r"^[A-Za-z0-9-]{1,64}$", description="Carries the secret.")
    max_body: int = Field(DEFAULT_MAX_BODY, ge=1, le=100 * DEFAULT_MAX_BODY, description="Bytes.")


class StandardWebhooks(_Strict):
    """The sender signs as standardwebhooks.com says (v1, HMAC-SHA256)."""

    scheme: Literal["standard-webhooks"]
    tolerance: int = Field(
        300, ge=1, le=86_400, description="Seconds that a timestamp may be off, either way."
    )
    max_body: int = Field(DEFAULT_MAX_BODY, ge=1, le=100 * DEFAULT_MAX_BODY, description="Bytes.")


Source = Annotated[SharedSecret | StandardWebhooks, Field(discriminator="scheme")]


class _RouteText(_Strict):
    source: str
    when: str = "true"
    deployment: str = Field(pattern=r"^[^/]+/[^/]+$")
    parameters: dict[str, Any] = Field(default_factory=dict)
    key: str | None = None


class _File(_Strict):
    sources: dict[str, Source]
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
    sources: Mapping[str, SharedSecret | StandardWebhooks]
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
    return Hooks(path=path, sources=file.sources, routes=routes)


def _route(name: str, text: _RouteText) -> Route:
    return Route(
        name=name,
        source=text.source,
        deployment=text.deployment,
        when=_template("when", text.when, expression=True),
        parameters={key: _templates(f"parameters.{key}", value) for key, value in text.parameters.items()},
        key=None if text.key is None else _template("key", text.key),
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
