"""`catalog.yaml`: the business facts of the workflows: parts, products, thresholds and mails."""

import logging
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hookline.errors import ConfigurationError
from hookline.files import read_yaml
from hookline.in_force import STAYS, LastGood, Problem
from hookline.settings import settings
from hookline.text import one_line

logger = logging.getLogger(__name__)

PART = "catalog"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Mail(_Strict):
    """A stored Sensorpro broadcast to the customer."""

    campaign_id: str
    broadcast_id: int
    if_unknown: Literal["ask", "send-again"] = "ask"


class Product(_Strict):
    """The license that a part of an order stands for."""

    part_no: str = Field(min_length=1)
    product_id: str = Field(min_length=1)
    allocate: Literal["codes", "seats"]
    license_type: Literal["perpetual", "subscription"]
    days: int | None = Field(None, ge=1, le=5000)
    profile: str | None = None
    import_codes: bool = False
    """Choose the codes here and import them, so that one that is sent twice is one; Zentitle generates them else."""

    @model_validator(mode="after")
    def _days_fit_the_type(self) -> Self:
        if (self.license_type == "subscription") != (self.days is not None):
            raise ValueError("days belong to license_type subscription, and to it alone")
        return self

    def codes(self, quantity: int) -> int:
        """Return the number of license codes for so many units."""
        return quantity if self.allocate == "codes" else 1

    def clients(self, quantity: int) -> int:
        """Return the number of clients that each of those codes allows."""
        return 1 if self.allocate == "codes" else quantity


class Tickets(_Strict):
    """The settings of `ticket-to-invoice`: how closed Jifeline tickets become Jiwa orders."""

    closed_since: date
    """Tickets closed before this day (UTC) are left alone: they were billed in another way."""
    services: dict[str, str] = Field(min_length=1)
    """Jiwa's PartNo for each product of Jifeline, by its name, number or id."""
    debtors: dict[str, str] = Field(default_factory=dict)
    """Jiwa's AccountNo for customers whose reference in Jifeline is another, by their Jifeline id."""
    survey: Mail | None = None
    """The mail that asks the customer how it went; without it, nobody is asked."""


class Supplies(_Strict):
    """The settings of `supply-alert`: when a JetAdvice cartridge is ordered."""

    below: int = Field(15, ge=0, le=100)
    """Percent left, at or below which it is ordered."""
    replaced_above: int = Field(50, ge=0, le=100)
    """Percent above which it counts as replaced, and may be ordered again."""
    types: list[str] = ["toner"]
    """Kinds of supply that are ordered, as JetAdvice names them."""
    silent_days: int = Field(7, ge=1)
    """Days without a report after which a printer's levels are ignored."""
    part_nos: dict[str, str] = Field(default_factory=dict)
    """Jiwa's PartNo where it differs from JetAdvice's part number."""
    debtors: dict[str, str] = Field(default_factory=dict)
    """Jiwa's AccountNo for customers without an external number in JetAdvice, by their JetAdvice id."""
    mail: Mail

    @field_validator("types")
    @classmethod
    def _lower_case(cls, types: list[str]) -> list[str]:
        return [kind.lower() for kind in types]

    @model_validator(mode="after")
    def _has_gap(self) -> Self:
        if self.replaced_above <= self.below:
            raise ValueError("replaced_above must be more than below, or a cartridge would be ordered twice")
        return self


class Stock(_Strict):
    """License codes at Zentitle that are reserved for loans."""

    product_id: str = Field(min_length=1)
    profile: str | None = None


class Loans(_Strict):
    """The settings of `license-on-loan`: licenses that are lent until a customer has paid."""

    days: int = Field(14, ge=1, le=1000)
    """Days of a loan."""
    stock: dict[str, Stock] = Field(min_length=1)
    """The license codes that may be lent, by Jiwa's PartNo."""
    granted: Mail
    declined: Mail


class Catalog(_Strict):
    """The whole of `catalog.yaml`."""

    paid_when: Literal["payments", "allocated", "either"] = "either"
    when_enlarged: Literal["stop", "license"] = "stop"
    """What happens to licenses that were added to an order after it was licensed."""
    computer_id_field: str = ""
    mail: Mail
    products: list[Product] = Field(min_length=1)
    tickets: Tickets | None = None
    supplies: Supplies | None = None
    loans: Loans | None = None

    @field_validator("products")
    @classmethod
    def _unique_parts(cls, products: list[Product]) -> list[Product]:
        parts = [product.part_no for product in products]
        if twice := {part for part in parts if parts.count(part) > 1}:
            raise ValueError(f"part_no is there twice: {', '.join(sorted(twice))}")
        return products

    def product(self, part_no: str) -> Product | None:
        """Return the product of a part; None for ordinary goods."""
        return next((product for product in self.products if product.part_no == part_no), None)


def read_catalog(path: Path) -> Catalog:
    """
    Read and check `catalog.yaml`.

    Raises:
        ConfigurationError: names the file, the place in it, and what is wrong there.
    """
    return read_yaml(path, Catalog)


def load_catalog(path: Path) -> Catalog:
    """
    Return the catalog that is in force: `catalog.yaml`, or the last that was good.

    It is cached until the file changes, for every run needs it.

    Raises:
        ConfigurationError: it is wrong, and none was in force before; names the file and the place in it.
    """
    return catalog_in_force(path, settings().home)[0]


def catalog_in_force(path: Path, home: Path) -> tuple[Catalog, Problem | None]:
    """
    Return the catalog that is in force, and the problem of the file if that is an older version.

    Raises:
        ConfigurationError: it is wrong, and none was in force before.
    """
    try:
        found = path.stat()
    except OSError:
        return _in_force(path, home)
    return _cached(path, home, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=4)
def _cached(path: Path, home: Path, _changed: int, _size: int) -> tuple[Catalog, Problem | None]:
    return _in_force(path, home)


def _in_force(path: Path, home: Path) -> tuple[Catalog, Problem | None]:
    record = LastGood(home, "catalog", path)
    try:
        catalog = read_catalog(path)
    except ConfigurationError as error:
        if (last := _last(record)) is None:
            raise
        problem = Problem("file", str(path), one_line(error), STAYS)
        logger.error("%s", problem)  # noqa: TRY400  (a message for people, without a traceback)
        return last, problem
    record.write({PART: catalog.model_dump_json()})
    return catalog, None


def _last(record: LastGood) -> Catalog | None:
    """Return the catalog that was last in force; None where there was none, or another version wrote it."""
    try:
        return Catalog.model_validate_json((record.read() or {})[PART])
    except (KeyError, ValidationError):
        return None
