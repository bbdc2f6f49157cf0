"""`prefect.yaml`: the deployments, and the check that the routes of `hooks.yaml` fit their flows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from prefect import Flow
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import construct_schedule
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from hookline.errors import ConfigurationError
from hookline.files import read_yaml
from hookline.hooks import Hooks, Route
from hookline.hooks.config import last_good_route, routes_record
from hookline.hooks.templates import Template
from hookline.in_force import OFF, STAYS, LastGood, Problem
from hookline.provisioning import flow_files
from hookline.provisioning.parameters import DELIVERY, misfits, takes_delivery
from hookline.text import one_line, reason


class WorkPool(BaseModel):
    """The work pool of runs that no webhook started: schedules, and runs from the Prefect UI."""

    model_config = ConfigDict(extra="forbid")

    name: str
    job_variables: dict[str, Any] = Field(default_factory=dict)


class Deployment(BaseModel):
    """One entry of `prefect.yaml`, in Prefect's own notation."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[^/]+$")
    entrypoint: str = Field(pattern=r"^\w+(/\w+)*\.py:\w+$")
    description: str | None = None
    tags: list[str] = Field(default_factory=list)
    parameters: dict[str, Any] = Field(default_factory=dict)
    schedules: list[dict[str, Any]] = Field(default_factory=list)
    concurrency_limit: int | None = Field(None, ge=1)
    work_pool: WorkPool

    _flow: Flow[..., Any] | None = PrivateAttr(None)

    @property
    def file(self) -> str:
        """The file of its flow."""
        return self.entrypoint.partition(":")[0]

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
            flow = getattr(flow_files.load(self.file, home, seconds), function)
        except (ConfigurationError, AttributeError) as error:
            raise ConfigurationError(f"entrypoint {self.entrypoint}: {error}") from None
        if not isinstance(flow, Flow):
            raise ConfigurationError(f"entrypoint {self.entrypoint}: {function} is not a flow")
        self._flow = flow

    def must_not_batch(self) -> bool:
        """Return True if Prefect must see each of its flow runs: for a limit, a timeout, a hook."""
        flow = self.flow()
        hooks = (
            flow.on_completion_hooks,
            flow.on_failure_hooks,
            flow.on_cancellation_hooks,
            flow.on_crashed_hooks,
            flow.on_running_hooks,
        )
        options = (self.concurrency_limit, flow.retries, flow.timeout_seconds, flow.persist_result)
        return any(options) or any(hooks)

    def prefect_schedules(self) -> list[DeploymentScheduleCreate]:
        """
        Return the schedules in the form of Prefect's API.

        Raises:
            ConfigurationError: one cannot be read.
        """
        try:
            return [schedule_of(entry) for entry in self.schedules]
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"schedules: {error}") from None


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
    for deployment in read_yaml(path, _File).deployments:
        place = f"{path} is not right:\n  deployment {deployment.name}"
        try:
            name = f"{deployment.flow().name}/{deployment.name}"
        except ConfigurationError as error:
            raise ConfigurationError(f"{place}: {error}") from None
        if name in deployments:
            raise ConfigurationError(f"{place}: {name} is there twice")
        deployments[name] = deployment
    return deployments


def check_routes(hooks: Hooks, deployments: Mapping[str, Deployment]) -> None:
    """
    Check every route against the parameters of the flow that it starts.

    Raises:
        ConfigurationError: names the file, the route and the parameter.
    """
    if wrong := [problem for route in hooks.routes for problem in _wrong(route, deployments)]:
        raise _not_right(hooks.path, wrong)


