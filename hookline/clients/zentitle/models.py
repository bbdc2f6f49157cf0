"""Zentitle's models for licence codes, in its own (changing) spelling, and those that its other modules share."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import from_json

from hookline.clients.models import Answer, Consent, Flag, Input, IntOrNone, Moment, TextFlag
from hookline.clients.paging import Paged

MAX_PAGE_SIZE = 10_000
MAX_INT = 2_147_483_647
MAX_LEASE = 8760  # hours
MAX_OFFLINE_LEASE = 500  # days
MAX_VM_LEASE = 500  # hours
MAX_SUBSCRIPTION = 5000  # days
CHECK_OUT = "LTCO"

ZeroOrOne = Literal[0, 1]
Day = date | datetime
DateOrReset = date | datetime | Literal["reset"]
LicenseType = Literal["perpetual", "subscriptionperiod", "expirationdate"]
NoteType = Literal["general", "system"]

NonEmpty = Annotated[str, Field(min_length=1)]
"""A text that is mandatory at Zentitle, where an empty one may count as left out."""

Count = Annotated[int | None, Field(ge=0)]
"""A number from 0, as the id of a record where 0 means none."""

Id = Annotated[int, Field(ge=1)]
"""The id of a record."""

LeaseHours = Annotated[int | None, Field(ge=0, le=MAX_LEASE, description="Hours.")]
OfflineLeaseDays = Annotated[
    int | None, Field(ge=0, le=MAX_OFFLINE_LEASE, description="Days (hours in answers).")
]
VmLeaseHours = Annotated[int | None, Field(ge=0, le=MAX_VM_LEASE, description="Hours; 0 is unlimited.")]

_COUNT = re.compile(r"(\w+) ?: ?(\d{1,18})")
_NOTE_ID = re.compile(r"0*[1-9]\d*")
_CERTIFICATE = re.compile(r"[0-9A-Za-z+/=]{32,}")


def require_explicit(raw: Any, names: tuple[str, ...], problem: str) -> Any:
    """Return the inputs; raise ValueError with the problem if one of these, which Zentitle would reset, is missing."""
    if isinstance(raw, Mapping) and any(raw.get(name) is None for name in names):
        raise ValueError(problem)
    return raw


def require_one(**values: object) -> None:
    """Raise ValueError unless exactly one of two inputs is given."""
    if sum(value is not None for value in values.values()) != 1:
        raise ValueError(f"give either {' or '.join(values)}, not both")


def check_license_type(kind: LicenseType | None, days: int | None, end: DateOrReset | None) -> None:
    """Raise ValueError for a licence type without its period or end, or for a period or end without its type."""
    if kind is None and (days is not None or end is not None):
        raise ValueError("send the licence type beside the period or end date of a subscription")
    if kind == "subscriptionperiod" and not days:
        raise ValueError(
            f"the type subscriptionperiod needs its period: 1 to {MAX_SUBSCRIPTION} days, "
            "1 to 1000 to extend one"
        )
    if kind == "expirationdate" and end in (None, "reset"):
        raise ValueError("the type expirationdate needs its end date, which cannot be reset")


def is_certificate(text: str) -> bool:
    """Return True if a text is a certificate and no sentence: one long word."""
    return bool(_CERTIFICATE.fullmatch(text.strip()))


def _object_in_text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return from_json(value) if value.strip() else {}
    except ValueError:
        return value


def _counts(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    matches = [_COUNT.fullmatch(each) for each in value if isinstance(each, str)]
    counts = {match[1][0].upper() + match[1][1:]: int(match[2]) for match in matches if match}
    return counts if len(counts) == len(value) else value


JsonText = Annotated[dict[str, Any] | list[Any] | str, BeforeValidator(_object_in_text)]
"""Zentitle sends an object as escaped text; read back as an object, or left as text if it is none."""

Counts = Annotated[dict[str, Any] | list[Any] | str, BeforeValidator(_counts)]
"""Texts such as `totalActive : 0`, read as `{"TotalActive": 0}`; left as they are if they are others."""


# Pages ------------------------------------------------------------------------------------------------------


class NumberedPages(Paged):
    """Zentitle's paging, from 1; page 0 is the bare number of rows."""

    page_size: ClassVar[int | None] = 500
    size_input: ClassVar[str]

    @classmethod
    def page(cls, start: int, number: int, before: Any) -> dict[str, Any]:
        """Return the inputs for the page with this number."""
        del start, before
        return dict.fromkeys(cls.count, number) | {cls.size_input: cls.page_size}


