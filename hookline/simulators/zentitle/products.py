"""Zentitle's products, with their feature groups, features and user-defined fields."""

import copy
import secrets
from dataclasses import replace
from typing import Any

from hookline.simulators.control import Call, operation
from hookline.simulators.zentitle.inputs import LONGEST_DAYS, Inputs, failure, fresh_number, inputs_of
from hookline.simulators.zentitle.state import Account
from hookline.simulators.zentitle.terms import (
    DEFAULT_GROUP,
    KINDS,
    Feature,
    Product,
    Switch,
    Udf,
    offered,
    offered_anew,
    on_or_off,
    udf_rows,
)

PRODUCT_CREATED = "Product Created Successfully"  # the vendor prints no sentence; this one is assumed
PRODUCT_UPDATED = "Product Updated Successfully"
GROUPS_CREATED = "Product FeatureGroups Created Successfully"
GROUPS_UPDATED = "Product FeatureGroups Updated Successfully"
GROUP_DELETED = "Product FeatureGroup Deleted Successfully"
FEATURES_CREATED = "Product Features Created Successfully"
FEATURES_UPDATED = "Product Features Updated Successfully"
FEATURE_DELETED = "Product Feature Deleted Successfully"
UDF_CREATED = "Product UDF Created Successfully"
UDF_UPDATED = "Product Features Updated Successfully"  # the sentence of another call, by the vendor's sample
UDF_DELETED = "Product UDF Deleted Successfully"

TRIAL_DAYS = 30


