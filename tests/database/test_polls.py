"""Polled sources in the inbox: items and cursor in one transaction, one engine at a time, one source by itself."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from hookline.clients import NotAuthenticated, Unavailable
from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.clients.jiwa.models import NewLine
from hookline.hooks import Hooks, load_hooks
from hookline.hooks.sources import read_source
from hookline.inbox import commands, polls, refusals, stats
from hookline.inbox.deliveries import Arrival
from hookline.inbox.polls import Claim, ClaimLost, Reading
from hookline.polling import poller as poller_module
from hookline.polling.poller import READABLE_AGAIN, AccountUnreadable, Poller, passes
from hookline.polling.reader import NotInOrder
from hookline.provisioning.deployments import load_deployments
from hookline.settings import Settings
from hookline.simulators.server import running

SOURCE = "jiwa-orders"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
async def simulators():
    async with running() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(simulators):
    simulators.reset()
    return simulators


@pytest.fixture
async def jiwa(sandbox):
    async with JiwaClient(sandbox.jiwa.url, JiwaKey(SecretStr("sandbox-jiwa-key"))) as client:
        yield client


@pytest.fixture
def shipped(repository):
    return load_hooks(repository / "deployments/hooks.yaml")


@pytest.fixture
def poller(database, sandbox, shipped):
    """A poller of one engine; `poller("second")` is another one's."""

    async def open_client(vendor, account):
        assert ("jiwa", "default") == (vendor, account)
        return JiwaClient(sandbox.jiwa.url, JiwaKey(SecretStr("sandbox-jiwa-key")))

    def make(name="engine", hooks=shipped):
        return Poller(database, Settings(), hooks, name, open_client)

    return make


@pytest.fixture
def poll_now(database, poller, shipped):
    """Poll a source although it is not due."""

    async def poll(name=SOURCE, source=None, **options):
        source = source or shipped.sources[name]
        claimed = await polls.claim(database, name, source.poll, "test", now=True)
        return await poller().poll(claimed, source, **options)

    return poll


async def order(jiwa):
    return await jiwa.create_sales_order(
        DebtorAccountNo="1001", Lines=[NewLine(PartNo="LIC-PRO", QuantityOrdered=1)]
    )


async def bodies_of(database, name=SOURCE):
    rows = await database.fetch("SELECT body FROM deliveries WHERE source = $1 ORDER BY seq", name)
    return [json.loads(row["body"]) for row in rows]


async def test_an_order_that_was_saved_becomes_one_delivery_with_the_key_of_the_webhooks(
    database, jiwa, poll_now, route_received, repository, shipped
):
    await poll_now()
    made = await order(jiwa)
    polled = [await poll_now() for _ in range(3)]

    assert [1, 0, 0] == [each.new for each in polled]
    assert [made.InvoiceID] == [body["InvoiceID"] for body in await bodies_of(database)]
    await route_received(shipped, load_deployments(repository / "deployments/prefect.yaml"))
    [dispatch] = await database.fetch("SELECT * FROM dispatches")
    assert (f"jiwa order {made.InvoiceID}", {"invoice_id": made.InvoiceID}, "order-to-license/default") == (
        dispatch["key"],
        dispatch["parameters"],
        dispatch["deployment"],
    )


async def test_money_that_is_allocated_in_the_ledger_is_found_though_the_order_itself_stays_as_it_is(
    database, jiwa, poll_now, sandbox
):
    made = await order(jiwa)
    await poll_now()
    await poll_now("jiwa-payments")
    sandbox.jiwa.allocate(made.InvoiceID)
    polled = [
        (await poll_now()).new,
        (await poll_now("jiwa-payments")).new,
        (await poll_now("jiwa-payments")).new,
    ]

    assert [0, 1, 0] == polled
    assert [made.InvoiceID] == [body["InvoiceID"] for body in await bodies_of(database, "jiwa-payments")]


