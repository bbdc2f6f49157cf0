"""Schemes as `hooks.yaml` describes them: the vendors' own examples, and what holds for every scheme there is."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from hookline.hooks.ids import external_id
from hookline.hooks.presets import PRESETS
from hookline.hooks.sources import Source, read_source
from hookline.schemes import REDACTED, SCHEMES, SignedRequest, is_one_of
from hookline.schemes.asymmetric import Asymmetric
from hookline.schemes.crypto import encode
from hookline.schemes.hmacs import Digest, Hmac
from hookline.schemes.jwts import Jwt
from hookline.schemes.shared_secret import SharedSecret
from hookline.schemes.signature import MAX_PARTS, Parts
from hookline.schemes.standard_webhooks import StandardWebhooks
from hookline.schemes.url_secret import UrlSecret
from hookline.source_secrets import require_strong

NOW = 1_614_265_330
BODY = b'{"id": "evt_1", "type": "order.paid"}'
KEY = "the-secret-that-both-sides-know"


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def public(key):
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


ED25519, OTHER_ED25519 = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
RSA, OTHER_RSA = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
P256, P384, OTHER_EC = (
    ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP256R1)
)
STANDARD_KEY = "whsec_" + base64.b64encode(b"k" * 24).decode()


def preset(name):
    return read_source({"preset": name}, Path()).auth_scheme


# Each scheme, what its sender signs with, what we hold, and what another sender of the kind would sign with.
CASES = {
    "standard-webhooks": (StandardWebhooks(), STANDARD_KEY, STANDARD_KEY, "whsec_" + base64.b64encode(b"o" * 24).decode()),
    "standard-webhooks v1a": (
        StandardWebhooks(),
        "whsk_" + base64.b64encode(ED25519.private_bytes_raw()).decode(),
        "whpk_" + base64.b64encode(ED25519.public_key().public_bytes_raw()).decode(),
        "whsk_" + base64.b64encode(OTHER_ED25519.private_bytes_raw()).decode(),
    ),
    "hmac": (Hmac(header="X-Signature"), KEY, KEY, KEY + "x"),
    **{
        f"hmac {algorithm} {encoding}": (
            Hmac(header="X-Signature", algorithm=algorithm, encoding=encoding, prefix="x="), KEY, KEY, KEY[:-1]
        )
        for algorithm, encoding in [("sha1", "hex"), ("sha384", "base64"), ("sha512", "base64url")]
    },
    "hmac with all there is": (
        Hmac(
            header="X-Signature",
            signs="{id}/{timestamp}/{body}/end",
            id_header="X-Id",
            timestamp_header="X-Time",
            timestamp_unit="milliseconds",
            tolerance=60,
        ),
        KEY, KEY, KEY.upper(),
    ),
    "hmac in parts": (
        Hmac(
            header="X-Signature",
            parts=Parts(timestamp="ts", signature="h1", separator=";"),
            signs="{timestamp}:{body}",
        ),
        KEY, KEY, KEY + " ",
    ),
    "hmac in parts without a timestamp": (
        Hmac(header="X-Signature", parts=Parts(signature="v1")), KEY, KEY, KEY + "x",
    ),
    "hmac over the address": (
        Hmac(header="X-Signature", signs="{method} {url} {path} {body}"), KEY, KEY, KEY + "x"
    ),
    "hmac over a checksum": (Hmac(header="X-Signature", signs="{crc32}"), KEY, KEY, KEY + "x"),
    "hmac by a key in base64": (
        Hmac(header="X-Signature", secret_encoding="base64"), STANDARD_KEY[6:], STANDARD_KEY[6:], "b" * 32
    ),
    "hmac with a time of ISO 8601": (
        Hmac(
            header="X-Signature", signs="{timestamp}{body}", timestamp_header="X-T", timestamp_unit="iso8601"
        ),
        KEY, KEY, KEY + "x",
    ),
    "digest": (Digest(header="X-Signature", signs="{secret}{body}"), KEY, KEY, KEY + "x"),
    "jwt": (Jwt(), KEY + "!", KEY + "!", KEY + "?"),
    "jwt of the body": (Jwt(header="X-T", body_claim="sha"), KEY + "!", KEY + "!", KEY + "?"),
    "jwt RS256": (Jwt(algorithm="RS256"), pem(RSA), public(RSA), pem(OTHER_RSA)),
    "jwt ES256": (Jwt(algorithm="ES256"), pem(P256), public(P256), pem(OTHER_EC)),
    "shared-secret": (SharedSecret(), KEY, KEY, KEY + "x"),
    **{
        f"shared-secret {place}": (SharedSecret.model_validate({"in": place}), KEY, KEY, KEY + "x")
        for place in ("bearer", "basic", "query")
    },
    "url-secret": (UrlSecret(), KEY, KEY, KEY + "x"),
    "ed25519": (
        Asymmetric(
            algorithm="ed25519", header="X-Signature", signs="{timestamp}{body}", timestamp_header="X-Timestamp"
        ),
        pem(ED25519), public(ED25519), pem(OTHER_ED25519),
    ),
    "rsa-pkcs1v15": (Asymmetric(algorithm="rsa-pkcs1v15", header="X-S"), pem(RSA), public(RSA), pem(OTHER_RSA)),
    "rsa-pss": (
        Asymmetric(algorithm="rsa-pss", digest="sha512", header="X-S", encoding="base64"),
        pem(RSA), public(RSA), pem(OTHER_RSA),
    ),
    "ecdsa": (Asymmetric(algorithm="ecdsa", header="X-S"), pem(P256), public(P256), pem(OTHER_EC)),
    "ecdsa p384": (
        Asymmetric(algorithm="ecdsa", digest="sha384", header="X-S", encoding="base64url"),
        pem(P384), public(P384), pem(OTHER_EC),
    ),
    **{
        f"preset {name}": (preset(name), *keys)
        for name, keys in {
            **dict.fromkeys(("stripe", "github", "shopify", "slack", "jiwa"), (KEY, KEY, KEY + "x")),
            **dict.fromkeys(("svix", "hookline"), (STANDARD_KEY, STANDARD_KEY, STANDARD_KEY.replace("a", "b"))),
            "zentitle2": (pem(RSA), public(RSA), pem(OTHER_RSA)),
        }.items()
    },
}  # fmt: skip
TIMED = [
    name
    for name, (scheme, *_) in CASES.items()
    if isinstance(scheme, StandardWebhooks) or "{timestamp}" in getattr(scheme, "signs", "")
]


URL = "https://hooks.example.com/hooks/shop?tenant=7"


def request_of(scheme, secret, body=BODY, *, identifier="msg_1", now=NOW):
    bare = SignedRequest({}, body=body, url=URL)
    proof = scheme.sign(SecretStr(secret), bare, identifier=identifier, now=now)
    headers = {name.lower(): value for name, value in proof.headers.items()}
    signed = body if proof.body is None else proof.body
    return SignedRequest(headers, dict(proof.query), proof.path_secret, signed, url=URL)


@cache
def sent(name):
    """What the case's own sender sends of `BODY`, once, for some signatures are new each time."""
    return request_of(*CASES[name][:2])


