"""Zentitle's activations: the use of license codes on computers, online, offline, passively and by a LAN daemon."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hookline.simulators.control import Call, control, control_order, operation
from hookline.simulators.faults import InvalidControlError
from hookline.simulators.zentitle.inputs import Inputs, failure, inputs_of, now
from hookline.simulators.zentitle.state import Account, Activation, License
from hookline.simulators.zentitle.terms import FIRST_HEARTBEAT, with_features_on

PASSIVE_CREATED = "Passive License Created Successfully.\n"
DEACTIVATED = "OK"
MASTER_CREATED = "Network Master License Created Successfully.\n"  # fact: undocumented-sentences
ACTIVITY_RETURNED = "License Code Activity Updated Successfully"
ACTIVITY_DELETED = "License Code Activity Deleted Successfully"

CERTIFICATE_BYTES = 700
ACTIVATE, DEACTIVATE = "activate", "deactivate"

MACHINES = (
    ("Microsoft Windows 11 Pro 22631, 64-bit", "GenuineIntel:Intel(R) Core(TM) i7-1365U", "10", "16074"),
    ("Microsoft Windows 10 Enterprise 19045, 64-bit", "AuthenticAMD:AMD Ryzen 5 PRO 5650U", "6", "32166"),
    ("macOS 14.5, 64-bit", "Apple M2", "8", "16384"),
)
# fmt: off
SYSTEM = {
    "bitage": "64", "screenresx": "1920", "screenresy": "1080", "oslanguage": "en-GB", "applanguage": "en-GB",
    "type": "LAPTOP", "licensestatus": "", "version": "4", "build": "2", "edition": "STD", "vmplatform": "Physical",
}
# fmt: on


class Activations(Account):
    """ActivatedLicenseCodes, LicenseCodeActivity, SystemDetails, and the licenses for computers offline."""

    @operation("GET", "/api/ActivatedLicenseCodes")
    def list_activated_license_codes(self, call: Call) -> Any:
        """Answer the codes that are active on a computer, with their products."""
        computer = inputs_of(call).required("computerid")
        return [
            {"productID": each.product, "licenseCode": each.code}
            for each in self._licenses.values()
            if each.on(computer)
        ]

    @operation("GET", "/api/LicenseCodeActivity")
    def list_license_code_activity(self, call: Call) -> Any:
        """Answer where a code is and was activated; an empty list when nowhere, an object when in one place."""
        inputs = inputs_of(call)
        found = self._license(inputs)
        only_active, with_system = inputs.bit("activated"), inputs.bit("getsysinfo")
        activity = found.active if only_active else found.activity
        rows = [_row(found, each, with_system=with_system) for each in activity]
        # "One or more sets" by the vendor's text, a bare object in its sample: both, as it is.
        return rows[0] if len(rows) == 1 else rows

    @operation("PUT", "/api/LicenseCodeActivity")
    def return_license_code_activations(self, call: Call) -> Any:
        """Return every activation of a code."""
        for each in self._license(inputs_of(call)).active:
            each.deactivated = now()
        return ACTIVITY_RETURNED

    @operation("DELETE", "/api/LicenseCodeActivity")
    def delete_license_code_activity(self, call: Call) -> Any:
        """Forget that a code was on a computer; without one, on any computer at all."""
        inputs = inputs_of(call)
        found, computer = self._license(inputs), inputs.text("computerid")
        left = [each for each in found.activity if computer not in ("", each.computer)]
        if computer and len(left) == len(found.activity):
            raise failure("Activity does not exist")
        found.activity = left
        return ACTIVITY_DELETED

    @operation("GET", "/api/SystemDetails")
    def get_system_details(self, call: Call) -> Any:
        """Answer the facts of a computer that has, or had, a license or a trial of a product."""
        inputs = inputs_of(call)
        product, computer = self._product(inputs).product, inputs.required("computerid")
        activations = [
            one
            for each in self._licenses.values()
            if each.product == product
            for one in each.activity
            if one.computer == computer
        ]
        if activations:
            return system_details(max(activations, key=lambda one: one.activated))
        if (product, computer) in self._trials:
            return system_of(computer) | {"licensestatus": "Trial"}
        raise failure("System details do not exist")

    # Offline

    @operation("GET", "/api/OfflineActivation")
    def get_offline_activation(self, call: Call) -> Any:
        """Activate the code of a request certificate: a GET that changes the state."""
        inputs = inputs_of(call)
        found, computer = self._certified(inputs, "activationcertificate", ACTIVATE)
        if not found.terms.enabled:
            raise failure("License code is not enabled for use")
        if not found.on(computer) and len(found.active) >= found.terms.clientsallowed:
            raise failure("License code has no activations left")
        activation = self._activated(found, computer, hours=found.terms.offline_hours)
        return _certificate(found.code, computer, activation.activated)

    @operation("DELETE", "/api/OfflineActivation")
    def delete_offline_activation(self, call: Call) -> Any:
        """Return the activation of a deactivation certificate."""
        found, computer = self._certified(inputs_of(call), "deactivationcertificate", DEACTIVATE)
        activation = found.on(computer)
        if activation is None:
            raise failure("License code is not activated on this computer")
        activation.deactivated = now()
        return DEACTIVATED

    @operation("POST", "/api/PassiveLicense")
    def create_passive_license(self, call: Call) -> Any:
        """
        Allocate a code for a computer that never goes online, and answer its certificate.

        It takes a code, active from then on.
        """  # fact: passive-license-takes-a-code
        inputs = inputs_of(call)
        product, client = self._product(inputs), inputs.required("clientid")
        if not 10 <= len(client) < 256:  # noqa: PLR2004
            raise failure("clientid must be at least 10 and less than 256 characters long")
        company, profile = self._company_number(inputs), self._profile_number(inputs, product.product)
        terms = with_features_on(self._starting_terms(product.product, profile), inputs, product)
        [code] = self._draw(product.product, 1)
        found = self._allocate(code, product.product, profile, terms, company)
        self._activated(found, client)
        return PASSIVE_CREATED + _certificate(code, client)

    @operation("POST", "/api/NetworkMasterLicense")
    def create_network_master_license(self, call: Call) -> Any:
        """Allocate a code for a LAN daemon, and answer its certificate."""  # fact: master-license-answer
        inputs = inputs_of(call)
        product, company = self._product(inputs).product, self._company_number(inputs)
        terms = self._starting_terms(product, 0)
        heartbeat = terms.heartbeat or FIRST_HEARTBEAT
        [code] = self._draw(product, 1)
        self._allocate(
            code, product, 0, replace(terms, concurrencymode="Network", heartbeat=heartbeat), company
        )
        return MASTER_CREATED + _certificate(code)

    def _certified(self, inputs: Inputs, name: str, purpose: str) -> tuple[License, str]:
        """Return the license and the computer that a certificate from the licensed program names."""
        product, certificate = self._product(inputs).product, inputs.required(name)
        try:
            parsed = json.loads(bytes.fromhex(certificate))
            made_for, code, computer = parsed["for"], str(parsed["code"]), str(parsed["computer"])
            computer.encode()  # half a surrogate pair could not be answered
        except (ValueError, TypeError, KeyError, RecursionError):
            made_for, code, computer = "", "", ""
        if made_for != purpose:
            raise failure(f"{name} is not valid")
        if (product, code) not in self._licenses:
            raise failure("License code does not exist")
        return self._licenses[product, code], computer

    # The acts of a licensed program

    @control("POST", "/_sandbox/licenses/{licenseCode}/activate")
    def _activate(self, call: Call) -> Any:
        return self.activate(call.path["licenseCode"], named_computer(control_order(call, "computerID")))

    def activate(self, code: str, computer: str = "") -> dict[str, Any]:
        """
        Activate a code on a computer, as the licensed program would; its limits are not checked.

        Raises:
            InvalidControlError: there is no such code.
        """
        found = self._any_license(code)
        return _row(found, self._activated(found, computer or new_computer()), with_system=True)

    @control("POST", "/_sandbox/licenses/{licenseCode}/certificates")
    def _make_certificates(self, call: Call) -> Any:
        """Answer the certificates that the licensed program makes on a computer offline."""
        computer, found = (
            named_computer(control_order(call, "computerID")),
            self._any_license(call.path["licenseCode"]),
        )
        return {
            "productID": found.product,
            "computerID": computer,
            "activationcertificate": _request(ACTIVATE, found.code, computer),
            "deactivationcertificate": _request(DEACTIVATE, found.code, computer),
        }

    def _any_license(self, code: str) -> License:
        for each in self._licenses.values():
            if each.code == code:
                return each
        raise InvalidControlError(f"licenseCode: there is no code {code}")

    def _activated(self, found: License, computer: str, *, hours: int = 0) -> Activation:
        """Activate a code on a computer, with a new lease; a trial there is converted."""
        activation = found.on(computer)
        if activation is None:
            activation = Activation(computer, now(), system_of(computer))
            found.activity.append(activation)
        hours = hours or found.terms.clientleaseperiod
        activation.lease_ends = now(hours=hours) if hours else None
        trial = self._trials.get((found.product, computer))
        if trial and not trial["licenseCode"]:
            trial |= {"licenseCode": found.code, "modified": now()}
        return activation


def new_computer() -> str:
    """Draw a computer's id: 20 characters, some of which mean something else in an address."""
    return base64.b64encode(secrets.token_bytes(15)).decode()


