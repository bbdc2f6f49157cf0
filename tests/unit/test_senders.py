"""Every preset against what its sender sends: the sender's own vectors, its library, or its published rule."""

import base64
import hashlib
import hmac
import json
import warnings
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks import Webhook

from hookline.gateway.handshakes import handshake
from hookline.gateway.request_parsing import Rejection
from hookline.hooks.bundles import split
from hookline.hooks.presets import SENDERS
from hookline.hooks.sources import read_source
from hookline.schemes import SignedRequest
from hookline.schemes.certificates import Certificate
from hookline.schemes.signature import Parts, SignedFields

NOW = 1_764_400_000
ISO = datetime.fromtimestamp(NOW, UTC).isoformat().replace("+00:00", "Z")
KEY = "the-secret-that-both-sides-know!"
URL = "https://hooks.example.com/hooks/shop?tenant=7"
BODY = b'{"id": "evt_1", "type": "order.paid", "value": [{"clientState": "x"}]}'
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
PARTS = b'--x\r\nContent-Disposition: form-data; name="submissionID"\r\n\r\n1\r\n--x--\r\n'
STANDARD_KEY = "whsec_" + base64.b64encode(b"k" * 24).decode()
TOPIC = "arn:aws:sns:eu-west-1:123456789012:orders"
WEBHOOK_ID = "8PT597110X687430LKGECATA"


@cache
def preset(name):
    return read_source({"preset": name}, Path())


def mac(content, key=KEY, algorithm="sha256"):
    return hmac.digest(key.encode() if isinstance(key, str) else key, content, algorithm)


def b64(content):
    return base64.b64encode(content).decode()


def request(headers, body=BODY, *, url=URL, content_type="application/json", **more):
    return SignedRequest({"content-type": content_type, **headers}, body=body, url=url, **more)


def at(name, secret=KEY, **headers):
    """A request with a header that is a secret, or anything else that is the same for every body."""
    return secret, request({each.replace("_", "-"): value for each, value in headers.items()})


def simple(header, proof):
    return KEY, request({header: proof})


def form(fields, header, url=URL, key=KEY):
    text = url + "".join(name + value for name, value in sorted(fields.items()))
    headers = {header: b64(mac(text.encode(), key, "sha1"))}
    return key, request(headers, urlencode(fields).encode(), url=url, content_type=FORM)


# The senders' own examples ---------------------------------------------------------------------------------

HUBSPOT_KEY = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
HUBSPOT_BODY = (
    b'[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,'
    b'"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM",'
    b'"changeFlag":"NEW","appId":54321}]'
)
ADYEN = {
    "pspReference": "7914073381342284",
    "merchantAccountCode": "TestMerchant",
    "merchantReference": "TestPayment-1407325143704",
    "amount": {"value": 1130, "currency": "EUR"},
    "eventCode": "AUTHORISATION",
    "success": "true",
    "additionalData": {"hmacSignature": "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="},
}
ADYEN_KEY = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
ATLASSIAN = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
PADDLE = "ts=1696195954;h1=dummy;h1=d96299976a6eb066f484d7fde011ac56fc32b38fc9940bc419d6e537fdc6ef02"
ADYEN_SWEEP = (
    b'{"data":{"balancePlatform":"Integration_tools_test","accountId":"BA32272223222H5HVKTBK4MLB","sweep":'
    b'{"id":"SWPC42272223222H5HVKV6H8C64DP5","schedule":{"type":"balance"},"status":"active","targetAmount":'
    b'{"currency":"EUR","value":0},"triggerAmount":{"currency":"EUR","value":0},"type":"pull","counterparty":'
    b'{"balanceAccountId":"BA3227C223222H5HVKT3H9WLC"},"currency":"EUR"}},"environment":"test",'
    b'"type":"balancePlatform.balanceAccountSweep.updated"}'
)
PLAID_TOKEN = (
    "eyJhbGciOiJFUzI1NiIsImtpZCI6IjZjNTUxNmUxLTkyZGMtNDc5ZS1hOGZmLTVhNTE5OTJlMDAwMSIsInR5cCI6IkpXVCJ9."
    "eyJpYXQiOjE1OTA4ODcwMDEsInJlcXVlc3RfYm9keV9zaGEyNTYiOiJiNjNhMDdiNTQ3YjAwZjk5MjU0N2Y2YmJjOGQ5YWNjNjFhOGNjZWUxMzhiYzgy"
    "ZjQ0YTZiYWEwOTY4M2E1ZDBmIn0."
    "OOKvIihgqCj7Qrb2bmz7T3t7uK-0JyjiEqL2s1kWeJBM4MMmjaHKK8GmU_z91QolBWMzvPgs718EElY-rE3cwQ"
)
PLAID_KEY = {
    "alg": "ES256",
    "created_at": 1560466143,
    "crv": "P-256",
    "expired_at": None,
    "kid": "6c5516e1-92dc-479e-a8ff-5a51992e0001",
    "kty": "EC",
    "use": "sig",
    "x": "35lvC8uz2QrWpQJ3TUH8t9o9DURMp7ydU518RKDl20k",
    "y": "I8BuXB2bvxelzJAd7OKhd-ZwjCst05Fx47Mb_0ugros",
}
PLAID_BODY = b"""{
  "error": null,
  "item_id": "yxQbxDjnD8hr69pKbQpbcKeVn3GL9QuyA7NV3",
  "new_transactions": 390,
  "webhook_code": "HISTORICAL_UPDATE",
  "webhook_type": "TRANSACTIONS"
}"""


def adyen(*items):
    return json.dumps({"notificationItems": [{"NotificationRequestItem": item} for item in items]}).encode()


