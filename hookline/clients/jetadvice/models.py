"""
What goes into and comes out of JetAdvice.

Its documents name no field of a record but those of the report run: all others are assumed. Names are read in
any case, unknown ones are kept, and `more` sends what is not foreseen here.
"""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BeforeValidator, Field, JsonValue, SecretStr, model_validator

from hookline.clients.models import Answer, Input, Moment, Whole

ReportFormat = Literal[1, 2, 5]
"""The format of a report's files: 1 is CSV, 2 is XML, 5 is JSON."""

Percent = Annotated[
    float | None,
    Field(allow_inf_nan=False),
    BeforeValidator(lambda value: None if isinstance(value, str) and not value.strip() else value),
]
"""A share of a hundred, which may come as text; "" is None."""


class LoggedIn(Answer):
    """The key of a session, which ends after about ten minutes without a call."""

    token: SecretStr


# What is common ---------------------------------------------------------------------------------------------


class Scope(Input):
    """All records that the user may see, or those of one customer."""

    customerId: str | None = None


class Written(Input):
    """A record to write; `more` holds fields beyond those named here."""

    more: Mapping[str, JsonValue] | None = None

    @model_validator(mode="after")
    def _nothing_twice(self) -> Self:
        known = {name.lower() for name in type(self).model_fields}
        if twice := [name for name in self.more or {} if name.lower() in known]:
            raise ValueError(f"give {', '.join(twice)} by its own name, not in `more`")
        return self

    def values(self) -> dict[str, Any]:
        """The inputs, with those in `more` among them."""
        values = super().values()
        more: dict[str, Any] = values.pop("more", {})
        return values | more


class Changed(Written):
    """
    A record to change and what to change of it.

    Whether JetAdvice clears the fields that are absent is unknown: read the record, merge, write all of it,
    and read it back.
    """

    id: str

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not set(self.values()) - {"id"}:
            raise ValueError("give at least one field to change: an empty change may clear the record")
        return self


# Customers, levels, users -----------------------------------------------------------------------------------


class NewCustomer(Written):
    """A customer; `externalNumber` is our own number of it, by which it can be found again."""

    name: str = Field(min_length=1)
    externalNumber: str | None = None
    address: str | None = None
    city: str | None = None
    country: str | None = None
    email: str | None = None
    phone: str | None = None


class ChangedCustomer(Changed):
    """A customer and what to change; absent fields may be cleared, so send all of them."""

    name: str | None = Field(default=None, min_length=1)
    externalNumber: str | None = None
    address: str | None = None
    city: str | None = None
    country: str | None = None
    email: str | None = None
    phone: str | None = None


class Customer(Answer):
    """A customer; `externalNumber` is the number it has elsewhere."""

    customerId: str
    name: str = ""
    externalNumber: str = ""
    address: str = ""
    city: str = ""
    country: str = ""
    email: str = ""
    phone: str = ""


class NewLevel(Written):
    """A part of a customer's organisation, at the top or below another."""

    customerId: str
    name: str = Field(min_length=1)
    parentLevelId: str | None = None


class ChangedLevel(Changed):
    """A level and what to change; absent fields may be cleared, so send all of them."""

    customerId: str | None = None
    name: str | None = Field(default=None, min_length=1)
    parentLevelId: str | None = None


class Level(Answer):
    """A part of a customer's organisation; `parentLevelId` is "" at the top."""

    levelId: str
    customerId: str = ""
    parentLevelId: str = ""
    name: str = ""


class NewUser(Written):
    """A person of a customer."""

    customerId: str
    userName: str = Field(min_length=1)
    levelId: str | None = None
    firstName: str | None = None
    lastName: str | None = None
    email: str | None = None


class ChangedUser(Changed):
    """A user and what to change; absent fields may be cleared, so send all of them."""

    customerId: str | None = None
    userName: str | None = Field(default=None, min_length=1)
    levelId: str | None = None
    firstName: str | None = None
    lastName: str | None = None
    email: str | None = None


