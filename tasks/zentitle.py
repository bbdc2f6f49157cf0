"""Tasks on Zentitle, one an operation; and, below, those that take more than one operation."""

import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from blocks import ZentitleCredentials
from hookline.clients import UnexpectedAnswer, VendorError, ZentitleClient
from hookline.clients.zentitle.models import LicenseCode
from hookline.errors import HooklineError
from hookline.journal import Outcome
from tasks.effects import BusinessKey, remembered, run_write
from tasks.operations import VendorTasks
from tasks.policies import vendor_task
from tasks.readback import gone
from tasks.readback import zentitle as readback
from tasks.readback import zentitle_customers as customers
from tasks.readback import zentitle_products as products

_zentitle = VendorTasks(ZentitleCredentials, __name__)

# Licenses
get_license_code = _zentitle.call(ZentitleClient.get_license_code)
create_license_codes = _zentitle.write_task(
    ZentitleClient.create_license_codes,
    of=("productid", "companyid"),
    identity=("productid", "companyid", "numcodes", "licensecodes"),
    count_readback=readback.codes_of,
    readback=readback.imported_codes,
    expected=readback.codes_expected,
    named=readback.codes_imported,
)
update_license_code = _zentitle.write_task(
    ZentitleClient.update_license_code,
    of="licensecode",
    count_readback=readback.days_of,
    readback=readback.changed_license,
    carrier="notes",
    add_token=readback.notes_with_token,
    reference="licensecode",
    expected=readback.one,
)
list_license_codes = _zentitle.call(ZentitleClient.list_license_codes)
take_next_license_codes = _zentitle.write_task(
    ZentitleClient.take_next_license_codes,
    of=("productid", "profilename"),
    count_readback=readback.codes_acquired,
    expected=readback.codes_to_take,
)
list_activated_license_codes = _zentitle.call(ZentitleClient.list_activated_license_codes)
list_license_code_activity = _zentitle.call(ZentitleClient.list_license_code_activity)
return_license_code_activations = _zentitle.call(ZentitleClient.return_license_code_activations)
delete_license_code_activity = _zentitle.write_task(
    ZentitleClient.delete_license_code_activity,
    of=("licensecode", "computerid"),
    readback=readback.deleted_activity,
)
create_passive_license = _zentitle.write_task(
    ZentitleClient.create_passive_license, of="clientid", count_readback=readback.codes_behind
)
create_network_master_license = _zentitle.write_task(
    ZentitleClient.create_network_master_license,
    of=("productid", "companyid"),
    count_readback=readback.codes_behind,
)

# Notes of a license
list_license_notes = _zentitle.call(ZentitleClient.list_license_notes)
create_license_note = _zentitle.write_task(
    ZentitleClient.create_license_note,
    of="licensecode",
    identity=("productid", "licensecode"),
    wording=("description",),
    readback=readback.noted_license,
    carrier="description",
)
update_license_note = _zentitle.call(ZentitleClient.update_license_note)
delete_license_note = _zentitle.write_task(
    ZentitleClient.delete_license_note, of=("licensecode", "noteid"), readback=readback.deleted_note
)

# Products
list_products = _zentitle.call(ZentitleClient.list_products)
get_product = _zentitle.call(ZentitleClient.get_product)
create_product = _zentitle.write_task(
    ZentitleClient.create_product, of="productname", readback=products.created_product
)
update_product = _zentitle.call(ZentitleClient.update_product)
create_product_feature_groups = _zentitle.write_task(
    ZentitleClient.create_product_feature_groups, of="productId", readback=products.created_groups
)
update_product_feature_groups = _zentitle.write_task(
    ZentitleClient.update_product_feature_groups, of="productId", readback=products.renamed_groups
)
delete_product_feature_group = _zentitle.write_task(
    ZentitleClient.delete_product_feature_group,
    of=("productId", "featureGroupName"),
    readback=products.deleted_group,
)
create_product_features = _zentitle.write_task(
    ZentitleClient.create_product_features, of="productId", readback=products.created_features
)
update_product_features = _zentitle.write_task(
    ZentitleClient.update_product_features, of="productId", readback=products.renamed_features
)
delete_product_feature = _zentitle.write_task(
    ZentitleClient.delete_product_feature, of=("productId", "featureCode"), readback=products.deleted_feature
)
create_product_udf = _zentitle.write_task(
    ZentitleClient.create_product_udf, of="productId", readback=products.created_udfs
)
update_product_udf = _zentitle.write_task(
    ZentitleClient.update_product_udf, of="productId", readback=products.renamed_udfs
)
delete_product_udf = _zentitle.write_task(
    ZentitleClient.delete_product_udf, of=("productId", "fieldName"), readback=products.deleted_udf
)

