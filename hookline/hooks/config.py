"""Reading of `hooks.yaml`: sources and routes, and every mistake with its place in the file."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Self, TypeAlias, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from hookline.account_keys import key_at, label_at, other_than_default
from hookline.errors import ConfigurationError
from hookline.files import mistakes, not_right, parse_yaml, read_text, read_yaml, with_lines
from hookline.hooks.poll import DurationText, duration, in_words
from hookline.hooks.redaction import REDACTED
from hookline.hooks.sources import Mistakes, Source, read_source, source_of
from hookline.hooks.templates import Template, TemplateError
from hookline.in_force import OFF, STAYS, LastGood, Problem
from hookline.inbox.debounce import Debounce
from hookline.labels import MAX_ABOUT, Label, about_value, label_text, require_names
from hookline.schemes.base import Strict
from hookline.shipped_parts import UnknownPart, used
from hookline.source_secrets import webhook_secrets
from hookline.text import MAX_REASON, do_you_mean, one_line, reason
from hookline.vendors import vendors

T = TypeVar("T")
Check: TypeAlias = Callable[[str, Source], None]
"""A check that raises ValueError for a source that cannot be used here, though its text is right."""

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def _as_duration(text: str) -> str:
    duration(text)
    return text


def _as_about(about: dict[str, str]) -> dict[str, str]:
    require_names(about)
    return about


MIN_QUIET, MAX_QUIET = timedelta(seconds=1), timedelta(hours=1)
MAX_DEBOUNCE = timedelta(days=1)
AT_MOST = 15
"""The longest wait of a route that debounces, in times of `quiet`, where the file has none."""


class DebounceText(Strict):
    """A wait until a key is quiet, as it is written."""

    quiet: Annotated[DurationText, AfterValidator(_as_duration)] = Field(
        description="For so long nothing more must come of the key."
    )
    at_most: Annotated[DurationText, AfterValidator(_as_duration)] | None = Field(
        default=None, description="The longest wait since the first delivery."
    )

    @model_validator(mode="after")
    def _require_order(self) -> Self:
        read = self.read()
        if not MIN_QUIET <= read.quiet <= MAX_QUIET:
            raise ValueError(f"`quiet` must be from {in_words(MIN_QUIET)} to {in_words(MAX_QUIET)}")
        if not read.quiet <= read.at_most <= MAX_DEBOUNCE:
            raise ValueError(f"`at_most` must be from `quiet` to {in_words(MAX_DEBOUNCE)}")
        return self

    def read(self) -> Debounce:
        """Return the waits."""
        quiet = duration(self.quiet)
        return Debounce(quiet, quiet * AT_MOST if self.at_most is None else duration(self.at_most))


def _as_debounce(raw: Any) -> Any:
    """Read `20s` as `{quiet: 20s}`."""
    return {"quiet": raw} if isinstance(raw, str) else raw


class RouteText(Strict):
    """A route as it is written: the source, a condition, and the deployment that a matching delivery starts."""

    source: str = Field(description="The source whose deliveries it takes.")
    when: str = Field(default="true", description="A condition; a delivery that fulfils it is taken.")
    deployment: str = Field(
        pattern=r"^[^/]+/[^/]+$", description="What is started: a flow's name and a deployment's."
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="The flow's parameters; texts are templates."
    )
    blocks: dict[str, str] = Field(
        default_factory=dict,
        description="By vendor, the name of the credentials block that the flow gets; others get `default`.",
        # An editor proposes these, and takes the name of a vendor in a project, too.
        json_schema_extra=lambda schema: schema.update(
            propertyNames={"anyOf": [{"enum": list(vendors())}, {"pattern": "^[a-z][a-z0-9]*$"}]}
        ),
    )
    key: str | None = Field(
        default=None, description="A template: deliveries of one key run one after another."
    )
    debounce: (
        Annotated[
            DebounceText, BeforeValidator(_as_debounce, json_schema_input_type=DurationText | DebounceText)
        ]
        | None
    ) = Field(
        default=None, description="The time that a key must be quiet before its last delivery runs for all."
    )
    label: str | None = Field(default=None, description="A template: what people call a delivery.")
    about: Annotated[dict[str, str], AfterValidator(_as_about)] = Field(
        default_factory=dict, description="Names and templates: what people find a delivery by."
    )
    unbatched: bool = Field(default=False, description="Each dispatch has a flow run of its own.")
    silent_after: Annotated[DurationText, AfterValidator(_as_duration)] | None = Field(
        default=None, description="Without a delivery for so long, it is an issue."
    )


class _File(Strict):
    sources: dict[Any, Any]
    routes: dict[Any, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Route:
    """A source, a condition, and the deployment that a matching delivery starts."""

    name: str
    source: str
    deployment: str
    when: Template
    parameters: Mapping[str, Any]
    """As in the file, each text a `Template`; nested lists and maps stay as they are."""
    key: Template | None
    """Deliveries of one key run one after another."""
    spec: str
    """The whole route as JSON, which `route_of` reads."""
    blocks: Mapping[str, Any] = field(default_factory=dict)
    """By vendor, the name of the block that the flow gets as a parameter, or a `Template` of it; keys carry it."""
    debounce: Debounce | None = None
    """Of many deliveries of a key that come soon after each other, the last one stands for all."""
    label: Template | None = None
    """What people call a delivery on it."""
    about: Mapping[str, Template] = field(default_factory=dict)
    """Names with the values by which people find it."""
    unbatched: bool = False
    """Each dispatch has a flow run of its own, however many wait."""
    silent_after: timedelta | None = None
    """The time after which it is an issue that nothing came for it."""
    off: str | None = None
    """The reason that it is off now: deliveries that match it wait."""
    blind: bool = False
    """It is off, and its condition unknown: deliveries that match no other route wait."""

    def render_parameters(
        self, context: Mapping[str, Any], changed: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """
        Return the flow's parameters for a delivery, with those that a person changed in place of the route's own.

        Raises:
            TemplateError: one cannot be rendered; names it.
        """
        rendered = dict(changed or {})
        for parameter, value in self.parameters.items():
            if parameter in rendered:
                continue
            try:
                rendered[parameter] = _render(value, context)
            except TemplateError as error:
                raise TemplateError(f"parameter {parameter}: {error}") from None
        return {**self.render_blocks(context), **rendered}

    def render_blocks(self, context: Mapping[str, Any]) -> dict[str, str]:
        """Return the name of the block of each vendor that the route names; raises TemplateError."""
        rendered = {}
        for vendor, value in self.blocks.items():
            try:
                name = _render(value, context)
            except TemplateError as error:
                raise TemplateError(f"blocks.{vendor}: {error}") from None
            if not (isinstance(name, str) and NAME.fullmatch(name)):
                raise TemplateError(f"blocks.{vendor}: {one_line(name)} is not the name of a block")
            rendered[vendor] = name
        return rendered

    def render_key(self, context: Mapping[str, Any], changed: Mapping[str, Any] | None = None) -> str | None:
        """
        Return the ordering key for a delivery, with the account whose id it is.

        Args:
            context: of the delivery.
            changed: the parameters that a person changed, perhaps to another block.

        Raises:
            TemplateError: it cannot be rendered.
        """
        if self.key is None:
            return None
        key = str(self.key.render(context))
        blocks = self.render_blocks(context)
        return key_at(
            key,
            **_of_key(
                key, blocks | {name: str(each) for name, each in (changed or {}).items() if name in blocks}
            ),
        )

    def render_label(self, context: Mapping[str, Any]) -> Label:
        """Return what people call a delivery; a part that cannot be rendered is left out, and the label says why."""
        problems: list[str] = []
        try:
            blocks = self.render_blocks(context)
        except TemplateError as error:
            blocks, problems = {}, [str(error)]

        def rendered(place: str, template: Template) -> object:
            try:
                value = template.render(context)
            except TemplateError as error:
                problems.append(f"{place}: {error}")
                return None
            if isinstance(value, dict | list):
                problems.append(
                    f"{place}: gives a {'map' if isinstance(value, dict) else 'list'}, not a text"
                )
                return None
            return None if value == REDACTED else value

        text = None if self.label is None else label_text(rendered("label", self.label))
        values = {name: about_value(rendered(f"about.{name}", each)) for name, each in self.about.items()}
        about = {name: value for name, value in values.items() if value is not None}
        if others := other_than_default(**blocks):
            key = "" if self.key is None else str(rendered("key", self.key) or "")
            text = text and label_text(label_at(text, **_of_key(key, others)))
            about = dict(islice((others | about).items(), MAX_ABOUT))
        return Label(text, about, reason("; ".join(problems)) if problems else None)


def _of_key(key: str, blocks: Mapping[str, str]) -> dict[str, str]:
    """
    Return those blocks whose ids are in a key: that of the vendor with whose name it begins, else all of them.

    All routes of an order must come to the same key, whatever else their flows are to use.
    """
    vendor = key.partition(" ")[0]
    named = (vendor,) if vendor in vendors() else vendors()
    return {each: blocks[each] for each in named if each in blocks}


@dataclass
class Hooks:
    """The sources and routes in force; all parts of a process share one, so that a reload reaches them all."""

    path: Path
    sources: Mapping[str, Source]
    routes: Sequence[Route] = ()
    problems: Sequence[Problem] = ()
    """The parts of the file that are wrong, and not in force."""

    @property
    def deployments(self) -> set[str]:
        """The deployments that routes lead to."""
        return {route.deployment for route in self.routes}

    @property
    def wrong_sources(self) -> list[str]:
        """The sources of the file that cannot be read."""
        return [problem.name for problem in self.problems if problem.kind == "source"]

    def why_off(self, name: str) -> str | None:
        """Return the reason that nothing is accepted from a source of this name; None if it is on."""
        source = self.sources.get(name)
        if source is None:
            wrong = [each.detail for each in self.problems if (each.kind, each.name) == ("source", name)]
            return wrong[0] if wrong else "hooks.yaml does not have it"
        if not source.enabled:
            return "hooks.yaml switches it off"
        if source.poll is not None:
            return (
                None
                if self.takes(name)
                else "no route takes its deliveries, so it is only polled while a run waits for one"
            )
        if source.internal:
            return None
        has_proof = webhook_secrets(name) or not source.auth_scheme.needs_secret
        return None if has_proof else "it has no secret"

    def takes(self, name: str) -> bool:
        """Return True if a route is of this source."""
        return any(route.source == name for route in self.routes)

    def replace_by(self, other: "Hooks") -> None:
        """Put the other's content in force, in one step."""
        self.path, self.sources, self.routes = other.path, other.sources, other.routes
        self.problems = other.problems


