"""Read-backs at Zentitle, for licenses and those who use them; some writes leave nothing to find."""

from collections.abc import Sequence
from typing import Any, Final

from hookline.clients.models import Input
from hookline.clients.zentitle import ZentitleClient
from hookline.clients.zentitle.customers import (
    ConsumerData,
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
from tasks.readback.zentitle_records import notes_of, rows_of, shows, word

CARRIER: Final = "hookline"
"""The field of a user's data that carries the token of a business."""

_WHICH: Final = frozenset({"productid", "licensecode", "notes", "inheritprofile", "all_notes"})
"""The inputs that say which license is changed and how, and not to what."""


def one(_inputs: Input) -> int:
    """Return 1, for writes that bring one thing."""
    return 1


# License codes ----------------------------------------------------------------------------------------------


def codes_of(client: ZentitleClient, inputs: CreateLicenseCodes) -> CountReadback | None:
    """Count the codes among which new ones will be; none for an import, whose codes are known."""
    return None if inputs.licensecodes else codes_at(client, inputs.productid, inputs.companyid)


def codes_behind(client: ZentitleClient, inputs: NewPassiveLicense | NewMasterLicense) -> CountReadback:
    """
    Count the codes among which the one behind a certificate will be.

    Zentitle shows a certificate once, and another costs another code. So the count expects none: a code that is found
    is no answer, but makes the effect uncertain.
    """
    return codes_at(client, inputs.productid, inputs.companyid)


def codes_expected(inputs: CreateLicenseCodes) -> int:
    """Return the number of codes that are generated or imported."""
    return inputs.numcodes or len(codes_imported(inputs))


def codes_imported(inputs: CreateLicenseCodes) -> list[str]:
    """Return the codes of an import; none where they are generated."""
    return [code.strip() for code in (inputs.licensecodes or "").split(",") if code.strip()]


async def imported_codes(client: ZentitleClient, inputs: CreateLicenseCodes, _token: str) -> Outcome | None:
    """Find all codes of the import, at the company."""
    existing = await codes_at(client, inputs.productid, inputs.companyid).count()
    return Outcome() if set(codes_imported(inputs)) <= existing else None


def codes_acquired(client: ZentitleClient, inputs: TakeLicenseCodes) -> CountReadback:
    """Count the codes of the profile, or of none, that are marked as acquired, by anyone."""
    profile = word(inputs.profilename or "")

    async def count() -> set[str]:
        rows = rows_of(
            client.list_license_codes,
            productid=inputs.productid,
            profilename=inputs.profilename if profile else None,
            acquiredbywebservice=True,
        )
        return {row.licenseCode async for row in rows if word(row.profilename) == profile}

    return CountReadback(f"zentitle codes acquired of product {inputs.productid}, profile {profile}", count)


def codes_to_take(inputs: TakeLicenseCodes) -> int:
    """Return the number of codes to take; where fewer are left, a person decides about those."""
    return inputs.amount or 1


def codes_at(client: ZentitleClient, product: str, company: int | None) -> CountReadback:
    """Count the codes of the product that belong to the company, or to none."""
    company = company or None  # 0 is none too

    async def count() -> set[str]:
        rows = rows_of(client.list_license_codes, productid=product, companyId=company)
        return {row.licenseCode async for row in rows if company or not row.company}

    async def texts(code: str) -> list[str]:
        return [note.description for note in await notes_of(client, product, code)]

    return CountReadback(f"zentitle codes of product {product}, company {company}", count, texts=texts)


# Terms ------------------------------------------------------------------------------------------------------


def days_of(client: ZentitleClient, inputs: UpdateLicenseCode) -> CountReadback | None:
    """
    Count the days of the code, where days are set: Zentitle adds them to those it has.

    A change that adds a note as well needs no counting: the note has a token.
    """
    if not inputs.subscriptionperiod or _added(inputs.notes):
        return None

    async def count() -> set[str]:
        existing = await client.get_license_code(productid=inputs.productid, licensecode=inputs.licensecode)
        return {f"{inputs.licensecode}: {existing.licensetype}, {existing.subscriptionperiod} days"}

    return CountReadback(f"zentitle days of {inputs.productid} {inputs.licensecode}", count)


async def changed_license(client: ZentitleClient, inputs: UpdateLicenseCode, token: str) -> Outcome | None:
    """
    Find a note with the token, if one was added; otherwise the license as it was to be.

    Not found is also what cannot be seen, such as a reference: to set it again does no harm.
    """
    existing = await client.get_license_code(
        productid=inputs.productid, licensecode=inputs.licensecode, getnotes=1, getsfs=1
    )
    if _added(inputs.notes):
        return Outcome() if _has_token(existing.notes, token) else None
    changed = not inputs.inheritprofile and shows(existing, inputs, but=_WHICH)
    return Outcome() if changed and _deleted(existing.notes, inputs.notes or []) else None


def notes_with_token(notes: Sequence[NoteChange] | None, token: str) -> list[NoteChange] | None:
    """Return each note that is to be added with the token below its text; the others as they are."""
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


def _deleted(existing: Sequence[LicenseNote], notes: Sequence[NoteChange]) -> bool:
    if any(each.type == "deleteall" for each in notes):
        return not existing
    return not {int(each.description or 0) for each in notes} & {note.noteID for note in existing}


# Notes and activity -----------------------------------------------------------------------------------------


async def noted_license(client: ZentitleClient, inputs: NewLicenseNote, token: str) -> Outcome | None:
    """Find a note on the license with the token."""
    notes = await notes_of(client, inputs.productid, inputs.licensecode)
    ours = [str(note.noteID) for note in notes if token in note.description]
    return Outcome(copies=ours) if ours else None


async def deleted_note(client: ZentitleClient, inputs: DeletedLicenseNote, _token: str) -> Outcome | None:
    """Find that the note is not among those of the license; or that there are none, if all were to go."""
    notes = await notes_of(client, inputs.productid, inputs.licensecode)
    left = [note for note in notes if inputs.all_notes or note.noteID == inputs.noteid]
    return None if left else Outcome()


async def deleted_activity(client: ZentitleClient, inputs: DeletedActivity, _token: str) -> Outcome | None:
    """Find that the license has no activity on the computer; or none at all, if all was to go."""
    activity = await client.list_license_code_activity(
        productid=inputs.productid, licensecode=inputs.licensecode
    )
    left = [each for each in activity if inputs.all_activity or each.computerID == inputs.computerid]
    return None if left else Outcome()


def _has_token(notes: Sequence[LicenseNote], token: str) -> bool:
    return any(token in note.description for note in notes)


# Users, trials and computers offline ------------------------------------------------------------------------


def user_with_token(clientinfo: dict[str, Any], token: str) -> dict[str, Any]:
    """Return the data of a user, with the token beside it."""
    return clientinfo | {CARRIER: token}


async def recorded_consumer(client: ZentitleClient, inputs: NewConsumerData, token: str) -> Outcome | None:
    """Find a record of the computer with the token and the license, or none."""
    records = rows_of(
        client.list_consumer_data, productid=inputs.productid, computerid=inputs.computerid, justlast=False
    )
    ours = [
        f"record of {each.created or each.computerID}"
        async for each in records
        if _is_ours(each, inputs, token)
    ]
    return Outcome(copies=ours) if ours else None


def _is_ours(record: ConsumerData, inputs: NewConsumerData, token: str) -> bool:
    info, code = record.clientInfo, inputs.licensecode or ""
    return record.licenseCode == code and isinstance(info, dict) and info.get(CARRIER) == token


async def deleted_trial(client: ZentitleClient, inputs: OnComputer, _token: str) -> Outcome | None:
    """Find no trial of the product on the computer; by the list, as the words for it elsewhere are not documented."""
    async for _ in rows_of(client.list_trials, productId=inputs.productid, computerId=inputs.computerid):
        return None
    return Outcome()


def deactivations(client: ZentitleClient, inputs: DeactivationRequest) -> CountReadback:
    """Count the deactivations of each code: only Zentitle can read of which one a certificate is."""

    async def count() -> set[str]:
        rows = rows_of(client.list_license_codes, productid=inputs.productid, used=True)
        return {
            f"{row.licenseCode}, deactivation {number}"
            async for row in rows
            for number in range(1, 1 + (row.numDeActivations or 0))
        }

    return CountReadback(f"zentitle deactivations of product {inputs.productid}", count)
