"""What goes into and comes out of Sensorpro, in its own spelling."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, ConfigDict, Field, SecretStr, model_validator

from hookline.clients.models import Answer, Input, Secret

NO_FORM = "00000000-0000-0000-0000-000000000000"
LONGEST_LINE = 998  # characters, of a mail's header

Line = Annotated[str, Field(max_length=LONGEST_LINE, pattern=r"^[^\r\n]*$")]
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
    """The old form: the password stands in the address, so prefer `SignIn`."""

    Organization: str
    User: str
    Password: Secret


class ResultRow(Answer):
    """An error or a status; `Sequence` is the index of the record it is about, from 0."""

    Sequence: int | None = None
    Description: str = ""
    Code: str = ""


class Outcome(Answer):
    """How a call went; the status messages are for information only."""

    RequestId: str = ""
    TotalErrors: int = 0
    ErrorMessages: list[ResultRow] = []
    StatusMessages: list[ResultRow] = []

    @model_validator(mode="before")
    @classmethod
    def _spelt_with_three_s(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and "StatusMesssages" in given:
            return {"StatusMessages": given["StatusMesssages"]} | dict(given)
        return given


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


class UpsertContacts(Input):
    """Contacts to update, or to add; `AddToList` holds tags. No welcome mail: a repeat sends it again."""

    Contact: list[NewContact] = Field(min_length=1)
    AddToList: list[str] | None = None
    UpdateByKey: Literal["email"] = "email"
    SendWelcomeEmail: Literal[False] = False
    SignupFormId: str = NO_FORM
    ReturnFailedRequests: bool = True


class GetContacts(Input):
    """Which contacts; the shape of this filter is assumed, not documented."""

    PersonalEMail: str | None = None
    Tag: str | None = None


class ContactRow(Answer):
    """A contact as the vendor holds it."""

    PersonalEMail: str = ""
    FirstName: str = ""
    LastName: str = ""
    Tags: list[str] = []


class Contacts(Done):
    """The contacts found."""

    Contact: list[ContactRow] = Field(default=[], validation_alias=AliasChoices("Contact", "Contacts"))


# Mail -------------------------------------------------------------------------------------------------------


class TriggerEmail(Input):
    """A stored broadcast for one contact. `CampId` is a GUID; the unit of `Delay` is assumed: minutes."""

    CampId: str
    BroadcastId: int
    ContactData: NewContact
    Delay: int = Field(default=0, ge=0)
    NamedPairsParameters: dict[str, str] | None = None


class Mailbox(Input):
    """A sender or a recipient."""

    Email: Address
    DisplayName: Line = ""


class MailSchedule(Input):
    """When to send; at once by default."""

    DelayByMinutes: int = Field(default=0, ge=0)
    DelayUntilUTC: str = ""


class SendEmail(Input):
    """A mail in full; a header of our own in `Headers` lets it be traced."""

    From: Mailbox
    To: list[Mailbox] = Field(min_length=1)
    Subject: Line
    HTMLMessageEncoded: str = ""
    PlainTextMessage: str = ""
    Cc: list[Mailbox] = []
    Bcc: list[Mailbox] = []
    Headers: dict[Line, Line] = {}
    ReplyTo: Mailbox | None = None
    ReturnPath: Address | None = None
    HTMLMessageStyle: str = ""
    MsgType: int = 0
    MailEncoding: str = "UTF8"
    Schedule: MailSchedule | None = None


class GetBroadcastStatus(Input):
    """A stored broadcast."""

    CampId: str
    BroadcastId: int


class BroadcastStatus(Done):
    """What became of a broadcast; its fields are assumed, others are kept."""

    CampId: str = ""
    BroadcastId: str = ""
    Name: str = ""
    Status: str = ""
    TotalSent: int | None = None