OFFICIAL = {
    # https://developer.squareup.com/docs/webhooks/step3validate, the example of its SDKs
    "square": (
        "asdf1234",
        request(
            {"x-square-hmacsha256-signature": "2kRE5qRU2tR+tBGlDwMEw2avJ7QM4ikPYD/PJ3bd9Og="},
            b'{"hello":"world"}',
            url="https://example.com/webhook",
        ),
        NOW,
    ),
    # https://www.twilio.com/docs/usage/security#validating-requests
    "twilio": (
        "12345",
        request(
            {"x-twilio-signature": "0/KCTR6DLpKmkAf8muzZqo1nDgQ="},
            b"To=%2B18005551212&CallSid=CA1234567890ABCDE&Digits=1234&From=%2B12349013030&Caller=%2B12349013030",
            url="https://mycompany.com/myapp.php?foo=1&bar=2",
            content_type=FORM,
        ),
        NOW,
    ),
    # https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures
    "adyen": (ADYEN_KEY, request({}, adyen(ADYEN)), NOW),
    # github.com/HubSpot/hubspot-api-python, tests/spec/utils/test_signature.py
    "hubspot": (
        HUBSPOT_KEY,
        request(
            {
                "x-hubspot-signature-v3": "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=",
                "x-hubspot-request-timestamp": "1693657560000",
            },
            b"{'example_field':'example_value'}",
            url="https://www.example.com/webhook_uri",
        ),
        1693657560,
    ),
    # https://legacydocs.hubspot.com/docs/faq/v1-request-validation
    "hubspot-v1": (
        HUBSPOT_KEY,
        request(
            {"x-hubspot-signature": "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"},
            HUBSPOT_BODY,
        ),
        NOW,
    ),
    # https://legacydocs.hubspot.com/docs/faq/v2-request-validation
    "hubspot-v2": (
        HUBSPOT_KEY,
        request(
            {"x-hubspot-signature": "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900"},
            b'{"example_field":"example_value"}',
            url="https://www.example.com/webhook_uri",
        ),
        NOW,
    ),
    # https://developer.atlassian.com/cloud/jira/platform/webhooks/, and Bitbucket's page, which has the same example
    **{
        name: (
            "It's a Secret to Everybody",
            request({"x-hub-signature": ATLASSIAN}, b"Hello World!"),
            NOW,
        )
        for name in ("jira", "bitbucket")
    },
    # github.com/PaddleHQ/paddle-python-sdk, tests/Unit/Notification/test_Verifier.py
    "paddle": (
        "pdl_ntf_01hbpjmytsa32fhr36nqgc3kgb_WvRO0eL4Bj9rgYYIBZY6wZhG4EHy9jzh",
        request({"paddle-signature": PADDLE}, b"hello-world"),
        1696195954,
    ),
    # github.com/Adyen/adyen-java-api-library, the test of its banking webhooks
    "adyen-platforms": (
        "D7DD5BA6146493707BF0BE7496F6404EC7A63616B7158EC927B9F54BB436765F",
        request({"hmacsignature": "9Qz9S/0xpar1klkniKdshxpAhRKbiSAewPpWoxKefQA="}, ADYEN_SWEEP),
        NOW,
    ),
    # https://stackoverflow.com/q/62117400: the token, the key and the body of a webhook of Plaid's sandbox
    "plaid": (
        "client-id:the-secret-of-the-account",
        request(
            {"plaid-verification": PLAID_TOKEN}, PLAID_BODY, document=json.dumps({"key": PLAID_KEY}).encode()
        ),
        1590887001,
    ),
    # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    "github": (
        "It's a Secret to Everybody",
        request(
            {
                "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
            },
            b"Hello, World!",
        ),
        NOW,
    ),
}

# By the senders' published rules, made here by other code than ours -----------------------------------------

ED25519 = ed25519.Ed25519PrivateKey.generate()
P256 = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public(key):
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, spki).decode()


def standard(prefix="webhook"):
    signature = Webhook(STANDARD_KEY).sign("msg_1", datetime.fromtimestamp(NOW, UTC), BODY.decode())
    values = {"id": "msg_1", "timestamp": str(NOW), "signature": signature}
    return STANDARD_KEY, request({f"{prefix}-{name}": value for name, value in values.items()})


def mailgun(key=KEY, **changed):
    signature = {"timestamp": str(NOW), "token": "e0b5477167110d68991efc6b9f89f0a11066af27834600e123"}
    proof = mac((signature["timestamp"] + signature["token"]).encode(), key).hex()
    content = {"signature": {**signature, "signature": proof, **changed}, "event-data": {"id": "e1"}}
    return key, request({}, json.dumps(content).encode())


def linear():
    body = json.dumps({"action": "create", "webhookTimestamp": NOW * 1000}).encode()
    return KEY, request({"linear-signature": mac(body).hex()}, body)


def fusionauth():
    claims = {"request_body_sha256": b64(hashlib.sha256(BODY).digest())}
    return KEY, request({"x-fusionauth-signature-jwt": jwt.encode(claims, KEY, "HS256")})


def graph():
    body = json.dumps({"value": [{"clientState": KEY, "id": 1}, {"clientState": KEY, "id": 2}]}).encode()
    return KEY, request({}, body)


def certificate(key=RSA, *, begins=-1, ends=1):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "messages.example.com")])
    day, now = timedelta(days=1), datetime.fromtimestamp(NOW, UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + begins * day)
        .not_valid_after(now + ends * day)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def signed_by_rsa(content, key=RSA):
    return b64(key.sign(content, padding.PKCS1v15(), hashes.SHA256()))