def load_hooks(path: Path) -> Hooks:
    """
    Read and check `hooks.yaml`.

    Raises:
        ConfigurationError: names the file, the place in it, and what is wrong there.
    """
    return parse_hooks(read_text(path), path)


def parse_hooks(text: str, path: Path) -> Hooks:
    """
    Read and check the text of a `hooks.yaml`; paths in it are relative to the folder of `path`.

    Raises:
        ConfigurationError: names the path, the place in the text, and what is wrong there.
    """
    file = parse_yaml(text, path, _File)
    sources, wrong_sources = _parts(
        "sources", file.sources, lambda _, raw: read_source(_used("source", raw), path.parent)
    )
    routes, wrong_routes = _parts("routes", file.routes, _readable(file.sources))
    if wrong := [*wrong_sources.values(), *wrong_routes.values()]:
        problems = [problem for each in wrong for problem in each]
        raise not_right(path, problems, text)
    return Hooks(path=path, sources=sources, routes=list(routes.values()))


def _no_check(_name: str, _source: Source) -> None:
    """Accept every source."""


def hooks_in_force(path: Path, home: Path, check: Check = _no_check, *, note: bool = True) -> Hooks:
    """
    Read `hooks.yaml`, with the last good version of each source and route that is wrong in it now.

    A part that is wrong and never was good is off. The sources in force are recorded here; the routes are recorded
    by the caller that knows their flows.

    Args:
        path: the file.
        home: the data folder, where they are recorded.
        check: raises ValueError for a source that cannot be used here, though its text is right.
        note: record what is in force from now on; False for a mere look.

    Raises:
        ConfigurationError: it is wrong, and nothing was in force before.
    """
    record = sources_record(home, path)
    good_sources = record.read()
    if good_sources is None:
        hooks = load_hooks(path)
        _require(hooks, check)
    else:
        hooks = _as_far_as_right(path, good_sources, routes_record(home, path).read() or {}, check)
    if note:
        record.write({name: source.spec for name, source in hooks.sources.items()})
    return hooks


