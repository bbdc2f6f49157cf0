"""What goes into and comes out of Jiwa's webhook calls, in its own spelling."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, model_validator

from hookline.clients.jiwa.queries import SkipTake
from hookline.clients.models import Answer, Flag, Input, Moment, Whole


def _web_address(value: str) -> str:
    if not value.lower().startswith(("http://", "https://")):
        raise ValueError("begin the address with https:// (or http://)")
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]


class Header(Input):
    """A header Jiwa sends with each message: the place for our shared secret."""

    Name: str = Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
    Value: str = Field(pattern=r"^[\x20-\x7e]*$")


class OneSubscriber(Input):
    """A subscriber by its id, which is also its only credential: keep it secret."""

    SubscriberID: str


class NewSubscriber(Input):
    """A receiver of messages."""

    Name: str = Field(min_length=1)
    IsEnabled: bool = True


class ChangedSubscriber(OneSubscriber):
    """Only what is given changes; one that is not enabled gets no messages."""

    Name: str | None = Field(default=None, min_length=1)
    IsEnabled: bool | None = None
    ItemNo: int | None = None


class OneSubscription(OneSubscriber):
    """A subscription of a subscriber."""

    SubscriptionID: str


class NewSubscription(OneSubscriber):
    """An event and the address it is sent to; the message does not name the event, so use one for each."""

    URL: WebAddress
    EventName: str = Field(min_length=1)
    RequestHeaders: list[Header] | None = None

    def secrets(self) -> list[str]:
        """What the headers say: our shared secret is among it."""
        return [header.Value for header in self.RequestHeaders or ()]


class ChangedSubscription(OneSubscription):
    """Only what is given changes."""

    URL: WebAddress | None = None
    EventName: str | None = Field(default=None, min_length=1)


class SubscriberMessages(SkipTake):
    """A page of the messages of a subscriber; those that come meanwhile come last."""

    SubscriberID: str

    order: ClassVar[dict[str, str]] = {"OrderBy": "AddedDateTime,MessageID"}


class WebhookEvent(Answer):
    """An event Jiwa can tell of."""

    Name: str
    Description: str = ""


class WebhookSubscription(Answer):
    """An event and the address it is sent to; creation calls the id `RecID`."""

    SubscriptionID: str
    SubscriberID: str = ""
    EventName: str = ""
    URL: str = ""
    LastHTTPResponseCode: Whole = None
    RetryAfterDateTime: Moment = None

    @model_validator(mode="before")
    @classmethod
    def _either_name(cls, given: Any) -> Any:
        return _also_named(given, SubscriptionID="RecID", SubscriberID="SY_WebhookSubscriber_RecID")


class WebhookSubscriber(Answer):
    """A receiver of messages; creation calls the id `RecID`."""

    SubscriberID: str
    Name: str = ""
    IsEnabled: Flag = False
    ItemNo: Whole = None
    Subscriptions: list[WebhookSubscription] = []

    @model_validator(mode="before")
    @classmethod
    def _either_name(cls, given: Any) -> Any:
        return _also_named(given, SubscriberID="RecID")


class WebhookMessage(Answer):
    """A message and what became of it; `Body` is the document, so a missed one can be read back."""

    MessageID: str
    SubscriptionID: str = ""
    EventName: str = ""
    URL: str = ""
    Body: str = ""
    Status: str = ""
    Retries: Whole = None
    AddedDateTime: Moment = None
    LastMessageResponseHTTPCode: Whole = None
    LastMessageResponseMessage: str = ""


def _also_named(given: Any, **names: str) -> Any:
    if not isinstance(given, Mapping):
        return given
    return {ours: given[theirs] for ours, theirs in names.items() if theirs in given} | dict(given)
