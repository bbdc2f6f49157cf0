"""What credit notes take off an order: codes that it got, and licenses that it is not to get any more."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from blocks.jiwa import JiwaCredentials
from blocks.zentitle import ZentitleCredentials
from flows.licenses import CREDITING, UP_TO, LineItem
from flows.texts.credit_to_revoke import LicenseNote, Revoked, TakenBack
from flows.wording import worded
from hookline.account_keys import DEFAULT
from hookline.catalog import Catalog, Credits, Product
from hookline.clients import NotFound
from hookline.clients.jiwa.models import SalesOrder, SalesOrderHistory, SalesOrderLine
from hookline.clients.zentitle.models import NoteChange
from hookline.errors import HooklineError
from hookline.journal import EffectBusy, Step
from tasks import jiwa as jiwa_tasks
from tasks import zentitle as zentitle_tasks
from tasks.effects import BusinessKey, remembered, steps_of
from tasks.policies import vendor_task
from tasks.zentitle import CHOICE, Revocation, revoking

WORKFLOW: Final = CREDITING
LICENSE: Final = "license "
HELD_BACK: Final = "held back of "
WAIT_SECONDS: Final = 10.0
_LICENSED_PART: Final = re.compile(r"license (.+?)(?: #\d+)?(?: up to \d+)?")


# The credit note and its order


async def find_credit_note(jiwa: JiwaCredentials, invoice_id: str) -> SalesOrder | None:
    """Return a credit note; None if Jiwa has it no more, as one that is deleted before it is processed."""
    try:
        return await jiwa_tasks.get_sales_order(jiwa, InvoiceID=invoice_id)
    except NotFound:
        return None


def reason_to_wait(catalog: Catalog, rules: Credits, note: SalesOrder) -> str | None:
    """Return the reason why a credit note calls for nothing, or not yet; None if it takes back licenses."""
    if not note.CreditNote:
        return "no credit note"
    if not any(_is_licensed(catalog, line) for line in note.Lines):
        return "no licensed part"
    dated = note.InvoiceInitDate or note.InitiatedDate
    if dated is not None and dated.date() < rules.since:
        return "before the day in the catalog"
    if not any(map(_is_processed, note.Histories)):  # a draft can still be changed and deleted
        return "not processed"
    if renewals := [line.PartNo for line in note.Lines if catalog.renewal(line.PartNo)]:
        raise HooklineError(
            f"Credit note {note.InvoiceNo} takes back a renewal ({', '.join(renewals)}), which is not undone by "
            "itself. Set the end of the license at Zentitle by hand, and whatever else it takes back; then discard the "
            "delivery."
        )
    return None


def _is_licensed(catalog: Catalog, line: SalesOrderLine) -> bool:
    of_license = catalog.product(line.PartNo) or catalog.renewal(line.PartNo)
    return bool(of_license and line.QuantityOrdered)


def _is_processed(delivery: SalesOrderHistory) -> bool:
    return delivery.DateProcessed is not None or delivery.Status.endswith(
        "Invoiced"
    )  # fact: credit-notes-processed


def credited(catalog: Catalog, note: SalesOrder) -> list[tuple[Product, int]]:
    """
    Return each licensed product that a credit note takes back, with the number of units.

    Raises:
        HooklineError: a number is not whole.
    """
    numbers: Counter[str] = Counter()
    for line in note.Lines:
        if catalog.product(line.PartNo) is None or not line.QuantityOrdered:
            continue
        if line.QuantityOrdered != int(line.QuantityOrdered):
            raise HooklineError(
                f"Line {line.PartNo} of credit note {note.InvoiceNo} takes back {line.QuantityOrdered} licenses; only "
                "whole numbers can be taken back. Disable what it means at Zentitle by hand."
            )
        numbers[line.PartNo] += abs(int(line.QuantityOrdered))  # fact: credit-quantities
    products = ((catalog.product(part), number) for part, number in numbers.items())
    return [(product, number) for product, number in products if product is not None]


async def credited_order(jiwa: JiwaCredentials, note: SalesOrder) -> SalesOrder:
    """
    Return the order that a credit note credits: by its delivery, or by the number in one made by hand.

    Raises:
        HooklineError: it names none.
    """
    if delivery := note.CreditNoteFromInvoiceHistoryID:  # fact: credit-note-origin
        found = await jiwa_tasks.query_sales_orders(jiwa, where={"InvoiceHistoryID": delivery})
        orders = {row.InvoiceID for row in found.Results if row.InvoiceHistoryID == delivery}
    else:
        orders = set()
        for number in {note.SOReference.strip(), note.OrderNo.strip()} - {""}:
            found = await jiwa_tasks.query_sales_orders(jiwa, InvoiceNo=number, DebtorID=note.DebtorID)
            # Jiwa ignores a filter that it does not know: take none but ours.
            orders |= {
                row.InvoiceID
                for row in found.Results
                if (row.InvoiceNo, row.DebtorID, row.CreditNote) == (number, note.DebtorID, False)
            }
    if len(orders) != 1:
        raise HooklineError(
            f"Credit note {note.InvoiceNo} of {note.DebtorName} does not say which order it credits. Put the number of "
            "the order into its Reference in Jiwa, then replay its delivery; or disable the licenses at Zentitle by "
            "hand, and discard the delivery."
        )
    return await jiwa_tasks.get_sales_order(jiwa, InvoiceID=orders.pop())


# Before an order is licensed


async def without_credited(business: BusinessKey, line_items: list[LineItem]) -> list[LineItem]:
    """
    Return the lines of an order without what was credited before it was licensed; the last lines of a part go first.

    What is licensed stays: its credit note takes that back itself.
    """
    steps = await steps_of(replace(business, workflow=WORKFLOW), HELD_BACK)
    held = held_back(each for step in steps if step.is_done for each in step.reference)
    if not held:
        return line_items
    licensed = await steps_of(business, LICENSE)
    left = []
    for line in reversed(line_items):
        part = line.product.part_no
        taken = min(held[part], line.quantity - _licensed(line, licensed))
        held[part] -= taken
        left.append(replace(line, quantity=line.quantity - taken))
    return [line for line in reversed(left) if line.quantity]


def held_back(references: Iterable[str]) -> Counter[str]:
    """Return the number of units of each part that an order is not to get, by the references of such steps."""
    held: Counter[str] = Counter()
    for part, _, number in (each.rpartition(" ") for each in references):
        held[part] += int(number)
    return held


def _licensed(line: LineItem, steps: list[Step]) -> int:
    """Return the number of units of a line that are licensed; all of them while it is not known."""
    own = [step for step in steps if step.may_be_done and step.name.partition(UP_TO)[0] == line.step]
    if own and (line.product.allocate == "seats" or not all(step.is_done for step in own)):
        return line.quantity
    return min(line.quantity, sum(len(step.reference) for step in own))


# What was licensed


@vendor_task
async def codes_of(licensing: BusinessKey, credit: str) -> dict[str, list[str]]:
    """
    Return the codes that an order got for each part, the oldest first.

    Called as a task, and before the order is taken exclusively, it waits while the order is licensed, or credited by
    another credit note, and not to its end: else that would undo what comes of this one.

    Args:
        licensing: the order, in the workflow that licenses it.
        credit: the name of the credit note.

    Raises:
        EffectBusy: it waits.
    """
    begun = [step for step in await steps_of(licensing, LICENSE) if step.may_be_done and not _is_note(step)]
    credits_ = replace(licensing, workflow=WORKFLOW)
    chosen = [step for step in await steps_of(credits_, CHOICE) if not step.name.endswith(credit)]
    expected = {f"terms of {code}" for step in begun for code in step.reference}
    expected |= {
        revoking(credits_.step(step.name), Revocation.read(each).code).step_name
        for step in chosen
        for each in step.reference
    }
    followed = [*await steps_of(licensing, "terms of "), *await steps_of(credits_, "revoke ")]
    expected -= {step.name for step in followed if step.is_done}
    if open_ := [step.name for step in begun if not step.is_done] + sorted(expected):
        busy = EffectBusy(f"{credit} waits: {open_[0]} of {licensing.label} is not done yet.")
        raise busy.as_wait(WAIT_SECONDS)
    codes: dict[str, list[str]] = {}
    for step in begun:
        codes.setdefault(_part_of(step), []).extend(step.reference)
    return codes


def _is_note(step: Step) -> bool:
    return step.name.startswith(f"{LICENSE}note of ")


def _part_of(step: Step) -> str:
    """Return the part of a step such as `license LIC-PRO #2 up to 5`."""
    return _LICENSED_PART.fullmatch(step.name)[1]  # type: ignore[index]


@dataclass(frozen=True)
class Taken:
    """What a credit note took off an order, of one part."""

    part: str
    number: int
    revoked: list[Revocation]
    beyond: int
    """The units that were credited, and that the order did not have, or not yet."""
    was_licensed: bool

    def values(self) -> TakenBack:
        """Return it as the texts about it use it."""
        codes = [Revoked(code=each.code, clients=each.clients) for each in self.revoked]
        return TakenBack(part=self.part, codes=codes, beyond=self.beyond, licensed=self.was_licensed)

    def lines(self) -> Iterator[str]:
        """Yield what was done, a line each."""
        for each in self.revoked:
            left = f"allows {each.clients} clients" if each.clients else "disabled"
            yield f"{self.part}: {each.code} {left}"
        if self.beyond and self.was_licensed:
            yield f"{self.part}: {self.beyond} more were credited than the order had"
        elif self.beyond:
            yield f"{self.part}: {self.beyond} were not licensed, and will not be"


@dataclass(frozen=True)
class Credit:
    """One credit note at work on its order; the run has the order to itself."""

    order: SalesOrder
    note: SalesOrder
    jiwa: str
    """The name of the block of their Jiwa."""

    @property
    def name(self) -> str:
        """What people call the credit note."""
        return f"credit note {self.note.InvoiceNo}"

    @property
    def label(self) -> str:
        """What people call the credit note, with its order."""
        return self.business.label

    @property
    def business(self) -> BusinessKey:
        """The order's key in this workflow, so that its credit notes know of each other."""
        return BusinessKey(WORKFLOW, self.order.InvoiceID, f"{self.name} of order {self.order.InvoiceNo}").at(
            jiwa=self.jiwa
        )

    async def take_off(self, product: Product, number: int, codes: list[str]) -> Taken:
        """Disable so many codes of the order, or take so many clients off; what it does not have, it will not get."""
        part, zentitle = product.part_no, await ZentitleCredentials.named(product.zentitle or DEFAULT)
        choice = self.business.step(f"{CHOICE}{part} for {self.name}")
        revoked = await zentitle_tasks.choose_codes_to_revoke(
            zentitle, choice, product.product_id, codes, number, per=product.allocate
        )
        text = LicenseNote(order=self.order.InvoiceNo, credit_note=self.note.InvoiceNo)
        for each in revoked:
            step = revoking(choice, each.code)
            description = await worded(step, text)
            await zentitle_tasks.update_license_code(
                zentitle,
                step,
                productid=product.product_id,
                licensecode=each.code,
                enabledforuse=None if each.clients else False,
                clientsallowed=each.clients or None,
                notes=[NoteChange(type="general", description=description)],
            )
        beyond = number - sum(each.units for each in revoked)
        if beyond:
            held = f"{HELD_BACK}{part} for {self.name}"
            await remembered(self.business, held, lambda: [f"{part} {beyond}"], expected=1)
        return Taken(part, number, revoked, beyond, was_licensed=bool(codes))
