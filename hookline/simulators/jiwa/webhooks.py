"""
Sending of Jiwa's webhooks: in the background, one after another per subscription, again until they arrive.

Jiwa signs nothing and names no event in the request; a subscription's own headers are all that a receiver
has to go by.
"""

import asyncio
import json
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from hookline.simulators.jiwa.values import timestamp
from hookline.simulators.records import Document

EVENTS = {
    "salesorder.created": "A sales order was created",
    "salesorder.updated": "A sales order was changed",
    "inventory.created": "An inventory item was created",
    "inventory.updated": "An inventory item was changed",
    "purchaseorder.created": "A purchase order was created",
    "purchaseorder.updated": "A purchase order was changed",
}

# The vendor's values of the status byte are not known; these are ours.
WAITING, SENT, GIVEN_UP = 0, 1, 2

MAX_MESSAGES = 10_000
ACCEPTED = range(200, 300)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The schedule of attempts with a message that does not arrive. The vendor's is not known."""

    first_wait: float = 0.5
    """Seconds before the second attempt; doubled for each further one."""
    longest_wait: float = 30.0
    attempts: int = 20
    timeout: float = 10.0
    """Seconds in which the receiver has to answer."""

    def wait(self, retries: int) -> float:
        """Return the seconds to wait after an attempt, when so many retries came before it."""
        return min(self.longest_wait, self.first_wait * 2.0 ** min(retries, 32))


@dataclass(slots=True)
class Webhook:
    """A message to a subscription, and its row in the list of messages."""

    subscription: "Subscription"
    body: bytes
    row: Document
    headers: list[Document]
    """The headers of the subscription when the message was made."""


@dataclass(slots=True)
class Subscription:
    """A subscriber's subscription to an event, as its row has it, and what only it shows when it is read alone."""

    subscriber: "Subscriber"
    row: Document
    headers: list[Document]
    last: Document = field(default_factory=dict)
    """The outcome of the last message."""
    queue: asyncio.Queue[Webhook] = field(default_factory=asyncio.Queue)
    sender: asyncio.Task[None] | None = None

    @property
    def key(self) -> str:
        """The RecID."""
        return str(self.row["RecID"])


@dataclass(slots=True)
class Subscriber:
    """A subscriber, as its row has it. Its key is all that protects its subscriptions and messages."""

    row: Document
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    messages: deque[Webhook] = field(default_factory=lambda: deque(maxlen=MAX_MESSAGES))

    @property
    def key(self) -> str:
        """The RecID."""
        return str(self.row["RecID"])


class Webhooks:
    """The subscribers, and the sending to them while it is `open`."""

    def __init__(self, retries: RetryPolicy, keeps_headers: Callable[[], bool]) -> None:
        self._policy = retries
        self._keeps_headers = keeps_headers
        self._client: httpx.AsyncClient | None = None
        self._sent = 0
        self.subscribers: dict[str, Subscriber] = {}

    def open(self) -> None:
        """Begin to send."""
        self._client = httpx.AsyncClient(timeout=self._policy.timeout, trust_env=False)

    async def close(self) -> None:
        """Stop sending; what has not arrived stays unsent."""
        tasks = [each.sender for each in self._subscriptions() if each.sender]
        self.forget()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client:
            await self._client.aclose()
            self._client = None

    def forget(self) -> None:
        """Drop every subscriber with its messages."""
        for each in self._subscriptions():
            self.stop(each)
        self.subscribers = {}

    def stop(self, subscription: Subscription) -> None:
        """Send nothing more to a subscription."""
        if subscription.sender:
            subscription.sender.cancel()

    def drop_messages(self, subscription: Subscription) -> None:
        """Delete the messages of a subscription, those that wait too."""
        subscriber = subscription.subscriber
        kept = (each for each in subscriber.messages if each.subscription is not subscription)
        subscriber.messages = deque(kept, maxlen=MAX_MESSAGES)

    def notify(self, event: str, document: Any) -> None:
        """Queue a message for each enabled subscription to the event; the document as it is now."""
        body = b""
        for each in self._subscriptions():
            if each.row["EventName"].lower() != event or not each.subscriber.row["IsEnabled"]:
                continue
            body = body or json.dumps(document, ensure_ascii=False).encode()
            self._sent += 1
            webhook = Webhook(each, body, self._new_row(each, event, body), each.headers)
            each.subscriber.messages.append(webhook)
            each.queue.put_nowait(webhook)
            if self._client and each.sender is None:
                each.sender = asyncio.create_task(self._send_all(each))

    def _new_row(self, subscription: Subscription, event: str, body: bytes) -> Document:
        return {
            "MessageID": str(uuid.uuid4()),
            "SubscriptionID": subscription.key,
            "EventName": event,
            "URL": subscription.row["URL"],
            "Body": body.decode(),
            "ItemNo": self._sent,
            "Status": WAITING,
            "Retries": 0,
            **dict.fromkeys(("AddedDateTime", "LastSavedDateTime"), timestamp()),
            **dict.fromkeys(("LastMessageResponseHTTPCode", "LastMessageResponseMessage")),
        }

    def _subscriptions(self) -> Iterator[Subscription]:
        for subscriber in self.subscribers.values():
            yield from subscriber.subscriptions.values()

    async def _send_all(self, subscription: Subscription) -> None:
        while True:
            webhook = await subscription.queue.get()
            wait = await self._attempt(webhook)
            while wait is not None:
                await asyncio.sleep(wait)
                webhook.row["Retries"] += 1
                wait = await self._attempt(webhook)

    async def _attempt(self, webhook: Webhook) -> float | None:
        """Send once; return the seconds to wait before the next attempt, if there is to be one."""
        requested, row = None, webhook.row
        try:
            response = await self._post(webhook)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            code, answer = None, str(error) or type(error).__name__
        else:
            code, answer = response.status_code, response.text[:1000]
            requested = retry_after(response)
        arrived = code in ACCEPTED
        again = not arrived and row["Retries"] + 1 < self._policy.attempts
        row |= {
            "Status": SENT if arrived else WAITING if again else GIVEN_UP,
            "LastSavedDateTime": timestamp(),
            "LastMessageResponseHTTPCode": code or 0,  # fact: webhook-message-outcome
            "LastMessageResponseMessage": answer,
        }
        wait = self._policy.wait(row["Retries"]) if requested is None else requested
        retry = timestamp(after=wait) if again else None
        webhook.subscription.last = {"LastHTTPResponseCode": code, "RetryAfterDateTime": retry}
        return wait if again else None

    async def _post(self, webhook: Webhook) -> httpx.Response:
        if self._client is None:
            raise RuntimeError("the webhooks are not open")
        chosen = webhook.headers if self._keeps_headers() else webhook.subscription.headers
        headers = {"Content-Type": "application/json"} | {each["Name"]: each["Value"] for each in chosen}
        return await self._client.post(webhook.row["URL"], content=webhook.body, headers=headers)


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that a receiver asks to wait; none when it does not ask, or not clearly."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    with suppress(ValueError):
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    return None
