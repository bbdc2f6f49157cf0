"""The texts of `renewal-reminder`."""

from datetime import date

from pydantic import Field

from hookline.texts import Mail

WORKFLOW = "renewal-reminder"


class ReminderMail(Mail, workflow=WORKFLOW, name="mail"):
    """The mail about a license that ends soon."""

    customer: str = Field(examples=["Garage Nord"])
    """The name of the customer."""
    contact: str = Field(examples=["Anna Berg"])
    """The name of the person who gets the mail, or that of the customer."""
    license: str = Field(examples=["687245010512345678"])
    """The license code."""
    part: str = Field(examples=["LIC-TEAM"])
    """The part in Jiwa that it was sold as."""
    until: date = Field(examples=[date(2026, 12, 31)])
    """The last day on which it can be used."""
    quote: str = Field(examples=["200456"])
    """The number of the quote in Jiwa."""
