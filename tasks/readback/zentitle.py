"""Look-ups at Zentitle, for licenses and those who use them; and which of them leave nothing to look for."""

from collections.abc import Sequence
from typing import Any, Final

from hookline.clients import ZentitleClient, pages
from hookline.clients.models import Input
from hookline.clients.zentitle.customers import (
    ActivationRequest,
    DeactivationRequest,
    NewConsumerData,
    OnComputer,
)
from hookline.clients.zentitle.models import (
    CreateLicenseCodes,
    DeletedActivity,
    DeletedLicenseNote,
    LicenseNote,
    NewLicenseNote,
    NewMasterLicense,
    NewPassiveLicense,
    NoteChange,
    TakeLicenseCodes,
    UpdateLicenseCode,
)
from hookline.journal import CountReadback, Outcome
from tasks.readback.zentitle_records import shows, word

MARKED: Final = "hookline"
"""Under this name the mark of a business stands in what is told of a user."""

_WHICH: Final = frozenset({"productid", "licensecode", "notes", "inheritprofile", "all_notes"})
"""What says which license is changed and how, and not to what."""


def one(_given: Input) -> int:
    """Writes that bring one thing."""
    return 1


# License codes ----------------------------------------------------------------------------------------------


def codes_of(client: ZentitleClient, given: CreateLicenseCodes) -> CountReadback | None:
    """The codes among which new ones will be; none are counted for an import, whose codes are known."""
    return None if given.licensecodes else _codes(client, given.productid, given.companyid)


def codes_behind(client: ZentitleClient, given: NewPassiveLicense | NewMasterLicense) -> CountReadback:
    """
    The codes among which the one behind a certificate will be.

    Zentitle shows a certificate once, and another costs another code. So none is wanted of the count: a code that
    is found is not taken for an answer, but makes the effect uncertain.
    """
    return _codes(client, given.productid, given.companyid)


def codes_wanted(given: CreateLicenseCodes) -> int:
    """How many codes the answer names; that to an import names none."""
    return given.numcodes or 0


async def imported_codes(client: ZentitleClient, given: CreateLicenseCodes, _token: str) -> Outcome | None:
    """All codes of the import, at the company."""
    wanted = {code.strip() for code in (given.licensecodes or "").split(",")} - {""}
    stand = await _codes(client, given.productid, given.companyid).count()
    return Outcome() if wanted <= stand else None


def codes_taken(client: ZentitleClient, given: TakeLicenseCodes) -> CountReadback:
    """The codes of the profile, or of none, that are marked as taken, by whomever."""
    profile = word(given.profilename or "")

    async def count() -> set[str]:
        rows = pages(
            client.list_license_codes,
            productid=given.productid,
            profilename=given.profilename if profile else None,
            acquiredbywebservice=True,
        )
        return {row.licenseCode async for row in rows if word(row.profilename) == profile}

    return CountReadback(f"zentitle codes taken of product {given.productid}, profile {profile}", count)


def codes_asked_for(given: TakeLicenseCodes) -> int:
    """How many codes are to be taken; where fewer are left, a person decides what comes of those."""
    return given.amount or 1


def _codes(client: ZentitleClient, product: str, company: int | None) -> CountReadback:
    """The codes of the product that belong to the company, or to none."""
    company = company or None  # 0 is none too

    async def count() -> set[str]:
        rows = pages(client.list_license_codes, productid=product, companyId=company)
        return {row.licenseCode async for row in rows if company or not row.company}

    return CountReadback(f"zentitle codes of product {product}, company {company}", count)


# Terms ------------------------------------------------------------------------------------------------------


def days_of(client: ZentitleClient, given: UpdateLicenseCode) -> CountReadback | None:
    """
    For how many days the code is, where days are given: Zentitle adds them to those it has.

    A change that adds a note as well needs no counting: the note bears a mark.
    """
    if not given.subscriptionperiod or _added(given.notes):
        return None

    async def count() -> set[str]:
        existing = await client.get_license_code(productid=given.productid, licensecode=given.licensecode)
        return {f"{given.licensecode}: {existing.licensetype}, {existing.subscriptionperiod} days"}

    return CountReadback(f"zentitle days of {given.productid} {given.licensecode}", count)


