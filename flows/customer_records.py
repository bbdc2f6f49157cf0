"""A customer of Jiwa as a record at another vendor: found, made, or changed where the two differ."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from blocks import VendorCredentials
from blocks.jetadvice import JetadviceCredentials
from blocks.zentitle import ZentitleCredentials
from flows.customers import Account, company_of
from flows.matching import EMAIL, NAME, NUMBER, PHONE, Match, Record, Synced, folded, match, merge
from flows.report import Row
from hookline import record_links
from hookline.account_keys import key_at
from hookline.clients import UnexpectedAnswer
from hookline.clients.jetadvice.models import Customer as JetadviceCustomer
from hookline.clients.jiwa.debtors import Debtor
from hookline.errors import HooklineError
from tasks import jetadvice as jetadvice_tasks
from tasks import zentitle as zentitle_tasks
from tasks.effects import BusinessKey, correct_reference, outcome_of, remembered, steps_of
from tasks.zentitle import CompanyRecord

WORKFLOW: Final = "customer-sync"


@dataclass(frozen=True)
class Customer:
    """A customer, as Jiwa has it now."""

    debtor: Debtor
    jiwa: str
    """The name of the account of Jiwa."""

    @property
    def values(self) -> dict[str, str]:
        """What Jiwa says of it, by our names of the fields."""
        debtor = self.debtor
        values = {
            NUMBER: debtor.AccountNo,
            NAME: debtor.Name,
            EMAIL: debtor.EmailAddress,
            PHONE: debtor.Phone,
        }
        return {name: value.strip() for name, value in values.items()}

    @property
    def business(self) -> BusinessKey:
        """The key of its sync: its id, for a person may change the account number."""
        return BusinessKey(WORKFLOW, f"debtor {self.debtor.DebtorID}", f"customer {self}").at(jiwa=self.jiwa)

    @property
    def record(self) -> record_links.Record:
        """Its record in Jiwa."""
        debtor = self.debtor
        return record_links.Record(
            "jiwa", "customer", debtor.DebtorID, self.jiwa, f"customer {debtor.AccountNo}"
        )

    def __str__(self) -> str:
        """Return what people call it."""
        return f"{self.debtor.Name} ({self.debtor.AccountNo})"


@dataclass(frozen=True)
class Decision:
    """What a person who starts the run has decided."""

    adopt: bool = False
    """Take the one record that is alike and no customer's."""
    overwrite: bool = False
    """Write also over what somebody changed at the vendor."""


@dataclass
class Place(ABC):
    """The records of one vendor's account."""

    vendor: ClassVar[str]
    what: ClassVar[str]
    """What a record is called there."""
    number_field: ClassVar[str]
    """Where a person finds the account number."""
    fields: ClassVar[tuple[str, ...]]
    """The fields that are synced."""

    account: VendorCredentials
    found: dict[str, Any] = field(default_factory=dict)
    """The vendor's own records that were read, by their key."""

    def ours(self, customer: Customer) -> dict[str, str]:
        """Return what Jiwa says of a customer, in the fields that are synced here."""
        return {name: value for name, value in customer.values.items() if name in self.fields}

    @abstractmethod
    async def records(self, customer: Customer, linked: str | None) -> list[Record]:
        """Return the records that could be a customer's."""

    async def made_before(self, customer: Customer) -> str | None:  # noqa: ARG002
        """Return the key of a record that another workflow made for its account number; None if there is none."""
        return None

    @abstractmethod
    async def create(self, customer: Customer) -> str:
        """Make the record, once; return its key."""

    @abstractmethod
    async def write(self, record: Record, values: Mapping[str, str]) -> None:
        """Write these values into a record; what is not named stays as it is."""

    async def link(self, customer: Customer, key: str) -> None:  # noqa: B027
        """Let other workflows know whose record it is."""

    def step(self, name: str) -> str:
        """Return the name of a step of a customer's sync here."""
        return f"{self.vendor} {self.account.stored_as} {name}"

    def record(self, key: str) -> record_links.Record:
        """Return one of its records, as a report links to it."""
        account = self.account
        return record_links.Record(account.vendor, self.what, key, account.stored_as, f"{self.what} {key}")

    def owner(self, key: str) -> BusinessKey:
        """Return the key of the choice, whose a record is."""
        place = f"{self.what} {key} at {self.vendor} {self.account.stored_as}"
        return BusinessKey(WORKFLOW, place, place, step_name="customer")

    async def read(self, customer: Customer, key: str) -> Record:
        """Return a record again; raises HooklineError if it is not there."""
        for record in await self.records(customer, key):
            if record.key == key:
                return record
        raise HooklineError(f"{self.vendor} does not show the {self.what} {key}. Run this again.")