def believed(scheme, request, *held, now=NOW):
    return scheme.verify(request, [SecretStr(each) for each in held], now=now)


def test_every_scheme_is_among_the_cases_or_has_tests_of_its_own():
    """Every preset has its vector in tests/unit/test_senders.py."""
    assert set(SCHEMES) == {scheme.name for scheme, *_ in CASES.values()} | {"certificate"}


# The vendors' own examples ---------------------------------------------------------------------------------

SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)


def test_slack_s_own_example_is_believed():
    """https://docs.slack.dev/authentication/verifying-requests-from-slack"""
    request = SignedRequest(
        {
            "x-slack-request-timestamp": "1531420618",
            "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        },
        body=SLACK_BODY,
    )

    assert believed(preset("slack"), request, "8f742231b10e8888abcd99yyyzzz85a5", now=1531420618)


def test_github_s_own_example_is_believed():
    """https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries"""
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    request = SignedRequest({"x-hub-signature-256": signature}, body=b"Hello, World!")

    assert believed(preset("github"), request, "It's a Secret to Everybody")


SENDGRID = Asymmetric(
    algorithm="ecdsa",
    header="X-Twilio-Email-Event-Webhook-Signature",
    encoding="base64",
    signs="{timestamp}{body}",
    timestamp_header="X-Twilio-Email-Event-Webhook-Timestamp",
)
SENDGRID_BODY = (
    b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
)
SENDGRID_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglS"
    "I8eNEc6wEA3F+g=="
)


