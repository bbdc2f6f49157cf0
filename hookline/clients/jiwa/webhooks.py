"""Jiwa's models for webhook subscribers, subscriptions and messages, in its own spelling."""

# ruff: noqa: RUF012  (pydantic copies a model's defaults)

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, SecretStr, model_validator

from hookline.clients.jiwa.queries import SkipTake
from hookline.clients.models import Answer, Flag, Input, IntOrNone, Moment


def _web_address(value: str) -> str:
    if not value.lower().startswith(("http://", "https://")):
        raise ValueError("begin the address with https:// (or http://)")
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]


class Header(Input):
    """A header that Jiwa sends with each message: the place for our shared secret."""

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
    """A subscriber to change; only the inputs given change, and a disabled one gets no messages."""

    Name: str | None = Field(default=None, min_length=1)
    IsEnabled: bool | None = None
    ItemNo: int | None = None


class OneSubscription(OneSubscriber):
    """A subscription of a subscriber."""

    SubscriptionID: str


class WithHeaders(Input):
    """
    The headers that Jiwa sends with each message.

    They are sent under both names: Jiwa 7.2 calls them `Headers`, and each version ignores the name of the other.
    """

    RequestHeaders: list[Header] | None = None

    def values(self) -> dict[str, Any]:
        """Return the inputs, the headers under both names."""
        values = super().values()
        return values | {"Headers": values["RequestHeaders"]} if "RequestHeaders" in values else values

    def secrets(self) -> list[str]:
        """Return the values of the headers: our shared secret is among them."""
        return [header.Value for header in self.RequestHeaders or ()]


class NewSubscription(WithHeaders, OneSubscriber):
    """An event and its address; a message does not name its event, so use one address for each."""

    URL: WebAddress
    EventName: str = Field(min_length=1)


class ReplacedHeaders(WithHeaders, OneSubscription):
    """All headers of a subscription: those that are not given are removed."""

    RequestHeaders: list[Header]


class ChangedSubscription(OneSubscription):
    """A subscription to change; only the inputs given change."""

    URL: WebAddress | None = None
    EventName: str | None = Field(default=None, min_length=1)


class SubscriberMessages(SkipTake):
    """A page of the messages of a subscriber, the newest last."""

    SubscriberID: str
    Fields: str | None = Field(default=None, description="Names of fields, separated by commas.")

    order: ClassVar[dict[str, str]] = {"OrderBy": "AddedDateTime,MessageID"}


class WebhookEvent(Answer):
    """An event that Jiwa can send."""

    Name: str
    Description: str = ""


class RequestHeader(Answer):
    """A header of a subscription; its value is a secret, and shown as asterisks."""

    SubscriptionRequestHeaderID: str = ""
    Name: str = ""
    Value: SecretStr = SecretStr("")


class WebhookSubscription(Answer):
    """
    An event and the address that it is sent to.

    Creation and lists call the id `RecID` and show no headers: then `RequestHeaders` is None.
    """

    SubscriptionID: str
    SubscriberID: str = ""
    EventName: str = ""
    URL: str = ""
    LastHTTPResponseCode: IntOrNone = None
    RetryAfterDateTime: Moment = None
    RequestHeaders: list[RequestHeader] | None = None

    @model_validator(mode="before")
    @classmethod
    def _either_name(cls, raw: Any) -> Any:
        return _with_alias(
            raw, SubscriptionID="RecID", SubscriberID="SY_WebhookSubscriber_RecID", RequestHeaders="Headers"
        )


class WebhookSubscriber(Answer):
    """A receiver of messages; creation calls the id `RecID`."""

    SubscriberID: str
    Name: str = ""
    IsEnabled: Flag = False
    ItemNo: IntOrNone = None
    Subscriptions: list[WebhookSubscription] = []

    @model_validator(mode="before")
    @classmethod
    def _either_name(cls, raw: Any) -> Any:
        return _with_alias(raw, SubscriberID="RecID")


class WebhookMessage(Answer):
    """A message and its result; `Body` is the document, so a missed one can be read back."""

    MessageID: str
    SubscriptionID: str = ""
    EventName: str = ""
    URL: str = ""
    Body: str = ""
    Status: str = ""
    Retries: IntOrNone = None
    AddedDateTime: Moment = None
    LastMessageResponseHTTPCode: IntOrNone = None
    LastMessageResponseMessage: str = ""


def _with_alias(raw: Any, **names: str) -> Any:
    if not isinstance(raw, Mapping):
        return raw
    return {ours: raw[theirs] for ours, theirs in names.items() if theirs in raw} | dict(raw)
