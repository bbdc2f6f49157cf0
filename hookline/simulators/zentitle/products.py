"""Zentitle's products, with their feature groups, features and user-defined fields."""

import copy
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hookline.simulators.control import Call, Operation, operation
from hookline.simulators.records import Document
from hookline.simulators.zentitle.inputs import MAX_DAYS, Inputs, failure, fresh_number, inputs_of
from hookline.simulators.zentitle.state import Account
from hookline.simulators.zentitle.terms import (
    DEFAULT_GROUP,
    KINDS,
    Feature,
    Product,
    Udf,
    changed_product_terms,
    new_product_terms,
    on_or_off,
    udf_rows,
)

PRODUCT_CREATED = "Product Created Successfully"  # fact: undocumented-sentences
PRODUCT_UPDATED = "Product Updated Successfully"

TRIAL_DAYS = 30

Change = Callable[[Product, Inputs], None]


# Changes of a product by one of a call's inputs


def _add_group(product: Product, each: Inputs) -> None:
    name = each.required("featuregroupname")
    if name in product.groups:
        raise failure(f"FeatureGroup {name} already exists")
    product.groups[name] = each.text("notes")


def _change_group(product: Product, each: Inputs) -> None:
    """Change the name or the notes of a feature group; its features stay in it."""
    name = _group_in(product, each.required("featuregroupname"))
    product.groups[name] = each.text("notes", product.groups[name])
    new = each.text("newfeaturegroupname")
    if not new or new == name:
        return
    if new in product.groups:
        raise failure(f"FeatureGroup {new} already exists")
    product.groups[new] = _removed_group(product, name, new)


def _delete_group(product: Product, each: Inputs) -> None:
    """Delete a feature group; its features fall to the default group."""  # fact: features-of-a-deleted-group
    _removed_group(product, _group_in(product, each.required("featuregroupname")), DEFAULT_GROUP)


def _removed_group(product: Product, name: str, successor: str) -> str:
    """Remove a group that the vendor's customer made; return its notes."""
    if name == DEFAULT_GROUP:
        raise failure("The Default FeatureGroup cannot be renamed or deleted")
    for feature in product.features:
        if feature.group == name:
            feature.group = successor
    return product.groups.pop(name)


def _group_in(product: Product, name: str) -> str:
    if name not in product.groups:
        raise failure(f"FeatureGroup {name} does not exist")
    return name


def _add_feature(product: Product, each: Inputs) -> None:
    feature = Feature(
        number=fresh_number([one.number for one in product.features]),
        code=each.required("featurecode"),
        name=each.required("featurename"),
        notes=each.required("notes"),
        kind=KINDS[each.word("featuretype", *KINDS, default="normal")],
        group=_group_of(product, each, DEFAULT_GROUP),
    )
    _check_code(product, feature.code)
    product.features.append(feature)
    _switch(product, feature, each)


def _change_feature(product: Product, each: Inputs) -> None:
    """Change a feature; if availableInTrials is left out, it is no longer available in trials."""
    feature = product.feature(each.required("featurecode"))
    code = each.text("newfeaturecode") or feature.code
    if code != feature.code:
        _check_code(product, code)
    feature.code = code
    feature.name = each.text("featurename", feature.name)
    feature.notes = each.text("notes", feature.notes)
    feature.group = _group_of(product, each, feature.group)
    _switch(product, feature, each)


def _delete_feature(product: Product, each: Inputs) -> None:
    """Delete a feature, of the product and of every code."""
    product.features.remove(product.feature(each.required("featurecode")))


def _switch(product: Product, feature: Feature, each: Inputs) -> None:
    """
    Switch a feature of the product, and with it that of codes to come: on if it is available in trials.

    The answers show it as featureAvailability.
    """
    available = bool(each.truth("availableintrials"))  # fact: features-in-trials
    if available and feature.kind != "Normal":
        raise failure("availableInTrials can be true only for the normal featureType")
    switch = replace(product.terms.switch(feature), on=available)
    product.terms = replace(product.terms, features={**product.terms.features, feature.number: switch})


def _check_code(product: Product, code: str) -> None:
    if any(each.code == code for each in product.features):
        raise failure(f"Feature {code} already exists")


def _group_of(product: Product, each: Inputs, current: str) -> str:
    name = each.text("featuregroupname") or current
    return DEFAULT_GROUP if name.lower() == DEFAULT_GROUP.lower() else _group_in(product, name)


def _add_udf(product: Product, each: Inputs) -> None:
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


