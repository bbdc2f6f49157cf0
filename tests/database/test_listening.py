"""Listening: what a source sends to one Hookline comes to another, whole and once, and nobody else hears it."""

import asyncio
import json
import os
import signal
import sys
from base64 import b64decode
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import pytest
from commands import run_process
from cryptography.fernet import Fernet
from pydantic import SecretStr
from rows import arrival

from hookline import listening as client
from hookline import redaction
from hookline.database import embedded, pool
from hookline.database.migrate import upgrade
from hookline.errors import ConfigurationError, HooklineError
from hookline.hooks import load_hooks
from hookline.inbox import audit, bodies, copies, deliveries, listening
from hookline.inbox.copies import Change

TOKEN = "the-admin-token-of-the-other-one"
ANN = "ann at laptop"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HOOKS = """
sources:
  jiwa: {scheme: shared-secret, redact: ["$.card"]}
  shop: {scheme: shared-secret}
routes:
  jiwa-order:
    source: jiwa
    deployment: order-to-license/default
    parameters: {invoice_id: "{{ body.InvoiceID }}"}
"""


@pytest.fixture(scope="module")
async def other_settings(database_settings, session_pool, tmp_path_factory):
    """Another installation: a database of its own on the same server."""
    home = tmp_path_factory.mktemp("other")
    (home / "hooks.yaml").write_text(HOOKS)
    url = SecretStr(embedded.url(database_settings.home, "other"))
    settings = database_settings.model_copy(
        update={
            "database_url": url,
            "hooks": home / "hooks.yaml",
            "admin_token": SecretStr(TOKEN),
            "high_water": home,
        }
    )
    await asyncio.to_thread(upgrade, settings)
    yield settings
    await (await pool(settings)).close()


@pytest.fixture
async def other(other_settings):
    """Its inbox, emptied."""
    database = await pool(other_settings)
    await database.execute("TRUNCATE deliveries, dispatches, changes, listeners RESTART IDENTITY CASCADE")
    return database


@pytest.fixture
def gateway(serve, other_settings, other, monkeypatch):
    """Serves the gateway of the other installation."""
    monkeypatch.setattr("hookline.gateway.listening.WAIT_SECONDS", 0.3)
    monkeypatch.setattr("hookline.gateway.listening.POLL_SECONDS", 0.05)

    def gateway(port=0, **changed):
        return serve(other_settings, port, **changed)

    return gateway


@pytest.fixture
def hooks(tmp_path):
    (tmp_path / "hooks.yaml").write_text(HOOKS)
    return load_hooks(tmp_path / "hooks.yaml")


async def accept(database, number=0, source="jiwa", body=None, **fields):
    body = json.dumps({"InvoiceID": str(number)}).encode() if body is None else body
    fingerprints = bodies.sealed((), body).fingerprints
    fields = {"fingerprints": fingerprints, **fields}
    receipt = await deliveries.accept(database, arrival(f"evt_{number}", source=source, body=body, **fields))
    return receipt.id


async def begin(gateway, source="jiwa", **wishes):
    answer = await gateway.post(f"/listen/{source}", headers=BEARER, json={"who": ANN, **wishes})
    assert 200 == answer.status_code, answer.text
    return answer.json()


async def offers(gateway, listener, latest=0, late=0.0, source="jiwa"):
    params = {"listener": listener, "latest": latest, "late": late}
    answer = await gateway.get(f"/listen/{source}", headers=BEARER, params=params)
    assert 200 == answer.status_code, answer.text
    return [row["external_id"] for row in answer.json()["offers"]]