def paypal(body=BODY, key=RSA, **changed):
    content = f"t-1|{ISO}|{WEBHOOK_ID}|{zlib.crc32(body)}".encode()
    headers = {
        "paypal-transmission-id": "t-1",
        "paypal-transmission-time": ISO,
        "paypal-transmission-sig": signed_by_rsa(content, key),
        "paypal-cert-url": "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77",
    }
    return WEBHOOK_ID, request({**headers, **changed}, body, document=certificate(key))


SNS = {
    "Type": "Notification",
    "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
    "TopicArn": TOPIC,
    "Subject": "My First Message",
    "Message": "Hello world!",
    "Timestamp": "2012-05-02T00:54:06.655Z",
    "SignatureVersion": "2",
    "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
}
SNS_SIGNED = (
    "Message\nHello world!\nMessageId\n22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324\nSubject\nMy First Message\n"
    f"Timestamp\n2012-05-02T00:54:06.655Z\nTopicArn\n{TOPIC}\nType\nNotification\n"
)


def sns(signed=SNS_SIGNED, **changed):
    message = {**SNS, "Signature": signed_by_rsa(signed.encode()), **changed}
    body = json.dumps(message).encode()
    return TOPIC, request({}, body, content_type="text/plain; charset=UTF-8", document=certificate())


RULES = {
    "stripe": simple(
        "stripe-signature", f"t={NOW},v1={'0' * 64},v1={mac(f'{NOW}.'.encode() + BODY).hex()},v0=abc"
    ),
    "gitlab": at("gitlab", x_gitlab_token=KEY),
    "gitlab-signed": standard(),
    "hookline": standard(),
    "svix": standard("svix"),
    "shopify": simple("x-shopify-hmac-sha256", b64(mac(BODY))),
    "woocommerce": simple("x-wc-webhook-signature", b64(mac(BODY))),
    "slack": (
        KEY,
        request(
            {
                "x-slack-request-timestamp": str(NOW),
                "x-slack-signature": "v0=" + mac(f"v0:{NOW}:".encode() + BODY).hex(),
            }
        ),
    ),
    "xero": simple("x-xero-signature", b64(mac(BODY))),
    "intuit": simple("intuit-signature", b64(mac(BODY))),
    "mailchimp": (KEY, SignedRequest({"content-type": FORM}, path_secret=KEY, body=b"type=subscribe")),
    "dropbox": (KEY, request({"x-dropbox-signature": mac(BODY).hex()})),
    "mollie-classic": (KEY, SignedRequest({"content-type": FORM}, path_secret=KEY, body=b"id=tr_d0b0E3EA3v")),
    "sendgrid-inbound": (KEY, SignedRequest({"content-type": MULTIPART}, path_secret=KEY, body=PARTS)),
    "jotform": (KEY, SignedRequest({"content-type": MULTIPART}, path_secret=KEY, body=PARTS)),
    "paypal-ipn": (
        KEY,
        SignedRequest({"content-type": FORM}, path_secret=KEY, body=b"txn_id=1&ipn_track_id=f19"),
    ),
    "mandrill": form({"mandrill_events": '[{"event":"open","_id":"é"}]'}, "x-mandrill-signature"),
    "mailgun": mailgun(),
    "sendgrid": (
        public(P256),
        request(
            {
                "x-twilio-email-event-webhook-timestamp": str(NOW),
                "x-twilio-email-event-webhook-signature": b64(
                    P256.sign(str(NOW).encode() + BODY, ec.ECDSA(hashes.SHA256()))
                ),
            }
        ),
    ),
    "postmark": at("postmark", authorization="Basic " + b64(f"hookline:{KEY}".encode())),
    "discord": (
        ED25519.public_key().public_bytes_raw().hex(),
        request(
            {
                "x-signature-timestamp": str(NOW),
                "x-signature-ed25519": ED25519.sign(str(NOW).encode() + BODY).hex(),
            }
        ),
    ),
    "telegram": at("telegram", x_telegram_bot_api_secret_token=KEY),
    "linear": linear(),
    "zendesk": (
        KEY,
        request(
            {
                "x-zendesk-webhook-signature-timestamp": ISO,
                "x-zendesk-webhook-signature": b64(mac(ISO.encode() + BODY)),
            }
        ),
    ),
    "typeform": simple("typeform-signature", "sha256=" + b64(mac(BODY))),
    "calendly": simple("calendly-webhook-signature", f"t={NOW},v1={mac(f'{NOW}.'.encode() + BODY).hex()}"),
    "mollie": simple("x-mollie-signature", "sha256=" + mac(BODY).hex()),
    "zoom": (
        KEY,
        request(
            {
                "x-zm-request-timestamp": str(NOW),
                "x-zm-signature": "v0=" + mac(f"v0:{NOW}:".encode() + BODY).hex(),
            }
        ),
    ),
    "microsoft-graph": graph(),
    "docusign": simple("x-docusign-signature-1", b64(mac(BODY))),
    "meta": simple("x-hub-signature-256", "sha256=" + mac(BODY).hex()),
    "okta": at("okta", authorization=KEY),
    "twitch": (
        KEY,
        request(
            {
                "twitch-eventsub-message-id": "m-1",
                "twitch-eventsub-message-timestamp": ISO.replace("Z", ".634234626Z"),
                "twitch-eventsub-message-signature": "sha256="
                + mac(f"m-1{ISO.replace('Z', '.634234626Z')}".encode() + BODY).hex(),
            }
        ),
    ),
    "cloudevents": at("cloudevents", authorization=f"Bearer {KEY}"),
    "azure-event-grid": (KEY, request({}, query={"key": KEY})),
    "trello": simple("x-trello-webhook", b64(mac(BODY + URL.encode(), algorithm="sha1"))),
    "google-push": (KEY, SignedRequest({"x-goog-channel-token": KEY, "x-goog-resource-state": "sync"})),
    "pagerduty": simple("x-pagerduty-signature", f"v1={'0' * 64},v1={mac(BODY).hex()}"),
    "webflow": (
        KEY,
        request(
            {
                "x-webflow-timestamp": str(NOW * 1000),
                "x-webflow-signature": mac(f"{NOW * 1000}:".encode() + BODY).hex(),
            }
        ),
    ),
    "airtable": (
        b64(b"s" * 32),
        request({"x-airtable-content-mac": "hmac-sha256=" + mac(BODY, b"s" * 32).hex()}),
    ),
    "teams": (b64(b"t" * 32), request({"authorization": "HMAC " + b64(mac(BODY, b"t" * 32))})),
    "paypal": paypal(),
    "aws-sns": sns(),
    "asana": simple("x-hook-signature", mac(BODY).hex()),
    "monday": (KEY, SignedRequest({"content-type": "application/json"}, path_secret=KEY, body=BODY)),
    "monday-app": (
        KEY,
        request({"authorization": jwt.encode({"iat": NOW, "exp": NOW + 300, "aud": URL}, KEY, "HS256")}),
    ),
    "fusionauth": fusionauth(),
    "x": simple("x-twitter-webhooks-signature", "sha256=" + b64(mac(BODY))),
    "jiwa": at("jiwa", x_hookline_key=KEY),
    "zentitle2": (
        public(RSA),
        request({"n-signature": b64(RSA.sign(BODY, padding.PKCS1v15(), hashes.SHA256()))}),
    ),
}
VECTORS = OFFICIAL | {name: (*vector, NOW) for name, vector in RULES.items()}
SOME_FIELDS = {"adyen", "mailgun", "aws-sns"}
"""The senders that sign some fields of a body, and not all of it."""


