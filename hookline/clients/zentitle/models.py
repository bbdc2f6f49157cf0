"""Zentitle's licence codes, in its own (changing) spelling; and what its other subjects share with them."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import from_json

from hookline.clients.models import Answer, Consent, Flag, Input, Moment, TextFlag, Whole
from hookline.clients.paging import Paged

LARGEST_PAGE = 10_000
LARGEST_INT = 2_147_483_647
LONGEST_LEASE = 8760  # hours
LONGEST_OFFLINE_LEASE = 500  # days
LONGEST_VM_LEASE = 500  # hours
LONGEST_SUBSCRIPTION = 5000  # days
CHECK_OUT = "LTCO"

ZeroOrOne = Literal[0, 1]
Day = date | datetime
When = date | datetime | Literal["reset"]
LicenseType = Literal["perpetual", "subscriptionperiod", "expirationdate"]
NoteType = Literal["general", "system"]

Given = Annotated[str, Field(min_length=1)]
"""A text that is mandatory at Zentitle, where an empty one may count as left out."""

_COUNT = re.compile(r"(\w+) ?: ?(\d{1,18})")
_NOTE_ID = re.compile(r"0*[1-9]\d*")
_CERTIFICATE = re.compile(r"[0-9A-Za-z+/=]{32,}")


def must_tell(given: Any, names: tuple[str, ...], otherwise: str) -> Any:
    """The inputs, if these are among them: inputs that Zentitle does not leave alone where they are missing."""
    if isinstance(given, Mapping) and any(given.get(name) is None for name in names):
        raise ValueError(otherwise)
    return given


def check_type(kind: LicenseType | None, days: int | None, end: When | None) -> None:
    """Raise ValueError for a licence type without its period or end, or for these without their type."""
    if kind is None and (days is not None or end is not None):
        raise ValueError("send the licence type beside the period or end date of a subscription")
    if kind == "subscriptionperiod" and not days:
        raise ValueError(
            f"the type subscriptionperiod needs its period: 1 to {LONGEST_SUBSCRIPTION} days, "
            "1 to 1000 to extend one"
        )
    if kind == "expirationdate" and end in (None, "reset"):
        raise ValueError("the type expirationdate needs its end date, which cannot be reset")


def is_certificate(text: str) -> bool:
    """Whether a text is a certificate and no sentence: one long word."""
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
    found = [_COUNT.fullmatch(each) for each in value if isinstance(each, str)]
    counts = {each[1][0].upper() + each[1][1:]: int(each[2]) for each in found if each}
    return counts if len(counts) == len(value) else value


JsonText = Annotated[dict[str, Any] | list[Any] | str, BeforeValidator(_object_in_text)]
"""Zentitle sends an object as escaped text; read back as an object, or left as text if it is none."""

Counts = Annotated[dict[str, Any] | list[Any] | str, BeforeValidator(_counts)]
"""Texts such as `totalActive : 0`, read as `{"TotalActive": 0}`; left as they are if they are others."""


# Pages ------------------------------------------------------------------------------------------------------


class PageNumber(Paged):
    """Zentitle's paging, from 1; page 0 is the bare number of rows."""

    pagenumber: int = Field(default=1, ge=0, description="From 1; 0 counts.")
    pagesize: int = Field(default=LARGEST_PAGE, ge=1, le=LARGEST_PAGE)

    page_size: ClassVar[int | None] = 500
    count: ClassVar[dict[str, Any]] = {"pagenumber": 0}

    @classmethod
    def page(cls, start: int, number: int, before: Any) -> dict[str, Any]:
        """The page with this number."""
        del start, before
        return {"pagenumber": number, "pagesize": cls.page_size}


class CamelPageNumber(Paged):
    """The same in the other spelling."""

    pageNumber: int = Field(default=1, ge=0, description="From 1; 0 counts.")
    pageSize: int = Field(default=LARGEST_PAGE, ge=1, le=LARGEST_PAGE)

    page_size: ClassVar[int | None] = 500
    count: ClassVar[dict[str, Any]] = {"pageNumber": 0}

    @classmethod
    def page(cls, start: int, number: int, before: Any) -> dict[str, Any]:
        """The page with this number."""
        del start, before
        return {"pageNumber": number, "pageSize": cls.page_size}


# What a licence allows --------------------------------------------------------------------------------------


class FeatureChange(Input):
    """A feature to switch; `limit` is for floating seats and element pools only."""

    featurecode: Given
    featureavailability: Literal["on", "off"] | None = None
    limit: int | None = Field(default=None, ge=0)


class UdfValue(Input):
    """A value for a user-defined field."""

    fieldname: Given
    defaultvalue: str


