"""Supply orders for a printer's cartridges that run out: one Jiwa order and one mail each, until it is replaced."""

import re
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.variables import Variable

from blocks.jetadvice import JetadviceCredentials
from blocks.jiwa import JiwaCredentials
from blocks.sensorpro import SensorproCredentials
from flows.mail import Mailer, contact_of
from flows.parameters import JetadviceBlock, JiwaBlock, SensorproBlock, identifier
from flows.report import Row, conclude
from flows.texts.supply_alert import OrderedMail
from hookline.account_keys import label_at, other_than_default
from hookline.catalog import Supplies, load_catalog
from hookline.clients.errors import VendorAway
from hookline.clients.jetadvice.models import Customer, Device, Supply
from hookline.clients.jiwa.models import NewLine, SalesOrder
from hookline.errors import HooklineError
from hookline.record_links import Record
from hookline.settings import settings
from tasks import jetadvice as jetadvice_tasks
from tasks import jiwa as jiwa_tasks
from tasks.about import begin, say_failed
from tasks.effects import BusinessKey

WORKFLOW: Final = "supply-alert"
VARIABLES: Final = "supply-alert-"
"""The prefix of variables in Prefect, one for each cartridge that is ordered and not yet replaced."""


@dataclass(frozen=True)
class Accounts:
    """The vendors' accounts that ordering works with."""

    jetadvice: JetadviceCredentials
    jiwa: JiwaCredentials
    sensorpro: SensorproCredentials


@dataclass(frozen=True)
class Cartridge:
    """A cartridge in its place in a printer."""

    device: Device
    supply: Supply
    customer: Customer
    jetadvice: str
    """The name of the block of its JetAdvice account."""

    @property
    def variable(self) -> str:
        """The name of the variable that remembers its order."""
        account = "".join(f"{name}_" for name in other_than_default(jetadvice=self.jetadvice).values())
        place = f"{self.device.deviceId}-{self.supply.type}-{self.supply.color}".lower()
        return VARIABLES + account + re.sub(r"[^a-z0-9]+", "-", place).strip("-")

    def __str__(self) -> str:
        """Return the cartridge in a person's words."""
        return f"{self.supply.color} {self.supply.type} of {self.device.model} {self.device.serialNumber}"


@dataclass(frozen=True)
class Order:
    """The order of a cartridge: since when, and Jiwa's number of it once everything is done."""

    since: str
    number: str = ""


@flow(name=WORKFLOW, persist_result=False, on_failure=[say_failed])
async def supply_alert(
    device_id: Annotated[str, identifier("Printer: JetAdvice's id")],
    customer_id: Annotated[str, identifier("Customer: JetAdvice's id")],
    jetadvice: JetadviceBlock = "default",
    jiwa: JiwaBlock = "default",
    sensorpro: SensorproBlock = "default",
) -> State[None]:
    """
    Order each cartridge of a printer that is nearly used up, once until it is replaced.

    A cartridge that cannot be ordered does not stop the others: the run ends Failed and says why. Run again, it
    tries what is missing, and repeats nothing.

    Args:
        device_id: JetAdvice's id of the printer.
        customer_id: JetAdvice's id of the customer whose printer it is.
        jetadvice: name of the JetAdvice Credentials block.
        jiwa: name of the Jiwa Credentials block.
        sensorpro: name of the Sensorpro Credentials block.
    """
    name = label_at(f"printer {device_id}", jetadvice=jetadvice, jiwa=jiwa)
    await begin(name)
    rules = load_catalog(settings().catalog).of(jiwa=jiwa).supplies
    if rules is None:
        raise HooklineError("catalog.yaml has no part `supplies`, which says when they are ordered. Add it.")
    accounts = Accounts(
        await JetadviceCredentials.named(jetadvice),
        await JiwaCredentials.named(jiwa),
        await SensorproCredentials.named(sensorpro),
    )
    rows = []
    async with BusinessKey(WORKFLOW, device_id, f"device {device_id}").at(jetadvice=jetadvice).exclusive():
        for cartridge in await _cartridges(accounts.jetadvice, rules, device_id, customer_id):
            printer = f"printer {cartridge.device.serialNumber or device_id}"
            name = label_at(f"{printer} · {cartridge.customer.name}", jetadvice=jetadvice, jiwa=jiwa)
            order = await _open_order(cartridge)
            level = cartridge.supply.levelPercent or 0
            if order is not None and level > rules.replaced_above:
                await Variable.aunset(cartridge.variable)
            elif (order is None and level <= rules.below) or (order is not None and not order.number):
                rows.append(await _ordered(accounts, rules, cartridge, order or Order(_now())))
    return await conclude(WORKFLOW, rows, nothing="Nothing runs out", name=name, done="ordered")


