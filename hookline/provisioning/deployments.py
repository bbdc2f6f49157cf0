"""`prefect.yaml`: the deployments, and the check that the routes of `hooks.yaml` fit their flows."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.client.schemas.actions import DeploymentScheduleCreate
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from hookline.errors import ConfigurationError
from hookline.files import mistakes, not_right, read_yaml, with_lines
from hookline.hooks import Hooks, Route
from hookline.hooks.config import last_good_route, routes_record
from hookline.hooks.templates import Template
from hookline.in_force import OFF, STAYS, LastGood, Problem
from hookline.project import find_project
from hookline.provisioning import flow_files
from hookline.provisioning.entries import Entries, Schedule, entrypoint_of_run, named
from hookline.provisioning.parameters import DELIVERY, misfits, takes_delivery
from hookline.provisioning.placement import Placement, Where, placement
from hookline.settings import VENDORS
from hookline.shipped_parts import USE, UnknownPart, used
from hookline.text import do_you_mean, one_line, reason

_SECTION = re.compile(r"^(Args|Raises|Returns|Yields|Examples?|Notes?):$", re.MULTILINE)
"""The begin of what a docstring says of code; Prefect shows the parameters beside the form."""


class WorkPool(BaseModel):
    """The work pool of runs that no webhook started, and of those that an engine does not run."""

    model_config = ConfigDict(extra="forbid")

    name: str
    job_variables: dict[str, Any] = Field(default_factory=dict)


class Deployment(BaseModel):
    """One entry of `prefect.yaml`, in Prefect's own notation."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    use: str | None = None
    """The shipped workflow that it is a deployment of."""
    name: str = Field(pattern=r"^[^/]+$")
    entrypoint: str = Field(pattern=r"^\w+(/\w+)*\.py:\w+$")
    description: str | None = None
    tags: list[str] = Field(default_factory=list)
    parameters: dict[str, Any] = Field(default_factory=dict)
    schedules: list[Schedule] = Field(default_factory=list)
    concurrency_limit: int | None = Field(None, ge=1)
    work_pool: WorkPool
    pull: list[dict[str, Any]] | None = None
    """Prefect's steps by which a worker gets the code; without them it is the project's folder."""

    _flow: Flow[..., Any] | None = PrivateAttr(None)
    _placement: Placement | None = PrivateAttr(None)

    @model_validator(mode="before")
    @classmethod
    def _over_shipped(cls, raw: Any) -> Any:
        """Lay what is written over the shipped deployment that it uses."""
        if not isinstance(raw, dict) or raw.get(USE) is None:
            return raw
        try:
            whole = used("workflow", raw)
            shipped = used("workflow", {USE: raw[USE]})
        except UnknownPart as error:
            raise PydanticCustomError("unknown_part", "{error}", {"error": str(error)}) from None
        if whole["entrypoint"] != shipped["entrypoint"]:
            raise PydanticCustomError(
                "two_flows", "names a workflow by `use` and a flow by `entrypoint`: take one of them away"
            )
        return {**whole, USE: raw[USE]}

    @property
    def file(self) -> str:
        """The file of its flow, from the project's folder; of a shipped one, from that of Hookline."""
        return self.entrypoint.partition(":")[0]

    @property
    def entrypoint_of_run(self) -> str:
        """Where a process finds the flow that stands in the project's folder."""
        return entrypoint_of_run(self.entrypoint, shipped=bool(self.use))

    def page(self) -> str:
        """Return what Prefect's page of the deployment says, in Markdown: the description, and more from its flow."""
        first, *more = _prose(self.flow())
        return "\n\n".join([self.description or first, *more])

    def flow(self) -> Flow[..., Any]:
        """
        Return the flow, imported at the first call.

        Raises:
            ConfigurationError: there is no such file or flow, or the file cannot be imported.
        """
        if self._flow is None:
            self.import_flow()
        assert self._flow is not None  # noqa: S101  (for mypy)
        return self._flow

    def import_flow(self, home: Path | None = None, seconds: float = flow_files.IMPORT_SECONDS) -> None:
        """
        Import the flow; see `flow_files.load`.

        Raises:
            ConfigurationError: there is no such file or flow, or the file cannot be imported.
        """
        function = self.entrypoint.partition(":")[2]
        try:
            folder = None if self.use else find_project()
            flow = getattr(flow_files.load(self.file, home, seconds, folder), function)
        except (ConfigurationError, AttributeError) as error:
            raise ConfigurationError(f"entrypoint {self.entrypoint}: {error}") from None
        if not isinstance(flow, Flow):
            raise ConfigurationError(f"entrypoint {self.entrypoint}: {function} is not a flow")
        self._flow, self._placement = flow, None

    def placement(self) -> Placement:
        """
        Return where its dispatches run.

        Raises:
            ConfigurationError: its flow cannot be imported.
        """
        if self._placement is None:
            self._placement = placement(self)
        return self._placement

    def must_not_batch(self) -> bool:
        """
        Return True if each of its dispatches has a flow run of its own: in a thread or pool, for a limit, a hook.

        Not for the hooks of an end that is not good: such a dispatch leaves its batch, and its own flow run calls them.
        """
        flow = self.flow()
        if self.placement().where is not Where.LOOP or flow.isgenerator:
            return True
        options = (self.concurrency_limit, flow.retries, flow.timeout_seconds, flow.persist_result)
        return any(options) or any((flow.on_running_hooks, flow.on_completion_hooks))

    def prefect_schedules(self) -> list[DeploymentScheduleCreate]:
        """Return the schedules in the form of Prefect's API."""
        return [schedule.prefect() for schedule in self.schedules]


