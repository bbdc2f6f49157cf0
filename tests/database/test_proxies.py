"""The examples of deploy/ in the real Caddy and the real nginx, in front of a real gateway and a real Prefect server."""

import asyncio
import base64
import datetime as dt
import hashlib
import hmac
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from hookline.gateway.views.session import SESSION

ROOT = Path(__file__).parents[2]
NAME = "hooks.example.com"
HERE = f"https://{NAME}"
SENDER = "127.0.0.5"
FORGED = "203.0.113.7"
KEY = b"a key of the sender, of 24+ bytes"
TOKEN = "the-admin-token-of-these-tests"
SECONDS = 300
HOOKS = """
sources:
  signed: {scheme: standard-webhooks}
  large: {scheme: shared-secret, max_body: 31457280}
  underscore: {scheme: hmac, header: X_Signature}
"""
SECRET = "secret-of-the-large-source-here"
BODY = '{"order":  "Zoë\\u00e9 § 7",\r\n\t"n": 1.10, "n2": 1e2 }\n\n'.encode()


def free_port():
    return free_ports()[0]


def free_ports():
    """Two free ports; asked for one after the other, they could be the same."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


@contextmanager
def running(folder, *command, port, **options):
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **options)
    try:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                text = (folder / "log").read_text(errors="replace")
                assert process.poll() is None, text
                assert time.monotonic() < deadline, text
                time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)


def changed(text, **replaced):
    """The shipped file with the ports and files of this test; each must be in it."""
    for before, after in replaced.items():
        assert before in text
        text = text.replace(before, after)
    return text


@contextmanager
def caddy(folder, gateway_port, shipped=None):
    port, plain = free_ports()
    own = f"{{\n\tadmin off\n\tskip_install_trust\n\tlocal_certs\n\thttp_port {plain}\n\thttps_port {port}\n}}\n"
    shipped = shipped or (ROOT / "deploy/Caddyfile").read_text()
    (folder / "Caddyfile").write_text(
        own + changed(shipped, **{"127.0.0.1:8400": f"127.0.0.1:{gateway_port}"})
    )
    env = {
        "PATH": os.environ["PATH"],
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        "HOME": str(folder),
    }
    with running(
        folder, "caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile", port=port, env=env
    ):
        yield port


@contextmanager
def nginx(folder, gateway_port, shipped=None):
    port, plain = free_ports()
    self_signed(folder)
    shipped = shipped or (ROOT / "deploy/nginx.conf").read_text()
    ours = {
        "127.0.0.1:8400": f"127.0.0.1:{gateway_port}",
        "listen 443 ssl": f"listen {port} ssl",
        "listen 80;": f"listen {plain};",
        "/etc/letsencrypt/live/hooks.example.com/fullchain.pem": str(folder / "certificate.pem"),
        "/etc/letsencrypt/live/hooks.example.com/privkey.pem": str(folder / "key.pem"),
    }
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/errors; {'user root;' if os.geteuid() == 0 else ''}\n"
        f"events {{}}\nhttp {{ access_log off; {temporary}\n{changed(shipped, **ours)}\n}}\n"
    )
    with running(folder, "nginx", "-c", str(folder / "nginx.conf"), port=port):
        yield port


def self_signed(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(plain)


@pytest.fixture(scope="module")
def prefect_port():
    return free_port()


@pytest.fixture(scope="module")
def prefect(database_settings, prefect_port, tmp_path_factory):
    """Hookline's own Prefect server, by itself."""
    env = {
        **os.environ,
        "HOOKLINE_HOME": str(database_settings.home),
        "HOOKLINE_PREFECT_PORT": str(prefect_port),
        "HOOKLINE_PUBLIC_URL": HERE,
    }
    folder = tmp_path_factory.mktemp("prefect")
    with running(folder, sys.executable, "-m", "hookline", "prefect", port=prefect_port, env=env):
        yield


PROXIES = {"caddy": caddy, "nginx": nginx}


@pytest.fixture(
    params=[
        pytest.param(
            name, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")
        )
        for name in PROXIES
    ]
)
async def proxy(request, database_settings, database, serve, prefect_port, tmp_path, environment):
    """A client of the proxy, from an address of its own; and the port of the proxy."""
    (tmp_path / "hooks.yaml").write_text(HOOKS)
    environment.setenv("HOOKLINE_SECRET_SIGNED", f"whsec_{base64.b64encode(KEY).decode()}")
    environment.setenv("HOOKLINE_SECRET_LARGE", SECRET)
    environment.setenv("HOOKLINE_SECRET_UNDERSCORE", SECRET)
    settings = {
        "hooks": tmp_path / "hooks.yaml",
        "prefect_port": prefect_port,
        "public_url": HERE,
        "trusted_proxies": (ip_network("127.0.0.1"),),
        "admin_token": SecretStr(TOKEN),
    }
    async with serve(database_settings, **settings) as gateway:
        with PROXIES[request.param](tmp_path, gateway.base_url.port) as port:
            trust = anybody()
            await until_certified(port, trust)
            transport = httpx.AsyncHTTPTransport(verify=trust, local_address=SENDER)
            async with httpx.AsyncClient(
                base_url=f"https://127.0.0.1:{port}", transport=transport, headers={"Host": NAME}, timeout=60
            ) as client:
                yield Through(client, gateway, port, trust)


