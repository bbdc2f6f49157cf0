"""The secret that Jiwa sends is changed in every dialect, and no message that waits there is lost."""

import asyncio
import itertools
import time
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from blocks import base
from blocks.jiwa import JiwaCredentials
from hookline.cli.secrets import _advice
from hookline.clients import pages
from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.errors import ConfigurationError
from hookline.provisioning import fingerprints
from hookline.provisioning.changes import AS_IT_IS, MADE
from hookline.provisioning.subscriptions import (
    EVENTS,
    GIVEN,
    MADE_BESIDE,
    UNSEEN,
    Outcome,
    SecretNotSent,
    subscribe_jiwa,
    subscriptions,
)
from hookline.settings import Settings
from hookline.simulators import Sandbox, running
from hookline.simulators.jiwa import JiwaSimulator
from hookline.simulators.jiwa.webhooks import RetryPolicy

KEY = "sandbox-jiwa-key"
OLD, NEW = "the-old-secret-of-jiwa", "the-new-secret-of-jiwa"
OF_NORTH = "the-secret-of-another-jiwa"
BOTH = ("jiwa", "jiwa-north")
HOOKS = Path(__file__).parents[3] / "deployments" / "hooks.yaml"
PATIENT = RetryPolicy(first_wait=0.02, longest_wait=0.02, attempts=10_000)

VERSIONS = {
    "subscription-headers-field": ("RequestHeaders", "Headers"),
    "subscription-headers-shown": ("shown", "hidden"),
    "request-headers-replaced": ("replaced", "missing"),
}
DIALECTS = [dict(zip(VERSIONS, each, strict=True)) for each in itertools.product(*VERSIONS.values())]
every_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: "-".join(each.values()))


class Gateway:
    """A receiver that takes only what has one of its secrets, while it is up."""

    def __init__(self):
        self.url = ""
        self.secrets = {OLD}
        self.is_up = True
        self.taken = []

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in headers.items()}
        body = await reader.readexactly(int(headers["content-length"]))
        knows = headers.get("x-hookline-key") in self.secrets
        status = "503 Away" if not self.is_up else "202 Accepted" if knows else "401 Unauthorized"
        if status == "202 Accepted":
            self.taken.append(body)
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async def holds(self, count):
        """What was taken, once so many different bodies are among it."""
        for _ in range(1000):
            if len(set(self.taken)) >= count:
                break
            await asyncio.sleep(0.01)
        return set(self.taken)


@pytest.fixture
async def gateway():
    gateway = Gateway()
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0)
    gateway.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield gateway


@pytest.fixture(scope="module")
async def patient():
    """A Jiwa that does not give up."""
    async with running(sandbox=Sandbox(jiwa=JiwaSimulator(retries=PATIENT))) as sandbox:
        yield sandbox.jiwa


@pytest.fixture
async def jiwa(patient, monkeypatch):
    """An open client of an account that the environment describes."""
    patient.reset()
    for name, value in {
        "JIWA_BASE_URL": patient.url,
        "JIWA_API_KEY": KEY,
        "HOOKLINE_SECRET_JIWA": OLD,
    }.items():
        monkeypatch.setenv(name, value)
    async with JiwaClient(patient.url, JiwaKey(SecretStr(KEY))) as client:
        yield client


@pytest.fixture
def ensure(jiwa, gateway, tmp_path):
    settings = Settings(home=tmp_path, hooks=HOOKS)

    async def ensure(**options):
        return await subscriptions(settings, gateway.url, **{"dry_run": False} | options)

    ensure.settings = settings
    return ensure


@pytest.fixture
def rotated(monkeypatch, gateway):
    """Gives the gateway a new secret beside the old one."""

    def rotated():
        monkeypatch.setenv("HOOKLINE_SECRET_JIWA", f"{NEW},{OLD}")
        gateway.secrets = {NEW, OLD}

    return rotated


@pytest.fixture
async def change(jiwa):
    """Changes an order, of which Jiwa then tells."""
    order = await jiwa.create_sales_order(DebtorAccountNo="1001")

    async def change(text):
        await jiwa.create_sales_order_note(InvoiceID=order.InvoiceID, NoteText=text)

    return change


def secrets_sent(patient):
    """Each subscription at Jiwa with the secret that it sends, whatever Jiwa shows of it."""
    return sorted(
        (each.row["EventName"], header["Value"])
        for subscriber in patient.webhooks.subscribers.values()
        for each in subscriber.subscriptions.values()
        for header in each.headers or [{"Value": ""}]
    )


def both(secret):
    return [(event, secret) for event in EVENTS]


def results(outcomes):
    return [each.result for each in outcomes]


async def nothing_waits(jiwa):
    [subscriber] = [each async for each in pages(jiwa.list_webhook_subscribers)]
    for _ in range(1000):
        rows = [
            each async for each in pages(jiwa.list_webhook_messages, SubscriberID=subscriber.SubscriberID)
        ]
        if all(each.LastMessageResponseHTTPCode == httpx.codes.ACCEPTED for each in rows):
            break
        await asyncio.sleep(0.01)


