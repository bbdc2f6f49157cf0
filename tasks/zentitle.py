"""Tasks on Zentitle, one an operation; and, below, those that take more than one operation."""

import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, Self

from blocks import VendorCredentials
from blocks.zentitle import ZentitleCredentials
from hookline.clients import NotFound, UnexpectedAnswer, VendorError
from hookline.clients.zentitle import ZentitleClient
from hookline.clients.zentitle.customers import Company, CompanyID, ConsumerData, Trial
from hookline.clients.zentitle.models import LicenseCode
from hookline.errors import HooklineError
from hookline.journal import CountReadback, Outcome
from tasks.effects import BusinessKey, outcome_of, remembered, run_write, steps_of
from tasks.operations import VendorTasks, of_account
from tasks.policies import vendor_task
from tasks.readback import gone
from tasks.readback import zentitle as readback
from tasks.readback import zentitle_customers as customers
from tasks.readback import zentitle_products as products
from tasks.readback.zentitle_records import notes_of, rows_of
from tasks.remedies import Remedy

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
CHOICE: Final = "codes of "
_DAY: Final = re.compile(r"\buntil (\d{4}-\d\d-\d\d)\b")


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
            account=client.account,
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
            forgotten=of_account(readback.codes_at(client, product_id, company), client),
        )


@dataclass(frozen=True)
class Revocation:
    """A license code of which something is taken back."""

    code: str
    clients: int
    """The number of clients that it allows from then on; 0: it is disabled."""
    units: int
    """The number of units that are taken back by it."""

    @classmethod
    def read(cls, reference: str) -> Self:
        """Return it as the journal has it."""
        code, clients, units = reference.split()
        return cls(code, int(clients), int(units))

    def __str__(self) -> str:
        """Return it as the journal has it."""
        return f"{self.code} {self.clients} {self.units}"


@vendor_task
async def choose_codes_to_revoke(
    zentitle: ZentitleCredentials,
    choice: BusinessKey,
    product_id: str,
    codes: list[str],
    number: int,
    *,
    per: Literal["codes", "seats"],
) -> list[Revocation]:
    """
    Choose at a step of a business, once, which of these license codes lose so many units; fewer may be left.

    Codes that somebody has disabled go first, then those that are not activated, each from the last one on. What the
    same business took at another step is not there any more.

    Args:
        zentitle: the account.
        choice: the business, at a step that begins with `codes of `.
        product_id: the product of the codes.
        codes: all that there are to choose from, the oldest first.
        number: of the units.
        per: a unit is a code, or a client of one.
    """
    left = await _left_by_others(choice)
    async with zentitle.get_client() as client:
        existing = [await _existing(client, product_id, code) for code in codes if left.get(code) != 0]

        def choose() -> list[str]:
            chosen: list[Revocation] = []
            for each in sorted(filter(None, reversed(existing)), key=_rank):
                clients = left.get(each.licenseCode, each.clientsallowed or 1)
                units = 1 if per == "codes" else clients
                if (taken := min(units, number - sum(one.units for one in chosen))) > 0:
                    chosen.append(Revocation(each.licenseCode, units - taken, taken))
            return [str(each) for each in chosen]

        async def revoked_before() -> set[str]:
            noted = [(code, await notes_of(client, product_id, code)) for code in codes]
            return {
                code
                for code, notes in noted
                if any(revoking(choice, code).token in note.description for note in notes)
            }

        # Codes that are chosen again are the same: they are disabled by now. Clients would be taken off twice.
        forgotten = CountReadback(f"revocations {choice.token}", revoked_before) if per == "seats" else None
        references = await remembered(choice, choice.step_name, choose, forgotten=forgotten)
    return [Revocation.read(each) for each in references]


def revoking(choice: BusinessKey, code: str) -> BusinessKey:
    """Return the step that takes back what was chosen of a code."""
    return choice.step(f"revoke {code}, {choice.step_name}")


async def _left_by_others(choice: BusinessKey) -> dict[str, int]:
    """Return the number of clients that choices at other steps of the business left to each code."""
    others = [step for step in await steps_of(choice, CHOICE) if step.name != choice.step_name]
    revoked = [Revocation.read(each) for step in others for each in step.reference]
    return {
        code: min(each.clients for each in revoked if each.code == code)
        for code in {each.code for each in revoked}
    }


async def _existing(client: ZentitleClient, product_id: str, code: str) -> LicenseCode | None:
    try:
        return await client.get_license_code(productid=product_id, licensecode=code)
    except NotFound:  # deleted at Zentitle
        return None


