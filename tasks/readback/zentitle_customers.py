"""Read-backs at Zentitle, for companies, and for groups with their users and license codes."""

from collections.abc import AsyncIterator
from typing import Final

from hookline.clients import NotFound, Refused, UnexpectedAnswer
from hookline.clients.zentitle import ZentitleClient
from hookline.clients.zentitle.customers import (
    AssignedLicenseCode,
    CompanyID,
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
_NOT_IN_COMPANY: Final = frozenset({"productid", "global_", "companydata", "reseller"})


# Companies --------------------------------------------------------------------------------------------------


async def companies_named(client: ZentitleClient, name: str) -> AsyncIterator[tuple[int, str]]:
    """
    Yield the id of each company of all products that has this name, with the account that it belongs to.

    Nothing that Zentitle answers by name says for sure that there is none: that a list without it does.
    """
    first = await _company_id(client, name)
    if first is not None:
        yield first, await _account_of(client, first)
    for each in await all_companies(client):
        is_global = each.productID in ("", EVERY_PRODUCT)
        if is_global and is_named(each, name) and each.companyID != first:
            yield each.companyID, await _account_of(client, each.companyID)


async def all_companies(client: ZentitleClient) -> list[CompanyID]:
    """Return all companies; none where Zentitle says that there are none. The id 0 stands for no company."""
    try:
        return [each for each in await client.list_companies_products() if each.companyID > 0]
    except NotFound:
        return []


async def _company_id(client: ZentitleClient, name: str) -> int | None:
    """Return the id that Zentitle has for a name; whatever else it says is left to the list."""
    try:
        return (await client.get_company_id(company=name)).companyID
    except (NotFound, Refused, UnexpectedAnswer):
        return None


async def _account_of(client: ZentitleClient, company: int) -> str:
    return (await client.get_company(companyid=company)).search1.strip()


def is_named(company: CompanyID, name: str) -> bool:
    """Return True if a company has this name, in any letters."""
    return _folded(company.company) == _folded(name)


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


async def created_company(client: ZentitleClient, inputs: NewCompany, _token: str) -> Outcome | None:
    """Find a company of this name with the same search fields: names need not be unique."""
    for each in await all_companies(client):
        if each.company == inputs.company and each.productID in ("", EVERY_PRODUCT, inputs.productid):
            product = None if each.productID in ("", EVERY_PRODUCT) else each.productID
            existing = await client.get_company(companyid=each.companyID, productid=product)
            if shows(existing, inputs, but=_NOT_IN_COMPANY):
                return Outcome()
    return None


async def deleted_company(client: ZentitleClient, inputs: DeletedCompany, _token: str) -> Outcome | None:
    """Find no company with this id, of any product."""
    companies = await all_companies(client)
    return None if any(each.companyID == inputs.companyid for each in companies) else Outcome()


# Groups and users -------------------------------------------------------------------------------------------


async def created_group(client: ZentitleClient, inputs: NewGroup, _token: str) -> Outcome | None:
    """Find the group of the name, as it was to be."""
    existing = await _group(client, name=inputs.groupname)
    return Outcome() if existing and shows(existing, inputs) else None


async def created_user(client: ZentitleClient, inputs: NewGroupUser, _token: str) -> Outcome | None:
    """Find the user of the name, in the group and with the password."""
    try:
        existing = await client.get_group_user(username=inputs.username)
    except NotFound:
        return None
    return Outcome() if existing.groupID == inputs.groupid and await _has_password(client, inputs) else None


async def licensed_user(client: ZentitleClient, inputs: NewGroupUserLicense, _token: str) -> Outcome | None:
    """Find the group of the name with the user, who has the password, and the license code."""
    existing = await _group(client, name=inputs.groupname)
    if existing is None or not _has_code(existing, inputs):
        return None
    is_in = any(user.userName == inputs.username for user in existing.groupUsers)
    return Outcome() if is_in and await _has_password(client, inputs) else None


async def _group(
    client: ZentitleClient, *, number: int | None = None, name: str | None = None
) -> Group | None:
    try:
        return await client.get_group(groupid=number, groupname=name)
    except NotFound:
        return None


async def _has_password(client: ZentitleClient, inputs: NewGroupUser | NewGroupUserLicense) -> bool:
    return await client.authenticate_user(username=inputs.username, password=inputs.password)


# License codes of groups ------------------------------------------------------------------------------------


async def assigned_code(client: ZentitleClient, inputs: AssignedLicenseCode, _token: str) -> Outcome | None:
    """Find the code in the group, with the company and the profile that it was to have."""
    group = await _group(client, number=inputs.groupid)
    if group is None or not _has_code(group, inputs):
        return None
    existing = await client.get_license_code(productid=inputs.productid, licensecode=inputs.licensecode)
    profile = await _profile_number(client, inputs.productid, existing.profilename)
    same = (existing.companyID or 0) == inputs.companyid and profile == inputs.profileid
    return Outcome() if same else None


async def unassigned_code(
    client: ZentitleClient, inputs: UnassignedLicenseCode, _token: str
) -> Outcome | None:
    """Find that the group is without the code, or is gone."""
    group = await _group(client, number=inputs.groupid)
    return None if group and _has_code(group, inputs) else Outcome()


def _has_code(group: Group, inputs: OneLicenseCode | NewGroupUserLicense) -> bool:
    code = (inputs.productid, inputs.licensecode)
    return any((each.productID, each.licenseCode) == code for each in group.groupLicenses)


async def _profile_number(client: ZentitleClient, product: str, name: str) -> int:
    if not word(name):
        return 0
    return (await client.get_profile(productid=product, profilename=name)).profileID or 0