class Products(Account):
    """
    Products, Product, ProductFeatureGroups, ProductFeatures and ProductUDF.

    A call with one wrong value changes nothing: each works on a copy of the product until all is read.
    """

    @operation("GET", "/api/Products")
    def list_products(self, call: Call) -> Any:
        """Every product."""
        inputs_of(call)
        return [_row(each) for each in self._products.values()]

    @operation("GET", "/api/Product")
    def get_product(self, call: Call) -> Any:
        """One product, in a list."""
        return [_row(self._product(inputs_of(call)))]

    @operation("POST", "/api/Product")
    def create_product(self, call: Call) -> Any:
        """Add a product with its feature groups, features and fields; its number is not told."""
        inputs = inputs_of(call)
        name = inputs.required("productname")
        self._check_name(name)
        days = TRIAL_DAYS if inputs.truth("intrial") else 0
        product = Product(
            product=self._fresh_product(),
            name=name,
            trial_days=inputs.whole("trialperiod", days, high=LONGEST_DAYS),
            terms=offered(inputs),
        )
        _add_groups(product, inputs.each("featuregroups"))
        _add_features(product, inputs.each("features"))
        _add_udfs(product, inputs.each("udfvalues"))
        self._products[product.product] = product
        return PRODUCT_CREATED

    @operation("PUT", "/api/Product")
    def update_product(self, call: Call) -> Any:
        """Change what is named and leave the rest; codes keep the terms with which they began."""
        inputs = inputs_of(call)
        product = self._product(inputs)
        name = inputs.text("productname") or product.name
        if name != product.name:
            self._check_name(name)
        days = inputs.whole("trialperiod", product.trial_days, high=LONGEST_DAYS)
        product.terms = offered_anew(product.terms, inputs)
        product.name, product.trial_days = name, days
        return PRODUCT_UPDATED

    def _check_name(self, name: str) -> None:
        if any(each.name.lower() == name.lower() for each in self._products.values()):
            raise failure("Product name already exists")

    def _fresh_product(self) -> str:
        """A number of ten digits, drawn at random."""
        while True:
            number = str(secrets.randbelow(9 * 10**9) + 10**9)
            if number not in self._products:
                return number

    def _draft(self, inputs: Inputs) -> Product:
        """A copy of the product named, for a call to change before it is put in its place."""
        return copy.deepcopy(self._product(inputs))

    # Feature groups

    @operation("POST", "/api/ProductFeatureGroups")
    def create_product_feature_groups(self, call: Call) -> Any:
        """Add feature groups."""
        inputs = inputs_of(call)
        product = self._draft(inputs)
        _add_groups(product, inputs.at_least_one("featuregroups"))
        self._products[product.product] = product
        return GROUPS_CREATED

    @operation("PUT", "/api/ProductFeatureGroups")
    def update_product_feature_groups(self, call: Call) -> Any:
        """Change the names or notes of feature groups; their features stay in them."""
        inputs = inputs_of(call)
        product = self._draft(inputs)
        for each in inputs.at_least_one("featuregroups"):
            _change_group(product, each)
        self._products[product.product] = product
        return GROUPS_UPDATED

    @operation("DELETE", "/api/ProductFeatureGroups")
    def delete_product_feature_group(self, call: Call) -> Any:
        """Delete a feature group; that its features fall to the default group is assumed."""
        inputs = inputs_of(call)
        product = self._product(inputs)
        name = _own_group(product, inputs.required("featuregroupname"))
        del product.groups[name]
        _regroup(product, name, DEFAULT_GROUP)
        return GROUP_DELETED

    # Features

    @operation("POST", "/api/ProductFeatures")
    def create_product_features(self, call: Call) -> Any:
        """Add features; codes that exist have them switched off."""
        inputs = inputs_of(call)
        product = self._draft(inputs)
        _add_features(product, inputs.at_least_one("features"))
        self._products[product.product] = product
        return FEATURES_CREATED

    @operation("PUT", "/api/ProductFeatures")
    def update_product_features(self, call: Call) -> Any:
        """Change features; one of which availableInTrials is left out is no longer available in trials."""
        inputs = inputs_of(call)
        product = self._draft(inputs)
        # The vendor's table says features; its sample has them under featureGroups.
        for each in inputs.each("features") or inputs.at_least_one("featuregroups"):
            _change_feature(product, each)
        self._products[product.product] = product
        return FEATURES_UPDATED

    @operation("DELETE", "/api/ProductFeatures")
    def delete_product_feature(self, call: Call) -> Any:
        """Delete a feature, of the product and of every code."""
        inputs = inputs_of(call)
        product = self._product(inputs)
        product.features.remove(product.feature(inputs.required("featurecode")))
        return FEATURE_DELETED

    # User-defined fields

    @operation("POST", "/api/ProductUDF")
    def create_product_udf(self, call: Call) -> Any:
        """Add fields; codes that exist have the default in them."""
        inputs = inputs_of(call)
        product = self._draft(inputs)
        _add_udfs(product, inputs.at_least_one("udfvalues"))
        self._products[product.product] = product
        return UDF_CREATED

    @operation("PUT", "/api/ProductUDF")
    def update_product_udf(self, call: Call) -> Any:
        """Change the names or defaults of fields."""
        inputs = inputs_of(call)
        product = self._draft(inputs)
        for each in inputs.at_least_one("udfvalues"):
            _change_udf(product, each)
        self._products[product.product] = product
        return UDF_UPDATED

    @operation("DELETE", "/api/ProductUDF")
    def delete_product_udf(self, call: Call) -> Any:
        """Delete a field, of the product and of every code."""
        inputs = inputs_of(call)
        product = self._product(inputs)
        product.udfs.remove(product.udf(inputs.required("fieldname")))
        return UDF_DELETED


def _add_groups(product: Product, groups: list[Inputs]) -> None:
    for each in groups:
        name = each.required("featuregroupname")
        if name in product.groups:
            raise failure(f"FeatureGroup {name} already exists")
        product.groups[name] = each.text("notes")


def _change_group(product: Product, each: Inputs) -> None:
    name = each.required("featuregroupname")
    if name not in product.groups:
        raise failure(f"FeatureGroup {name} does not exist")
    product.groups[name] = each.text("notes", product.groups[name])
    new = each.text("newfeaturegroupname")
    if not new or new == name:
        return
    if new in product.groups:
        raise failure(f"FeatureGroup {new} already exists")
    product.groups[new] = product.groups.pop(_own_group(product, name))
    _regroup(product, name, new)