def believed(name, wire, *secrets, now):
    scheme = preset(name).auth_scheme
    return scheme.verify(wire, [SecretStr(each) for each in secrets], now=now)


def test_every_preset_has_a_vector():
    assert set(SENDERS) == set(VECTORS)


@pytest.mark.parametrize("name", VECTORS)
def test_what_the_sender_sends_is_believed(name):
    secret, wire, now = VECTORS[name]

    assert believed(name, wire, secret, now=now)
    assert believed(name, wire, "another-secret-altogether", secret, now=now)


@pytest.mark.parametrize("name", VECTORS)
def test_what_the_sender_sends_is_not_believed_with_another_secret(name):
    secret, wire, now = VECTORS[name]

    if name != "plaid":  # whose secret only asks for the key
        assert not believed(name, wire, secret[:-2] + ("0a" if secret[-2:] != "0a" else "0b"), now=now)
    assert not believed(name, wire, now=now)


@pytest.mark.parametrize("name", VECTORS)
def test_one_changed_byte_of_a_signed_body_is_noticed(name):
    secret, wire, now = VECTORS[name]
    if not preset(name).auth_scheme.signs_body or name in SOME_FIELDS:
        return

    for place in {0, len(wire.body) // 2, len(wire.body) - 1}:
        changed = bytearray(wire.body)
        changed[place] ^= 1
        assert not believed(name, replace(wire, body=bytes(changed)), secret, now=now)


@pytest.mark.parametrize(
    "name", [name for name in VECTORS if "{url}" in getattr(preset(name).auth_scheme, "signs", "")]
)
def test_another_address_is_noticed_where_the_address_is_signed(name):
    secret, wire, now = VECTORS[name]

    assert not believed(name, replace(wire, url=wire.url + "&x=1"), secret, now=now)
    assert not believed(name, replace(wire, url=""), secret, now=now)


@pytest.mark.parametrize("name", VECTORS)
def test_what_we_sign_in_the_sender_s_place_is_believed(name):
    """So `hookline send` works; nobody but the sender has a certificate at its address."""
    scheme = preset(name).auth_scheme
    if scheme.name == "certificate" or name == "plaid":
        with pytest.raises(ValueError, match=r"only the sender has one|it gives its public keys only"):
            scheme.sign(SecretStr(KEY), request({}), identifier="m", now=NOW)
        return
    secret, wire, now = VECTORS[name]
    keys = {"sendgrid": P256, "discord": ED25519, "zentitle2": RSA}
    signing = keys[name].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode() if name in keys else secret  # fmt: skip
    unproven = wire.body.replace(secret.encode(), b"none")
    bare = SignedRequest({"content-type": wire.content_type}, body=unproven, url=wire.url)

    proof = scheme.sign(SecretStr(signing), bare, identifier="m", now=now)
    headers = dict(bare.headers) | {each.lower(): value for each, value in proof.headers.items()}
    body = bare.body if proof.body is None else proof.body
    ours = replace(bare, headers=headers, query=proof.query, path_secret=proof.path_secret, body=body)

    assert believed(name, ours, secret, now=now)


hostile = st.text(max_size=40) | st.sampled_from(
    [
        "",
        "é",
        "\x00",
        "\ud800",
        "=" * 5000,
        "9" * 5000,
        "a.b.c",
        "nan",
        "t=1,v1=",
        "https://[",
        "..",
        "HMAC ",
        "eyJhbGciOiJub25lIn0.e30.",
    ]
)
bodies = st.sampled_from(
    [
        b"", b"[" * 100_000, b"{}", b"[]", b"null", b"NaN", b'{"value": []}', b'{"value": {}}', b'{"value": [1, null]}',
        b'{"notificationItems": [{"NotificationRequestItem": []}]}', b'{"signature": {"signature": 7, "timestamp": []}}',
        b'{"signature": {"timestamp": ' + b"9" * 5000 + b"}}", b"a=1&a=2", b"%ff=%00", b"\xff", b"&" * 5000,
        b'{"Signature": "", "SigningCertURL": "https://sns.evil.com/SimpleNotificationService-a.pem"}',
    ]
) | st.binary(max_size=60)  # fmt: skip


@hypothesis_settings(deadline=None, max_examples=600)
@given(
    name=st.sampled_from(sorted(VECTORS)),
    body=bodies,
    kind=st.sampled_from(["", "application/json", FORM, "text/plain"]),
    data=st.data(),
)
def test_nothing_that_a_stranger_sends_is_believed_or_makes_it_fail(name, body, kind, data):
    secret, wire, now = VECTORS[name]
    headers = {
        each: data.draw(hostile) if data.draw(st.booleans()) else value
        for each, value in wire.headers.items()
    } | {"content-type": kind}
    strange = SignedRequest(
        headers, body=body, url=data.draw(hostile), document=data.draw(st.none() | st.binary(max_size=50))
    )
    right = name in {
        "gitlab",
        "postmark",
        "telegram",
        "okta",
        "cloudevents",
        "google-push",
        "jiwa",
        "monday-app",
    }

    preset(name).auth_scheme.address_of(strange)
    verdict = believed(name, strange, secret, now=now)

    assert verdict in ({True, False} if right else {False})


# Each of several items -------------------------------------------------------------------------------------


def test_one_item_that_nobody_signed_is_noticed_beside_one_that_is_right():
    forged = {**ADYEN, "pspReference": "9999999999999999", "amount": {"value": 500_000, "currency": "EUR"}}

    assert not believed("adyen", request({}, adyen(ADYEN, forged)), ADYEN_KEY, now=NOW)
    assert believed("adyen", request({}, adyen(ADYEN, ADYEN)), ADYEN_KEY, now=NOW)


@pytest.mark.parametrize(
    "value",
    [[], {}, None, "x", [{"clientState": KEY}, {}], [{"clientState": KEY}, {"clientState": "x"}], [KEY]],
)
def test_every_item_must_have_the_secret(value):
    assert not believed("microsoft-graph", request({}, json.dumps({"value": value}).encode()), KEY, now=NOW)


def test_a_secret_in_the_body_is_never_stored():
    source = preset("microsoft-graph")
    _, wire, _ = VECTORS["microsoft-graph"]

    assert KEY.encode() not in source.redacted("application/json", wire.body)


def test_a_timestamp_in_the_body_that_is_long_ago_is_refused():
    for name in ("mailgun", "linear"):
        secret, wire, now = VECTORS[name]
        assert not believed(name, wire, secret, now=now + 40_000)


def test_a_form_of_another_kind_is_not_believed_for_its_empty_fields():
    """Else the signature of an empty form would prove any JSON."""
    secret = KEY
    headers = {"x-twilio-signature": b64(mac(URL.encode(), algorithm="sha1"))}

    assert believed("twilio", request(headers, b"", content_type=FORM), secret, now=NOW)
    assert not believed("twilio", request(headers, b'{"a": 1}'), secret, now=NOW)


# Timestamps ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "verdict"),
    [
        (ISO, True),
        (ISO.replace("T", " "), True),
        (ISO.replace("Z", "+00:00"), True),
        (ISO.replace("Z", "+0000"), True),
        (ISO.replace("Z", ".123456789Z"), True),
        (ISO.replace("Z", ""), False),
        (ISO.replace("2025", "2024"), False),
        (ISO.replace("Z", "+05:00"), False),
        ("2025-02-30T00:00:00Z", False),
        (str(NOW), False),
        ("", False),
    ],
)
def test_a_time_of_iso_8601_has_an_offset_and_any_fraction(written, verdict):
    signature = b64(mac(written.encode() + BODY))
    headers = {"x-zendesk-webhook-signature-timestamp": written, "x-zendesk-webhook-signature": signature}

    assert verdict is believed("zendesk", request(headers), KEY, now=NOW)


