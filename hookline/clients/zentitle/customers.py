"""Who uses Zentitle's licences: end users, trials, computers, companies, and groups with their users."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hookline.clients.models import Answer, Flag, Input, Moment, Secret, TextFlag, Whole
from hookline.clients.zentitle.models import (
    CamelPageNumber,
    Day,
    Given,
    JsonText,
    OneLicenseCode,
    PageNumber,
    ZeroOrOne,
    must_tell,
)

Password = Annotated[Secret, Field(min_length=1)]


# End users --------------------------------------------------------------------------------------------------


class ListConsumerData(PageNumber):
    """Which records; only the last one of each computer unless `justlast` is false."""

    productid: Given
    computerid: str | None = None
    justlast: TextFlag | None = None
    type: Literal["trials", "activations", "all"] | None = None
    startdate: Day | None = None
    enddate: Day | None = None


class NewConsumerData(Input):
    """A record; firstname, lastname, company and email inside `clientinfo` become searchable."""

    productid: Given
    computerid: Given
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


# Trials and computers ---------------------------------------------------------------------------------------


class OnComputer(Input):
    """A product on a computer."""

    productid: Given
    computerid: Given


class ListTrials(CamelPageNumber):
    """Which trials; those left out are all."""

    productId: str | None = None
    computerId: str | None = None
    expiresBefore: Day | None = None
    expiresAfter: Day | None = None
    expiresWithinDays: int | None = Field(default=None, ge=0)
    trialStatus: Literal["inTrial", "expired"] | None = None
    converted: TextFlag | None = Field(default=None, description="Whether a licence was activated.")
    createdBefore: Day | None = None
    createdAfter: Day | None = None
    createdWithinDays: int | None = Field(default=None, ge=0)


class Trial(Answer):
    """A trial; `trialStatus` is in other words than the filter, such as `Trial Expired`."""

    productId: str = ""
    computerId: str = ""
    trialPeriod: Whole = None
    created: Moment = None
    modified: Moment = None
    leaseEndDate: Moment = None
    expires: Moment = None
    trialStatus: str = ""
    converted: Flag = False
    licenseCode: str = ""


class ActivationRequest(Input):
    """What the licensed program wrote down to be activated offline."""

    productid: Given
    activationcertificate: Given


class DeactivationRequest(Input):
    """What the licensed program wrote down when it was deactivated offline."""

    productid: Given
    deactivationcertificate: Given


class NewEvent(Input):
    """An event for the DataStream; an id of your own in the payload is the only way to know it again."""

    event: Given
    productId: str | None = None
    payload: dict[str, Any] | str | None = None


# Companies --------------------------------------------------------------------------------------------------


class OneCompany(Input):
    """A company by its id; without `productid` the global one."""

    companyid: int
    productid: str | None = None


class NamedCompany(Input):
    """A company by its exact name; without `productid` the global one."""

    company: Given
    productid: str | None = None


class CompanyFacts(Input):
    """What is kept about a company; `productid` is needed even for a global one."""

    productid: Given
    global_: ZeroOrOne | None = Field(default=None, serialization_alias="global")
    companydata: dict[str, Any] | None = None
    search1: str | None = None
    search2: str | None = None
    search3: str | None = None
    reseller: str | None = None


class NewCompany(CompanyFacts):
    """A company; `productid` is needed even for a global one."""

    company: Given


class ChangedCompany(CompanyFacts):
    """A company by its id, and what to change of it; what is not given stays as it is."""

    companyid: int = Field(ge=1)
    company: str | None = Field(default=None, min_length=1, description="A new name, still free.")


class DeletedCompany(Input):
    """A company by its id."""

    companyid: int = Field(ge=1)


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
    """The id of a company; `productID` "0" is global."""

    companyID: int
    company: str = ""
    productID: str = ""
    productName: str = ""


# Groups -----------------------------------------------------------------------------------------------------


class OneGroup(Input):
    """A group, by its id or by its name."""

    groupid: int | None = Field(default=None, ge=1)
    groupname: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_way(self) -> "OneGroup":
        if (self.groupid is None) == (self.groupname is None):
            raise ValueError("give either groupid or groupname, not both")
        return self


class NewGroup(Input):
    """A group by a name that is still free."""

    groupname: Given
    type: Literal["master", "standard"]
    description: str | None = None
    mastergroupid: int | None = Field(default=None, ge=0, description="0 is none.")
    companyid: int | None = Field(default=None, ge=0, description="0 is none.")


class ChangedGroup(Input):
    """A group by its id, and what to change of it; what is not given stays as it is."""

    groupid: int = Field(ge=1)
    groupname: str | None = Field(default=None, min_length=1)
    type: Literal["master", "standard"] | None = None
    description: str | None = None
    mastergroupid: int | None = Field(default=None, ge=0)
    companyid: int | None = Field(default=None, ge=0)


class GroupLicenseCode(Answer):
    """A licence code's place in a group."""

    groupID: Whole = None
    productID: str = ""
    licenseCode: str = ""
    created: Moment = None