class Companies(Place):
    """The companies of Zentitle."""

    vendor = "Zentitle"
    what = "company"
    number_field = "search1"
    fields = (NUMBER, NAME, EMAIL)
    account: ZentitleCredentials

    def __init__(self, account: ZentitleCredentials, product_id: str) -> None:
        super().__init__(account)
        self.product_id = product_id

    def ours(self, customer: Customer) -> dict[str, str]:
        """Return what Jiwa says, with the account number as orders put it there: it carries the Jiwa."""
        return super().ours(customer) | {NUMBER: key_at(customer.values[NUMBER], jiwa=customer.jiwa)}

    async def records(self, customer: Customer, linked: str | None) -> list[Record]:
        """Return the companies of its name, and all others where none of these is the one."""
        known = [int(key) for key in (linked, await self.made_before(customer)) if key]
        ours = self.ours(customer)
        rows = await zentitle_tasks.find_companies(
            self.account, name=ours[NAME], account_no=ours[NUMBER], known=known
        )
        self.found = {str(row.id): row for row in rows}
        return [Record(key, _of_company(row, ours)) for key, row in self.found.items()]

    async def made_before(self, customer: Customer) -> str | None:
        """Return the company that an order or a request made."""
        made = await outcome_of(self._account(customer).company_at(self.account))
        return made.reference[0] if made and made.reference not in ([], ["0"]) else None

    async def create(self, customer: Customer) -> str:
        """Make the company, by the step that orders make it by, too."""
        return str(await company_of(self.account, self._account(customer), self.product_id))

    async def write(self, record: Record, values: Mapping[str, str]) -> None:
        """Change the company; the rest of its data is sent again as it is."""
        company: CompanyRecord = self.found[record.key]
        data = None
        if EMAIL in values:
            data = _with_email(company, values[EMAIL])
        await zentitle_tasks.update_company(
            self.account,
            companyid=company.id,
            productid=company.product or self.product_id,
            global_=0 if company.product else 1,
            company=values.get(NAME),
            search1=values.get(NUMBER),
            companydata=data,
        )

    async def link(self, customer: Customer, key: str) -> None:
        """Let orders take the same company."""
        await correct_reference(self._account(customer).company_at(self.account), key)

    def _account(self, customer: Customer) -> Account:
        ours = customer.values
        return Account(ours[NUMBER], ours[NAME], ours[EMAIL], customer.jiwa)


def _of_company(company: CompanyRecord, ours: Mapping[str, str]) -> dict[str, str]:
    facts = company.facts
    name = facts.company
    if name == f"{ours[NAME]} ({ours[NUMBER]})":  # another has the name, so that orders add the number
        name = ours[NAME]
    return {NUMBER: facts.search1, NAME: name, EMAIL: facts.email}


def _with_email(company: CompanyRecord, email: str) -> dict[str, Any]:
    data = company.facts.companyData
    if not isinstance(data, dict):
        raise HooklineError(
            f"The data of the company {company.id} at Zentitle cannot be read, and would be lost. Enter the address "
            f"{email} there by hand."
        )
    name = next((name for name in data if name.lower() == "email"), "email")
    return data | {name: email}


