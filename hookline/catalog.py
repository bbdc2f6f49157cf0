"""`catalog.yaml`: the business facts of the workflows: parts, products, thresholds and mails."""

import logging
import re
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from hookline.account_keys import DEFAULT
from hookline.errors import ConfigurationError
from hookline.files import read_yaml
from hookline.hooks.poll import duration
from hookline.in_force import STAYS, LastGood, Problem
from hookline.settings import settings
from hookline.text import one_line
from hookline.waits.addresses import NAME

logger = logging.getLogger(__name__)

PART = "catalog"
MONTH = r"^20\d{2}-(0[1-9]|1[0-2])$"
"""A month, such as 2026-10."""


BlockName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
"""The name of a credentials block."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
Code = Annotated[str, Field(pattern=f"^{_LANGUAGE.pattern}$")]
"""A language in its short form, such as en, de or de-at."""


class Language(_Strict):
    """The languages of texts: the firm's own, and that of each customer."""

    default: Code = "en"
    """The language of the firm's notes and reports, and of customers for whom nothing else is said."""
    customers: dict[str, Code] = Field(default_factory=dict)
    """The language of single customers, by their account number in Jiwa."""
    countries: dict[str, Code] = Field(default_factory=dict)
    """The language of a country, by its name as it is written in the address, in any case."""

    @field_validator("countries")
    @classmethod
    def _in_any_case(cls, countries: dict[str, str]) -> dict[str, str]:
        return {country.strip().casefold(): language for country, language in countries.items()}

    def of(self, account_no: str = "", country: str = "", *, locale: str = "") -> str:
        """
        Return the language of a customer: what this says of it, else what its vendor says, else the firm's.

        Args:
            account_no: in Jiwa.
            country: of its address.
            locale: such as `nl_NL`, as a vendor has it; one that cannot be read is ignored.
        """
        as_vendor_has_it = locale.replace("_", "-").lower()
        return (
            self.customers.get(account_no)
            or (_LANGUAGE.fullmatch(as_vendor_has_it) and as_vendor_has_it)
            or self.countries.get(country.strip().casefold())
            or self.default
        )


class Mail(_Strict):
    """A stored Sensorpro broadcast to the customer."""

    campaign_id: str
    broadcast_id: int
    if_unknown: Literal["ask", "send-again"] = "ask"
    sensorpro: BlockName | None = None
    """The Sensorpro account that has the broadcast, by its block; left out: the flow's."""


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
    zentitle: BlockName | None = None
    """The Zentitle account that has the product, by its block; left out: the flow's."""

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


def _duration(value: object) -> object:
    """Read a duration such as 2d; what was stored of it is read by pydantic."""
    return duration(value) if isinstance(value, str) and not value.startswith("P") else value


class Approval(_Strict):
    """The orders that wait for a person before anything is licensed."""

    above: Decimal = Field(ge=0)
    """The total of an order, as Jiwa has it, above which somebody is asked."""
    ask: list[str] = Field(min_length=1, max_length=20)
    """Names of people; each is asked, one decides. `HOOKLINE_PERSON_<NAME>` says where each is reached."""
    timeout: Annotated[timedelta, BeforeValidator(_duration)] = Field(
        timedelta(days=2), gt=timedelta(0), le=timedelta(days=90)
    )
    """The time for which each is waited for."""
    otherwise: list[str] = Field([], max_length=10)
    """Who is asked after that, one after another; at last `approve` or `decline`. Empty: the run fails."""

    @model_validator(mode="after")
    def _people_have_names(self) -> Self:
        for name in (*self.ask, *self.otherwise):
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a person; a name is such as anna or anna-berg")
        if {"approve", "decline"} & {*self.ask, *self.otherwise[:-1]}:
            raise ValueError("approve or decline holds at last: it ends `otherwise`")
        return self


class Activation(_Strict):
    """The settings of `activation-reminder`: when a customer is reminded of a license that is not activated."""

    days: int = Field(14, ge=1, le=365)
    """Days after it was allocated."""
    mail: Mail


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
    zentitle: BlockName | None = None
    """The Zentitle account that has the codes, by its block; left out: the flow's."""


class Loans(_Strict):
    """The settings of `license-on-loan`: licenses that are lent until a customer has paid."""

    days: int = Field(14, ge=1, le=1000)
    """Days of a loan."""
    stock: dict[str, Stock] = Field(min_length=1)
    """The license codes that may be lent, by Jiwa's PartNo."""
    granted: Mail
    declined: Mail


class Credits(_Strict):
    """The settings of `credit-to-revoke`: what a credit note does to the licenses of its order."""

    since: date
    """Credit notes of an earlier date are left alone: a person saw to them."""
    mail: Mail
    """The mail that informs the customer."""


class Renewals(_Strict):
    """The settings of `renewal-reminder` and `renewal-paid`: how subscriptions go on."""

    parts: dict[str, str] = Field(min_length=1)
    """The part of a product, by the part in Jiwa that renews it; each unit is a unit of the product for its days."""
    remind_days: int = Field(30, ge=1, le=365)
    """Days before its end at which the customer of a license gets a quote and a mail."""
    grace_days: int = Field(30, ge=0, le=365)
    """Days after its end within which a renewal goes on from there; a later one begins on the day of its payment."""
    reminder: Mail
    renewed: Mail


