"""
Presets of well-known senders: the fields that `preset: NAME` fills in.

Data only: each may be written out by hand in `hooks.yaml`, and each field be overridden there.
"""

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # https://docs.stripe.com/webhooks#verify-manually: a retry has a new timestamp and the same event id
    "stripe": {
        "scheme": "hmac",
        "header": "Stripe-Signature",
        "parts": {"timestamp": "t", "signature": "v1"},
        "signs": "{timestamp}.{body}",
        "id": "{{ body.id }}",
    },
    # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    "github": {
        "scheme": "hmac",
        "header": "X-Hub-Signature-256",
        "prefix": "sha256=",
        "accept": ["json", "form"],
        "id": {"header": "X-GitHub-Delivery"},
    },
    # https://shopify.dev/docs/apps/build/webhooks/ignore-duplicates; one event can be of several topics
    "shopify": {
        "scheme": "hmac",
        "header": "X-Shopify-Hmac-Sha256",
        "encoding": "base64",
        "accept": ["json", "xml"],
        "id": "{{ headers['x-shopify-topic'] }} {{ headers['x-shopify-event-id'] }}",
    },
    # https://docs.slack.dev/authentication/verifying-requests-from-slack; a command wants 200 within 3 s
    "slack": {
        "scheme": "hmac",
        "header": "X-Slack-Signature",
        "prefix": "v0=",
        "signs": "v0:{timestamp}:{body}",
        "timestamp_header": "X-Slack-Request-Timestamp",
        "accept": ["json", "form"],
        "id": "{{ body.event_id }}",
        "response": {"status": 200, "body": ""},
        "handshakes": [
            {"method": "POST", "when": "body.type == 'url_verification'", "reply": "{{ body.challenge }}"}
        ],
    },
    # https://docs.svix.com/receiving/verifying-payloads/how-manual
    "svix": {"scheme": "standard-webhooks", "header_prefix": "svix"},
    # Jiwa signs nothing and gives no id; it sends headers that we choose
    "jiwa": {"scheme": "shared-secret"},
    # https://docs.zentitle.io/integrations/webhooks: an RSA signature of the payload in N-Signature. [assumed]
    # are PKCS #1 v1.5, SHA-256 and base64. The body counts the attempts, so that only eventId stays the same
    "zentitle2": {
        "scheme": "asymmetric",
        "algorithm": "rsa-pkcs1v15",
        "header": "N-Signature",
        "encoding": "base64",
        "id": "{{ body.eventId }}",
    },
    # A script of ours, or another Hookline
    "hookline": {"scheme": "standard-webhooks"},
}
