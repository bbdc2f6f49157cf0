"""`catalog.yaml`: what the parts of an order bring in Zentitle, and the mail that goes out."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hookline.files import read_yaml


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Mail(_Strict):
    """The stored Sensorpro broadcast that tells the customer."""

    campaign_id: str
    broadcast_id: int
    if_unknown: Literal["ask", "send-again"] = "ask"


class Product(_Strict):
    """What one part brings."""

    part_no: str = Field(min_length=1)
    product_id: str = Field(min_length=1)
    allocate: Literal["codes", "seats"]
    license_type: Literal["perpetual", "subscription"]
    days: int | None = Field(None, ge=1, le=5000)
    profile: str | None = None

    @model_validator(mode="after")
    def _days_of_a_subscription(self) -> Self:
        if (self.license_type == "subscription") != (self.days is not None):
            raise ValueError("days belong to license_type subscription, and to it alone")
        return self

    def codes(self, quantity: int) -> int:
        """How many license codes this many units are."""
        return quantity if self.allocate == "codes" else 1

    def clients(self, quantity: int) -> int:
        """How many clients each of those codes allows."""
        return 1 if self.allocate == "codes" else quantity


class Catalog(_Strict):
    """The whole of `catalog.yaml`."""

    paid_when: Literal["payments", "allocated", "either"] = "either"
    computer_id_field: str = ""
    mail: Mail
    products: list[Product] = Field(min_length=1)

    @field_validator("products")
    @classmethod
    def _once_each(cls, products: list[Product]) -> list[Product]:
        parts = [product.part_no for product in products]
        if twice := {part for part in parts if parts.count(part) > 1}:
            raise ValueError(f"part_no is there twice: {', '.join(sorted(twice))}")
        return products

    def product(self, part_no: str) -> Product | None:
        """What a part brings; None for ordinary goods."""
        return next((product for product in self.products if product.part_no == part_no), None)


def load_catalog(path: Path) -> Catalog:
    """
    Read and check `catalog.yaml`.

    Raises:
        ConfigurationError: names the file, the place in it, and what is wrong there.
    """
    return read_yaml(path, Catalog)
