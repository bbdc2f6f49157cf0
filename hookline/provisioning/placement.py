"""
The place where the dispatches of a deployment run: the event loop of an engine, a thread of one, or a work pool.

It is decided by what the deployment and its flow are, not by a list of names. What an engine cannot run, or should not,
is sent to the deployment's work pool; what the engine's own Python cannot even import waits until it can.
"""

import inspect
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import Enum
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from prefect import Flow
from prefect.task_runners import ThreadPoolTaskRunner

from hookline.prefect_adapter.threaded_run import blocks

if TYPE_CHECKING:
    from hookline.provisioning.deployments import Deployment

WORK_POOL: Final = "hookline"
"""The work pool whose worker is Hookline's own."""
POOL_TAG: Final = "work-pool"
"""The tag by which a deployment asks for its work pool."""


class Where(Enum):
    """A place where dispatches run."""

    LOOP = "engine"
    THREAD = "thread of the engine"
    POOL = "work pool"


@dataclass(frozen=True)
class Placement:
    """A place, and why it is this one."""

    where: Where
    why: str

    def __str__(self) -> str:
        return f"{self.where.value}: {self.why}"


def placement(deployment: "Deployment") -> Placement:
    """
    Return where the dispatches of a deployment run.

    Raises:
        ConfigurationError: its flow cannot be imported.
    """
    if why := _needs_pool(deployment) or _runs_elsewhere(deployment.flow()):
        return Placement(Where.POOL, f"{deployment.work_pool.name}, because {why}")
    flow = deployment.flow()
    if not flow.isasync:
        return Placement(Where.THREAD, f"{flow.name} is not `async def`")
    if blocks(flow):
        return Placement(Where.THREAD, f"{flow.name} calls a task or a flow that is not `async def`")
    return Placement(Where.LOOP, f"{flow.name} is `async def`")


def _needs_pool(deployment: "Deployment") -> str | None:
    """Return why what the file says of the deployment is for a work pool; None if it is for an engine."""
    pool = deployment.work_pool
    if pool.name != WORK_POOL:
        return f"its work pool is not `{WORK_POOL}`"
    if pool.job_variables:
        return f"its work pool has job variables: {', '.join(sorted(pool.job_variables))}"
    if deployment.pull is not None:
        return "its code is fetched by `pull` steps"
    if POOL_TAG in deployment.tags:
        return f"it has the tag `{POOL_TAG}`"
    return None


def _runs_elsewhere(flow: Flow[..., Any]) -> str | None:
    """Return why the flow's work is not for an engine: it is done in other processes, or on other machines."""
    runner = type(flow.task_runner)
    if not issubclass(runner, ThreadPoolTaskRunner):
        return f"its task runner is a {runner.__name__}"
    if any(_forks(each) for each in getattr(inspect.unwrap(flow.fn), "__globals__", {}).values()):
        return "its file uses processes, and a fork of an engine would have its locks and connections"
    return None


def _forks(value: object) -> bool:
    """Return True for `multiprocessing`, a part of it, and a `ProcessPoolExecutor`."""
    if value is ProcessPoolExecutor:
        return True
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return isinstance(name, str) and (name == "multiprocessing" or name.startswith("multiprocessing."))
