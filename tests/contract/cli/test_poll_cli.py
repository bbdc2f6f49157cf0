"""`hookline poll`, and what `hookline sources` says of polled sources, on a real PostgreSQL and a simulator."""

import asyncio
import json

import pytest
from cyclopts import CycloptsError
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from hookline.cli import app
from hookline.cli.poll import client_of_block
from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.clients.jiwa.models import NewLine
from hookline.errors import HooklineError
from hookline.polling.poller import AccountUnreadable, NoAccount
from hookline.settings import settings
from hookline.simulators.server import running


@pytest.fixture(scope="module")
async def simulators():
    async with running() as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def environment(own_environment, database_settings, repository, simulators):
    simulators.reset()
    own_environment.setenv("HOOKLINE_HOME", str(database_settings.home))
    own_environment.setenv("HOOKLINE_HOOKS", str(repository / "deployments/hooks.yaml"))
    return own_environment


@pytest.fixture
def account(monkeypatch, simulators):
    """The stored credentials of Jiwa, which a Prefect server would have."""

    async def client_of_block(vendor, name):
        if vendor == "jifeline":
            raise HooklineError("Jifeline is away.")
        if vendor != "jiwa":
            raise NoAccount(f"There is no block {vendor}-credentials/{name}.")
        return JiwaClient(simulators.jiwa.url, JiwaKey(SecretStr("sandbox-jiwa-key")))

    monkeypatch.setattr("hookline.cli.poll.client_of_block", client_of_block)


@pytest.fixture
def hookline(database, capsys, account):
    """Runs a command in a thread, for it has an event loop of its own: its exit code, and what it says."""

    def call(words):
        try:
            app(words, exit_on_error=False, print_error=False, result_action="return_value")
        except CycloptsError as error:
            return 2, str(error)
        except HooklineError as error:
            return error.exit_code, str(error)
        return 0, ""

    async def run(*words):
        settings.cache_clear()
        code, told = await asyncio.to_thread(call, list(words))
        written = capsys.readouterr()
        return code, written.out + written.err + told

    return run


async def order(simulators):
    async with JiwaClient(simulators.jiwa.url, JiwaKey(SecretStr("sandbox-jiwa-key"))) as jiwa:
        return await jiwa.create_sales_order(
            DebtorAccountNo="1001", Lines=[NewLine(PartNo="LIC-PRO", QuantityOrdered=1)]
        )


async def test_a_source_is_polled_by_hand_first_in_a_dry_run(hookline, simulators):
    await hookline("poll", "jiwa-orders")
    made = await order(simulators)

    _, dry = await hookline("poll", "jiwa-orders", "--dry-run")
    _, real = await hookline("poll", "jiwa-orders", "--json")
    code, again = await hookline("poll", "jiwa-orders")

    assert "1 new ones would become deliveries" in dry
    assert made.InvoiceID in dry
    assert (1, False) == (json.loads(real)["new"], json.loads(real)["more"])
    assert (0, True) == (code, "0 new ones became deliveries" in again)


async def test_a_source_is_read_further_back_when_a_person_says_so(hookline, simulators):
    await order(simulators)
    _, first = await hookline("poll", "jiwa-orders", "--json")

    code, told = await hookline("poll", "jiwa-orders", "--since", "7d")

    assert (0, 0) == (json.loads(first)["new"], code)
    assert "jiwa-orders begins again, 7d back." in told
    assert "0 new ones" not in told


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["jiwa"], 2, "has no polled source 'jiwa'; there are: jiwa-orders"),
        (["jiwa-orders", "--since", "soon"], 2, "write a duration such as 60s, 10m, 6h or 7d"),
        (["jiwa-orders", "--since", "1d", "--dry-run"], 2, "leave --dry-run out"),
        (["jiwa-orders", "--since", "999999d"], 2, "must be 3660d at most"),
        (["zentitle-trials", "--since", "7d"], 2, "each poll reads it 90d back"),
        (["zentitle-trials"], 1, "There is no block zentitle-credentials/default"),
    ],
)
async def test_what_cannot_be_polled_is_told(hookline, words, code, told):
    ended = await hookline("poll", *words)

    assert code == ended[0]
    assert told in " ".join(ended[1].split())


async def test_a_paused_source_is_not_polled_by_hand(hookline):
    await hookline("inbox", "pause", "jiwa-orders", "--reason", "stock-taking")

    code, told = await hookline("poll", "jiwa-orders")

    assert (1, True) == (code, "jiwa-orders is paused" in told)


async def test_the_list_of_sources_says_how_far_each_was_read_and_what_fails(hookline, database):
    await hookline("poll", "jiwa-orders")
    await hookline("poll", "zentitle-trials")
    await hookline("poll", "jifeline-events")

    _, text = await hookline("sources")
    _, listed = await hookline("sources", "--json")

    rows = {row["source"]: row for row in json.loads(listed)}
    assert rows["jiwa-orders"]["poll"]["polled_at"]
    assert (None, 0) == (rows["jiwa-orders"]["poll"]["error"], rows["jiwa-orders"]["poll"]["failures"])
    assert ("Jifeline is away.", 1) == (
        rows["jifeline-events"]["poll"]["error"],
        rows["jifeline-events"]["poll"]["failures"],
    )
    assert (
        0 == rows["zentitle-trials"]["poll"]["failures"]
    )  # a vendor that this firm does not use fails nobody
    assert None is rows["jiwa"]["poll"]
    assert "Polls that fail" in text


async def test_credentials_are_unreadable_while_prefect_does_not_answer():
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}),
        pytest.raises(AccountUnreadable, match="jiwa/default cannot be read: Prefect does not answer"),
    ):
        await client_of_block("jiwa", "default")