class PageNumber(NumberedPages):
    """Paging in the spelling of the older calls."""

    pagenumber: int = Field(default=1, ge=0, description="From 1; 0 counts.")
    pagesize: int = Field(default=MAX_PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE)

    count: ClassVar[dict[str, Any]] = {"pagenumber": 0}
    size_input: ClassVar[str] = "pagesize"


class CamelPageNumber(NumberedPages):
    """Paging in the other spelling."""

    pageNumber: int = Field(default=1, ge=0, description="From 1; 0 counts.")
    pageSize: int = Field(default=MAX_PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE)

    count: ClassVar[dict[str, Any]] = {"pageNumber": 0}
    size_input: ClassVar[str] = "pageSize"


# License terms ----------------------------------------------------------------------------------------------


class FeatureChange(Input):
    """A feature to switch; `limit` is for floating seats and element pools only."""

    featurecode: NonEmpty
    featureavailability: Literal["on", "off"] | None = None
    limit: Count = None


class UdfValue(Input):
    """A value for a user-defined field."""

    fieldname: NonEmpty
    defaultvalue: str


class ServerFunctionChange(Input):
    """A function to switch; only LTCO has a parameter, the maximum of days to check a licence out."""

    functionname: NonEmpty = CHECK_OUT
    enabled: Literal["on", "off"] | None = None
    parametervalue: int | None = Field(default=None, ge=0, le=MAX_INT)

    @model_validator(mode="after")
    def _only_one_has_a_parameter(self) -> "ServerFunctionChange":
        if self.parametervalue is not None and self.functionname != CHECK_OUT:
            raise ValueError(f"only {CHECK_OUT} has a parametervalue that can be set")
        return self


class LicenseTerms(Input):
    """The terms of a licence."""

    clientleaseperiod: LeaseHours = None
    clientofflineleaseperiod: OfflineLeaseDays = None
    vmleaseperiod: VmLeaseHours = None
    enabledforuse: TextFlag | None = None
    licensetype: LicenseType | None = None
    clientsallowed: Count = None
    acquiredbywebservice: TextFlag | None = None
    subscriptionperiod: int | None = Field(
        default=None, ge=0, le=MAX_SUBSCRIPTION, description="Days; at most 1000 to extend one."
    )
    concurrentprocesses: int | None = Field(default=None, ge=0, description="0 is unlimited.")
    concurrencymode: Literal["off", "cloud", "network"] | None = None
    networkseats: int | None = Field(default=None, ge=0, le=MAX_INT)
    heartbeat: int | None = Field(default=None, ge=5, le=1440, description="Minutes.")
    features: list[FeatureChange] | None = None
    udfvalues: list[UdfValue] | None = None
    serverFunctions: list[ServerFunctionChange] | None = None


class ChangedTerms(LicenseTerms):
    """The changed terms of a licence; others stay as they are, and `reset` removes a date."""

    licensetype: LicenseType | None = Field(
        default=None, description="Required to change type, period or end date."
    )
    subscriptionenddate: DateOrReset | None = None
    maintenanceenddate: DateOrReset | None = None

    @model_validator(mode="after")
    def _type_beside_its_period(self) -> "ChangedTerms":
        check_license_type(self.licensetype, self.subscriptionperiod, self.subscriptionenddate)
        return self


class Feature(Answer):
    """A feature of a licence or product; a limited one counts in `featureDetails`."""

    featureCode: str = ""
    featureAvailability: str = ""
    featureType: str = ""
    featureDetails: Counts = {}


class UdfContent(Answer):
    """The content of a user-defined field."""

    fieldName: str = ""
    defaultValue: str = ""


class ServerFunction(Answer):
    """A server function; answers hold them only if they are asked for."""

    functionName: str = ""
    enabled: Flag = False
    parameterValue: IntOrNone = None


# Licence codes ----------------------------------------------------------------------------------------------


class GetLicenseCode(Input):
    """A licence code; without `productid` all products are searched."""

    licensecode: NonEmpty
    productid: str | None = None
    details: ZeroOrOne | None = None
    getnotes: ZeroOrOne | None = None
    userdetails: ZeroOrOne | None = None
    getsfs: ZeroOrOne | None = None
    showfeatures: Literal["on", "all"] | None = None