@pytest.mark.parametrize("body", [{"a": [{"t": KEY}]}, {"a": {"0": {"t": KEY}}}])
def test_a_secret_in_a_body_is_found_for_its_removal_wherever_it_is_believed(body):
    source = read_source({"scheme": "shared-secret", "in": "body", "field": "a.0.t"}, Path())
    content = json.dumps(body).encode()

    assert source.auth_scheme.verify(request({}, content), [SecretStr(KEY)], now=NOW)
    assert KEY.encode() not in source.redacted("application/json", content)


# Certificates ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "http://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1",
        "https://evil.example/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/../../evil",
        "https://api.paypal.com/v1/notifications/certs/CERT-1?x=1",
        "https://user@api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com:444/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/",
        "https://api.paypal.com/v1/notifications/certs/CERT-1\n",
        f"https://api.paypal.com/v1/notifications/certs/{'x' * 500}/../../evil",
        "",
    ],
)
def test_a_certificate_of_another_address_is_neither_fetched_nor_believed(address):
    secret, wire = paypal(**{"paypal-cert-url": address})

    assert preset("paypal").auth_scheme.address_of(wire) is None
    assert not believed("paypal", wire, secret, now=NOW)


@pytest.mark.parametrize(
    "host",
    ["sns.eu-west-1.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn", "sns.us-gov-west-1.amazonaws.com"],
)
def test_the_certificates_of_every_region_are_fetched(host):
    _, wire = sns(SigningCertURL=f"https://{host}/SimpleNotificationService-1.pem")

    assert preset("aws-sns").auth_scheme.address_of(wire) is not None