@pytest.mark.parametrize(("body", "verdict"), [(SENDGRID_BODY, True), (SENDGRID_BODY.strip(), False)])
def test_sendgrid_s_own_example_of_ecdsa_is_believed(body, verdict):
    """https://github.com/sendgrid/sendgrid-python, its test of the event webhook; the key is DER in base64."""
    request = SignedRequest(
        {
            "x-twilio-email-event-webhook-signature": (
                "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
            ),
            "x-twilio-email-event-webhook-timestamp": "1600112502",
        },
        body=body,
    )

    assert verdict is believed(SENDGRID, request, SENDGRID_KEY, now=1600112502)


@pytest.mark.parametrize("write", [bytes.hex, lambda key: base64.b64encode(key).decode()])
def test_the_vector_of_rfc_8032_is_believed_by_a_raw_key(write):
    """https://www.rfc-editor.org/rfc/rfc8032#section-7.1, test 3"""
    key = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
    signature = (
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    scheme = Asymmetric(algorithm="ed25519", header="X-Signature-Ed25519")

    assert believed(scheme, SignedRequest({"x-signature-ed25519": signature}, body=b"\xaf\x82"), write(key))


def test_stripe_signs_the_timestamp_and_the_body_in_one_header():
    """https://docs.stripe.com/webhooks#verify-manually"""
    right = hmac.new(KEY.encode(), f"{NOW}.".encode() + BODY, hashlib.sha256).hexdigest()
    header = f"t={NOW},v1={'0' * 64},v1={right},v0=abc"

    assert believed(preset("stripe"), SignedRequest({"stripe-signature": header}, body=BODY), KEY)


def test_shopify_signs_the_body_in_base64():
    """https://shopify.dev/docs/apps/build/webhooks/subscribe/https"""
    right = base64.b64encode(hmac.digest(KEY.encode(), BODY, "sha256")).decode()

    assert believed(preset("shopify"), SignedRequest({"x-shopify-hmac-sha256": right}, body=BODY), KEY)


names = st.sampled_from(list(CASES))
signed_names = st.sampled_from([name for name, (scheme, *_) in CASES.items() if scheme.signs_body])

# What holds for every scheme -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
@hypothesis_settings(deadline=None, max_examples=20)
@given(
    body=st.binary(max_size=200), identifier=st.from_regex(r"\A[\w-]{1,40}\Z"), now=st.integers(0, 4 * 10**9)
)
def test_what_a_sender_signs_is_believed(name, body, identifier, now):
    scheme, signing, held, _ = CASES[name]

    assert believed(scheme, request_of(scheme, signing, body, identifier=identifier, now=now), held, now=now)


@pytest.mark.parametrize("name", CASES)
def test_what_another_sender_signs_is_not(name):
    scheme, _, held, others = CASES[name]

    assert not believed(scheme, request_of(scheme, others), held)


@pytest.mark.parametrize("name", CASES)
def test_nobody_is_believed_without_a_secret(name):
    scheme, *_ = CASES[name]

    assert not believed(scheme, sent(name))


@pytest.mark.parametrize("name", CASES)
def test_each_of_several_secrets_is_believed(name):
    """So that a secret can be changed while both are in use."""
    scheme, _, held, _ = CASES[name]
    junk = ["whsec_" + base64.b64encode(b"junk" * 8).decode(), "something else altogether"]

    for several in ([held, *junk], [*junk, held]):
        assert believed(scheme, sent(name), *several)


@hypothesis_settings(deadline=None, max_examples=300)
@given(name=signed_names, data=st.data())
def test_one_flipped_bit_of_the_body_is_noticed(name, data):
    scheme, _, held, _ = CASES[name]
    place = data.draw(st.integers(0, len(BODY) * 8 - 1))
    changed = bytearray(BODY)
    changed[place // 8] ^= 1 << place % 8

    assert not believed(scheme, replace(sent(name), body=bytes(changed)), held)


@hypothesis_settings(deadline=None, max_examples=500)
@given(name=names, data=st.data())
def test_one_changed_character_of_the_proof_is_noticed(name, data):
    """But for what stands for the same bytes: case in hex, the last bits and the padding of base64."""
    scheme, _, held, _ = CASES[name]
    request = sent(name)
    places = [("headers", key) for key in request.headers] + [("query", key) for key in request.query]
    where, key = data.draw(st.sampled_from(places or [("path_secret", "")]))
    given_text = getattr(request, where)[key] if key else request.path_secret
    place = data.draw(st.integers(0, len(given_text) - 1))
    other = data.draw(st.sampled_from("0123456789abcdefXYZ ,;=.\x00é"))
    changed = given_text[:place] + other + given_text[place + 1 :]
    if changed.lower() == given_text.lower() or place >= len(given_text.rstrip("=")) - 1:
        return
    value = getattr(request, where) | {key: changed} if key else changed

    assert not believed(scheme, replace(request, **{where: value}), held)


@pytest.mark.parametrize("name", CASES)
def test_a_proof_without_one_of_its_headers_is_none(name):
    scheme, _, held, _ = CASES[name]
    request = sent(name)

    for missing in request.headers:
        rest = {key: value for key, value in request.headers.items() if key != missing}
        assert not believed(scheme, replace(request, headers=rest), held)


@pytest.mark.parametrize("name", sorted(set(CASES) - {"hmac in parts", "hmac in parts without a timestamp"}))
def test_a_header_of_a_proof_that_comes_twice_is_not_guessed_at(name):
    """HTTP joins them with a comma. What is a list of signatures stays one: each is checked by itself."""
    scheme, _, held, others = CASES[name]
    request, foreign = sent(name), request_of(scheme, others)

    for twice in set(request.headers) - {"webhook-signature", "svix-signature"}:
        for one, two in ((request, request), (request, foreign), (foreign, request)):
            joined = request.headers | {twice: f"{one.headers[twice]}, {two.headers[twice]}"}
            assert not believed(scheme, replace(request, headers=joined), held)


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("way", [-1, 1])
def test_a_timestamp_beyond_the_tolerance_is_refused_either_way(name, way):
    scheme, _, held, _ = CASES[name]
    request = sent(name)

    verdicts = [
        believed(scheme, request, held, now=NOW + way * (scheme.tolerance + more)) for more in (0, 0.001)
    ]

    assert [True, False] == verdicts


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("moved", [-1, 1])
def test_a_timestamp_that_was_changed_is_refused(name, moved):
    scheme, signing, held, _ = CASES[name]
    request, later = (request_of(scheme, signing, now=NOW + seconds) for seconds in (0, moved))
    timed = {key: value for key, value in later.headers.items() if "time" in key}
    if timed:
        assert not believed(scheme, replace(request, headers=request.headers | timed), held)
    else:
        header = next(iter(request.headers))
        changed = request.headers[header].replace(str(NOW), str(NOW + moved))
        assert not believed(scheme, replace(request, headers={header: changed}), held)


FULL_WIDTH = "".join(chr(0xFF10 + int(digit)) for digit in str(NOW))
ODD_TIMES = (
    *(
        "",
        " ",
        f" {NOW}",
        "nan",
        "-nan",
        "inf",
        "-1",
        f"+{NOW}",
        f"{NOW}.0",
        "1e9",
        "1_614_265_330",
        "٣",
        "²",
    ),
    *("9" * 5000, FULL_WIDTH),
)


@pytest.mark.parametrize("at", ODD_TIMES)
def test_a_timestamp_is_plain_digits(at):
    scheme = Hmac(header="X-S", signs="{timestamp}.{body}", timestamp_header="X-T")
    signature = hmac.digest(KEY.encode(), at.encode() + b"." + BODY, "sha256").hex()

    assert not believed(scheme, SignedRequest({"x-s": signature, "x-t": at}, body=BODY), KEY)


def test_a_timestamp_in_a_wrong_unit_is_refused():
    scheme = Hmac(
        header="X-S", signs="{timestamp}.{body}", timestamp_header="X-T", timestamp_unit="milliseconds"
    )
    signature = hmac.digest(KEY.encode(), f"{NOW}.".encode() + BODY, "sha256").hex()

    assert not believed(scheme, SignedRequest({"x-s": signature, "x-t": str(NOW)}, body=BODY), KEY)


@pytest.mark.parametrize("header", ["t={now},t={now},v1={right}", "v1={right}", "t=,v1={right}"])
def test_one_header_with_no_or_several_timestamps_is_refused(header):
    right = hmac.digest(KEY.encode(), f"{NOW}.".encode() + BODY, "sha256").hex()
    given_header = header.format(now=NOW, right=right)

    assert not believed(preset("stripe"), SignedRequest({"stripe-signature": given_header}, body=BODY), KEY)


def test_of_a_flood_of_parts_no_more_are_looked_at():
    few, many = (",".join(["x=1"] * number + ["v1=ab"]) for number in (MAX_PARTS, MAX_PARTS + 1))

    assert [["ab"], []] == [Parts(signature="v1").split(header)[0] for header in (few, many)]


@pytest.mark.parametrize("secret", ["geheim-für-alle", "two\nlines", "tab\there"])
def test_a_shared_secret_that_no_header_can_carry_says_so(secret):
    assert "no header can carry" in SharedSecret().unsendable(secret)
    assert SharedSecret().unsendable("plain-secret 1234!") is None


def test_base64url_is_written_without_its_padding():
    assert ("YQ", "_-8") == (encode(b"a", "base64url"), encode(b"\xff\xef", "base64url"))


@pytest.mark.parametrize(
    ("algorithm", "by"),
    [
        ("rsa-pkcs1v15", padding.PKCS1v15()),
        ("rsa-pss", padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)),
    ],
)
def test_what_the_library_signs_with_rsa_is_believed_by_its_own_padding_alone(algorithm, by):
    key = rsa.generate_private_key(65537, 2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    request = SignedRequest({"x-signature": key.sign(b"body", by, hashes.SHA256()).hex()}, body=b"body")

    believed = {
        name: Asymmetric(header="X-Signature", algorithm=name).verify(
            request, [SecretStr(public.decode())], now=0
        )
        for name in ("rsa-pkcs1v15", "rsa-pss")
    }

    assert {"rsa-pkcs1v15": False, "rsa-pss": False} | {algorithm: True} == believed


def test_a_header_of_parts_without_a_timestamp_holds_nothing_but_the_signature():
    assert "v1=ab" == Parts(signature="v1").join("ab", "1700000000")
    assert "t=1700000000,v1=ab" == Parts(signature="v1", timestamp="t").join("ab", "1700000000")


@pytest.mark.parametrize(
    ("written", "verdict"), [("v0={}", True), ("{}", False), ("V0={}", False), ("v1={}", False)]
)
def test_a_signature_stands_behind_its_prefix(written, verdict):
    scheme = Hmac(header="X-S", prefix="v0=")
    signature = hmac.digest(KEY.encode(), BODY, "sha256").hex()

    assert verdict is believed(scheme, SignedRequest({"x-s": written.format(signature)}, body=BODY), KEY)


def test_an_empty_id_is_none_however_well_it_is_signed():
    scheme = CASES["hmac with all there is"][0]

    assert not believed(scheme, request_of(scheme, KEY, identifier=""), KEY)


def test_of_a_flood_of_signatures_sixteen_are_looked_at(monkeypatch):
    compared = []
    monkeypatch.setattr(hmac, "compare_digest", lambda one, other: compared.append(one) or one == other)
    flood = ",".join([f"t={NOW}", *["v1=00"] * 100_000])

    assert not believed(
        preset("stripe"), SignedRequest({"stripe-signature": flood}, body=BODY), KEY, KEY + "x"
    )
    assert 32 == len(compared)


texts = st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1"))
hostile = texts | st.sampled_from(
    [
        "t=1,v1=\x00",
        "=" * 5000,
        "t=,,,,=,v1",
        "v0=",
        "sha256=",
        "Basic ====",
        "Basic é",
        "bearer",
        "\ud800",
        "z" * 10**5,
        "0" * 100_000,
        "9" * 5000,
        "nan",
        "v1,===",
        "v1,\u2028v1,",
        "v1,\x00",
        "v1,x " * 50_000,
        "v1a,AAAA",
    ]
)


@hypothesis_settings(deadline=None, max_examples=500)
@given(
    name=names, body=st.just(BODY) | st.binary(max_size=50), held=st.lists(texts, max_size=2), data=st.data()
)
def test_nothing_that_a_stranger_sends_is_believed_or_makes_it_fail(name, body, held, data):
    """Some headers may be right: what reads the others must then bear them."""
    scheme, _, ours, _ = CASES[name]
    request = sent(name)
    strange = {
        part: {
            each: data.draw(hostile)
            for each in data.draw(st.sets(st.sampled_from(sorted(right)), min_size=1))
        }
        for part in ("headers", "query")
        if (right := getattr(request, part))
    }
    request = SignedRequest(
        {**request.headers, **strange.get("headers", {})},
        query={**request.query, **strange.get("query", {})},
        path_secret=data.draw(hostile),
        body=body,
    )

    assert believed(scheme, request, ours) is False
    scheme.verify(request, [SecretStr(each) for each in held], now=NOW)


# The secret itself in the request --------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["Bearer {}", "bearer {}", "BEARER {}"])
def test_a_bearer_token_is_known_however_the_word_is_written(header):
    scheme = SharedSecret.model_validate({"in": "bearer"})

    assert believed(scheme, SignedRequest({"authorization": header.format(KEY)}), KEY)


@pytest.mark.parametrize(
    "header", [KEY, f"Basic {KEY}", f"Bearer  {KEY}", f"Bearer {KEY} ", "Bearer ", "Bearer"]
)
def test_a_bearer_token_is_all_that_follows_the_word(header):
    scheme = SharedSecret.model_validate({"in": "bearer"})

    assert not believed(scheme, SignedRequest({"authorization": header}), KEY)


@pytest.mark.parametrize(
    ("login", "verdict"), [("jiwa", True), ("Jiwa", False), ("", False), ("jiwa:", False)]
)
def test_basic_wants_the_user_and_the_password(login, verdict):
    scheme = SharedSecret.model_validate({"in": "basic", "username": "jiwa"})
    credentials = base64.b64encode(f"{login}:{KEY}".encode()).decode()

    assert verdict is believed(scheme, SignedRequest({"authorization": f"Basic {credentials}"}), KEY)


def test_a_secret_in_the_wrong_place_is_not_believed():
    places = SignedRequest(
        {"x-hookline-key": "no", "authorization": f"Bearer {KEY}"}, query={"key": KEY}, path_secret=KEY
    )

    assert not believed(SharedSecret(), places, KEY)
    assert not believed(UrlSecret(), SignedRequest({"x-hookline-key": KEY}, query={"key": KEY}), KEY)


@pytest.mark.parametrize("name", CASES)
def test_only_a_secret_that_stands_by_itself_is_judged_before_the_body(name):
    scheme, _, held, _ = CASES[name]

    without_body = believed(scheme, replace(sent(name), body=b""), held)

    assert scheme.signs_body is not without_body


@pytest.mark.parametrize(
    ("text", "verdict"), [(KEY, True), (KEY + "x", False), ("", False), ("\ud800", False)]
)
def test_a_token_of_a_handshake_is_one_of_the_secrets(text, verdict):
    assert verdict is is_one_of(text, [SecretStr("another"), SecretStr(KEY)])


# Secrets and keys of the environment -----------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_the_secrets_of_the_cases_are_strong_enough(name):
    scheme, _, held, _ = CASES[name]

    require_strong(scheme, held)


SHORT_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)


@pytest.mark.parametrize(
    ("scheme", "text", "said"),
    [
        (UrlSecret(), "with/slash-and-long-enough", "no address can carry it"),
        (UrlSecret(), "s3cr3t", "could be guessed"),
        (Hmac(header="X"), "s3cr3t", "could be guessed"),
        (Asymmetric(algorithm="ed25519", header="X"), "0" * 62, "no public key of ed25519"),
        (Asymmetric(algorithm="ed25519", header="X"), "no key", "no public key of ed25519"),
        (Asymmetric(algorithm="ed25519", header="X"), public(RSA), "not one of ed25519"),
        (Asymmetric(algorithm="ecdsa", header="X"), public(ED25519), "not one of ecdsa"),
        (Asymmetric(algorithm="rsa-pss", header="X"), public(P256), "not one of rsa-pss"),
        (Asymmetric(algorithm="rsa-pss", header="X"), public(SHORT_RSA), "could be broken"),
        (Asymmetric(algorithm="ed25519", header="X"), pem(ED25519), "no public key of ed25519"),
        (StandardWebhooks(), "whpk_QUJD", "not a public key of Standard Webhooks"),
        (StandardWebhooks(), CASES["standard-webhooks v1a"][1], "not a Standard Webhooks secret"),
    ],
    ids=lambda value: type(value).__name__,  # the keys differ in each process
)
def test_a_secret_that_cannot_work_is_refused_and_not_shown(scheme, text, said):
    with pytest.raises(ValueError, match=said) as raised:
        require_strong(scheme, text)

    assert text not in str(raised.value).split()


def test_a_pem_key_may_stand_in_one_line():
    scheme, signing, held, _ = CASES["ed25519"]

    assert believed(scheme, request_of(scheme, signing), held.strip().replace("\n", "\\n"))


@pytest.mark.parametrize(
    ("scheme", "text", "said"),
    [
        (CASES["ed25519"][0], "no key", "no private key of ed25519"),
        (CASES["ed25519"][0], pem(RSA), "not one of ed25519"),
        (CASES["rsa-pss"][0], public(RSA), "no private key of rsa-pss"),
        (StandardWebhooks(), CASES["standard-webhooks v1a"][2], "only the sender's private key can"),
    ],
    ids=lambda value: type(value).__name__,  # the keys differ in each process
)
def test_what_cannot_sign_says_so(scheme, text, said):
    with pytest.raises(ValueError, match=said) as raised:
        scheme.sign(SecretStr(text), SignedRequest({}, body=BODY), identifier="msg_1", now=NOW)

    assert text not in str(raised.value)


# Identity and redaction ------------------------------------------------------------------------------------


def identity(source, request, **names):
    request = replace(request, headers={"content-type": "application/json", **request.headers})
    defaults = {"body": {}, "headers": dict(request.headers), "query": {}, "method": "POST", "source": "shop"}
    return external_id(source, request, defaults | names)


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", [name for name in PRESETS if f"preset {name}" in CASES])
def test_a_sender_s_repeat_has_the_same_id_whatever_it_renews(name):
    """The timestamp and the signature are new; Zentitle also counts its attempts in the body."""
    source = read_source({"preset": name}, Path())
    _, signing, *_ = CASES[f"preset {name}"]
    ids = {"x-github-delivery": "7", "x-shopify-topic": "orders/paid", "x-shopify-event-id": "e"}

    def attempt(number):
        body = {"id": "evt_1", "event_id": "Ev1", "eventId": "E1"}
        body |= {"callAttempt": number} if name == "zentitle2" else {}
        request = request_of(source.auth_scheme, signing, json.dumps(body).encode(), now=NOW + number)
        return identity(source, replace(request, headers=request.headers | ids), body=body, headers=ids)

    assert attempt(1) == attempt(2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("stripe", "evt_1"),
        ("github", "7"),
        ("shopify", "orders/paid e"),
        ("slack", "Ev1"),
        ("svix", "msg_1"),
        ("hookline", "msg_1"),
        ("jiwa", digest(BODY)),
        ("zentitle2", "E1"),
    ],
)
def test_each_preset_knows_its_sender_s_id(name, expected):
    source = read_source({"preset": name}, Path())
    headers = {
        "x-github-delivery": "7",
        "x-shopify-topic": "orders/paid",
        "x-shopify-event-id": "e",
        "svix-id": "msg_1",
    }
    body = {"id": "evt_1", "event_id": "Ev1", "eventId": "E1"}

    request = SignedRequest(headers | {"webhook-id": "msg_1"}, body=BODY)

    assert expected == identity(source, request, body=body)


