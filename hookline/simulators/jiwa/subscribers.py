"""The calls about Jiwa's webhooks: events, subscribers, subscriptions and messages."""

import uuid
from typing import Any

from hookline.simulators.control import Call, RefusedError, operation
from hookline.simulators.jiwa import autoquery
from hookline.simulators.jiwa.core import JiwaCore
from hookline.simulators.jiwa.values import (
    body_of,
    invalid,
    missing,
    objects,
    read_fields,
    row_hash,
    timestamp,
)
from hookline.simulators.jiwa.webhooks import EVENTS, Subscriber, Subscription
from hookline.simulators.records import Document

MESSAGE_LIST = autoquery.columns(
    text="MessageID SubscriptionID EventName URL Body LastMessageResponseMessage",
    number="ItemNo Status Retries LastMessageResponseHTTPCode",
    date="AddedDateTime LastSavedDateTime",
)
SUBSCRIBER_LIST = autoquery.columns(
    text="RecID Name RowHash", number="ItemNo", flag="IsEnabled", date="LastSavedDateTime"
)


class SubscriberRoutes(JiwaCore):
    """The calls; those below a subscriber need no log-in: its key is all that protects them, as at the vendor."""

    @operation("GET", "/Webhooks/Events/")
    def list_webhook_events(self, _: Call) -> Any:
        """Answer the events that there are."""
        return [{"Name": name, "Description": text} for name, text in EVENTS.items()]

    @operation("GET", "/Webhooks/Subscribers/")
    def list_webhook_subscribers(self, call: Call) -> Any:
        """Answer the subscribers, as a query."""
        rows = (each.row for each in self.webhooks.subscribers.values())
        return self.queried(rows, SUBSCRIBER_LIST, call)

    @operation("POST", "/Webhooks/Subscribers/")
    def create_webhook_subscriber(self, call: Call) -> Any:
        """Add a subscriber."""
        inputs = read_fields(body_of(call), ("Name", "IsEnabled"))
        row: Document = {
            "RecID": str(uuid.uuid4()),
            "Name": "",
            "IsEnabled": False,
            "ItemNo": len(self.webhooks.subscribers) + 1,
            "LastSavedDateTime": timestamp(),
            "RowHash": row_hash(),
        } | inputs
        self.webhooks.subscribers[row["RecID"]] = Subscriber(row)
        return row

    @operation("GET", "/Webhooks/Subscribers/{SubscriberID}")
    def get_webhook_subscriber(self, call: Call) -> Any:
        """Answer a subscriber with its subscriptions."""
        subscriber = self._subscriber(call)
        subscriptions = [each.row for each in subscriber.subscriptions.values()]
        return subscriber.row | {"Subscriptions": subscriptions}

    @operation("PATCH", "/Webhooks/Subscribers/{SubscriberID}")
    def update_webhook_subscriber(self, call: Call) -> Any:
        """Rename a subscriber, enable or disable it."""
        subscriber = self._subscriber(call)
        inputs = read_fields(body_of(call), ("Name", "IsEnabled", "ItemNo"))
        subscriber.row |= inputs | {"LastSavedDateTime": timestamp(), "RowHash": row_hash()}
        return subscriber.row

    @operation("DELETE", "/Webhooks/Subscribers/{SubscriberID}")
    def delete_webhook_subscriber(self, call: Call) -> Any:
        """Delete a subscriber with its subscriptions and messages."""
        subscriber = self._subscriber(call)
        for each in subscriber.subscriptions.values():
            self.webhooks.stop(each)
        del self.webhooks.subscribers[subscriber.key]

    @operation("GET", "/Webhooks/Subscribers/{SubscriberID}/Subscriptions/", public=True)
    def list_webhook_subscriptions(self, call: Call) -> Any:
        """Answer a subscriber's subscriptions as they are stored, without headers and outcomes."""
        return [each.row for each in self._subscriber(call).subscriptions.values()]

    @operation("POST", "/Webhooks/Subscribers/{SubscriberID}/Subscriptions/", public=True)
    def create_webhook_subscription(self, call: Call) -> Any:
        """Subscribe to an event; twice the same means two messages for each event."""
        subscriber, body = self._subscriber(call), body_of(call)  # fact: subscriptions-may-repeat
        inputs = read_fields(body, ("URL", "EventName"))
        if not inputs.get("URL") or not inputs.get("EventName"):
            raise RefusedError(400, "URL and EventName must be given.", "ArgumentException")
        row = inputs | {
            "RecID": str(uuid.uuid4()),
            "SY_WebhookSubscriber_RecID": subscriber.key,
            "ItemNo": len(subscriber.subscriptions) + 1,
            "LastSavedDateTime": timestamp(),
            "RowHash": row_hash(),
        }
        subscription = Subscription(subscriber, row, self._headers(body))
        subscriber.subscriptions[subscription.key] = subscription
        return row

    @operation("GET", "/Webhooks/Subscribers/{SubscriberID}/Subscriptions/{SubscriptionID}/", public=True)
    def get_webhook_subscription(self, call: Call) -> Any:
        """Answer a subscription with its headers, and the outcome of its last message."""
        return self._rendered(self._subscription(call))

    @operation("PATCH", "/Webhooks/Subscribers/{SubscriberID}/Subscriptions/{SubscriptionID}/", public=True)
    def update_webhook_subscription(self, call: Call) -> Any:
        """Change a subscription's address or event, for messages to come."""
        subscription = self._subscription(call)
        subscription.row |= read_fields(body_of(call), ("URL", "EventName")) | _saved()
        return self._rendered(subscription)

    @operation(
        "PUT",
        "/Webhooks/Subscribers/{SubscriberID}/Subscriptions/{SubscriptionID}/RequestHeaders/",
        public=True,
    )
    def replace_webhook_request_headers(self, call: Call) -> Any:
        """Replace all headers of a subscription."""
        if self.dialect["request-headers-replaced"] == "missing":
            raise RefusedError(404, "The resource cannot be found.", "NotFound")
        subscription = self._subscription(call)
        subscription.headers = self._headers(body_of(call))
        subscription.row |= _saved()
        return subscription.headers

    @operation("DELETE", "/Webhooks/Subscribers/{SubscriberID}/Subscriptions/{SubscriptionID}/", public=True)
    def delete_webhook_subscription(self, call: Call) -> Any:
        """End a subscription; what is still unsent is not sent."""
        subscription = self._subscription(call)
        self.webhooks.stop(subscription)
        self.webhooks.drop_messages(subscription)  # fact: waiting-messages-deleted
        del subscription.subscriber.subscriptions[subscription.key]

    @operation("GET", "/Webhooks/Subscribers/{SubscriberID}/Messages", public=True)
    def list_webhook_messages(self, call: Call) -> Any:
        """Answer a subscriber's messages with their bodies, as a query: the way to read what was missed."""
        rows = (each.row for each in self._subscriber(call).messages)
        return self.queried(rows, MESSAGE_LIST, call)

    def _subscriber(self, call: Call) -> Subscriber:
        subscriber = self.webhooks.subscribers.get(call.path["SubscriberID"].lower())
        if subscriber is None:
            raise missing("The webhook subscriber")
        return subscriber

    def _subscription(self, call: Call) -> Subscription:
        subscription = self._subscriber(call).subscriptions.get(call.path["SubscriptionID"].lower())
        if subscription is None:
            raise missing("The webhook subscription")
        return subscription

    def _headers(self, body: Document) -> list[Document]:
        """Return the headers that a request names; one under a name of another version is not seen."""
        field = self.dialect["subscription-headers-field"]
        inputs = objects(body, field)
        headers = [read_fields(each, ("Name", "Value")) for each in inputs]
        if not all(each.get("Name") for each in headers):
            raise invalid(field, inputs)
        return [
            {
                "SubscriptionRequestHeaderID": str(uuid.uuid4()),
                "ItemNo": number,
                "Name": str(each["Name"]),
                "Value": str(each.get("Value", "")),
                **_saved(),
            }
            for number, each in enumerate(headers, 1)
        ]

    def _rendered(self, subscription: Subscription) -> Document:
        """Return a subscription as it is read by itself; nulls are left out."""
        row = subscription.row | subscription.last
        rendered = {
            "SubscriptionID": row.pop("RecID"),
            "SubscriberID": row.pop("SY_WebhookSubscriber_RecID"),
        } | row
        if self.dialect["subscription-headers-shown"] == "shown":
            rendered[self.dialect["subscription-headers-field"]] = subscription.headers
        return {name: value for name, value in rendered.items() if value is not None}


def _saved() -> Document:
    return {"LastSavedDateTime": timestamp(), "RowHash": row_hash()}
