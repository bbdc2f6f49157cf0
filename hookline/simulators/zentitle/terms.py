"""
Zentitle's goods: products with their features and fields, profiles, and the terms of a license.

A feature or field is known by a number of ours, so that a new name reaches every code at once, as its product
has the names and each code only what is on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hookline.simulators.records import Document, names
from hookline.simulators.zentitle.inputs import Inputs, failure

KINDS = {
    "normal": "Normal",
    "floating": "Floating",
    "elementpool": "ElementPool",
    "consumptiontokens": "ConsumptionToken",
    "securestore": "SecureStore",
}
"""Feature types as they are sent, and as they come back."""

DETAILS = {
    "Floating": ("MaximumActive", "TotalActive"),
    "ElementPool": ("ElementLimit", "ElementCount"),
    "ConsumptionToken": ("TokenLimit", "TokenCount"),
}
LIMITED = ("Floating", "ElementPool")
"""The feature types whose limit can be set."""

LICENSE_TYPES = ("perpetual", "subscriptionperiod", "expirationdate")
DEFAULT_GROUP = "Default"
FIRST_HEARTBEAT = 5
NONE_USED: Mapping[int, int] = {}

# The limits of numbers in a request
LEASES = {"clientleaseperiod": (0, 8760), "vmleaseperiod": (0, 500)}
OFFERED = LEASES | {"clientsallowed": (1, 50_000)}
NUMBERS = LEASES | dict.fromkeys(("clientsallowed", "concurrentprocesses", "networkseats"), (0, 2**31 - 1))
NUMBERS["heartbeat"] = (5, 1440)

# The spellings of the terms in the answers, in the order of the fields of `Terms`
CODE = names("""
    enabledforuse licensetype clientsallowed clientLeaseperiod vmLeaseperiod clientOfflineLeaseperiod
    acquiredbywebservice networkseats heartbeat concurrentProcesses concurrencyMode subscriptionperiod
    subscriptionEnddate maintenanceEnddate
""")
CODES = tuple("activationsAllowed" if name == "clientsallowed" else name for name in CODE)
PROFILES = names("""
    enabledForUse licenseType clientsAllowed clientLeasePeriod vmLeasePeriod clientOfflineLeasePeriod
    acquiredByWebservice networkSeats heartBeat concurrentProcesses concurrencyMode subscriptionPeriod
    subscriptionEndDate maintenanceEndDate
