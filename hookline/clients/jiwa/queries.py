"""Jiwa's queries and the rows of its lists, in its own spelling."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, Field, model_validator

from hookline.clients.jiwa.models import ZERO, DebtorFacts
from hookline.clients.models import Answer, Flag, IntOrNone, Moment, Money
from hookline.clients.paging import Paged
from hookline.facts import facts_of
from hookline.text import do_you_mean

R = TypeVar("R")

MAX_TAKE = 1000

_OF_TEXT: Final = ("", "StartsWith", "EndsWith", "Contains", "Like", "Between", "In")
_OF_NUMBERS: Final = (
    *("", "GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo"),
    *("NotEqualTo", "Between", "In"),
)
_LIST_MARKS = re.compile(r'[,"\[\]{}]')

FilterValue = str | bool | int | Decimal | date | datetime
"""A value that a filter compares with."""


class QueryResponse(Answer, Generic[R]):
    """A page of rows; `Total` is set only if `Include="Total"` was sent."""

    Offset: int = 0
    Total: int | None = None
    Results: list[R] = []


# Rows -------------------------------------------------------------------------------------------------------


class DocumentRow(Answer):
    """The common fields of a row of the order list and of the quote list."""

    InvoiceID: str
    InvoiceNo: str = ""
    HistoryNo: IntOrNone = None
    OrderNo: str = ""
    Status: IntOrNone = None
    InvoiceInitDate: Moment = None
    LastSavedDateTime: Moment = None
    DebtorID: str = ""
    AccountNo: str = ""
    DebtorName: str = ""
    IN_LogicalID: str = ""
    LogicalWarehouseDescription: str = ""
    IN_PhysicalID: str = ""
    PhysicalWarehouseDescription: str = ""
    StaffID: str = ""
    StaffUsername: str = ""
    CurrencyID: str = ""
    CurrencyShortName: str = ""


class SalesOrderRow(DocumentRow):
    """A row of the order list, one for each delivery (history), so an order may appear several times."""

    InvoiceNoDashHistoryNo: str = ""
    InvoiceHistoryID: str = ""
    SOReference: str = ""
    CreditNote: Flag = False
    DueDate: Moment = None
    LocalInvoiceTotalIncTax: Money = ZERO
    TotalAllocated: Money = ZERO
    EmailAddress: str = ""
    HistoryStatus: IntOrNone = None
    Delivered: Flag = False


class SalesQuoteRow(DocumentRow):
    """A row of the quote list; for historical reasons `InvoiceID` and `InvoiceNo` are the quote's id and number."""

    InvoiceHistoryID: str = ""
    QOReference: str = ""
    LocalInvoiceTotalIncTax: Money = ZERO
    FXInvoiceTotalIncTax: Money = ZERO
    BranchID: str = ""


class DebtorTransactionRow(Answer):
    """An entry of the debtor ledger; an invoice is paid where `OutstandingAmount` is 0."""

    TransID: str
    DebtorID: str = ""
    AccountNo: str = ""
    Name: str = ""
    TranDate: Moment = None
    DueDate: Moment = None
    InvRemitNo: str = ""
    DebitCredit: Flag = False
    Amount: Money = ZERO
    AllocatedAmount: Money = ZERO
    OutstandingAmount: Money | None = None
    GSTAmount: Money = ZERO
    DebitAmountExTax: Money = ZERO
    CreditAmountExTax: Money = ZERO
    DebitAmountIncTax: Money = ZERO
    CreditAmountIncTax: Money = ZERO
    Description: str = ""
    SourceID: str = ""
    Ref: str = ""
    Remark: str = ""
    Note: str = ""
    AgedOut: Flag = False
    CurrencyID: str = ""
    CurrencyShortName: str = ""


class DebtorRow(DebtorFacts):
    """A row of the customer list."""

    PostCode: str = ""
    WebAccess: Flag = False
    TradingStatus: IntOrNone = None
    DebtorClassificationID: str = ""
    ClassificationDescription: str = ""
    PriceSchemeID: str = ""