def sources_record(home: Path, path: Path) -> LastGood:
    """Return the record of the sources of a `hooks.yaml` that were last in force."""
    return LastGood(home, "sources", path)


def routes_record(home: Path, path: Path) -> LastGood:
    """Return the record of the routes of a `hooks.yaml` that were last in force."""
    return LastGood(home, "routes", path)


def _require(hooks: Hooks, check: Check) -> None:
    for name, source in hooks.sources.items():
        try:
            check(name, source)
        except ValueError as error:
            raise ConfigurationError(str(error)) from None


def _as_far_as_right(
    path: Path,
    good_sources: Mapping[str, str],
    good_routes: Mapping[str, str],
    check: Check,
) -> Hooks:
    def checked(name: str, source: Source) -> Source:
        check(name, source)
        return source

    def last_good_source(name: str) -> Source | None:
        return _last_good(lambda spec: checked(name, source_of(spec)), good_sources.get(name))

    try:
        file = read_yaml(path, _File)
    except ConfigurationError as error:
        problem = Problem("file", str(path), one_line(error), STAYS)
        return Hooks(
            path=path,
            sources={name: source for name in good_sources if (source := last_good_source(name))},
            routes=[route for name, spec in good_routes.items() if (route := last_good_route(name, spec))],
            problems=[problem],
        )
    problems = []
    sources, wrong = _parts(
        "sources",
        file.sources,
        lambda name, raw: checked(name, read_source(_used("source", raw), path.parent)),
    )
    for name, texts in wrong.items():
        if source := last_good_source(name):
            sources[name] = source
        problems.append(_problem("source", name, path, texts, STAYS if source else OFF))
    routes, wrong = _parts("routes", file.routes, _readable(file.sources))
    for name, texts in wrong.items():
        route_before = last_good_route(name, good_routes.get(name))
        if route := route_before or _switched_off(name, file.routes.get(name), texts):
            routes[name] = route
        problems.append(_problem("route", name, path, texts, STAYS if route_before else OFF))
    return Hooks(path=path, sources=sources, routes=list(routes.values()), problems=problems)


