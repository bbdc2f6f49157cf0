"""The texts of `offline-activation`."""

from typing import Literal

from pydantic import Field

from hookline.texts import Mail, Note

WORKFLOW = "offline-activation"

Reason = Literal[
    "no-license-code",
    "no-computer",
    "no-request",
    "not-whole",
    "no-product",
    "unknown-license",
    "disabled",
    "ended",
    "in-use",
    "refused",
]
"""Why there is no certificate."""


class GrantedMail(Mail, workflow=WORKFLOW, name="granted"):
    """The mail with the certificate."""

    request: str = Field(examples=["R-17"])
    """The number of the request."""
    license: str = Field(examples=["365941010298765432"])
    """The license code."""
    computer: str = Field(examples=["BLXRrZJ5T9imK7qPrJSL"])
    """The computer's id."""
    contact: str = Field(examples=["Anna Berg"])
    """The name of the customer; nothing, where the mail goes to the one who asked."""
    certificate: str = Field(examples=["8595e2ecc3e0fad7002bfc0b99051c2a5a3b0a8699f9cc86"])
    """The certificate, a long word."""


class DeclinedMail(Mail, workflow=WORKFLOW, name="declined"):
    """The mail that says why there is no certificate."""

    request: str = Field(examples=["R-17"])
    """The number of the request."""
    license: str = Field(examples=["365941010298765432"])
    """The license code; nothing, where there is no such license."""
    contact: str = Field(examples=["Anna Berg"])
    """The name of the customer; nothing, where the mail goes to the one who asked."""
    reason: Reason = Field(examples=["in-use"])
    """Why: one of the words of `docs/workflows/offline-activation.md`."""
    explanation: str = Field(examples=["The license is in use on as many computers as it allows."])
    """The same in an English sentence."""


class LicenseNote(Note, workflow=WORKFLOW, name="license-note"):
    """The note on the license code at Zentitle."""

    request: str = Field(examples=["R-17"])
    """The number of the request."""
    computer: str = Field(examples=["BLXRrZJ5T9imK7qPrJSL"])
    """The computer's id."""
