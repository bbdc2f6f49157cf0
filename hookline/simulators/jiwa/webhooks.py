"""
Sends Jiwa's webhooks: in the background, one after another per subscription, again until they arrive.

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

REMEMBERED_MESSAGES = 10_000
ACCEPTED = range(200, 300)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long Jiwa goes on with a message that does not arrive. The vendor's schedule is not known."""

    first_wait: float = 0.5
    """Seconds before the second attempt; doubled for each further one."""
    longest_wait: float = 30.0
    attempts: int = 20
    timeout: float = 10.0
    """Seconds in which the receiver has to answer."""

    def wait(self, retries: int) -> float:
        """Seconds to wait after an attempt, when so many retries came before it."""
        return min(self.longest_wait, self.first_wait * 2.0 ** min(retries, 32))


@dataclass(slots=True)
class Webhook:
    """A message to a subscription, and how it fared."""

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
        """The message as the list of messages shows it."""
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
    """An event that a subscriber wants to hear of, and where."""

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
    """Someone with subscriptions. Its key is all that protects those and its messages."""

    name: str
    enabled: bool
    number: int
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    messages: deque[Webhook] = field(default_factory=lambda: deque(maxlen=REMEMBERED_MESSAGES))
    saved: str = field(default_factory=timestamp)
    row_hash: str = field(default_factory=row_hash)


class Webhooks:
    """The subscribers, and the sending to them while it is `open`."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._client: httpx.AsyncClient | None = None
        self._sent = 0
        self.subscribers: dict[str, Subscriber] = {}

    def open(self) -> None:
        """Begin to send."""
        self._client = httpx.AsyncClient(timeout=self._patience.timeout, trust_env=False)

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
        """Send once; the seconds to wait before the next attempt, if there is to be one."""
        subscription = webhook.subscription
        asked = None
        try:
            response = await self._post(webhook)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            webhook.code, webhook.answer = None, str(error) or type(error).__name__
        else:
            webhook.code, webhook.answer = response.status_code, response.text[:1000]
            asked = retry_after(response)
        arrived = webhook.code in ACCEPTED
        again = not arrived and webhook.retries + 1 < self._patience.attempts
        webhook.status = SENT if arrived else WAITING if again else GIVEN_UP
        webhook.saved = timestamp()
        wait = self._patience.wait(webhook.retries) if asked is None else asked
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
    """The seconds that a receiver asks to be left alone; nothing when it does not ask, or not clearly."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    with suppress(ValueError):
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    return None