def last_good_route(name: str, spec: str | None) -> Route | None:
    """Return the route as it was last in force; None if it never was, or another version of Hookline wrote it."""
    return _last_good(partial(route_of, name), spec)


def _last_good(read: Callable[[str], T], spec: str | None) -> T | None:
    try:
        return None if spec is None else read(spec)
    except Exception:  # noqa: BLE001  (another version of Hookline wrote it, or it can no longer be used)
        return None


def _switched_off(name: str, raw: Any, texts: Sequence[str]) -> Route | None:
    """Return the route as far as it can be read, so that deliveries that match it wait for it."""
    for condition in ("as it is", None):
        with suppress(Exception):  # its mistakes are reported already
            raw = used("route", raw)
            when = raw.get("when", "true") if condition else "false"
            text = RouteText(source=raw["source"], deployment="unknown/unknown", when=when)
            return replace(
                _route(name, text),
                off=reason(f"waits to be right: {'; '.join(texts)}"),
                blind=condition is None,
            )
    return None


def _problem(kind: str, name: str, path: Path, texts: Sequence[str], instead: str) -> Problem:
    return Problem(kind, name, f"{path}: {one_line('; '.join(with_lines(path, texts)))}", instead)


def _parts(
    section: str, raw: Mapping[Any, Any], read: Callable[[str, Any], T]
) -> tuple[dict[str, T], dict[str, list[str]]]:
    """Read the parts of a section, each by itself; return the right ones by name, and the mistakes of the others."""
    right, wrong = {}, {}
    for name, part in raw.items():
        place = f"{section}.{one_line(name)}"
        try:
            _require_name(name)
            if not isinstance(part, dict):
                raise Mistakes([": Input should be a valid dictionary"])  # noqa: TRY301
            right[name] = read(name, part)
        except Mistakes as error:
            wrong[str(name)] = [f"{place}{problem}" for problem in error.problems]
        except ValueError as error:
            wrong[name] = [f"{place}: {one_line(error, MAX_REASON)}"]
        except Exception as error:  # noqa: BLE001  (a library's own error ends only this part)
            wrong[name] = [f"{place}: {type(error).__name__}: {one_line(error, MAX_REASON)}"]
    return right, wrong


