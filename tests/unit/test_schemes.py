"""Standard Webhooks against its vectors and its library, and the comparison of shared secrets."""

import base64
import hashlib
import hmac
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks import Webhook

from hookline.schemes import SECRET_HEADERS, SignedRequest
from hookline.schemes.shared_secret import SharedSecret
from hookline.schemes.signature import Parts
from hookline.schemes.standard_webhooks import StandardWebhooks, sign_standard_webhooks, standard_webhooks_key
from hookline.source_secrets import require_strong

SHARED = SharedSecret()
STANDARD = StandardWebhooks()
KEY = "the-newest-secret-of-jiwa"

# The official vector of the Standard Webhooks specification.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
IDENTIFIER = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
VECTOR = {"webhook-id": IDENTIFIER, "webhook-timestamp": str(AT), "webhook-signature": SIGNATURE}

# The vector of the reference implementation for v1a, of the same message.
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
ED25519 = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="


def secrets(*texts):
    return [SecretStr(text) for text in texts]


def believed(headers, *, scheme=STANDARD, body=BODY, held=(SECRET,), now=AT):
    return scheme.verify(SignedRequest(headers, body=body), secrets(*held), now=now)


def secret_of(key):
    return "whsec_" + base64.b64encode(key).decode()


@pytest.fixture
def comparisons(monkeypatch):
    """Each comparison in constant time that is made."""
    made = []
    compare = hmac.compare_digest

    def counting(one, other):
        made.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    return made


def test_the_official_vector_of_standard_webhooks_is_believed():
    assert believed(VECTOR)


def test_the_official_vector_is_what_we_would_sign():
    assert SIGNATURE == "v1," + sign_standard_webhooks(SECRET, IDENTIFIER, str(AT), BODY)


def test_the_official_vector_of_v1a_is_believed_by_its_public_key():
    assert believed(VECTOR | {"webhook-signature": ED25519}, held=[PUBLIC])


def test_the_official_vector_of_v1a_is_what_its_private_key_signs():
    proof = STANDARD.sign(SecretStr(PRIVATE), SignedRequest({}, body=BODY), identifier=IDENTIFIER, now=AT)

    assert ED25519 == proof.headers["webhook-signature"]


@pytest.mark.parametrize("signatures", [f"{SIGNATURE} {ED25519}", f"{ED25519} {SIGNATURE}"])
@pytest.mark.parametrize("held", [[SECRET], [PUBLIC], [SECRET, PUBLIC], [PUBLIC, SECRET]])
def test_a_sender_may_sign_both_ways_and_we_hold_either(signatures, held):
    assert believed(VECTOR | {"webhook-signature": signatures}, held=held)


@pytest.mark.parametrize(
    ("changed", "held"),
    [
        ({"webhook-signature": ED25519.replace("v1a,", "v1,")}, PUBLIC),
        ({"webhook-signature": ED25519[:-2]}, PUBLIC),
        ({"webhook-signature": ED25519, "webhook-id": "other"}, PUBLIC),
        ({"webhook-signature": ED25519, "webhook-timestamp": str(AT + 1)}, PUBLIC),
        ({"webhook-signature": ED25519}, "whpk_" + base64.b64encode(bytes(32)).decode()),
        ({"webhook-signature": ED25519}, "whpk_QUJD"),
        ({"webhook-signature": ED25519}, PUBLIC.removeprefix("whpk_")),
        ({"webhook-signature": ED25519}, PRIVATE),
        ({}, PUBLIC),
    ],
)
def test_a_message_that_is_not_of_the_public_key_is_not_believed(changed, held):
    assert not believed(VECTOR | changed, held=[held])


def test_what_anybody_can_make_of_a_public_key_is_not_believed():
    """Its bytes are no secret of v1."""
    forged = hmac.digest(base64.b64decode(PUBLIC[5:]), f"{IDENTIFIER}.{AT}.".encode() + BODY, "sha256")

    assert not believed(
        VECTOR | {"webhook-signature": "v1," + base64.b64encode(forged).decode()}, held=[PUBLIC]
    )


def test_svix_names_the_same_headers_otherwise():
    svix = StandardWebhooks(header_prefix="svix")
    headers = {name.replace("webhook", "svix"): value for name, value in VECTOR.items()}

    assert [True, False, False] == [
        believed(headers, scheme=svix),
        believed(VECTOR, scheme=svix),
        believed(headers),
    ]