class CreateLicenseCodes(Input):
    """
    Codes to generate (`numcodes`), or to import (`licensecodes`, separated by commas).

    `reference` is write-only: it cannot be used to find the codes again.
    """

    productid: NonEmpty
    numcodes: int | None = Field(default=None, ge=1)
    licensecodes: str | None = Field(default=None, min_length=1)
    companyid: Count = None
    profilename: str | None = None
    reference: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "CreateLicenseCodes":
        require_one(numcodes=self.numcodes, licensecodes=self.licensecodes)
        return self


class NoteChange(Input):
    """A note to add, or to delete (`description` holds its id). A repeat adds it again."""

    type: Literal["general", "system", "delete", "deleteall"]
    description: str | None = None

    @model_validator(mode="after")
    def _has_an_id_to_delete(self) -> "NoteChange":
        if self.type == "delete" and not _NOTE_ID.fullmatch(self.description or ""):
            raise ValueError("the description of a note to delete is the note's id")
        return self


class UpdateLicenseCode(ChangedTerms):
    """A licence code to change. Notes are added; `deleteall` needs `all_notes` as well."""

    productid: NonEmpty
    licensecode: NonEmpty
    companyid: int | None = Field(default=None, ge=0, description="0 removes the company.")
    profilename: str | None = Field(default=None, description="`default` is none.")
    inheritprofile: TextFlag = Field(default=False, description="The profile's terms replace its own.")
    reference: str | None = None
    notes: list[NoteChange] | None = None
    all_notes: Consent = Field(default=False, description="Every note may be deleted.")

    @model_validator(mode="after")
    def _all_notes_is_confirmed(self) -> "UpdateLicenseCode":
        if any(note.type == "deleteall" for note in self.notes or []) and not self.all_notes:
            raise ValueError(
                "deleteall deletes every note of the licence code: set all_notes=True if you want that"
            )
        return self


class ListLicenseCodes(PageNumber):
    """Filters of the codes. Give `company` or `companyId`, not both."""

    productid: str | None = None
    company: str | None = None
    companyId: int | None = None
    profilename: str | None = None
    acquiredbywebservice: TextFlag | None = None
    used: TextFlag | None = None
    activated: TextFlag | None = None
    getsfs: ZeroOrOne | None = None

    @model_validator(mode="after")
    def _one_company(self) -> "ListLicenseCodes":
        if self.company is not None and self.companyId is not None:
            raise ValueError("give company or companyId, not both")
        return self


class TakeLicenseCodes(Input):
    """The number of codes to take from a profile, or from those without one; fewer may be left."""

    productid: NonEmpty
    amount: int | None = Field(default=None, ge=1, description="1 if left out.")
    profilename: str | None = None


class OneLicenseCode(Input):
    """A licence code of a product."""

    productid: NonEmpty
    licensecode: NonEmpty


class LicenseNote(Answer):
    """A note of a licence; `createdBy` is empty where a web service made it."""

    noteID: IntOrNone = None
    type: str = ""
    description: str = ""
    created: Moment = None
    createdBy: str = ""


class TermsAnswer(Answer):
    """The common terms of a licence and a profile. All leases are hours, though an offline lease is days in inputs."""

    enabledforuse: Flag = False
    licensetype: str = ""
    clientsallowed: IntOrNone = None
    clientLeaseperiod: IntOrNone = None
    vmLeaseperiod: IntOrNone = None
    clientOfflineLeaseperiod: IntOrNone = None
    acquiredbywebservice: Flag = False
    networkseats: IntOrNone = None
    heartbeat: IntOrNone = None
    concurrentProcesses: IntOrNone = None
    concurrencyMode: str = ""
    subscriptionperiod: IntOrNone = None
    subscriptionEnddate: Moment = None
    maintenanceEnddate: Moment = None
    created: Moment = None
    modified: Moment = None
    features: list[Feature] = []
    udfValues: list[UdfContent] = []
    serverFunctions: list[ServerFunction] = []


class LicenseCode(TermsAnswer):
    """A licence."""

    licenseCode: str
    productID: str = ""
    company: str = ""
    companyID: IntOrNone = None
    activationsAllowed: IntOrNone = None
    profilename: str = ""
    numActivations: IntOrNone = None
    numDeActivations: IntOrNone = None
    subscriptionlastActivated: Moment = None
    notes: list[LicenseNote] = []