async def changed_license(client: ZentitleClient, given: UpdateLicenseCode, token: str) -> Outcome | None:
    """
    A note that bears the mark, if one was added; otherwise whether the license is as it was to be.

    Not found is also what cannot be seen, such as a reference: to set it again does no harm.
    """
    existing = await client.get_license_code(
        productid=given.productid, licensecode=given.licensecode, getnotes=1, getsfs=1
    )
    if _added(given.notes):
        return Outcome() if _has_token(existing.notes, token) else None
    changed = not given.inheritprofile and shows(existing, given, but=_WHICH)
    return Outcome() if changed and _deleted(existing.notes, given.notes or []) else None


def marked_notes(notes: Sequence[NoteChange] | None, token: str) -> list[NoteChange] | None:
    """Each note that is to be added with the mark below its text; the others as they are."""
    if notes is None:
        return None
    added = _added(notes)
    return [
        each.model_copy(update={"description": f"{each.description or ''}\n{token}".lstrip()})
        if each in added
        else each
        for each in notes
    ]


def _added(notes: Sequence[NoteChange] | None) -> list[NoteChange]:
    return [each for each in notes or [] if each.type in ("general", "system")]


def _deleted(stand: Sequence[LicenseNote], notes: Sequence[NoteChange]) -> bool:
    if any(each.type == "deleteall" for each in notes):
        return not stand
    return not {int(each.description or 0) for each in notes} & {note.noteID for note in stand}


# Notes and activity -----------------------------------------------------------------------------------------


async def noted_license(client: ZentitleClient, given: NewLicenseNote, token: str) -> Outcome | None:
    """A note on the license that bears the mark."""
    notes = await client.list_license_notes(productid=given.productid, licensecode=given.licensecode)
    return Outcome() if _has_token(notes, token) else None


async def deleted_note(client: ZentitleClient, given: DeletedLicenseNote, _token: str) -> Outcome | None:
    """The note is not among those of the license; or there are none at all, if all were to go."""
    notes = await client.list_license_notes(productid=given.productid, licensecode=given.licensecode)
    left = [note for note in notes if given.all_notes or note.noteID == given.noteid]
    return None if left else Outcome()


async def deleted_activity(client: ZentitleClient, given: DeletedActivity, _token: str) -> Outcome | None:
    """The license has no activity on the computer; or none at all, if all was to go."""
    activity = await client.list_license_code_activity(
        productid=given.productid, licensecode=given.licensecode
    )
    left = [each for each in activity if given.all_activity or each.computerID == given.computerid]
    return None if left else Outcome()


def _has_token(notes: Sequence[LicenseNote], token: str) -> bool:
    return any(token in note.description for note in notes)


# Users, trials and computers offline ------------------------------------------------------------------------


def marked_user(clientinfo: dict[str, Any], token: str) -> dict[str, Any]:
    """What is told of a user, with the mark beside it."""
    return clientinfo | {MARKED: token}


async def recorded_consumer(client: ZentitleClient, given: NewConsumerData, token: str) -> Outcome | None:
    """A record of the computer that bears the mark and names the license, or names none."""
    records = pages(
        client.list_consumer_data, productid=given.productid, computerid=given.computerid, justlast=False
    )
    async for record in records:
        told = record.clientInfo
        of_license = record.licenseCode == (given.licensecode or "")
        if of_license and isinstance(told, dict) and told.get(MARKED) == token:
            return Outcome()
    return None


async def deleted_trial(client: ZentitleClient, given: OnComputer, _token: str) -> Outcome | None:
    """The product has no trial on the computer; by the list, as the words for it elsewhere are not documented."""
    found = await client.list_trials(productId=given.productid, computerId=given.computerid)
    return None if found.Results else Outcome()


async def no_certificate(_client: ZentitleClient, _given: ActivationRequest, _token: str) -> Outcome | None:
    """
    Never: a certificate is shown once, so it is asked for again.

    The same request is of the same computer, which holds its activation already: no other is used up (assumed).
    """
    return None


def deactivations(client: ZentitleClient, given: DeactivationRequest) -> CountReadback:
    """How often each code of the product was deactivated: only Zentitle can read of which one a certificate is."""

    async def count() -> set[str]:
        rows = pages(client.list_license_codes, productid=given.productid, used=True)
        return {
            f"{row.licenseCode}, deactivation {number}"
            async for row in rows
            for number in range(1, 1 + (row.numDeActivations or 0))
        }

    return CountReadback(f"zentitle deactivations of product {given.productid}", count)
