"""
Tokens that a person's agreement brought: renewed by one process at a time, and never lost by a call that is stopped.

PostgreSQL and the vendor are real; what Prefect stores is a variable here. With Prefect: tests/flows/test_http_accounts.py.
"""

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from blocks import connections
from hookline.clients import NotAuthenticated, Unreachable
from hookline.clients.http import HttpClient, OAuthClient, Read, Tokens
from hookline.database.connection import close_pool
from hookline.shipped.http import HttpSettings
from hookline.simulators import running

REDIRECT = "http://127.0.0.1:8400/connect/http/callback"


class Stored(connections.StoredGrants):
    """The tokens of an account, stored in a variable that all processes see."""

    kept: Tokens | None = None
    failures = 0

    async def connected(self):
        if Stored.kept is None:
            return None
        text = SecretStr(Stored.kept.model_dump_json())
        return SimpleNamespace(tokens=text, by="Pat", since=None)

    async def _save(self, tokens, by, since=None):
        if Stored.failures:
            Stored.failures -= 1
            raise OSError("Prefect is away")
        Stored.kept = tokens


@pytest.fixture(scope="module")
async def vendors():
    async with running() as sandbox:
        yield sandbox


@pytest.fixture
def acme(vendors, database, database_settings, environment, monkeypatch):
    """The vendor, with one person connected, and the grants that it was asked to exchange."""
    environment.setenv("HOOKLINE_HOME", str(database_settings.home))
    monkeypatch.setattr(connections, "SAVE_SECONDS", 0.01)
    connections._known.clear()
    vendors.reset()
    simulator = vendors.http
    issue, simulator.grants = simulator.oauth.issue, []

    def noting(form, authorization):
        simulator.grants.append(form["grant_type"])
        return issue(form, authorization)

    simulator.oauth.issue = noting
    Stored.kept, Stored.failures = issued(simulator), 0
    return simulator


def issued(simulator, **changed):
    fresh = simulator.oauth._tokens("", with_refresh=True)
    inputs = {"access_token": fresh["access_token"], "refresh_token": fresh["refresh_token"]}
    return Tokens(**{**inputs, "renew_at": time.time() + 600, **changed})


def grants_of(acme):
    client = OAuthClient("sandbox-http-client", SecretStr("sandbox-http-secret"), f"{acme.url}/oauth/token")
    return Stored("acme", client)


async def read(acme):
    account = HttpSettings(
        base_url=acme.url,
        login="authorization_code",
        client_id="sandbox-http-client",
        client_secret=SecretStr("sandbox-http-secret"),
        token_url=f"{acme.url}/oauth/token",
        authorize_url=f"{acme.url}/oauth/authorize",
    )
    async with HttpClient.connect(account, grants_of(acme)) as client:
        return await client.call(Read(path="/records/orders"), repeat="safe")


async def test_stored_tokens_are_used_as_long_as_the_vendor_takes_them(acme):
    found = [await read(acme) for _ in range(3)]

    assert [3, 3, 3] == [len(each) for each in found]
    assert [] == acme.grants


async def test_a_token_that_the_vendor_refuses_is_renewed_once_for_all_calls(acme):
    before = Stored.kept
    acme.end_sessions()
    found = await asyncio.gather(*(read(acme) for _ in range(8)))

    assert [3] * 8 == [len(each) for each in found]
    assert ["refresh_token"] == acme.grants
    assert before.refresh_token != Stored.kept.refresh_token


async def test_a_token_that_ends_soon_is_renewed_before_it_is_sent(acme):
    Stored.kept = issued(acme, renew_at=time.time() - 1)
    await read(acme)

    assert ["refresh_token"] == acme.grants
    assert [200] == [row["status"] for row in acme.requests(operation="list_records")]


async def test_several_processes_renew_a_rotating_token_once(acme):
    """Each has an event loop, a pool and a memory of its own."""
    acme.end_sessions()
    found = []

    def process():
        async def work():
            try:
                return await asyncio.gather(*(read(acme) for _ in range(3)))
            finally:
                await close_pool()

        found.append(asyncio.run(work()))

    threads = [threading.Thread(target=process) for _ in range(3)]
    for each in threads:
        each.start()
    while any(each.is_alive() for each in threads):
        await asyncio.sleep(0.02)

    assert [[3, 3, 3]] * 3 == [[len(each) for each in answers] for answers in found]
    assert ["refresh_token"] == acme.grants


async def test_a_call_that_is_stopped_in_the_middle_loses_no_token(acme):
    acme.end_sessions()
    acme.faults.add("issue_token", "latency", seconds=0.3)
    before = Stored.kept
    call = asyncio.create_task(read(acme))
    while not acme.requests(operation="issue_token"):
        await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    found = await read(acme)

    assert 3 == len(found)
    assert ["refresh_token"] == acme.grants
    assert before != Stored.kept


async def test_new_tokens_are_stored_though_prefect_is_away_for_a_moment(acme):
    acme.end_sessions()
    Stored.failures = 3
    await read(acme)

    assert (0, ["refresh_token"]) == (Stored.failures, acme.grants)
    assert Stored.kept.access == connections._known_of("acme").tokens.access


