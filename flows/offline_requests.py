"""A posted certificate request of a computer that is offline: what it says, and when it is declined."""

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from pydantic import ValidationError

from blocks.jiwa import JiwaCredentials
from blocks.sensorpro import SensorproCredentials
from blocks.zentitle import ZentitleCredentials
from flows.endings import debtor_of
from flows.mail import Mailer, contact_of
from flows.texts.offline_activation import LicenseNote, Reason
from flows.wording import worded
from hookline.catalog import Catalog, Offline, Product, load_catalog
from hookline.clients import NotFound
from hookline.clients.errors import Refused
from hookline.clients.sensorpro.models import NewContact
from hookline.clients.zentitle.models import LicenseCode, is_certificate
from hookline.delivery import Delivery
from hookline.errors import HooklineError
from hookline.journal import BusinessFailure
from hookline.settings import settings
from hookline.text import one_line
from tasks import zentitle as zentitle_tasks
from tasks.effects import BusinessKey

MAX_CERTIFICATE: Final = 65_536
"""Characters of a request; the one that Zentitle shows has 13,461."""
_CODE: Final = re.compile(r"[0-9A-Za-z-]{4,64}")
_COMPUTER: Final = re.compile(r"[0-9A-Za-z+/=_-]{4,64}")
_REQUEST: Final = re.compile(r"[0-9A-Za-z._-]{1,64}")


EXPLANATIONS: Final[dict[Reason, str]] = {
    "no-license-code": "The license code is missing or is none",
    "no-computer": "The computer's id is missing or is none",
    "no-request": "The certificate request is missing",
    "not-whole": "The certificate request is not whole",
    "no-product": "The product is missing, or is none that is activated in this way",
    "unknown-license": "There is no such license of this product",
    "disabled": "The license is disabled",
    "ended": "The license has ended",
    "in-use": "The license is in use on as many computers as it allows",
    "refused": "Zentitle does not take the certificate request",
}


