"""
Sending of Jiwa's webhooks: in the background, one after another per subscription, again until they arrive.

Jiwa signs nothing and names no event in the request; a subscription's own headers are all that a receiver
has to go by.
"""

import asyncio
import json
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from hookline.simulators.jiwa.values import row_hash, timestamp

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
    """A message to a subscription, and its outcome."""

    subscription: "Subscription"
    event: str
    url: str
    body: bytes
    number: int
    message: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: int = WAITING
    retries: int = 0
    code: int | None = None
    answer: str = ""
    added: str = field(default_factory=timestamp)
    saved: str = field(default_factory=timestamp)

    def row(self) -> dict[str, Any]:
        """Return the message as the list of messages has it."""
        return {
            "MessageID": self.message,
            "SubscriptionID": self.subscription.key,
            "EventName": self.event,
            "URL": self.url,
            "Body": self.body.decode(),
            "ItemNo": self.number,
            "Status": self.status,
            "Retries": self.retries,
            "AddedDateTime": self.added,
            "LastSavedDateTime": self.saved,
            "LastMessageResponseHTTPCode": self.code or 0,
            "LastMessageResponseMessage": self.answer,
        }


@dataclass(slots=True)
class Subscription:
    """A subscriber's subscription to an event, and the address for it."""

    subscriber: "Subscriber"
    event: str
    url: str
    headers: list[dict[str, str]]
    number: int
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    code: int | None = None
    retry_after: str | None = None
    queue: asyncio.Queue[Webhook] = field(default_factory=asyncio.Queue)
    sender: asyncio.Task[None] | None = None
    row_hash: str = field(default_factory=row_hash)


@dataclass(slots=True)
class Subscriber:
    """A subscriber. Its key is all that protects its subscriptions and messages."""

    name: str
    enabled: bool
    number: int
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    messages: deque[Webhook] = field(default_factory=lambda: deque(maxlen=MAX_MESSAGES))
    saved: str = field(default_factory=timestamp)
    row_hash: str = field(default_factory=row_hash)


class Webhooks:
    """The subscribers, and the sending to them while it is `open`."""

    def __init__(self, retries: RetryPolicy) -> None:
        self._policy = retries
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

    def notify(self, event: str, document: Any) -> None:
        """Queue a message for each enabled subscription to the event; the document as it is now."""
        body = b""
        for each in self._subscriptions():
            if each.event.lower() != event or not each.subscriber.enabled:
                continue
            body = body or json.dumps(document, ensure_ascii=False).encode()
            self._sent += 1
            webhook = Webhook(each, event, each.url, body, self._sent)
            each.subscriber.messages.append(webhook)
            each.queue.put_nowait(webhook)
            if self._client and each.sender is None:
                each.sender = asyncio.create_task(self._send_all(each))

    def _subscriptions(self) -> Iterator[Subscription]:
        for subscriber in self.subscribers.values():
            yield from subscriber.subscriptions.values()

    async def _send_all(self, subscription: Subscription) -> None:
        while True:
            webhook = await subscription.queue.get()
            wait = await self._attempt(webhook)
            while wait is not None:
                await asyncio.sleep(wait)
                webhook.retries += 1
                wait = await self._attempt(webhook)

    async def _attempt(self, webhook: Webhook) -> float | None:
        """Send once; return the seconds to wait before the next attempt, if there is to be one."""
        subscription = webhook.subscription
        requested = None
        try:
            response = await self._post(webhook)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            webhook.code, webhook.answer = None, str(error) or type(error).__name__
        else:
            webhook.code, webhook.answer = response.status_code, response.text[:1000]
            requested = retry_after(response)
        arrived = webhook.code in ACCEPTED
        again = not arrived and webhook.retries + 1 < self._policy.attempts
        webhook.status = SENT if arrived else WAITING if again else GIVEN_UP
        webhook.saved = timestamp()
        wait = self._policy.wait(webhook.retries) if requested is None else requested
        subscription.code = webhook.code
        subscription.retry_after = timestamp(after=wait) if again else None
        return wait if again else None

    async def _post(self, webhook: Webhook) -> httpx.Response:
        if self._client is None:
            raise RuntimeError("the webhooks are not open")
        headers = {"Content-Type": "application/json"}
        headers |= {each["Name"]: each["Value"] for each in webhook.subscription.headers}
        return await self._client.post(webhook.url, content=webhook.body, headers=headers)


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that a receiver asks to wait; none when it does not ask, or not clearly."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    with suppress(ValueError):
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    return None