class Trials(_Strict):
    """The settings of `trial-nurture`: what is sent to those whose trial ends soon."""

    products: dict[str, str] = Field(min_length=1)
    """What each product is called in the mail, by its id at Zentitle."""
    days: int = Field(7, ge=1, le=90)
    """Days before the end of a trial at which its user gets a mail."""
    tag: str = Field(min_length=1, max_length=100)
    """The tag of the contacts at Sensorpro."""
    mail: Mail


class Customers(_Strict):
    """The settings of `customer-sync`: where the customers of Jiwa are known, too."""

    zentitle_product: str | None = Field(None, min_length=1)
    """The product that Zentitle wants to be named with each company; left out: no company is made or changed."""
    jetadvice: bool = False
    """Make and change customers of JetAdvice."""
    sensorpro_tag: str | None = Field(None, min_length=1, max_length=100)
    """The tag of customers at Sensorpro; left out: no contact is made or changed."""
    jifeline: bool = False
    """Report which customer of Jifeline is the same."""

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if not (self.zentitle_product or self.jetadvice or self.sensorpro_tag or self.jifeline):
            raise ValueError("name at least one of zentitle_product, jetadvice, sensorpro_tag and jifeline")
        return self


class Meters(_Strict):
    """The settings of `meter-billing`: how the meters of JetAdvice become Jiwa orders."""

    report: str = Field(min_length=1)
    """JetAdvice's id of the report that has the meters, a row for each device."""
    since: str = Field(pattern=MONTH)
    """The first month that is billed, such as 2026-10."""
    parts: dict[str, str] = Field(min_length=1)
    """Jiwa's PartNo for each kind of click, by the name of its column in the report."""
    debtors: dict[str, str] = Field(default_factory=dict)
    """Jiwa's AccountNo for customers without an external number in JetAdvice, by their JetAdvice id."""
    allowances: dict[str, dict[str, NonNegativeInt]] = Field(default_factory=dict)
    """Clicks of each kind that are included in an order, by the customer's JetAdvice id."""
    starts: dict[str, dict[str, NonNegativeInt]] = Field(default_factory=dict)
    """Readings from which a device is billed for the first time, by its id or serial number."""
    max_jump: int = Field(100_000, ge=1)
    """Clicks of one kind and device, above which a person must confirm them."""
    silent_days: int = Field(7, ge=1, le=366)
    """Days without a report after which a device's meters are not believed."""
    report_within: Annotated[timedelta, BeforeValidator(_duration)] = Field(
        timedelta(minutes=15), gt=timedelta(0), le=timedelta(hours=12)
    )
    """The time for which a run waits until JetAdvice has made the report."""
    device_column: str = Field("DeviceId", min_length=1)
    """The column of the report with the device's id or serial number."""
    reported_column: str = Field("LastReport", min_length=1)
    """The column with the time of the reading."""

    @model_validator(mode="after")
    def _kinds_have_parts(self) -> Self:
        kinds = {kind.casefold() for kind in self.parts}
        if len(kinds) < len(self.parts):
            raise ValueError("parts: a kind of click is there twice; capitals do not count")
        if "total" in kinds and kinds & {"mono", "color"}:
            raise ValueError("parts: Total holds Mono and Color: the same click would be billed twice")
        for name, each in (("allowances", self.allowances), ("starts", self.starts)):
            for of, clicks in each.items():
                if unknown := [kind for kind in clicks if kind.casefold() not in kinds]:
                    raise ValueError(f"{name}.{of}: {', '.join(unknown)} is no kind among parts")
        return self


class Offline(_Strict):
    """The settings of `offline-activation`: licenses on computers that are offline."""

    parts: list[str] = []
    """Parts of the products that are activated so; empty: all products."""
    send_to: Literal["customer", "requester"] = "customer"
    """Who gets the certificate: the customer as Jiwa knows it, or the one who asks, at the address of the request."""
    granted: Mail
    """The mail with the certificate."""
    declined: Mail
    """The mail that says why there is none."""


class Sections(_Strict):
    """The rules for the orders of one Jiwa, but for the products and the mail, which the whole catalog must have."""

    paid_when: Literal["payments", "allocated", "either"] = "either"
    when_enlarged: Literal["stop", "license"] = "stop"
    """What happens to licenses that were added to an order after it was licensed."""
    computer_id_field: str = ""
    language: Language = Language()
    tickets: Tickets | None = None
    supplies: Supplies | None = None
    loans: Loans | None = None
    credits: Credits | None = None
    renewals: Renewals | None = None
    meters: Meters | None = None
    approval: Approval | None = None
    """Left out: no order waits for a person."""
    activation: Activation | None = None
    """Left out: nobody is reminded."""
    trials: Trials | None = None
    """Left out: nobody gets a mail about a trial."""
    customers: Customers | None = None
    """Left out: `customer-sync` does nothing."""
    offline: Offline | None = None
    """Left out: no license is activated on a computer that is offline."""