def _not_right(path: Path, problems: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(f"{path} is not right:\n  " + "\n  ".join(problems))


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


def missed_policy(entry: Mapping[str, Any]) -> Literal["all", "latest", "none"]:
    """Return which of the runs that a schedule missed are made up for; raises ValueError for anything else."""
    match entry.get("missed", "latest"):
        case "all":
            return "all"
        case "latest":
            return "latest"
        case "none":
            return "none"
        case other:
            raise ValueError(f"missed: {other!r} is none of all, latest, none")


class Entries(BaseModel):
    """The deployments of `prefect.yaml`, each as it is written."""

    model_config = ConfigDict(extra="allow")

    deployments: list[Any]


def deployments_in_force(path: Path, home: Path, seconds: float = flow_files.IMPORT_SECONDS) -> Deployments:
    """
    Read `prefect.yaml` and import its flows, each by itself: a mistake in one does not affect the others.

    If the file or an entry is wrong, its last good version stays in force; what is in force is stored.

    Raises:
        ConfigurationError: none of it can be used; says why.
    """
    record = LastGood(home, "deployments", path)
    before = _last_good(record)
    found = Deployments()
    for entry in _entries(path, before, found.problems):
        _add(found, entry, before, path, home, seconds)
    if found.problems and not found:
        raise ConfigurationError(
            f"{path}: none of it can be used:\n  " + "\n  ".join(map(str, found.problems))
        )
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
            details = "; ".join(
                f"deployments.{'.'.join(map(str, (number, *each['loc'])))}: {each['msg']}"
                for each in error.errors()
            )
            last = next(
                (each for each in before.values() if _names(raw) == (each.name, each.entrypoint)), None
            )
            name = str(raw.get("name", number)) if isinstance(raw, dict) else str(number)
            problems.append(
                Problem("deployment", name, f"{path}: {one_line(details)}", STAYS if last else OFF)
            )
            if last:
                yield last


def _names(raw: Any) -> tuple[Any, Any] | None:
    return (raw.get("name"), raw.get("entrypoint")) if isinstance(raw, dict) else None


def _add(
    found: Deployments,
    entry: Deployment,
    before: Mapping[str, Deployment],
    path: Path,
    home: Path,
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


def fit_routes(hooks: Hooks, deployments: Deployments, home: Path) -> None:
    """
    Replace each route that does not fit its flow by its last good version, or switch it off.

    The routes that are in force are stored.

    Raises:
        ConfigurationError: one does not fit, and none was in force before.
    """
    record = routes_record(home, hooks.path)
    before = record.read()
    if before is None and (wrong := wrong_routes(hooks, deployments)):
        raise _not_right(hooks.path, wrong)
    problems = list(hooks.problems)
    routes = [_fitting(route, deployments, before or {}, hooks.path, problems) for route in hooks.routes]
    hooks.replace_by(replace(hooks, routes=routes, problems=problems))
    good = {route.name: route.spec for route in routes if not route.off}
    stored = {
        route.name: before[route.name] for route in routes if before and route.off and route.name in before
    }
    record.write(stored | good)


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
    detail = f"{path}: {one_line('; '.join(wrong))}"
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


def schedule_of(entry: Mapping[str, Any]) -> DeploymentScheduleCreate:
    """Return a schedule of `prefect.yaml` in the form of Prefect's API; raises ValueError or TypeError."""
    missed_policy(entry)
    ours = ("active", "slug", "parameters", "missed")
    details = {name: value for name, value in entry.items() if name not in ours}
    rest = {name: entry[name] for name in ("active", "slug", "parameters") if name in entry}
    return DeploymentScheduleCreate(schedule=construct_schedule(**details), **rest)


def _misfits(route: Route, deployments: Mapping[str, Deployment]) -> list[str]:
    place = f"routes.{route.name}"
    deployment = deployments.get(route.deployment)
    if deployment is None:
        known = ", ".join(sorted(deployments)) or "none"
        return [f"{place}.deployment: there is no deployment {route.deployment!r}; there are: {known}"]
    flow = deployment.flow()
    if not flow.isasync:
        problem = (
            f"the flow {flow.name} is not `async def`, and would block its engine while it runs; write it and "
            "its tasks with `async def`, or start it by a schedule"
        )
        return [f"{place}.deployment: {problem}"]
    schema = flow.parameters
    unknown = [
        f"{place}.parameters.{name}: the flow has no such parameter; it has: {', '.join(schema.properties)}"
        for name in route.parameters
        if name not in schema.properties
    ]
    missing = [
        f"{place}.parameters: {name} is missing; the flow needs it"
        for name in schema.required or []
        if name not in {**deployment.parameters, **route.parameters}
        and not (name == DELIVERY and takes_delivery(flow))
    ]
    # A value without a template is checked now, before a delivery needs it.
    constants = {name: value for name, value in route.parameters.items() if not _has_template(value)}
    wrong = [f"{place}.{problem}" for problem in misfits(flow, constants)]
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