async def test_a_dry_run_stores_nothing_and_leaves_the_cursor_where_it_is(database, jiwa, poll_now):
    await poll_now()
    await order(jiwa)
    before = await database.fetchval("SELECT cursor FROM polls")
    seen = await poll_now(dry_run=True)

    assert (1, before, []) == (
        seen.new,
        await database.fetchval("SELECT cursor FROM polls"),
        await bodies_of(database),
    )
    assert 1 == (await poll_now()).new


async def test_a_poll_whose_claim_another_engine_has_stores_neither_items_nor_cursor(database, shipped):
    poll = shipped.sources[SOURCE].poll
    first = await polls.claim(database, SOURCE, poll, "first")
    await database.execute("UPDATE polls SET claimed_until = now() - interval '1 second'")
    second = await polls.claim(database, SOURCE, poll, "second")
    arrival = Arrival(SOURCE, "1", "GET", {}, {}, "application/json", b"{}")
    for claimed, cursor in ((first, "late"), (second, "right")):
        try:
            await polls.store(database, claimed, [arrival], Reading(cursor), wait=HOUR)
        except ClaimLost:
            assert claimed is first
            assert [] == await bodies_of(database)

    assert ("right", 1) == tuple(await database.fetchrow("SELECT cursor, items FROM polls"))
    with pytest.raises(ClaimLost):
        await polls.renew(database, first)


async def test_items_and_cursor_are_stored_together_or_not_at_all(database, shipped):
    claimed = await polls.claim(database, SOURCE, shipped.sources[SOURCE].poll, "engine")
    arrival = Arrival(SOURCE, "1", "GET", {}, {}, "application/json", b"{}")
    with pytest.raises(
        Exception, match="interval"
    ):  # after the deliveries, before the end of the transaction
        await polls.store(database, claimed, [arrival], Reading("beyond"), wait="no interval")

    assert ([], None) == (await bodies_of(database), await database.fetchval("SELECT cursor FROM polls"))


async def test_one_engine_at_a_time_polls_a_source_and_only_when_it_is_due(database, shipped):
    poll = shipped.sources[SOURCE].poll
    claims = await asyncio.gather(*(polls.claim(database, SOURCE, poll, f"engine {n}") for n in range(8)))
    [claimed] = [each for each in claims if each]
    assert await polls.claim(database, SOURCE, poll, "by hand", now=True) is None
    await polls.store(database, claimed, [], Reading(), wait=HOUR)

    assert await polls.claim(database, SOURCE, poll, "engine") is None
    assert await polls.claim(database, SOURCE, poll, "by hand", now=True) is not None


async def test_due_is_what_was_never_polled_or_has_its_time_and_nobody_polls_just_now(database):
    await database.execute(
        """
        INSERT INTO polls (source, kind, began_at, next_at, claimed_until) VALUES
            ('its-time', 'list', now(), now(), NULL),
            ('later', 'list', now(), now() + interval '1 min', NULL),
            ('polled-just-now', 'list', now(), now(), now() + interval '59 s'),
            ('engine-died', 'list', now(), now(), now() - interval '1 s'),
            ('clock-set-back', 'list', now(), now() + interval '9 days', now() + interval '9 days'),
            ('not-asked-for', 'list', now(), now(), NULL)
        """
    )
    asked = ["never", "its-time", "later", "polled-just-now", "engine-died", "clock-set-back"]

    assert {"never", "its-time", "engine-died", "clock-set-back"} == await polls.due(database, asked)


async def test_files_that_are_read_again_say_anew_which_source_cannot_be_polled(shipped, poller):
    engine = poller()
    before = await engine.names()
    source = shipped.sources[SOURCE]
    misspelt = source.model_copy(
        update={"poll": source.poll.model_copy(update={"operation": "jiwa.nothing"})}
    )

    shipped.replace_by(replace(shipped, sources={**shipped.sources, SOURCE: misspelt}))

    assert (True, False) == (SOURCE in before, SOURCE in await engine.names())


