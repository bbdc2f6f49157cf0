"""Jiwa's customers (debtors) and parts (inventory), in its own spelling."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from typing import Literal

from pydantic import Field

from hookline.clients.jiwa.models import ZERO, CustomField, CustomFieldValue, Note
from hookline.clients.models import Amount, Answer, Flag, Input, Moment, Money, Whole

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
    """A contact to change: without its id, each such call would add another."""

    ContactNameID: str = Field(min_length=1)


class DebtorFields(Input):
    """What can be set of a customer."""

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
    """A customer; `AccountNo` is what a repeat is recognised by."""

    AccountNo: str = Field(min_length=1)
    Name: str
    ContactNames: list[NewContactName] | None = None


class ChangedDebtor(DebtorFields, OneDebtor):
    """Only what is given changes; contacts are changed by their id, none is added."""

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


class Debtor(Answer):
    """A customer."""

    DebtorID: str
    AccountNo: str = ""
    AltAccountNo: str = ""
    Name: str = ""
    CompanyName: str = ""
    TradingName: str = ""
    Address1: str = ""
    Address2: str = ""
    Address3: str = ""
    Address4: str = ""
    Postcode: str = ""
    Country: str = ""
    Phone: str = ""
    EmailAddress: str = ""
    ABN: str = ""
    ACN: str = ""
    AccountOnHold: Flag = False
    IsCashOnly: Flag = False
    TermsDays: Whole = None
    TermsType: str = ""
    TradingStatus: str = ""
    CurrentBalance: Money = ZERO
    CreditLimit: Money = ZERO
    LastSavedDateTime: Moment = None
    ContactNames: list[ContactName] = []
    Notes: list[Note] = []
    CustomFieldValues: list[CustomFieldValue] = []


# Inventory --------------------------------------------------------------------------------------------------


class OneInventoryItem(Input):
    """A part by its id."""

    InventoryID: str


class InventoryItemFields(Input):
    """What can be set of a part."""

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
    """A part; `PartNo` is what a repeat is recognised by."""

    PartNo: str = Field(min_length=1)
    Description: str


class ChangedInventoryItem(InventoryItemFields, OneInventoryItem):
    """Only what is given changes."""

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
    DecimalPlaces: Whole = None
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
