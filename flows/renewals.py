"""Renewals of licenses: which part renews what, which licenses an order names, and the hand-over of a paid order."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from blocks.zentitle import ZentitleCredentials
from flows.handover import arrival
from hookline.account_keys import DEFAULT, key_at, other_than_default
from hookline.catalog import Catalog, Product
from hookline.clients import NotFound
from hookline.clients.jiwa.models import SalesOrder
from hookline.clients.zentitle.models import LicenseCode
from hookline.database import lent
from hookline.errors import HooklineError
from hookline.inbox.deliveries import accept_all
from hookline.settings import settings
from tasks import zentitle as zentitle_tasks
from tasks.effects import BusinessKey, remembered, steps_of

SOURCE: Final = "renewals"
"""The source of the deliveries by which paid renewals are handed over."""
_CODE: Final = re.compile(r"(?<!\d)\d{17,19}(?!\d)")  # fact: long-codes


@dataclass(frozen=True)
class License:
    """A license that an order renews."""

    product: Product
    code: str

    @classmethod
    def read(cls, catalog: Catalog, reference: str) -> "License":
        """Return it as the journal has it."""
        code, _, renewal = reference.partition(" ")
        if (product := catalog.renewal(renewal)) is None:
            raise HooklineError(
                f"License {code} is renewed by {renewal}, which catalog.yaml has no more among renewals.parts. Put it "
                "back, then replay the delivery."
            )
        return cls(product, code)


def renewing(catalog: Catalog, order: SalesOrder) -> dict[str, float]:
    """Return the renewals that an order asks for: so many units of each part."""
    units: dict[str, float] = {}
    for line in order.Lines:
        if catalog.renewal(line.PartNo) is not None and line.QuantityOrdered > 0:
            units[line.PartNo] = units.get(line.PartNo, 0) + float(line.QuantityOrdered)
    return units


async def hand_over_renewals(order: SalesOrder, units: dict[str, float], blocks: Mapping[str, str]) -> None:
    """Let a paid order that renews licenses be a delivery of its own; again only where its renewals are others."""
    body = {"InvoiceID": order.InvoiceID, "InvoiceNo": order.InvoiceNo} | other_than_default(**blocks)
    order_key = key_at(order.InvoiceID, jiwa=blocks["jiwa"])
    delivery = arrival(SOURCE, f"{order_key} {_asked(order, units)}", body)
    async with lent(settings()) as connection:
        await accept_all(connection, [delivery])


def _asked(order: SalesOrder, units: dict[str, float]) -> str:
    """Return a digest of the renewals that an order asks for, and for which licenses."""
    asked = json.dumps([units, sorted(codes_named(order))], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:8]


def codes_named(order: SalesOrder) -> set[str]:
    """Return what may be license codes in the texts of an order: in its references and its lines."""
    texts = [order.SOReference, order.OrderNo]
    texts += [text for line in order.Lines for text in (line.CommentText, line.Description)]
    return {code for text in texts for code in _CODE.findall(text)}


async def licenses_of(catalog: Catalog, business: BusinessKey, order: SalesOrder, jiwa: str) -> list[License]:
    """
    Return the licenses that an order renews: found once, and from then on the same.

    Raises:
        HooklineError: it names none or another customer's, asks for another number of units than they have, or was
            changed since.
    """
    asked = renewing(catalog, order)
    step = business.step(f"licenses {_asked(order, asked)}")
    begun = {each.name: each.reference for each in await steps_of(business, "licenses ") if each.is_done}
    if step.step_name in begun:
        return [License.read(catalog, each) for each in begun[step.step_name]]
    if begun:
        raise HooklineError(
            f"Order {order.InvoiceNo} was changed after it had renewed its licenses. Extend by hand at Zentitle what "
            "was added, then discard the delivery."
        )
    named = sorted(codes_named(order))
    found: list[str] = []
    for renewal, units in asked.items():
        if (product := catalog.renewal(renewal)) is None:
            continue
        zentitle = await ZentitleCredentials.named(product.zentitle or DEFAULT)
        existing = [await _existing(zentitle, product, code) for code in named]
        licenses = [each for each in existing if each is not None]
        _ensure_as_many(order, renewal, units, licenses, product)
        for each in licenses:
            await _ensure_the_customers(zentitle, order, jiwa, each)
        found += [f"{each.licenseCode} {renewal}" for each in licenses]
    await remembered(step, step.step_name, lambda: found)
    return [License.read(catalog, each) for each in found]


async def _existing(zentitle: ZentitleCredentials, product: Product, code: str) -> LicenseCode | None:
    try:
        return await zentitle_tasks.get_license_code(zentitle, productid=product.product_id, licensecode=code)
    except NotFound:
        return None


def _ensure_as_many(
    order: SalesOrder, renewal: str, units: float, licenses: list[LicenseCode], product: Product
) -> None:
    """Raise unless a renewal has as many units as the licenses that the order names."""
    if not licenses:
        raise HooklineError(
            f"Order {order.InvoiceNo} renews {units:g} of {renewal} and names no license of that product. Write the "
            "code of the license into the order's Reference or a comment line in Jiwa, then replay the delivery."
        )
    seats = product.allocate == "seats"
    needed = sum((each.clientsallowed or 1) if seats else 1 for each in licenses)
    if units != needed:
        codes = ", ".join(each.licenseCode for each in licenses)
        raise HooklineError(
            f"Order {order.InvoiceNo} renews {units:g} of {renewal}, and the licenses that it names have {needed} "
            f"({codes}). Correct the order in Jiwa or the licenses at Zentitle, then replay the delivery."
        )


async def _ensure_the_customers(
    zentitle: ZentitleCredentials, order: SalesOrder, jiwa: str, existing: LicenseCode
) -> None:
    """Raise if a license belongs to another customer: a code is easily mistaken for another one."""
    if not existing.companyID:
        return
    company = await zentitle_tasks.get_company(zentitle, companyid=existing.companyID)
    if company.search1 and company.search1.casefold() != key_at(order.DebtorAccountNo, jiwa=jiwa).casefold():
        raise HooklineError(
            f"Order {order.InvoiceNo} of {order.DebtorName} ({order.DebtorAccountNo}) renews license "
            f"{existing.licenseCode}, which belongs to {company.company} ({company.search1}). Correct the code in the "
            "order, then replay the delivery; or extend the license at Zentitle by hand, and discard the delivery."
        )
