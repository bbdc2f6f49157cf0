"""
The webhook subscriptions at Jiwa: one for each event, to our gateway, with our secret.

Nothing is deleted that Jiwa still has to send: deleting a subscription deletes the messages that wait in it. So the
headers of a subscription are changed where it stands; where Jiwa cannot do that, another one is made beside it, and the
old one goes once nothing waits in it. After each change it is read whether the secret is there. Where Jiwa does not
show it, the subscription counts as right that was made with it here, and the old one goes once a message of the new one
has come in.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from blocks.base import BlockMissing
from blocks.jiwa import JiwaCredentials
from hookline.account_keys import DEFAULT, source_of
from hookline.clients import NotFound, Refused
from hookline.clients.jiwa import JiwaClient
from hookline.clients.jiwa.webhooks import Header, RequestHeader, WebhookSubscription
from hookline.clients.paging import pages
from hookline.errors import ConfigurationError, HooklineError
from hookline.hooks import hooks_in_force
from hookline.provisioning.changes import AS_IT_IS, MADE, Change, unchanged
from hookline.provisioning.fingerprints import Fingerprints
from hookline.schemes.shared_secret import SharedSecret
from hookline.settings import Settings
from hookline.source_secrets import secret_variable, webhook_secrets

SOURCE = "jiwa"
SUBSCRIBER = "Hookline"
EVENTS = ("salesorder.created", "salesorder.updated")

GIVEN = "given the current secret"
MADE_BESIDE = "another made with the current secret"
UNSEEN = "Jiwa does not show which secret it sends: change an order, and look if it comes in"

ARRIVED = range(200, 300)
PAGE_OF_MESSAGES = "MessageID,SubscriptionID,LastMessageResponseHTTPCode"

Sends = Literal["current", "other", "not shown"]


class SecretNotSent(HooklineError):
    """Jiwa does not send our secret, whatever we tried: its webhooks would be refused."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done about the subscription to one event."""

    event: str
    address: str
    result: str
    waiting: int = 0
    """Messages that got no good answer yet, and may carry the secret of before."""
    old: tuple[str, ...] = ()
    """Subscriptions with another secret that stay: messages wait in them, or the new one has brought none yet."""

    def row(self) -> dict[str, object]:
        """Return it as a row of a table."""
        return asdict(self)


async def subscribe_jiwa(settings: Settings, url: str, *, dry_run: bool) -> list[Change]:
    """
    Make each Jiwa post its order events to the gateway, and return the changes.

    That of another account posts to the source of its name: `north` to `jiwa-north`.

    Args:
        settings: lead to hooks.yaml.
        url: address under which Jiwa reaches the gateway.
        dry_run: change nothing.

    Raises:
        ConfigurationError: the source jiwa has no secret, or none that Jiwa could send.
        SecretNotSent: Jiwa takes the subscription and not the secret.
        VendorError: Jiwa refuses it.
    """
    outcomes: list[Outcome] = []
    for account in await _accounts(settings):
        outcomes += await subscriptions(settings, url, dry_run=dry_run, account=account)
    return [
        *_without_source(settings),
        *(
            Change(
                "subscription",
                f"{each.event} to {each.address}",
                _reported(each),
                is_change=each.result not in (AS_IT_IS, UNSEEN),
            )
            for each in outcomes
        ),
    ]


def _others(settings: Settings) -> list[str]:
    """Return the other accounts that have a source of their own."""
    sources = hooks_in_force(settings.hooks, settings.home, note=False).sources
    return [
        name.removeprefix(f"{SOURCE}-")
        for name, source in sources.items()
        if name.startswith(f"{SOURCE}-") and isinstance(source.auth_scheme, SharedSecret)
    ]


async def _accounts(settings: Settings) -> list[str]:
    """Return the accounts that post here: `default`, and each other one with a source and credentials."""
    in_environment = JiwaCredentials.accounts_in(os.environ)
    accounts = [] if in_environment and DEFAULT not in in_environment else [DEFAULT]
    others = _others(settings)
    return accounts + [each for each in others if each in in_environment or await _is_stored(each)]


def _without_source(settings: Settings) -> list[Change]:
    """Return the accounts of the environment that have no source to post to."""
    without = {*JiwaCredentials.accounts_in(os.environ)} - {DEFAULT, *_others(settings)}
    return [
        unchanged(
            "subscription", f"{SOURCE} {each}", f"left alone: {settings.hooks} has no source {SOURCE}-{each}"
        )
        for each in sorted(without)
    ]


async def _is_stored(account: str) -> bool:
    try:
        await JiwaCredentials.named(account)
    except BlockMissing:
        return False
    return True