class GroupUser(Answer):
    """A user of a group."""

    groupUserID: Whole = None
    groupID: Whole = None
    userName: str
    firstName: str = ""
    lastName: str = ""
    email: str = ""
    telephone: str = ""
    additionalData: JsonText = {}
    created: Moment = None
    modified: Moment = None


class SubGroup(Answer):
    """A group under another."""

    groupID: Whole = None
    groupName: str = ""


class Group(Answer):
    """A group with its licence codes, users and subgroups."""

    groupID: int
    type: str = ""
    masterGroupID: Whole = None
    groupName: str = ""
    description: str = ""
    created: Moment = None
    modified: Moment = None
    companyID: Whole = None
    groupLicenses: list[GroupLicenseCode] = []
    groupUsers: list[GroupUser] = []
    subGroups: list[SubGroup] = []


class AssignedLicenseCode(OneLicenseCode):
    """A licence code for a group. Both its company and its profile are set: say those it has, to keep them."""

    groupid: int = Field(ge=1)
    companyid: int = Field(ge=0, description="0 is none.")
    profileid: int = Field(ge=0, description="0 is none.")

    @model_validator(mode="before")
    @classmethod
    def _company_and_profile_are_meant(cls, given: Any) -> Any:
        return must_tell(
            given,
            ("companyid", "profileid"),
            "without companyid and profileid Zentitle takes the licence code out of its company and profile: "
            "give both as they are now to keep them, or 0 if none is meant",
        )


class UnassignedLicenseCode(OneLicenseCode):
    """A licence code and the group to take it from."""

    groupid: int = Field(ge=1)


# Users of groups --------------------------------------------------------------------------------------------


class OneGroupUser(Input):
    """A user, by its id or by its name."""

    groupuserid: int | None = Field(default=None, ge=1)
    username: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_way(self) -> "OneGroupUser":
        if (self.groupuserid is None) == (self.username is None):
            raise ValueError("give either groupuserid or username, not both")
        return self


class UserFacts(Input):
    """What is kept about a user; `{"EUPMaster": true}` in `additionaldata` makes it a master."""

    firstname: str | None = None
    lastname: str | None = None
    email: str | None = None
    telephone: str | None = None
    additionaldata: dict[str, Any] | None = None


class NewGroupUser(UserFacts):
    """A user of a group; `{"EUPMaster": true}` in `additionaldata` makes it a master."""

    groupid: int = Field(ge=1)
    username: Given
    password: Password


class ChangedGroupUser(UserFacts):
    """A user by its id, the group it is to be in, and what to change of it."""

    groupuserid: int = Field(ge=1)
    groupid: int = Field(ge=1)
    username: str | None = Field(default=None, min_length=1)


class DeletedGroupUser(Input):
    """A user by its id."""

    groupuserid: int = Field(ge=1)


class UserAndPassword(Input):
    """A user's name and password."""

    username: Given
    password: Password


class NewGroupUserLicense(UserFacts):
    """A new group, a new user in it, and a licence code for it."""

    groupname: Given
    productid: Given
    licensecode: Given
    username: Given
    password: Password
