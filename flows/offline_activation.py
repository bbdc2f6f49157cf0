"""A license on a computer that is offline: a posted certificate request brings Zentitle's certificate by mail."""

from datetime import UTC, datetime
from typing import Final

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.sensorpro import SensorproCredentials
from blocks.zentitle import ZentitleCredentials
from flows.mail import Mailer
from flows.offline_requests import (
    Declined,
    Posted,
    certificate_for,
    license_of,
    mailer_for,
    product_of,
    requester_of,
)
from flows.parameters import DeliveryId, JiwaBlock, SensorproBlock, ZentitleBlock
from flows.texts.offline_activation import DeclinedMail, GrantedMail
from hookline.account_keys import label_at
from hookline.catalog import Offline, load_catalog
from hookline.delivery import read_delivery
from hookline.settings import settings
from tasks.about import about, begin, say_failed
from tasks.effects import BusinessKey, outcome_of

WORKFLOW: Final = "offline-activation"


@flow(name=WORKFLOW, persist_result=False, on_failure=[say_failed])
async def offline_activation(
    delivery: DeliveryId,
    jiwa: JiwaBlock = "default",
    zentitle: ZentitleBlock = "default",
    sensorpro: SensorproBlock = "default",
) -> State[None]:
    """
    Activate a license on a computer that is offline, and mail the certificate to its customer.

    What is wrong with a request is answered by mail: to the customer of the license, or where there is no such
    license, to the one who asks, who learns nothing of anybody's license.

    Args:
        delivery: the delivery with the request; filled in by itself.
        jiwa: name of the Jiwa Credentials block.
        zentitle: name of the Zentitle Credentials block.
        sensorpro: name of the Sensorpro Credentials block.
    """
    await begin("offline activation")
    catalog = load_catalog(settings().catalog).of(jiwa=jiwa, zentitle=zentitle)
    rules = catalog.offline
    if rules is None:
        return Completed(name="Switched off", message="catalog.yaml has no part `offline`; nothing was done.")
    posted = Posted.of(await read_delivery(delivery))
    label = label_at(posted.label, zentitle=zentitle)
    await about(label, license=posted.license_code, request=posted.request_id)
    mails = await SensorproCredentials.named(sensorpro)
    try:
        product = product_of(catalog, rules, posted)
        account = await ZentitleCredentials.named(product.zentitle or zentitle)
        existing = await license_of(account, product, posted)
    except Declined as no:
        return await _answer_stranger(mails, rules, posted, no)

    mailer, contact = await mailer_for(jiwa, account, mails, existing, posted)
    business = BusinessKey(WORKFLOW, f"license {posted.license_code}", posted.label).at(
        zentitle=account.stored_as
    )
    request, code, to = posted.request_id, posted.license_code, mailer.contact.PersonalEMail
    try:
        async with business.exclusive():
            certificate = await certificate_for(account, business, product, posted)
    except Declined as no:
        why = DeclinedMail(request=request, license=code, contact=contact, **no.facts)
        await mailer.send(business.step(f"mail: declined {request}"), rules.declined, why)
        return Completed(name="Declined", message=f"{posted.label}: {no} Sent to {to}.")
    text = GrantedMail(
        request=request, license=code, computer=posted.computer_id, contact=contact, certificate=certificate
    )
    await mailer.send(business.step(f"mail: certificate {request}"), rules.granted, text)
    return Completed(message=f"{posted.label}, on computer {posted.computer_id}: certificate sent to {to}.")


async def _answer_stranger(
    sensorpro: SensorproCredentials, rules: Offline, posted: Posted, no: Declined
) -> State[None]:
    """Mail the one who asks what is wrong: once a day, for anyone may enter anybody's address."""
    answered = f"{posted.label}: {no}"
    if (contact := requester_of(posted.email)) is None:
        return Completed(
            name="Declined", message=f"{answered} No mail: the request has no valid e-mail address."
        )
    address = contact.PersonalEMail.casefold()
    business = BusinessKey(WORKFLOW, f"requester {address}", f"offline requests of {address}")
    step = business.step(f"mail: declined {datetime.now(UTC).date()}")
    if await outcome_of(step):
        return Completed(
            name="Declined", message=f"{answered} No mail: {address} was sent one today already."
        )
    why = DeclinedMail(request=posted.request_id, license="", contact="", **no.facts)
    await Mailer(sensorpro, contact).send(step, rules.declined, why)
    return Completed(name="Declined", message=f"{answered} Sent to {address}.")
