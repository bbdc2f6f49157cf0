"""
The parts that are shipped, taken by name: `use: order-to-license` in a project's file is the shipped workflow.

What stands beside `use` is laid over the shipped part: a mapping is merged, tags are added, all else replaces. So an
upgrade brings what is new in the part, and the project keeps what it has decided.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import yaml

from hookline.project import SHIPPED
from hookline.text import do_you_mean

Part = Mapping[str, Any]
USE: Final = "use"


class UnknownPart(ValueError):
    """There is no shipped part of this name."""


def used(kind: str, raw: Any) -> Any:
    """
    Return a part as it is meant: with the shipped one that it uses under it; unchanged if it uses none.

    Args:
        kind: a key of `PARTS`.
        raw: the part as it is written.

    Raises:
        UnknownPart: it uses one that there is not.
    """
    if not (isinstance(raw, dict) and USE in raw):
        return raw
    own = dict(raw)
    name, parts = own.pop(USE), PARTS[kind]()
    if not (isinstance(name, str) and name in parts):
        near = do_you_mean(str(name), parts)
        raise UnknownPart(f"there is no shipped {kind} {name!r}{near}; there are: {', '.join(parts)}")
    return _merged(parts[name], own)


def workflow_of(entry: Part) -> str:
    """Return the name of the workflow of a shipped deployment: as Prefect names its flow."""
    return str(entry["entrypoint"]).partition(":")[2].replace("_", "-")


def _merged(under: Part, over: Part) -> dict[str, Any]:
    merged = {**under, **over}
    for name in under.keys() & over.keys():
        below, above = under[name], over[name]
        if isinstance(below, dict) and isinstance(above, dict):
            merged[name] = _merged(below, above)
        elif name == "tags" and isinstance(below, list) and isinstance(above, list):
            merged[name] = [*below, *(each for each in above if each not in below)]
    return merged


@cache
def _file(name: str) -> Any:
    return yaml.safe_load((SHIPPED / name).read_text(encoding="utf-8"))


def _workflows() -> Mapping[str, Part]:
    return {workflow_of(entry): entry for entry in _file("prefect.yaml")["deployments"]}


def _automations() -> Mapping[str, Part]:
    return {entry["name"]: entry for entry in _file("automations.yaml")["automations"]}


PARTS: Final[Mapping[str, Callable[[], Mapping[str, Part]]]] = {
    "source": lambda: _file("hooks.yaml")["sources"],
    "route": lambda: _file("hooks.yaml")["routes"],
    "workflow": _workflows,
    "automation": _automations,
}
"""The shipped parts by name, of each kind."""