async def test_a_paused_source_is_not_polled_and_goes_on_from_its_cursor_when_it_is_resumed(
    database, jiwa, poll_now, shipped
):
    await poll_now()
    async with database.acquire() as connection:
        await commands.pause(connection, SOURCE, actor="ann", reason="stock-taking")
        made = await order(jiwa)
        assert await polls.claim(database, SOURCE, shipped.sources[SOURCE].poll, "engine", now=True) is None
        await commands.resume(connection, SOURCE, actor="ann")
    await poll_now()

    assert [made.InvoiceID] == [body["InvoiceID"] for body in await bodies_of(database)]


async def test_a_page_that_takes_longer_than_a_claim_loses_it_to_nobody(
    database, shipped, sandbox, monkeypatch
):
    monkeypatch.setattr(poller_module, "RENEW_SECONDS", 0.02)

    async def open_client(_vendor, _account):
        """As slow as a page may be: until the claim, which is over, was renewed."""
        await database.execute("UPDATE polls SET claimed_until = now()")
        async with asyncio.timeout(30):
            while not await database.fetchval("SELECT claimed_until > now() FROM polls"):
                await asyncio.sleep(0.01)
        others.append(await polls.claim(database, SOURCE, source.poll, "another engine", now=True))
        return JiwaClient(sandbox.jiwa.url, JiwaKey(SecretStr("sandbox-jiwa-key")))

    others = []
    source = shipped.sources[SOURCE]
    claimed = await polls.claim(database, SOURCE, source.poll, "engine", now=True)

    polled = await Poller(database, Settings(), shipped, "engine", open_client).poll(claimed, source)

    assert ([None], SOURCE) == (others, polled.source)


async def until_polled(database, poller, sources):
    for _ in range(200):
        await poller.poll_due()
        await asyncio.sleep(0.02)
        rows = await polls.all_polls(database)
        if all(name in rows and rows[name]["claimed_until"] is None for name in sources):
            return rows
    raise AssertionError("the sources are not polled")


async def test_an_outage_of_one_source_is_shown_and_stops_no_other(database, poller, shipped, sandbox, jiwa):
    gone = read_source(
        {"poll": {"operation": "zentitle.list_trials", "every": "10m"}, "id": "{{ body.productId }}"}, Path()
    )
    routes = [replace(shipped.routes[0], source=name) for name in ("gone", SOURCE)]
    hooks = Hooks(shipped.path, {"gone": gone, SOURCE: shipped.sources[SOURCE]}, routes)
    ours = poller(hooks=hooks)  # whose client knows Jiwa alone
    rows = await until_polled(database, ours, ["gone", SOURCE])
    await ours.stop()

    assert (1, True, None) == (
        rows["gone"]["failures"],
        rows["gone"]["next_at"] > datetime.now(UTC),
        rows["gone"]["polled_at"],
    )
    assert rows["gone"]["error"]
    assert (0, None) == (rows[SOURCE]["failures"], rows[SOURCE]["error"])
    assert rows[SOURCE]["polled_at"]


async def test_a_poll_waits_for_prefect_and_blames_nobody(database, shipped):
    """It was noted as a failure of the vendor, after each start whose engine was ready before Prefect."""

    async def open_client(vendor, account):
        raise AccountUnreadable("Prefect does not answer")

    ours = Poller(database, Settings(), shipped, "engine", open_client)
    rows = await until_polled(database, ours, [SOURCE])
    await ours.stop()
    wait = await database.fetchval("SELECT next_at - now() FROM polls WHERE source = $1", SOURCE)

    assert (0, None) == (rows[SOURCE]["failures"], rows[SOURCE]["failing_since"])
    assert READABLE_AGAIN >= wait