@every_dialect
async def test_a_new_subscription_sends_the_secret_whatever_the_version_calls_it(patient, ensure, dialect):
    patient.dialect.speak(dialect)

    made = results(await ensure())

    assert [True, True] == [each.startswith(MADE) for each in made]
    assert both(OLD) == secrets_sent(patient)


@every_dialect
@pytest.mark.parametrize("kept", ["current", "kept"])
async def test_a_change_of_the_secret_loses_no_message_that_waits(
    patient, ensure, gateway, change, rotated, dialect, kept
):
    patient.dialect.speak(dialect | {"waiting-messages-headers": kept})
    await ensure()
    gateway.is_up = False
    await change("waits")
    rotated()

    changed = await ensure(renew_unseen=True)
    gateway.is_up = True
    waited = await gateway.holds(1)
    await change("comes later")

    stays = dialect["request-headers-replaced"] == "missing"
    assert (1, stays) == (sum(each.waiting for each in changed), any(each.old for each in changed))
    assert (1, 2) == (len(waited), len(await gateway.holds(2)))


@every_dialect
async def test_once_nothing_waits_only_the_new_secret_is_sent(
    patient, jiwa, ensure, gateway, change, rotated, dialect
):
    patient.dialect.speak(dialect)
    await ensure()
    gateway.is_up = False
    await change("waits")
    rotated()
    await ensure(renew_unseen=True)
    gateway.is_up = True
    await change("comes by the new one")
    await nothing_waits(jiwa)

    again = await ensure(renew_unseen=True)

    assert (0, ()) == (again[1].waiting, again[1].old)
    assert [(EVENTS[1], NEW)] == [each for each in secrets_sent(patient) if each[0] == EVENTS[1]]


async def test_where_nothing_is_shown_and_nothing_can_be_changed_it_ends_with_one_that_is_seen_to_work(
    patient, jiwa, ensure, change, rotated
):
    patient.dialect.speak({"subscription-headers-shown": "hidden", "request-headers-replaced": "missing"})
    await ensure()
    rotated()

    made = await ensure(renew_unseen=True)
    not_seen = await ensure(renew_unseen=True)
    before = secrets_sent(patient)
    await change("comes by the new one")
    await nothing_waits(jiwa)
    seen = await ensure(renew_unseen=True)
    again = await ensure(renew_unseen=True)

    assert [f"{MADE_BESIDE}; {UNSEEN}", UNSEEN] == [each[1].result for each in (made, not_seen)]
    assert ([1, 1], sorted([*both(OLD), *both(NEW)])) == (
        [len(each[1].old) for each in (made, not_seen)],
        before,
    )
    assert [(AS_IT_IS, ())] * 2 == [(each[1].result, each[1].old) for each in (seen, again)]
    assert [NEW] == [secret for event, secret in secrets_sent(patient) if event == EVENTS[1]]


async def test_a_file_of_fingerprints_that_cannot_be_read_is_none(tmp_path):
    (tmp_path / fingerprints.NAME).write_bytes(b"[\xff")

    made = fingerprints.Fingerprints(tmp_path)

    assert made.matches("7", NEW) is None
    made.note("7", NEW)
    assert (True, False, 0o600) == (
        made.matches("7", NEW),
        made.matches("7", OLD),
        (tmp_path / fingerprints.NAME).stat().st_mode & 0o777,
    )
    made.forget("7")
    assert made.matches("7", NEW) is None


async def test_what_is_right_is_left_as_it_is(ensure):
    assert [MADE] * 2 == results(await ensure())
    assert [AS_IT_IS] * 2 == results(await ensure())


async def test_apply_notices_a_changed_secret_though_the_list_shows_none(patient, ensure, gateway, rotated):
    await ensure()
    rotated()

    reported = await subscribe_jiwa(ensure.settings, gateway.url, dry_run=False)

    assert [GIVEN] * 2 == [each.change for each in reported]
    assert both(NEW) == secrets_sent(patient)


@pytest.fixture
async def north(monkeypatch, tmp_path):
    """A second Jiwa, `north`, with a source and a secret of its own; settings that name both sources."""
    hooks = tmp_path / "hooks.yaml"
    hooks.write_text(
        "".join(["sources:", *(f"\n  {each}: {{preset: jiwa, header: X-Hookline-Key}}" for each in BOTH)]),
        encoding="utf-8",
    )
    async with running() as sandbox:
        monkeypatch.setenv("JIWA_NORTH_BASE_URL", sandbox.jiwa.url)
        monkeypatch.setenv("JIWA_NORTH_API_KEY", KEY)
        monkeypatch.setenv("HOOKLINE_SECRET_JIWA_NORTH", OF_NORTH)
        yield sandbox.jiwa, Settings(home=tmp_path, hooks=hooks)


