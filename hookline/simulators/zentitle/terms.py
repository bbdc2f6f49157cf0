"""
What Zentitle sells: products with their features and fields, profiles, and the terms of a license.

A feature or field is known by a number of ours, so that a new name reaches every code at once, as its product
tells the names and each code only what is on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Switch:
    """What a license has of a feature."""

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
        """The feature of this code."""
        for each in self.features:
            if each.code == code:
                return each
        raise failure(f"Feature {code} does not exist")

    def udf(self, name: str) -> Udf:
        """The field of this name."""
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


def changed(before: Terms, inputs: Inputs, product: Product) -> Terms:
    """The terms after a PUT; a field left out stays as it was."""
    return _with_type(_with_properties(before, inputs, product), inputs)


def begun(inputs: Inputs, product: Product) -> Terms:
    """The terms of a new profile: disabled and for no client, unless told otherwise."""
    terms = Terms(enabled=False, clientsallowed=0)
    terms = _with_first_type(_with_properties(terms, inputs, product), inputs)
    if terms.concurrencymode == "Network" and "heartbeat" not in inputs:
        return replace(terms, heartbeat=FIRST_HEARTBEAT)
    return terms


def offered(inputs: Inputs) -> Terms:
    """The terms of a new product."""
    terms = replace(
        Terms(),
        **_leases_given(Terms(), inputs),
        clientsallowed=inputs.whole("clientsallowed", 1, low=1, high=50_000),
    )
    return _with_first_type(terms, inputs)


def offered_anew(before: Terms, inputs: Inputs) -> Terms:
    """The terms of a product after a PUT."""
    terms = replace(
        before,
        **_leases_given(before, inputs),
        clientsallowed=inputs.whole("clientsallowed", before.clientsallowed, low=1, high=50_000),
    )
    return _with_type(terms, inputs)


def with_features_on(before: Terms, inputs: Inputs, product: Product) -> Terms:
    """The terms with the features named switched on, and the fields given."""
    features = dict(before.features)
    for each in inputs.each("features"):
        number = product.feature(each.required("featurecode")).number
        features[number] = replace(features.get(number, Switch()), on=True)
    return replace(before, features=features, udfs=_udfs(before, inputs, product))


def _with_properties(before: Terms, inputs: Inputs, product: Product) -> Terms:
    enabled, acquired = inputs.truth("enabledforuse"), inputs.truth("acquiredbywebservice")
    mode = inputs.word("concurrencymode", "off", "cloud", "network")
    given = inputs.whole
    return replace(
        before,
        **_leases_given(before, inputs),
        enabled=before.enabled if enabled is None else enabled,
        acquired=before.acquired if acquired is None else acquired,
        clientsallowed=given("clientsallowed", before.clientsallowed),
        concurrentprocesses=given("concurrentprocesses", before.concurrentprocesses),
        networkseats=given("networkseats", before.networkseats),
        heartbeat=given("heartbeat", before.heartbeat, low=5, high=1440),
        concurrencymode={"": before.concurrencymode, "off": "None"}.get(mode, mode.capitalize()),
        maintenanceenddate=inputs.date_or_reset("maintenanceenddate")
        if "maintenanceenddate" in inputs
        else before.maintenanceenddate,
        features=_features(before, inputs, product),
        udfs=_udfs(before, inputs, product),
        checkout_days=_checkout_days(before, inputs),
    )


def _leases_given(before: Terms, inputs: Inputs) -> dict[str, Any]:
    offline = before.offline_hours
    if "clientofflineleaseperiod" in inputs:
        # Days in, hours out: the vendor's own trap.
        offline = 24 * inputs.whole("clientofflineleaseperiod", high=500)
    return {
        "clientleaseperiod": inputs.whole("clientleaseperiod", before.clientleaseperiod, high=8760),
        "vmleaseperiod": inputs.whole("vmleaseperiod", before.vmleaseperiod, high=500),
        "offline_hours": offline,
    }


def _with_type(before: Terms, inputs: Inputs) -> Terms:
    """Change the license type, its period or its end; the type must be sent for any of them."""
    kind = inputs.word("licensetype", *LICENSE_TYPES)
    if not kind and ("subscriptionperiod" in inputs or "subscriptionenddate" in inputs):
        raise failure("Please supply the licensetype to update the subscription")
    if kind == "subscriptionperiod":
        end = before.subscriptionenddate
        if "subscriptionenddate" in inputs:
            end = inputs.date_or_reset("subscriptionenddate")
        return replace(
            before,
            licensetype="SubscriptionPeriod",
            subscriptionperiod=_period(before, inputs),
            subscriptionenddate=end,
        )
    if kind == "expirationdate":
        return _expiring(before, inputs)
    return _perpetual(before) if kind == "perpetual" else before


def _with_first_type(before: Terms, inputs: Inputs) -> Terms:
    """Set the license type of what is new: perpetual unless told otherwise, and no period is no mistake."""
    kind = inputs.word("licensetype", *LICENSE_TYPES, default="perpetual")
    if kind == "subscriptionperiod":
        days = inputs.whole("subscriptionperiod", high=5000)
        return replace(before, licensetype="SubscriptionPeriod", subscriptionperiod=days)
    return _expiring(before, inputs) if kind == "expirationdate" else _perpetual(before)


def _expiring(before: Terms, inputs: Inputs) -> Terms:
    inputs.required("subscriptionenddate")
    end = inputs.date("subscriptionenddate")
    return replace(before, licensetype="ExpirationDate", subscriptionenddate=end)


def _perpetual(before: Terms) -> Terms:
    return replace(before, licensetype="Perpetual", subscriptionperiod=0, subscriptionenddate=None)


def _period(before: Terms, inputs: Inputs) -> int:
    inputs.required("subscriptionperiod")
    if before.licensetype == "SubscriptionPeriod":
        # "Extend" may mean add. The reading that hurts a careless client is the one to rehearse with.
        return before.subscriptionperiod + inputs.whole("subscriptionperiod", low=1, high=1000)
    return inputs.whole("subscriptionperiod", low=1, high=5000)


def _features(before: Terms, inputs: Inputs, product: Product) -> Mapping[int, Switch]:
    switches = dict(before.features)
    for each in inputs.each("features"):
        feature = product.feature(each.required("featurecode"))
        switch = switches.get(feature.number, Switch())
        on = each.word("featureavailability", "on", "off", default="on" if switch.on else "off") == "on"
        # A limit for what has none is passed over: the vendor's own sample sends one.
        limit = each.whole("limit", switch.limit) if feature.kind in LIMITED else switch.limit
        switches[feature.number] = Switch(on, limit)
    return switches


def _udfs(before: Terms, inputs: Inputs, product: Product) -> Mapping[int, str]:
    values = {
        product.udf(each.required("fieldname")).number: each.text("defaultvalue")
        for each in inputs.each("udfvalues")
    }
    return {**before.udfs, **values}


def _checkout_days(before: Terms, inputs: Inputs) -> int | None:
    days = before.checkout_days
    for each in inputs.each("serverfunctions"):
        name, on = each.required("functionname"), each.word("enabled", "on", "off", default="on") == "on"
        value = each.whole("parametervalue", days or 0)
        if name == "LTCO":  # the others can be named, as in the vendor's sample, and stay as they are
            days = value if on else None
    return days


# Output


def leases(terms: Terms) -> dict[str, Any]:
    """The lease periods, all in hours, as codes and a single profile spell them."""
    return {
        "clientLeaseperiod": terms.clientleaseperiod,
        "vmLeaseperiod": terms.vmleaseperiod,
        "clientOfflineLeaseperiod": terms.offline_hours,
    }


def limits(terms: Terms) -> dict[str, Any]:
    """What limits concurrent use."""
    return {
        "networkseats": terms.networkseats,
        "heartbeat": terms.heartbeat,
        "concurrentProcesses": terms.concurrentprocesses,
        "concurrencyMode": terms.concurrencymode,
    }


def feature_rows(
    terms: Terms, product: Product, used: Mapping[int, int] = NONE_USED, *, only_on: bool = False
) -> list[dict[str, Any]]:
    """The features of a code or profile: on or off, and of those that are counted how many are in use."""
    rows = []
    for feature in product.features:
        switch = terms.features.get(feature.number, Switch())
        if switch.on or not only_on:
            counts = (switch.limit, used.get(feature.number, 0))
            names = DETAILS.get(feature.kind, ())
            rows.append(
                {
                    "featureCode": feature.code,
                    "featureAvailability": on_or_off(on=switch.on),
                    "featureType": feature.kind,
                    "featureDetails": [
                        f"{name} : {count}" for name, count in zip(names, counts, strict=False)
                    ],
                }
            )
    return rows


def udf_rows(terms: Terms, product: Product) -> list[dict[str, str]]:
    """The fields with the values that a code, profile or product has."""
    return [
        {"fieldName": each.name, "defaultValue": terms.udfs.get(each.number, each.default)}
        for each in product.udfs
    ]


def function_rows(terms: Terms) -> list[dict[str, str]]:
    """The server functions; a number is a string, and an empty one where there is none."""
    days = terms.checkout_days
    return [
        _function("LTCO", "" if days is None else str(days), on=days is not None),
        _function("FeatureAvailability", "", on=True),
    ]


def _function(name: str, value: str, *, on: bool) -> dict[str, str]:
    return {"functionName": name, "enabled": on_or_off(on=on), "parameterValue": value}


def on_or_off(*, on: bool) -> str:
    """ON or OFF, the way the vendor writes a switch."""
    return "ON" if on else "OFF"
