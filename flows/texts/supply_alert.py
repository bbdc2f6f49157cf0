"""The texts of `supply-alert`."""

from pydantic import Field

from hookline.texts import Mail

WORKFLOW = "supply-alert"


class OrderedMail(Mail, workflow=WORKFLOW, name="mail"):
    """The mail about a cartridge that was ordered."""

    order: str = Field(examples=["100123"])
    """The number of the order in Jiwa."""
    customer: str = Field(examples=["Garage Nord"])
    """The name of the customer."""
    cartridge: str = Field(examples=["black toner of LaserJet 400 CNB1234567"])
    """The colour and kind of the supply, and the model and serial number of the printer."""
    color: str = Field(examples=["black"])
    """The colour of the cartridge, as JetAdvice names it."""
    printer: str = Field(examples=["LaserJet 400 CNB1234567"])
    """The model and serial number of the printer."""
    location: str = Field(default="", examples=["2nd floor"])
    """The place of the printer; empty if JetAdvice has none."""