class PrinterCustomers(Place):
    """The customers of JetAdvice."""

    vendor = "JetAdvice"
    what = "customer"
    number_field = "external number"
    fields = (NUMBER, NAME, EMAIL, PHONE)
    account: JetadviceCredentials

    _THEIRS: Final = {NUMBER: "externalNumber", NAME: "name", EMAIL: "email", PHONE: "phone"}

    async def records(self, customer: Customer, linked: str | None) -> list[Record]:  # noqa: ARG002
        """Return all customers: JetAdvice has no filter."""
        rows = await jetadvice_tasks.list_customers(self.account)
        self.found = {row.customerId: row for row in rows}
        return [
            Record(row.customerId, {ours: getattr(row, theirs) for ours, theirs in self._THEIRS.items()})
            for row in rows
        ]

    async def create(self, customer: Customer) -> str:
        """Make the customer."""
        ours = customer.values
        made = await jetadvice_tasks.create_customer(
            self.account,
            customer.business.step(self.step("customer")),
            name=ours[NAME],
            externalNumber=ours[NUMBER],
            email=ours[EMAIL] or None,
            phone=ours[PHONE] or None,
        )
        return made.customerId

    async def write(self, record: Record, values: Mapping[str, str]) -> None:
        """Change the customer; all that JetAdvice showed of it is sent again, for it may clear what is left out."""
        row: JetadviceCustomer = self.found[record.key]
        known = row.model_dump(include=set(type(row).model_fields) - {"customerId"})
        changed = {self._THEIRS[name]: value for name, value in values.items()}
        await jetadvice_tasks.update_customer(
            self.account, id=row.customerId, **(known | changed), more=row.model_extra or None
        )


async def sync_record(place: Place, customer: Customer, decision: Decision) -> Row | None:
    """
    Make or change the record of a customer at a vendor; return what was done or is left to a person.

    None: there was nothing to do.
    """
    link = customer.business.step(place.step("record"))
    linked = await outcome_of(link)
    before = await synced(customer, place.step("synced "))
    ours = place.ours(customer)
    former = [each[NUMBER].sent for each in before if NUMBER in each]
    key = linked.reference[0] if linked else None
    records = await place.records(customer, key)
    found = match(ours, records, linked=key, former=former)
    if found == Match() and (made := await place.made_before(customer)) is not None:
        found = match(ours, records, linked=made, former=former)
    record = found.record or (found.proposal if decision.adopt else None)
    created = record is None and not found.conflict
    if created:
        record = await place.read(customer, await place.create(customer))
    if record is None:
        return Row(
            f"{place.what} at {place.vendor}",
            str(customer),
            problem=_conflict(place, customer, found),
            records=[place.record(each.key) for each in found.candidates],
        )
    what = f"{place.what} {record.key} at {place.vendor}"
    if (owner := await _owner(place, customer, record, decision)) is not None:
        problem = _others(place, customer, record, owner)
        return Row(what, str(customer), problem=problem, records=[place.record(record.key)])
    await remembered(link, link.step_name, lambda: [record.key])
    await correct_reference(link, record.key)
    await place.link(customer, record.key)
    last = (
        before[-1] if before and key in (None, record.key) else {}
    )  # another record: what it had is not known
    return await _merge(place, customer, record, last, decision, created=created)


async def _merge(
    place: Place,
    customer: Customer,
    record: Record,
    last: Mapping[str, Synced],
    decision: Decision,
    *,
    created: bool,
) -> Row | None:
    """Write the fields of a record that are to be written, read it again, and remember what both have now."""
    ours = place.ours(customer)
    if created:  # what is not as it was sent, the vendor writes in its own way
        last = {name: Synced(value, record.values[name]) for name, value in ours.items()}
    merged = merge(ours, record.values, last, overwrite=decision.overwrite)
    stored = record
    if merged.write:
        answer: UnexpectedAnswer | None = None
        try:
            await place.write(record, merged.write)
        except UnexpectedAnswer as error:  # whatever it says, the record shows whether it was done
            answer = error
        stored = await place.read(customer, record.key)
        if answer is not None and any(stored.values[name] != merged.write[name] for name in merged.write):
            raise answer
    now = dict(last) | {
        name: Synced(ours[name], stored.values[name])
        for name in ours
        if ours[name] and name not in merged.edited
    }
    if created or now != last:
        await remember_synced(customer, place.step("synced "), now)
    done = ["created"] if created else []
    done += [f"changed: {', '.join(sorted(merged.write))}"] if merged.write else []
    otherwise = {
        name: stored.values[name] for name in merged.write if stored.values[name] != merged.write[name]
    }
    done += [f"{place.vendor} has the {name} as {value!r}" for name, value in otherwise.items()]
    problem = edited(place.vendor, ours, merged.edited) if merged.edited else ""
    if not done and not problem:
        return None
    what = f"{place.what} {record.key} at {place.vendor}"
    return Row(what, str(customer), "; ".join(done), problem, [place.record(record.key)])


