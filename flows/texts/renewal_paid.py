"""The texts of `renewal-paid`."""

from datetime import date

from pydantic import Field

from hookline.texts import Mail, Note
from hookline.texts.declared import Values

WORKFLOW = "renewal-paid"


class Renewed(Values):
    """A license that was renewed."""

    part: str = Field(examples=["LIC-TEAM"])
    """The part in Jiwa that it was sold as."""
    code: str = Field(examples=["687245010512345678"])
    """The license code."""
    until: date = Field(examples=[date(2027, 12, 31)])
    """The last day on which it can be used."""


EXAMPLES = [Renewed(part="LIC-TEAM", code="687245010512345678", until=date(2027, 12, 31))]


class RenewedMail(Mail, workflow=WORKFLOW, name="mail"):
    """The mail about licenses that were renewed."""

    order: str = Field(examples=["100123"])
    """The number of the order in Jiwa."""
    customer: str = Field(examples=["Garage Nord"])
    """The name of the customer."""
    contact: str = Field(examples=["Anna Berg"])
    """The name of the person who gets the mail, or that of the customer."""
    licenses: list[Renewed] = Field(examples=[EXAMPLES])
    """The licenses that the order renews."""


class OrderNote(Note, workflow=WORKFLOW, name="order-note"):
    """The note on the order."""

    order: str = Field(examples=["100123"])
    """The number of the order in Jiwa."""
    customer: str = Field(examples=["Garage Nord"])
    """The name of the customer."""
    licenses: list[Renewed] = Field(examples=[EXAMPLES])
    """The licenses that the order renews."""


class LicenseNote(Note, workflow=WORKFLOW, name="license-note"):
    """The note on a license code at Zentitle."""

    order: str = Field(examples=["100123"])
    """The number of the order in Jiwa."""
    until: date = Field(examples=[date(2027, 12, 31)])
    """The last day on which it can be used."""
