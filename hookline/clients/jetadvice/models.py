"""
JetAdvice's models.

Its documents name no field of a record but the id of a report run; facts.yaml says so of each. Names are read in any
case, unknown fields are kept, and `more` sends fields that are not named here.
"""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BeforeValidator, Field, JsonValue, SecretStr, model_validator

from hookline.clients.models import Answer, Input, IntOrNone, Moment

ReportFormat = Literal[1, 2, 5]
"""The format of a report's files: 1 is CSV, 2 is XML, 5 is JSON."""

Percent = Annotated[
    float | None,
    Field(allow_inf_nan=False),
    BeforeValidator(lambda value: None if isinstance(value, str) and not value.strip() else value),
]
"""A percentage, which may come as text; "" is None."""


class LoggedIn(Answer):
    """The key of a session, which ends after about ten minutes without a call."""

    token: SecretStr


# Common models ----------------------------------------------------------------------------------------------


class Scope(Input):
    """All records that the user may see, or those of one customer."""

    customerId: str | None = None


class WrittenRecord(Input):
    """A record to write; `more` holds fields beyond those named here."""

    more: Mapping[str, JsonValue] | None = None

    @model_validator(mode="after")
    def _no_field_twice(self) -> Self:
        named = {name.lower() for name in type(self).model_fields}
        if twice := [name for name in self.more or {} if name.lower() in named]:
            raise ValueError(f"give {', '.join(twice)} by its own name, not in `more`")
        return self

    def values(self) -> dict[str, Any]:
        """Return the inputs, those in `more` included."""
        values = super().values()
        more: dict[str, Any] = values.pop("more", {})
        return values | more


class ChangedRecord(WrittenRecord):
    """
    A record to change, with its changed fields.

    JetAdvice may clear the fields that are absent (unknown): read the record, merge, write all of it, and read it back.
    """

    id: str

    @model_validator(mode="after")
    def _has_a_change(self) -> Self:
        if not set(self.values()) - {"id"}:
            raise ValueError("give at least one field to change: an empty change may clear the record")
        return self


# Customers, levels, users -----------------------------------------------------------------------------------


class NewCustomer(WrittenRecord):
    """A customer; it can be found again by `externalNumber`, our own number for it."""

    name: str = Field(min_length=1)
    externalNumber: str | None = None
    address: str | None = None
    city: str | None = None
    country: str | None = None
    email: str | None = None
    phone: str | None = None


class ChangedCustomer(ChangedRecord):
    """A customer to change; absent fields may be cleared, so send all of them."""

    name: str | None = Field(default=None, min_length=1)
    externalNumber: str | None = None
    address: str | None = None
    city: str | None = None
    country: str | None = None
    email: str | None = None
    phone: str | None = None


class Customer(Answer):
    """A customer; `externalNumber` is its number in other systems."""

    customerId: str
    name: str = ""
    externalNumber: str = ""
    address: str = ""
    city: str = ""
    country: str = ""
    email: str = ""
    phone: str = ""


class NewLevel(WrittenRecord):
    """A part of a customer's organisation, at the top or below another."""

    customerId: str
    name: str = Field(min_length=1)
    parentLevelId: str | None = None


class ChangedLevel(ChangedRecord):
    """A level to change; absent fields may be cleared, so send all of them."""

    customerId: str | None = None
    name: str | None = Field(default=None, min_length=1)
    parentLevelId: str | None = None


class Level(Answer):
    """A part of a customer's organisation; `parentLevelId` is "" at the top."""

    levelId: str
    customerId: str = ""
    parentLevelId: str = ""
    name: str = ""


class NewUser(WrittenRecord):
    """A person of a customer."""

    customerId: str
    userName: str = Field(min_length=1)
    levelId: str | None = None
    firstName: str | None = None
    lastName: str | None = None
    email: str | None = None


class ChangedUser(ChangedRecord):
    """A user to change; absent fields may be cleared, so send all of them."""

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


class ChangedDevice(ChangedRecord):
    """A device to change; absent fields may be cleared, so send all of them."""

    customerId: str | None = None
    levelId: str | None = None
    serialNumber: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    ipAddress: str | None = None
    location: str | None = None
    tagIds: list[str] | None = None


class Counters(Answer):
    """Pages over the device's life, None if unknown; `copies` is the vendor's `copy`."""

    total: IntOrNone = None
    mono: IntOrNone = None
    color: IntOrNone = None
    copies: IntOrNone = Field(default=None, validation_alias=AliasChoices("copies", "copy", "Copy"))
    scan: IntOrNone = None


class Supply(Answer):
    """A supply such as a cartridge or a drum; `levelPercent` is the rest."""

    type: str = ""
    color: str = ""
    levelPercent: Percent = None
    partNumber: str = ""


class Alert(Answer):
    """A problem that the device reports."""

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
    """The agent that finds and reads devices at a customer."""

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


class NewTag(WrittenRecord):
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


class NewReport(WrittenRecord):
    """A report: a name, and the view whose devices are in it."""

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
    """A report run that has begun; its result is read by this id."""

    ReportRequestGuid: str


class GetReportRun(Input):
    """A report run by its `ReportRequestGuid`. Without `NoDownload` the answer would have several kinds."""

    ReportRunGuid: str
    NoDownload: Literal[True] = True


class ReportFile(Answer):
    """A file of a report run; `Size` is in bytes."""

    FileId: str
    FileName: str = ""
    Size: IntOrNone = None


def _named(file: Any) -> Any:
    """Return a file that comes as its identifier alone as a record."""
    return {"FileId": file} if isinstance(file, str | int) else file


class ReportRun(Answer):
    """The state of a report run (Queued, Running, Completed, Failed or an unknown text) and its files."""

    Status: str
    Message: str = ""
    Files: list[Annotated[ReportFile, BeforeValidator(_named)]] = []


class GetReportFile(Input):
    """A file of a report run by its `FileId`."""

    fileId: str
