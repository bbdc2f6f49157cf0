"""What goes into and comes out of Zentitle's Web API V1, in its own (changing) spelling."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import from_json

from hookline.clients.models import Answer, Flag, Input, Moment, TextFlag, Whole
from hookline.clients.paging import Paged

LARGEST_PAGE = 10_000
HOURS_IN_A_YEAR = 8760
LARGEST_INT = 2_147_483_647

ZeroOrOne = Literal[0, 1]
When = date | datetime | Literal["reset"]
LicenseType = Literal["perpetual", "subscriptionperiod", "expirationdate"]
NoteType = Literal["general", "system"]


def _object_in_text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return from_json(value) if value.strip() else {}
    except ValueError:
        return value


JsonText = Annotated[dict[str, Any] | list[Any] | str, BeforeValidator(_object_in_text)]
"""Zentitle sends an object as escaped text; read back as an object, or left as text if it is none."""


# Licence codes ----------------------------------------------------------------------------------------------


class GetLicenseCode(Input):
    """A licence code; without `productid` it is looked for among all products."""

    licensecode: str
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

    productid: str
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


class FeatureChange(Input):
    """A feature to switch; `limit` is for floating seats and element pools only."""

    featurecode: str
    featureavailability: Literal["on", "off"] | None = None
    limit: int | None = Field(default=None, ge=0)


class UdfValue(Input):
    """A value for a user-defined field."""

    fieldname: str
    defaultvalue: str


class ServerFunctionChange(Input):
    """Only LTCO can be set; `parametervalue` is the most days to check out."""

    functionname: Literal["LTCO"] = "LTCO"
    enabled: Literal["on", "off"] | None = None
    parametervalue: int | None = Field(default=None, ge=0, le=LARGEST_INT)


class NoteChange(Input):
    """A note to add, or to delete (`description` holds its id). A repeat adds it again."""

    type: Literal["general", "system", "delete", "deleteall"]
    description: str | None = None


class LicenseProperties(Input):
    """What a licence allows; what is not given stays as it is."""

    clientleaseperiod: int | None = Field(default=None, ge=0, le=HOURS_IN_A_YEAR, description="Hours.")
    clientofflineleaseperiod: int | None = Field(
        default=None, ge=0, le=500, description="Days (hours in answers)."
    )
    vmleaseperiod: int | None = Field(default=None, ge=0, le=500, description="Hours; 0 is unlimited.")
    enabledforuse: TextFlag | None = None
    licensetype: LicenseType | None = Field(
        default=None, description="Needed to change type, period or end date."
    )
    clientsallowed: int | None = Field(default=None, ge=0)
    acquiredbywebservice: TextFlag | None = None
    subscriptionperiod: int | None = Field(default=None, ge=1, le=5000, description="Days; it may be added.")
    subscriptionenddate: When | None = None
    maintenanceenddate: When | None = None
    concurrentprocesses: int | None = Field(default=None, ge=0, description="0 is unlimited.")
    concurrencymode: Literal["off", "cloud", "network"] | None = None
    networkseats: int | None = Field(default=None, ge=0, le=LARGEST_INT)
    heartbeat: int | None = Field(default=None, ge=5, le=1440, description="Minutes.")
    features: list[FeatureChange] | None = None
    udfvalues: list[UdfValue] | None = None
    serverFunctions: list[ServerFunctionChange] | None = None

    @model_validator(mode="after")
    def _type_beside_its_period(self) -> "LicenseProperties":
        timed = self.subscriptionperiod is not None or self.subscriptionenddate is not None
        if timed and self.licensetype is None:
            raise ValueError("send licensetype beside subscriptionperiod or subscriptionenddate")
        return self


class UpdateLicenseCode(LicenseProperties):
    """A licence code and what to change of it."""

    productid: str
    licensecode: str
    companyid: int | None = Field(default=None, ge=0, description="0 takes the company away.")
    profilename: str | None = Field(default=None, description="`default` is none.")
    inheritprofile: TextFlag | None = None
    reference: str | None = None
    notes: list[NoteChange] | None = None


class PageNumber(Paged):
    """Zentitle's paging, from 1; it would answer 0, or no number, with a bare count."""

    pagenumber: int = Field(default=1, ge=1)
    pagesize: int = Field(default=LARGEST_PAGE, ge=1, le=LARGEST_PAGE)

    page_size: ClassVar[int | None] = 500

    @classmethod
    def page(cls, start: int, number: int, before: Any) -> dict[str, Any]:
        """The page with this number."""
        del start, before
        return {"pagenumber": number, "pagesize": cls.page_size}


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


