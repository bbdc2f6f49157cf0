"""`automations.yaml`: Prefect automations in Prefect's own notation, with names where it wants ids."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from prefect.events.schemas.automations import AutomationCore
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from hookline.errors import ConfigurationError
from hookline.files import read_yaml

NAMED = {"deployment": "deployment_id", "block": "block_document_id"}
"""What an action may name (`flow/deployment`, `block-type/block`), and Prefect's field for its id."""
APPLIED = "applied:"
"""Begins the tag that tells what `apply` made of an automation, so that what a person made of it is seen."""

Thing = tuple[str, str]
"""A kind (`deployment` or `block`) and a full name."""


@dataclass(frozen=True)
class Automation:
    """One entry of `automations.yaml`."""

    given: Mapping[str, Any]

    @property
    def name(self) -> str:
        """By which it is known on the server."""
        return str(self.given["name"])

    @property
    def things(self) -> list[Thing]:
        """What its actions name."""
        return [(kind, action[kind]) for action in self.given["actions"] for kind in NAMED if kind in action]

    def wanted(self, ids: Mapping[Thing, UUID]) -> AutomationCore:
        """
        The automation as Prefect's API takes it.

        Args:
            ids: of all that is named.

        Raises:
            ValidationError: it does not fit Prefect's notation.
        """
        actions = [_with_ids(action, ids) for action in self.given["actions"]]
        core = AutomationCore.model_validate({**self.given, "actions": actions})
        return core.model_copy(update={"tags": [*core.tags, APPLIED + digest(core)]})


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    automations: list["_Entry"] = []


class _Entry(BaseModel):
    """Prefect's notation; what must be there for us to look further."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(min_length=1)
    actions: list[dict[str, Any]] = Field(min_length=1)


def load_automations(path: Path) -> list[Automation]:
    """
    The automations of `automations.yaml`.

    Raises:
        ConfigurationError: names the file, the automation, and what is wrong with it.
    """
    automations = [Automation(entry.model_dump()) for entry in read_yaml(path, _File).automations]
    names = [automation.name for automation in automations]
    problems = [
        f"{name}: is there twice" for name in sorted({name for name in names if names.count(name) > 1})
    ]
    for automation in automations:
        problems += [f"{automation.name}: {problem}" for problem in _problems(automation)]
    if problems:
        raise ConfigurationError(f"{path} is not right:\n  " + "\n  ".join(problems))
    return automations


def digest(automation: AutomationCore) -> str:
    """What tells an automation from another: all but its switch and our tag."""
    content = automation.model_dump(mode="json", exclude={"id", "enabled", "owner_resource"})
    content["tags"] = [tag for tag in content["tags"] if not tag.startswith(APPLIED)]
    return hashlib.sha256(json.dumps(_ordered(content), sort_keys=True).encode()).hexdigest()[:12]


def applied(automation: AutomationCore) -> str | None:
    """The digest of what `apply` made, as its tag says it."""
    tags = [tag.removeprefix(APPLIED) for tag in automation.tags if tag.startswith(APPLIED)]
    return tags[0] if tags else None


def _problems(automation: Automation) -> Iterator[str]:
    try:
        core = automation.wanted({thing: uuid4() for thing in automation.things})
    except ValidationError as error:
        for problem in error.errors():
            yield f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        return
    known = {"actions": [_with_ids(action, {}) for action in automation.given["actions"]]}
    for place in _unknown({**automation.given, **known}, core):
        yield f"{place}: Prefect knows no such field"


def _unknown(given: Any, read: Any, place: str = "") -> Iterator[str]:
    """The places of fields that Prefect passed over: a trigger without its conditions would fire on everything."""
    if isinstance(read, BaseModel) and not isinstance(read, RootModel):
        for name, value in given.items():
            if name not in type(read).model_fields:
                yield f"{place}{name}"
            else:
                yield from _unknown(value, getattr(read, name), f"{place}{name}.")
    elif isinstance(read, list):
        for number, (value, part) in enumerate(zip(given, read, strict=True)):
            yield from _unknown(value, part, f"{place}{number}.")


def _with_ids(action: Mapping[str, Any], ids: Mapping[Thing, UUID]) -> dict[str, Any]:
    """The action with ids, as far as they are known, where it has names."""
    return {
        NAMED.get(field, field): ids.get((field, value)) if field in NAMED else value
        for field, value in action.items()
    }


def _ordered(value: Any) -> Any:
    """The same, where sets that JSON wrote as lists are in an order of ours."""
    match value:
        case dict():
            return {name: _ordered(inner) for name, inner in value.items()}
        case list() if all(isinstance(inner, str) for inner in value):
            return sorted(value)
        case list():
            return [_ordered(inner) for inner in value]
        case _:
            return value