# Profiles
get_profile = _zentitle.call(ZentitleClient.get_profile)
create_profile = _zentitle.write_task(
    ZentitleClient.create_profile,
    of=("productid", "profilename"),
    readback=products.created_profile,
    reference="profilename",
)
update_profile = _zentitle.call(ZentitleClient.update_profile)
list_profiles = _zentitle.call(ZentitleClient.list_profiles)

# End users, trials and computers
list_consumer_data = _zentitle.call(ZentitleClient.list_consumer_data)
create_consumer_data = _zentitle.write_task(
    ZentitleClient.create_consumer_data,
    of=("licensecode", "computerid"),
    identity=("productid", "licensecode", "computerid"),
    readback=readback.recorded_consumer,
    carrier="clientinfo",
    add_token=readback.user_with_token,
)
get_trial = _zentitle.call(ZentitleClient.get_trial)
delete_trial = _zentitle.write_task(
    ZentitleClient.delete_trial,
    of=("productid", "computerid"),
    readback=readback.deleted_trial,
    reference="computerid",
)
list_trials = _zentitle.call(ZentitleClient.list_trials)
# A certificate is shown once, so it is asked for again; the computer has its activation already (assumed).
get_offline_activation = _zentitle.write_task(
    ZentitleClient.get_offline_activation, of="productid", harmless=True
)
delete_offline_activation = _zentitle.write_task(
    ZentitleClient.delete_offline_activation,
    of="productid",
    count_readback=readback.deactivations,
    expected=readback.one,
    reference="productid",
)
get_system_details = _zentitle.call(ZentitleClient.get_system_details)

# Companies
get_company = _zentitle.call(ZentitleClient.get_company)
create_company = _zentitle.write_task(
    ZentitleClient.create_company,
    of="company",
    identity=("company", "productid", "global_", "search1", "search2", "search3"),
    readback=customers.created_company,
    found_by=("search1", "search2", "search3"),
)
update_company = _zentitle.call(ZentitleClient.update_company)
delete_company = _zentitle.write_task(
    ZentitleClient.delete_company, of="companyid", readback=customers.deleted_company
)
get_company_id = _zentitle.call(ZentitleClient.get_company_id)
list_companies_products = _zentitle.call(ZentitleClient.list_companies_products)

# Groups
get_group = _zentitle.call(ZentitleClient.get_group)
create_group = _zentitle.write_task(
    ZentitleClient.create_group, of="groupname", readback=customers.created_group
)
update_group = _zentitle.call(ZentitleClient.update_group)
delete_group = _zentitle.write_task(
    ZentitleClient.delete_group, of=("groupid", "groupname"), readback=gone(ZentitleClient.get_group)
)
get_group_user = _zentitle.call(ZentitleClient.get_group_user)
create_group_user = _zentitle.write_task(
    ZentitleClient.create_group_user,
    of="username",
    identity=("groupid", "username"),
    readback=customers.created_user,
)
update_group_user = _zentitle.call(ZentitleClient.update_group_user)
delete_group_user = _zentitle.write_task(
    ZentitleClient.delete_group_user, of="groupuserid", readback=gone(ZentitleClient.get_group_user)
)
update_group_user_password = _zentitle.call(ZentitleClient.update_group_user_password)
get_group_license_code = _zentitle.call(ZentitleClient.get_group_license_code)
assign_group_license_code = _zentitle.write_task(
    ZentitleClient.assign_group_license_code, of=("licensecode", "groupid"), readback=customers.assigned_code
)
unassign_group_license_code = _zentitle.write_task(
    ZentitleClient.unassign_group_license_code,
    of=("licensecode", "groupid"),
    readback=customers.unassigned_code,
)
create_group_user_license = _zentitle.write_task(
    ZentitleClient.create_group_user_license,
    of=("groupname", "username", "licensecode"),
    identity=("groupname", "productid", "licensecode", "username"),
    readback=customers.licensed_user,
    reference="licensecode",
)
authenticate_user = _zentitle.call(ZentitleClient.authenticate_user)

# Events
create_datastreamer_event = _zentitle.blind_write_task(ZentitleClient.create_datastreamer_event, of="event")


# What takes more than one operation -------------------------------------------------------------------------

SUBSCRIPTION: Final = "subscriptionperiod"