def _rank(existing: LicenseCode) -> int:
    """Return how soon a code is revoked: first one that is disabled already, last one that is in use."""
    return 0 if not existing.enabledforuse else 2 if existing.numActivations else 1


@vendor_task
async def list_ending_licenses(
    zentitle: ZentitleCredentials, product_id: str, first: date, last: date
) -> list[LicenseCode]:
    """Read the licenses of a product, enabled and given to a company, that end from one day to another."""
    async with zentitle.get_client() as client:
        return [
            row
            async for row in rows_of(client.list_license_codes, productid=product_id)
            if row.enabledforuse and row.company and (end := end_of(row)) is not None and first <= end <= last
        ]


def ends(existing: LicenseCode) -> date:
    """Return the day on which a license ends, of one that has an end."""
    if (end := end_of(existing)) is None:
        raise ValueError(f"{existing.licenseCode} has no end")
    return end


def end_of(existing: LicenseCode) -> date | None:
    """Return the day on which a license ends; None where it is perpetual, or its days have not begun."""
    if existing.licensetype.lower() == "perpetual":
        return None
    if existing.subscriptionEnddate is not None:
        return existing.subscriptionEnddate.date()
    if existing.subscriptionlastActivated is None or not existing.subscriptionperiod:
        return None
    return (
        existing.subscriptionlastActivated + timedelta(days=existing.subscriptionperiod)
    ).date()  # fact: end-of-a-subscription


@vendor_task
async def choose_license_end(
    zentitle: ZentitleCredentials,
    extending: BusinessKey,
    product_id: str,
    code: str,
    *,
    days: int,
    grace_days: int,
) -> date:
    """
    Choose, once, the day until which a renewal extends a license.

    It is so many days after the end of the license; or after today, where that end was longer ago than the grace.

    Args:
        zentitle: the account.
        extending: the business, at the step that will set the day and put a note on the license that names it.
        product_id: the product of the license.
        code: the license.
        days: for how long it is renewed.
        grace_days: for how long after its end a renewal goes on from there.

    Raises:
        HooklineError: it is disabled or perpetual, or its days have not begun.
    """
    choice = extending.step(f"day of {extending.step_name}")
    if (known := await outcome_of(choice)) is not None:
        return date.fromisoformat(known.reference[0])
    async with zentitle.get_client() as client:

        async def noted() -> list[str]:
            notes = await notes_of(client, product_id, code)
            return [note.description for note in notes if extending.token in note.description]

        async def days_noted() -> set[str]:
            return {found for text in await noted() for found in _DAY.findall(text)}

        async def texts(_day: str) -> list[str]:
            return await noted()

        existing = await client.get_license_code(productid=product_id, licensecode=code)
        start = _start_of_renewal(existing, grace_days)
        chosen = await remembered(
            choice,
            choice.step_name,
            lambda: [(start + timedelta(days=days)).isoformat()],
            expected=1,
            forgotten=CountReadback(f"days of {extending.token}", days_noted, texts=texts),
        )
    return date.fromisoformat(chosen[0])


def _start_of_renewal(existing: LicenseCode, grace_days: int) -> date:
    if not existing.enabledforuse:
        raise HooklineError(
            f"License {existing.licenseCode} was renewed, and is disabled at Zentitle. Find out why; enable it there, "
            "then replay the delivery, or pay the renewal back."
        )
    if (end := end_of(existing)) is None:
        raise HooklineError(
            f"License {existing.licenseCode} was renewed, and has no end at Zentitle: it is perpetual, or its days "
            "have not begun. Set its end there by hand, or pay the renewal back; then discard the delivery."
        )
    today = datetime.now(UTC).date()
    return end if end >= today - timedelta(days=grace_days) else today


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
        await run_write(
            business,
            f"terms of {code}",
            operation,
            request,
            send,
            readback=find,
            landing=zentitle.landing_seconds,
            account=client.account,
        )


def _lasts(existing: LicenseCode, days: int | None) -> bool:
    """Return True if a license is perpetual (`days` None), or a subscription of so many days."""
    if days is None:
        return existing.licensetype.lower() == "perpetual"
    return existing.licensetype.lower() == SUBSCRIPTION and existing.subscriptionperiod == days


# Companies, as others than orders need them


@dataclass(frozen=True)
class CompanyRecord:
    """A company with its id, and the product to which it belongs; "" for all."""

    id: int
    product: str
    facts: Company