class _File(BaseModel):
    model_config = ConfigDict(extra="allow")

    deployments: list[Deployment]


def load_deployments(path: Path) -> dict[str, Deployment]:
    """
    Return the deployments of `prefect.yaml` by their full name, `flow/deployment`.

    Raises:
        ConfigurationError: names the file, the place in it, and what is wrong there.
    """
    deployments: dict[str, Deployment] = {}
    for number, deployment in enumerate(read_yaml(path, _File).deployments):
        place = f"deployments.{number}"
        try:
            name = f"{deployment.flow().name}/{deployment.name}"
        except ConfigurationError as error:
            raise not_right(path, [f"{place}: {error}"]) from None
        if name in deployments:
            raise not_right(path, [f"{place}: {name} is there twice"])
        deployments[name] = deployment
    return deployments


def check_routes(hooks: Hooks, deployments: Mapping[str, Deployment]) -> None:
    """
    Check every route against the parameters of the flow that it starts.

    Raises:
        ConfigurationError: names the file, the route and the parameter.
    """
    if wrong := [problem for route in hooks.routes for problem in _wrong(route, deployments)]:
        raise not_right(hooks.path, wrong)


def wrong_routes(hooks: Hooks, deployments: "Deployments") -> list[str]:
    """Return the mistakes in routes to deployments whose flows can be loaded."""
    to_check = [route for route in hooks.routes if route.deployment not in deployments.broken]
    return [problem for route in to_check for problem in _wrong(route, deployments)]