""")


@dataclass(frozen=True, slots=True)
class Switch:
    """A feature as a license has it."""

    on: bool = False
    limit: int = 0


@dataclass(slots=True)
class Feature:
    """A feature of a product."""

    number: int
    code: str
    name: str
    notes: str
    kind: str = "Normal"
    group: str = DEFAULT_GROUP


@dataclass(slots=True)
class Udf:
    """A user-defined field of a product; a license without a value of its own has the default."""

    number: int
    name: str
    default: str


@dataclass(frozen=True, slots=True)
class Terms:
    """
    The license properties that codes and profiles share, in the vendor's output vocabulary.

    Never changed in place, so codes may share those of their profile.
    """

    enabled: bool = True
    licensetype: str = "Perpetual"
    clientsallowed: int = 1
    clientleaseperiod: int = 0
    vmleaseperiod: int = 0
    offline_hours: int = 0
    acquired: bool = False
    networkseats: int = 0
    heartbeat: int = 0
    concurrentprocesses: int = 0
    concurrencymode: str = "None"
    subscriptionperiod: int = 0
    subscriptionenddate: str | None = None
    maintenanceenddate: str | None = None
    features: Mapping[int, Switch] = field(default_factory=dict)
    udfs: Mapping[int, str] = field(default_factory=dict)
    checkout_days: int | None = None
    """The server function LTCO: days for which a license may be checked out; off when not set."""

    def switch(self, feature: Feature) -> Switch:
        """Return what a license of these terms has of a feature."""
        return self.features.get(feature.number, Switch())


@dataclass(slots=True)
class Product:
    """A product, and the terms of codes that belong to no profile."""

    product: str
    name: str
    trial_days: int
    terms: Terms
    features: list[Feature] = field(default_factory=list)
    udfs: list[Udf] = field(default_factory=list)
    groups: dict[str, str] = field(default_factory=lambda: {DEFAULT_GROUP: ""})
    """The notes of each feature group, by its name."""

    def feature(self, code: str) -> Feature:
        """Return the feature of this code."""
        for each in self.features:
            if each.code == code:
                return each
        raise failure(f"Feature {code} does not exist")

    def udf(self, name: str) -> Udf:
        """Return the field of this name."""
        for each in self.udfs:
            if each.name == name:
                return each
        raise failure(f"UDF {name} does not exist")


@dataclass(slots=True)
class Profile:
    """A code profile: the terms with which its codes begin."""

    profile: int
    product: str
    name: str
    terms: Terms
    created: str
    modified: str
    reseller: int = 0


# Input


def changed(current: Terms, inputs: Inputs, product: Product) -> Terms:
    """Return the terms after a PUT; a field left out stays as it was."""
    return _with_type(_with_properties(current, inputs, product), inputs)


def new_profile_terms(inputs: Inputs, product: Product) -> Terms:
    """Return the terms of a new profile: disabled and for no client, unless the inputs differ."""
    terms = Terms(enabled=False, clientsallowed=0)
    terms = _with_first_type(_with_properties(terms, inputs, product), inputs)
    if terms.concurrencymode == "Network" and "heartbeat" not in inputs:
        return replace(terms, heartbeat=FIRST_HEARTBEAT)
    return terms


def new_product_terms(inputs: Inputs) -> Terms:
    """Return the terms of a new product."""
    return _with_first_type(_with_numbers(Terms(), inputs, OFFERED), inputs)


def changed_product_terms(current: Terms, inputs: Inputs) -> Terms:
    """Return the terms of a product after a PUT."""
    return _with_type(_with_numbers(current, inputs, OFFERED), inputs)


def with_features_on(current: Terms, inputs: Inputs, product: Product) -> Terms:
    """Return the terms with the features named switched on, and the fields set."""
    features = dict(current.features)
    for each in inputs.each("features"):
        feature = product.feature(each.required("featurecode"))
        features[feature.number] = replace(features.get(feature.number, Switch()), on=True)
    return replace(current, features=features, udfs=_udfs(current, inputs, product))


def _with_properties(current: Terms, inputs: Inputs, product: Product) -> Terms:
    enabled, acquired = inputs.truth("enabledforuse"), inputs.truth("acquiredbywebservice")
    mode = inputs.word("concurrencymode", "off", "cloud", "network")
    terms = _with_numbers(current, inputs, NUMBERS)
    return replace(
        terms,
        enabled=current.enabled if enabled is None else enabled,
        acquired=current.acquired if acquired is None else acquired,
        concurrencymode={"": current.concurrencymode, "off": "None"}.get(mode, mode.capitalize()),
        maintenanceenddate=inputs.date_or_reset("maintenanceenddate", current.maintenanceenddate),
        features=_features(current, inputs, product),
        udfs=_udfs(current, inputs, product),
        checkout_days=_checkout_days(current, inputs),
    )


def _with_numbers(current: Terms, inputs: Inputs, limits: Mapping[str, tuple[int, int]]) -> Terms:
    numbers: dict[str, Any] = {
        name: inputs.whole(name, getattr(current, name), low=low, high=high)
        for name, (low, high) in limits.items()
    }
    if "clientofflineleaseperiod" in inputs:
        # Days in, hours out: the vendor's own trap.
        numbers["offline_hours"] = 24 * inputs.whole("clientofflineleaseperiod", high=500)
    return replace(current, **numbers)


def _with_type(current: Terms, inputs: Inputs) -> Terms:
    """Change the license type, its period or its end; the type must be sent for any of them."""
    kind = inputs.word("licensetype", *LICENSE_TYPES)
    if not kind and ("subscriptionperiod" in inputs or "subscriptionenddate" in inputs):
        raise failure("Please supply the licensetype to update the subscription")
    if kind != "subscriptionperiod":
        return _of_type(current, kind, inputs)
    return replace(
        current,
        licensetype="SubscriptionPeriod",
        subscriptionperiod=_period(current, inputs),
        subscriptionenddate=inputs.date_or_reset("subscriptionenddate", current.subscriptionenddate),
    )


def _with_first_type(current: Terms, inputs: Inputs) -> Terms:
    """Set the license type of what is new: perpetual unless another is sent, and no period is no mistake."""
    kind = inputs.word("licensetype", *LICENSE_TYPES, default="perpetual")
    if kind != "subscriptionperiod":
        return _of_type(current, kind, inputs)
    days = inputs.whole("subscriptionperiod", high=5000)
    return replace(current, licensetype="SubscriptionPeriod", subscriptionperiod=days)


def _of_type(current: Terms, kind: str, inputs: Inputs) -> Terms:
    if kind == "expirationdate":
        inputs.required("subscriptionenddate")
        end = inputs.date("subscriptionenddate")
        return replace(current, licensetype="ExpirationDate", subscriptionenddate=end)
    if kind == "perpetual":
        return replace(current, licensetype="Perpetual", subscriptionperiod=0, subscriptionenddate=None)
    return current


def _period(current: Terms, inputs: Inputs) -> int:
    inputs.required("subscriptionperiod")
    if current.licensetype == "SubscriptionPeriod":
        # "Extend" may mean add. The reading that hurts a careless client is the one to rehearse with.
        return current.subscriptionperiod + inputs.whole("subscriptionperiod", low=1, high=1000)
    return inputs.whole("subscriptionperiod", low=1, high=5000)


def _features(current: Terms, inputs: Inputs, product: Product) -> Mapping[int, Switch]:
    switches = dict(current.features)
    for each in inputs.each("features"):
        feature = product.feature(each.required("featurecode"))
        switch = switches.get(feature.number, Switch())
        on = each.switch("featureavailability", on=switch.on)
        # A limit for what has none is passed over: the vendor's own sample sends one.
        limit = each.whole("limit", switch.limit) if feature.kind in LIMITED else switch.limit
        switches[feature.number] = Switch(on, limit)
    return switches


def _udfs(current: Terms, inputs: Inputs, product: Product) -> Mapping[int, str]:
    values = {
        product.udf(each.required("fieldname")).number: each.text("defaultvalue")
        for each in inputs.each("udfvalues")
    }
    return {**current.udfs, **values}


def _checkout_days(current: Terms, inputs: Inputs) -> int | None:
    days = current.checkout_days
    for each in inputs.each("serverfunctions"):
        name, on = each.required("functionname"), each.switch("enabled", on=True)
        value = each.whole("parametervalue", days or 0)
        if name == "LTCO":  # the others can be named, as in the vendor's sample, and stay as they are
            days = value if on else None
    return days


# Output


def terms_row(
    terms: Terms,
    product: Product,
    spelling: tuple[str, ...],
    used: Mapping[int, int] = NONE_USED,
    *,
    functions: bool = False,
    only_on: bool = False,
) -> Document:
    """Return the terms of a code or profile, in one of the spellings; the flags as text."""
    values = (getattr(terms, name) for name in TERMS)
    row: Document = {
        name: str(value) if isinstance(value, bool) else value
        for name, value in zip(spelling, values, strict=True)
    }
    row |= {"features": feature_rows(terms, product, used, only_on=only_on)}
    row |= {"udfValues": udf_rows(terms, product)}
    return row | ({"serverFunctions": _function_rows(terms)} if functions else {})


TERMS = tuple(Terms.__dataclass_fields__)[: len(CODE)]
"""The fields of the terms that are a value."""


def feature_rows(
    terms: Terms, product: Product, used: Mapping[int, int] = NONE_USED, *, only_on: bool = False
) -> list[Document]:
    """Return the features of a code or profile, with the counts in use of those that are counted."""
    return [
        {
            "featureCode": feature.code,
            "featureAvailability": on_or_off(on=terms.switch(feature).on),
            "featureType": feature.kind,
            "featureDetails": [
                f"{name} : {count}"
                for name, count in zip(
                    DETAILS.get(feature.kind, ()),
                    (terms.switch(feature).limit, used.get(feature.number, 0)),
                    strict=False,
                )
            ],
        }
        for feature in product.features
        if terms.switch(feature).on or not only_on
    ]


def udf_rows(terms: Terms, product: Product) -> list[Document]:
    """Return the fields with the values that a code, profile or product has."""
    return [
        {"fieldName": each.name, "defaultValue": terms.udfs.get(each.number, each.default)}
        for each in product.udfs
    ]


def _function_rows(terms: Terms) -> list[Document]:
    """Return the server functions; a number is a string, and an empty one where there is none."""
    days = terms.checkout_days
    rows = (("LTCO", days is not None, "" if days is None else str(days)), ("FeatureAvailability", True, ""))
    return [
        {"functionName": name, "enabled": on_or_off(on=on), "parameterValue": value}
        for name, on, value in rows
    ]


def on_or_off(*, on: bool) -> str:
    """Return ON or OFF, the way the vendor writes a switch."""
    return "ON" if on else "OFF"
