"""
Rehearsal of a copy: what it would start, evaluated as an engine does it; nothing is stored or started.

The gateway knows no flow, so it runs this as a process: the copy comes in on standard input, the result goes out on
standard output.
"""

import asyncio
import json
import os
import resource
import sys
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import psutil

from hookline import runtime
from hookline.confined import MB, Confined
from hookline.database.types import Row
from hookline.engine.evaluation import Evaluation
from hookline.engine.trying import Files, files_in_force
from hookline.errors import HooklineError

P = ParamSpec("P")
T = TypeVar("T")

MAX_MEGABYTES = 1_000
"""Above what the process has once the flows are loaded."""


@dataclass(frozen=True)
class Start:
    """A run that would be started."""

    route: str
    deployment: str
    parameters: Mapping[str, Any]
    key: str | None


@dataclass(frozen=True)
class Rehearsed:
    """What would follow from a copy."""

    starts: Sequence[Start] = ()
    items: int | None = None
    """Of a bundle, which starts nothing itself."""
    problem: str | None = None
    """Why it must not be stored."""


class _ThisProcess(Confined):
    """This process as a confined one: it has no other work, its memory is limited, and its parent ends it in time."""

    def __init__(self) -> None:
        limit = psutil.Process().memory_info().data + MAX_MEGABYTES * MB
        resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return function(*args, **kwargs)


async def rehearse(files: Files, copy: Row, confined: Confined) -> Rehearsed:
    """Return what would follow from a copy, as `copies.Copy.unsealed` returns it; or why it must not be stored."""
    outcome = await Evaluation(files.hooks, files.deployments, [], confined).outcome(copy, copy["body"])
    if outcome.state == "split":
        return _of_bundle(copy, len(outcome.items))
    if outcome.state is not None:
        return Rehearsed(problem=outcome.reason)
    starts = [Start(each.route, each.deployment, each.parameters, each.key) for each in outcome.new]
    idle = [
        route for route in copy["changed"]["parameters"] if route not in {start.route for start in starts}
    ]
    if idle:
        return Rehearsed(
            starts,
            problem=f"the route {idle[0]} does not take it; choose this route alone, to start it all the same",
        )
    return Rehearsed(starts)


def _of_bundle(copy: Row, items: int) -> Rehearsed:
    changed = copy["changed"]
    if changed["parameters"] or changed["route"]:
        return Rehearsed(items=items, problem="it is a bundle: only its items have routes and parameters")
    return Rehearsed(items=items)


def main() -> None:
    """Answer the question on standard input: print what would follow from a copy."""
    answering = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a flow's file prints
    question = json.load(sys.stdin)
    row = question["copy"]
    copy = row | {
        "id": UUID(row["id"]),
        "received_at": datetime.fromisoformat(row["received_at"]),
        "body": b64decode(row["body"]),
    }
    paths = {name: Path(question[name]) for name in ("home", "hooks", "deployments")}
    try:
        files = files_in_force(runtime.bootstrap().model_copy(update=paths))
        rehearsed = asyncio.run(rehearse(files, copy, _ThisProcess()))
    except HooklineError as error:
        rehearsed = Rehearsed(problem=str(error))
    json.dump(asdict(rehearsed), answering)
    answering.close()


if __name__ == "__main__":
    main()
