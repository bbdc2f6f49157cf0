"""Sensorpro's models, in its own spelling."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AliasChoices, ConfigDict, Field, SecretStr, model_validator

from hookline.clients.models import Answer, Consent, Flag, Input, IntOrNone, Secret
from hookline.clients.paging import Paged

NO_FORM = "00000000-0000-0000-0000-000000000000"
MAX_LINE = 998  # characters, of a mail's header
MAX_IMPORT_NAME = 16

Line = Annotated[str, Field(max_length=MAX_LINE, pattern=r"^[^\r\n]*$")]
"""Text that goes into a mail's header: one line, so that nothing can be added behind it."""

Address = Annotated[str, Field(max_length=320, pattern=r"^[^@\s<>,;]+@[^@\s<>,;]+$")]
"""An e-mail address, alone."""

# Signing in -------------------------------------------------------------------------------------------------


class SignIn(Input):
    """An API user of an organization."""

    Organization: str
    User: str
    Password: Secret


class SignInByPath(Input):
    """The old form: the password is in the address, so prefer `SignIn`."""

    Organization: str
    User: str
    Password: Secret


class ResultRow(Answer):
    """An error or a status; `Sequence` is the index of the record it is about, from 0."""

    Sequence: int | None = None
    Description: str = ""
    Code: str = ""


class Outcome(Answer):
    """The result of a call; the status messages are for information only."""

    RequestId: str = ""
    TotalErrors: int = 0
    ErrorMessages: list[ResultRow] = []
    StatusMessages: list[ResultRow] = []

    @model_validator(mode="before")
    @classmethod
    def _spelt_with_three_s(cls, raw: Any) -> Any:
        if isinstance(raw, Mapping) and "StatusMesssages" in raw:
            return {"StatusMessages": raw["StatusMesssages"]} | dict(raw)
        return raw


class Done(Answer):
    """A call that worked."""

    Result: Outcome


class SignedIn(Done):
    """A session: its token, seconds it lasts, and the address for later calls."""

    Token: SecretStr
    ExpiresIn: float = Field(ge=0, le=10_000_000)
    APIEndpoint: str = ""


# Contacts ---------------------------------------------------------------------------------------------------


class NewContact(Input):
    """A contact, recognised by `PersonalEMail`; further fields of the vendor may be added."""

    model_config = ConfigDict(extra="allow")

    PersonalEMail: Address
    Title: str | None = None
    FirstName: str | None = None
    LastName: str | None = None
    Gender: str | None = None
    DateofBirth: str | None = None
    DateOfLastPurchase: str | None = None
    PersonalEmail1: str | None = None
    BusinessEmail: str | None = None


class UpsertOptions(Input):
    """What UpdateAdd may be told besides; no page says what, and each sample sends it empty."""

    Parameters: dict[str, str] = {}
    Action: str = ""


class AddContacts(Input):
    """
    Contacts that are new; `AddToList` holds tags. A welcome mail is sent only if it is asked for.

    All of it is always sent, in the order of the vendor's sample: what is missing there nobody has tried.
    """

    AddToList: list[str] = []
    Contact: list[NewContact] = Field(min_length=1)
    Options: UpsertOptions = UpsertOptions()
    ReturnFailedRequests: bool = False
    UpdateByKey: Literal["email"] = "email"
    SendWelcomeEmail: bool = Field(default=False, description="Mail each of them the form's welcome.")
    SignupFormId: str = NO_FORM


class UpsertContacts(AddContacts):
    """Contacts to update, or to add; `AddToList` holds tags. No welcome mail: a repeat sends it again."""

    SendWelcomeEmail: Literal[False] = False

    @model_validator(mode="before")
    @classmethod
    def _may_be_repeated(cls, raw: Any) -> Any:
        if isinstance(raw, Mapping) and raw.get("SendWelcomeEmail"):
            raise ValueError(
                "this call may be repeated, and each repeat would mail the welcome again: "
                "add_contacts is not repeated and takes SendWelcomeEmail=True"
            )
        return raw