# Who may listen ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({**BEARER, "Origin": "https://evil.example"}, 403),
        ({**BEARER, "Sec-Fetch-Site": "same-origin"}, 403),
        ({**BEARER, "Host": "evil.example"}, 421),
    ],
    ids=["none", "wrong", "basic", "empty", "another page", "our page", "another name"],
)
async def test_nobody_listens_without_the_admin_token_and_no_page_does(gateway, other, headers, status):
    id_ = await accept(other)
    paths = {"POST": "/listen/jiwa", "GET": f"/listen/jiwa?listener={uuid4()}", "DELETE": "/listen/nothing"}

    async with gateway() as http:
        answers = [await http.request(method, path, headers=headers) for method, path in paths.items()]
        answers.append(await http.get(f"/listen/jiwa/{id_}", headers=headers))

    assert {status} == {answer.status_code for answer in answers}
    assert 1 == len({answer.text for answer in answers})
    assert 0 == await other.fetchval("SELECT count(*) FROM listeners")


async def test_a_token_cannot_be_guessed(gateway):
    async with gateway() as http:
        statuses = [
            (await http.get("/listen/jiwa", headers={"Authorization": f"Bearer {n}"})).status_code
            for n in range(12)
        ]
        right = await http.get("/listen/jiwa", headers=BEARER)

    assert [401] * 10 + [429] * 2 == statuses
    assert 429 == right.status_code


async def test_who_listens_stands_in_the_audit_trail_there_until_it_ends(gateway, other):
    async with gateway() as http:
        begun = await begin(http)
        await http.delete("/listen/jiwa", headers=BEARER, params={"listener": begun["listener"]})
        await begin(http, who="a\nb" * 200)
        await other.execute("UPDATE listeners SET seen_at = now() - interval '61 s'")
        await begin(http, "shop")

    rows = await other.fetch("SELECT source, was, became, actor FROM changes ORDER BY id")
    assert [("jiwa", "listened"), ("jiwa", "not listened"), ("jiwa", "listened"), ("jiwa", "not listened"), ("shop", "listened")] == [
        (row["source"], row["became"]) for row in rows
    ]  # fmt: skip
    assert f"admin at 127.0.0.1, {ANN}" == rows[0]["actor"]
    assert "\n" not in rows[2]["actor"]
    assert len(rows[2]["actor"]) < 150


async def test_only_some_listen_at_once(gateway):
    async with gateway() as http:
        for _ in range(listening.MAX_LISTENERS):
            await begin(http)
        answer = await http.post("/listen/jiwa", headers=BEARER, json={})

    assert (429, "60", True) == (
        answer.status_code,
        answer.headers["retry-after"],
        "8 listen already" in answer.text,
    )


async def test_what_makes_no_sense_is_refused(gateway, other):
    id_ = await accept(other)
    await accept(other, 1, "shop")
    async with gateway() as http:
        listener = (await begin(http))["listener"]
        statuses = {
            path: (await http.get(path, headers=BEARER)).status_code
            for path in (
                f"/listen/jiwa?listener={listener}&latest=x&late=0",
                f"/listen/jiwa?listener={listener}&latest=-1&late=0",
                f"/listen/jiwa?listener={listener}&latest=0&late=nan",
                f"/listen/jiwa?listener={listener}&latest=1e300&late=0",
                f"/listen/shop?listener={listener}&latest=0&late=0",
                f"/listen/jiwa?listener={uuid4()}&latest=0&late=0",
                "/listen/jiwa?listener=x",
                f"/listen/jiwa/{uuid4()}?listener={listener}",
                f"/listen/jiwa/x?listener={listener}",
                f"/listen/jiwa/{id_}",
                f"/listen/shop/{id_}?listener={listener}",
            )
        }
        bodies_ = [b"", b"[]", b"{" * 5_000, b'{"since": "x"}', b'{"since": -1}', b'{"who": 1}']
        begun = [
            (await http.post("/listen/jiwa", headers=BEARER, content=body)).status_code for body in bodies_
        ]
        unknown = await http.post("/listen/nothing", headers=BEARER, json={})

    assert [400, 400, 400, 400, 410, 410, 404, 404, 404, 404, 410] == list(statuses.values())
    assert [400, 400, 413, 400, 400, 400] == begun
    assert (404, True) == (unknown.status_code, "no source nothing here" in unknown.text)