def system_of(computer: str) -> dict[str, str]:
    """Return what a licensed program reports of its computer: numbers as text, always the same of the same one."""
    which = hashlib.sha256(computer.encode()).digest()
    machine = zip(
        ("operatingsystem", "processor", "cores", "memory"), MACHINES[which[0] % len(MACHINES)], strict=True
    )
    named = {"computerID": computer, "computername": f"WS-{which.hex()[:6].upper()}"}
    return SYSTEM | named | dict(machine)


def system_details(activation: Activation) -> dict[str, str]:
    """Return the facts of a computer, with the license status that it had last."""
    status = "Activated" if activation.active else "Deactivated"
    return activation.system | {"licensestatus": status}


def _row(found: License, each: Activation, *, with_system: bool) -> dict[str, Any]:
    system = {"systemInfo": system_details(each)} if with_system else {}
    return {
        "licenseCode": found.code,
        "computerID": each.computer,
        **system,
        "status": "ACTIVATED" if each.active else "DEACTIVATED",
        "vmLeaseperiod": found.terms.vmleaseperiod,
        "clientleaseenddate": each.lease_ends,
        "vmPlatform": "",
        "username": each.username,
        "activated": each.activated,
        "deactivated": each.deactivated,
    }


def named_computer(order: Mapping[str, Any]) -> str:
    """
    Return the computer that an order names; a fresh one when it names none.

    Raises:
        InvalidControlError: it is no string.
    """
    computer = order.get("computerID") or new_computer()
    if not isinstance(computer, str):
        raise InvalidControlError("computerID: must be a string")
    return computer


def _request(purpose: str, code: str, computer: str) -> str:
    """Return a certificate as the licensed program makes it: hexadecimal, and not for people to read."""
    return json.dumps({"for": purpose, "code": code, "computer": computer}).encode().hex()


def _certificate(*about: str) -> str:
    """Return a certificate as the vendor makes it: long, hexadecimal, the same for the same."""
    return hashlib.shake_256("\n".join(about).encode()).hexdigest(CERTIFICATE_BYTES)
