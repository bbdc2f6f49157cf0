"""The texts of `trial-nurture`."""

from datetime import date

from pydantic import Field

from hookline.texts import Mail
from hookline.texts.declared import Values

WORKFLOW = "trial-nurture"


class Trial(Values):
    """A trial that ends soon."""

    product: str = Field(examples=["Draftline Pro"])
    """What the product is called in the catalog."""
    until: date = Field(examples=[date(2026, 12, 31)])
    """The last day on which it can be tried."""


class TrialMail(Mail, workflow=WORKFLOW, name="mail"):
    """The mail about trials that end soon, all of one address."""

    contact: str = Field("", examples=["Anna Berg"])
    """The name that the user entered in the program, or nothing."""
    trials: list[Trial] = Field(examples=[[Trial.example()]])
    """The trials; each has `product` and `until`."""
    until: date = Field(examples=[date(2026, 12, 31)])
    """The day on which the first of them ends."""
