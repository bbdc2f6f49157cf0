"""Tasks on Sensorpro: mails."""

from prefect import task

from blocks import SensorproCredentials
from hookline.clients.sensorpro_models import NewContact
from hookline.journal import Outcome
from tasks.effects import Business, once
from tasks.policies import VENDOR_CALL


@task(**VENDOR_CALL)
async def trigger_email(
    sensorpro: SensorproCredentials,
    business: Business,
    *,
    campaign_id: str,
    broadcast_id: int,
    contact: NewContact,
    placeholders: dict[str, str],
    resend: bool = False,
) -> None:
    """
    Send a stored mail to one contact, once.

    A mail cannot be looked up: if its answer is lost, it is *uncertain* and a person decides, unless `resend`
    says that a second mail does less harm than none.

    Args:
        sensorpro: the account.
        business: what the mail is about; one mail a business.
        campaign_id: the campaign's GUID.
        broadcast_id: which of the campaign's broadcasts.
        contact: whom to write to.
        placeholders: what the mail's text may use.
        resend: send again when nobody can know whether it went out.
    """
    async with sensorpro.get_client() as client:

        async def send() -> Outcome:
            await client.trigger_email(
                CampId=campaign_id,
                BroadcastId=broadcast_id,
                ContactData=contact,
                NamedPairsParameters=placeholders,
            )
            return Outcome()

        request = {"campaign": campaign_id, "broadcast": broadcast_id, "placeholders": placeholders}
        await once(business, "mail", "sensorpro.trigger_email", request, send, resend=resend)