async def _credentials(account: str) -> JiwaCredentials:
    """Return the credentials of an account: of the environment, else as they are stored."""
    if account == DEFAULT or account in JiwaCredentials.accounts_in(os.environ):
        return JiwaCredentials.from_environment(account)
    return await JiwaCredentials.named(account)


async def subscriptions(
    settings: Settings, url: str, *, dry_run: bool, renew_unseen: bool = False, account: str = DEFAULT
) -> list[Outcome]:
    """
    Make each event have a subscription that sends the current secret; say what was done, and what waits.

    Args:
        settings: lead to hooks.yaml.
        url: address under which Jiwa reaches the gateway.
        dry_run: change nothing.
        renew_unseen: make another subscription where Jiwa neither shows nor changes the headers of one.
        account: the name of the block of the Jiwa.

    Raises:
        ConfigurationError: the source jiwa has no secret, or none that Jiwa could send.
        SecretNotSent: Jiwa takes the subscription and not the secret.
        VendorError: Jiwa refuses it.
    """
    header = secret_header(settings, account)
    address = address_of(url, account)
    credentials = await _credentials(account)
    async with credentials.get_client() as client:
        subscriber = await _subscriber(client, dry_run=dry_run)
        if subscriber is None:
            return [Outcome(event, address, MADE) for event in EVENTS]
        made = Fingerprints(settings.home)
        place = _Place(client, subscriber, address, header, dry_run, renew_unseen, made)
        existing = await client.list_webhook_subscriptions(SubscriberID=subscriber)
        return [
            await place.ensure(
                event, [row for row in existing if (row.EventName, row.URL) == (event, address)]
            )
            for event in EVENTS
        ]


def address_of(url: str, account: str = DEFAULT) -> str:
    """Return the address of the source of a Jiwa account at a gateway."""
    return f"{url.rstrip('/')}/hooks/{source_of(SOURCE, account)}"


def secret_header(settings: Settings, account: str = DEFAULT) -> Header:
    """Return the header with the current secret that the source of a Jiwa account wants; raise ConfigurationError."""
    name = source_of(SOURCE, account)
    source = hooks_in_force(settings.hooks, settings.home, note=False).sources.get(name)
    scheme = source.auth_scheme if source else None
    if not isinstance(scheme, SharedSecret) or scheme.place != "header":
        raise ConfigurationError(
            f"{settings.hooks}: source {name} must be of the scheme shared-secret, in a header."
        )
    secrets = webhook_secrets(name)
    if not secrets:
        raise ConfigurationError(
            f"{secret_variable(name)} is not set: the gateway would refuse what Jiwa sends. Set it."
        )
    return Header(Name=scheme.header, Value=secrets[0].get_secret_value())


async def _subscriber(client: JiwaClient, *, dry_run: bool) -> str | None:
    """Return our subscriber's id, made if it is missing; None in a dry run without one."""
    async for row in pages(client.list_webhook_subscribers):
        if row.Name == SUBSCRIBER:
            return row.SubscriberID
    return None if dry_run else (await client.create_webhook_subscriber(Name=SUBSCRIBER)).SubscriberID


