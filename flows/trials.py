"""Trials that end: whose they are, which mail names them, and who gets none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from pydantic import ValidationError

from blocks.sensorpro import SensorproCredentials
from blocks.zentitle import ZentitleCredentials
from flows.mail import contacts_at
from flows.report import Row
from hookline.clients import NotFound
from hookline.clients.errors import VendorAway
from hookline.clients.sensorpro.models import ContactRow, NewContact
from hookline.clients.zentitle.customers import ConsumerData
from hookline.errors import HooklineError
from hookline.record_links import Record
from tasks import sensorpro as sensorpro_tasks
from tasks import zentitle as zentitle_tasks
from tasks.effects import BusinessKey, outcome_of, remembered, steps_of

WORKFLOW: Final = "trial-nurture"
NAMED_IN: Final = "named in"
"""The step of a trial that chooses the mail in which it is named."""


@dataclass(frozen=True)
class EndingTrial:
    """A trial that ends soon."""

    product_id: str
    product: str
    """What it is called in the mail."""
    computer_id: str
    end: date
    zentitle: str
    """The name of the block of its Zentitle account."""

    @property
    def business(self) -> BusinessKey:
        """The key of its mail: another end is another one."""
        key = f"trial of {self.product_id} on {self.computer_id} until {self.end}"
        return BusinessKey(WORKFLOW, key, str(self)).at(zentitle=self.zentitle)

    @property
    def record(self) -> Record:
        """Its record at Zentitle, which has one for a computer."""
        name = f"trial on {self.computer_id}"
        return Record("zentitle", "trial", self.computer_id, self.zentitle, name)

    def __str__(self) -> str:
        """Return what people call it."""
        return f"end {self.end} of the trial of {self.product} on {self.computer_id}"


@dataclass(frozen=True)
class User:
    """Somebody who tries products, by the address, with the trials that end."""

    record: ConsumerData
    trials: list[EndingTrial]

    @property
    def email(self) -> str:
        """The address, as it was written; "" where none was left."""
        return zentitle_tasks.email_of(self.record)

    @property
    def name(self) -> str:
        """The name that was entered beside it, or nothing."""
        return f"{self.record.firstName} {self.record.lastName}".strip()

    @property
    def business(self) -> BusinessKey:
        """The key by which runs take turns: all that an address gets goes by one of them at a time."""
        return BusinessKey(WORKFLOW, f"contact {self.email.casefold()}", f"trials of {self.email}")

    @property
    def has_valid_address(self) -> bool:
        """Whether it could be an address at all."""
        try:
            NewContact(PersonalEMail=self.email)
        except ValidationError:
            return False
        return True

    def contact(self, known: Sequence[ContactRow]) -> NewContact:
        """Return the contact, with no more of the name than Sensorpro lacks: what is there is a person's."""
        has_first, has_last = (
            any(row.FirstName for row in known),
            any(row.LastName for row in known),
        )
        return NewContact(
            PersonalEMail=self.email,
            FirstName=None if has_first else self.record.firstName or None,
            LastName=None if has_last else self.record.lastName or None,
        )


async def ending_trials(
    zentitle: ZentitleCredentials, products: dict[str, str], first: date, last: date
) -> list[EndingTrial]:
    """Return the trials of these products that end from one day to another and about which nothing was done."""
    found = [
        EndingTrial(product_id, product, row.computerId, row.expires.date(), zentitle.stored_as)
        for product_id, product in products.items()
        for row in await zentitle_tasks.list_ending_trials(zentitle, product_id, first, last)
        if row.expires
    ]
    return [trial for trial in found if not await is_done(trial)]


async def is_done(trial: EndingTrial) -> bool:
    """Return True if the mail that names a trial was sent, or it was to get none."""
    if await outcome_of(trial.business.step("no mail")) is not None:
        return True
    named_in = await outcome_of(trial.business.step(NAMED_IN))
    return named_in is not None and await outcome_of(_mail(named_in.reference[0])) is not None