async def test_tokens_that_could_not_be_stored_are_used_and_renewed_by_the_process_that_has_them(acme):
    acme.end_sessions()
    Stored.failures = connections.SAVE_TRIES
    await read(acme)
    old = Stored.kept
    acme.end_sessions()
    found = await read(acme)

    assert 3 == len(found)
    assert ["refresh_token", "refresh_token"] == acme.grants
    assert old != Stored.kept


async def test_a_refused_refresh_is_asked_for_once_and_is_one_issue_until_a_person_connects(acme, database):
    acme.end_sessions()
    acme.oauth.refresh.clear()
    for _ in range(3):
        with pytest.raises(NotAuthenticated, match="/connect/http/acme; then replay what failed"):
            await read(acme)
    before = await database.fetch("SELECT title, advice, closed_at FROM issues")
    await grants_of(acme).connect(issued(acme), "Pat")
    after = await database.fetchrow("SELECT closed_at FROM issues")

    assert ["refresh_token"] == acme.grants
    [issue] = before
    assert issue["title"].startswith("http/acme is not connected: the vendor")
    assert "/connect/http/acme" in issue["advice"]
    assert (None, False) == (issue["closed_at"], after["closed_at"] is None)
    assert 3 == len(await read(acme))


async def test_an_account_that_nobody_connected_says_where_to(acme):
    Stored.kept = None
    with pytest.raises(NotAuthenticated, match="nobody has connected it yet"):
        await read(acme)

    assert [] == acme.requests()


async def test_a_vendor_that_gives_no_refresh_token_asks_for_a_person_when_the_token_ends(acme):
    Stored.kept = issued(acme, refresh_token=None)
    await read(acme)
    acme.end_sessions()
    with pytest.raises(NotAuthenticated, match="gave no refresh token"):
        await read(acme)

    assert [] == acme.grants


async def test_a_new_token_that_is_refused_too_is_told_and_not_renewed_again(acme):
    live, acme.oauth.access = acme.oauth.access, SimpleNamespace(get=lambda _token: None, add=lambda *_: None)
    try:
        with pytest.raises(NotAuthenticated, match="missing, wrong or has ended"):
            await read(acme)
    finally:
        acme.oauth.access = live

    assert ["refresh_token"] == acme.grants


async def test_a_token_address_that_fails_means_that_the_call_was_not_sent(acme):
    acme.end_sessions()
    acme.faults.add("issue_token", "refuse", status=503)
    with pytest.raises(Exception, match="token address failed") as caught:
        await read(acme)

    assert (True, False) == (caught.value.transient, caught.value.maybe_applied)
    assert 3 == len(await read(acme))


async def test_what_fails_on_our_side_means_that_the_call_was_not_sent(acme, monkeypatch):
    async def away(_self):
        raise OSError("connection refused")

    monkeypatch.setattr(Stored, "connected", away)
    with pytest.raises(Unreachable, match="cannot be read or renewed"):
        await read(acme)

    assert [] == acme.requests()


async def test_a_clock_that_is_ahead_renews_once_and_not_with_each_call(acme):
    Stored.kept = issued(acme, renew_at=time.time() - 86_400)
    for _ in range(4):
        await read(acme)

    assert ["refresh_token"] == acme.grants


async def test_no_token_is_in_the_error_or_the_representation(acme):
    secrets = Stored.kept.secrets()
    acme.oauth.refresh.clear()
    acme.end_sessions()
    with pytest.raises(NotAuthenticated) as caught:
        await read(acme)
    shown = f"{caught.value} {caught.value!r} {vars(caught.value)} {Stored.kept!r}"

    assert [] == [each for each in secrets if each in shown]


async def test_another_agreement_is_used_though_the_tokens_of_the_one_before_are_still_live(
    acme, monkeypatch
):
    await read(acme)
    before, Stored.kept = Stored.kept, issued(acme)
    monkeypatch.setattr(connections, "CACHE_SECONDS", -1)
    used = await grants_of(acme).current()

    assert (Stored.kept.access, True) == (used.access, used.access != before.access)


async def test_tokens_that_are_known_are_used_while_the_stored_ones_cannot_be_read(acme, monkeypatch):
    async def away(_self):
        raise OSError("connection refused")

    await read(acme)
    monkeypatch.setattr(connections, "CACHE_SECONDS", -1)
    monkeypatch.setattr(Stored, "connected", away)

    assert 3 == len(await read(acme))


async def test_a_refresh_is_tried_again_once_the_clients_secret_is_corrected(acme, database):
    acme.end_sessions()
    wrong = grants_of(acme)
    wrong.client = OAuthClient("sandbox-http-client", SecretStr("outdated-secret"), f"{acme.url}/oauth/token")
    for _ in range(2):
        with pytest.raises(NotAuthenticated):
            await wrong.renewed(Stored.kept.access)
    asked = len(acme.grants)
    found = await read(acme)

    assert (1, 3, 2) == (asked, len(found), len(acme.grants))
    assert None is await database.fetchval("SELECT id FROM issues WHERE closed_at IS NULL")


async def test_a_refusal_by_a_firewall_is_not_remembered(acme):
    acme.end_sessions()
    acme.faults.add("issue_token", "refuse", status=403)
    with pytest.raises(NotAuthenticated):
        await read(acme)

    assert 3 == len(await read(acme))
