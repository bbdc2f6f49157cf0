"""The texts of `activation-reminder`."""

from pydantic import Field

from hookline.texts import Mail

WORKFLOW = "activation-reminder"


class ReminderMail(Mail, workflow=WORKFLOW, name="mail"):
    """The mail about a license that is not activated."""

    order: str = Field(examples=["100123"])
    """The number of the order in Jiwa."""
    customer: str = Field(examples=["Garage Nord"])
    """The name of the customer."""
    contact: str = Field(examples=["Anna Berg"])
    """The name of the person who gets the mail, or that of the customer."""
    license: str = Field(examples=["602239212346876464"])
    """The license code."""
    days: int = Field(examples=[14])
    """The days since it was allocated."""
