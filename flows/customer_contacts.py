"""A customer of Jiwa as a contact at Sensorpro, and as a customer of Jifeline that is reported."""

from typing import Final

from blocks.jifeline import JifelineCredentials
from blocks.sensorpro import SensorproCredentials
from flows.customer_records import WORKFLOW, Customer, Decision, edited, remember_synced, synced
from flows.mail import contact_of, contacts_at
from flows.matching import EMAIL, Synced, folded, merge
from flows.report import Row
from hookline.clients.jifeline.models import MAX_LIMIT
from hookline.clients.jifeline.models import Customer as Workshop
from hookline.clients.sensorpro.models import ContactRow, NewContact
from hookline.record_links import Record
from tasks import jifeline as jifeline_tasks
from tasks import sensorpro as sensorpro_tasks
from tasks.effects import BusinessKey, remembered

FIRST_NAME: Final = "first name"
LAST_NAME: Final = "last name"
TAG: Final = "tag"


async def sync_contact(
    sensorpro: SensorproCredentials, tag: str, customer: Customer, decision: Decision
) -> Row | None:
    """
    Make or change the contact of a customer; return what was done or is left to a person.

    Nothing is written of one that has opted out, or of which nobody can know. None: there was nothing to do.
    """
    email = customer.values[EMAIL]
    prefix = f"Sensorpro {sensorpro.stored_as} synced "
    if not email:
        return None
    what = f"contact {email} at Sensorpro"
    contact = contact_of(str(customer), email, "", kept_in="Jiwa", so_far="No contact was made.")
    if (owner := await _owner(sensorpro, customer, email)) is not None:
        return Row(what, str(customer), problem=_others(owner))
    before = await synced(customer, prefix)
    last = before[-1] if before else {}
    known = await contacts_at(sensorpro, email)
    if known and not await _may_be_written(known):
        return None
    if EMAIL in last and folded(last[EMAIL].sent) != folded(email):
        if any(row.OptOut for row in await contacts_at(sensorpro, last[EMAIL].sent)):  # fact: opted-out-shown
            return Row(what, str(customer), problem=_opted_out_before(last[EMAIL].sent, email))
        last = {}
    ours = _names(customer) | {TAG: tag}
    theirs = _values(known, tag)
    merged = merge(ours, theirs, last, overwrite=decision.overwrite)
    if merged.write or not known:
        written = ours if not known else merged.write
        await sensorpro_tasks.upsert_contacts(
            sensorpro,
            AddToList=[tag] if TAG in written else [],
            Contact=[
                NewContact(
                    PersonalEMail=contact.PersonalEMail,
                    FirstName=written.get(FIRST_NAME) or None,
                    LastName=written.get(LAST_NAME) or None,
                )
            ],
        )
        theirs = _values(await contacts_at(sensorpro, email), tag)
    now = {name: each for name, each in last.items() if name != EMAIL} | {EMAIL: Synced(email, email)}
    now |= {name: Synced(ours[name], theirs[name]) for name in ours if name not in merged.edited}
    if not before or now != before[-1]:
        await remember_synced(customer, prefix, now)
    done = "created" if not known else f"changed: {', '.join(sorted(merged.write))}" if merged.write else ""
    if done and not theirs[TAG]:
        done += "; Sensorpro did not add the tag"  # fact: tags-of-known-contacts
    problem = edited("Sensorpro", ours, merged.edited) if merged.edited else ""
    return Row(what, str(customer), done, problem) if done or problem else None


async def _may_be_written(known: list[ContactRow]) -> bool:
    return all("OptOut" in row.model_fields_set and not row.OptOut for row in known)  # fact: opted-out-shown


def _names(customer: Customer) -> dict[str, str]:
    """Return the names of a customer's contact in Jiwa; of one that names nobody, its own."""
    people = sorted(customer.debtor.ContactNames, key=lambda each: not each.DefaultContact)
    for person in people:
        if person.FirstName.strip() or person.Surname.strip():
            return {FIRST_NAME: person.FirstName.strip(), LAST_NAME: person.Surname.strip()}
    return {FIRST_NAME: customer.debtor.Name.strip(), LAST_NAME: ""}


def _values(known: list[ContactRow], tag: str) -> dict[str, str]:
    return {
        FIRST_NAME: next((row.FirstName for row in known if row.FirstName), ""),
        LAST_NAME: next((row.LastName for row in known if row.LastName), ""),
        TAG: tag if any(tag in row.Tags for row in known) else "",
    }


async def _owner(sensorpro: SensorproCredentials, customer: Customer, email: str) -> str | None:
    """Return the key of the other customer whose contact it is; None where it is this one's, from now on at least."""
    place = f"contact {email.casefold()} at Sensorpro {sensorpro.stored_as}"
    ours = customer.business.key
    [owner] = await remembered(BusinessKey(WORKFLOW, place, place), "customer", lambda: [ours])
    return None if owner == ours else owner


def _others(owner: str) -> str:
    return (
        f"Another customer of Jiwa ({owner}) has the same address, and the contact is that one's. Give each an address "
        "of its own in Jiwa; or leave it so, and discard the delivery."
    )


def _opted_out_before(before: str, now: str) -> str:
    return (
        f"The customer had the address {before} before, which has opted out, so that no contact was made of {now}. "
        "If mails are wanted there, add it at Sensorpro by hand."
    )


# Jifeline ---------------------------------------------------------------------------------------------------


async def workshops(jifeline: JifelineCredentials) -> list[Workshop]:
    """Return all customers of Jifeline."""
    found: list[Workshop] = []
    while True:
        page = await jifeline_tasks.list_customers(jifeline, limit=MAX_LIMIT, offset=len(found))
        found += page.result
        if not page.result or (page.total is not None and len(found) >= page.total):
            return found


def same_workshops(customer: Customer, found: list[Workshop], account: str) -> list[Row]:
    """Report which customers of Jifeline, read with this account, are the same; nothing is written there."""
    number, name = folded(customer.debtor.AccountNo), folded(customer.debtor.Name)
    rows = []
    for each in found:
        if folded(each.reference) == number:
            result = "the same, by its reference"
        elif folded(each.company_name) != name:
            continue
        elif each.reference.strip():
            result = f"the same name; its reference is {each.reference}"
        else:
            result = f"the same name; enter {customer.debtor.AccountNo} there as its reference"
        what = f"customer {each.id} ({each.company_name}) at Jifeline"
        record = Record("jifeline", "customer", each.id, account, f"customer {each.id}")
        rows.append(Row(what, str(customer), result, records=[record]))
    return rows
