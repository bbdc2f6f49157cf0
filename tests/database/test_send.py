"""`hookline send` to a real gateway: what it signs, by whatever scheme, is believed and kept."""

import asyncio
import base64
import json
import os

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from hookline.cli.send import send
from hookline.errors import ConfigurationError, HooklineError
from hookline.settings import settings

SECRET = "the-secret-of-every-source-of-all"
STANDARD = "whsec_" + base64.b64encode(b"k" * 24).decode()
ED25519 = ed25519.Ed25519PrivateKey.generate()
PRIVATE = {
    "ed25519": ED25519,
    "rsa-pkcs1v15": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ecdsa": ec.generate_private_key(ec.SECP256R1()),
}
PRIVATE |= {"rsa-pss": PRIVATE["rsa-pkcs1v15"], "zentitle2": PRIVATE["rsa-pkcs1v15"]}
WHSK = "whsk_" + base64.b64encode(ED25519.private_bytes_raw()).decode()
WHPK = "whpk_" + base64.b64encode(ED25519.public_key().public_bytes_raw()).decode()

SOURCES = {
    **{name: {"preset": name} for name in ("stripe", "github", "shopify", "slack", "svix", "jiwa", "zentitle2", "hookline", "square", "trello", "zoom", "hubspot", "hubspot-v1", "fusionauth")},
    **{f"in-{place}": {"scheme": "shared-secret", "in": place} for place in ("header", "bearer", "basic", "query")},
    "hidden": {"scheme": "url-secret"},
    "published": {"scheme": "jwt", "algorithm": "RS256", "jwks": "https://id.example.com/jwks.json"},
    "plain": {"scheme": "hmac", "header": "X-Signature", "accept": ["any"]},
    "numbered": {
        "scheme": "hmac",
        "header": "X-Signature",
        "signs": "{id}.{timestamp}.{body}",
        "id_header": "X-Id",
        "timestamp_header": "X-Timestamp",
    },
    "public": {"scheme": "standard-webhooks"},
    "off": {"scheme": "url-secret"},
    "polite": {"scheme": "url-secret", "response": {"status": 200, "body": "thank you"}},
    **{
        name: {"scheme": "asymmetric", "algorithm": name, "header": "X-Signature"}
        for name in ("ed25519", "rsa-pkcs1v15", "rsa-pss", "ecdsa")
    },
}  # fmt: skip
WITH_SECRET = sorted(set(SOURCES) - set(PRIVATE) - {"public", "published", "off", "polite"})


