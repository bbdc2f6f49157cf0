"""Senders on a socket: what is signed over the address, fetched, answered to a check, or allowed by a person."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
import zlib
from datetime import UTC, datetime, timedelta
from functools import partial

import jwt
import pytest
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from documents_served import documents, here
from pydantic import SecretStr

from hookline import runtime
from hookline.cli import sources as sources_command
from hookline.errors import HooklineError
from hookline.gateway import fetching, receive
from hookline.gateway.fetching import Fetcher
from hookline.hooks import load_hooks
from hookline.inbox import audit, confirmations, deliveries
from hookline.inbox.bodies import sealed
from hookline.settings import settings

SECRET = "a-secret-that-all-these-sources-share"
WEBHOOK = "8PT597110X687430LKGECATA"
SECRETS = {"paypal": WEBHOOK, "bank": "account:the password: of it"}
PUBLIC = "https://hooks.example.com"
JSON = {"Content-Type": "application/json"}
BODY = b'{"event_id": "e1", "type": "payment.updated"}'
KEYS = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
HOSTS = ("api.paypal.com", "id.example.com", "sns.eu-west-1.amazonaws.com")


@pytest.fixture(scope="module")
async def served():
    async with documents(*HOSTS) as server:
        yield server


@pytest.fixture(scope="module")
async def gateway(database_settings, serve, served, tmp_path_factory):
    hooks = tmp_path_factory.mktemp("hooks") / "hooks.yaml"
    hooks.write_text(f"""
sources:
  square: {{preset: square}}
  elsewhere: {{preset: square, url: "https://proxy.example.com/in/square"}}
  trello: {{preset: trello}}
  cloudevents: {{preset: cloudevents}}
  asana: {{preset: asana}}
  x: {{preset: x}}
  graph: {{preset: microsoft-graph}}
  paypal:
    preset: paypal
    addresses: ["https://api.paypal.com/v1/notifications/certs/*"]
  bank:
    preset: plaid
    key_at:
      address: https://id.example.com:{served.port}/key
      ask: {{client_id: "{{user}}", secret: "{{password}}", key_id: "{{kid}}", version: "1"}}
      field: key
  identity:
    scheme: jwt
    header: X-Token
    algorithm: RS256
    jwks: https://id.example.com:{served.port}/jwks.json
    body_claim: body