class OneLicenseCode(Input):
    """A licence code of a product."""

    productid: str
    licensecode: str


class NewLicenseNote(OneLicenseCode):
    """A note for a licence code: the one searchable trace of an order on a licence."""

    description: str
    type: NoteType = "general"


class Feature(Answer):
    """A feature of a licence or product; details are `Key : value` texts."""

    featureCode: str = ""
    featureAvailability: str = ""
    featureType: str = ""
    featureDetails: list[str] = []


class UdfContent(Answer):
    """The content of a user-defined field."""

    fieldName: str = ""
    defaultValue: str = ""


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
    notes: list[LicenseNote] = []


# Products and profiles --------------------------------------------------------------------------------------


class OneProduct(Input):
    """A product by its ten-digit id."""

    productid: str


class GetProfile(Input):
    """A profile by its name."""

    productid: str
    profilename: str
    getsfs: ZeroOrOne | None = None


class Product(Answer):
    """A product and its defaults."""

    productId: str
    productName: str = ""
    licenseType: str = ""
    trialPeriod: Whole = None
    clientsAllowed: Whole = None
    clientLeasePeriod: Whole = None
    vmLeasePeriod: Whole = None
    clientOfflineLeasePeriod: Whole = None
    features: list[Feature] = []
    udfValues: list[UdfContent] = []


class Profile(Answer):
    """A profile: what the codes made with it are allowed."""

    profileName: str
    profileID: Whole = None
    enabledforuse: Flag = False
    licensetype: str = ""
    clientsallowed: Whole = None
    subscriptionperiod: Whole = None
    subscriptionEnddate: Moment = None
    maintenanceEnddate: Moment = None
    created: Moment = None
    modified: Moment = None
    features: list[Feature] = []


# End users --------------------------------------------------------------------------------------------------


class ListConsumerData(PageNumber):
    """Which records; only the last one of each computer unless `justlast` is false."""

    productid: str
    computerid: str | None = None
    justlast: TextFlag | None = None
    type: Literal["trials", "activations", "all"] | None = None
    startdate: date | datetime | None = None
    enddate: date | datetime | None = None


class NewConsumerData(Input):
    """A record; firstname, lastname, company and email inside `clientinfo` become searchable."""

    productid: str
    computerid: str
    clientinfo: dict[str, Any]
    licensecode: str | None = Field(default=None, description="For activations; leave out for trials.")


class ConsumerData(Answer):
    """A record of a user."""

    productID: str = ""
    computerID: str = ""
    licenseCode: str = ""
    firstName: str = ""
    lastName: str = ""
    company: str = ""
    email: str = ""
    clientInfo: JsonText = {}
    created: Moment = None


# Companies --------------------------------------------------------------------------------------------------


class OneCompany(Input):
    """A company by its id; without `productid` the global one."""

    companyid: int
    productid: str | None = None


class NamedCompany(Input):
    """A company by its exact name; without `productid` the global one."""

    company: str
    productid: str | None = None


class NewCompany(Input):
    """A company; `productid` is needed even for a global one."""

    company: str
    productid: str
    global_: ZeroOrOne | None = Field(default=None, serialization_alias="global")
    companydata: dict[str, Any] | None = None
    search1: str | None = None
    search2: str | None = None
    search3: str | None = None
    reseller: str | None = None


class Company(Answer):
    """A company; its id is not repeated in the answer, and `productID` "0" is global."""

    company: str
    companyData: JsonText = {}
    firstName: str = ""
    email: str = ""
    search1: str = ""
    search2: str = ""
    search3: str = ""
    created: Moment = None
    productID: str = ""


class CompanyID(Answer):
    """The id of a company."""

    companyID: int
    company: str = ""
    productID: str = ""
    productName: str = ""
