"""Zentitle's code profiles: the terms with which license codes begin."""

from typing import Any

from hookline.simulators.control import Call, operation
from hookline.simulators.zentitle.inputs import failure, fresh_number, inputs_of, now, page
from hookline.simulators.zentitle.state import Account
from hookline.simulators.zentitle.terms import (
    Product,
    Profile,
    begun,
    changed,
    feature_rows,
    function_rows,
    leases,
    limits,
    udf_rows,
)

PROFILE_CREATED = "Profile Created Successfully"  # the vendor prints no sentence; this one is assumed
PROFILE_UPDATED = "Profile Updated Successfully"


class Profiles(Account):
    """Profile and Profiles."""

    @operation("GET", "/api/Profile")
    def get_profile(self, call: Call) -> Any:
        """One profile, in a list."""
        inputs = inputs_of(call)
        product = self._product(inputs)
        found = self._profile(product.product, inputs.required("profilename"))
        return [_row(found, product, functions=inputs.bit("getsfs"))]

    @operation("POST", "/api/Profile")
    def create_profile(self, call: Call) -> Any:
        """Add a profile, disabled and for no client unless told otherwise; its number is not told."""
        inputs = inputs_of(call)
        product, name = self._product(inputs), inputs.required("profilename")
        self._check_profile_name(product.product, name)
        created = now()
        profile = Profile(
            profile=fresh_number(self._profiles),
            product=product.product,
            name=name,
            terms=begun(inputs, product),
            created=created,
            modified=created,
            reseller=self._reseller(inputs),
        )
        self._profiles[profile.profile] = profile
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
        if inherit:
            self._pass_on(profile)
        return PROFILE_UPDATED

    @operation("GET", "/api/Profiles")
    def list_profiles(self, call: Call) -> Any:
        """A page of profiles, or their number on page 0."""
        inputs = inputs_of(call)
        product, functions = inputs.text("productid"), inputs.bit("getsfs")
        found = [each for each in self._profiles.values() if product in ("", each.product)]
        return page(
            inputs, found, lambda each: _listed(each, self._products[each.product], functions=functions)
        )

    def _check_profile_name(self, product: str, name: str) -> None:
        names = {each.name.lower() for each in self._profiles.values() if each.product == product}
        if name.lower() in names | {"default", "none"}:
            raise failure("Profile name already exists")

    def _pass_on(self, profile: Profile) -> None:
        for each in self._licenses.values():
            if each.profile == profile.profile:
                each.terms, each.modified = profile.terms, profile.modified


def _row(each: Profile, product: Product, *, functions: bool) -> dict[str, Any]:
    """A profile as GET Profile shows it: the spelling of GET LicenseCode."""
    terms = each.terms
    row = {
        "profileName": each.name,
        "profileID": each.profile,
        "enabledforuse": str(terms.enabled),
        "licensetype": terms.licensetype,
        "clientsallowed": terms.clientsallowed,
        **leases(terms),
        "acquiredbywebservice": str(terms.acquired),
        **limits(terms),
        "resellerID": each.reseller,
        "subscriptionperiod": terms.subscriptionperiod,
        "subscriptionEnddate": terms.subscriptionenddate,
        "maintenanceEnddate": terms.maintenanceenddate,
        "created": each.created,
        "modified": each.modified,
        "features": feature_rows(terms, product),
        "udfValues": udf_rows(terms, product),
    }
    return row | {"serverFunctions": function_rows(terms)} if functions else row


def _listed(each: Profile, product: Product, *, functions: bool) -> dict[str, Any]:
    """A profile as GET Profiles shows it: camel case throughout, and words in lower case."""
    terms = each.terms
    row = {
        "productId": each.product,
        "profileName": each.name,
        "profileId": each.profile,
        "enabledForUse": str(terms.enabled).lower(),
        "licenseType": terms.licensetype.lower(),
        "clientsAllowed": terms.clientsallowed,
        "clientLeasePeriod": terms.clientleaseperiod,
        "vmLeasePeriod": terms.vmleaseperiod,
        "clientOfflineLeasePeriod": terms.offline_hours,
        "acquiredByWebservice": str(terms.acquired).lower(),
        "networkSeats": terms.networkseats,
        "heartBeat": terms.heartbeat,
        "concurrentProcesses": terms.concurrentprocesses,
        "resellerId": each.reseller,
        "concurrencyMode": terms.concurrencymode.lower(),
        "subscriptionPeriod": terms.subscriptionperiod,
        "subscriptionEndDate": terms.subscriptionenddate,
        "maintenanceEndDate": terms.maintenanceenddate,
        "created": each.created,
        "modified": each.modified,
        "features": [_with_small_details(row) for row in feature_rows(terms, product)],
        "udfValues": udf_rows(terms, product),
    }
    return row | {"serverFunctions": function_rows(terms)} if functions else row


def _with_small_details(feature: dict[str, Any]) -> dict[str, Any]:
    return feature | {"featureDetails": [each[0].lower() + each[1:] for each in feature["featureDetails"]]}