# Notes ------------------------------------------------------------------------------------------------------


class NewLicenseNote(OneLicenseCode):
    """A note for a licence code: the one searchable trace of an order on a licence."""

    description: NonEmpty
    type: NoteType = "general"


class ChangedLicenseNote(OneLicenseCode):
    """A note to change, by its id."""

    noteid: Id
    type: NoteType | None = None
    description: str | None = None


class DeletedLicenseNote(OneLicenseCode):
    """A note by its id; or `all_notes`, for every note of the licence code."""

    noteid: Count = None
    all_notes: Consent = Field(default=False, description="Delete every note, where no noteid is given.")

    @model_validator(mode="after")
    def _one_or_all(self) -> "DeletedLicenseNote":
        if bool(self.noteid) == self.all_notes:
            raise ValueError(
                "without a noteid, or with 0, Zentitle deletes every note of the licence code: "
                "give the noteid, or all_notes=True to delete every note, not both"
            )
        return self


# Activity ---------------------------------------------------------------------------------------------------


class OneComputer(Input):
    """A computer by the licensed program's id for it, as in `kQe0MRH12bYgemkYW2bc`."""

    computerid: NonEmpty


class ListActivity(OneLicenseCode):
    """A licence code whose activity to read."""

    activated: ZeroOrOne | None = Field(default=None, description="1: only where it is active now.")
    getsysinfo: ZeroOrOne | None = None


class DeletedActivity(OneLicenseCode):
    """A licence code and a computer; or `all_activity`, for every computer."""

    computerid: str | None = None
    all_activity: Consent = Field(
        default=False, description="Delete that of every computer, where no computerid is given."
    )

    @model_validator(mode="after")
    def _one_or_all(self) -> "DeletedActivity":
        if bool(self.computerid) == self.all_activity:
            raise ValueError(
                "without a computerid Zentitle deletes all activity of the licence code: "
                "give the computerid, or all_activity=True to delete that of every computer, not both"
            )
        return self


class ActivatedLicenseCode(Answer):
    """A licence code that is active on a computer."""

    productID: str = ""
    licenseCode: str


class SystemDetails(Answer):
    """A licensed program's report about its computer."""

    computerID: str = ""
    operatingsystem: str = ""
    bitage: IntOrNone = None
    screenresx: IntOrNone = None
    screenresy: IntOrNone = None
    processor: str = ""
    cores: IntOrNone = None
    memory: IntOrNone = None
    oslanguage: str = ""
    applanguage: str = ""
    type: str = ""
    licensestatus: str = ""
    version: str = ""
    build: str = ""
    edition: str = ""
    computername: str = ""
    vmplatform: str = ""


class Activity(Answer):
    """A licence code on a computer; `deactivated` is None while it is active."""

    licenseCode: str = ""
    computerID: str = ""
    systemInfo: Annotated[SystemDetails | str | None, BeforeValidator(_object_in_text)] = None
    status: str = ""
    vmLeaseperiod: IntOrNone = None
    clientleaseenddate: Moment = None
    vmPlatform: str = ""
    username: str = ""
    activated: Moment = None
    deactivated: Moment = None


# Licences by certificate ------------------------------------------------------------------------------------


class FeatureCode(Input):
    """A feature to enable."""

    featurecode: NonEmpty


class NewPassiveLicense(Input):
    """A licence for one client that never comes online."""

    productid: NonEmpty
    clientid: str = Field(min_length=10, max_length=255)
    companyid: Count = None
    profilename: str | None = None
    features: list[FeatureCode] | None = None
    udfvalues: list[UdfValue] | None = None


class NewMasterLicense(Input):
    """A licence for the daemon of a local network."""

    productid: NonEmpty
    companyid: Count = None


class Certificate(Answer):
    """A certificate for the licensed program; Zentitle sends it as text, perhaps after a sentence."""

    message: str = ""
    certificate: str

    @model_validator(mode="before")
    @classmethod
    def _in_text(cls, raw: Any) -> Any:
        if not isinstance(raw, str):
            return raw
        words = raw.split()
        last = words.pop() if words and is_certificate(words[-1]) else None
        return {"message": " ".join(words), "certificate": last}


class MasterLicense(Certificate):
    """A certificate, or only a message: the answer is not documented."""

    certificate: str = ""