def test_a_secret_may_come_without_its_prefix():
    assert believed(VECTOR, held=[SECRET.removeprefix("whsec_")])


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": IDENTIFIER + "x"},
        {"webhook-id": ""},
        {"webhook-timestamp": str(AT + 1)},
        {"webhook-signature": SIGNATURE.removeprefix("v1,")},
        {"webhook-signature": SIGNATURE.replace("v1,", "v2,")},
        {"webhook-signature": SIGNATURE.replace("v1,", "v1a,")},
        {"webhook-signature": SIGNATURE[:-2]},
        {"webhook-signature": ""},
    ],
    ids=repr,
)
def test_a_message_with_anything_changed_is_not_believed(changed):
    assert not believed(VECTOR | changed)


def test_a_message_without_an_id_is_not_believed_however_well_it_is_signed():
    """All such messages would be one delivery."""
    signature = "v1," + sign_standard_webhooks(SECRET, "", str(AT), BODY)

    assert not believed(VECTOR | {"webhook-id": "", "webhook-signature": signature})


@pytest.mark.parametrize("place", [0, 1, 15])
def test_any_of_several_signatures_is_believed(place):
    """So a sender can sign with the old secret and the new one while it rotates them."""
    signatures = [f"v1,{base64.b64encode(bytes([number] * 32)).decode()}" for number in range(15)]
    signatures.insert(place, SIGNATURE)

    assert believed(VECTOR | {"webhook-signature": " ".join(signatures)})


def test_signatures_of_versions_that_we_do_not_know_are_passed_over():
    assert believed(VECTOR | {"webhook-signature": f"v1a,MTIz v2,MTIz nonsense {SIGNATURE}"})


def test_no_more_than_sixteen_signatures_are_looked_at(comparisons):
    many = " ".join(["v1,MTIz"] * 16 + [SIGNATURE])

    assert (False, 16) == (believed(VECTOR | {"webhook-signature": many}), len(comparisons))


@pytest.mark.parametrize("place", [0, 1, 2, None])
def test_every_shared_secret_is_compared_wherever_the_right_one_stands(comparisons, place):
    """One that stops at the first match tells by its time which secret it was."""
    held = ["one", "two", "three"]
    if place is not None:
        held[place] = KEY

    verdict = believed({"x-hookline-key": KEY}, scheme=SHARED, held=held)

    assert (place is not None, 3) == (verdict, len(comparisons))


@pytest.mark.parametrize(
    "signatures", [[SIGNATURE, "v1,MTIz"], ["v1,MTIz", SIGNATURE], ["v1,MTIz", "v1,MTIz"]]
)
@pytest.mark.parametrize("held", [[SECRET, secret_of(b"other")], [secret_of(b"other"), SECRET]])
def test_every_signature_is_compared_with_every_secret(comparisons, signatures, held):
    verdict = believed(VECTOR | {"webhook-signature": " ".join(signatures)}, held=held)

    assert (SIGNATURE in signatures, 4) == (verdict, len(comparisons))


@pytest.mark.parametrize("given", ["", KEY[:-1], KEY + "x", KEY.upper(), f" {KEY}", f"Bearer {KEY}"])
def test_a_shared_secret_must_be_the_whole_header(given):
    assert not believed({"x-hookline-key": given}, scheme=SHARED, held=[KEY])


def test_a_shared_secret_comes_in_the_header_that_the_source_names():
    scheme = SharedSecret(header="X-My-Token")

    verdicts = [believed({name: KEY}, scheme=scheme, held=[KEY]) for name in ("x-my-token", "x-hookline-key")]

    assert [True, False] == verdicts


def test_a_shared_secret_beyond_ascii_is_known_by_its_bytes():
    on_the_wire = "schlüssel-von-jiwa".encode()

    assert believed(
        {"x-hookline-key": on_the_wire.decode("latin-1")}, scheme=SHARED, held=["schlüssel-von-jiwa"]
    )


@pytest.mark.parametrize(
    "text", ["whsec_no base64!", "whsec_YWJ", "whsec_é", "whsec_YWJj\n", "plain text", "whsec_="]
)
def test_a_secret_that_is_not_base64_is_refused_and_not_shown(text):
    with pytest.raises(ValueError) as raised:
        standard_webhooks_key(text)

    assert "not a Standard Webhooks secret (whsec_ and base64)" == str(raised.value)