async def _open_order(cartridge: Cartridge) -> Order | None:
    """Return the order of a cartridge that is not replaced yet, by the variable that remembers it."""
    value: Any = await Variable.aget(cartridge.variable)
    # One that a person named alike is not ours.
    if isinstance(value, dict) and all(isinstance(value.get(name), str) for name in ("since", "number")):
        return Order(value["since"], value["number"])
    return None


async def _cartridges(
    jetadvice: JetadviceCredentials, rules: Supplies, device_id: str, customer_id: str
) -> list[Cartridge]:
    """Return the cartridges of a printer whose level is known, if it has reported lately."""
    devices = await jetadvice_tasks.list_devices(jetadvice, customerId=customer_id)
    device = next((each for each in devices if each.deviceId == device_id), None)
    reported_since = datetime.now(UTC) - timedelta(days=rules.silent_days)
    if device is None or device.lastReport is None or _utc(device.lastReport) <= reported_since:
        return []
    supplies = [
        supply
        for supply in device.supplies
        if supply.type.lower() in rules.types and supply.levelPercent is not None
    ]
    if not supplies:
        return []
    customers = {each.customerId: each for each in await jetadvice_tasks.list_customers(jetadvice)}
    customer = customers.get(device.customerId) or Customer(customerId=device.customerId)
    return [Cartridge(device, supply, customer, jetadvice.stored_as) for supply in supplies]


async def _ordered(accounts: Accounts, rules: Supplies, cartridge: Cartridge, order: Order) -> Row:
    try:
        # Before anything is sent: after a crash, the next run goes on with this order, and makes no other.
        await Variable.aset(cartridge.variable, asdict(order), overwrite=True)
        made = await _order(accounts, rules, cartridge, order)
        await Variable.aset(cartridge.variable, asdict(replace(order, number=made.InvoiceNo)), overwrite=True)
    except VendorAway:  # nothing failed: the run waits
        raise
    except HooklineError as error:
        return Row(str(cartridge), cartridge.customer.name, problem=str(error))
    records = [
        Record(
            "jetadvice",
            "device",
            cartridge.device.deviceId,
            cartridge.jetadvice,
            f"printer {cartridge.device.serialNumber or cartridge.device.deviceId}",
        ),
        Record("jiwa", "sales-order", made.InvoiceID, accounts.jiwa.stored_as, f"order {made.InvoiceNo}"),
    ]
    return Row(str(cartridge), cartridge.customer.name, f"order {made.InvoiceNo}", records=records)


async def _order(accounts: Accounts, rules: Supplies, cartridge: Cartridge, order: Order) -> SalesOrder:
    """Make the supply order and send the mail about it; return the order."""
    business = BusinessKey(WORKFLOW, f"{cartridge.variable} {order.since}", str(cartridge)).at(
        jetadvice=cartridge.jetadvice
    )
    customer = cartridge.customer
    contact = contact_of(
        customer.name, customer.email, customer.name, kept_in="JetAdvice", so_far="Nothing was ordered yet."
    )
    made = await jiwa_tasks.create_sales_order(
        accounts.jiwa,
        business.step("supply order"),
        DebtorAccountNo=_debtor(rules, customer),
        OrderNo=f"{cartridge.supply.color}-{cartridge.device.serialNumber}-{order.since}",
        Lines=[NewLine(PartNo=_part_no(rules, cartridge), QuantityOrdered=1)],
    )
    text = OrderedMail(
        order=made.InvoiceNo,
        customer=customer.name,
        cartridge=str(cartridge),
        color=cartridge.supply.color,
        printer=f"{cartridge.device.model} {cartridge.device.serialNumber}",
        location=cartridge.device.location,
    )
    language = load_catalog(settings().catalog).language.of(_debtor(rules, customer), customer.country)
    await Mailer(accounts.sensorpro, contact, language).send(business.step("mail"), rules.mail, text)
    return made


def _debtor(rules: Supplies, customer: Customer) -> str:
    account = rules.debtors.get(customer.customerId) or customer.externalNumber
    if not account:
        raise HooklineError(
            f"{customer.name} has no external number in JetAdvice. Enter it there, or add "
            f"`{customer.customerId}: ` and the account number in Jiwa to supplies.debtors in catalog.yaml."
        )
    return account


def _part_no(rules: Supplies, cartridge: Cartridge) -> str:
    part_number = cartridge.supply.partNumber
    if not part_number:
        raise HooklineError(
            "JetAdvice names no part number for it. Order it by hand, and enter the part number there."
        )
    return rules.part_nos.get(part_number, part_number)


def _now() -> str:
    """Return the time to the millisecond: it tells one order of a cartridge from the next."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")[:-3]


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)  # JetAdvice writes no zone