# What they hear ------------------------------------------------------------------------------------------------


async def test_what_its_sender_sent_is_offered_and_nothing_else(gateway, other, hooks):
    first = await accept(other, 0)
    await accept(other, 1, "shop")
    await accept(other, 2, bundle_id=first, envelope={})
    await accept(other, 3)
    await other.execute(
        "UPDATE deliveries SET body = NULL, altered = '{removed}' WHERE external_id = 'evt_3'"
    )
    await accept(other, 0, body=b'{"InvoiceID": "other"}')
    copy = copies.copied(
        await copies.original(other, first), uuid4(), Change(b"{}"), hooks.sources["jiwa"], ()
    )
    async with other.acquire() as connection:
        await copies.store(connection, copy, actor=ANN)

    async with gateway() as http:
        begun = await begin(http, since=3600)
        found = await offers(http, begun["listener"], begun["latest"])

    assert ["evt_0", "evt_0"] == found


@pytest.mark.parametrize(("since", "expected"), [(None, []), (60, ["evt_1"]), (7200, ["evt_0", "evt_1"])])
async def test_one_begins_with_what_comes_or_with_what_came(gateway, other, since, expected):
    await accept(other, 0)
    await other.execute("UPDATE deliveries SET received_at = now() - interval '1 hour'")
    await accept(other, 1)

    async with gateway() as http:
        begun = await begin(http, since=since)
        assert expected == await offers(http, begun["listener"], begun["latest"])


async def test_no_secret_leaves_and_what_was_redacted_stays_so(gateway, other, other_settings):
    key = SecretStr(Fernet.generate_key().decode())
    sealed = bodies.sealed([key], b'{"card": "[redacted]"}', ["redacted"])
    redaction.learn(["a-secret-that-slipped-through"])
    id_ = await accept(
        other,
        body=sealed.body,
        altered=sealed.altered,
        headers={"authorization": "[redacted]", "x-odd": "is a-secret-that-slipped-through"},
        query={"key": "a-secret-that-slipped-through"},
    )

    async with gateway(body_keys=(key,)) as http:
        listener = (await begin(http))["listener"]
        answer = await http.get(f"/listen/jiwa/{id_}", headers=BEARER, params={"listener": listener})

    sent = answer.json()
    assert ({"authorization": "[redacted]", "x-odd": "is ***"}, {"key": "***"}) == (
        sent["headers"],
        sent["query"],
    )
    assert (True, b'{"card": "[redacted]"}') == (sent["redacted"], b64decode(sent["body"]))
    assert "no-store" == answer.headers["cache-control"]


# Hearing it ----------------------------------------------------------------------------------------------------


@dataclass
class Listened:
    """What a listener reported."""

    heard: list = field(default_factory=list)
    away: list = field(default_factory=list)
    back: list = field(default_factory=list)
    restored: list = field(default_factory=list)

    def reports(self):
        return client.Reports(
            self.heard.append, self.away.append, lambda: self.back.append(1), lambda: self.restored.append(1)
        )