def public_pem(key):
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def private_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def secret_of(source):
    if source in PRIVATE:
        return public_pem(PRIVATE[source])
    return {"svix": STANDARD, "hookline": STANDARD, "public": WHPK}.get(source, SECRET)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The sources and their secrets; and the environment afterwards as it was before."""
    before = dict(os.environ)
    path = tmp_path_factory.mktemp("send") / "hooks.yaml"
    path.write_text(json.dumps({"sources": SOURCES}))
    os.environ |= {
        "HOOKLINE_HOME": str(path.parent / "home"),
        "HOOKLINE_HOOKS": str(path),
        **{
            f"HOOKLINE_SECRET_{name.upper().replace('-', '_')}": secret_of(name)
            for name in SOURCES
            if name not in {"off", "published"}
        },
    }
    settings.cache_clear()
    yield path
    os.environ.clear()
    os.environ.update(before)
    settings.cache_clear()


@pytest.fixture(scope="module")
async def gateway(environment, database_settings, serve):
    async with serve(database_settings, hooks=environment) as client:
        yield client


@pytest.fixture
def post(gateway, tmp_path, capsys):
    """Sends a body through the command and gives what it printed."""

    async def sending(source, body=b'{"event": "order.paid"}', **options):
        file = tmp_path / "body"
        file.write_bytes(body)
        options = {"url": str(gateway.base_url), "as_json": True} | options
        await asyncio.to_thread(send, source, str(file), **options)
        printed = capsys.readouterr().out
        return json.loads(printed) if options["as_json"] else printed

    return sending


@pytest.fixture
def key_file(tmp_path):
    def write(content):
        path = tmp_path / "key.pem"
        path.write_bytes(content)
        return path

    return write


async def kept(database):
    """The one delivery that is there."""
    [row] = await database.fetch(
        "SELECT source, external_id, headers, query, content_type, body FROM deliveries"
    )
    return row


@pytest.mark.parametrize("source", WITH_SECRET)
async def test_what_is_sent_with_our_secret_is_kept_and_the_secret_is_not(post, database, source):
    await post(source)

    row = await kept(database)
    assert (source, b'{"event": "order.paid"}') == (row["source"], row["body"])
    assert SECRET not in str(dict(row))


@pytest.mark.parametrize("source", PRIVATE)
async def test_what_the_sender_s_private_key_signs_is_kept(post, database, key_file, source):
    await post(source, private_key=key_file(private_pem(PRIVATE[source])))

    assert source == (await kept(database))["source"]


async def test_a_private_key_of_standard_webhooks_signs_too(post, database, key_file):
    await post("public", delivery_id="msg_7", private_key=key_file(WHSK.encode() + b"\n"))

    assert "msg_7" == (await kept(database))["external_id"]


@pytest.mark.parametrize("source", ["hookline", "svix", "github", "numbered"])
async def test_the_id_stands_where_the_sender_puts_it(post, database, source):
    first = await post(source, delivery_id="msg_7")
    again = await post(source, delivery_id="msg_7")

    assert ("msg_7", False, True) == (
        (await kept(database))["external_id"],
        first["duplicate"],
        again["duplicate"],
    )


async def test_headers_and_the_content_type_are_those_that_were_given(post, database):
    await post(
        "shopify",
        b"<order/>",
        header=("X-Shopify-Topic=orders/paid", "x-shopify-event-id=e=7"),
        content_type="application/xml",
    )

    row = await kept(database)
    assert ("orders/paid e=7", "application/xml", "orders/paid") == (
        row["external_id"],
        row["content_type"],
        row["headers"]["x-shopify-topic"],
    )


async def test_an_answer_that_the_source_chose_itself_is_told(post):
    assert "accepted: 200 thank you\n" == await post("polite", as_json=False)
    assert {"status": 200, "body": "thank you"} == await post("polite", b'{"n": 2}')


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        ("ed25519", {}, "ed25519 is verified by its public key, so only the sender's private key can sign"),
        ("public", {}, "public is verified by its public key, so only the sender's private key can sign"),
        ("published", {}, "published is verified by its public key, so only the sender's private key can sign"),
        ("off", {}, "HOOKLINE_SECRET_OFF is not set"),
        ("jiwa", {"delivery_id": "7"}, "A delivery of jiwa is identified by a digest of the body; leave --id out."),
        ("stripe", {"delivery_id": "7"}, "A delivery of stripe is identified by the value of {{ body.id }}; leave --id out."),
        ("jiwa", {"header": ("X-Event",)}, "--header 'X-Event' is not NAME=VALUE."),
        ("jiwa", {"header": ("X-Event=a\nX-Other: b",)}, "is not NAME=VALUE."),
    ],
)  # fmt: skip
async def test_what_cannot_be_signed_is_said_before_anything_is_sent(post, database, source, options, said):
    with pytest.raises(ConfigurationError) as raised:
        await post(source, **options)

    assert said in str(raised.value)
    assert 0 == await database.fetchval("SELECT count(*) FROM deliveries")


@pytest.mark.parametrize(
    ("source", "content", "said"),
    [
        ("ed25519", b"no key", "no private key of ed25519"),
        ("ed25519", private_pem(PRIVATE["ecdsa"]), "not one of ed25519"),
        ("ed25519", b"\xff", "has no key in PEM, base64 or hex"),
        ("public", b"whsk_QUJD", "is not a private key of Standard Webhooks"),
        ("public", b"no key", "is not a Standard Webhooks secret"),
        ("jiwa", private_pem(ED25519), "jiwa is of the scheme shared-secret: leave --private-key out."),
    ],
)
async def test_a_key_that_cannot_sign_is_said_and_not_shown(post, key_file, source, content, said):
    with pytest.raises(ConfigurationError) as raised:
        await post(source, private_key=key_file(content))

    assert said in str(raised.value)
    assert content.decode("latin-1") not in str(raised.value)


async def test_a_key_file_that_is_not_there_is_named(post, tmp_path):
    with pytest.raises(ConfigurationError, match=r"Cannot read .*nothing\.pem: No such file"):
        await post("ed25519", private_key=tmp_path / "nothing.pem")


@pytest.mark.parametrize("source", ["hidden", "in-query", "in-basic"])
async def test_a_gateway_that_is_away_is_told_without_the_secret(post, source):
    with pytest.raises(HooklineError) as raised:
        await post(source, url="http://127.0.0.1:9")

    assert f"The gateway does not answer at http://127.0.0.1:9/hooks/{source}" in str(raised.value)
    assert SECRET not in str(raised.value)