@pytest.mark.parametrize(
    "body", [{}, [], "text", None, {"id": None}, {"id": True}, {"id": []}, {"id": ""}, {"id": {}}]
)
def test_a_delivery_that_lacks_its_id_is_known_by_its_body(body):
    assert digest(BODY) == identity(
        Source(auth_scheme=CASES["hmac"][0], id="{{ body.id }}"), SignedRequest({}, body=BODY), body=body
    )


def test_a_number_may_be_an_id():
    assert "7" == identity(
        Source(auth_scheme=UrlSecret(), id="{{ body.id }}"), SignedRequest({}, body=BODY), body={"id": 7}
    )


@pytest.mark.parametrize("odd", ["x" * 257, "a\x00b", "a\nb", "\ud800"])
def test_an_id_that_cannot_be_kept_is_known_by_its_digest(odd):
    expected = digest(odd.encode(errors="surrogatepass"))

    assert expected == identity(
        Source(auth_scheme=UrlSecret(), id="{{ body.id }}"), SignedRequest({}, body=BODY), body={"id": odd}
    )


def test_the_signed_id_of_a_scheme_is_the_delivery_s():
    assert "m7" == identity(
        Source(auth_scheme=CASES["hmac with all there is"][0]), SignedRequest({"x-id": "m7"}, body=BODY)
    )


