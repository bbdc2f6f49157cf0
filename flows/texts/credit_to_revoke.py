"""The texts of `credit-to-revoke`."""

from pydantic import Field

from hookline.texts import Mail, Note
from hookline.texts.declared import Values

WORKFLOW = "credit-to-revoke"


class Revoked(Values):
    """A license code that lost something."""

    code: str = Field(examples=["602239212346876464"])
    """The license code."""
    clients: int = Field(examples=[0])
    """The number of clients that it still allows; 0: it is disabled."""


class TakenBack(Values):
    """What a credit note took back, of one part."""

    part: str = Field(examples=["LIC-PRO"])
    """The part in Jiwa."""
    codes: list[Revoked] = Field(examples=[[Revoked(code="602239212346876464", clients=0)]])
    """The codes that lost something."""
    beyond: int = Field(examples=[0])
    """The units that were credited, and that the order did not have."""
    licensed: bool = Field(examples=[True])
    """True if the order was licensed before the credit note came."""


EXAMPLES = [
    TakenBack(part="LIC-PRO", codes=[Revoked(code="602239212346876464", clients=0)], beyond=0, licensed=True),
    TakenBack(
        part="LIC-TEAM", codes=[Revoked(code="687245010512345678", clients=3)], beyond=1, licensed=True
    ),
    TakenBack(part="LIC-DESKTOP", codes=[], beyond=2, licensed=False),
]


class CreditMail(Mail, workflow=WORKFLOW, name="mail"):
    """The mail about licenses that were taken back."""

    order: str = Field(examples=["100123"])
    """The number of the order in Jiwa."""
    credit_note: str = Field(examples=["100124"])
    """The number of the credit note in Jiwa."""
    customer: str = Field(examples=["Garage Nord"])
    """The name of the customer."""
    contact: str = Field(examples=["Anna Berg"])
    """The name of the person who gets the mail, or that of the customer."""
    taken: list[TakenBack] = Field(examples=[EXAMPLES])
    """What was taken back, a part each."""


class DocumentNote(Note, workflow=WORKFLOW, name="note"):
    """The note on the order and on the credit note."""

    order: str = Field(examples=["100123"])
    """The number of the order in Jiwa."""
    credit_note: str = Field(examples=["100124"])
    """The number of the credit note in Jiwa."""
    customer: str = Field(examples=["Garage Nord"])
    """The name of the customer."""
    taken: list[TakenBack] = Field(examples=[EXAMPLES])
    """What was taken back, a part each."""


class LicenseNote(Note, workflow=WORKFLOW, name="license-note"):
    """The note on a license code at Zentitle."""

    order: str = Field(examples=["100123"])
    """The number of the order in Jiwa."""
    credit_note: str = Field(examples=["100124"])
    """The number of the credit note in Jiwa."""
