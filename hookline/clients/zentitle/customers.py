"""Zentitle's models for end users, trials, computers, companies, and groups with their users."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hookline.clients.models import Answer, Flag, Input, IntOrNone, Moment, Secret, TextFlag
from hookline.clients.zentitle.models import (
    CamelPageNumber,
    Count,
    Day,
    Id,
    JsonText,
    NonEmpty,
    OneLicenseCode,
    PageNumber,
    ZeroOrOne,
    require_explicit,
    require_one,
)

Password = Annotated[Secret, Field(min_length=1)]


# End users --------------------------------------------------------------------------------------------------


class ListConsumerData(PageNumber):
    """Filters of the records; only the last one of each computer unless `justlast` is false."""

    productid: NonEmpty
    computerid: str | None = None
    justlast: TextFlag | None = None
    type: Literal["trials", "activations", "all"] | None = None
    startdate: Day | None = None
    enddate: Day | None = None


class NewConsumerData(Input):
    """A record; firstname, lastname, company and email inside `clientinfo` become searchable."""

    productid: NonEmpty
    computerid: NonEmpty
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

    productid: NonEmpty
    computerid: NonEmpty


class ListTrials(CamelPageNumber):
    """Filters of the trials."""

    productId: str | None = None
    computerId: str | None = None
    expiresBefore: Day | None = None
    expiresAfter: Day | None = None
    expiresWithinDays: Count = None
    trialStatus: Literal["inTrial", "expired"] | None = None
    converted: TextFlag | None = Field(default=None, description="True if a licence was activated.")
    createdBefore: Day | None = None
    createdAfter: Day | None = None
    createdWithinDays: Count = None


class Trial(Answer):
    """A trial; `trialStatus` has other values than the filter, such as `Trial Expired`."""

    productId: str = ""
    computerId: str = ""
    trialPeriod: IntOrNone = None
    created: Moment = None
    modified: Moment = None
    leaseEndDate: Moment = None
    expires: Moment = None
    trialStatus: str = ""
    converted: Flag = False
    licenseCode: str = ""


class ActivationRequest(Input):
    """The licensed program's request to be activated offline."""

    productid: NonEmpty
    activationcertificate: NonEmpty


class DeactivationRequest(Input):
    """The licensed program's proof that it was deactivated offline."""

    productid: NonEmpty
    deactivationcertificate: NonEmpty


class NewEvent(Input):
    """An event for the DataStream; it can be recognised only by an id of your own in the payload."""

    event: NonEmpty
    productId: str | None = None
    payload: dict[str, Any] | str | None = None


# Companies --------------------------------------------------------------------------------------------------


class OneCompany(Input):
    """A company by its id; without `productid` the global one."""

    companyid: int
    productid: str | None = None


class NamedCompany(Input):
    """A company by its exact name; without `productid` the global one."""

    company: NonEmpty
    productid: str | None = None


class CompanyFacts(Input):
    """The fields of a company; `productid` is required even for a global one."""

    productid: NonEmpty
    global_: ZeroOrOne | None = Field(default=None, serialization_alias="global")
    companydata: dict[str, Any] | None = None
    search1: str | None = None
    search2: str | None = None
    search3: str | None = None
    reseller: str | None = None


class NewCompany(CompanyFacts):
    """A company; `productid` is required even for a global one."""

    company: NonEmpty


class ChangedCompany(CompanyFacts):
    """A company to change, by its id; only the inputs given change."""

    companyid: Id
    company: str | None = Field(default=None, min_length=1, description="A new name that is not in use.")


class DeletedCompany(Input):
    """A company by its id."""

    companyid: Id


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

    groupid: Id | None = None
    groupname: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_way(self) -> "OneGroup":
        require_one(groupid=self.groupid, groupname=self.groupname)
        return self


class NewGroup(Input):
    """A group with a name that is not in use."""

    groupname: NonEmpty
    type: Literal["master", "standard"]
    description: str | None = None
    mastergroupid: int | None = Field(default=None, ge=0, description="0 is none.")
    companyid: int | None = Field(default=None, ge=0, description="0 is none.")


class ChangedGroup(Input):
    """A group to change, by its id; only the inputs given change."""

    groupid: Id
    groupname: str | None = Field(default=None, min_length=1)
    type: Literal["master", "standard"] | None = None
    description: str | None = None
    mastergroupid: Count = None
    companyid: Count = None


class GroupLicenseCode(Answer):
    """A licence code's place in a group."""

    groupID: IntOrNone = None
    productID: str = ""
    licenseCode: str = ""
    created: Moment = None


class GroupUser(Answer):
    """A user of a group."""

    groupUserID: IntOrNone = None
    groupID: IntOrNone = None
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

    groupID: IntOrNone = None
    groupName: str = ""


class Group(Answer):
    """A group with its licence codes, users and subgroups."""

    groupID: int
    type: str = ""
    masterGroupID: IntOrNone = None
    groupName: str = ""
    description: str = ""
    created: Moment = None
    modified: Moment = None
    companyID: IntOrNone = None
    groupLicenses: list[GroupLicenseCode] = []
    groupUsers: list[GroupUser] = []
    subGroups: list[SubGroup] = []


class AssignedLicenseCode(OneLicenseCode):
    """A licence code for a group. Its company and profile are both set: give the current ones to keep them."""

    groupid: Id
    companyid: int = Field(ge=0, description="0 is none.")
    profileid: int = Field(ge=0, description="0 is none.")

    @model_validator(mode="before")
    @classmethod
    def _company_and_profile_are_explicit(cls, raw: Any) -> Any:
        return require_explicit(
            raw,
            ("companyid", "profileid"),
            "without companyid and profileid Zentitle takes the licence code out of its company and profile: "
            "give both as they are now to keep them, or 0 for none",
        )


class UnassignedLicenseCode(OneLicenseCode):
    """A licence code and the group to take it from."""

    groupid: Id


# Users of groups --------------------------------------------------------------------------------------------


class OneGroupUser(Input):
    """A user, by its id or by its name."""

    groupuserid: Id | None = None
    username: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_way(self) -> "OneGroupUser":
        require_one(groupuserid=self.groupuserid, username=self.username)
        return self


class UserFacts(Input):
    """The fields of a user; `{"EUPMaster": true}` in `additionaldata` makes it a master."""

    firstname: str | None = None
    lastname: str | None = None
    email: str | None = None
    telephone: str | None = None
    additionaldata: dict[str, Any] | None = None


class NewGroupUser(UserFacts):
    """A user of a group; `{"EUPMaster": true}` in `additionaldata` makes it a master."""

    groupid: Id
    username: NonEmpty
    password: Password


class ChangedGroupUser(UserFacts):
    """A user to change, by its id, and its group; only the other inputs given change."""

    groupuserid: Id
    groupid: Id
    username: str | None = Field(default=None, min_length=1)


class DeletedGroupUser(Input):
    """A user by its id."""

    groupuserid: Id


class UserAndPassword(Input):
    """A user's name and password."""

    username: NonEmpty
    password: Password


class NewGroupUserLicense(UserFacts):
    """A new group, a new user in it, and a licence code for it."""

    groupname: NonEmpty
    productid: NonEmpty
    licensecode: NonEmpty
    username: NonEmpty
    password: Password
