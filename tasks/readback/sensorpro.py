"""Look-ups at Sensorpro, where a contact can be looked up and a mail cannot."""

from hookline.clients import SensorproClient
from hookline.clients.sensorpro.models import AddContacts, ContactRow, Done, ForgetContact
from hookline.clients.sensorpro.models import Outcome as Result
from hookline.journal import Outcome

FOUND = Done(Result=Result())
"""The answer to a write that worked; what else it said was lost."""


async def added(client: SensorproClient, given: AddContacts, _token: str) -> Outcome | None:
    """
    All the contacts, each with the tags that they were added with.

    Where some are missing, all are sent again: it adds those, and refuses the others as rows that exist.
    """
    for contact in given.Contact:
        existing = await _contact(client, contact.PersonalEMail)
        if existing is None or not set(given.AddToList or ()) <= set(existing.Tags):
            return None
    return Outcome(answer=FOUND)


async def forgotten(client: SensorproClient, given: ForgetContact, _token: str) -> Outcome | None:
    """Nobody has the address any more; whoever is found counts, for how Sensorpro filters is assumed."""
    found = await client.get_contacts(PersonalEMail=given.PersonalEMail)
    return None if found.Contact else Outcome(answer=FOUND)


async def _contact(client: SensorproClient, address: str) -> ContactRow | None:
    """The contact of the address; the filter is assumed, so take none but that."""
    found = await client.get_contacts(PersonalEMail=address)
    return next((each for each in found.Contact if each.PersonalEMail.casefold() == address.casefold()), None)
