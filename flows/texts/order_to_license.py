"""The texts of `order-to-license`."""

from pydantic import Field

from hookline.texts import Artifact, Mail, Note
from hookline.texts.declared import Values

WORKFLOW = "order-to-license"


class License(Values):
    """One license code of an order."""

    part: str = Field(examples=["LIC-PRO"])
    """The part in Jiwa."""
    code: str = Field(examples=["602239212346876464"])
    """The license code at Zentitle."""


class Line(Values):
    """One line of an order that calls for licenses."""

    part: str = Field(examples=["LIC-PRO"])
    """The part in Jiwa."""
    quantity: int = Field(examples=[2])
    """The number of units."""
    codes: list[str] = Field(examples=[["602239212346876464", "602239212346876465"]])
    """The license codes of the line."""


EXAMPLES = [
    License(part="LIC-PRO", code="602239212346876464"),
    License(part="LIC-TEAM", code="687245010512345678"),
]


class LicensesMail(Mail, workflow=WORKFLOW, name="mail"):
    """The mail with the licenses of an order."""

    order: str = Field(examples=["100123"])
    """The number of the order in Jiwa."""
    customer: str = Field(examples=["Garage Nord"])
    """The name of the customer."""
    contact: str = Field(examples=["Anna Berg"])
    """The name of the person who gets the mail, or that of the customer."""
    licenses: list[License] = Field(examples=[EXAMPLES])
    """All license codes of the order."""


class OrderNote(Note, workflow=WORKFLOW, name="order-note"):
    """The note on an order that was licensed."""

    order: str = Field(examples=["100123"])
    """The number of the order in Jiwa."""
    customer: str = Field(examples=["Garage Nord"])
    """The name of the customer."""
    licenses: list[License] = Field(examples=[EXAMPLES])
    """All license codes of the order."""
    added: list[str] = Field(default=[], examples=[["license LIC-TEAM up to 5"]])
    """What was added to the order after it had been licensed; empty at first."""


class DeclinedNote(Note, workflow=WORKFLOW, name="declined-note"):
    """The note on an order that a person declined."""

    order: str = Field(examples=["100123"])
    """The number of the order in Jiwa."""
    comment: str = Field(default="", examples=["too much for this customer"])
    """What the person wrote; empty if nothing."""


class LicenseNote(Note, workflow=WORKFLOW, name="license-note"):
    """The note on each license code at Zentitle."""

    order: str = Field(examples=["100123"])
    """The number of the order in Jiwa."""
    customer: str = Field(examples=["Garage Nord"])
    """The name of the customer."""


class Report(Artifact, workflow=WORKFLOW, name="report"):
    """The report of a run in the Prefect UI."""

    order: str = Field(examples=["100123"])
    """The number of the order in Jiwa."""
    customer: str = Field(examples=["Garage Nord"])
    """The name of the customer."""
    account: str = Field(examples=["1001"])
    """The customer's account number in Jiwa."""
    email: str = Field(examples=["anna@example.com"])
    """The customer's e-mail address."""
    lines: list[Line] = Field(
        examples=[
            [
                Line(part="LIC-PRO", quantity=1, codes=["602239212346876464"]),
                Line(part="LIC-TEAM", quantity=5, codes=["687245010512345678"]),
            ]
        ]
    )
    """The lines of the order that call for licenses."""