async def synced(customer: Customer, prefix: str) -> list[dict[str, Synced]]:
    """Return what was synced of a customer at a vendor each time, the last at the end."""
    steps = [each for each in await steps_of(customer.business, prefix) if each.is_done]
    return [{name: Synced(*both) for name, both in json.loads(each.reference[0]).items()} for each in steps]


async def remember_synced(customer: Customer, prefix: str, now: Mapping[str, Synced]) -> None:
    """Remember what Jiwa and the vendor have of a customer, once they agree or what differs is known."""
    text = json.dumps({name: [each.sent, each.stored] for name, each in sorted(now.items())})
    number = len(await synced(customer, prefix)) + 1
    await remembered(customer.business, f"{prefix}{number}", lambda: [text])


async def _owner(place: Place, customer: Customer, record: Record, decision: Decision) -> str | None:
    """Return the key of the other customer whose record it is; None where it is this one's, from now on at least."""
    choice, ours = place.owner(record.key), customer.business.key
    [owner] = await remembered(choice, choice.step_name, lambda: [ours])
    if owner == ours:
        return None
    if decision.adopt and record.says(NUMBER) == folded(place.ours(customer)[NUMBER]):
        await correct_reference(choice, ours)  # a person put the number there, and said so
        return None
    return owner


# What is left to a person -----------------------------------------------------------------------------------


def edited(vendor: str, ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Say which fields somebody changed at the vendor, and what to do."""
    fields = "; ".join(
        f"the {name} is {value!r} there, and {ours[name]!r} in Jiwa" for name, value in theirs.items()
    )
    return (
        f"Somebody changed it at {vendor}: {fields}. Correct one of the two, or run customer-sync for this customer "
        "with `overwrite`, which writes what Jiwa has."
    )


def _conflict(place: Place, customer: Customer, found: Match) -> str:
    number = place.ours(customer)[NUMBER]
    those = " and ".join(f"{each.key} ({each.values[NAME]})" for each in found.candidates)
    by_hand = f"make the {place.what} by hand with {number} as its {place.number_field}"
    match found.conflict:
        case "gone":
            return f"Its {place.what} was deleted at {place.vendor}. If it is needed, {by_hand}; the next run takes it."
        case "several":
            return (
                f"More than one {place.what} at {place.vendor} has its account number, now or before: {those}. Leave "
                f"{number} as the {place.number_field} of the right one only."
            )
        case "another's":
            numbers = " and ".join(each.values[NUMBER] for each in found.candidates)
            return (
                f"The {place.what} {those} at {place.vendor} has its name or address, and is that of {numbers} "
                f"({place.number_field}). If it is this customer, put {number} there; if not, {by_hand}."
            )
        case _:
            return (
                f"The {place.what} {those} at {place.vendor} has its name or address, and no {place.number_field}. "
                f"If it is this customer, put {number} there, or run customer-sync for it with `adopt`; if not, "
                f"{by_hand}."
            )


def _others(place: Place, customer: Customer, record: Record, owner: str) -> str:
    return (
        f"The {place.what} {record.key} at {place.vendor} is that of another customer of Jiwa ({owner}). If that one "
        f"is no more, leave {place.ours(customer)[NUMBER]} as the {place.number_field} there, and run customer-sync "
        "for this one with `adopt`."
    )