@pytest.mark.parametrize("text", ["whsec_", ""])
def test_a_secret_of_no_bytes_is_refused(text):
    with pytest.raises(ValueError):
        standard_webhooks_key(text)


@pytest.mark.parametrize(
    ("scheme", "text"),
    [
        (SHARED, "k" * 15),
        (SHARED, "ü" * 7),
        (STANDARD, secret_of(b"k" * 15)),
        (STANDARD, "whsec_"),
        (STANDARD, "no base64 " * 5),
    ],
)
def test_a_secret_that_could_be_guessed_is_refused_and_not_shown(scheme, text):
    with pytest.raises(ValueError) as raised:
        require_strong(scheme, text)

    assert text not in str(raised.value).split()


@pytest.mark.parametrize(
    ("scheme", "text"),
    [(SHARED, "k" * 16), (SHARED, "ü" * 8), (STANDARD, secret_of(b"k" * 16)), (STANDARD, SECRET)],
)
def test_a_secret_of_sixteen_bytes_is_enough(scheme, text):
    require_strong(scheme, text)


keys = st.binary(min_size=1, max_size=64)


@hypothesis_settings(deadline=None)
@given(key=keys, identifier=st.text(min_size=1), at=st.integers(0, 4_000_000_000), body=st.text())
def test_we_sign_what_the_library_signs(key, identifier, at, body):
    theirs = Webhook(secret_of(key)).sign(identifier, datetime.fromtimestamp(at, UTC), body)

    assert theirs == "v1," + sign_standard_webhooks(secret_of(key), identifier, str(at), body.encode())


@hypothesis_settings(deadline=None, max_examples=200)
@given(
    key=keys,
    other=keys,
    identifier=st.text(min_size=1),
    body=st.text(),
    off=st.sampled_from([-400, -200, 0, 200, 400]),
    change=st.sampled_from(["", "body", "webhook-id", "webhook-timestamp", "webhook-signature", "secret"]),
    before=st.lists(st.sampled_from([f"v1,{base64.b64encode(bytes(32)).decode()}", "v2,MTIz"]), max_size=3),
)
def test_we_believe_whom_the_library_believes(key, other, identifier, body, off, change, before):
    now = time.time()
    at = str(int(now) + off)
    right = hmac.digest(key, f"{identifier}.{at}.{body}".encode(), hashlib.sha256)
    given = bytes(32) if change == "webhook-signature" else right
    headers = {
        "webhook-id": identifier + ("x" if change == "webhook-id" else ""),
        "webhook-timestamp": str(int(at) - 1) if change == "webhook-timestamp" else at,
        "webhook-signature": " ".join([*before, "v1," + base64.b64encode(given).decode()]),
    }
    body += " " if change == "body" else ""
    secret = secret_of(other if change == "secret" else key)

    assert library_believes(secret, headers, body) is believed(
        headers, body=body.encode(), held=[secret], now=now
    )


def library_believes(secret, headers, body):
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except Exception:  # noqa: BLE001  (it raises several kinds on headers that it does not expect)
        return False
    return True


def test_the_headers_that_hold_secrets_anywhere_and_the_source_s_own_are_never_stored():
    anywhere = {
        *("authorization", "cookie", "proxy-authorization"),
        *("svix-signature", "webhook-signature", "x-hookline-proxy", "x-hookline-key"),
    }
    secret = {*anywhere, "x-my-token"}

    redacted = SharedSecret(header="X-My-Token").redact(dict.fromkeys(secret, KEY) | {"host": KEY}, {})

    assert anywhere == SECRET_HEADERS
    assert dict.fromkeys(secret, "[redacted]") | {"host": KEY} == redacted.headers


@pytest.mark.parametrize("name", ["key", "Key", " KEY "])
def test_the_parameter_of_the_secret_is_redacted_however_its_name_is_written(name):
    scheme = SharedSecret.model_validate({"in": "query"})

    assert {name: "[redacted]", "order": "7"} == scheme.redact({}, {name: "wrong", "order": "7"}).query


def test_a_signature_in_a_part_may_hold_an_equals_sign():
    assert (["YQ=="], "7") == Parts(signature="v1", timestamp="t").split("t=7, v1=YQ==")
