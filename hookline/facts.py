"""
What is known about each vendor, with its source, and the names of fields that the vendor itself publishes.

The table of a vendor is the file that its `Vendor.facts` names. What clients assume, what simulators may answer, what a
probe confirms and what the vendor's page says is all read from it.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hookline.errors import HooklineError
from hookline.vendors import vendors

Trust = Literal["seed", "public", "assumed"]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Row):
    """A text that facts are taken from."""

    title: str
    url: str = ""
    seen: str = ""
    """The day on which it was read; texts change."""


class Fact(_Row):
    """One thing that Hookline relies on."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    fact: str
    about: tuple[str, ...] = ()
    """Operations, answer models (`SalesOrder`) and their fields (`SalesOrder.InvoiceNo`)."""
    trust: Trust
    source: str
    """The code of a source and the place in it; for what is assumed, the reason."""
    breaks: str
    """What Hookline does, or what people see, if it is not so."""
    confirm: str = ""
    """How the first account confirms it."""
    probe: str = ""
    """The step of `hookline probe` that confirms it."""
    variants: dict[str, str] = {}
    """What the vendor may answer, by name; the first is the likeliest."""
    settings: dict[str, dict[str, str]] = {}
    """The variables to set where a variant is seen; `{evidence}` stands for what was seen."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.trust == "assumed" and not self.confirm:
            raise ValueError(f"{self.id}: say under `confirm` how the first account confirms what is assumed")
        if len(self.variants) == 1:
            raise ValueError(f"{self.id}: one variant is none")
        if strange := set(self.settings) - set(self.variants):
            raise ValueError(f"{self.id}: settings for {', '.join(strange)}, which is no variant")
        return self

    @property
    def likeliest(self) -> str:
        """Return the name of the first variant; "" if there are none."""
        return next(iter(self.variants), "")


class Record(_Row):
    """The fields of one answer model: those that the vendor publishes, and those that are ours alone."""

    source: str = ""
    fields: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()


class Facts(_Row):
    """Everything that is known about one vendor."""

    sources: dict[str, Source] = {}
    facts: tuple[Fact, ...] = ()
    records: dict[str, Record] = {}

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        names = [each.id for each in self.facts]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"facts of the same id: {', '.join(sorted(twice))}")
        places = [(each.id, each.source) for each in self.facts if each.trust != "assumed"]
        places += [(name, each.source) for name, each in self.records.items() if each.fields]
        for name, place in places:
            if place.split(",")[0].strip() not in self.sources:
                raise ValueError(f"{name}: its source begins with no code of `sources`")
        return self

    def __getitem__(self, name: str) -> Fact:
        return next(each for each in self.facts if each.id == name)

    def assumed_about(self, name: str) -> Iterator[Fact]:
        """Yield what is assumed about an operation, a model or a field."""
        return (each for each in self.facts if each.trust == "assumed" and name in each.about)


@cache
def facts_of(vendor: str) -> Facts:
    """Return the table of a vendor, empty where it has none; raise `HooklineError` that names the wrong place."""
    known = vendors().get(vendor)
    if known is None or (path := known.facts) is None:
        return Facts()
    loaded: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506  (a safe loader)
    try:
        return Facts.model_validate(loaded)
    except ValidationError as error:
        wrong = (".".join(map(str, each["loc"])) + f": {each['msg']}" for each in error.errors())
        raise HooklineError(f"{path}: {'; '.join(wrong)}") from None


_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