class InventoryItemRow(Answer):
    """A row of the part list, with the stock of a warehouse; `Picture` comes only if it is asked for."""

    InventoryID: str
    PartNo: str = ""
    Description: str = ""
    InventoryClassificationID: str = ""
    ClassificationDescription: str = ""
    AvailableStock: Money = ZERO
    InStock: Money = ZERO
    SellPrice: Money = ZERO
    LastSavedDateTime: Moment = None
    IN_LogicalID: str = ""
    LogicalWarehouseDescription: str = ""
    PhysicalWarehouseDescription: str = ""


# Queries ----------------------------------------------------------------------------------------------------


class SkipTake(Paged):
    """Jiwa's paging. `Take=0` with `Include="Total"` only counts."""

    Skip: int | None = Field(default=None, ge=0)
    Take: int | None = Field(default=None, ge=0, le=MAX_TAKE)
    OrderBy: str | None = None
    OrderByDesc: str | None = None
    Include: Literal["Total"] | None = None

    page_size: ClassVar[int | None] = 100

    @classmethod
    def page(cls, start: int, number: int, before: Any) -> dict[str, Any]:
        """Return the inputs for the rows after the first `start`."""
        del number, before
        return {"Skip": start, "Take": cls.page_size, "Include": "Total"}


@cache
def _columns(row: type[BaseModel]) -> tuple[str, ...]:
    """Return the columns of such rows, as Jiwa publishes them."""
    return facts_of("jiwa").records[row.__name__].fields


@cache
def _suffixes(row: type[BaseModel]) -> dict[str, str]:
    """Return Jiwa's filters on such rows: their names, with the suffix behind the column's name."""
    kinds = {name: field.annotation for name, field in row.model_fields.items()}
    return {
        name + suffix: suffix for name in _columns(row) for suffix in _suffixes_of(kinds.get(name, object))
    }


def _suffixes_of(kind: Any) -> tuple[str, ...]:
    """Return what may follow a column's name; of a column that we do not read, the kind is not known."""
    if kind is bool:
        return ("",)
    if kind is object:
        return tuple(dict.fromkeys((*_OF_TEXT, *_OF_NUMBERS)))
    return _OF_TEXT if kind is str else _OF_NUMBERS


class Query(SkipTake):
    """
    A query: the usual filters by name, any other in `where`, as `{"InvoiceNoStartsWith": "10"}`.

    Jiwa ignores an unknown filter, and an empty one, and returns everything. So only columns of the row are sent, with
    a suffix that Jiwa has for their type, and none without a value. `In` and `Between` take a list. The row's key is
    always among the `Fields`.
    """

    Fields: str | None = Field(default=None, description="Names of fields, separated by commas.")
    where: Mapping[str, FilterValue | list[FilterValue]] | None = None

    row: ClassVar[type[BaseModel]]

    @model_validator(mode="after")
    def _no_filter_is_ignored(self) -> "Query":
        known = _suffixes(self.row)
        filters = dict(self.where or {})
        for name in filters:
            if name not in known:
                raise ValueError(
                    f"this list has no filter {name}: Jiwa would return everything{do_you_mean(name, known)}"
                )
        for name in (*_listed(self.Fields), *_listed(self.OrderBy), *_listed(self.OrderByDesc)):
            if name not in _columns(self.row):
                raise ValueError(f"this list has no column {name}{do_you_mean(name, _columns(self.row))}")
        for name, value in filters.items():
            _check_value_count(name, known[name], value)
        named = {name: getattr(self, name) for name in type(self).model_fields if name in known}
        if empty := [name for name, value in (named | filters).items() if _is_blank(value)]:
            raise ValueError(f"the filter {', '.join(empty)} is empty: Jiwa would return everything")
        return self

    def values(self) -> dict[str, Any]:
        """Return the inputs, those in `where` included."""
        values = super().values()
        filters = {name: _joined(value) for name, value in values.pop("where", {}).items()}
        if self.Fields is not None:
            fields = [*self.order["OrderBy"].split(","), *(name.strip() for name in self.Fields.split(","))]
            values["Fields"] = ",".join(dict.fromkeys(fields))
        return values | filters