class User(Answer):
    """A person of a customer."""

    userId: str
    customerId: str = ""
    levelId: str = ""
    userName: str = ""
    firstName: str = ""
    lastName: str = ""
    email: str = ""


# Devices ----------------------------------------------------------------------------------------------------


class ChangedDevice(Changed):
    """A device and what to change; absent fields may be cleared, so send all of them."""

    customerId: str | None = None
    levelId: str | None = None
    serialNumber: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    ipAddress: str | None = None
    location: str | None = None
    tagIds: list[str] | None = None


class Counters(Answer):
    """Pages since the device was made, None where it does not tell; `copies` is the vendor's `copy`."""

    total: Whole = None
    mono: Whole = None
    color: Whole = None
    copies: Whole = Field(default=None, validation_alias=AliasChoices("copies", "copy", "Copy"))
    scan: Whole = None


class Supply(Answer):
    """A cartridge, a drum or the like; `levelPercent` is what is left of it."""

    type: str = ""
    color: str = ""
    levelPercent: Percent = None
    partNumber: str = ""


class Alert(Answer):
    """Something the device complains of."""

    code: str = ""
    text: str = ""
    since: Moment = None


class Device(Answer):
    """A printer, as a data collector last saw it; `lastReport` is in UTC, written without a zone."""

    deviceId: str
    customerId: str = ""
    levelId: str = ""
    serialNumber: str = ""
    manufacturer: str = ""
    model: str = ""
    ipAddress: str = ""
    location: str = ""
    lastReport: Moment = None
    counters: Counters = Counters()
    supplies: list[Supply] = []
    alerts: list[Alert] = []
    tagIds: list[str] = []


class DataCollector(Answer):
    """The agent that finds and reads devices at a customer's."""

    dataCollectorId: str
    customerId: str = ""
    name: str = ""
    version: str = ""
    lastContact: Moment = None


class DataCollectorRange(Answer):
    """The network addresses that a data collector searches."""

    rangeId: str
    dataCollectorId: str = ""
    customerId: str = ""
    fromAddress: str = ""
    toAddress: str = ""


# Tags and views ---------------------------------------------------------------------------------------------


class NewTag(Written):
    """A tag for devices."""

    name: str = Field(min_length=1)


class Tag(Answer):
    """A tag for devices."""

    tagId: str
    name: str = ""


class View(Answer):
    """A saved view of devices."""

    viewId: str
    name: str = ""


# Reports ----------------------------------------------------------------------------------------------------


class NewReport(Written):
    """A report: a name and the view whose devices it tells of."""

    name: str = Field(min_length=1)
    customerId: str | None = None
    viewId: str | None = None


class Report(Answer):
    """A report that can be run."""

    reportId: str
    customerId: str = ""
    name: str = ""
    viewId: str = ""


class RequestReportRun(Input):
    """A report, the format of its files (1 is CSV, 2 is XML, 5 is JSON), and one customer or all."""

    reportId: str
    OutputFormat: ReportFormat
    customerId: str | None = None


class RequestedReportRun(Answer):
    """A report run that has begun: ask for its result by this id."""

    ReportRequestGuid: str


class GetReportRun(Input):
    """A report run by its `ReportRequestGuid`. Without `NoDownload` the answer would have several kinds."""

    ReportRunGuid: str
    NoDownload: Literal[True] = True


class ReportFile(Answer):
    """A file that a report run made; `Size` is in bytes."""

    FileId: str
    FileName: str = ""
    Size: Whole = None


class ReportRun(Answer):
    """How far a report run is: Queued, Running, Completed or Failed, or a word yet unknown; and its files."""

    Status: str
    Message: str = ""
    Files: list[ReportFile] = []


class GetReportFile(Input):
    """A file of a report run by its `FileId`."""

    fileId: str
