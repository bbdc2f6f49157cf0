"""Reminders of licenses that end soon: a Jiwa sales quote and one mail each, once for a license and its end."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.jiwa import JiwaCredentials
from blocks.sensorpro import SensorproCredentials
from blocks.zentitle import ZentitleCredentials
from flows.endings import WORKFLOW, Ending, debtor_of, quote_of
from flows.mail import Mailer, contact_of, has_opted_out
from flows.parameters import JiwaBlock, SensorproBlock, ZentitleBlock
from flows.report import Row, conclude, with_progress
from flows.texts.renewal_reminder import ReminderMail
from hookline.account_keys import DEFAULT, label_at
from hookline.catalog import Renewals, load_catalog
from hookline.clients.errors import VendorAway
from hookline.clients.jiwa.queries import SalesQuoteRow
from hookline.errors import HooklineError
from hookline.record_links import Record
from hookline.settings import settings
from tasks import zentitle as zentitle_tasks
from tasks.about import begin, say_failed
from tasks.effects import outcome_of, remembered


@dataclass(frozen=True)
class Accounts:
    """The vendors' accounts that reminding works with."""

    jiwa: JiwaCredentials
    sensorpro: SensorproCredentials


@flow(name=WORKFLOW, persist_result=False, on_failure=[say_failed])
async def renewal_reminder(
    jiwa: JiwaBlock = "default", zentitle: ZentitleBlock = "default", sensorpro: SensorproBlock = "default"
) -> State[None]:
    """
    Send a quote and a mail for each license that ends soon, once for the license and its end.

    A license that cannot be quoted does not stop the others: the run ends Failed and says why.

    Args:
        jiwa: name of the Jiwa Credentials block.
        zentitle: name of the Zentitle Credentials block.
        sensorpro: name of the Sensorpro Credentials block.
    """
    today = datetime.now(UTC).date()
    used = {"jiwa": jiwa, "zentitle": zentitle}
    name, workflow = label_at(f"reminders of {today}", **used), label_at(WORKFLOW, **used)
    await begin(name)
    catalog = load_catalog(settings().catalog).of(jiwa=jiwa, zentitle=zentitle)
    rules = catalog.renewals
    if rules is None:
        return Completed(
            name="Switched off", message="catalog.yaml has no part `renewals`; nothing was done."
        )
    accounts = Accounts(
        await JiwaCredentials.named(jiwa),
        await SensorproCredentials.named(rules.reminder.sensorpro or sensorpro),
    )
    first, last = today - timedelta(days=rules.grace_days), today + timedelta(days=rules.remind_days)
    ending = []
    for renewal, part in rules.parts.items():
        if (product := catalog.product(part)) is not None:
            account = await ZentitleCredentials.named(product.zentitle or DEFAULT)
            found = await zentitle_tasks.list_ending_licenses(account, product.product_id, first, last)
            ending += [Ending(each, zentitle_tasks.ends(each), product, renewal) for each in found]
    rows = []
    async for each in with_progress(workflow, ending):
        async with each.business.exclusive():
            if (row := await _remind(accounts, rules, each)) is not None:
                rows.append(row)
    return await conclude(workflow, rows, nothing="Nothing ends", name=name, done="quoted")


async def _remind(accounts: Accounts, rules: Renewals, ending: Ending) -> Row | None:
    """Quote and mail one license; return what was done, or None if that was before, or is another Jiwa's to do."""
    business = ending.business
    if await outcome_of(business.step("mail")) or await outcome_of(business.step("no mail")):
        return None
    customer = ending.existing.company
    try:
        zentitle = await ZentitleCredentials.named(ending.zentitle)
        existing = await zentitle_tasks.get_license_code(  # the list has not all of it
            zentitle, productid=ending.product.product_id, licensecode=ending.code
        )
        if (debtor := await debtor_of(accounts.jiwa, zentitle, existing)) is None:
            return None
        customer = debtor.Name
        contact = contact_of(
            f"{debtor.Name} ({debtor.AccountNo})",
            debtor.EmailAddress,
            debtor.Name,
            kept_in="Jiwa",
            so_far="Nothing was quoted.",
        )
        units = (existing.clientsallowed or 1) if ending.product.allocate == "seats" else 1
        quote = await quote_of(accounts.jiwa, debtor, ending, units)
        if await has_opted_out(accounts.sensorpro, contact.PersonalEMail):
            await remembered(business, "no mail", lambda: ["opted out"])
            result = f"quote {quote.InvoiceNo}, and no mail: the contact has opted out"
            return Row(str(ending), customer, result, records=_records(accounts, ending, quote))
        text = ReminderMail(
            customer=debtor.Name,
            contact=debtor.Name,
            license=ending.code,
            part=ending.product.part_no,
            until=ending.end,
            quote=quote.InvoiceNo,
        )
        language = load_catalog(settings().catalog).language.of(debtor.AccountNo, debtor.Country)
        await Mailer(accounts.sensorpro, contact, language).send(business.step("mail"), rules.reminder, text)
    except VendorAway:  # nothing failed: the run waits
        raise
    except HooklineError as error:
        return Row(str(ending), customer, problem=str(error))
    result = f"quote {quote.InvoiceNo}"
    return Row(str(ending), customer, result, records=_records(accounts, ending, quote))


def _records(accounts: Accounts, ending: Ending, quote: SalesQuoteRow) -> list[Record]:
    return [
        Record("zentitle", "license", ending.code, ending.zentitle, f"license {ending.code}"),
        Record("jiwa", "quote", quote.InvoiceID, accounts.jiwa.stored_as, f"quote {quote.InvoiceNo}"),
    ]