@pytest.mark.parametrize(
    "document",
    [
        None,
        b"",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        certificate(begins=1, ends=2),
        certificate(begins=-2, ends=-1),
        certificate(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        certificate(P256),
    ],
    ids=["none", "empty", "broken", "future", "over", "another", "other kind"],
)
def test_a_certificate_that_is_not_good_proves_nothing(document):
    secret, wire = paypal()

    assert not believed("paypal", replace(wire, document=document), secret, now=NOW)


def test_one_signature_of_several_that_is_right_is_enough():
    scheme = Certificate(
        header="x-signatures",
        parts=Parts(signature="v1"),
        signs="{secret}.{body}",
        encoding="base64",
        address_header="x-cert",
        addresses=("https://a.example/*",),
    )
    signatures = f"v1={b64(b'none')},v1={signed_by_rsa(KEY.encode() + b'.' + BODY)}"
    headers = {"x-cert": "https://a.example/one", "x-signatures": signatures}

    assert scheme.verify(request(headers, document=certificate()), [SecretStr(KEY)], now=NOW)


def test_a_certificate_whose_key_could_be_broken_proves_nothing():
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # the smallest that can be made

    assert not believed("paypal", paypal(key=weak)[1], WEBHOOK_ID, now=NOW)


def test_a_message_of_another_topic_is_not_ours_though_aws_signed_it():
    other = TOPIC.replace("123456789012", "999999999999")
    _, wire = sns(SNS_SIGNED.replace(TOPIC, other), TopicArn=other)

    assert believed("aws-sns", wire, other, now=NOW)
    assert not believed("aws-sns", wire, TOPIC, now=NOW)


@pytest.mark.parametrize(("missing", "signed"), [("empty", "a1b"), ("omit", "a1"), ("refuse", None)], ids=str)
def test_a_signed_field_that_is_missing_is_empty_left_out_or_no_proof(missing, signed):
    fields = SignedFields(names=("a", "b"), written="{name}{value}", missing=missing)

    assert signed == fields.text({"a": "1"})


def test_a_message_without_a_subject_is_signed_without_one():
    secret, wire = sns(SNS_SIGNED.replace("Subject\nMy First Message\n", ""))
    message = json.loads(wire.body)
    del message["Subject"]

    assert believed("aws-sns", replace(wire, body=json.dumps(message).encode()), secret, now=NOW)


# JSON Web Tokens -------------------------------------------------------------------------------------------


def token(claims, key=KEY, algorithm="HS256", **headers):
    return request({"authorization": f"Bearer {jwt.encode(claims, key, algorithm, headers=headers)}"})


def jwt_source(**fields):
    return read_source({"scheme": "jwt", **fields}, Path()).auth_scheme


@pytest.mark.parametrize(
    ("claims", "verdict"),
    [
        ({"exp": NOW + 60}, True),
        ({"iat": NOW}, True),
        ({"exp": NOW - 301}, False),
        ({"iat": NOW - 301}, False),
        ({"iat": NOW + 301, "exp": NOW + 900}, False),
        ({"nbf": NOW + 301, "exp": NOW + 900}, False),
        ({"exp": "soon"}, False),
        ({"exp": True}, False),
        ({}, False),
    ],
)
def test_a_token_says_how_long_it_is_good(claims, verdict):
    assert verdict is jwt_source().verify(token(claims), [SecretStr(KEY)], now=NOW)


@pytest.mark.parametrize(
    ("claims", "verdict"),
    [
        ({"iss": "us", "aud": "shop"}, True),
        ({"iss": "us", "aud": ["other", "shop"]}, True),
        ({"iss": "us", "aud": "other"}, False),
        ({"iss": "them", "aud": "shop"}, False),
        ({"aud": "shop"}, False),
    ],
)
def test_a_token_is_of_the_issuer_and_for_the_audience(claims, verdict):
    scheme = jwt_source(issuer="us", audience="shop")

    assert verdict is scheme.verify(token({"exp": NOW + 60, **claims}), [SecretStr(KEY)], now=NOW)


def test_no_algorithm_is_believed_but_the_one_that_is_declared():
    """Neither `none`, nor an HMAC with a public key as the secret."""
    claims, pem = {"exp": NOW + 60}, public(RSA)
    parts = [
        base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode()
        for each in ({"alg": "HS256"}, claims)
    ]
    signed = ".".join(parts)
    forged = f"{signed}.{base64.urlsafe_b64encode(mac(signed.encode(), pem)).rstrip(b'=').decode()}"
    unsigned = jwt.encode(claims, None, "none")

    for scheme, held in ((jwt_source(algorithm="RS256"), pem), (jwt_source(), KEY)):
        for each in (forged, unsigned):
            assert not scheme.verify(request({"authorization": each}), [SecretStr(held)], now=NOW)


@pytest.mark.parametrize(("algorithm", "key"), [("RS256", RSA), ("ES256", P256)])
def test_a_token_is_verified_by_a_public_key_or_by_a_jwks(algorithm, key):
    kind = {"RS256": jwt.algorithms.RSAAlgorithm, "ES256": jwt.algorithms.ECAlgorithm}[algorithm]
    keys = {"keys": [{**json.loads(kind.to_jwk(key.public_key())), "kid": "k1", "use": "sig"}]}
    wire = token({"exp": NOW + 60}, key, algorithm, kid="k1")
    another = token({"exp": NOW + 60}, key, algorithm, kid="k2")
    by_address = jwt_source(algorithm=algorithm, jwks="https://id.example.com/jwks.json")
    by_file = jwt_source(algorithm=algorithm, jwks=keys)

    assert jwt_source(algorithm=algorithm).verify(wire, [SecretStr(public(key))], now=NOW)
    assert (True, False) == (by_file.verify(wire, [], now=NOW), by_file.verify(another, [], now=NOW))
    fetched = replace(wire, document=json.dumps(keys).encode())
    assert (True, False) == (by_address.verify(fetched, [], now=NOW), by_address.verify(wire, [], now=NOW))
    assert "https://id.example.com/jwks.json" == by_address.address_of(wire)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b'{"keys": 7}',
        b'{"keys": [1, {}, {"kty": "RSA", "n": 7}]}',
        b'{"keys": [{"kid": []}]}',
        b"[" * 100_000,
    ],
)
def test_whatever_stands_in_the_place_of_a_jwks_verifies_nothing(document):
    scheme = jwt_source(algorithm="RS256", jwks="https://id.example.com/jwks.json")
    wire = token({"exp": NOW + 60}, RSA, "RS256", kid="k1")

    assert not scheme.verify(replace(wire, document=document), [], now=NOW)