def _own_group(product: Product, name: str) -> str:
    """A group that the vendor's customer made, and may therefore rename or delete."""
    if name not in product.groups:
        raise failure(f"FeatureGroup {name} does not exist")
    if name == DEFAULT_GROUP:
        raise failure("The Default FeatureGroup cannot be renamed or deleted")
    return name


def _regroup(product: Product, before: str, after: str) -> None:
    for feature in product.features:
        if feature.group == before:
            feature.group = after


def _add_features(product: Product, features: list[Inputs]) -> None:
    for each in features:
        feature = Feature(
            number=fresh_number([one.number for one in product.features]),
            code=each.required("featurecode"),
            name=each.required("featurename"),
            notes=each.required("notes"),
            kind=KINDS[each.word("featuretype", *KINDS, default="normal")],
            group=_group_named(product, each, DEFAULT_GROUP),
        )
        _check_code(product, feature.code)
        product.features.append(feature)
        _switch(product, feature, on=_in_trials(feature, each))


def _change_feature(product: Product, each: Inputs) -> None:
    feature = product.feature(each.required("featurecode"))
    code = each.text("newfeaturecode") or feature.code
    if code != feature.code:
        _check_code(product, code)
    feature.code = code
    feature.name = each.text("featurename", feature.name)
    feature.notes = each.text("notes", feature.notes)
    feature.group = _group_named(product, each, feature.group)
    _switch(product, feature, on=_in_trials(feature, each))


def _switch(product: Product, feature: Feature, *, on: bool) -> None:
    """Switch a feature of the product, and with it that of codes to come."""
    switch = product.terms.features.get(feature.number, Switch())
    switches = {**product.terms.features, feature.number: replace(switch, on=on)}
    product.terms = replace(product.terms, features=switches)


def _check_code(product: Product, code: str) -> None:
    if any(each.code == code for each in product.features):
        raise failure(f"Feature {code} already exists")


def _group_named(product: Product, each: Inputs, otherwise: str) -> str:
    name = each.text("featuregroupname") or otherwise
    if name.lower() == DEFAULT_GROUP.lower():
        return DEFAULT_GROUP
    if name not in product.groups:
        raise failure(f"FeatureGroup {name} does not exist")
    return name


def _in_trials(feature: Feature, each: Inputs) -> bool:
    """
    Is a feature available in trials? Not when it is left out.

    No answer of the vendor's shows it; that featureAvailability of a product does is assumed.
    """
    available = bool(each.truth("availableintrials"))
    if available and feature.kind != "Normal":
        raise failure("availableInTrials can be true only for the normal featureType")
    return available


def _add_udfs(product: Product, udfs: list[Inputs]) -> None:
    for each in udfs:
        name = each.required("fieldname")
        _check_udf(product, name)
        number = fresh_number([one.number for one in product.udfs])
        product.udfs.append(Udf(number, name, each.text("defaultvalue")))


def _change_udf(product: Product, each: Inputs) -> None:
    udf = product.udf(each.required("fieldname"))
    name = each.text("newfieldname") or udf.name
    if name != udf.name:
        _check_udf(product, name)
    udf.name, udf.default = name, each.text("defaultvalue", udf.default)


def _check_udf(product: Product, name: str) -> None:
    if any(each.name == name for each in product.udfs):
        raise failure(f"UDF {name} already exists")


def _row(each: Product) -> dict[str, Any]:
    """A product: `productId`, though the vendor's table says productID."""
    terms = each.terms
    return {
        "productName": each.name,
        "productId": each.product,
        "clientLeasePeriod": terms.clientleaseperiod,
        "vmLeasePeriod": terms.vmleaseperiod,
        "clientOfflineLeasePeriod": terms.offline_hours,
        "trialPeriod": each.trial_days,
        "licenseType": terms.licensetype.lower(),
        "clientsAllowed": terms.clientsallowed,
        "features": [
            {
                "featureCode": feature.code,
                "featureAvailability": on_or_off(on=terms.features.get(feature.number, Switch()).on),
                "featureType": feature.kind,
                "featureName": feature.name,
                "featureNotes": feature.notes,
                "featureGroup": feature.group,
            }
            for feature in each.features
        ],
        "udfValues": udf_rows(terms, each),
    }