def _delete_udf(product: Product, each: Inputs) -> None:
    """Delete a field, of the product and of every code."""
    product.udfs.remove(product.udf(each.required("fieldname")))


def _check_udf(product: Product, name: str) -> None:
    if any(each.name == name for each in product.udfs):
        raise failure(f"UDF {name} already exists")


# The calls


def edit(verb: str, controller: str, change: Change, sentence: str, *lists: str) -> Operation:
    """
    Declare the call that changes a product by each member of a list in its inputs, or by the inputs themselves.

    A call with one wrong value changes nothing: it works on a copy of the product.
    """

    def handler(self: "Products", call: Call) -> str:
        inputs = inputs_of(call)
        product = copy.deepcopy(self._product(inputs))
        members = [member for name in lists[:1] for member in inputs.each(name)]
        for each in (members or inputs.at_least_one(lists[-1])) if lists else [inputs]:
            change(product, each)
        self._products[product.product] = product
        return sentence

    return operation(verb, f"/api/{controller}")(handler)


class Products(Account):
    """Products, Product, ProductFeatureGroups, ProductFeatures and ProductUDF."""

    # fmt: off
    create_product_feature_groups = edit("POST", "ProductFeatureGroups", _add_group,
        "Product FeatureGroups Created Successfully", "featuregroups")
    update_product_feature_groups = edit("PUT", "ProductFeatureGroups", _change_group,
        "Product FeatureGroups Updated Successfully", "featuregroups")
    delete_product_feature_group = edit("DELETE", "ProductFeatureGroups", _delete_group,
        "Product FeatureGroup Deleted Successfully")
    create_product_features = edit("POST", "ProductFeatures", _add_feature,
        "Product Features Created Successfully", "features")
    # The vendor's table says features; its sample has them under featureGroups.
    update_product_features = edit("PUT", "ProductFeatures", _change_feature,
        "Product Features Updated Successfully", "features", "featuregroups")
    delete_product_feature = edit("DELETE", "ProductFeatures", _delete_feature,
        "Product Feature Deleted Successfully")
    create_product_udf = edit("POST", "ProductUDF", _add_udf, "Product UDF Created Successfully", "udfvalues")
    # The sentence of another call, by the vendor's sample.
    update_product_udf = edit("PUT", "ProductUDF", _change_udf,
        "Product Features Updated Successfully", "udfvalues")
    delete_product_udf = edit("DELETE", "ProductUDF", _delete_udf, "Product UDF Deleted Successfully")
    # fmt: on

    @operation("GET", "/api/Products")
    def list_products(self, call: Call) -> Any:
        """Answer every product."""
        inputs_of(call)
        return [_row(each) for each in self._products.values()]

    @operation("GET", "/api/Product")
    def get_product(self, call: Call) -> Any:
        """Answer one product, in a list."""
        return [_row(self._product(inputs_of(call)))]

    @operation("POST", "/api/Product")
    def create_product(self, call: Call) -> Any:
        """Add a product with its feature groups, features and fields; its number is not answered."""
        inputs = inputs_of(call)
        name = inputs.required("productname")
        self._check_name(name)
        days = inputs.whole("trialperiod", TRIAL_DAYS if inputs.truth("intrial") else 0, high=MAX_DAYS)
        product = Product(self._fresh_product(), name, days, new_product_terms(inputs))
        for part, add in (("featuregroups", _add_group), ("features", _add_feature), ("udfvalues", _add_udf)):
            for each in inputs.each(part):
                add(product, each)
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
        days = inputs.whole("trialperiod", product.trial_days, high=MAX_DAYS)
        product.terms = changed_product_terms(product.terms, inputs)
        product.name, product.trial_days = name, days
        return PRODUCT_UPDATED

    def _check_name(self, name: str) -> None:
        if any(each.name.lower() == name.lower() for each in self._products.values()):
            raise failure("Product name already exists")

    def _fresh_product(self) -> str:
        """Draw a number of ten digits at random."""
        while (number := str(secrets.randbelow(9 * 10**9) + 10**9)) in self._products:
            pass
        return number


def _row(each: Product) -> Document:
    """Return a product: `productId`, though the vendor's table says productID."""
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
                "featureAvailability": on_or_off(on=terms.switch(feature).on),
                "featureType": feature.kind,
                "featureName": feature.name,
                "featureNotes": feature.notes,
                "featureGroup": feature.group,
            }
            for feature in each.features
        ],
        "udfValues": udf_rows(terms, each),
    }