@dataclass(frozen=True)
class FoundCompany:
    """A customer's company at Zentitle: the name to use, and the id if it exists."""

    name: str
    id: int | None


@vendor_task
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
            is_taken = False
            async for found, owner in customers.companies_named(client, candidate):
                if owner in ("", account_no):
                    return FoundCompany(candidate, found)
                is_taken = True
            if not is_taken:
                return FoundCompany(candidate, None)
    raise HooklineError(
        f"Zentitle has companies named {name!r} and '{name} ({account_no})', and both belong to other accounts "
        f"than {account_no} (their field search1). Put {account_no} into search1 of the right one."
    )


@vendor_task
async def add_company(
    zentitle: ZentitleCredentials,
    business: BusinessKey,
    name: str,
    account_no: str,
    email: str,
    product_id: str,
) -> int:
    """Create a customer's company, once; return its id. Zentitle wants a `product_id` even for a global company."""
    async with zentitle.get_client() as client, client.slot():

        async def find() -> Outcome | None:
            async for found, owner in customers.companies_named(client, name):
                if owner == account_no:
                    return Outcome([str(found)])
            return None

        async def send() -> Outcome:
            await client.create_company(
                company=name,
                productid=product_id,
                global_=1,
                search1=account_no,
                companydata={"email": email},
            )
            with suppress(VendorError):  # the answer has no id, and the company is made all the same
                return await find() or Outcome()
            return Outcome()

        request = {"company": name, "account": account_no}
        done = await run_write(
            business,
            "company",
            "zentitle.create_company",
            request,
            send,
            readback=find,
            landing=zentitle.landing_seconds,
        )
        found = done if done.reference else await find()
    if found is None:
        raise HooklineError(
            f"Zentitle does not show the company {name!r}, which was created. Run this again."
        )
    return int(found.reference[0])


@vendor_task
async def choose_license_codes(
    zentitle: ZentitleCredentials,
    business: BusinessKey,
    step: str,
    product_id: str,
    company: int,
    number: int,
) -> list[str]:
    """
    Choose the license codes to import at a step of a business, once: 18 digits, as Zentitle's own look.

    Where the database has forgotten what was chosen, they are looked for at the company.
    """
    async with zentitle.get_client() as client, client.slot():
        return await remembered(
            business,
            f"{number} codes of {step}",
            lambda: [str(10**17 + secrets.randbelow(9 * 10**17)) for _ in range(number)],
            expected=number,
            forgotten=readback.codes_at(client, product_id, company),
        )


@vendor_task
async def set_license_terms(
    zentitle: ZentitleCredentials,
    business: BusinessKey,
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
    async with zentitle.get_client() as client, client.slot():

        async def read() -> LicenseCode:
            return await client.get_license_code(productid=product_id, licensecode=code)

        async def lasts_already() -> bool:
            """Return True if it is a subscription of so many days; any other is made perpetual."""
            if days is None:
                return False
            existing = await read()
            lasts = _lasts(existing, days)
            if existing.licensetype.lower() == SUBSCRIPTION and not lasts:
                await make_perpetual()
            return lasts

        async def make_perpetual() -> None:
            try:
                await client.update_license_code(
                    productid=product_id, licensecode=code, licensetype="perpetual"
                )
            except UnexpectedAnswer:  # whatever it says, the license shows whether it was done
                if not _lasts(await read(), None):
                    raise

        async def send() -> Outcome:
            lasts = await lasts_already()
            await client.update_license_code(
                productid=product_id,
                licensecode=code,
                licensetype=None if lasts else "perpetual" if days is None else SUBSCRIPTION,
                subscriptionperiod=None if lasts else days,
                clientsallowed=clients,
                enabledforuse=True,
            )
            return Outcome([code])

        async def find() -> Outcome | None:
            existing = await read()
            is_set = existing.enabledforuse and existing.clientsallowed == clients and _lasts(existing, days)
            return Outcome([code], is_state=True) if is_set else None

        request = {"code": code, "clients": clients, "days": days}
        operation = "zentitle.update_license_code"
        landing = zentitle.landing_seconds
        await run_write(
            business, f"terms of {code}", operation, request, send, readback=find, landing=landing
        )


def _lasts(existing: LicenseCode, days: int | None) -> bool:
    """Return True if a license is perpetual (`days` None), or a subscription of so many days."""
    if days is None:
        return existing.licensetype.lower() == "perpetual"
    return existing.licensetype.lower() == SUBSCRIPTION and existing.subscriptionperiod == days