class UpdateContacts(UpsertContacts):
    """Contacts to update; one that does not exist is an error of its row."""


class GetContacts(Input):
    """Filters of the contacts."""

    PersonalEMail: str | None = None
    Tag: str | None = None


class ContactRow(Answer):
    """A contact as the vendor stores it."""

    PersonalEMail: str = ""
    FirstName: str = ""
    LastName: str = ""
    Tags: list[str] = []
    OptOut: Flag = False


class Contacts(Done):
    """The contacts found."""

    Contact: list[ContactRow] = Field(default=[], validation_alias=AliasChoices("Contact", "Contacts"))


class GetContactsPaged(GetContacts, Paged):
    """Filters of the contacts, with pages from 1."""

    PageNumber: int = Field(default=1, ge=1)
    PageSize: int = Field(default=100, ge=1)

    page_size: ClassVar[int | None] = None

    @classmethod
    def page(cls, start: int, number: int, before: Any) -> dict[str, Any]:
        """Return the inputs for the page with this number."""
        del start, before
        return {"PageNumber": number}


class ContactsPage(Contacts):
    """A page of contacts, and the total if the vendor gives it."""

    Total: IntOrNone = Field(
        default=None, validation_alias=AliasChoices("Total", "TotalRecords", "TotalContacts")
    )

    @property
    def Results(self) -> list[ContactRow]:  # noqa: N802  (the name that `pages` reads)
        """Return the contacts of this page."""
        return self.Contact


class ChangeOptOutStatus(Input):
    """A contact, and its latest own choice about mails."""

    PersonalEMail: Address
    OptOut: bool


class ForgetContact(Input):
    """A contact to erase for good."""

    PersonalEMail: Address
    for_good: Consent = Field(default=False, description="Required: the contact cannot be restored.")

    @model_validator(mode="after")
    def _is_meant(self) -> "ForgetContact":
        if not self.for_good:
            raise ValueError(
                "ForgetMe erases the contact and its history for good: set for_good=True if you want that"
            )
        return self


# Mail -------------------------------------------------------------------------------------------------------


class TriggerEmail(Input):
    """A stored broadcast for one contact. `CampId` is a GUID; `Delay` is in minutes."""

    CampId: str
    BroadcastId: int
    Delay: int = Field(default=0, ge=0)
    ContactData: NewContact
    NamedPairsParameters: dict[str, str] | None = None


class Mailbox(Input):
    """A sender or a recipient."""

    Email: Address
    DisplayName: Line = ""


class MailSchedule(Input):
    """The time to send; at once by default."""

    DelayByMinutes: int = Field(default=0, ge=0)
    DelayUntilUTC: str = ""


class SendEmail(Input):
    """A mail in full; a header of our own in `Headers` lets it be traced."""

    From: Mailbox
    To: list[Mailbox] = Field(min_length=1)
    Cc: list[Mailbox] = []
    Bcc: list[Mailbox] = []
    Headers: dict[Line, Line] = {}
    ReplyTo: Mailbox | None = None
    ReturnPath: Address | None = None
    Subject: Line
    HTMLMessageStyle: str = ""
    HTMLMessageEncoded: str = ""
    PlainTextMessage: str = ""
    MsgType: int = 0
    MailEncoding: str = "UTF8"
    Schedule: MailSchedule = MailSchedule()


class GetBroadcastStatus(Input):
    """A stored broadcast."""

    CampId: str
    BroadcastId: int


class BroadcastStatus(Done):
    """The status of a broadcast; fields that we do not name are kept."""

    CampId: str = ""
    BroadcastId: str = ""
    Name: str = ""
    Status: str = ""
    TotalSent: IntOrNone = None


# Campaigns --------------------------------------------------------------------------------------------------