def anybody():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def until_certified(port, trust):
    """Wait until the proxy has its certificate, which Caddy makes after it has opened the port."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=NAME)
        except OSError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return


class Through:
    """A proxy, and the gateway behind it."""

    def __init__(self, client, gateway, port, trust):
        self.client, self.gateway, self.port, self.trust = client, gateway, port, trust

    async def post(self, path, body, **headers):
        return await self.client.post(path, content=body, headers=headers, extensions={"sni_hostname": NAME})

    async def log_in(self):
        answer = await self.client.post(
            "/login", data={"token": TOKEN}, headers={"Origin": HERE}, extensions={"sni_hostname": NAME}
        )
        return answer.headers["set-cookie"]


def signature(body, identifier):
    now = str(int(time.time()))
    digest = hmac.digest(KEY, f"{identifier}.{now}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": identifier,
        "webhook-timestamp": now,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        "Content-Type": "application/json",
    }


async def test_a_signed_webhook_arrives_byte_for_byte_with_its_path_and_its_signature(proxy, database):
    identifier = f"msg_{uuid4().hex}"
    path = "/hooks/signed?a=%2Fx+y&b=%C3%A9&b="
    answer = await proxy.post(path, BODY, **signature(BODY, identifier))
    direct = await proxy.gateway.post(path, content=BODY, headers=signature(BODY, f"{identifier}-direct"))
    rows = await database.fetch("SELECT body, query FROM deliveries ORDER BY seq")
    wrong = await proxy.post("/hooks/signed", BODY + b" ", **signature(BODY, f"{identifier}-wrong"))

    assert (202, 202, 401) == (answer.status_code, direct.status_code, wrong.status_code)
    assert [BODY, BODY] == [row["body"] for row in rows]
    assert rows[0]["query"] == rows[1]["query"] != {}


async def test_a_signature_in_a_header_with_an_underscore_arrives(proxy):
    digest = hmac.digest(SECRET.encode(), BODY, hashlib.sha256).hex()
    answer = await proxy.post(
        "/hooks/underscore", BODY, X_Signature=digest, **{"Content-Type": "application/json"}
    )

    assert 202 == answer.status_code, answer.text


async def test_the_sender_s_own_address_arrives_and_nobody_can_write_another_one(proxy, database):
    forged = {"X-Forwarded-For": FORGED, "X-Hookline-Key": "wrong", "Forwarded": f"for={FORGED}"}
    await proxy.post("/hooks/large", b"{}", **forged)
    through = await refused_from(database)
    async with httpx.AsyncClient(
        base_url=proxy.gateway.base_url, transport=httpx.AsyncHTTPTransport(local_address="127.0.0.6")
    ) as direct:
        await direct.post("/hooks/large", content=b"{}", headers=forged)
    past = await refused_from(database, through)

    assert (SENDER, "127.0.0.6") == (through, past)


async def refused_from(database, before=None):
    """The address of the last refused request, once it is written down."""
    deadline = time.monotonic() + SECONDS
    while True:
        peer = await database.fetchval(
            "SELECT peer FROM refusals WHERE source = 'large' ORDER BY last_at DESC LIMIT 1"
        )
        if peer not in (None, before):
            return peer
        assert time.monotonic() < deadline, peer
        await asyncio.sleep(0.1)


async def test_bodies_fit_up_to_what_a_preset_takes_and_no_further(proxy, database):
    key = {"X-Hookline-Key": SECRET, "Content-Type": "application/json"}
    large = b'{"a": "' + b"x" * (20 * 1_048_576) + b'"}'
    taken = await proxy.post("/hooks/large", large, **key)
    if taken.status_code == 503:  # as a busy machine says; a sender sends again
        taken = await proxy.post("/hooks/large", large, **key)
    with suppress(httpx.TransportError):  # some close the connection while we send
        assert 413 == (await proxy.post("/hooks/large", b" " * (33 * 1_048_576), **key)).status_code

    assert 202 == taken.status_code, taken.text
    assert [len(large)] == [
        row["n"] for row in await database.fetch("SELECT length(body) AS n FROM deliveries")
    ]


async def test_the_pages_know_that_they_are_reached_by_https(proxy):
    cookie = await proxy.log_in()

    assert ("Secure" in cookie, "HttpOnly" in cookie) == (True, True)


async def test_the_prefect_ui_and_its_websocket_work(prefect, proxy):
    cookie = (await proxy.log_in()).partition(";")[0]
    page = await proxy.client.get("/prefect/", headers={"Cookie": cookie}, extensions={"sni_hostname": NAME})
    async with websockets.connect(
        f"wss://{NAME}/prefect/api/events/out",
        host="127.0.0.1",
        port=proxy.port,
        ssl=proxy.trust,
        subprotocols=["prefect"],
        origin=HERE,
        additional_headers={"Cookie": cookie},
        proxy=None,
    ) as events:
        await events.send(json.dumps({"type": "auth", "token": None}))
        welcome = json.loads(await events.recv())

    assert (200, True) == (page.status_code, "<html" in page.text)
    assert (SESSION in cookie, "auth_success") == (True, welcome["type"])
