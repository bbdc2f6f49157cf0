"""
Presets of well-known senders: the fields that `preset: NAME` fills in.

Data only: each may be written out by hand in `hooks.yaml`, and each field be overridden there. docs/senders.md is
written from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A sender, and what is known of it."""

    sender: str
    page: str
    """Where the sender describes it."""
    holds: str
    """What `HOOKLINE_SECRET_<SOURCE>` holds, and where it is found."""
    fields: Mapping[str, Any]
    chosen: bool = False
    """The secret is chosen by us, and told to the sender."""
    note: str = ""
    """What a person must know or do, beside the secret."""


EMPTY = {"status": 200, "body": ""}
"""The answer that most senders want: 200, and nothing to read."""
HEAD = {"method": "HEAD", "verified": False}
"""A sender's look whether the address is there at all."""

# eventId alone is not unique, and an item says how often it was tried
HUBSPOT_ID = "{{ body.subscriptionId }} {{ body.eventId }} {{ body.objectId }} {{ body.occurredAt }}"

SENDERS: Mapping[str, Preset] = {
    "stripe": Preset(
        sender="Stripe",
        page="https://docs.stripe.com/webhooks#verify-manually",
        holds="the endpoint's signing secret (`whsec_…`, as it is)",
        # a retry has a new timestamp and the same event id
        fields={
            "scheme": "hmac",
            "header": "Stripe-Signature",
            "parts": {"timestamp": "t", "signature": "v1"},
            "signs": "{timestamp}.{body}",
            "id": "{{ body.id }}",
        },
    ),
    "github": Preset(
        sender="GitHub",
        page="https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
        holds="the webhook's secret, which you choose",
        chosen=True,
        fields={
            "scheme": "hmac",
            "header": "X-Hub-Signature-256",
            "prefix": "sha256=",
            "accept": ["json", "form"],
            "id": {"header": "X-GitHub-Delivery"},
            "json_fields": ["payload"],
        },
    ),
    "gitlab": Preset(
        sender="GitLab, with a secret token",
        page="https://docs.gitlab.com/user/project/integrations/webhooks/",
        holds="the webhook's secret token, which you choose",
        chosen=True,
        fields={
            "scheme": "shared-secret",
            "header": "X-Gitlab-Token",
            "id": {"header": "Idempotency-Key"},
            "response": EMPTY,
        },
    ),
    "gitlab-signed": Preset(
        sender="GitLab, with a signing token",
        page="https://docs.gitlab.com/user/project/integrations/webhooks/",
        holds="the webhook's signing token (`whsec_…`)",
        fields={"scheme": "standard-webhooks", "response": EMPTY},
    ),
    # one event can be of several topics
    "shopify": Preset(
        sender="Shopify",
        page="https://shopify.dev/docs/apps/build/webhooks",
        holds="the app's client secret",
        fields={
            "scheme": "hmac",
            "header": "X-Shopify-Hmac-Sha256",
            "encoding": "base64",
            "accept": ["json", "xml"],
            "id": "{{ headers['x-shopify-topic'] }} {{ headers['x-shopify-event-id'] }}",
        },
    ),
    # the ping is a form without a signature, and disables the webhook unless it is answered 200
    "woocommerce": Preset(
        sender="WooCommerce",
        page="https://woocommerce.com/document/webhooks/",
        holds="the webhook's secret",
        fields={
            "scheme": "hmac",
            "header": "X-WC-Webhook-Signature",
            "encoding": "base64",
            "id": {"header": "X-WC-Webhook-Delivery-ID"},
            "response": EMPTY,
            "handshakes": [
                {
                    "method": "POST",
                    "when": "'application/x-www-form-urlencoded' in headers['content-type']"
                    " and headers['x-wc-webhook-signature'] is not defined",
                    "verified": False,
                }
            ],
        },
    ),
    "slack": Preset(
        sender="Slack",
        page="https://docs.slack.dev/authentication/verifying-requests-from-slack",
        holds="the app's signing secret",
        fields={
            "scheme": "hmac",
            "header": "X-Slack-Signature",
            "prefix": "v0=",
            "signs": "v0:{timestamp}:{body}",
            "timestamp_header": "X-Slack-Request-Timestamp",
            "accept": ["json", "form"],
            "id": "{{ body.event_id }}",
            "response": EMPTY,
            "handshakes": [
                {
                    "method": "POST",
                    "when": "body.type == 'url_verification'",
                    "reply": "{{ body.challenge }}",
                }
            ],
            "json_fields": ["payload"],
        },
        note="It answers `url_verification`, and takes commands, which are forms.",
    ),
    "svix": Preset(
        sender="anyone who sends by Svix, such as Clerk, Resend or Replicate",
        page="https://docs.svix.com/receiving/verifying-payloads/how-manual",
        holds="the endpoint's signing secret (`whsec_…`)",
        fields={"scheme": "standard-webhooks", "header_prefix": "svix"},
    ),
    # `events` is empty when Xero tries the address: right signatures want 200, wrong ones 401
    "xero": Preset(
        sender="Xero",
        page="https://developer.xero.com/documentation/guides/webhooks/overview/",
        holds="the app's webhooks key",
        fields={
            "scheme": "hmac",
            "header": "X-Xero-Signature",
            "encoding": "base64",
            "response": EMPTY,
            "handshakes": [{"method": "POST", "when": "body.events == []"}],
            "split": "$.events[*]",
        },
    ),
    "intuit": Preset(
        sender="Intuit QuickBooks",
        page="https://developer.intuit.com/app/developer/qbo/docs/develop/webhooks",
        holds="the app's verifier token",
        fields={
            "scheme": "hmac",
            "header": "Intuit-Signature",
            "encoding": "base64",
            "response": EMPTY,
            "split": "$[*]",
            "id": "{{ body.id }}",
        },
    ),
    "hubspot": Preset(
        sender="HubSpot, signature v3",
        page="https://developers.hubspot.com/changelog/introducing-version-3-of-webhook-signatures",
        holds="the app's client secret",
        fields={
            "scheme": "hmac",
            "header": "X-HubSpot-Signature-v3",
            "encoding": "base64",
            "signs": "{method}{url}{body}{timestamp}",
            "timestamp_header": "X-HubSpot-Request-Timestamp",
            "timestamp_unit": "milliseconds",
            "response": EMPTY,
            "split": "$[*]",
            "id": HUBSPOT_ID,
        },
        note="It signs the address.",
    ),
    "hubspot-v1": Preset(
        sender="HubSpot, signature v1 (private apps)",
        page="https://legacydocs.hubspot.com/docs/faq/v1-request-validation",
        holds="the app's client secret",
        fields={
            "scheme": "digest",
            "header": "X-HubSpot-Signature",
            "signs": "{secret}{body}",
            "response": EMPTY,
            "split": "$[*]",
            "id": HUBSPOT_ID,
        },
    ),
    "hubspot-v2": Preset(
        sender="HubSpot, signature v2 (workflows)",
        page="https://legacydocs.hubspot.com/docs/faq/v2-request-validation",
        holds="the app's client secret",
        fields={
            "scheme": "digest",
            "header": "X-HubSpot-Signature",
            "signs": "{secret}{method}{url}{body}",
            "response": EMPTY,
        },
        note="It signs the address.",
    ),
    "mailchimp": Preset(
        sender="Mailchimp",
        page="https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/",
        holds="a secret that you make, the last part of the address",
        chosen=True,
        fields={
            "scheme": "url-secret",
            "accept": ["form"],
            "response": EMPTY,
            "handshakes": [{"method": "GET"}, {"method": "HEAD"}],
        },
    ),
    "mandrill": Preset(
        sender="Mailchimp Transactional (Mandrill)",
        page="https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/",
        holds="the webhook's authentication key",
        fields={
            "scheme": "hmac",
            "header": "X-Mandrill-Signature",
            "algorithm": "sha1",
            "encoding": "base64",
            "signs": "{url}{form}",
            "accept": ["form"],
            "response": EMPTY,
            "handshakes": [HEAD],
            "json_fields": ["mandrill_events"],
            "split": "$.mandrill_events[*]",
            "id": "{{ body._id }} {{ body.event }} {{ body.ts }}",
        },
        note="It signs the address.",
    ),
    # retries go on for eight hours, maybe with the first timestamp; only the timestamp and a token are signed
    "mailgun": Preset(
        sender="Mailgun",
        page="https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks",
        holds="the account's HTTP webhook signing key",
        fields={
            "scheme": "hmac",
            "field": "signature.signature",
            "signs": "{fields}",
            "fields": {"names": ["signature.timestamp", "signature.token"], "missing": "refuse"},
            "timestamp_field": "signature.timestamp",
            "tolerance": 36_000,
            "id": "{{ body['event-data'].id }}",
            "response": EMPTY,
        },
        note="The signature is not over the event.",
    ),
    "sendgrid": Preset(
        sender="Twilio SendGrid, event webhook",
        page="https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features",
        holds="the webhook's verification key, which is public",
        fields={
            "scheme": "asymmetric",
            "algorithm": "ecdsa",
            "header": "X-Twilio-Email-Event-Webhook-Signature",
            "encoding": "base64",
            "signs": "{timestamp}{body}",
            "timestamp_header": "X-Twilio-Email-Event-Webhook-Timestamp",
            "response": EMPTY,
            "split": "$[*]",
            "id": "{{ body.sg_event_id }}",
        },
    ),
    "postmark": Preset(
        sender="Postmark",
        page="https://postmarkapp.com/developer/webhooks/webhooks-overview",
        holds="the password of the basic authentication, which you choose; the user is `hookline`",
        chosen=True,
        fields={"scheme": "shared-secret", "in": "basic", "response": EMPTY},
    ),
    "twilio": Preset(
        sender="Twilio",
        page="https://www.twilio.com/docs/usage/security#validating-requests",
        holds="the account's auth token",
        fields={
            "scheme": "hmac",
            "header": "X-Twilio-Signature",
            "algorithm": "sha1",
            "encoding": "base64",
            "signs": "{url}{form}",
            "accept": ["form"],
            "id": {"header": "I-Twilio-Idempotency-Token"},
            "response": {"status": 200, "body": "<Response/>", "content_type": "text/xml"},
        },
        note="It signs the address.",
    ),
    "discord": Preset(
        sender="Discord, webhook events",
        page="https://docs.discord.com/developers/interactions/overview",
        holds="the application's public key",
        fields={
            "scheme": "asymmetric",
            "algorithm": "ed25519",
            "header": "X-Signature-Ed25519",
            "signs": "{timestamp}{body}",
            "timestamp_header": "X-Signature-Timestamp",
            "response": {"status": 204},
            "handshakes": [
                {"method": "POST", "when": "body.type == 0", "status": 204},
                {
                    "method": "POST",
                    "when": "body.type == 1 and body.event is not defined",
                    "reply": "{{ {'type': 1} }}",
                    "content_type": "application/json",
                },
            ],
        },
        note="Interactions want an answer of their own in `response`, such as "
        '`{"status": 200, "body": "{\\"type\\": 5}", "content_type": "application/json"}`.',
    ),
    "telegram": Preset(
        sender="Telegram",
        page="https://core.telegram.org/bots/api#setwebhook",
        holds="the `secret_token` of `setWebhook`, which you choose",
        chosen=True,
        fields={
            "scheme": "shared-secret",
            "header": "X-Telegram-Bot-Api-Secret-Token",
            "id": "{{ body.update_id }}",
            "response": EMPTY,
        },
    ),
    "linear": Preset(
        sender="Linear",
        page="https://linear.app/developers/webhooks",
        holds="the webhook's signing secret",
        fields={
            "scheme": "hmac",
            "header": "Linear-Signature",
            "timestamp_field": "webhookTimestamp",
            "timestamp_unit": "milliseconds",
            "id": {"header": "Linear-Delivery"},
            "response": EMPTY,
        },
    ),
    "jira": Preset(
        sender="Jira Cloud",
        page="https://developer.atlassian.com/cloud/jira/platform/webhooks/",
        holds="the webhook's secret, which you choose",
        chosen=True,
        fields={
            "scheme": "hmac",
            "header": "X-Hub-Signature",
            "prefix": "sha256=",
            "id": {"header": "X-Atlassian-Webhook-Identifier"},
            "response": EMPTY,
        },
    ),
    "bitbucket": Preset(
        sender="Bitbucket",
        page="https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/",
        holds="the webhook's secret, which you choose",
        chosen=True,
        fields={
            "scheme": "hmac",
            "header": "X-Hub-Signature",
            "prefix": "sha256=",
            "id": {"header": "X-Request-UUID"},
            "response": EMPTY,
        },
    ),
    "zendesk": Preset(
        sender="Zendesk",
        page="https://developer.zendesk.com/documentation/webhooks/verifying/",
        holds="the webhook's signing secret",
        fields={
            "scheme": "hmac",
            "header": "X-Zendesk-Webhook-Signature",
            "encoding": "base64",
            "signs": "{timestamp}{body}",
            "timestamp_header": "X-Zendesk-Webhook-Signature-Timestamp",
            "timestamp_unit": "iso8601",
            "id": {"header": "X-Zendesk-Webhook-Invocation-Id"},
            "response": EMPTY,
        },
    ),
    "typeform": Preset(
        sender="Typeform",
        page="https://www.typeform.com/developers/webhooks/secure-your-webhooks/",
        holds="the webhook's secret, which you choose",
        chosen=True,
        fields={
            "scheme": "hmac",
            "header": "Typeform-Signature",
            "prefix": "sha256=",
            "encoding": "base64",
            "id": "{{ body.event_id }}",
            "response": EMPTY,
        },
    ),
    "calendly": Preset(
        sender="Calendly",
        page="https://developer.calendly.com/api-docs/4c305798a61d3-webhook-signatures",
        holds="the subscription's signing key, which you choose",
        chosen=True,
        fields={
            "scheme": "hmac",
            "header": "Calendly-Webhook-Signature",
            "parts": {"timestamp": "t", "signature": "v1"},
            "signs": "{timestamp}.{body}",
            "response": EMPTY,
        },
    ),
    "square": Preset(
        sender="Square",
        page="https://developer.squareup.com/docs/webhooks/step3validate",
        holds="the subscription's signature key",
        fields={
            "scheme": "hmac",
            "header": "X-Square-HmacSha256-Signature",
            "encoding": "base64",
            "signs": "{url}{body}",
            "id": "{{ body.event_id }}",
            "response": EMPTY,
        },
        note="It signs the address.",
    ),
    "paddle": Preset(
        sender="Paddle",
        page="https://developer.paddle.com/webhooks/signature-verification",
        holds="the notification destination's secret key",
        fields={
            "scheme": "hmac",
            "header": "Paddle-Signature",
            "parts": {"timestamp": "ts", "signature": "h1", "separator": ";"},
            "signs": "{timestamp}:{body}",
            "id": "{{ body.event_id }}",
            "response": EMPTY,
        },
    ),
    "mollie": Preset(
        sender="Mollie, next-gen webhooks",
        page="https://docs.mollie.com/reference/webhooks-new",
        holds="the webhook's signing secret",
        fields={
            "scheme": "hmac",
            "header": "X-Mollie-Signature",
            "prefix": "sha256=",
            "id": "{{ body.id }}",
            "response": EMPTY,
        },
    ),
    "zoom": Preset(
        sender="Zoom",
        page="https://developers.zoom.us/docs/api/webhooks/",
        holds="the app's webhook secret token",
        fields={
            "scheme": "hmac",
            "header": "X-Zm-Signature",
            "prefix": "v0=",
            "signs": "v0:{timestamp}:{body}",
            "timestamp_header": "X-Zm-Request-Timestamp",
            "response": EMPTY,
            "handshakes": [
                {
                    "method": "POST",
                    "when": "body.event == 'endpoint.url_validation'",
                    "sign": {"value": "{{ body.payload.plainToken }}"},
                    "reply": "{{ {'plainToken': body.payload.plainToken, 'encryptedToken': signature} }}",
                    "content_type": "application/json",
                }
            ],
        },
    ),
    "microsoft-graph": Preset(
        sender="Microsoft Graph change notifications",
        page="https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks",
        holds="the subscription's `clientState`, which you choose",
        chosen=True,
        fields={
            "scheme": "shared-secret",
            "in": "body",
            "field": "clientState",
            "each": "value",
            "response": {"status": 202, "body": ""},
            "handshakes": [
                {
                    "method": "POST",
                    "when": "query.validationToken is defined",
                    "reply": "{{ query.validationToken }}",
                    "verified": False,
                }
            ],
            "split": "$.value[*]",
        },
    ),
    "docusign": Preset(
        sender="DocuSign Connect",
        page="https://developers.docusign.com/platform/webhooks/connect/hmac/",
        holds="the first HMAC key of the Connect settings",
        fields={
            "scheme": "hmac",
            "header": "X-DocuSign-Signature-1",
            "encoding": "base64",
            "response": EMPTY,
        },
    ),
    "meta": Preset(
        sender="Meta (Facebook, Instagram, WhatsApp)",
        page="https://developers.facebook.com/docs/graph-api/webhooks/getting-started",
        holds="the app's secret; the verify token, which you choose, is `HOOKLINE_TOKEN_<SOURCE>`",
        fields={
            "scheme": "hmac",
            "header": "X-Hub-Signature-256",
            "prefix": "sha256=",
            "response": EMPTY,
            "handshakes": [
                {
                    "method": "GET",
                    "when": "query['hub.mode'] == 'subscribe'",
                    "token": "{{ query['hub.verify_token'] }}",
                    "reply": "{{ query['hub.challenge'] }}",
                    "verified": False,
                }
            ],
            "split": "$.entry[*]['changes', 'messaging'][*]",
        },
    ),
    "okta": Preset(
        sender="Okta event hooks",
        page="https://developer.okta.com/docs/concepts/event-hooks/",
        holds="the authentication secret, which you choose; the authentication field is `Authorization`",
        chosen=True,
        fields={
            "scheme": "shared-secret",
            "header": "Authorization",
            "response": EMPTY,
            "handshakes": [
                {
                    "method": "GET",
                    "when": "headers['x-okta-verification-challenge'] is defined",
                    "reply": "{{ {'verification': headers['x-okta-verification-challenge']} }}",
                    "content_type": "application/json",
                    "verified": False,
                }
            ],
            "split": "$.data.events[*]",
            "id": "{{ body.uuid }}",
        },
    ),
    "twitch": Preset(
        sender="Twitch EventSub",
        page="https://dev.twitch.tv/docs/eventsub/handling-webhook-events/",
        holds="the subscription's secret, which you choose",
        chosen=True,
        fields={
            "scheme": "hmac",
            "header": "Twitch-Eventsub-Message-Signature",
            "prefix": "sha256=",
            "signs": "{id}{timestamp}{body}",
            "id_header": "Twitch-Eventsub-Message-Id",
            "timestamp_header": "Twitch-Eventsub-Message-Timestamp",
            "timestamp_unit": "iso8601",
            "tolerance": 600,
            "response": EMPTY,
            "handshakes": [
                {
                    "method": "POST",
                    "when": "headers['twitch-eventsub-message-type'] == 'webhook_callback_verification'",
                    "reply": "{{ body.challenge }}",
                }
            ],
        },
    ),
    "cloudevents": Preset(
        sender="CloudEvents over HTTP, in structured mode",
        page="https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md",
        holds="the bearer token, which you choose",
        chosen=True,
        fields={
            "scheme": "shared-secret",
            "in": "bearer",
            "id": "{{ body.source }} {{ body.id }}",
            "handshakes": [
                {
                    "method": "OPTIONS",
                    "when": "headers['webhook-request-origin'] is defined",
                    "headers": {
                        "WebHook-Allowed-Origin": "{{ headers['webhook-request-origin'] }}",
                        "Allow": "POST, OPTIONS",
                    },
                    "verified": False,
                }
            ],
        },
    ),
    "azure-event-grid": Preset(
        sender="Azure Event Grid, own schema",
        page="https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema",
        holds="a secret that you make, the parameter `key` of the address",
        chosen=True,
        fields={
            "scheme": "shared-secret",
            "in": "query",
            "response": EMPTY,
            "handshakes": [
                {
                    "method": "POST",
                    "when": "body[0].eventType == 'Microsoft.EventGrid.SubscriptionValidationEvent'",
                    "reply": "{{ {'validationResponse': body[0].data.validationCode} }}",
                    "content_type": "application/json",
                }
            ],
            "split": "$[*]",
            "id": "{{ body.id }}",
        },
    ),
    "trello": Preset(
        sender="Trello",
        page="https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/",
        holds="the app's OAuth secret",
        fields={
            "scheme": "hmac",
            "header": "X-Trello-Webhook",
            "algorithm": "sha1",
            "encoding": "base64",
            "signs": "{body}{url}",
            "id": "{{ body.action.id }}",
            "response": EMPTY,
            "handshakes": [HEAD],
        },
        note="It signs the address.",
    ),
    "google-push": Preset(
        sender="Google Drive and Calendar push notifications",
        page="https://developers.google.com/workspace/drive/api/guides/push",
        holds="the channel's `token`, which you choose",
        chosen=True,
        fields={
            "scheme": "shared-secret",
            "header": "X-Goog-Channel-Token",
            "accept": ["any"],
            "id": "{{ headers['x-goog-channel-id'] }} {{ headers['x-goog-message-number'] }}",
            "response": EMPTY,
        },
        note="The body is empty; all is in the headers.",
    ),
    "pagerduty": Preset(
        sender="PagerDuty",
        page="https://developer.pagerduty.com/docs/verifying-signatures",
        holds="the subscription's secret",
        fields={
            "scheme": "hmac",
            "header": "X-PagerDuty-Signature",
            "parts": {"signature": "v1"},
            "id": "{{ body.event.id }}",
            "response": EMPTY,
        },
    ),
    "webflow": Preset(
        sender="Webflow",
        page="https://developers.webflow.com/data/docs/working-with-webhooks",
        holds="the webhook's secret, or the app's client secret",
        fields={
            "scheme": "hmac",
            "header": "X-Webflow-Signature",
            "signs": "{timestamp}:{body}",
            "timestamp_header": "X-Webflow-Timestamp",
            "timestamp_unit": "milliseconds",
            "response": EMPTY,
        },
    ),
    "adyen": Preset(
        sender="Adyen, standard webhooks",
        page="https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures",
        holds="the webhook's HMAC key (hex)",
        fields={
            "scheme": "hmac",
            "secret_encoding": "hex",
            "encoding": "base64",
            "each": "notificationItems",
            "field": "NotificationRequestItem.additionalData.hmacSignature",
            "signs": "{fields}",
            "fields": {
                "names": [
                    "NotificationRequestItem.pspReference",
                    "NotificationRequestItem.originalReference",
                    "NotificationRequestItem.merchantAccountCode",
                    "NotificationRequestItem.merchantReference",
                    "NotificationRequestItem.amount.value",
                    "NotificationRequestItem.amount.currency",
                    "NotificationRequestItem.eventCode",
                    "NotificationRequestItem.success",
                ],
                "separator": ":",
            },
            "response": {"status": 200, "body": "[accepted]"},
            "split": "$.notificationItems[*].NotificationRequestItem",
            "id": "{{ body.pspReference }} {{ body.eventCode }} {{ body.success }}",
        },
        note="Only the eight fields are signed: believe no other.",
    ),
    "adyen-platforms": Preset(
        sender="Adyen for Platforms, and its other signed webhooks",
        page="https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures",
        holds="the webhook's HMAC key (hex)",
        fields={
            "scheme": "hmac",
            "header": "HmacSignature",
            "secret_encoding": "hex",
            "encoding": "base64",
            "response": {"status": 200, "body": "[accepted]"},
        },
    ),
    "airtable": Preset(
        sender="Airtable",
        page="https://airtable.com/developers/web/api/webhooks-overview",
        holds="the `macSecretBase64` that the webhook was made with",
        fields={
            "scheme": "hmac",
            "header": "X-Airtable-Content-MAC",
            "prefix": "hmac-sha256=",
            "secret_encoding": "base64",
            "response": EMPTY,
        },
    ),
    "teams": Preset(
        sender="Microsoft Teams, outgoing webhooks",
        page="https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-outgoing-webhook",
        holds="the security token that Teams shows (base64)",
        fields={
            "scheme": "hmac",
            "header": "Authorization",
            "prefix": "HMAC ",
            "encoding": "base64",
            "secret_encoding": "base64",
            "id": "{{ body.id }}",
            "response": {
                "status": 200,
                "body": '{"type": "message", "text": "Received."}',
                "content_type": "application/json",
            },
        },
        note="The answer is a message in the channel: say there what you like.",
    ),
    "paypal": Preset(
        sender="PayPal",
        page="https://developer.paypal.com/api/rest/webhooks/rest/",
        holds="the webhook's id, which is no secret",
        fields={
            "scheme": "certificate",
            "header": "PayPal-Transmission-Sig",
            "encoding": "base64",
            "signs": "{id}|{timestamp}|{secret}|{crc32}",
            "id_header": "PayPal-Transmission-Id",
            "timestamp_header": "PayPal-Transmission-Time",
            "timestamp_unit": "iso8601",
            "tolerance": 86_400,
            "address_header": "PayPal-Cert-Url",
            "addresses": [
                "https://api.paypal.com/v1/notifications/certs/*",
                "https://api.sandbox.paypal.com/v1/notifications/certs/*",
            ],
            "id": "{{ body.id }}",
            "response": EMPTY,
        },
        note="The certificate is fetched from PayPal. A repeat is accepted for a day.",
    ),
    # the certificate signs for every customer of AWS: what makes a message ours is its topic
    "aws-sns": Preset(
        sender="AWS SNS",
        page="https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html",
        holds="the topic's ARN, which is no secret",
        fields={
            "scheme": "certificate",
            "field": "Signature",
            "encoding": "base64",
            "signs": "{fields}",
            "fields": {
                "names": [
                    "Message",
                    "MessageId",
                    "Subject",
                    "SubscribeURL",
                    "Timestamp",
                    "Token",
                    "TopicArn",
                    "Type",
                ],
                "written": "{name}\n{value}\n",
                "missing": "omit",
            },
            "identity_field": "TopicArn",
            "address_field": "SigningCertURL",
            "addresses": [
                "https://sns.*.amazonaws.com/SimpleNotificationService-*.pem",
                "https://sns.*.amazonaws.com.cn/SimpleNotificationService-*.pem",
            ],
            "id": {"header": "X-Amz-Sns-Message-Id"},
            "response": EMPTY,
            "confirm": {
                "when": "headers['x-amz-sns-message-type'] == 'SubscriptionConfirmation'",
                "field": "SubscribeURL",
                "hosts": ["sns.*.amazonaws.com", "sns.*.amazonaws.com.cn"],
            },
            "parse": "json",
            "json_fields": ["Message"],
        },
        note="Set the topic's `SignatureVersion` to 2 (SHA-256). Allow the subscription, once it has asked for it: "
        "`hookline sources confirm`.",
    ),
    # the bytes are the same for every change of an account
    "dropbox": Preset(
        sender="Dropbox",
        page="https://www.dropbox.com/developers/reference/webhooks",
        holds="the app's secret",
        fields={
            "scheme": "hmac",
            "header": "X-Dropbox-Signature",
            "repeats": "never",
            "response": EMPTY,
            "handshakes": [
                {
                    "method": "GET",
                    "when": "query.challenge is defined",
                    "reply": "{{ query.challenge }}",
                    "verified": False,
                }
            ],
        },
        note="It says whose files changed, and not which: ask it.",
    ),
    # the bytes are the same for every change of a payment
    "mollie-classic": Preset(
        sender="Mollie, the webhook of a payment",
        page="https://docs.mollie.com/reference/webhooks",
        holds="a secret that you make, the last part of the address",
        fields={"scheme": "url-secret", "accept": ["form"], "repeats": "never", "response": EMPTY},
        chosen=True,
        note="It names the payment alone: ask Mollie for its state.",
    ),
    "sendgrid-inbound": Preset(
        sender="Twilio SendGrid, inbound parse",
        page="https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/setting-up-the-inbound-parse-webhook",
        holds="a secret that you make, the last part of the address",
        fields={
            "scheme": "url-secret",
            "accept": ["multipart", "form"],
            "charset": {"field": "charsets"},
            "max_body": 31_457_280,
            "response": EMPTY,
        },
        chosen=True,
        note="A mail may have 30 MB; its files are read in a flow, by `read_delivery`. One that is sent again is "
        "written another way: a flow knows it by its Message-ID.",
    ),
    "jotform": Preset(
        sender="Jotform",
        page="https://www.jotform.com/help/245-how-to-setup-a-webhook-with-jotform/",
        holds="a secret that you make, the last part of the address",
        fields={
            "scheme": "url-secret",
            "accept": ["multipart", "form"],
            "json_fields": ["rawRequest"],
            "id": "{{ body.submissionID }}",
            "response": EMPTY,
        },
        chosen=True,
    ),
    "paypal-ipn": Preset(
        sender="PayPal, instant payment notification",
        page="https://developer.paypal.com/api/nvp-soap/ipn/IPNIntro/",
        holds="a secret that you make, the last part of the address",
        fields={
            "scheme": "url-secret",
            "accept": ["form"],
            "charset": {"field": "charset"},
            "id": "{{ body.ipn_track_id }}",
            "response": EMPTY,
        },
        chosen=True,
        note="Before you ship, let the flow send it back to PayPal, which answers VERIFIED.",
    ),
    "asana": Preset(
        sender="Asana",
        page="https://developers.asana.com/docs/webhooks-guide",
        holds="the `X-Hook-Secret` that Asana's answer to the creation has; until then any secret that you make",
        chosen=True,
        fields={
            "scheme": "hmac",
            "header": "X-Hook-Signature",
            "response": EMPTY,
            "handshakes": [
                {
                    "method": "POST",
                    "when": "headers['x-hook-secret'] is defined",
                    "headers": {"X-Hook-Secret": "{{ headers['x-hook-secret'] }}"},
                    "verified": False,
                },
                {"method": "POST", "when": "body.events == []"},  # its heartbeat
            ],
            "split": "$.events[*]",
        },
    ),
    "monday": Preset(
        sender="monday.com",
        page="https://developer.monday.com/api-reference/reference/webhooks",
        holds="a secret that you make, the last part of the address",
        chosen=True,
        fields={
            "scheme": "url-secret",
            "id": "{{ body.event.triggerUuid }}",
            "response": EMPTY,
            "handshakes": [
                {
                    "method": "POST",
                    "when": "body.challenge is defined",
                    "reply": "{{ {'challenge': body.challenge} }}",
                    "content_type": "application/json",
                }
            ],
        },
    ),
    "monday-app": Preset(
        sender="monday.com, webhooks of an app",
        page="https://developer.monday.com/apps/docs/integration-authorization",
        holds="the app's client secret or signing secret",
        fields={
            "scheme": "jwt",
            "id": "{{ body.event.triggerUuid }}",
            "response": EMPTY,
            "handshakes": [
                {
                    "method": "POST",
                    "when": "body.challenge is defined",
                    "reply": "{{ {'challenge': body.challenge} }}",
                    "content_type": "application/json",
                }
            ],
        },
        note="Name your address in `audience`.",
    ),
    "fusionauth": Preset(
        sender="FusionAuth",
        page="https://fusionauth.io/docs/extend/events-and-webhooks/signing",
        holds="the HMAC signing key; none with `algorithm: RS256` and the address of your `jwks`",
        fields={
            "scheme": "jwt",
            "header": "X-FusionAuth-Signature-JWT",
            "body_claim": "request_body_sha256",
            "body_encoding": "base64",
            "id": "{{ body.event.id }}",
            "response": EMPTY,
        },
    ),
    # the bytes are the same for every change of an item
    "plaid": Preset(
        sender="Plaid",
        page="https://plaid.com/docs/api/webhooks/webhook-verification/",
        holds="`client_id:secret`, the API keys of the account, with which the key of a webhook is asked for",
        fields={
            "scheme": "jwt",
            "header": "Plaid-Verification",
            "algorithm": "ES256",
            "body_claim": "request_body_sha256",
            "key_at": {
                "address": "https://production.plaid.com/webhook_verification_key/get",
                "ask": {"client_id": "{user}", "secret": "{password}", "key_id": "{kid}"},
                "field": "key",
            },
            "repeats": "never",
            "response": EMPTY,
        },
        note="Its keys are those of all its customers: take only an item that you know. In the sandbox, `key_at` has "
        "the address `https://sandbox.plaid.com/webhook_verification_key/get`.",
    ),
    "x": Preset(
        sender="X (Twitter)",
        page="https://docs.x.com/x-api/webhooks/quickstart",
        holds="the app's consumer secret (API key secret)",
        fields={
            "scheme": "hmac",
            "header": "X-Twitter-Webhooks-Signature",
            "prefix": "sha256=",
            "encoding": "base64",
            "response": EMPTY,
            "handshakes": [
                {
                    "method": "GET",
                    "when": "query.crc_token is defined",
                    "sign": {"value": "{{ query.crc_token }}", "encoding": "base64"},
                    "reply": '{"response_token": "sha256={{ signature }}"}',
                    "content_type": "application/json",
                    "verified": False,
                }
            ],
        },
    ),
    # Jiwa signs nothing and gives no id; it sends headers that we choose
    "jiwa": Preset(
        sender="Jiwa",
        page="vendors/jiwa.md",
        holds="a secret that you make",
        chosen=True,
        fields={"scheme": "shared-secret"},
    ),
    # The body counts the attempts, so that only eventId stays the same
    "zentitle2": Preset(
        sender="Zentitle2",
        page="https://docs.zentitle.io/integrations/webhooks",
        holds="the public key of your Zentitle2",
        fields={
            "scheme": "asymmetric",
            "algorithm": "rsa-pkcs1v15",
            "header": "N-Signature",
            "encoding": "base64",
            "id": "{{ body.eventId }}",
        },
        note="The vendor's pages name the header, the RSA key and the fields of the body; that it is PKCS #1 v1.5 over "
        "SHA-256 in base64 is assumed: `algorithm`, `digest` and `encoding` can be changed.",
    ),
    "hookline": Preset(
        sender="a script of yours, or another Hookline",
        page="https://www.standardwebhooks.com",
        holds="`whsec_` and `openssl rand -base64 32`",
        fields={"scheme": "standard-webhooks"},
    ),
}

PRESETS: Mapping[str, Mapping[str, Any]] = {name: preset.fields for name, preset in SENDERS.items()}
"""The fields of each preset."""
