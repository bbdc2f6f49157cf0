"""`prefect.yaml`: which flows are deployed; and whether the routes of `hooks.yaml` fit them."""

import importlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from prefect import Flow
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import construct_schedule
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from hookline.errors import ConfigurationError
from hookline.files import read_yaml
from hookline.hooks import Hooks, Route
from hookline.hooks.templates import Template

ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)
DIRECTIVES = {"$ref", "__prefect_kind"}


class WorkPool(BaseModel):
    """The work pool that runs what no webhook started: schedules, and runs begun in the Prefect UI."""

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

    def flow(self) -> Flow[..., Any]:
        """
        The flow itself, imported once.

        Raises:
            ConfigurationError: there is no such file or flow.
        """
        path, _, function = self.entrypoint.partition(":")
        module = path.removesuffix(".py").replace("/", ".")
        try:
            flow = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(f"entrypoint {self.entrypoint}: {error}") from None
        if not isinstance(flow, Flow):
            raise ConfigurationError(f"entrypoint {self.entrypoint}: {function} is not a flow")
        return flow

    def wants_own_runs(self) -> bool:
        """Whether each of its flow runs means something to Prefect beside its work: a limit, a time, a hook."""
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
        The schedules as Prefect's API takes them.

        Raises:
            ConfigurationError: one cannot be read.
        """
        try:
            return [_schedule(entry) for entry in self.schedules]
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"schedules: {error}") from None


class _File(BaseModel):
    model_config = ConfigDict(extra="allow")

    deployments: list[Deployment]


def load_deployments(path: Path) -> dict[str, Deployment]:
    """
    The deployments of `prefect.yaml` by their full name, `flow/deployment`.

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
    problems = [problem for route in hooks.routes for problem in _misfits(route, deployments)]
    if problems:
        raise ConfigurationError(f"{hooks.path} is not right:\n  " + "\n  ".join(problems))


def misfits(flow: Flow[..., Any], parameters: Mapping[str, Any]) -> list[str]:
    """What is wrong with values for a flow's parameters, one text a parameter, in words for people."""
    types = _types(flow)
    problems = []
    for name, value in parameters.items():
        if directive := _directive(value):
            problems.append(f"parameter {name}: holds {directive!r}, which Prefect would act upon; refused")
            continue
        try:
            types.get(name, ANYTHING).validate_python(value)
        except ValidationError as error:
            reasons = "; ".join(problem["msg"] for problem in error.errors())
            problems.append(f"parameter {name}: {reasons}, not {value!r}"[:500])
    return problems


def validated(flow: Flow[..., Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """
    A flow's parameters as it takes them, as Prefect would validate them, which makes a model for each run.

    Raises:
        ValidationError: one does not fit.
    """
    types = _types(flow)
    return {name: types.get(name, ANYTHING).validate_python(value) for name, value in parameters.items()}


@cache
def _types(flow: Flow[..., Any]) -> dict[str, TypeAdapter[Any]]:
    hints = get_type_hints(flow.fn, include_extras=True)
    return {name: TypeAdapter(hint) for name, hint in hints.items() if name != "return"}


def _schedule(entry: Mapping[str, Any]) -> DeploymentScheduleCreate:
    details = {name: value for name, value in entry.items() if name not in ("active", "slug", "parameters")}
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
            f"the flow {flow.name} is not `async def`, and an engine would do nothing else while it runs; write it and "
            "its tasks with `async def`, or start it by a schedule instead"
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
    ]
    # A value without a template is known now: a wrong type need not wait for a delivery.
    constants = {name: value for name, value in route.parameters.items() if not _has_template(value)}
    wrong = [f"{place}.{problem}" for problem in misfits(flow, constants)]
    return unknown + missing + wrong


def _directive(value: Any) -> str | None:
    """Return a key that Prefect acts upon (loads a block, renders a template), which no stranger may send."""
    left = [value]  # not by recursion: how deep that goes depends on the version of Python
    while left:
        match left.pop():
            case dict() as found:
                if own := next((key for key in found if key in DIRECTIVES), None):
                    return str(own)
                left += found.values()
            case list() | tuple() as found:
                left += found
    return None


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