class AccountSections(Sections):
    """The rules for the orders of another Jiwa account; a part that is left out is that of the whole catalog."""

    mail: Mail | None = None
    products: list[Product] | None = Field(None, min_length=1)

    @model_serializer(mode="wrap")
    def _as_named(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write the parts that are there: one that is left out is another thing than one that is switched off."""
        written: dict[str, Any] = write(self)
        return {name: value for name, value in written.items() if name in self.model_fields_set}


class Catalog(Sections):
    """The whole of `catalog.yaml`."""

    mail: Mail
    products: list[Product] = Field(min_length=1)
    accounts: dict[BlockName, AccountSections] = Field(default_factory=dict)
    """The parts that are others for the orders of another Jiwa account, by its block; each takes the place of ours."""

    @field_validator("products")
    @classmethod
    def _unique_parts(cls, products: list[Product]) -> list[Product]:
        parts = [product.part_no for product in products]
        if twice := {part for part in parts if parts.count(part) > 1}:
            raise ValueError(f"part_no is there twice: {', '.join(sorted(twice))}")
        return products

    @model_validator(mode="after")
    def _accounts_are_whole(self) -> Self:
        if DEFAULT in self.accounts:
            raise ValueError(f"accounts.{DEFAULT}: the rules of this account are those outside of `accounts`")
        for name in self.accounts:
            try:
                Catalog.model_validate(self._sections_of(name).model_dump())
            except ValidationError as error:
                raise ValueError(f"accounts.{name}: {error.errors()[0]['msg']}") from None
        return self

    def _sections_of(self, jiwa: str) -> Self:
        """Return the rules for the orders of a Jiwa account."""
        own = self.accounts.get(jiwa)
        changed = {name: getattr(own, name) for name in own.model_fields_set} if own else {}
        return self.model_copy(update={"accounts": {}, **changed})

    def of(self, *, jiwa: str, zentitle: str = DEFAULT) -> Self:
        """
        Return the rules for the orders of a Jiwa account.

        Args:
            jiwa: the name of its block.
            zentitle: the name of the block with which products are licensed that name none; each names one then.
        """
        found = self._sections_of(jiwa)
        products = [
            each.model_copy(update={"zentitle": each.zentitle or zentitle}) for each in found.products
        ]
        return found.model_copy(update={"products": products})

    def blocks(self) -> set[tuple[str, str]]:
        """Return the accounts that it names, each as a vendor and the name of a block."""
        named = {("jiwa", name) for name in self.accounts}
        left: list[object] = [self]
        while left:
            match left.pop():
                case BaseModel() as model:
                    left += [getattr(model, name) for name in type(model).model_fields]
                    pairs = ((vendor, getattr(model, vendor, None)) for vendor in ("zentitle", "sensorpro"))
                    named |= {(vendor, name) for vendor, name in pairs if isinstance(name, str)}
                case dict() as mapping:
                    left += mapping.values()
                case list() as values:
                    left += values
                case _:
                    pass
        return named

    @model_validator(mode="after")
    def _renewals_fit_the_products(self) -> Self:
        renewed: dict[str, str] = {}
        for renewal, part in (self.renewals.parts if self.renewals else {}).items():
            product = self.product(part)
            if product is None or product.days is None:
                raise ValueError(
                    f"renewals.parts: {renewal} renews {part}, which is no subscription among products"
                )
            if self.product(renewal) is not None:
                raise ValueError(
                    f"renewals.parts: {renewal} is among products, so it would bring new licenses"
                )
            if other := renewed.get(product.product_id):
                raise ValueError(
                    f"renewals.parts: {other} and {renewal} renew the same product {product.product_id}"
                )
            renewed[product.product_id] = renewal
        return self

    @model_validator(mode="after")
    def _offline_parts_are_products(self) -> Self:
        for part in self.offline.parts if self.offline else ():
            if self.product(part) is None:
                raise ValueError(f"offline.parts: {part} is not among products")
        return self

    def renewal(self, part_no: str) -> Product | None:
        """Return the product that a part renews; None if it is no renewal."""
        part = self.renewals.parts.get(part_no) if self.renewals else None
        return None if part is None else self.product(part)

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


def last_good_catalog(path: Path, home: Path) -> Catalog | None:
    """Return the catalog that was last in force; None where there was none, or another version wrote it."""
    try:
        return Catalog.model_validate_json((_record(path, home).read() or {})[PART])
    except (KeyError, ValidationError):
        return None


def record_catalog(path: Path, home: Path, catalog: Catalog) -> None:
    """Record that a catalog is in force."""
    _record(path, home).write({PART: catalog.model_dump_json()})


def _record(path: Path, home: Path) -> LastGood:
    return LastGood(home, "catalog", path)


def _in_force(path: Path, home: Path) -> tuple[Catalog, Problem | None]:
    try:
        catalog = read_catalog(path)
    except ConfigurationError as error:
        if (last := last_good_catalog(path, home)) is None:
            raise
        problem = Problem("file", str(path), one_line(error), STAYS)
        logger.error("%s", problem)  # noqa: TRY400  (a message for people, without a traceback)
        return last, problem
    record_catalog(path, home, catalog)
    return catalog, None
