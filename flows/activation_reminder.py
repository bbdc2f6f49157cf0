"""A reminder: a license that is not activated some days after it was allocated brings its customer one mail."""

from datetime import timedelta
from typing import Final

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.jiwa import JiwaCredentials
from blocks.sensorpro import SensorproCredentials
from blocks.zentitle import ZentitleCredentials
from flows.mail import Mailer
from flows.orders import customer_of, order_of
from flows.parameters import JiwaBlock, LicenseCode, OrderId, ProductId, SensorproBlock, ZentitleBlock
from flows.texts.activation_reminder import ReminderMail
from hookline.account_keys import source_of
from hookline.catalog import load_catalog
from hookline.clients import NotFound
from hookline.settings import settings
from tasks import zentitle as zentitle_tasks
from tasks.about import about, say_failed
from tasks.effects import BusinessKey
from tasks.waits import TimedOut, wait_for

WORKFLOW: Final = "activation-reminder"
ACTIVATIONS: Final = "zentitle-activations"


@flow(name=WORKFLOW, persist_result=False, on_failure=[say_failed])
async def activation_reminder(
    invoice_id: OrderId,
    product_id: ProductId,
    license_code: LicenseCode,
    jiwa: JiwaBlock = "default",
    zentitle: ZentitleBlock = "default",
    sensorpro: SensorproBlock = "default",
) -> State[None]:
    """
    Wait for the first activation of a license; remind the customer if it does not come.

    The run is suspended meanwhile: thousands may wait for weeks.

    Args:
        invoice_id: Jiwa's InvoiceID of the order.
        product_id: Zentitle's id of the product.
        license_code: the license.
        jiwa: name of the Jiwa Credentials block.
        zentitle: name of the Zentitle Credentials block.
        sensorpro: name of the Sensorpro Credentials block.
    """
    business = BusinessKey(WORKFLOW, license_code, f"license {license_code}").at(zentitle=zentitle)
    label = business.label
    await about(label, license=license_code)
    rules = load_catalog(settings().catalog).of(jiwa=jiwa).activation
    if rules is None:
        return Completed(
            name="Switched off", message="catalog.yaml has no part `activation`; nobody is reminded."
        )
    try:
        await wait_for(
            source_of(ACTIVATIONS, zentitle),
            match={"body.licenseCode": license_code},
            timeout=timedelta(days=rules.days),
        )
    except TimedOut:
        if reason := await _nothing_to_remind_of(zentitle, product_id, license_code):
            return Completed(name=reason, message=f"{label}: {reason.lower()}; nobody was reminded.")
    else:
        return Completed(name="Activated", message=f"{label} was activated within {rules.days} days.")

    account = await JiwaCredentials.named(jiwa)
    order = await order_of(account, invoice_id)
    customer = await customer_of(account, order, so_far="Nobody was reminded.")
    mailer = Mailer(await SensorproCredentials.named(sensorpro), customer.contact, customer.language)
    text = ReminderMail(
        order=order.InvoiceNo,
        customer=customer.account.name,
        contact=customer.first_name,
        license=license_code,
        days=rules.days,
    )
    await mailer.send(business.step("mail: reminder"), rules.mail, text)
    return Completed(
        name="Reminded",
        message=f"{label} is not activated after {rules.days} days: {customer.account.name} was reminded.",
    )


async def _nothing_to_remind_of(zentitle: str, product_id: str, license_code: str) -> str | None:
    """Return why nobody is to be reminded, by what Zentitle says now: a list that was read late may have missed it."""
    account = await ZentitleCredentials.named(zentitle)
    try:
        code = await zentitle_tasks.get_license_code(account, productid=product_id, licensecode=license_code)
    except NotFound:
        return "License gone"
    if (code.numActivations or 0) > 0:
        return "Activated"
    return "License disabled" if code.enabledforuse is False else None