""")
    with pytest.MonkeyPatch.context() as patch:
        for name in load_hooks(hooks).sources.keys() - {"identity"}:
            patch.setenv(f"HOOKLINE_SECRET_{name.upper()}", SECRETS.get(name, SECRET))
        patch.setattr(
            receive, "Fetcher", partial(Fetcher, trust=served.trust, addresses=here, allows=lambda _: True)
        )
        async with serve(
            database_settings, hooks=hooks, max_failed_auth=100_000, public_url=PUBLIC
        ) as client:
            yield client


def square(url, body=BODY):
    digest = hmac.digest(SECRET.encode(), url.encode() + body, "sha256")
    return {**JSON, "X-Square-HmacSha256-Signature": base64.b64encode(digest).decode()}


async def stored(database):
    return [bytes(row["body"]) for row in await database.fetch("SELECT body FROM deliveries ORDER BY seq")]


@pytest.mark.parametrize(
    ("path", "signed", "status"),
    [
        ("/hooks/square", f"{PUBLIC}/hooks/square", 200),
        ("/hooks/square?a=1&b=%20", f"{PUBLIC}/hooks/square?a=1&b=%20", 200),
        ("/hooks/square?a=1", f"{PUBLIC}/hooks/square", 401),
        ("/hooks/square", "https://evil.example/hooks/square", 401),
        ("/hooks/elsewhere", "https://proxy.example.com/in/square", 200),
        ("/hooks/elsewhere", f"{PUBLIC}/hooks/elsewhere", 401),
    ],
)
async def test_the_address_that_is_signed_is_ours_whatever_the_host_header_says(
    gateway, database, path, signed, status
):
    stranger = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    answer = await gateway.post(path, content=BODY, headers={**square(signed), **stranger})

    assert status == answer.status_code
    assert [BODY] * (status == 200) == await stored(database)


async def test_a_look_at_the_address_is_answered_and_is_no_delivery(gateway, database):
    head = await gateway.head("/hooks/trello")
    options = await gateway.options(
        "/hooks/cloudevents", headers={"WebHook-Request-Origin": "events.example.com"}
    )
    echo = await gateway.post("/hooks/asana", headers={"X-Hook-Secret": "b537207f20cbfa02"})
    token = await gateway.post("/hooks/graph", params={"validationToken": "<b>a b</b>"})

    assert (200, b"") == (head.status_code, head.content)
    assert (200, "events.example.com") == (options.status_code, options.headers["webhook-allowed-origin"])
    assert (200, "b537207f20cbfa02") == (echo.status_code, echo.headers["x-hook-secret"])
    assert (200, "<b>a b</b>", "nosniff") == (
        token.status_code,
        token.text,
        token.headers["x-content-type-options"],
    )
    assert "text/plain; charset=utf-8" == token.headers["content-type"]
    assert "sandbox" in token.headers["content-security-policy"]
    assert [] == await stored(database)


async def test_a_look_with_another_verb_finds_nothing(gateway):
    assert [404, 404] == [
        (await gateway.request(verb, "/hooks/square")).status_code for verb in ("HEAD", "OPTIONS")
    ]


async def test_the_answer_to_a_check_signs_no_delivery(gateway, database):
    answer = await gateway.get("/hooks/x", params={"crc_token": "challenge_string"})
    forged = await gateway.get("/hooks/x", params={"crc_token": BODY.decode()})

    expected = base64.b64encode(hmac.digest(SECRET.encode(), b"challenge_string", "sha256")).decode()
    assert {"response_token": f"sha256={expected}"} == answer.json()
    assert (400, False) == (forged.status_code, "sha256" in forged.text)


async def test_what_was_signed_for_a_stranger_is_no_delivery(gateway, database):
    """Neither a number, which is JSON, nor a word, which would be stored as one that cannot be read."""
    answers = []
    for text in ("123456", "word"):
        asked = await gateway.get("/hooks/x", params={"crc_token": text})
        headers = {**JSON, "X-Twitter-Webhooks-Signature": asked.json()["response_token"]}
        answers.append(await gateway.post("/hooks/x", content=text, headers=headers))

    assert [401, 401] == [answer.status_code for answer in answers]
    assert [] == await stored(database)


async def test_a_secret_that_stands_in_a_body_is_not_stored(gateway, database):
    body = json.dumps({"value": [{"clientState": SECRET, "id": "1"}]}).encode()
    wrong = body.replace(SECRET.encode(), b"x" * 20)

    right, refused = [
        await gateway.post("/hooks/graph", content=each, headers=JSON) for each in (body, wrong)
    ]

    assert (202, 401) == (right.status_code, refused.status_code)
    [body] = await stored(database)
    assert [{"clientState": "[redacted]", "id": "1"}] == json.loads(body)["value"]


def token(key, kid, body=BODY):
    claims = {"exp": int(time.time()) + 60, "body": hashlib.sha256(body).hexdigest()}
    return {**JSON, "X-Token": jwt.encode(claims, key, "RS256", headers={"kid": kid})}


def jwks(key, kid):
    return json.dumps(
        {"keys": [{**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": kid}]}
    ).encode()


async def test_keys_at_an_address_are_fetched_and_a_new_key_is_found(gateway, database, served, monkeypatch):
    """The source has no secret: its keys are enough."""
    served.asked.clear()
    served.by_path["/jwks.json"] = 500
    away = await gateway.post("/hooks/identity", content=BODY, headers=token(KEYS[0], "one"))
    served.by_path["/jwks.json"] = jwks(KEYS[0], "one")
    monkeypatch.setattr(fetching, "FAILED_SECONDS", 0)
    first = [
        (await gateway.post("/hooks/identity", content=body, headers=token(KEYS[0], "one"))).status_code
        for body in (BODY, BODY, BODY + b" ")
    ]
    served.by_path["/jwks.json"] = jwks(KEYS[1], "two")
    early = await gateway.post("/hooks/identity", content=BODY, headers=token(KEYS[1], "two"))
    monkeypatch.setattr("hookline.gateway.fetching.RENEWED_SECONDS", 0)
    later = await gateway.post("/hooks/identity", content=BODY, headers=token(KEYS[1], "two"))

    assert (503, "5") == (away.status_code, away.headers["retry-after"])
    assert [202, 200, 401] == first
    assert (401, 200) == (early.status_code, later.status_code)
    assert 3 == len(served.asked)


def asked_for(kid):
    return {"client_id": "account", "secret": "the password: of it", "key_id": kid, "version": "1"}


async def test_the_key_that_a_token_names_is_asked_for_with_the_credentials_of_the_account(
    gateway, database, served, caplog
):
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())), "kid": "k1"}
    served.asked.clear(), served.questions.clear()

    async def status(kid, body=BODY):
        claims = {"iat": int(time.time()), "request_body_sha256": hashlib.sha256(BODY).hexdigest()}
        signed = jwt.encode(claims, key, "ES256", headers={"kid": kid})
        headers = {**JSON, "Plaid-Verification": signed}
        return (await gateway.post("/hooks/bank", content=body, headers=headers)).status_code

    served.by_path["/key"] = json.dumps({"key": {**jwk, "expired_at": 1_764_000_000}}).encode()
    called_back = await status("k1")
    served.by_path["/key"] = json.dumps({"key": {**jwk, "kid": "k2", "expired_at": None}}).encode()
    known = [await status("k2") for _ in range(2)]
    served.by_path["/key"] = 400
    unknown = [
        await status("k3"),
        await status("k2", BODY + b" "),
        await status("x" * 300),
        await status("k 4"),
    ]

    assert (401, [200, 200], [401] * 4) == (called_back, known, unknown)
    assert [asked_for(kid) for kid in ("k1", "k2", "k3")] == served.questions
    assert [BODY, BODY] == await stored(database)
    assert "the password" not in caplog.text


def certificate(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "messageverificationcerts.paypal.com")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(
        name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1)
    )
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(("host", "status"), [("api.paypal.com", 200), ("evil.example", 401)])
async def test_a_certificate_is_fetched_where_it_may_be(gateway, database, served, monkeypatch, host, status):
    monkeypatch.setattr(fetching, "HTTPS", served.port)
    served.by_path["/v1/notifications/certs/CERT-1"] = certificate(KEYS[0])
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    content = f"t-1|{at}|{WEBHOOK}|{zlib.crc32(BODY)}".encode()
    signature = base64.b64encode(KEYS[0].sign(content, padding.PKCS1v15(), hashes.SHA256())).decode()
    headers = {
        **JSON,
        "PayPal-Transmission-Id": "t-1",
        "PayPal-Transmission-Time": at,
        "PayPal-Transmission-Sig": signature,
        "PayPal-Cert-Url": f"https://{host}/v1/notifications/certs/CERT-1",
    }
    served.asked.clear()

    answer = await gateway.post("/hooks/paypal", content=BODY, headers=headers)

    assert (status, status == 200) == (answer.status_code, bool(served.asked))


# A visit that a person allows ------------------------------------------------------------------------------

SUBSCRIBE = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37"


async def bring(database, number, kind, address):
    body = json.dumps({"Type": kind, "SubscribeURL": address}).encode()
    headers = {"x-amz-sns-message-type": kind}
    arrival = deliveries.Arrival("aws", str(number), "POST", {}, headers, "text/plain", body)
    return (await deliveries.accept(database, arrival)).id


@pytest.fixture
def person(database, database_settings, served, tmp_path, monkeypatch):
    """A person who says yes to `hookline sources confirm aws`."""
    (tmp_path / "hooks.yaml").write_text("sources: {aws: {preset: aws-sns}, plain: {scheme: url-secret}}")
    monkeypatch.setenv("HOOKLINE_HOME", str(database_settings.home))
    monkeypatch.setenv("HOOKLINE_HOOKS", str(tmp_path / "hooks.yaml"))
    monkeypatch.setattr(fetching, "HTTPS", served.port)
    ours = partial(Fetcher, trust=served.trust, addresses=here, allows=lambda _: True)
    monkeypatch.setattr(sources_command, "Fetcher", ours)
    settings.cache_clear()
    served.asked.clear()
    yield lambda source="aws": asyncio.to_thread(sources_command.confirm, source, yes=True)
    settings.cache_clear()


async def test_the_latest_address_that_asks_is_visited_when_a_person_allows_it(
    database, served, person, capsys
):
    served.by_path["/?Action=ConfirmSubscription&Token=2336412f37"] = b"<ConfirmSubscriptionResponse/>"
    await bring(database, 1, "SubscriptionConfirmation", SUBSCRIBE)
    await bring(database, 2, "Notification", SUBSCRIBE.replace("2336412f37", "another"))
    await bring(database, 3, "SubscriptionConfirmation", "https://evil.example/?Token=2336412f37")

    await person()

    assert ["/?Action=ConfirmSubscription&Token=2336412f37"] == served.asked
    assert "aws is confirmed." in capsys.readouterr().out


async def test_each_address_that_asks_is_found_once_the_latest_first(database, tmp_path):
    path = tmp_path / "hooks.yaml"
    path.write_text("sources: {aws: {preset: aws-sns}}")
    old = SUBSCRIBE.replace("2336412f37", "old")
    first, *_, last = [
        await bring(database, number, "SubscriptionConfirmation", address)
        for number, address in enumerate((old, SUBSCRIBE, SUBSCRIBE))
    ]

    found = await confirmations.asked(database, "aws", load_hooks(path).sources["aws"].confirm, [])

    assert [(last, SUBSCRIBE), (first, old)] == [(visit.delivery_id, visit.address) for visit in found]


async def test_who_let_an_address_be_visited_and_what_came_of_it_is_in_the_audit_trail(
    database, served, person
):
    served.by_path["/?Action=ConfirmSubscription&Token=2336412f37"] = b"<ConfirmSubscriptionResponse/>"
    old = await bring(database, 1, "SubscriptionConfirmation", SUBSCRIBE.replace("2336412f37", "old"))
    with pytest.raises(HooklineError):
        await person()
    good = await bring(database, 2, "SubscriptionConfirmation", SUBSCRIBE)
    await person()

    found = [
        [tuple(row)[-4:] for row in await audit.trail(database, id_) if row["subject"] == "source"]
        for id_ in (old, good)
    ]
    address, who = "https://sns.eu-west-1.amazonaws.com/?…", runtime.person()
    assert [
        [
            (None, "visited", who, f"{address}: allowed by a person"),
            ("visited", "not confirmed", who, f"{address}: its server answers 404"),
        ],
        [
            (None, "visited", who, f"{address}: allowed by a person"),
            ("visited", "confirmed", who, f"{address}: it answered with success"),
        ],
    ] == found
    assert "2336412f37" not in str(found)


async def test_what_cannot_be_visited_says_why(database, served, person):
    with pytest.raises(HooklineError, match="asks for a visit"):
        await person()
    with pytest.raises(HooklineError, match="no source 'plain' with `confirm`"):
        await person("plain")
    await bring(database, 1, "SubscriptionConfirmation", SUBSCRIBE.replace("2336412f37", "old"))
    with pytest.raises(HooklineError, match="answers 404"):
        await person()


async def test_a_request_that_is_encrypted_with_a_key_that_is_gone_is_told_in_words(database, person):
    key = [SecretStr(Fernet.generate_key().decode())]
    body, altered, fingerprints = sealed(key, b"{}")
    headers = {"x-amz-sns-message-type": "SubscriptionConfirmation"}
    await deliveries.accept(
        database,
        deliveries.Arrival("aws", "1", "POST", {}, headers, "text/plain", body, altered, fingerprints),
    )

    with pytest.raises(HooklineError, match="may ask for a visit, but the body is encrypted"):
        await person()


@pytest.mark.parametrize(
    ("address", "verdict"),
    [
        (SUBSCRIBE, True),
        (SUBSCRIBE.replace("https", "http"), False),
        (SUBSCRIBE.replace(".com/", ".com:8443/"), False),
        (SUBSCRIBE.replace("//", "//me@"), False),
        (SUBSCRIBE.replace(".com/", ".com.evil.example/"), False),
        (SUBSCRIBE.replace("eu-west-1", "a.b"), False),
        ("https://[", False),
        ("", False),
    ],
)
def test_only_the_hosts_of_the_source_are_visited(address, verdict):
    assert verdict is confirmations.is_allowed(address, ("sns.*.amazonaws.com",))