async def test_a_poll_that_fails_waits_twice_as_long_each_time_but_no_longer_than_its_bound(
    database, shipped
):
    poll, waits = shipped.sources[SOURCE].poll, []
    for _ in range(12):
        claimed = await polls.claim(database, SOURCE, poll, "engine", now=True)
        await polls.note_failure(database, claimed, "no answer", wait=timedelta(minutes=1))
        waits.append(await database.fetchval("SELECT extract(epoch FROM next_at - now())::float FROM polls"))

    assert "no answer" == await database.fetchval("SELECT error FROM polls")
    assert [60, 120, 240, 480, 900, 900] == [round(wait, -1) for wait in waits[:6]]
    assert 900 >= max(waits)


async def test_an_item_that_cannot_be_stored_is_listed_as_refused_and_those_behind_it_come(
    database, jiwa, poll_now, shipped
):
    await poll_now()
    short = shipped.sources[SOURCE].model_copy(update={"max_body": 10})
    await order(jiwa)
    await poll_now(source=short)
    later = await order(jiwa)
    await poll_now()

    assert later.InvoiceID in [body["InvoiceID"] for body in await bodies_of(database)]
    [refused] = (await refusals.by_source(database))[SOURCE]
    assert (413, "poll") == (refused.status, refused.peer)
    assert "max_body is 10" in refused.reason


async def test_another_kind_of_cursor_is_begun_again(database, shipped):
    poll = shipped.sources[SOURCE].poll
    claimed = await polls.claim(database, SOURCE, poll, "engine")
    await polls.store(database, claimed, [], Reading("2026-01-01T00:00:00+00:00"), wait=HOUR)
    other = await polls.claim(database, SOURCE, shipped.sources["jifeline-events"].poll, "engine", now=True)

    assert isinstance(other, Claim)
    assert (None, "position jifeline.list_system_events default") == (
        other.reading.cursor,
        await database.fetchval("SELECT kind FROM polls"),
    )


async def test_a_source_begun_again_by_a_person_stores_nothing_twice(database, jiwa, poll_now, shipped):
    await poll_now()
    await order(jiwa)
    await poll_now()
    async with database.acquire() as connection:
        await polls.begin_again(connection, SOURCE, "time", datetime.now(UTC) - 30 * HOUR)
    again = await poll_now()

    assert 1 == len(await bodies_of(database))
    assert 0 == again.new


async def test_what_is_gone_from_a_list_for_long_is_forgotten(database, shipped):
    claimed = await polls.claim(database, "jiwa-payments", shipped.sources["jiwa-payments"].poll, "engine")
    await polls.store(database, claimed, [], Reading("now"), seen=["a", "b"], wait=HOUR)
    await database.execute(
        "UPDATE poll_items SET seen_at = now() - interval '31 days' WHERE external_id = 'a'"
    )
    await polls.prune(database, [])

    assert {"a", "c"} == await polls.unknown(database, "jiwa-payments", ["a", "b", "c"])


async def test_nobody_can_send_to_a_polled_source(
    database, serve, database_settings, repository, monkeypatch
):
    monkeypatch.setenv("HOOKLINE_SECRET_JIWA_ORDERS", "a-secret-of-a-polled-source-1234")
    async with serve(database_settings, hooks=repository / "deployments/hooks.yaml") as client:
        answer = await client.post(
            f"/hooks/{SOURCE}",
            json={"InvoiceID": "1"},
            headers={"X-Hookline-Key": "a-secret-of-a-polled-source-1234"},
        )

    assert 404 == answer.status_code
    assert [] == await stats.by_source(database)


async def test_a_list_that_is_begun_again_by_a_person_loses_nothing_that_came_since(
    database, jiwa, poll_now, sandbox, shipped
):
    made = await order(jiwa)
    await poll_now("jiwa-payments")
    sandbox.jiwa.allocate(made.InvoiceID)
    of = shipped.sources["jiwa-payments"].poll.cursor_of
    async with database.acquire() as connection:
        await polls.begin_again(connection, "jiwa-payments", of, datetime.now(UTC) - 30 * HOUR)
    again = await poll_now("jiwa-payments")

    assert 1 == again.new


