"""Look-ups at Zentitle, where nearly every write can be repeated and little bears a mark of ours."""

from hookline.clients import NotFound, ZentitleClient, pages
from hookline.clients.zentitle_customers_models import NewCompany, NewConsumerData
from hookline.clients.zentitle_models import CreateLicenseCodes, NewLicenseNote
from hookline.journal import Census, Outcome


def codes_of(client: ZentitleClient, given: CreateLicenseCodes) -> Census:
    """The codes of the product that belong to the company, or to none, as the new ones will."""

    async def count() -> set[str]:
        rows = pages(client.list_license_codes, productid=given.productid, companyId=given.companyid)
        return {row.licenseCode async for row in rows if given.companyid or not row.company}

    return Census(f"zentitle codes of product {given.productid}, company {given.companyid}", count)


def codes_wanted(given: CreateLicenseCodes) -> int:
    """How many codes the answer names; that to an import names none."""
    return given.numcodes or 0


async def noted_license(client: ZentitleClient, given: NewLicenseNote, mark: str) -> Outcome | None:
    """A note on the license that bears the mark."""
    notes = await client.list_license_notes(productid=given.productid, licensecode=given.licensecode)
    return Outcome() if any(mark in note.description for note in notes) else None


async def recorded_consumer(client: ZentitleClient, given: NewConsumerData, _mark: str) -> Outcome | None:
    """A record of the computer that names the license."""
    records = pages(
        client.list_consumer_data, productid=given.productid, computerid=given.computerid, justlast=False
    )
    async for record in records:
        if record.licenseCode == given.licensecode:
            return Outcome()
    return None


async def company_of(client: ZentitleClient, given: NewCompany, _mark: str) -> Outcome | None:
    """The company of this name, and with the same first search field: names need not be unique."""
    try:
        found = (await client.get_company_id(company=given.company)).companyID
    except NotFound:
        return None
    stands = await client.get_company(companyid=found)
    return Outcome([str(found)]) if stands.search1 == (given.search1 or "") else None
