"""`automations.yaml`: Prefect automations in Prefect's own notation, with names where it wants ids."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from prefect.events.schemas.automations import AutomationCore
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from hookline.files import not_right, read_yaml
from hookline.shipped_parts import UnknownPart, used
from hookline.text import do_you_mean

NAMED = {"deployment": "deployment_id", "block": "block_document_id"}
"""The things that an action may name (`flow/deployment`, `block-type/block`), with Prefect's field for the id."""
APPLIED = "applied:"
"""The prefix of the tag with the digest of what `apply` made, so that a person's changes are seen."""

Thing = tuple[str, str]
"""A kind (`deployment` or `block`) and a full name."""


@dataclass(frozen=True)
class Automation:
    """One entry of `automations.yaml`."""

    entry: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name on the server."""
        return str(self.entry["name"])

    @property
    def things(self) -> list[Thing]:
        """The deployments and blocks that its actions name."""
        return [(kind, action[kind]) for action in self.entry["actions"] for kind in NAMED if kind in action]

    def resolved(self, ids: Mapping[Thing, UUID]) -> AutomationCore:
        """
        Return the automation in the form of Prefect's API, with ids for names.

        Args:
            ids: of everything that is named.

        Raises:
            ValidationError: it does not fit Prefect's notation.
        """
        actions = [_with_ids(action, ids) for action in self.entry["actions"]]
        core = AutomationCore.model_validate({**self.entry, "actions": actions})
        return core.model_copy(update={"tags": [*core.tags, APPLIED + digest(core)]})


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    automations: list["_Entry"] = []


class _Entry(BaseModel):
    """An entry in Prefect's notation, with the fields that we need."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(min_length=1)
    actions: list[dict[str, Any]] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _over_shipped(cls, raw: Any) -> Any:
        """Lay what is written over the shipped automation that it uses."""
        try:
            return used("automation", raw)
        except UnknownPart as error:
            raise PydanticCustomError("unknown_part", "{error}", {"error": str(error)}) from None


def load_automations(path: Path) -> list[Automation]:
    """
    Return the automations of `automations.yaml`.

    Raises:
        ConfigurationError: names the file, the automation, and what is wrong with it.
    """
    automations = [Automation(entry.model_dump()) for entry in read_yaml(path, _File).automations]
    names = [automation.name for automation in automations]
    problems = [
        f"automations.{number}: {name} is there twice"
        for number, name in enumerate(names)
        if name in names[:number]
    ]
    for number, automation in enumerate(automations):
        problems += [f"automations.{number}.{problem}" for problem in _problems(automation)]
    if problems:
        raise not_right(path, problems)
    return automations


def content(automation: AutomationCore) -> Any:
    """Return all that an automation is, without its switch and our tag, as JSON has it."""
    found = automation.model_dump(mode="json", exclude={"id", "enabled", "owner_resource"})
    found["tags"] = [tag for tag in found["tags"] if not tag.startswith(APPLIED)]
    return _ordered(found)


def digest(automation: AutomationCore) -> str:
    """Return a digest of the content of an automation."""
    return hashlib.sha256(json.dumps(content(automation), sort_keys=True).encode()).hexdigest()[:12]


def applied_digest(automation: AutomationCore) -> str | None:
    """Return the digest of what `apply` made, from its tag; None if `apply` did not make it."""
    tags = [tag.removeprefix(APPLIED) for tag in automation.tags if tag.startswith(APPLIED)]
    return tags[0] if tags else None


def _problems(automation: Automation) -> Iterator[str]:
    try:
        core = automation.resolved({thing: uuid4() for thing in automation.things})
    except ValidationError as error:
        for problem in error.errors():
            yield f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        return
    known = {"actions": [_with_ids(action, {}) for action in automation.entry["actions"]]}
    for place, near in _unknown({**automation.entry, **known}, core):
        yield f"{place}: Prefect knows no such field{near}"


def _unknown(entry: Any, read: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield the place of each field that Prefect ignored, and the nearest: such a trigger fires on everything."""
    if isinstance(read, BaseModel) and not isinstance(read, RootModel):
        for name, value in entry.items():
            if name not in type(read).model_fields:
                yield f"{place}{name}", do_you_mean(name, type(read).model_fields)
            else:
                yield from _unknown(value, getattr(read, name), f"{place}{name}.")
    elif isinstance(read, list):
        for number, (value, part) in enumerate(zip(entry, read, strict=True)):
            yield from _unknown(value, part, f"{place}{number}.")


def _with_ids(action: Mapping[str, Any], ids: Mapping[Thing, UUID]) -> dict[str, Any]:
    """Return the action with ids in place of names, as far as they are known."""
    return {
        NAMED.get(field, field): ids.get((field, value)) if field in NAMED else value
        for field, value in action.items()
    }


def _ordered(value: Any) -> Any:
    """Return the same value, with sets that JSON wrote as lists in a fixed order."""
    match value:
        case dict():
            return {name: _ordered(inner) for name, inner in value.items()}
        case list() if all(isinstance(inner, str) for inner in value):
            return sorted(value)
        case list():
            return [_ordered(inner) for inner in value]
        case _:
            return value