class ServerFunctionChange(Input):
    """A function to switch; only LTCO has a parameter, the most days to check a licence out."""

    functionname: Given = CHECK_OUT
    enabled: Literal["on", "off"] | None = None
    parametervalue: int | None = Field(default=None, ge=0, le=LARGEST_INT)

    @model_validator(mode="after")
    def _only_one_has_a_parameter(self) -> "ServerFunctionChange":
        if self.parametervalue is not None and self.functionname != CHECK_OUT:
            raise ValueError(f"only {CHECK_OUT} has a parametervalue that can be set")
        return self


class LicenseTerms(Input):
    """What a licence allows."""

    clientleaseperiod: int | None = Field(default=None, ge=0, le=LONGEST_LEASE, description="Hours.")
    clientofflineleaseperiod: int | None = Field(
        default=None, ge=0, le=LONGEST_OFFLINE_LEASE, description="Days (hours in answers)."
    )
    vmleaseperiod: int | None = Field(
        default=None, ge=0, le=LONGEST_VM_LEASE, description="Hours; 0 is unlimited."
    )
    enabledforuse: TextFlag | None = None
    licensetype: LicenseType | None = None
    clientsallowed: int | None = Field(default=None, ge=0)
    acquiredbywebservice: TextFlag | None = None
    subscriptionperiod: int | None = Field(
        default=None, ge=0, le=LONGEST_SUBSCRIPTION, description="Days; at most 1000 to extend one."
    )
    concurrentprocesses: int | None = Field(default=None, ge=0, description="0 is unlimited.")
    concurrencymode: Literal["off", "cloud", "network"] | None = None
    networkseats: int | None = Field(default=None, ge=0, le=LARGEST_INT)
    heartbeat: int | None = Field(default=None, ge=5, le=1440, description="Minutes.")
    features: list[FeatureChange] | None = None
    udfvalues: list[UdfValue] | None = None
    serverFunctions: list[ServerFunctionChange] | None = None


class ChangedTerms(LicenseTerms):
    """What to change of a licence; what is not given stays as it is, and `reset` takes a date away."""

    licensetype: LicenseType | None = Field(
        default=None, description="Needed to change type, period or end date."
    )
    subscriptionenddate: When | None = None
    maintenanceenddate: When | None = None

    @model_validator(mode="after")
    def _type_beside_its_period(self) -> "ChangedTerms":
        check_type(self.licensetype, self.subscriptionperiod, self.subscriptionenddate)
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
    """A server function; only asked-for answers hold them."""

    functionName: str = ""
    enabled: Flag = False
    parameterValue: Whole = None


# Licence codes ----------------------------------------------------------------------------------------------


class GetLicenseCode(Input):
    """A licence code; without `productid` it is looked for among all products."""

    licensecode: Given
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

    productid: Given
    numcodes: int | None = Field(default=None, ge=1)
    licensecodes: str | None = Field(default=None, min_length=1)
    companyid: int | None = Field(default=None, ge=0)
    profilename: str | None = None
    reference: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "CreateLicenseCodes":
        if (self.numcodes is None) == (self.licensecodes is None):
            raise ValueError("give numcodes to generate codes, or licensecodes to import them")
        return self


class NoteChange(Input):
    """A note to add, or to delete (`description` holds its id). A repeat adds it again."""

    type: Literal["general", "system", "delete", "deleteall"]
    description: str | None = None

    @model_validator(mode="after")
    def _which_to_delete(self) -> "NoteChange":
        if self.type == "delete" and not _NOTE_ID.fullmatch(self.description or ""):
            raise ValueError("the description of a note to delete is the note's id")
        return self


class UpdateLicenseCode(ChangedTerms):
    """A licence code and what to change of it. Notes are added; `deleteall` needs `all_notes` beside it."""

    productid: Given
    licensecode: Given
    companyid: int | None = Field(default=None, ge=0, description="0 takes the company away.")
    profilename: str | None = Field(default=None, description="`default` is none.")
    inheritprofile: TextFlag = Field(default=False, description="The profile's terms replace those it has.")
    reference: str | None = None
    notes: list[NoteChange] | None = None
    all_notes: Consent = Field(default=False, description="Every note may be deleted.")

    @model_validator(mode="after")
    def _all_notes_are_meant(self) -> "UpdateLicenseCode":
        if any(note.type == "deleteall" for note in self.notes or []) and not self.all_notes:
            raise ValueError(
                "deleteall deletes every note of the licence code: say all_notes=True if you mean it"
            )
        return self


class ListLicenseCodes(PageNumber):
    """Which codes; those left out are all. Give `company` or `companyId`, not both."""

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
    """How many codes to take of a profile, or of none; fewer may be left."""

    productid: Given
    amount: int | None = Field(default=None, ge=1, description="1 if left out.")
    profilename: str | None = None