@pytest.fixture
def listen(database, hooks, monkeypatch):
    """Listens to an address while open."""
    monkeypatch.setattr(client, "MIN_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(client, "MAX_WAIT_SECONDS", 0.2)

    @asynccontextmanager
    async def listen(address, *, keys=(), source="jiwa", token=TOKEN, **how):
        listened = Listened()

        async def work():
            async with client.Link(address, SecretStr(token), source, ANN) as link:
                await client.listen(
                    database, link, source, hooks.sources[source], keys, listened.reports(), actor=ANN, **how
                )

        task = asyncio.create_task(work())
        try:
            yield listened
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    return listen


async def have(database, number, seconds=30):
    async with asyncio.timeout(seconds):
        while await database.fetchval("SELECT count(*) FROM deliveries") < number:
            await asyncio.sleep(0.02)


async def heard_of(listened, number, seconds=30):
    """Wait until it was said of so many, which comes after they are stored."""
    async with asyncio.timeout(seconds):
        while len(listened.heard) < number:
            await asyncio.sleep(0.02)


async def stored(database):
    rows = await database.fetch("SELECT external_id FROM deliveries ORDER BY seq")
    return [row["external_id"] for row in rows]


def address_of(http):
    return str(http.base_url).rstrip("/")


async def test_what_comes_there_comes_here_marked_with_where_it_came_from_and_is_routed_by_our_files(
    gateway, other, database, listen, hooks, route_received, repository
):
    from hookline.provisioning.deployments import load_deployments

    async with gateway() as http, listen(address_of(http), since=60.0) as listened:
        there = await accept(other, 7, headers={"x": "1"}, query={"q": "2"})
        await heard_of(listened, 1)
        row = await database.fetchrow("SELECT * FROM deliveries")
        await route_received(hooks, load_deployments(repository / "deployments/prefect.yaml"))

    assert ("evt_7", "jiwa", {"x": "1"}, {"q": "2"}, b'{"InvoiceID": "7"}') == (
        row["external_id"], row["source"], row["headers"], row["query"], row["body"],
    )  # fmt: skip
    assert (address_of(http), there) == (row["listened_from"], row["listened_id"])
    assert [(ANN, f"listened from {address_of(http)}")] == [
        (change["actor"], change["reason"]) for change in await audit.trail(database, row["id"])
    ][:1]
    assert "7" == await database.fetchval("SELECT parameters ->> 'invoice_id' FROM dispatches")
    assert [row["id"]] == [heard.receipt.id for heard in listened.heard]
    assert ["listened", "not listened"] == [
        row["became"]
        for row in await other.fetch("SELECT became FROM changes WHERE subject = 'source' ORDER BY id")
    ]


async def test_one_that_listens_again_goes_on_where_it_ended(gateway, other, database, listen):
    async with gateway() as http:
        async with listen(address_of(http), since=60.0):
            await accept(other, 0)
            await have(database, 1)
        await accept(other, 1)
        async with listen(address_of(http)):
            await have(database, 2)
        await accept(other, 2)
        async with listen(address_of(http), new=True) as listened:
            await asyncio.sleep(0.5)
            await accept(other, 3)
            await have(database, 3)
            await heard_of(listened, 1)

    assert ["evt_0", "evt_1", "evt_3"] == await stored(database)
    assert ["evt_3"] == [heard.offer.external_id for heard in listened.heard]
    assert 0 == await database.fetchval("SELECT sum(duplicates) FROM deliveries")


async def test_what_is_committed_late_is_heard_too(gateway, other, database, listen):
    async with gateway() as http, listen(address_of(http), since=60.0):
        async with other.acquire() as connection, connection.transaction():
            await deliveries.accept_all(connection, [arrival("evt_late", body=b'{"InvoiceID": "1"}')])
            await accept(other, 1)
            await have(database, 1)
            await asyncio.sleep(0.5)
        await have(database, 2)

    assert ["evt_1", "evt_late"] == await stored(database)


async def test_what_was_committed_late_while_nobody_listened_is_heard_too(gateway, other, database, listen):
    async with gateway() as http:
        async with other.acquire() as connection, connection.transaction():
            await deliveries.accept_all(connection, [arrival("evt_late", body=b'{"InvoiceID": "1"}')])
            await accept(other, 1)
            async with listen(address_of(http), since=60.0):
                await have(database, 1)
        async with listen(address_of(http)):
            await have(database, 2)

    assert ["evt_1", "evt_late"] == await stored(database)


class Cable:
    """A line to a gateway that breaks after so many bytes, again and again."""

    def __init__(self, address, after):
        self.to = httpx.URL(address)
        self.after = after
        self.cuts = 0
        self.carrying = set()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.carry, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    async def __aexit__(self, *_):
        self.server.close()
        for each in self.carrying:
            each.cancel()
        await asyncio.gather(*self.carrying, return_exceptions=True)

    async def carry(self, reader, writer):
        self.carrying.add(asyncio.current_task())
        there, here = await asyncio.open_connection(self.to.host, self.to.port)
        left = self.after
        up = asyncio.create_task(self.pass_on(reader, here))
        try:
            while chunk := await there.read(min(left, 4096)):
                left -= len(chunk)
                writer.write(chunk)
                await writer.drain()
                if left <= 0:
                    self.cuts += 1
                    break
        except ConnectionError:
            pass
        finally:
            up.cancel()
            for each in (writer, here):
                each.transport.abort()

    async def pass_on(self, reader, writer):
        with suppress(ConnectionError):
            while chunk := await reader.read(4096):
                writer.write(chunk)


async def test_a_line_that_breaks_again_and_again_loses_nothing_and_doubles_nothing(
    gateway, other, database, listen
):
    async with gateway() as http:
        cable = Cable(address_of(http), 12_000)
        async with cable as address, listen(address, since=60.0) as listened:
            for number in range(40):
                await accept(
                    other, number, body=json.dumps({"InvoiceID": str(number), "x": "x" * 500}).encode()
                )
            await heard_of(listened, 40)

    assert [f"evt_{number}" for number in range(40)] == sorted(
        await stored(database), key=lambda e: int(e[4:])
    )
    assert 0 == await database.fetchval("SELECT sum(duplicates) FROM deliveries")
    assert 40 == len(listened.heard)
    assert cable.cuts > 3
    assert [True, True] == [bool(listened.away), bool(listened.back)]


async def test_a_gateway_that_is_restarted_is_listened_to_again(gateway, other, database, listen):
    async with gateway() as http:
        address, port = address_of(http), http.base_url.port
    async with listen(address, since=60.0) as listened:
        async with gateway(port):
            await accept(other, 0)
            await have(database, 1)
        await other.execute("DELETE FROM listeners")  # as after a minute
        await accept(other, 1)
        async with gateway(port):
            await heard_of(listened, 2)

    assert ["evt_0", "evt_1"] == await stored(database)
    assert (2, []) == (len(listened.heard), listened.restored)


async def test_one_that_counts_as_gone_begins_again_by_itself(gateway, other, database, listen):
    async with gateway() as http, listen(address_of(http), since=60.0) as listened:
        await accept(other, 0)
        await have(database, 1)
        await other.execute("DELETE FROM listeners")
        await accept(other, 1)
        await have(database, 2)

    assert (["evt_0", "evt_1"], []) == (await stored(database), listened.away)


async def test_an_installation_that_listens_to_itself_is_refused(serve, database_settings, database):
    async with (
        serve(database_settings, admin_token=SecretStr(TOKEN)) as http,
        client.Link(address_of(http), SecretStr(TOKEN), "jiwa", ANN) as link,
    ):
        with pytest.raises(HooklineError, match="is this installation"):
            await client.listen(database, link, "jiwa", None, (), Listened().reports(), actor=ANN)


@pytest.mark.parametrize(
    ("token", "source", "told"),
    [("wrong", "jiwa", "HTTP 401, This needs the admin token"), (TOKEN, "nothing", "no source nothing here")],
)
async def test_what_trying_again_does_not_change_ends_it(gateway, database, token, source, told):
    async with gateway() as http, client.Link(address_of(http), SecretStr(token), source, ANN) as link:
        with pytest.raises(HooklineError, match=told):
            await client.listen(database, link, source, None, (), Listened().reports(), actor=ANN)


async def test_another_history_there_is_said_and_listened_to_from_now_on(gateway, other, database, listen):
    async with gateway() as http:
        await listening.begin_place(database, "jiwa", address_of(http), uuid4(), 999_999, 0)
        async with listen(address_of(http)) as listened:
            async with asyncio.timeout(30):
                while not listened.restored:
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)
            await accept(other, 1)
            await have(database, 1)

    assert ["evt_1"] == await stored(database)