class AddBroadcast(Input):
    """A stored design for everybody in a segment, at once if no `Schedule` is given."""

    CampaignId: int = Field(ge=1)
    DesignId: int = Field(ge=1)
    SegmentId: int = Field(ge=1)
    Name: str | None = None
    Schedule: MailSchedule | None = None
    mass_send: Consent = Field(default=False, description="Required: everybody in the segment gets a mail.")

    @model_validator(mode="after")
    def _is_meant(self) -> "AddBroadcast":
        if not self.mass_send:
            raise ValueError(
                "AddBroadcast mails everybody in the segment, and mails cannot be recalled: "
                "set mass_send=True if you want that, or use trigger_email for one contact"
            )
        return self


class Broadcast(Done):
    """A broadcast that was made."""

    BroadcastId: IntOrNone = None


class OneCampaign(Input):
    """A campaign by its number, which is not the GUID of `CampId`."""

    CampaignId: int = Field(ge=1)


class CampaignResults(Done):
    """The results of a campaign; fields that we do not name are kept."""

    CampaignId: IntOrNone = None
    TotalSent: IntOrNone = None
    TotalOpens: IntOrNone = None
    TotalClicks: IntOrNone = None
    TotalBounces: IntOrNone = None
    TotalOptOuts: IntOrNone = None


class CampaignLink(Answer):
    """A link in the mails of a campaign."""

    Url: str = ""
    TotalClicks: IntOrNone = None
    UniqueClicks: IntOrNone = None


class CampaignLinks(Done):
    """The clicks on each link of a campaign; fields that we do not name are kept."""

    CampaignId: IntOrNone = None
    Links: list[CampaignLink] = []


# Imports ----------------------------------------------------------------------------------------------------


class ImportFacts(Input):
    """The name and options of an import. `ClearCrossXRef` drops the contacts of earlier imports from it."""

    Name: str = Field(max_length=MAX_IMPORT_NAME, pattern="^[a-z0-9]+$")
    Description: str = ""
    QuoteChar: str = Field(default='"', max_length=1)
    ClearCrossXRef: bool = False
    ExecuteImport: bool = True


class FtpFile(Input):
    """The place of the CSV file, which stays there unless `DeleteFileAfterImport` is true."""

    FTPSite: str = Field(min_length=1)
    FTPUser: str
    FTPPwd: Secret
    FTPSecure: bool = Field(default=False, description="SFTP.")
    FTPFileName: str = Field(min_length=1)
    DeleteFileAfterImport: bool = False


class MappedField(Input):
    """A column of the file and its field of the contact, such as `personalemail`."""

    FromField: str = Field(min_length=1)
    ToField: str = Field(min_length=1)


class FtpImport(Input):
    """An import in full."""

    ImportData: ImportFacts
    FTPConfiguration: FtpFile
    FieldMap: list[MappedField] = Field(min_length=1)


class ExecuteFTPImport(Input):
    """The tag for the contacts, and the import in full; a tag alone uses what Sensorpro stored for it."""

    Tag: str | None = Field(default=None, min_length=1)
    ImportDefinition: FtpImport | None = None

    @model_validator(mode="after")
    def _what_to_import(self) -> "ExecuteFTPImport":
        if self.Tag is None and self.ImportDefinition is None:
            raise ValueError("give Tag, or ImportDefinition, or both")
        return self

    def secrets(self) -> list[str]:
        """Return the values that must not be shown: the password of the file's site."""
        definition = self.ImportDefinition
        return [definition.FTPConfiguration.FTPPwd.get_secret_value()] if definition else []


class OneImport(Input):
    """An import by its number."""

    ImportId: int = Field(ge=1)


class StartedImport(Done):
    """An import that was begun."""

    ImportId: int


class ImportStatus(Done):
    """The status of an import; fields that we do not name are kept."""

    ImportId: IntOrNone = None
    Status: str = ""
    TotalRecords: IntOrNone = None
    TotalImported: IntOrNone = None
    TotalFailed: IntOrNone = None