class Deployments(dict[str, Deployment]):
    """The deployments that are in force, by their full name; all parts of an engine share this object."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: dict[str, str] = {}
        """The deployments whose flow cannot be loaded, and what they wait for, by full name as far as it is known."""
        self.problems: list[Problem] = []

    def replace_by(self, other: "Deployments") -> None:
        """Replace them by others in one step."""
        self.clear()
        self.update(other)
        self.broken, self.problems = other.broken, other.problems


def deployments_in_force(
    path: Path, home: Path, seconds: float = flow_files.IMPORT_SECONDS, *, note: bool = True
) -> Deployments:
    """
    Read `prefect.yaml` and import its flows, each by itself: a mistake in one does not affect the others.

    If the file or an entry is wrong, its last good version stays in force; what is in force is stored.

    Args:
        path: the file.
        home: the data folder, where it is stored.
        seconds: time for the import of one flow file.
        note: store what is in force from now on; False for a mere look.

    Raises:
        ConfigurationError: none of it can be used; says why.
    """
    record = LastGood(home, "deployments", path)
    before = _last_good(record)
    found = Deployments()
    for entry in _entries(path, before, found.problems):
        _add(found, entry, before, path, home if note else None, seconds)
    if found.problems and not found:
        raise ConfigurationError(
            f"{path}: none of it can be used:\n  " + "\n  ".join(map(str, found.problems))
        )
    if note:
        broken = {name: before[name] for name in found.broken if name in before}
        record.write({name: entry.model_dump_json() for name, entry in (broken | found).items()})
    return found


def _last_good(record: LastGood) -> dict[str, Deployment]:
    """Return the deployments that were last in force, as far as this version can read them."""
    before = {}
    for name, text in (record.read() or {}).items():
        with suppress(ValidationError):
            before[name] = Deployment.model_validate_json(text)
    return before


def _entries(path: Path, before: Mapping[str, Deployment], problems: list[Problem]) -> Iterator[Deployment]:
    """Yield the entries that can be read, and the last good versions of the others."""
    try:
        entries = read_yaml(path, Entries).deployments
    except ConfigurationError as error:
        if not before:
            raise
        problems.append(Problem("file", str(path), one_line(error), STAYS))
        yield from before.values()
        return
    for number, raw in enumerate(entries):
        try:
            yield Deployment.model_validate(raw)
        except ValidationError as error:
            places = [f"deployments.{number}{each}" for each in mistakes(error, Deployment)]
            details = "; ".join(with_lines(path, places))
            last = next(
                (each for each in before.values() if named(raw) == (each.name, each.entrypoint_of_run)), None
            )
            name = str(raw.get("name", number)) if isinstance(raw, dict) else str(number)
            problems.append(
                Problem("deployment", name, f"{path}: {one_line(details)}", STAYS if last else OFF)
            )
            if last:
                yield last


def _add(
    found: Deployments,
    entry: Deployment,
    before: Mapping[str, Deployment],
    path: Path,
    home: Path | None,
    seconds: float,
) -> None:
    try:
        entry.import_flow(home, seconds)
    except ConfigurationError as error:
        waits = reason(f"waits for {entry.file} to load: {str(error).partition(': ')[2]}")
        for name in _full_names(entry, before):
            found.broken[name] = waits
        found.problems.append(
            Problem("flow file", entry.file, f"{path}: deployment {entry.name}: {error}", OFF)
        )
        return
    name = f"{entry.flow().name}/{entry.name}"
    if name in found:
        found.problems.append(Problem("deployment", name, f"{path}: {name} is there twice", OFF))
        return
    found[name] = entry


def _full_names(entry: Deployment, before: Mapping[str, Deployment]) -> list[str]:
    """Return the likely full names of a deployment whose flow, which has a part of the name, cannot be read."""
    function = entry.entrypoint.partition(":")[2]
    same = [name for name, each in before.items() if _same(each, entry)]
    return same or [f"{function.replace('_', '-')}/{entry.name}"]  # as Prefect names a flow


def _same(one: Deployment, other: Deployment) -> bool:
    return (one.name, one.entrypoint) == (other.name, other.entrypoint)


def fit_routes(hooks: Hooks, deployments: Deployments, home: Path, *, note: bool = True) -> None:
    """
    Replace each route that does not fit its flow by its last good version, or switch it off.

    The routes that are in force are stored, but where `note` is False.

    Raises:
        ConfigurationError: one does not fit, and none was in force before.
    """
    record = routes_record(home, hooks.path)
    before = record.read()
    if before is None and (wrong := wrong_routes(hooks, deployments)):
        raise not_right(hooks.path, wrong)
    hooks.replace_by(fitted(hooks, deployments, before or {}))
    if not note:
        return
    good = {route.name: route.spec for route in hooks.routes if not route.off}
    off = [route.name for route in hooks.routes if route.off]
    stored = {name: before[name] for name in off if before and name in before}
    record.write(stored | good)


def fitted(hooks: Hooks, deployments: Deployments, before: Mapping[str, str]) -> Hooks:
    """Return the hooks with each route that does not fit its flow in its version of `before`, or switched off."""
    problems = list(hooks.problems)
    routes = [_fitting(route, deployments, before, hooks.path, problems) for route in hooks.routes]
    return replace(hooks, routes=routes, problems=problems)


def _fitting(
    route: Route,
    deployments: Deployments,
    before: Mapping[str, str],
    path: Path,
    problems: list[Problem],
) -> Route:
    if route.off:
        return route
    if waits := deployments.broken.get(route.deployment):
        return replace(route, off=waits)
    if not (wrong := _wrong(route, deployments)):
        return route
    detail = f"{path}: {one_line('; '.join(with_lines(path, wrong)))}"
    last = last_good_route(route.name, before.get(route.name))
    if last and last.source == route.source and not _wrong(last, deployments):
        problems.append(Problem("route", route.name, detail, STAYS))
        return last
    problems.append(Problem("route", route.name, detail, OFF))
    return replace(route, off=reason(f"waits to be right: {'; '.join(wrong)}"))


def _wrong(route: Route, deployments: Mapping[str, Deployment]) -> list[str]:
    try:
        return _misfits(route, deployments)
    except Exception as error:  # noqa: BLE001  (whatever a flow's own types raise)
        return [f"routes.{route.name}: {type(error).__name__}: {one_line(error)}"]


def _misfits(route: Route, deployments: Mapping[str, Deployment]) -> list[str]:
    place = f"routes.{route.name}"
    deployment = deployments.get(route.deployment)
    if deployment is None:
        known = ", ".join(sorted(deployments)) or "none"
        near = do_you_mean(route.deployment, deployments)
        return [f"{place}.deployment: there is no deployment {route.deployment!r}{near}; there are: {known}"]
    flow = deployment.flow()
    schema = flow.parameters
    unknown = [
        f"{place}.parameters.{name}: the flow has no such parameter{do_you_mean(name, schema.properties)}; it has: "
        f"{', '.join(schema.properties)}"
        for name in route.parameters
        if name not in schema.properties
    ]
    unknown += [
        f"{place}.blocks.{vendor}: the flow {flow.name} takes no block of {vendor}; it takes: "
        f"{', '.join(each for each in VENDORS if each in schema.properties) or 'none'}"
        for vendor in route.blocks
        if vendor not in schema.properties
    ]
    missing = [
        f"{place}.parameters: {name} is missing; the flow needs it"
        for name in schema.required or []
        if name not in {**deployment.parameters, **route.parameters, **route.blocks}
        and not (name == DELIVERY and takes_delivery(flow))
    ]
    # A value without a template is checked now, before a delivery needs it.
    constants = {name: value for name, value in route.parameters.items() if not _has_template(value)}
    wrong = [f"{place}.parameters.{each.removeprefix('parameter ')}" for each in misfits(flow, constants)]
    return unknown + missing + wrong


def _has_template(value: Any) -> bool:
    match value:
        case Template():
            return True
        case dict():
            return any(map(_has_template, value.values()))
        case list():
            return any(map(_has_template, value))
        case _:
            return False


def _prose(flow: Flow[..., Any]) -> list[str]:
    """Return the paragraphs of a flow's description, without its sections; one empty one if it has none."""
    text = _SECTION.split(flow.description or "")[0]
    return text.strip().split("\n\n")