async def test_what_cannot_be_stored_here_says_why_and_holds_up_nothing(gateway, other, database, listen):
    async with gateway() as http, listen(address_of(http), since=60.0) as listened:
        await accept(other, 0, body=b"{no json, and must be redacted")
        await accept(other, 1, body=b'{"InvoiceID": "1", "x": "' + b"x" * 8_000_000 + b'"}')
        await accept(other, 3, body=b"gAAAA", altered=["encrypted"])
        await accept(other, 2)
        await have(database, 1)

    whys = [heard.why_not for heard in listened.heard]
    assert ["evt_2"] == await stored(database)
    assert "it cannot be stored here" in whys[0]
    assert "has more than" in whys[1]
    assert "HTTP 409, the body is encrypted with a key that is not in HOOKLINE_BODY_KEYS" in whys[2]
    assert [None] == whys[3:]


async def test_a_token_that_is_no_longer_right_passes_over_no_delivery(
    gateway, other, database, hooks, listen, monkeypatch
):
    deliver = client.Link.delivery

    async def with_another_token(link, *arguments):
        link._http.headers["Authorization"] = "Bearer another"
        return await deliver(link, *arguments)

    async with gateway() as http:
        await accept(other, 0)
        with monkeypatch.context() as patch:
            patch.setattr(client.Link, "delivery", with_another_token)
            async with client.Link(address_of(http), SecretStr(TOKEN), "jiwa", ANN) as link:
                with pytest.raises(HooklineError, match="HTTP 401"):
                    await client.listen(
                        database,
                        link,
                        "jiwa",
                        hooks.sources["jiwa"],
                        (),
                        Listened().reports(),
                        since=60.0,
                        actor=ANN,
                    )
        assert [] == await stored(database)
        async with listen(address_of(http)):
            await have(database, 1)