def test_where_nothing_is_signed_the_address_tells_deliveries_apart():
    source = Source(auth_scheme=SharedSecret.model_validate({"in": "query"}))

    one, again, other = (
        identity(source, SignedRequest({}, query={"order": order, "key": secret}))
        for order, secret in (("1", KEY), ("1", "newer"), ("2", KEY))
    )

    assert (True, False) == (one == again, one == other)


def test_a_parameter_that_is_named_as_a_secret_could_be_still_tells_deliveries_apart():
    one, other = (
        identity(Source(auth_scheme=SharedSecret()), SignedRequest({}, query={"key": key})) for key in "12"
    )

    assert one != other


def test_where_the_body_is_signed_another_address_makes_no_new_delivery():
    """Else anyone who saw a request could send it again and again."""
    source = Source(auth_scheme=CASES["hmac"][0])

    assert identity(source, SignedRequest({}, body=BODY)) == identity(
        source, SignedRequest({}, query={"again": "1"}, body=BODY)
    )


@pytest.mark.parametrize("name", CASES)
def test_of_what_proves_the_sender_nothing_is_kept(name):
    scheme, *_ = CASES[name]
    request = sent(name)

    headers, query = scheme.redact(request.headers | {"x-event": "order"}, request.query | {"order": "7"})
    kept = headers | query

    plain = {"webhook-id", "webhook-timestamp", "svix-id", "svix-timestamp"} | {
        (getattr(scheme, header, "") or "").lower() for header in ("id_header", "timestamp_header")
    }
    assert {"order", "7"} <= set(kept.values())
    assert {REDACTED} >= {kept[each] for each in {*request.headers, *request.query} - plain}