class OneLicenseCode(Input):
    """A licence code of a product."""

    productid: Given
    licensecode: Given


class LicenseNote(Answer):
    """A note of a licence; `createdBy` is empty where a web service made it."""

    noteID: Whole = None
    type: str = ""
    description: str = ""
    created: Moment = None
    createdBy: str = ""


class LicenseCode(Answer):
    """A licence. Leases are hours here, `clientOfflineLeaseperiod` too, though it is days in inputs."""

    licenseCode: str
    productID: str = ""
    company: str = ""
    companyID: Whole = None
    enabledforuse: Flag = False
    licensetype: str = ""
    clientsallowed: Whole = None
    activationsAllowed: Whole = None
    clientLeaseperiod: Whole = None
    vmLeaseperiod: Whole = None
    clientOfflineLeaseperiod: Whole = None
    acquiredbywebservice: Flag = False
    networkseats: Whole = None
    heartbeat: Whole = None
    profilename: str = ""
    concurrentProcesses: Whole = None
    concurrencyMode: str = ""
    numActivations: Whole = None
    numDeActivations: Whole = None
    subscriptionperiod: Whole = None
    subscriptionEnddate: Moment = None
    subscriptionlastActivated: Moment = None
    maintenanceEnddate: Moment = None
    created: Moment = None
    modified: Moment = None
    features: list[Feature] = []
    udfValues: list[UdfContent] = []
    serverFunctions: list[ServerFunction] = []
    notes: list[LicenseNote] = []


# Notes ------------------------------------------------------------------------------------------------------


class NewLicenseNote(OneLicenseCode):
    """A note for a licence code: the one searchable trace of an order on a licence."""

    description: Given
    type: NoteType = "general"


class ChangedLicenseNote(OneLicenseCode):
    """A note by its id, and what to change of it."""

    noteid: int = Field(ge=1)
    type: NoteType | None = None
    description: str | None = None


class DeletedLicenseNote(OneLicenseCode):
    """A note by its id; or `all_notes`, for every note of the licence code."""

    noteid: int | None = Field(default=None, ge=0)
    all_notes: Consent = Field(default=False, description="Delete every note, where no noteid is given.")

    @model_validator(mode="after")
    def _one_or_all(self) -> "DeletedLicenseNote":
        if bool(self.noteid) == self.all_notes:
            raise ValueError(
                "without a noteid, or with 0, Zentitle deletes every note of the licence code: "
                "give the noteid, or all_notes=True if you mean every note, not both"
            )
        return self


# Activity ---------------------------------------------------------------------------------------------------


class OneComputer(Input):
    """A computer by the id that the licensed program gives it, as in `kQe0MRH12bYgemkYW2bc`."""

    computerid: Given


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
                "give the computerid, or all_activity=True if you mean every computer, not both"
            )
        return self


class ActivatedLicenseCode(Answer):
    """A licence code that is active on a computer."""

    productID: str = ""
    licenseCode: str


class SystemDetails(Answer):
    """What a licensed program told of its computer."""

    computerID: str = ""
    operatingsystem: str = ""
    bitage: Whole = None
    screenresx: Whole = None
    screenresy: Whole = None
    processor: str = ""
    cores: Whole = None
    memory: Whole = None
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
    vmLeaseperiod: Whole = None
    clientleaseenddate: Moment = None
    vmPlatform: str = ""
    username: str = ""
    activated: Moment = None
    deactivated: Moment = None


# Licences by certificate ------------------------------------------------------------------------------------


class FeatureCode(Input):
    """A feature to enable."""

    featurecode: Given


class NewPassiveLicense(Input):
    """A licence for one client that never comes online."""

    productid: Given
    clientid: str = Field(min_length=10, max_length=255)
    companyid: int | None = Field(default=None, ge=0)
    profilename: str | None = None
    features: list[FeatureCode] | None = None
    udfvalues: list[UdfValue] | None = None


class NewMasterLicense(Input):
    """A licence for the daemon of a local network."""

    productid: Given
    companyid: int | None = Field(default=None, ge=0)


class Certificate(Answer):
    """A certificate to give to the licensed program; Zentitle sends it as text, perhaps behind a sentence."""

    message: str = ""
    certificate: str

    @model_validator(mode="before")
    @classmethod
    def _in_text(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        words = given.split()
        last = words.pop() if words and is_certificate(words[-1]) else None
        return {"message": " ".join(words), "certificate": last}


class MasterLicense(Certificate):
    """The same; whether Zentitle answers with the certificate is not documented."""

    certificate: str = ""