async def test_bodies_are_redacted_and_encrypted_by_our_files_too(gateway, other, database, listen):
    key = SecretStr(Fernet.generate_key().decode())
    async with gateway() as http, listen(address_of(http), since=60.0, keys=[key]):
        await accept(other, 0, body=b'{"card": "4111"}')
        await accept(other, 1, body=b'{"a": "[redacted]"}', altered=["redacted"])
        await have(database, 2)

    rows = await database.fetch("SELECT * FROM deliveries ORDER BY seq")
    assert [["redacted", "encrypted"]] * 2 == [row["altered"] for row in rows]
    assert {"card": "[redacted]"} == json.loads(bodies.unseal(rows[0], [key]))


async def test_what_its_sender_sent_here_as_well_is_here_once(gateway, other, database, listen):
    await accept(database, 0)
    async with gateway() as http, listen(address_of(http), since=60.0):
        await accept(other, 0)
        await accept(other, 1)
        await have(database, 2)

    rows = await database.fetch("SELECT external_id, duplicates FROM deliveries ORDER BY seq")
    assert [("evt_0", 0), ("evt_1", 0)] == [tuple(row) for row in rows]


async def test_what_came_under_the_id_of_another_is_beside_it_here_too(gateway, other, database, listen):
    async with gateway() as http, listen(address_of(http), since=60.0):
        await accept(other, 0)
        await accept(other, 0, body=b'{"InvoiceID": "other"}')
        await have(database, 2)

    first, second = await database.fetch("SELECT * FROM deliveries ORDER BY seq")
    assert (first["id"], "discarded", b'{"InvoiceID": "other"}') == (
        second["repeats_id"], second["state"], second["body"],
    )  # fmt: skip


async def test_only_one_listens_to_a_source(database):
    async with client.exclusively(database, "jiwa"), client.exclusively(database, "shop"):
        with pytest.raises(HooklineError, match="hookline listen jiwa"):
            async with client.exclusively(database, "jiwa"):
                pass
    async with client.exclusively(database, "jiwa"):
        pass


