"""
Read-backs at Zentitle, for products, their parts and profiles: each has a name or code.

A write that only sets something is sent again, which does no harm; one that renames something is found by the new
name, because the old one could not be renamed again.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from hookline.clients import NotFound, Refused
from hookline.clients.zentitle import ZentitleClient
from hookline.clients.zentitle.products import (
    ChangedFeatureGroup,
    ChangedFeatureGroups,
    ChangedFeatures,
    ChangedUdfs,
    NewFeatureGroups,
    NewFeatures,
    NewProduct,
    NewProfile,
    NewUdfs,
    OneFeature,
    OneFeatureGroup,
    OneUdf,
)
from hookline.journal import Outcome
from tasks.readback.zentitle_records import shows

_NOT_IN_PRODUCT: Final = frozenset(
    {"intrial", "subscriptionperiod", "subscriptionenddate", "featuregroups", "availableintrials"}
)
_NOT_IN_PROFILE: Final = frozenset({"productid", "reseller", "limit"})


async def created_product(client: ZentitleClient, inputs: NewProduct, _token: str) -> Outcome | None:
    """Find a product of the name, as it was to be."""
    products = await client.list_products()
    return Outcome() if any(shows(each, inputs, but=_NOT_IN_PRODUCT) for each in products) else None


async def created_profile(client: ZentitleClient, inputs: NewProfile, _token: str) -> Outcome | None:
    """Find the profile of the name, as it was to be."""
    try:
        existing = await client.get_profile(
            productid=inputs.productid, profilename=inputs.profilename, getsfs=1
        )
    except NotFound:
        return None
    return Outcome() if shows(existing, inputs, but=_NOT_IN_PROFILE) else None


# Groups of features -----------------------------------------------------------------------------------------


async def created_groups(client: ZentitleClient, inputs: NewFeatureGroups, _token: str) -> Outcome | None:
    """Find all groups of these names."""
    names = {each.featureGroupName for each in inputs.featureGroups}
    return Outcome() if names == await _groups(client, inputs.productId, names) else None


async def renamed_groups(client: ZentitleClient, inputs: ChangedFeatureGroups, _token: str) -> Outcome | None:
    """Find the groups under their new names."""
    renamed = _renamed((each.featureGroupName, each.newFeatureGroupName) for each in inputs.featureGroups)
    existing = await _groups(client, inputs.productId, {*renamed, *renamed.values()})
    return _found(renamed, existing)


async def deleted_group(client: ZentitleClient, inputs: OneFeatureGroup, _token: str) -> Outcome | None:
    """Find no group of the name."""
    existing = await _groups(client, inputs.productId, {inputs.featureGroupName})
    return None if existing else Outcome()


async def _groups(client: ZentitleClient, product: str, names: Iterable[str]) -> set[str]:
    """
    Return those of these groups that the product has.

    No call lists them, and a group without features is seen nowhere. So each is changed in nothing, which is refused
    where there is none.
    """
    existing = set()
    for name in names:
        unchanged = ChangedFeatureGroup(featureGroupName=name)
        try:
            await client.update_product_feature_groups(productId=product, featureGroups=[unchanged])
        except Refused:
            continue
        existing.add(name)
    return existing


# Features and user-defined fields ---------------------------------------------------------------------------


async def created_features(client: ZentitleClient, inputs: NewFeatures, _token: str) -> Outcome | None:
    """Find all features of these codes, as they were to be."""
    existing = (await client.get_product(productid=inputs.productId)).features
    made = all(
        any(shows(each, new, but={"availableintrials"}) for each in existing) for new in inputs.features
    )
    return Outcome() if made else None


async def renamed_features(client: ZentitleClient, inputs: ChangedFeatures, _token: str) -> Outcome | None:
    """Find the features under their new codes."""
    renamed = _renamed((each.featureCode, each.newfeatureCode) for each in inputs.features)
    return _found(renamed, await _features(client, inputs.productId))


async def deleted_feature(client: ZentitleClient, inputs: OneFeature, _token: str) -> Outcome | None:
    """Find no feature of the code."""
    return None if inputs.featureCode in await _features(client, inputs.productId) else Outcome()


async def created_udfs(client: ZentitleClient, inputs: NewUdfs, _token: str) -> Outcome | None:
    """Find all fields of these names, with their defaults."""
    existing = (await client.get_product(productid=inputs.productId)).udfValues
    made = all(any(shows(each, new) for each in existing) for new in inputs.udfValues)
    return Outcome() if made else None


async def renamed_udfs(client: ZentitleClient, inputs: ChangedUdfs, _token: str) -> Outcome | None:
    """Find the fields under their new names."""
    renamed = _renamed((each.fieldName, each.newFieldName) for each in inputs.udfValues)
    return _found(renamed, await _udfs(client, inputs.productId))


async def deleted_udf(client: ZentitleClient, inputs: OneUdf, _token: str) -> Outcome | None:
    """Find no field of the name."""
    return None if inputs.fieldName in await _udfs(client, inputs.productId) else Outcome()


async def _features(client: ZentitleClient, product: str) -> set[str]:
    return {each.featureCode for each in (await client.get_product(productid=product)).features}


async def _udfs(client: ZentitleClient, product: str) -> set[str]:
    return {each.fieldName for each in (await client.get_product(productid=product)).udfValues}


def _renamed(names: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Return the new names, by the old ones, of what has any."""
    return {old: new for old, new in names if new and new != old}


def _found(renamed: Mapping[str, str], existing: set[str]) -> Outcome | None:
    """Find that all that was to be renamed is; not where nothing was."""
    done = all(new in existing and old not in existing for old, new in renamed.items())
    return Outcome() if renamed and done else None
