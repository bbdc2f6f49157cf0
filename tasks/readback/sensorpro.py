"""Read-backs at Sensorpro, where a contact can be found and a mail cannot."""

from hookline.clients.sensorpro import SensorproClient
from hookline.clients.sensorpro.models import AddContacts, ContactRow, Done, ForgetContact
from hookline.clients.sensorpro.models import Outcome as Result
from hookline.journal import Outcome

FOUND = Done(Result=Result())
"""The answer to a write that worked; its other contents were lost."""


async def added(client: SensorproClient, inputs: AddContacts, _token: str) -> Outcome | None:
    """
    Find all the contacts, each with the tags that they were added with.

    Where some are missing, all are sent again: it adds those, and refuses the others as rows that exist.
    """
    for contact in inputs.Contact:
        existing = await _contact(client, contact.PersonalEMail)
        if existing is None or not set(inputs.AddToList or ()) <= set(existing.Tags):
            return None
    return Outcome(answer=FOUND)


async def forgotten(client: SensorproClient, inputs: ForgetContact, _token: str) -> Outcome | None:
    """Find that nobody has the address any more; any contact found counts, for how Sensorpro filters is assumed."""
    found = await client.get_contacts(PersonalEMail=inputs.PersonalEMail)
    return None if found.Contact else Outcome(answer=FOUND)


async def _contact(client: SensorproClient, address: str) -> ContactRow | None:
    """Return the contact of the address; the filter is assumed, so take none but that."""
    found = await client.get_contacts(PersonalEMail=address)
    return next((each for each in found.Contact if each.PersonalEMail.casefold() == address.casefold()), None)
