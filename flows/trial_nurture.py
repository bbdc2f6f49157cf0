"""Mails about trials that end soon: one for a trial and its end, to a tagged contact who has not opted out."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.sensorpro import SensorproCredentials
from blocks.zentitle import ZentitleCredentials
from flows.mail import Mailer, contacts_at
from flows.parameters import SensorproBlock, ZentitleBlock
from flows.report import Row, conclude, with_progress
from flows.texts.trial_nurture import Trial, TrialMail
from flows.trials import (
    WORKFLOW,
    EndingTrial,
    User,
    ending_trials,
    is_done,
    is_running,
    licensed_of,
    mails_of,
    tag,
    users_of,
)
from hookline.account_keys import label_at
from hookline.catalog import Mail, Trials, load_catalog
from hookline.clients.errors import VendorAway
from hookline.errors import HooklineError
from hookline.settings import settings
from tasks.about import begin, say_failed
from tasks.effects import BusinessKey, remembered


@dataclass(frozen=True)
class Accounts:
    """The vendors' accounts that the flow works with."""

    zentitle: ZentitleCredentials
    sensorpro: SensorproCredentials


@flow(name=WORKFLOW, persist_result=False, on_failure=[say_failed])
async def trial_nurture(
    zentitle: ZentitleBlock = "default", sensorpro: SensorproBlock = "default"
) -> State[None]:
    """
    Tag and mail the user of each trial that ends soon and became no license, once for the trial and its end.

    One that cannot be mailed does not stop the others: the run ends Failed and says why.

    Args:
        zentitle: name of the Zentitle Credentials block.
        sensorpro: name of the Sensorpro Credentials block.
    """
    today = datetime.now(UTC).date()
    name, workflow = label_at(f"trials of {today}", zentitle=zentitle), label_at(WORKFLOW, zentitle=zentitle)
    await begin(name)
    rules = load_catalog(settings().catalog).trials
    if rules is None:
        return Completed(name="Switched off", message="catalog.yaml has no part `trials`; nothing was done.")
    accounts = Accounts(
        await ZentitleCredentials.named(zentitle),
        await SensorproCredentials.named(rules.mail.sensorpro or sensorpro),
    )
    trials = await ending_trials(accounts.zentitle, rules.products, today, today + timedelta(days=rules.days))
    users, rows = await users_of(accounts.zentitle, trials)
    licensed = await licensed_of(accounts.zentitle, users)
    async for user in with_progress(workflow, users):
        async with user.business.exclusive():
            bought = {product for product, emails in licensed.items() if user.email.casefold() in emails}
            left = [trial for trial in user.trials if trial.product_id not in bought]
            rows += await _nurture(accounts, rules, User(user.record, left))
    return await conclude(workflow, rows, nothing="Nothing ends", name=name, done="mailed")


async def _nurture(accounts: Accounts, rules: Trials, user: User) -> list[Row]:
    """Tag and mail one user; return what was done, one row for each mail."""
    row = Row(", ".join(map(str, user.trials)), user.email, records=[each.record for each in user.trials])
    try:
        trials = [
            trial
            for trial in user.trials
            if not await is_done(trial) and await is_running(accounts.zentitle, trial)
        ]
        if not trials:
            return []
        known = await contacts_at(accounts.sensorpro, user.email)
        if any(row.OptOut for row in known):  # fact: opted-out-shown
            for trial in trials:
                await remembered(trial.business, "no mail", lambda: ["opted out"])
            return [replace(row, result="no mail: the contact has opted out")]
        if any("OptOut" not in row.model_fields_set for row in known):
            return [replace(row, result="no mail: Sensorpro does not show if the contact has opted out")]
        tagged = await tag(accounts.sensorpro, rules.tag, user, known)
        mails = await mails_of(trials)
    except VendorAway:  # nothing failed: the run waits
        raise
    except HooklineError as error:
        return [replace(row, problem=str(error))]
    mailer = Mailer(accounts.sensorpro, user.contact(known))
    result = "mailed" if tagged else "mailed; Sensorpro did not add the tag"
    return [await _mail(mailer, rules.mail, key, user, named, result) for key, named in mails.items()]


async def _mail(
    mailer: Mailer, mail: Mail, key: str, user: User, trials: list[EndingTrial], result: str
) -> Row:
    """Send one mail that names these trials."""
    row = Row(", ".join(map(str, trials)), user.email, records=[each.record for each in trials])
    named = [
        Trial(product=product, until=end) for product, end in {(each.product, each.end): 0 for each in trials}
    ]
    text = TrialMail(contact=user.name, trials=named, until=min(trial.end for trial in trials))
    step = BusinessKey(WORKFLOW, key, f"trials of {user.email}", step_name="mail")
    try:
        await mailer.send(step, mail, text)
    except VendorAway:  # nothing failed: the run waits
        raise
    except HooklineError as error:
        return replace(row, problem=str(error))
    return replace(row, result=result)
