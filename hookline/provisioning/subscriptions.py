"""The webhook subscriptions at Jiwa: one for each event, to our gateway, with our secret."""

from blocks import JiwaCredentials
from hookline.clients.jiwa import JiwaClient
from hookline.clients.jiwa.webhooks import Header, WebhookSubscription
from hookline.clients.paging import pages
from hookline.errors import ConfigurationError
from hookline.hooks import hooks_in_force
from hookline.provisioning.changes import AS_IT_IS, MADE, Change, unchanged
from hookline.schemes.shared_secret import SharedSecret
from hookline.settings import Settings
from hookline.source_secrets import webhook_secrets

SOURCE = "jiwa"
SUBSCRIBER = "Hookline"
EVENTS = ("salesorder.created", "salesorder.updated")


async def subscribe_jiwa(settings: Settings, url: str, *, dry_run: bool) -> list[Change]:
    """
    Make Jiwa post its order events to the gateway, and return the changes.

    Args:
        settings: lead to hooks.yaml.
        url: address under which Jiwa reaches the gateway.
        dry_run: change nothing.

    Raises:
        ConfigurationError: the source jiwa has no secret, or none that Jiwa could send.
        VendorError: Jiwa refuses it.
    """
    header = _secret_header(settings)
    address = f"{url.rstrip('/')}/hooks/{SOURCE}"
    async with JiwaCredentials.from_environment().get_client() as client:
        subscriber = await _subscriber(client, dry_run=dry_run)
        existing = [] if not subscriber else await client.list_webhook_subscriptions(SubscriberID=subscriber)
        changes = []
        for event in EVENTS:
            ours = [row for row in existing if (row.EventName, row.URL) == (event, address)]
            result = _result(ours, header)
            if subscriber and result != AS_IT_IS and not dry_run:
                for outdated in ours:
                    await client.delete_webhook_subscription(
                        SubscriberID=subscriber, SubscriptionID=outdated.SubscriptionID
                    )
                await client.create_webhook_subscription(
                    SubscriberID=subscriber, URL=address, EventName=event, RequestHeaders=[header]
                )
            changes.append(unchanged("subscription", f"{event} to {address}", result))
    return changes


def _secret_header(settings: Settings) -> Header:
    source = hooks_in_force(settings.hooks, settings.home, note=False).sources.get(SOURCE)
    scheme = source.auth_scheme if source else None
    if not isinstance(scheme, SharedSecret) or scheme.place != "header":
        raise ConfigurationError(
            f"{settings.hooks}: source {SOURCE} must be of the scheme shared-secret, in a header."
        )
    secrets = webhook_secrets(SOURCE)
    if not secrets:
        raise ConfigurationError(
            "HOOKLINE_SECRET_JIWA is not set: the gateway would refuse what Jiwa sends. Set it."
        )
    return Header(Name=scheme.header, Value=secrets[0].get_secret_value())


async def _subscriber(client: JiwaClient, *, dry_run: bool) -> str | None:
    """Return our subscriber's id, made if it is missing; None in a dry run without one."""
    async for row in pages(client.list_webhook_subscribers):
        if row.Name == SUBSCRIBER:
            return row.SubscriberID
    return None if dry_run else (await client.create_webhook_subscriber(Name=SUBSCRIBER)).SubscriberID


def _result(ours: list[WebhookSubscription], header: Header) -> str:
    if not ours:
        return MADE
    if len(ours) == 1 and _sends(ours[0], header):
        return AS_IT_IS
    return "made again with the current secret"


def _sends(subscription: WebhookSubscription, header: Header) -> bool:
    """Return True if Jiwa sends our current secret, or does not show which it sends."""
    headers = (subscription.model_extra or {}).get("RequestHeaders")
    return headers is None or any(
        (each.get("Name"), each.get("Value")) == (header.Name, header.Value) for each in headers
    )