async def is_running(zentitle: ZentitleCredentials, trial: EndingTrial) -> bool:
    """Return True if a trial is one still, by what Zentitle says now: neither ended, deleted nor a license."""
    try:
        state = await zentitle_tasks.get_trial(
            zentitle, productid=trial.product_id, computerid=trial.computer_id
        )
    except NotFound:
        return False
    return state.strip().casefold() == zentitle_tasks.IN_TRIAL.casefold()  # fact: state-of-a-trial


async def mails_of(trials: Sequence[EndingTrial]) -> dict[str, list[EndingTrial]]:
    """
    Return the mails of an address that are still to be sent, each with the trials that it names.

    In which mail a trial is named is chosen once, before that is sent: all in one, unless an earlier run began one.
    """
    chosen = {trial: await outcome_of(trial.business.step(NAMED_IN)) for trial in trials}
    named_in = {trial: mail.reference[0] for trial, mail in chosen.items() if mail is not None}
    new = [trial for trial in trials if trial not in named_in]
    if new:
        mail = await _mail_to_join(sorted(set(named_in.values()))) or new[0].business.key
        for trial in new:
            [named_in[trial]] = await remembered(trial.business, NAMED_IN, lambda: [mail])
    return {
        key: [trial for trial in trials if named_in[trial] == key] for key in dict.fromkeys(named_in.values())
    }


async def _mail_to_join(mails: list[str]) -> str | None:
    """Return the first of these mails of which it is known that it was not sent; None if there is none."""
    for key in mails:
        if not any(step.may_be_done for step in await steps_of(_mail(key), "mail")):
            return key
    return None


def _mail(key: str) -> BusinessKey:
    return BusinessKey(WORKFLOW, key, key, step_name="mail")


async def users_of(zentitle: ZentitleCredentials, trials: list[EndingTrial]) -> tuple[list[User], list[Row]]:
    """Return who can be mailed, each with all their trials; and of the others, a row each."""
    users: dict[str, User] = {}
    rows = []
    for trial in trials:
        try:
            record = await zentitle_tasks.find_trial_user(zentitle, trial.product_id, trial.computer_id)
        except VendorAway:  # nothing failed: the run waits
            raise
        except HooklineError as error:
            rows.append(Row(str(trial), "an unknown user", problem=str(error), records=[trial.record]))
            continue
        user = User(record, [trial])
        if not user.email:
            result = "no mail: nobody left an address"
            rows.append(Row(str(trial), "an unknown user", result, records=[trial.record]))
        elif not user.has_valid_address:
            result = "no mail: that is no e-mail address"
            rows.append(Row(str(trial), user.email, result, records=[trial.record]))
        else:
            users.setdefault(user.email.casefold(), User(record, [])).trials.append(trial)
    return list(users.values()), rows


async def licensed_of(zentitle: ZentitleCredentials, users: list[User]) -> dict[str, list[str]]:
    """Return, for each product that is tried, which of the addresses have a license of it."""
    tried: dict[str, list[str]] = {}
    for user in users:
        for product_id in dict.fromkeys(trial.product_id for trial in user.trials):
            tried.setdefault(product_id, []).append(user.email.casefold())
    return {
        product_id: await zentitle_tasks.find_licensed(zentitle, product_id, emails)
        for product_id, emails in tried.items()
    }


async def tag(sensorpro: SensorproCredentials, name: str, user: User, known: list[ContactRow]) -> bool:
    """Make or complete a contact; return True if it has the tag then, which a known one may not get."""
    contact = user.contact(known)
    if any(name in row.Tags for row in known) and not (contact.FirstName or contact.LastName):
        return True
    await sensorpro_tasks.upsert_contacts(sensorpro, AddToList=[name], Contact=[contact])
    return any(
        name in row.Tags for row in await contacts_at(sensorpro, user.email)
    )  # fact: tags-of-known-contacts