def test_the_key_of_plaid_that_was_called_back_verifies_nothing_more():
    secret, wire, now = OFFICIAL["plaid"]
    expired = json.dumps({"key": {**PLAID_KEY, "expired_at": 1590880000}}).encode()

    assert not believed("plaid", replace(wire, document=expired), secret, now=now)
    assert not believed("plaid", replace(wire, document=b"7"), secret, now=now)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"ask": {"id": "{user}"}}, "asks for no key"),
        ({"ask": {"id": "{kid}"}, "address": "http://plaid.com"}, "should match pattern"),
        ({"ask": {"id": "{kid}"}, "algorithm": "HS256"}, "name the algorithm"),
        ({"ask": {"id": "{kid}"}, "jwks": "https://id.example.com"}, "and no jwks"),
    ],
)
def test_a_question_for_a_key_that_cannot_be_is_a_mistake(fields, said):
    more = {name: fields.pop(name) for name in ("algorithm", "jwks") if name in fields}
    with pytest.raises(ValueError, match=said):
        jwt_source(**{"algorithm": "ES256", **more}, key_at={"address": "https://id.example.com", **fields})


def test_credentials_that_ask_for_a_key_are_a_user_and_a_password():
    scheme = preset("plaid").auth_scheme

    assert 3 == scheme.secret_length("client:a:b")
    for wrong in ("client", ":secret"):
        with pytest.raises(ValueError, match="a colon between them"):
            scheme.secret_length(wrong)


def test_a_key_of_a_jwks_that_could_be_broken_verifies_nothing():
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    keys = {"keys": [json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(weak.public_key()))]}
    scheme = jwt_source(algorithm="RS256", jwks=keys)

    with warnings.catch_warnings(action="ignore"):  # the library warns who signs with it
        signed = token({"exp": NOW + 60}, weak, "RS256")

    assert not scheme.verify(signed, [], now=NOW)


def test_a_jwks_may_stand_in_a_file_beside_hooks_yaml(tmp_path):
    keys = {"keys": [{**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key())), "kid": "k1"}]}
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    scheme = read_source({"scheme": "jwt", "algorithm": "RS256", "jwks": "keys.json"}, tmp_path).auth_scheme

    assert scheme.verify(token({"exp": NOW + 60}, RSA, "RS256", kid="k1"), [], now=NOW)


def test_no_handshake_signs_for_strangers_what_proves_fields_alone():
    handshakes = [
        {"method": "GET", "verified": False, "sign": {"value": "{{ query.c }}"}, "reply": "{{ signature }}"}
    ]
    over_fields = {"signs": "{fields}", "fields": {"names": ["token"]}}
    source = {"scheme": "hmac", "header": "X-S", "handshakes": handshakes}

    assert read_source(source, Path())
    with pytest.raises(ValueError, match="sign it by the token"):
        read_source({**source, **over_fields}, Path())


# Handshakes ------------------------------------------------------------------------------------------------


def shake(name, method="POST", *, verified=False, secret=KEY, tokens=(), **context):
    given_context = {"headers": {}, "query": {}, "method": method, "source": name, "body": None} | context
    keys = {"secret": [SecretStr(secret)], "token": [SecretStr(each) for each in tokens]}
    return handshake(preset(name), method, keys, given_context, verified=verified)


