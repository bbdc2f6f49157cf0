"""The mail to a customer: a contact with a valid address, and one triggered broadcast of Sensorpro."""

from dataclasses import dataclass, replace

from pydantic import ValidationError

from blocks.sensorpro import SensorproCredentials
from flows.wording import worded
from hookline import texts
from hookline.catalog import Mail
from hookline.clients.sensorpro.models import ContactRow, NewContact
from hookline.errors import HooklineError
from tasks import sensorpro as sensorpro_tasks
from tasks.effects import BusinessKey


def contact_of(who: str, email: str, first_name: str, *, kept_in: str, so_far: str) -> NewContact:
    """
    Return the contact that a mail goes to; call it before anything is done that needs the mail.

    Args:
        who: the customer, for people.
        email: the address.
        first_name: the name in the mail.
        kept_in: the vendor where a person can correct the address.
        so_far: what was done or not done, in a sentence.

    Raises:
        HooklineError: there is no such address.
    """
    try:
        return NewContact(PersonalEMail=email, FirstName=first_name)
    except ValidationError:
        raise HooklineError(
            f"The e-mail address of {who} is missing or not valid: {email!r}. {so_far} Correct it in {kept_in}, then "
            "run this again."
        ) from None


async def has_opted_out(sensorpro: SensorproCredentials, email: str) -> bool:
    """Return True if a contact wants no mails any more; one that Sensorpro does not know has said nothing."""
    return any(row.OptOut for row in await contacts_at(sensorpro, email))  # fact: opted-out-shown


async def contacts_at(sensorpro: SensorproCredentials, email: str) -> list[ContactRow]:
    """Return the contacts with an address; how Sensorpro filters is assumed, so others are left out here."""
    found = await sensorpro_tasks.get_contacts(sensorpro, PersonalEMail=email)
    return [row for row in found.Contact if row.PersonalEMail.casefold() == email.casefold()]


@dataclass(frozen=True)
class Mailer:
    """Mails to one contact, by one account."""

    sensorpro: SensorproCredentials
    contact: NewContact
    language: str | None = None
    """That of the contact; None: the firm's."""

    async def send(self, business: BusinessKey, mail: Mail, text: texts.Mail) -> None:
        """Send a mail once, at a step, with this text; a lost answer is for the catalog to decide."""
        sensorpro = await SensorproCredentials.named(mail.sensorpro) if mail.sensorpro else self.sensorpro
        await sensorpro_tasks.trigger_email(
            sensorpro,
            replace(business, resend=mail.if_unknown == "send-again"),
            CampId=mail.campaign_id,
            BroadcastId=mail.broadcast_id,
            ContactData=self.contact,
            NamedPairsParameters=await worded(business, text, self.language),
        )