def _require_name(name: object) -> None:
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        raise Mistakes([f": {name!r} is not a name: use lower-case letters, digits and dashes"])


def _readable(sources: Collection[Any]) -> Callable[[str, Any], Route]:
    """Return a reader of routes, which must be of one of these sources."""

    def read(name: str, raw: Any) -> Route:
        try:
            text = RouteText.model_validate(_used("route", raw))
        except ValidationError as error:
            raise Mistakes(mistakes(error, RouteText)) from None
        problems = [*_wrong_source(text, sources), *_wrong_blocks(text)]
        if text.debounce and text.key is None:
            problems.append(".debounce: needs a `key`, which says what of it is about the same thing")
        try:
            route = _route(name, text)
        except TemplateError as error:
            raise Mistakes([*problems, f".{error}"]) from None
        if problems:
            raise Mistakes(problems)
        return route

    return read


def _wrong_source(text: RouteText, sources: Collection[Any]) -> Iterator[str]:
    if text.source not in sources:
        near = do_you_mean(text.source, [str(each) for each in sources])
        yield f".source: there is no source {text.source!r}{near}"


def _used(kind: str, raw: Any) -> Any:
    try:
        return used(kind, raw)
    except UnknownPart as error:
        raise Mistakes([f".use: {error}"]) from None


def _wrong_blocks(text: RouteText) -> Iterator[str]:
    for vendor, name in text.blocks.items():
        place = f".blocks.{vendor}"
        if vendor not in vendors():
            near = do_you_mean(vendor, vendors())
            yield f"{place}: there is no vendor {vendor!r}{near}; there are: {', '.join(vendors())}"
        elif vendor in text.parameters:
            yield f"{place}: {vendor} is among the parameters too; name the block once, here"
        elif "{" not in name and not NAME.fullmatch(name):
            yield f"{place}: {name!r} is not the name of a block: use lower-case letters, digits and dashes"


@cache
def route_of(name: str, spec: str) -> Route:
    """Return the route that a `Route.spec` describes, in a process that was given only the text."""
    return _route(name, RouteText.model_validate_json(spec))


@cache
def condition_of(spec: str) -> Template:
    """Return the condition of the route that a `Route.spec` describes: most routes of a source take no delivery."""
    return _template("when", json.loads(spec)["when"], expression=True)


def _route(name: str, text: RouteText) -> Route:
    return Route(
        spec=text.model_dump_json(),
        name=name,
        source=text.source,
        deployment=text.deployment,
        when=_template("when", text.when, expression=True),
        parameters={key: _templates(f"parameters.{key}", value) for key, value in text.parameters.items()},
        blocks={vendor: _templates(f"blocks.{vendor}", name) for vendor, name in text.blocks.items()},
        key=None if text.key is None else _template("key", text.key),
        debounce=None if text.debounce is None else text.debounce.read(),
        label=None if text.label is None else _template("label", text.label),
        about={name: _template(f"about.{name}", value) for name, value in text.about.items()},
        unbatched=text.unbatched,
        silent_after=None if text.silent_after is None else duration(text.silent_after),
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


def _render(value: Any, context: Mapping[str, Any]) -> Any:
    match value:
        case Template():
            return value.render(context)
        case dict():
            return {key: _render(inner, context) for key, inner in value.items()}
        case list():
            return [_render(inner, context) for inner in value]
        case _:
            return value