def test_zoom_is_answered_with_an_hmac_of_its_token():
    """The vector is that of Elastic's integration, https://github.com/elastic/beats."""
    body = {"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}}

    answer = shake("zoom", verified=True, secret="secretValueTest", body=body)

    assert {
        "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
        "encryptedToken": "70c1f2e2e6ca2d39297490d1f9142c7d701415ea8e6151f6562a08fa657a40ff",
    } == json.loads(answer.text)
    assert "application/json" == answer.content_type


def test_x_is_answered_with_an_hmac_of_its_token():
    answer = shake("x", "GET", query={"crc_token": "challenge_string"})

    assert {"response_token": "sha256=" + b64(mac(b"challenge_string"))} == json.loads(answer.text)


@pytest.mark.parametrize(
    "text", ['{"for_user_id": "1"}', "[1]", "a=b", "v0:1:x", "", "x" * 300, "a b", "a\n"]
)
def test_nothing_is_signed_for_a_stranger_that_could_be_a_delivery(text):
    with pytest.raises(Rejection, match="could be a delivery"):
        shake("x", "GET", query={"crc_token": text})


def test_a_header_of_the_answer_repeats_what_came():
    asana = shake("asana", headers={"x-hook-secret": "b537207f20cbfa02"})
    cloudevents = shake("cloudevents", "OPTIONS", headers={"webhook-request-origin": "events.example.com"})

    assert {"X-Hook-Secret": "b537207f20cbfa02"} == asana.headers
    assert "events.example.com" == cloudevents.headers["WebHook-Allowed-Origin"]


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\x00", "é", "x" * 2000])
def test_a_header_of_the_answer_can_carry_no_other(value):
    with pytest.raises(Rejection, match="no header can carry"):
        shake("asana", headers={"x-hook-secret": value})


@pytest.mark.parametrize(
    ("name", "method", "context", "expected"),
    [
        ("trello", "HEAD", {}, (200, "")),
        ("mandrill", "HEAD", {}, (200, "")),
        ("mailchimp", "HEAD", {"verified": True}, (200, "")),
        ("mailchimp", "GET", {"verified": True}, (200, "")),
        ("dropbox", "GET", {"query": {"challenge": "c1"}}, (200, "c1")),
        ("xero", "POST", {"verified": True, "body": {"events": []}}, (200, "")),
        ("discord", "POST", {"verified": True, "body": {"type": 0}}, (204, "")),
        ("discord", "POST", {"verified": True, "body": {"type": 1}}, (200, '{"type": 1}')),
        ("microsoft-graph", "POST", {"query": {"validationToken": "a b"}}, (200, "a b")),
        ("woocommerce", "POST", {"headers": {"content-type": FORM}}, (200, "")),
        ("woocommerce", "POST", {"headers": {"content-type": f"{FORM}; charset=UTF-8"}}, (200, "")),
        ("asana", "POST", {"verified": True, "body": {"events": []}}, (200, "")),
        ("okta", "GET", {"headers": {"x-okta-verification-challenge": "c"}}, (200, '{"verification": "c"}')),
        ("monday", "POST", {"verified": True, "body": {"challenge": "c"}}, (200, '{"challenge": "c"}')),
        (
            "azure-event-grid",
            "POST",
            {
                "verified": True,
                "body": [
                    {
                        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
                        "data": {"validationCode": "7"},
                    }
                ],
            },
            (200, '{"validationResponse": "7"}'),
        ),
        (
            "twitch",
            "POST",
            {
                "verified": True,
                "headers": {"twitch-eventsub-message-type": "webhook_callback_verification"},
                "body": {"challenge": "c"},
            },
            (200, "c"),
        ),
    ],
)  # fmt: skip
def test_a_sender_s_look_at_the_address_is_answered_as_it_wants(name, method, context, expected):
    answer = shake(name, method, **context)

    assert expected == (answer.status, answer.text)


BUNDLES = {
    "xero": (
        {"events": [{"resourceId": "a", "eventDateUtc": "1"}, {"resourceId": "b", "eventDateUtc": "1"}]},
        2,
    ),
    # https://blogs.a.intuit.com/2025/11/12/upcoming-change-to-webhooks-payload-structure
    "intuit": (
        [
            {
                "specversion": "1.0",
                "id": "88cd52aa-33b6-4351-9aa4-47572edbd068",
                "source": "intuit.dsnBgbseACLLRZNxo2dfc4evmEJdxde58xeeYcZliOU=",
                "type": "qbo.account.created.v1",
                "time": "2025-09-10T21:31:25.179851517Z",
                "intuitentityid": "1234",
                "intuitaccountid": "310687",
                "data": {},
            },
            {"specversion": "1.0", "id": "another"},
        ],
        2,
    ),
    "hubspot": ([{"eventId": 1, "subscriptionId": 2, "objectId": 3, "occurredAt": 4, "attemptNumber": 0}], 1),
    "hubspot-v1": (
        [{"eventId": 1, "subscriptionId": 2, "objectId": 3, "occurredAt": 4, "attemptNumber": 0}],
        1,
    ),
    "sendgrid": ([{"sg_event_id": "x", "event": "open"}, {"sg_event_id": "y", "event": "click"}], 2),
    "microsoft-graph": ({"value": [{"subscriptionId": "s", "resource": "r"}]}, 1),
    "okta": ({"eventId": "e", "data": {"events": [{"uuid": "1"}, {"uuid": "2"}]}}, 2),
    "meta": (
        {"object": "page", "entry": [{"id": "7", "changes": [{"field": "feed"}], "messaging": [{"m": 1}]}]},
        2,
    ),
    "adyen": (
        {
            "live": "false",
            "notificationItems": [
                {
                    "NotificationRequestItem": {
                        "pspReference": "1",
                        "eventCode": "AUTHORISATION",
                        "success": "true",
                    }
                }
            ],
        },
        1,
    ),
    "azure-event-grid": ([{"id": "1", "eventType": "t"}, {"id": "2", "eventType": "t"}], 2),
    "asana": ({"events": [{"action": "changed", "created_at": "1"}]}, 1),
}
FORM_BUNDLES = {"mandrill": b"mandrill_events=" + quote('[{"event": "open", "_id": "a", "ts": 1}]').encode()}


def items(name, body, content_type="application/json"):
    source = preset(name)
    return split(source.spec, content_type, body, {"headers": {}}, [], [])


def test_every_preset_that_splits_has_a_bundle():
    splitting = {name for name in SENDERS if preset(name).split is not None}

    assert splitting == {*BUNDLES, *FORM_BUNDLES}


@pytest.mark.parametrize("name", BUNDLES)
def test_each_item_of_a_bundle_is_one_and_known_when_it_comes_again(name):
    body, number = BUNDLES[name]
    first, again = items(name, json.dumps(body).encode()), items(name, json.dumps(body, indent=1).encode())

    assert number == len(first)
    assert [item.external_id for item in first] == [item.external_id for item in again]


def test_hubspot_s_next_try_of_an_event_is_the_same_item():
    [event], _ = BUNDLES["hubspot"]
    [first], [again] = (items("hubspot", json.dumps([event | {"attemptNumber": n}]).encode()) for n in (0, 1))

    assert "2 1 3 4" == first.external_id == again.external_id


def test_intuit_s_events_have_ids_of_their_own():
    body, _ = BUNDLES["intuit"]

    assert ["88cd52aa-33b6-4351-9aa4-47572edbd068", "another"] == [
        item.external_id for item in items("intuit", json.dumps(body).encode())
    ]


def test_mandrill_s_events_are_in_a_field():
    [item] = items("mandrill", FORM_BUNDLES["mandrill"], FORM)

    assert "a open 1" == item.external_id
