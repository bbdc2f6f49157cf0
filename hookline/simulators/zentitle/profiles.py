"""Zentitle's code profiles: the terms with which license codes begin."""

from typing import Any

from hookline.simulators.control import Call, operation
from hookline.simulators.records import Document
from hookline.simulators.zentitle.inputs import failure, fresh_number, inputs_of, now, page
from hookline.simulators.zentitle.state import Account
from hookline.simulators.zentitle.terms import (
    CODE,
    PROFILES,
    Product,
    Profile,
    changed,
    new_profile_terms,
    terms_row,
)

PROFILE_CREATED = "Profile Created Successfully"  # fact: undocumented-sentences
PROFILE_UPDATED = "Profile Updated Successfully"
SMALL = ("enabledForUse", "licenseType", "acquiredByWebservice", "concurrencyMode")
"""Fields whose words GET Profiles answers in lower case."""


class Profiles(Account):
    """Profile and Profiles."""

    @operation("GET", "/api/Profile")
    def get_profile(self, call: Call) -> Any:
        """Answer one profile, in a list."""
        inputs = inputs_of(call)
        product = self._product(inputs)
        profile = self._profile(product.product, inputs.required("profilename"))
        return [_row(profile, product, functions=inputs.bit("getsfs"))]

    @operation("POST", "/api/Profile")
    def create_profile(self, call: Call) -> Any:
        """Add a profile, disabled and for no client unless the inputs differ; its number is not answered."""
        inputs = inputs_of(call)
        product, name = self._product(inputs), inputs.required("profilename")
        self._check_profile_name(product.product, name)
        number, terms, created = fresh_number(self._profiles), new_profile_terms(inputs, product), now()
        reseller = self._reseller(inputs)
        self._profiles[number] = Profile(number, product.product, name, terms, created, created, reseller)
        return PROFILE_CREATED

    @operation("PUT", "/api/Profile")
    def update_profile(self, call: Call) -> Any:
        """
        Change what is named and leave the rest.

        Codes of the profile stay as they are, unless `inheritprofile` is true: then each has the profile's
        terms in full, and whatever it had of its own is lost.
        """
        inputs = inputs_of(call)
        product = self._product(inputs)
        profile = self._profile(product.product, inputs.required("profilename"))
        name = inputs.text("newprofilename") or profile.name
        if name.lower() != profile.name.lower():
            self._check_profile_name(product.product, name)
        inherit, reseller = inputs.truth("inheritprofile"), self._reseller(inputs, profile.reseller)
        profile.terms = changed(profile.terms, inputs, product)
        profile.name, profile.reseller, profile.modified = name, reseller, now()
        for each in self._licenses.values() if inherit else ():
            if each.profile == profile.profile:
                each.terms, each.modified = profile.terms, profile.modified
        return PROFILE_UPDATED

    @operation("GET", "/api/Profiles")
    def list_profiles(self, call: Call) -> Any:
        """Answer a page of profiles, or their number on page 0."""
        inputs = inputs_of(call)
        product, functions = inputs.text("productid"), inputs.bit("getsfs")
        found = [each for each in self._profiles.values() if product in ("", each.product)]
        return page(
            call, inputs, found, lambda each: _listed(each, self._products[each.product], functions=functions)
        )

    def _check_profile_name(self, product: str, name: str) -> None:
        names = {each.name.lower() for each in self._profiles.values() if each.product == product}
        if name.lower() in names | {"default", "none"}:
            raise failure("Profile name already exists")


def _row(each: Profile, product: Product, *, functions: bool) -> Document:
    """Return a profile as GET Profile spells it: as GET LicenseCode does."""
    return terms_row(each.terms, product, CODE, functions=functions) | {
        "profileName": each.name,
        "profileID": each.profile,
        "resellerID": each.reseller,
        "created": each.created,
        "modified": each.modified,
    }


def _listed(each: Profile, product: Product, *, functions: bool) -> Document:
    """Return a profile as GET Profiles spells it: camel case throughout, and words in lower case."""
    row = terms_row(each.terms, product, PROFILES, functions=functions)
    for feature in row["features"]:
        feature["featureDetails"] = [text[0].lower() + text[1:] for text in feature["featureDetails"]]
    return (
        row
        | {name: row[name].lower() for name in SMALL}
        | {
            "productId": each.product,
            "profileName": each.name,
            "profileId": each.profile,
            "resellerId": each.reseller,
            "created": each.created,
            "modified": each.modified,
        }
    )
