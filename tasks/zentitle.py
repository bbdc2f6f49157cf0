"""Tasks on Zentitle: companies, license codes, and what is written beside them."""

from dataclasses import dataclass
from typing import Final

from prefect import task

from blocks import ZentitleCredentials
from hookline.clients.errors import NotFound
from hookline.clients.paging import pages
from hookline.clients.zentitle import ZentitleClient
from hookline.clients.zentitle_models import LicenseCode
from hookline.errors import HooklineError
from hookline.journal import Census, Outcome
from tasks.effects import Business, once
from tasks.policies import VENDOR_CALL

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
async def create_company(
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
async def create_license_codes(
    zentitle: ZentitleCredentials,
    business: Business,
    step: str,
    *,
    product_id: str,
    company_id: int,
    number: int,
    profile: str | None = None,
) -> list[str]:
    """
    Allocate license codes to a company, once; return them.

    The answer is the only place where Zentitle names them, and the codes bear no mark of ours: if it is lost,
    they are found as what is new among the company's codes.
    """
    async with zentitle.get_client() as client:

        async def count() -> set[str]:
            codes = pages(client.list_license_codes, productid=product_id, companyId=company_id)
            return {row.licenseCode async for row in codes}

        async def send() -> Outcome:
            return Outcome(
                await client.create_license_codes(
                    productid=product_id,
                    companyid=company_id,
                    numcodes=number,
                    profilename=profile,
                    reference=f"{business.label} {step}",
                )
            )

        done = await once(
            business,
            step,
            "zentitle.create_license_codes",
            {"product": product_id, "company": company_id, "codes": number, "profile": profile},
            send,
            look=Census(f"zentitle codes of product {product_id}, company {company_id}", count),
            wanted=number,
        )
    return done.reference


@task(**VENDOR_CALL)
async def update_license_code(
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


@task(**VENDOR_CALL)
async def create_license_note(
    zentitle: ZentitleCredentials, business: Business, product_id: str, code: str, text: str
) -> None:
    """Put a note on a license code, once. The business's token is added, to find it again."""
    token = f"[{business.workflow} {business.key}]"
    async with zentitle.get_client() as client:

        async def send() -> Outcome:
            await client.create_license_note(
                productid=product_id, licensecode=code, description=f"{text} {token}"
            )
            return Outcome([code])

        async def look() -> Outcome | None:
            notes = await client.list_license_notes(productid=product_id, licensecode=code)
            return Outcome([code]) if any(token in note.description for note in notes) else None

        request = {"code": code, "text": text}
        await once(
            business, f"license note of {code}", "zentitle.create_license_note", request, send, look=look
        )


@task(**VENDOR_CALL)
async def create_consumer_data(
    zentitle: ZentitleCredentials,
    business: Business,
    product_id: str,
    code: str,
    *,
    computer_id: str,
    client_info: dict[str, str],
) -> None:
    """Write the consumer record of a code, once."""
    async with zentitle.get_client() as client:

        async def send() -> Outcome:
            await client.create_consumer_data(
                productid=product_id, computerid=computer_id, licensecode=code, clientinfo=client_info
            )
            return Outcome([code])

        async def look() -> Outcome | None:
            records = pages(
                client.list_consumer_data, productid=product_id, computerid=computer_id, justlast=False
            )
            async for record in records:
                if record.licenseCode == code:
                    return Outcome([code])
            return None

        request = {"code": code, "computer": computer_id}
        await once(
            business, f"consumer record of {code}", "zentitle.create_consumer_data", request, send, look=look
        )


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
