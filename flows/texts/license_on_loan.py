"""The texts of `license-on-loan`."""

from pydantic import Field

from hookline.texts import Mail, Note

WORKFLOW = "license-on-loan"


class LoanMail(Mail):
    """What both mails about a request have."""

    request: str = Field(examples=["R-17"])
    """The number of the request."""
    customer: str = Field(examples=["Garage Nord"])
    """The name of the customer."""
    contact: str = Field(examples=["Anna Berg"])
    """The name of the person who gets the mail, or that of the customer."""
    part: str = Field(examples=["LIC-DESKTOP"])
    """The part in Jiwa."""


class GrantedMail(LoanMail, workflow=WORKFLOW, name="granted"):
    """The mail with the license that is lent."""

    license: str = Field(examples=["365941010298765432"])
    """The license code."""
    days: int = Field(examples=[14])
    """The days of the loan."""


class DeclinedMail(LoanMail, workflow=WORKFLOW, name="declined"):
    """The mail that says no."""


class LicenseNote(Note, workflow=WORKFLOW, name="license-note"):
    """The note on the license code at Zentitle."""

    request: str = Field(examples=["R-17"])
    """The number of the request."""
    customer: str = Field(examples=["Garage Nord"])
    """The name of the customer."""
    account: str = Field(examples=["1001"])
    """The customer's account number in Jiwa."""