@vendor_task
async def find_companies(
    zentitle: ZentitleCredentials, *, name: str, account_no: str, known: list[int]
) -> list[CompanyRecord]:
    """
    Read the companies that could be a customer's: those of these ids or this name; and all, if none of them will do.

    Zentitle finds nothing by an account number (`search1`), so that each company is read where no id is known.
    """
    async with zentitle.get_client() as client:
        rows = {row.companyID: row for row in await customers.all_companies(client)}
        near = [row for row in rows.values() if row.companyID in known or customers.is_named(row, name)]
        found = [await _company(client, row) for row in near]
        if any(each.id in known or each.facts.search1.strip() == account_no for each in found):
            return found
        return found + [await _company(client, row) for row in rows.values() if row not in near]


async def _company(client: ZentitleClient, row: CompanyID) -> CompanyRecord:
    product = "" if row.productID in ("", customers.EVERY_PRODUCT) else row.productID
    facts = await client.get_company(companyid=row.companyID, productid=product or None)
    return CompanyRecord(row.companyID, product, facts)


# Trials

IN_TRIAL: Final = "In Trial"


@vendor_task
async def list_ending_trials(
    zentitle: ZentitleCredentials, product_id: str, first: date, last: date
) -> list[Trial]:
    """Read the trials of a product that became no license and end from one day to another, both included."""
    day = timedelta(days=1)
    async with zentitle.get_client() as client:
        # A day more at both ends: whether Zentitle includes them is not published, and the rows say it themselves.
        rows = rows_of(
            client.list_trials,
            productId=product_id,
            converted=False,
            expiresAfter=first - day,
            expiresBefore=last + day + day,
        )
        return [
            row
            async for row in rows
            if row.expires is not None
            and first <= row.expires.date() <= last
            and not (row.converted or row.licenseCode)
        ]


@vendor_task
async def find_trial_user(zentitle: ZentitleCredentials, product_id: str, computer_id: str) -> ConsumerData:
    """Read what the user of a trial last entered; without an address if none was ever entered."""
    async with zentitle.get_client() as client:
        entered = [
            row
            async for row in rows_of(
                client.list_consumer_data, productid=product_id, computerid=computer_id, justlast=False
            )
            if row.computerID == computer_id and email_of(row)
        ]
    return max(entered, key=_created, default=ConsumerData(productID=product_id, computerID=computer_id))


def email_of(row: ConsumerData) -> str:
    """Return the address in a consumer record: where Zentitle searches it, or as the program sent it; "" for none."""
    sent = row.clientInfo if isinstance(row.clientInfo, dict) else {}
    named = next((value for name, value in sent.items() if name.lower() == "email"), "")
    return (row.email or str(named or "")).strip()


@vendor_task
async def find_licensed(zentitle: ZentitleCredentials, product_id: str, emails: list[str]) -> list[str]:
    """
    Find which of these addresses (in small letters) have a license of a product that is in use, on any computer.

    The license is known by the consumer record that the program, or Hookline, put beside it.
    """
    looked_for, licensed = set(emails), set[str]()
    in_use: dict[str, bool] = {}
    async with zentitle.get_client() as client:
        rows = rows_of(client.list_consumer_data, productid=product_id, type="activations", justlast=False)
        async for row in rows:
            email, code = email_of(row).casefold(), row.licenseCode
            if code and email in looked_for - licensed:
                if code not in in_use:
                    in_use[code] = _is_in_use(await _existing(client, product_id, code))
                if in_use[code]:
                    licensed.add(email)
    return sorted(licensed)


def _is_in_use(existing: LicenseCode | None) -> bool:
    """Return True if a license is enabled and has not ended."""
    if existing is None or not existing.enabledforuse:
        return False
    end = end_of(existing)
    return end is None or end >= datetime.now(UTC).date()


def _created(row: ConsumerData) -> str:
    return row.created.isoformat() if row.created else ""


# What takes back a write that is there too often


async def _disabled_code(
    _account: VendorCredentials, written: Mapping[str, Any], code: str
) -> dict[str, Any]:
    return {"productid": written["productid"], "licensecode": code, "enabledforuse": False}


async def _license_note(_account: VendorCredentials, written: Mapping[str, Any], note: str) -> dict[str, Any]:
    return {"productid": written["productid"], "licensecode": written["licensecode"], "noteid": int(note)}


REMEDIES: Final = {
    "create_license_codes": Remedy(update_license_code, _disabled_code, "disable the license code"),
    "take_next_license_codes": Remedy(update_license_code, _disabled_code, "disable the license code"),
    "create_license_note": Remedy(delete_license_note, _license_note, "delete the note of the license"),
}
