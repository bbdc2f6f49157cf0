"""Tasks on Zentitle, one an operation; and, below, what a license takes more than one operation for."""

from dataclasses import dataclass
from typing import Final

from prefect import task

from blocks import ZentitleCredentials
from hookline.clients import NotFound, ZentitleClient
from hookline.clients.zentitle_models import LicenseCode
from hookline.errors import HooklineError
from hookline.journal import Outcome
from tasks.effects import Business, once
from tasks.looks import zentitle as looks
from tasks.operations import VendorTasks
from tasks.policies import VENDOR_CALL

_zentitle = VendorTasks(ZentitleCredentials, __name__)

# Licenses
create_license_codes = _zentitle.effect(
    ZentitleClient.create_license_codes,
    of=("productid", "companyid"),
    census=looks.codes_of,
    wanted=looks.codes_wanted,
)
create_license_note = _zentitle.effect(
    ZentitleClient.create_license_note,
    of="licensecode",
    essential=("productid", "licensecode"),
    look=looks.noted_license,
    marked="description",
    reference="licensecode",
)

# End users
create_consumer_data = _zentitle.effect(
    ZentitleClient.create_consumer_data,
    of="licensecode",
    essential=("productid", "licensecode", "computerid"),
    look=looks.recorded_consumer,
    reference="licensecode",
)


# What takes more than one operation -------------------------------------------------------------------------

SUBSCRIPTION: Final = "subscriptionperiod"


@dataclass(frozen=True)
class FoundCompany:
    """A customer's company at Zentitle: the name to use, and the id if it exists."""

    name: str
    id: int | None


@task(**VENDOR_CALL)
async def find_company(zentitle: ZentitleCredentials, name: str, account_no: str) -> FoundCompany:
    """
    Find a customer's company.

    Zentitle knows companies by name alone; `search1` holds the account number that Hookline put there. Where
    another customer has the name already, the account number is added to it.

    Raises:
        HooklineError: both names belong to others.
    """
    async with zentitle.get_client() as client:
        for candidate in (name, f"{name} ({account_no})"):
            found, owner = await _company(client, candidate)
            if found is None or owner in ("", account_no):
                return FoundCompany(candidate, found)
    raise HooklineError(
        f"Zentitle has companies named {name!r} and '{name} ({account_no})', and both belong to other accounts "
        f"than {account_no} (their field search1). Put {account_no} into search1 of the right one."
    )


@task(**VENDOR_CALL)
async def add_company(
    zentitle: ZentitleCredentials, business: Business, name: str, account_no: str, email: str, product_id: str
) -> int:
    """Make a customer's company, once; return its id. `product_id` is asked for even by a global company."""
    async with zentitle.get_client() as client:

        async def look() -> Outcome | None:
            found, owner = await _company(client, name)
            return Outcome([str(found)]) if found is not None and owner == account_no else None

        async def send() -> Outcome:
            await client.create_company(
                company=name,
                productid=product_id,
                global_=1,
                search1=account_no,
                companydata={"email": email},
            )
            return await look() or Outcome()  # the answer does not tell the id

        request = {"company": name, "account": account_no}
        done = await once(business, "company", "zentitle.create_company", request, send, look=look, wanted=1)
    return int(done.reference[0])


@task(**VENDOR_CALL)
async def set_license_terms(
    zentitle: ZentitleCredentials,
    business: Business,
    product_id: str,
    code: str,
    *,
    clients: int,
    days: int | None,
) -> None:
    """
    Set what a code allows and enable it, once: perpetual, or a subscription of so many days.

    Zentitle adds days to a code that is a subscription already (by its profile, or by an earlier attempt), but
    sets them when the type changes: so such a code is made perpetual first.
    """
    async with zentitle.get_client() as client:

        async def read() -> LicenseCode:
            return await client.get_license_code(productid=product_id, licensecode=code)

        async def send() -> Outcome:
            stands = await read()
            lasts_already = _lasts(stands, days)
            if stands.licensetype.lower() == SUBSCRIPTION and not lasts_already:
                await client.update_license_code(
                    productid=product_id, licensecode=code, licensetype="perpetual"
                )
            await client.update_license_code(
                productid=product_id,
                licensecode=code,
                licensetype=None if lasts_already else "perpetual" if days is None else SUBSCRIPTION,
                subscriptionperiod=None if lasts_already else days,
                clientsallowed=clients,
                enabledforuse=True,
            )
            return Outcome([code])

        async def look() -> Outcome | None:
            stands = await read()
            wanted = stands.enabledforuse and stands.clientsallowed == clients and _lasts(stands, days)
            return Outcome([code]) if wanted else None

        request = {"code": code, "clients": clients, "days": days}
        await once(business, f"terms of {code}", "zentitle.update_license_code", request, send, look=look)


def _lasts(stands: LicenseCode, days: int | None) -> bool:
    """Whether a license is perpetual (`days` None), or a subscription of so many days."""
    if days is None:
        return stands.licensetype.lower() == "perpetual"
    return stands.licensetype.lower() == SUBSCRIPTION and stands.subscriptionperiod == days


async def _company(client: ZentitleClient, name: str) -> tuple[int | None, str]:
    """The id of the company of this name, if there is one, and the account it belongs to."""
    try:
        found = (await client.get_company_id(company=name)).companyID
    except NotFound:
        return None, ""
    return found, (await client.get_company(companyid=found)).search1