class Declined(BusinessFailure):
    """A request that brings no certificate, and the reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(EXPLANATIONS[reason])
        self.reason = reason

    @property
    def facts(self) -> dict[str, Any]:
        """The values of a mail that says why."""
        return {"reason": self.reason, "explanation": str(self)}

    def __reduce__(self) -> tuple[type[Self], tuple[Reason]]:
        """Pickle by the reason."""
        return type(self), (self.reason,)


@dataclass(frozen=True)
class Posted:
    """What was posted, as it came; what is missing, or is no text, is ""."""

    request_id: str
    product_id: str
    license_code: str
    computer_id: str
    email: str
    certificate: str

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """Return what a delivery says, in fields of JSON or of a form; the certificate may be a file of the form."""
        body = delivery.body if isinstance(delivery.body, Mapping) else {}
        fields = {name: value.strip() for name, value in body.items() if isinstance(value, str)}
        with suppress(ValueError):  # not a form with files
            for part in delivery.files():
                if part.name == "certificate":
                    fields["certificate"] = part.content[: MAX_CERTIFICATE + 1].decode("utf-8", "replace")
        request = fields.get("request_id", "")
        return cls(
            request_id=request if _REQUEST.fullmatch(request) else str(delivery.id),
            product_id=fields.get("product_id", ""),
            license_code=fields.get("license_code", ""),
            computer_id=fields.get("computer_id", ""),
            email=fields.get("email", ""),
            certificate="".join(fields.get("certificate", "").split()),  # mail programs wrap it
        )

    @property
    def label(self) -> str:
        """What people call it; the code stands last, so that `trace` finds it."""
        return f"offline activation of {one_line(self.license_code, 64) or 'no license'}"

    @property
    def step(self) -> str:
        """The activation that it asks for: the same request is the same one, however often it is posted."""
        digest = hashlib.sha256(self.certificate.encode()).hexdigest()[:16]
        return f"activation of {self.computer_id} {digest}"


def product_of(catalog: Catalog, rules: Offline, posted: Posted) -> Product:
    """
    Return the product of a request that is complete.

    Raises:
        Declined: it is not, or its product is not one of those; for the one who asks.
    """
    if not _CODE.fullmatch(posted.license_code):
        raise Declined("no-license-code")
    if not _COMPUTER.fullmatch(posted.computer_id):
        raise Declined("no-computer")
    if not posted.certificate:
        raise Declined("no-request")
    if len(posted.certificate) > MAX_CERTIFICATE or not is_certificate(posted.certificate):
        raise Declined("not-whole")
    for product in catalog.products:
        if product.product_id == posted.product_id and (not rules.parts or product.part_no in rules.parts):
            return product
    raise Declined("no-product")


async def license_of(zentitle: ZentitleCredentials, product: Product, posted: Posted) -> LicenseCode:
    """
    Return the license that a request names, with its customer.

    Raises:
        Declined: there is none, or it is nobody's; for the one who asks.
    """
    try:
        found = await zentitle_tasks.get_license_code(
            zentitle, productid=product.product_id, licensecode=posted.license_code
        )
    except NotFound:
        found = None
    if found is None or not found.companyID:
        raise Declined("unknown-license")
    return found


async def certificate_for(
    zentitle: ZentitleCredentials, business: BusinessKey, product: Product, posted: Posted
) -> str:
    """
    Activate a license on a computer that is offline, once for a request; return the certificate.

    Raises:
        Declined: it may not be activated there; for its customer.
        HooklineError: something is wrong that a person must see.
    """
    code = posted.license_code
    existing = await zentitle_tasks.get_license_code(zentitle, productid=product.product_id, licensecode=code)
    _require_usable(existing, await _computers(zentitle, product, code), posted.computer_id)
    try:
        answer = await zentitle_tasks.get_offline_activation(
            zentitle,
            business.step(posted.step),
            productid=product.product_id,
            activationcertificate=posted.certificate,
        )
    except (Refused, NotFound):
        raise Declined("refused") from None
    if posted.computer_id not in await _computers(zentitle, product, code):
        raise HooklineError(
            f"Zentitle made a certificate, but the license {code} is not active on the computer "
            f"{posted.computer_id}. The request was made with another license or on another computer, or that one was "
            "given back since. The certificate was not sent. Look at the activations at Zentitle, and ask the customer."
        )
    note = business.step(f"note of {posted.step}")
    await zentitle_tasks.create_license_note(
        zentitle,
        note,
        productid=product.product_id,
        licensecode=code,
        description=await worded(note, LicenseNote(request=posted.request_id, computer=posted.computer_id)),
    )
    return answer.certificate


def _require_usable(existing: LicenseCode, computers: set[str], computer: str) -> None:
    """Raise unless a license may be activated on a computer now, or is already."""
    end = zentitle_tasks.end_of(existing)
    if existing.enabledforuse is False:
        raise Declined("disabled")
    if end is not None and end < datetime.now(UTC).date():
        raise Declined("ended")
    if computer not in computers and len(computers) >= (existing.clientsallowed or 1):
        raise Declined("in-use")


async def _computers(zentitle: ZentitleCredentials, product: Product, code: str) -> set[str]:
    """Return the computers on which a license is active."""
    active = await zentitle_tasks.list_license_code_activity(
        zentitle, productid=product.product_id, licensecode=code, activated=1
    )
    return {each.computerID for each in active if each.deactivated is None}


def requester_of(email: str) -> NewContact | None:
    """Return the one who asks; None without a valid address."""
    try:
        return NewContact(PersonalEMail=email)
    except ValidationError:
        return None


async def mailer_for(
    jiwa: str,
    zentitle: ZentitleCredentials,
    sensorpro: SensorproCredentials,
    existing: LicenseCode,
    posted: Posted,
) -> tuple[Mailer, str]:
    """Return who gets the answer, with a name: the customer, or the one who asks where the catalog says so."""
    catalog = load_catalog(settings().catalog).of(jiwa=jiwa)
    if (
        catalog.offline
        and catalog.offline.send_to == "requester"
        and (requester := requester_of(posted.email))
    ):
        return Mailer(sensorpro, requester), ""
    if (debtor := await debtor_of(await JiwaCredentials.named(jiwa), zentitle, existing)) is None:
        raise HooklineError(
            f"The license {posted.license_code} is that of a customer of another Jiwa account than {jiwa}. Nothing "
            "was activated. Let a route of your own start this workflow with that account's block."
        )
    who = f"customer {debtor.Name} ({debtor.AccountNo})"
    contact = contact_of(
        who, debtor.EmailAddress, debtor.Name, kept_in="Jiwa", so_far="Nothing was activated."
    )
    return Mailer(sensorpro, contact, catalog.language.of(debtor.AccountNo, debtor.Country)), debtor.Name