def addresses(simulator):
    return {
        each.row["URL"]
        for subscriber in simulator.webhooks.subscribers.values()
        for each in subscriber.subscriptions.values()
    }


@pytest.mark.usefixtures("jiwa")
async def test_each_jiwa_posts_to_the_source_of_its_name_with_its_own_secret(patient, north, gateway):
    other, settings = north

    made, again = [await subscribe_jiwa(settings, gateway.url, dry_run=False) for _ in range(2)]

    assert [[MADE] * 4, [AS_IT_IS] * 4] == [[each.change for each in rows] for rows in (made, again)]
    assert [both(OLD), both(OF_NORTH)] == [secrets_sent(each) for each in (patient, other)]
    assert [{f"{gateway.url}/hooks/{each}"} for each in BOTH] == [
        addresses(each) for each in (patient, other)
    ]


@pytest.mark.usefixtures("jiwa")
async def test_an_account_that_only_prefect_has_is_subscribed_by_its_stored_block(
    north, gateway, monkeypatch
):
    other, settings = north
    for name in ("BASE_URL", "API_KEY"):
        monkeypatch.delenv(f"JIWA_NORTH_{name}")
    block = JiwaCredentials(base_url=other.url, api_key=SecretStr(KEY))
    monkeypatch.setitem(base._loaded, (JiwaCredentials, "north"), (time.monotonic(), block))

    await subscribe_jiwa(settings, gateway.url, dry_run=False)

    assert both(OF_NORTH) == secrets_sent(other)


@pytest.mark.usefixtures("jiwa")
async def test_another_jiwa_without_a_source_is_left_alone_and_named(north, gateway, ensure):
    other, _ = north

    reported = await subscribe_jiwa(ensure.settings, gateway.url, dry_run=False)

    assert ("jiwa north", f"left alone: {HOOKS} has no source jiwa-north", False) == (
        reported[0].name,
        reported[0].change,
        reported[0].is_change,
    )
    assert {} == other.webhooks.subscribers


async def test_other_headers_of_a_subscription_stay(patient, ensure, rotated):
    await ensure()
    [subscriber] = patient.webhooks.subscribers.values()
    for each in subscriber.subscriptions.values():
        each.headers.append({"Name": "X-Firm", "Value": "ours"})
    rotated()

    await ensure()

    headers = [each["Value"] for one in subscriber.subscriptions.values() for each in one.headers]
    assert ["ours", NEW] * 2 == headers


async def test_a_dry_run_says_what_it_would_do_and_does_nothing(patient, ensure, rotated):
    planned = results(await ensure(dry_run=True))
    await ensure()
    rotated()

    assert ([MADE] * 2, [GIVEN] * 2) == (planned, results(await ensure(dry_run=True)))
    assert both(OLD) == secrets_sent(patient)


async def test_where_nothing_is_shown_and_nothing_can_be_changed_apply_says_so_and_makes_no_other(
    patient, ensure
):
    patient.dialect.speak({"subscription-headers-shown": "hidden", "request-headers-replaced": "missing"})
    await ensure()

    assert [UNSEEN] * 2 == results(await ensure())
    assert both(OLD) == secrets_sent(patient)


async def test_another_is_made_beside_where_headers_cannot_be_changed(patient, ensure, rotated):
    patient.dialect.speak({"request-headers-replaced": "missing"})
    await ensure()
    rotated()

    assert [MADE_BESIDE] * 2 == results(await ensure())
    assert both(NEW) == secrets_sent(patient)


async def test_a_jiwa_that_takes_no_header_is_refused_aloud_however_often_and_loses_nothing(
    patient, ensure, monkeypatch
):
    patient.dialect.speak({"request-headers-replaced": "missing"})
    monkeypatch.setattr(type(patient), "_headers", lambda _self, _body: [])

    for _ in range(2):
        with pytest.raises(SecretNotSent, match=r"salesorder\.created .* not the header X-Hookline-Key"):
            await ensure()

    assert [(EVENTS[0], "")] == secrets_sent(patient)


async def test_a_gateway_without_a_secret_subscribes_to_nothing(patient, ensure, monkeypatch):
    monkeypatch.delenv("HOOKLINE_SECRET_JIWA")

    with pytest.raises(ConfigurationError, match="HOOKLINE_SECRET_JIWA is not set"):
        await ensure()
    assert {} == patient.webhooks.subscribers


@pytest.mark.parametrize(
    ("outcome", "advice"),
    [
        (Outcome("salesorder.created", "here", f"{MADE_BESIDE}; {UNSEEN}"), "Until then keep the old secret"),
        (Outcome("salesorder.created", "here", MADE_BESIDE, 1, ("7",)), "delete_webhook_subscription"),
        (Outcome("salesorder.created", "here", GIVEN), "remove the old secret"),
    ],
)
def test_the_old_secret_may_go_only_where_the_new_one_is_seen(outcome, advice):
    said = _advice([outcome], dry_run=False)

    assert advice in said
    assert ("remove the old secret" in said) is (outcome.result == GIVEN)