async def test_what_was_in_a_list_is_not_forgotten_while_it_is_not_read(database, jiwa, poll_now, sandbox):
    made = await order(jiwa)
    sandbox.jiwa.allocate(made.InvoiceID)
    await poll_now("jiwa-payments")
    await database.execute("UPDATE poll_items SET seen_at = now() - interval '40 days'")
    await database.execute("UPDATE polls SET polled_at = now() - interval '40 days'")
    await polls.prune(database, [])

    assert 0 == (await poll_now("jiwa-payments")).new


async def test_items_that_cannot_be_stored_do_not_hold_up_those_behind_them(
    database, jiwa, shipped, poll_now
):
    poll = shipped.sources[SOURCE].poll.model_copy(update={"max_items": 1, "ordered": False})
    source = shipped.sources[SOURCE].model_copy(update={"poll": poll, "max_body": 10})
    await poll_now(source=source)
    made, later = await order(jiwa), await order(jiwa)
    for _ in range(4):
        await poll_now(source=source)

    refused = (await refusals.by_source(database))[SOURCE]
    assert [1, 1] == [each.count for each in refused]
    assert {made.InvoiceID, later.InvoiceID} == {each.reason.split()[0] for each in refused}
    async with database.acquire() as connection:
        await polls.begin_again(connection, SOURCE, "time", datetime.now(UTC) - HOUR)
    await poll_now()
    assert {made.InvoiceID, later.InvoiceID} <= {body["InvoiceID"] for body in await bodies_of(database)}


async def test_a_source_that_is_polled_no_more_fails_no_more(database, shipped):
    for name in (SOURCE, "gone"):
        claimed = await polls.claim(database, name, shipped.sources[SOURCE].poll, "engine")
        await polls.note_failure(database, claimed, "no answer", wait=HOUR)
    await polls.prune(database, [SOURCE])

    assert {SOURCE: 1, "gone": 0} == {
        name: row["failures"] for name, row in (await polls.all_polls(database)).items()
    }


async def test_a_poll_that_no_waiting_helps_is_one_issue_until_the_list_can_be_read(database, shipped):
    async def open_issues():
        issues = await database.fetch("SELECT kind, title FROM issues WHERE closed_at IS NULL")
        return [f"{row['kind']}: {row['title']}" for row in issues]

    poll = shipped.sources[SOURCE].poll

    async def fails(**how):
        claimed = await polls.claim(database, SOURCE, poll, "engine", now=True)
        await polls.note_failure(database, claimed, "the list is refused", wait=HOUR, **how)
        return await open_issues()

    away = [await fails() for _ in range(4)]
    refused = [await fails(passes=False) for _ in range(2)]
    claimed = await polls.claim(database, SOURCE, poll, "engine", now=True)
    await polls.store(database, claimed, [], Reading(), wait=HOUR)

    assert [[]] * 4 == away
    assert [[f"poll: {SOURCE} cannot be read: the list is refused"]] * 2 == refused
    assert [] == await open_issues()


def test_what_waiting_helps_is_no_issue():
    facts = {"vendor": "jiwa", "operation": "query_sales_orders"}
    told = [NotAuthenticated(**facts), NotInOrder("no order")]
    waits = [Unavailable(**facts), TimeoutError(), OSError()]

    assert [False, False, True, True, True] == [passes(error) for error in (*told, *waits)]


async def test_another_list_or_account_of_a_source_is_begun_again(database, shipped):
    poll = shipped.sources["jifeline-events"].poll
    claimed = await polls.claim(database, "feed", poll, "engine")
    await polls.store(
        database, claimed, [], Reading("9999", [("2026-01-01T00:00:00+00:00", "9999")]), wait=HOUR
    )
    other = await polls.claim(database, "feed", poll.model_copy(update={"account": "b"}), "engine", now=True)

    assert (None, []) == (other.reading.cursor, list(other.reading.trail))
