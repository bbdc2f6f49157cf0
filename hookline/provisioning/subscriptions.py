"""Jiwa's side of its webhooks: one subscription an event, to our gateway, with our secret."""

from hookline.clients.jiwa import JiwaClient
from hookline.clients.jiwa.webhooks import Header, WebhookSubscription
from hookline.clients.paging import pages
from hookline.errors import ConfigurationError
from hookline.hooks import hooks_in_force
from hookline.schemes.shared_secret import SharedSecret
from hookline.settings import Settings
from hookline.source_secrets import webhook_secrets

SOURCE = "jiwa"
SUBSCRIBER = "Hookline"
EVENTS = ("salesorder.created", "salesorder.updated")


async def subscribe_jiwa(settings: Settings, url: str, *, dry_run: bool) -> list[dict[str, str]]:
    """
    Make Jiwa post its order events to the gateway; what is so already stays.

    Args:
        settings: where hooks.yaml is.
        url: address under which Jiwa reaches the gateway.
        dry_run: say what would change; change nothing.

    Returns:
        A row an event: kind, name, change.

    Raises:
        ConfigurationError: the source jiwa has no secret, or none that Jiwa could send.
        VendorError: Jiwa does not let us.
    """
    from blocks import JiwaCredentials

    header = _secret_header(settings)
    address = f"{url.rstrip('/')}/hooks/{SOURCE}"
    async with JiwaCredentials.from_environment().get_client() as client:
        subscriber = await _subscriber(client, dry_run=dry_run)
        existing = [] if not subscriber else await client.list_webhook_subscriptions(SubscriberID=subscriber)
        rows = []
        for event in EVENTS:
            ours = [row for row in existing if (row.EventName, row.URL) == (event, address)]
            change = _change(ours, header)
            if subscriber and change != "as it is" and not dry_run:
                for outdated in ours:
                    await client.delete_webhook_subscription(
                        SubscriberID=subscriber, SubscriptionID=outdated.SubscriptionID
                    )
                await client.create_webhook_subscription(
                    SubscriberID=subscriber, URL=address, EventName=event, RequestHeaders=[header]
                )
            rows.append({"kind": "subscription", "name": f"{event} to {address}", "change": change})
    return rows


def _secret_header(settings: Settings) -> Header:
    source = hooks_in_force(settings.hooks, settings.home, note=False).sources.get(SOURCE)
    scheme = source.auth_scheme if source else None
    if not isinstance(scheme, SharedSecret) or scheme.place != "header":
        raise ConfigurationError(
            f"{settings.hooks}: source {SOURCE} must be of the scheme shared-secret, in a header."
        )
    secrets = webhook_secrets(SOURCE)
    if not secrets:
        raise ConfigurationError("HOOKLINE_SECRET_JIWA is not set: Jiwa would send what the gateway refuses.")
    return Header(Name=scheme.header, Value=secrets[0].get_secret_value())


async def _subscriber(client: JiwaClient, *, dry_run: bool) -> str | None:
    """Our subscriber's id, made where it is missing."""
    async for row in pages(client.list_webhook_subscribers):
        if row.Name == SUBSCRIBER:
            return row.SubscriberID
    return None if dry_run else (await client.create_webhook_subscriber(Name=SUBSCRIBER)).SubscriberID


def _change(ours: list[WebhookSubscription], header: Header) -> str:
    if not ours:
        return "made"
    if len(ours) == 1 and _sends(ours[0], header):
        return "as it is"
    return "made anew with the present secret"


def _sends(subscription: WebhookSubscription, header: Header) -> bool:
    """Whether Jiwa sends our present secret, as far as it tells."""
    told = (subscription.model_extra or {}).get("RequestHeaders")
    return told is None or any(
        (each.get("Name"), each.get("Value")) == (header.Name, header.Value) for each in told
    )