class RecentQuery(Query):
    """A query of rows that hold the time when they were last saved."""

    LastSavedDateTimeGreaterThan: datetime | None = None
    LastSavedDateTimeGreaterThanOrEqualTo: datetime | None = None


class DocumentQuery(RecentQuery):
    """The common filters of the order list and the quote list."""

    InvoiceID: str | None = None
    InvoiceNo: str | None = None
    OrderNo: str | None = None
    DebtorID: str | None = None
    AccountNo: str | None = None


class QuerySalesOrders(DocumentQuery):
    """Filters of the order list."""

    SOReference: str | None = None

    row: ClassVar[type[BaseModel]] = SalesOrderRow
    order: ClassVar[dict[str, str]] = {"OrderBy": "InvoiceID,InvoiceHistoryID"}


class QuerySalesQuotes(DocumentQuery):
    """Filters of the quote list; `InvoiceID` and `InvoiceNo` are the quote's id and number."""

    QOReference: str | None = None

    row: ClassVar[type[BaseModel]] = SalesQuoteRow
    order: ClassVar[dict[str, str]] = {"OrderBy": "InvoiceID,HistoryNo"}


class QueryDebtorTransactions(Query):
    """Filters of the debtor ledger, whose entries do not hold the time when they were last saved."""

    TransID: str | None = None
    DebtorID: str | None = None
    AccountNo: str | None = None
    InvRemitNo: str | None = None
    SourceID: str | None = None
    Ref: str | None = None

    row: ClassVar[type[BaseModel]] = DebtorTransactionRow
    order: ClassVar[dict[str, str]] = {"OrderBy": "TransID"}


class QueryDebtors(RecentQuery):
    """Filters of the customer list."""

    DebtorID: str | None = None
    AccountNo: str | None = None
    Name: str | None = None
    EmailAddress: str | None = None

    row: ClassVar[type[BaseModel]] = DebtorRow
    order: ClassVar[dict[str, str]] = {"OrderBy": "DebtorID"}


class QueryInventoryItems(RecentQuery):
    """
    Filters of the part list.

    Each row holds a picture in full: `Fields` leaves it out unless it names `Picture`.
    """

    Fields: str | None = ",".join(InventoryItemRow.model_fields)
    InventoryID: str | None = None
    PartNo: str | None = None
    Description: str | None = None
    IN_LogicalID: str | None = None

    row: ClassVar[type[BaseModel]] = InventoryItemRow
    order: ClassVar[dict[str, str]] = {"OrderBy": "InventoryID,IN_LogicalID"}


def _listed(names: str | None) -> list[str]:
    """Return the columns that are named between commas, a minus for "descending" left out."""
    return [name.strip().lstrip("-") for name in (names or "").split(",") if name.strip()]


def _is_blank(value: Any) -> bool:
    return value == [] or (isinstance(value, str) and not value.strip())


def _check_value_count(name: str, suffix: str, value: Any) -> None:
    """Raise ValueError for several values where the filter takes one, or for another number than `Between` takes."""
    if isinstance(value, list) and suffix not in ("In", "Between"):
        raise ValueError(f"the filter {name} takes one value")
    if isinstance(value, list) and suffix == "Between" and len(value) != 2:  # noqa: PLR2004
        raise ValueError(f"the filter {name} takes the first and the last value")


def _joined(value: Any) -> Any:
    """Return several values as ServiceStack reads them from an address: between commas, quoted if necessary."""
    return ",".join(_quoted_item(str(each)) for each in value) if isinstance(value, list) else value


def _quoted_item(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if _LIST_MARKS.search(value) else value
