"""Look-ups at Zentitle, for companies, and for groups with their users and license codes."""

from typing import Final

from hookline.clients import NotFound, ZentitleClient
from hookline.clients.zentitle.customers import (
    AssignedLicenseCode,
    DeletedCompany,
    Group,
    NewCompany,
    NewGroup,
    NewGroupUser,
    NewGroupUserLicense,
    UnassignedLicenseCode,
)
from hookline.clients.zentitle.models import OneLicenseCode
from hookline.journal import Outcome
from tasks.readback.zentitle_records import shows, word

EVERY_PRODUCT: Final = "0"
_UNTOLD_OF_COMPANY: Final = frozenset({"productid", "global_", "companydata", "reseller"})


# Companies --------------------------------------------------------------------------------------------------


async def created_company(client: ZentitleClient, given: NewCompany, _token: str) -> Outcome | None:
    """A company of this name with the same search fields: names need not be unique."""
    for each in await client.list_companies_products():
        if each.company == given.company and each.productID in (EVERY_PRODUCT, given.productid):
            product = None if each.productID == EVERY_PRODUCT else each.productID
            existing = await client.get_company(companyid=each.companyID, productid=product)
            if shows(existing, given, but=_UNTOLD_OF_COMPANY):
                return Outcome()
    return None


async def deleted_company(client: ZentitleClient, given: DeletedCompany, _token: str) -> Outcome | None:
    """No company has this id, whichever product it may have been of."""
    companies = await client.list_companies_products()
    return None if any(each.companyID == given.companyid for each in companies) else Outcome()


# Groups and users -------------------------------------------------------------------------------------------


async def created_group(client: ZentitleClient, given: NewGroup, _token: str) -> Outcome | None:
    """The group of the name, if it is as it was to be."""
    existing = await _group(client, name=given.groupname)
    return Outcome() if existing and shows(existing, given) else None


async def created_user(client: ZentitleClient, given: NewGroupUser, _token: str) -> Outcome | None:
    """The user of the name, if it is of the group and has the password."""
    try:
        existing = await client.get_group_user(username=given.username)
    except NotFound:
        return None
    return Outcome() if existing.groupID == given.groupid and await _has_password(client, given) else None


async def licensed_user(client: ZentitleClient, given: NewGroupUserLicense, _token: str) -> Outcome | None:
    """The group of the name with the user, who has the password, and the license code."""
    existing = await _group(client, name=given.groupname)
    if existing is None or not _holds(existing, given):
        return None
    is_in = any(user.userName == given.username for user in existing.groupUsers)
    return Outcome() if is_in and await _has_password(client, given) else None


async def _group(
    client: ZentitleClient, *, number: int | None = None, name: str | None = None
) -> Group | None:
    try:
        return await client.get_group(groupid=number, groupname=name)
    except NotFound:
        return None


async def _has_password(client: ZentitleClient, given: NewGroupUser | NewGroupUserLicense) -> bool:
    return await client.authenticate_user(username=given.username, password=given.password)


# License codes of groups ------------------------------------------------------------------------------------


async def assigned_code(client: ZentitleClient, given: AssignedLicenseCode, _token: str) -> Outcome | None:
    """The code in the group, with the company and the profile that it was to have."""
    group = await _group(client, number=given.groupid)
    if group is None or not _holds(group, given):
        return None
    existing = await client.get_license_code(productid=given.productid, licensecode=given.licensecode)
    profile = await _profile_number(client, given.productid, existing.profilename)
    same = (existing.companyID or 0) == given.companyid and profile == given.profileid
    return Outcome() if same else None


async def unassigned_code(
    client: ZentitleClient, given: UnassignedLicenseCode, _token: str
) -> Outcome | None:
    """The group is without the code, or is no more."""
    group = await _group(client, number=given.groupid)
    return None if group and _holds(group, given) else Outcome()


def _holds(group: Group, given: OneLicenseCode | NewGroupUserLicense) -> bool:
    wanted = (given.productid, given.licensecode)
    return any((each.productID, each.licenseCode) == wanted for each in group.groupLicenses)


async def _profile_number(client: ZentitleClient, product: str, name: str) -> int:
    if not word(name):
        return 0
    return (await client.get_profile(productid=product, profilename=name)).profileID or 0
