"""Jiwa's models for customers (debtors) and parts (inventory), in its own spelling."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from typing import Literal

from pydantic import Field

from hookline.clients.jiwa.models import ZERO, CustomField, CustomFieldValue, DebtorFacts, Note
from hookline.clients.models import Amount, Answer, Flag, Input, IntOrNone, Moment, Money

# Debtors ----------------------------------------------------------------------------------------------------


class OneDebtor(Input):
    """A customer by its id."""

    DebtorID: str


class NewContactName(Input):
    """A contact of a customer; `ExternalAppRecID` is the place for a foreign key."""

    Title: str | None = None
    FirstName: str | None = None
    Surname: str | None = None
    EmailAddress: str | None = None
    Phone: str | None = None
    Mobile: str | None = None
    DefaultContact: bool | None = None
    ExternalAppRecID: str | None = None


class ChangedContactName(NewContactName):
    """A contact to change; its id is required, as without it each such call would add another."""

    ContactNameID: str = Field(min_length=1)


class DebtorFields(Input):
    """The fields of a customer that can be set."""

    AltAccountNo: str | None = None
    CompanyName: str | None = None
    TradingName: str | None = None
    Address1: str | None = None
    Address2: str | None = None
    Address3: str | None = None
    Address4: str | None = None
    Postcode: str | None = None
    Country: str | None = None
    Phone: str | None = None
    EmailAddress: str | None = None
    ABN: str | None = None
    ACN: str | None = None
    CreditLimit: Amount | None = None
    AccountOnHold: bool | None = None
    IsCashOnly: bool | None = None
    TermsDays: int | None = None
    TermsType: Literal["Invoice", "Statement"] | None = None
    TradingStatus: Literal["e_DebtorTradingStatusInActive", "e_DebtorTradingStatusActive"] | None = None
    CustomFieldValues: list[CustomField] | None = None


class NewDebtor(DebtorFields):
    """A customer; a repeat is recognised by `AccountNo`."""

    AccountNo: str = Field(min_length=1)
    Name: str
    ContactNames: list[NewContactName] | None = None


class ChangedDebtor(DebtorFields, OneDebtor):
    """A customer to change; only the inputs given change, and contacts by their id: none is added."""

    AccountNo: str | None = Field(default=None, min_length=1)
    Name: str | None = None
    ContactNames: list[ChangedContactName] | None = None


class ContactName(Answer):
    """A contact of a customer."""

    ContactNameID: str = ""
    Title: str = ""
    FirstName: str = ""
    Surname: str = ""
    EmailAddress: str = ""
    Phone: str = ""
    Mobile: str = ""
    DefaultContact: Flag = False
    ExternalAppRecID: str = ""


class Debtor(DebtorFacts):
    """A customer."""

    CompanyName: str = ""
    TradingName: str = ""
    Postcode: str = ""
    ABN: str = ""
    ACN: str = ""
    IsCashOnly: Flag = False
    TermsDays: IntOrNone = None
    TermsType: str = ""
    TradingStatus: str = ""
    CreditLimit: Money = ZERO
    ContactNames: list[ContactName] = []
    Notes: list[Note] = []
    CustomFieldValues: list[CustomFieldValue] = []


# Inventory --------------------------------------------------------------------------------------------------


class OneInventoryItem(Input):
    """A part by its id."""

    InventoryID: str


class InventoryItemFields(Input):
    """The fields of a part that can be set."""

    DefaultPrice: Amount | None = None
    RRPPrice: Amount | None = None
    SellPriceIncTax: bool | None = None
    Status: (
        Literal[
            "e_InventoryStatusActive",
            "e_InventoryStatusDiscontinued",
            "e_InventoryStatusDeleted",
            "e_InventoryStatusSlow",
            "e_InventoryStatusObsolete",
        ]
        | None
    ) = None
    UseSerialNo: bool | None = None
    BackOrderable: bool | None = None
    DecimalPlaces: int | None = Field(default=None, ge=0)
    Weight: Amount | None = None
    Cubic: Amount | None = None
    Aux1: str | None = None
    Aux2: str | None = None
    Aux3: str | None = None
    Aux4: str | None = None
    Aux5: str | None = None
    CustomFieldValues: list[CustomField] | None = None


class NewInventoryItem(InventoryItemFields):
    """A part; a repeat is recognised by `PartNo`."""

    PartNo: str = Field(min_length=1)
    Description: str


class ChangedInventoryItem(InventoryItemFields, OneInventoryItem):
    """A part to change; only the inputs given change."""

    PartNo: str | None = Field(default=None, min_length=1)
    Description: str | None = None


class InventoryItem(Answer):
    """A part."""

    InventoryID: str
    PartNo: str = ""
    Description: str = ""
    Status: str = ""
    DefaultPrice: Money = ZERO
    RRPPrice: Money = ZERO
    SellPriceIncTax: Flag = False
    UseSerialNo: Flag = False
    BackOrderable: Flag = False
    DecimalPlaces: IntOrNone = None
    Weight: Money = ZERO
    Cubic: Money = ZERO
    Aux1: str = ""
    Aux2: str = ""
    Aux3: str = ""
    Aux4: str = ""
    Aux5: str = ""
    LastSavedDateTime: Moment = None
    Notes: list[Note] = []
    CustomFieldValues: list[CustomFieldValue] = []