@dataclass(frozen=True, slots=True)
class _Place:
    """Our subscriber at Jiwa, and what its subscriptions are to send."""

    client: JiwaClient
    subscriber: str
    address: str
    header: Header
    dry_run: bool
    renew_unseen: bool
    made: Fingerprints

    async def ensure(self, event: str, listed: Sequence[WebhookSubscription]) -> Outcome:
        """Make one subscription to an event send the current secret, and release the others."""
        read = [await self._read(each.SubscriptionID) for each in listed]
        sends = {each.SubscriptionID: self._sends_now(each) for each in read}
        good = [each for each in read if sends[each.SubscriptionID] == "current"]
        others = [each for each in read if sends[each.SubscriptionID] != "current"]
        messages = await self._messages([each.SubscriptionID for each in read])
        result = AS_IT_IS
        if not read:
            result = await self._make(event, MADE)
        elif not good:
            result = await self._change(event, others[0], sends[others[0].SubscriptionID])
            others = {GIVEN: others[1:], UNSEEN: []}.get(result, others)
        elif not any(each.RequestHeaders or messages[each.SubscriptionID].arrived for each in good):
            result = UNSEEN
        names = [each.SubscriptionID for each in others]
        old = tuple(names) if UNSEEN in result else await self._release(names, messages)
        return Outcome(event, self.address, result, sum(each.waiting for each in messages.values()), old)

    async def _change(self, event: str, subscription: WebhookSubscription, sends: Sends) -> str:
        """Let an existing subscription send the current secret, or make another beside it."""
        if self.dry_run:
            return UNSEEN if sends == "not shown" else GIVEN
        if await self._replace_headers(subscription):
            return GIVEN
        if sends == "not shown" and not self.renew_unseen:
            return UNSEEN
        return await self._make(event, MADE_BESIDE)

    async def _make(self, event: str, result: str) -> str:
        """Make a subscription, and check that it sends the secret; raise SecretNotSent."""
        if self.dry_run:
            return result
        made = await self.client.create_webhook_subscription(
            SubscriberID=self.subscriber, URL=self.address, EventName=event, RequestHeaders=[self.header]
        )
        self.made.note(made.SubscriptionID, self.header.Value)
        read = await self._read(made.SubscriptionID)
        sends = self._sends(read.RequestHeaders)
        if sends == "current" or await self._replace_headers(read):
            return result
        if sends == "not shown":
            return f"{result}; {UNSEEN}"
        if result == MADE_BESIDE:  # the one before still has all messages; a first one stays and keeps them
            await self._delete(made.SubscriptionID)
        raise SecretNotSent(
            f"Jiwa takes the subscription of {event} to {self.address}, but not the header {self.header.Name}: each "
            "webhook would be refused with 401. Nothing that was there before was changed. Set the header in Jiwa, at "
            "the subscriptions of the subscriber Hookline, and run this again."
        )

    async def _replace_headers(self, subscription: WebhookSubscription) -> bool:
        """Give a subscription the current secret beside its other headers; return True if it has it then."""
        others = [
            Header(Name=each.Name, Value=each.Value.get_secret_value())
            for each in subscription.RequestHeaders or ()
            if each.Name.lower() != self.header.Name.lower()
        ]
        try:
            answered = await self.client.replace_webhook_request_headers(
                SubscriberID=self.subscriber,
                SubscriptionID=subscription.SubscriptionID,
                RequestHeaders=[*others, self.header],
            )
        except (NotFound, Refused):  # this version has no such route
            return False
        read = (await self._read(subscription.SubscriptionID)).RequestHeaders
        return self._sends(answered if read is None else read) == "current"

    async def _read(self, subscription: str) -> WebhookSubscription:
        return await self.client.get_webhook_subscription(
            SubscriberID=self.subscriber, SubscriptionID=subscription
        )

    def _sends_now(self, subscription: WebhookSubscription) -> Sends:
        """Return what a subscription sends: as Jiwa shows it, else as it was made here."""
        sends = self._sends(subscription.RequestHeaders)
        matches = self.made.matches(subscription.SubscriptionID, self.header.Value)
        if sends != "not shown" or matches is None:
            return sends
        return "current" if matches else "other"

    def _sends(self, headers: Sequence[RequestHeader] | None) -> Sends:
        if headers is None:
            return "not shown"
        ours = (self.header.Name.lower(), self.header.Value)
        return "current" if ours in _pairs(headers) else "other"

    async def _messages(self, subscriptions: Sequence[str]) -> dict[str, "_Messages"]:
        """Count the messages of each subscription."""
        counts = {each: _Messages() for each in subscriptions}
        if not subscriptions:
            return counts
        messages = self.client.list_webhook_messages
        async for each in pages(messages, SubscriberID=self.subscriber, Fields=PAGE_OF_MESSAGES):
            if each.SubscriptionID in counts:
                counts[each.SubscriptionID].add(arrived=each.LastMessageResponseHTTPCode in ARRIVED)
        return counts

    async def _release(
        self, subscriptions: Sequence[str], messages: dict[str, "_Messages"]
    ) -> tuple[str, ...]:
        """Delete subscriptions with another secret; return those that stay, as messages wait in them."""
        old = []
        for each in subscriptions:
            if messages[each].waiting:
                old.append(each)
            elif not self.dry_run:
                await self._delete(each)
        return tuple(old)

    async def _delete(self, subscription: str) -> None:
        await self.client.delete_webhook_subscription(
            SubscriberID=self.subscriber, SubscriptionID=subscription
        )
        self.made.forget(subscription)


@dataclass(slots=True)
class _Messages:
    """The messages of a subscription."""

    waiting: int = 0
    """Those that got no good answer yet."""
    arrived: int = 0

    def add(self, *, arrived: bool) -> None:
        """Count one."""
        self.arrived += arrived
        self.waiting += not arrived


def _pairs(headers: Sequence[RequestHeader]) -> list[tuple[str, str]]:
    return [(each.Name.lower(), each.Value.get_secret_value()) for each in headers]


def _reported(outcome: Outcome) -> str:
    if not outcome.old:
        return outcome.result
    if UNSEEN in outcome.result:
        return f"{outcome.result}; the one of before stays until then: then run this again"
    return (
        f"{outcome.result}; the one with the old secret stays until the messages that wait in it have come in: "
        "then run this again"
    )