@pytest.mark.parametrize(
    "address",
    [
        "hooks.example.com",
        "ftp://x",
        "https://",
        "https://u@x.example",
        "https://x.example/?a",
        "http://x.example",
    ],
)
def test_an_address_that_is_none_or_has_no_tls_is_refused(address):
    with pytest.raises(ConfigurationError):
        client.checked_address(address)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://Hooks.Example.com/", "https://hooks.example.com"),
        ("http://127.0.0.1:8400", "http://127.0.0.1:8400"),
        ("https://x.example/a", "https://x.example/a"),
    ],
)
def test_an_address_is_read(text, address):
    assert address == client.checked_address(text)


# The command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def shell(database_settings, tmp_path, hooks):
    """The environment of a laptop, on which no Prefect runs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | {
        "HOOKLINE_HOME": str(database_settings.home),
        "HOOKLINE_HOOKS": str(hooks.path),
        "HOOKLINE_LISTEN_TOKEN": TOKEN,
        "HOOKLINE_PREFECT_PORT": "9",
    }


async def test_the_command_asks_first_where_it_does_not_know_the_accounts_and_needs_the_token(
    shell, database
):
    async def run(*words, **changed):
        environment = {name: value for name, value in (shell | changed).items() if value is not None}
        return await asyncio.to_thread(
            run_process, "listen", *words, env=environment, stdin=asyncio.subprocess.DEVNULL
        )

    at = ("--from", "https://hooks.example.com")
    asked, no_token, no_source, in_clear, nowhere, both = await asyncio.gather(
        run("jiwa", *at),
        run("jiwa", *at, HOOKLINE_LISTEN_TOKEN=None),
        run("nothing", *at, "--yes"),
        run("jiwa", "--from", "http://hooks.example.com", "--yes"),
        run("jiwa", "--yes"),
        run("jiwa", *at, "--yes", "--new", "--since", "1h"),
    )

    assert [2] * 6 == [each.returncode for each in (asked, no_token, no_source, in_clear, nowhere, both)]
    assert "It is not known which vendor accounts the flows here use." in asked.stderr
    assert "With the same real accounts, everything is done twice" in asked.stderr
    assert "HOOKLINE_LISTEN_TOKEN is not set" in no_token.stderr
    assert "has no source 'nothing'. There are: jiwa, shop" in no_source.stderr
    assert "has no TLS" in in_clear.stderr
    assert "Use --from https://hooks.example.com, or HOOKLINE_LISTEN_URL" in nowhere.stderr
    assert "--since and --new: choose one" in both.stderr


async def test_the_command_listens_until_ctrl_c_through_a_line_that_breaks(gateway, other, database, shell):
    async with gateway() as http, Cable(address_of(http), 6_000) as address:
        await accept(other, 0)
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "hookline",
                "listen",
                "jiwa",
                "--from",
                address,
                "--since",
                "1h",
                "--json",
                "--yes",
            ),
            # Tests that a script began behind its back have it ignored, and so would what they begin.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            env=shell,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(90):
            lines = [json.loads(await process.stdout.readline())]
            for number in range(1, 12):
                await accept(other, number, body=json.dumps({"InvoiceID": "1", "x": "x" * 900}).encode())
            lines += [json.loads(await process.stdout.readline()) for _ in range(11)]
            process.send_signal(signal.SIGINT)
            rest, err = await process.communicate()

    assert (0, b"") == (process.returncode, rest), err
    assert [f"evt_{number}" for number in range(12)] == [line["external_id"] for line in lines]
    assert [f"evt_{number}" for number in range(12)] == await stored(database)
    assert b"Not connected, trying again" in err
    assert b"Stored 12 of jiwa" in err
    assert TOKEN.encode() not in err
    assert 0 == await other.fetchval("SELECT count(*) FROM listeners")
    rows = await database.fetch("SELECT id::text, listened_id::text FROM deliveries ORDER BY seq")
    assert [(line["id"], line["listened_id"]) for line in lines] == [tuple(row) for row in rows]
