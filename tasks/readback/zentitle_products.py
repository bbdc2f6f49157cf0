"""
Look-ups at Zentitle, for products, their parts and profiles: all of them are known by name or code.

What only sets something is sent again, which does no harm; what renames something is found by the new name,
because the old one could not be renamed again.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from hookline.clients import NotFound, Refused, ZentitleClient
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

_UNTOLD_OF_PRODUCT: Final = frozenset(
    {"intrial", "subscriptionperiod", "subscriptionenddate", "featuregroups", "availableintrials"}
)
_UNTOLD_OF_PROFILE: Final = frozenset({"productid", "reseller", "limit"})


async def created_product(client: ZentitleClient, given: NewProduct, _token: str) -> Outcome | None:
    """A product of the name that is as it was to be."""
    products = await client.list_products()
    return Outcome() if any(shows(each, given, but=_UNTOLD_OF_PRODUCT) for each in products) else None


async def created_profile(client: ZentitleClient, given: NewProfile, _token: str) -> Outcome | None:
    """The profile of the name, if it is as it was to be."""
    try:
        existing = await client.get_profile(
            productid=given.productid, profilename=given.profilename, getsfs=1
        )
    except NotFound:
        return None
    return Outcome() if shows(existing, given, but=_UNTOLD_OF_PROFILE) else None


# Groups of features -----------------------------------------------------------------------------------------


async def created_groups(client: ZentitleClient, given: NewFeatureGroups, _token: str) -> Outcome | None:
    """All groups of these names."""
    wanted = {each.featureGroupName for each in given.featureGroups}
    return Outcome() if wanted == await _groups(client, given.productId, wanted) else None


async def renamed_groups(client: ZentitleClient, given: ChangedFeatureGroups, _token: str) -> Outcome | None:
    """The groups under their new names."""
    renamed = _renamed((each.featureGroupName, each.newFeatureGroupName) for each in given.featureGroups)
    stand = await _groups(client, given.productId, {*renamed, *renamed.values()})
    return _found(renamed, stand)


async def deleted_group(client: ZentitleClient, given: OneFeatureGroup, _token: str) -> Outcome | None:
    """The product has no group of the name."""
    stand = await _groups(client, given.productId, {given.featureGroupName})
    return None if stand else Outcome()


async def _groups(client: ZentitleClient, product: str, names: Iterable[str]) -> set[str]:
    """
    Which of these groups the product has.

    No call lists them, and a group without features is seen nowhere. So each is told to change in nothing, which
    is refused where there is none.
    """
    stand = set()
    for name in names:
        unchanged = ChangedFeatureGroup(featureGroupName=name)
        try:
            await client.update_product_feature_groups(productId=product, featureGroups=[unchanged])
        except Refused:
            continue
        stand.add(name)
    return stand


# Features and user-defined fields ---------------------------------------------------------------------------


async def created_features(client: ZentitleClient, given: NewFeatures, _token: str) -> Outcome | None:
    """All features of these codes, as they were to be."""
    stand = (await client.get_product(productid=given.productId)).features
    made = all(
        any(shows(each, wanted, but={"availableintrials"}) for each in stand) for wanted in given.features
    )
    return Outcome() if made else None


async def renamed_features(client: ZentitleClient, given: ChangedFeatures, _token: str) -> Outcome | None:
    """The features under their new codes."""
    renamed = _renamed((each.featureCode, each.newfeatureCode) for each in given.features)
    return _found(renamed, await _features(client, given.productId))


async def deleted_feature(client: ZentitleClient, given: OneFeature, _token: str) -> Outcome | None:
    """The product has no feature of the code."""
    return None if given.featureCode in await _features(client, given.productId) else Outcome()


async def created_udfs(client: ZentitleClient, given: NewUdfs, _token: str) -> Outcome | None:
    """All fields of these names, with the defaults given."""
    stand = (await client.get_product(productid=given.productId)).udfValues
    made = all(any(shows(each, wanted) for each in stand) for wanted in given.udfValues)
    return Outcome() if made else None


async def renamed_udfs(client: ZentitleClient, given: ChangedUdfs, _token: str) -> Outcome | None:
    """The fields under their new names."""
    renamed = _renamed((each.fieldName, each.newFieldName) for each in given.udfValues)
    return _found(renamed, await _udfs(client, given.productId))


async def deleted_udf(client: ZentitleClient, given: OneUdf, _token: str) -> Outcome | None:
    """The product has no field of the name."""
    return None if given.fieldName in await _udfs(client, given.productId) else Outcome()


async def _features(client: ZentitleClient, product: str) -> set[str]:
    return {each.featureCode for each in (await client.get_product(productid=product)).features}


async def _udfs(client: ZentitleClient, product: str) -> set[str]:
    return {each.fieldName for each in (await client.get_product(productid=product)).udfValues}


def _renamed(names: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """The new names, by the old ones, of what has any."""
    return {old: new for old, new in names if new and new != old}


def _found(renamed: Mapping[str, str], stand: set[str]) -> Outcome | None:
    """Whether all that was to be renamed is; not where nothing was."""
    done = all(new in stand and old not in stand for old, new in renamed.items())
    return Outcome() if renamed and done else None
