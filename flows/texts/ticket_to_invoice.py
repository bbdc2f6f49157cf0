"""The texts of `ticket-to-invoice`."""

from pydantic import Field

from hookline.texts import Mail

WORKFLOW = "ticket-to-invoice"


class SurveyMail(Mail, workflow=WORKFLOW, name="survey"):
    """The mail that asks a workshop how it went."""

    ticket: str = Field(examples=["4711"])
    """The number of the ticket at Jifeline."""
    customer: str = Field(examples=["Garage Nord"])
    """The name of the workshop."""
    services: list[str] = Field(examples=[["Initialise trailer module", "Calibrate a camera"]])
    """What was done, by name."""
