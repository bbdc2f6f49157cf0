"""Finding deliveries in a real PostgreSQL: nothing is left out, nothing shown twice, and no whole table read."""

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import arrival, bring

from hookline.cli import effects
from hookline.cli.trace import follow
from hookline.database.connection import database_url
from hookline.gateway.views import queries
from hookline.inbox import deliveries, dispatches, full_rows, search
from hookline.inbox.search import Filter, Selection
from hookline.journal import store
from hookline.states import DELIVERIES

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


async def put(database, state="received", *, source="jiwa", at=None, body=b"{}", key=None, **columns):
    """A delivery in this state; its id."""
    receipt = await deliveries.accept(
        database,
        arrival(uuid4().hex, source=source, body=body),
    )
    if key is not None:
        async with database.acquire() as connection:
            await dispatches.add_all(
                connection,
                [
                    dispatches.NewDispatch(
                        receipt.id, route="r", deployment="order-to-license/default", parameters={}, key=key
                    )
                ],
            )
    if state not in {None, "received"}:
        await bring(database, "deliveries", state, "id = $1", receipt.id)
    for column, value in {"received_at": at, **columns}.items():
        if value is not None:
            await database.execute(f"UPDATE deliveries SET {column} = $2 WHERE id = $1", receipt.id, value)
    return receipt.id


async def effect(database, dispatch, *, key, label, reference=(), state="done"):
    await database.execute(
        """
        INSERT INTO effects (workflow, key, step, label, operation, state, digest, request, reference, flow_run_id,
                             dispatch_id)
        VALUES ('order-to-license', $1, 'license', $2, 'v.o', $6, '', '{}', $3, $4, $5)
        """,
        key,
        label,
        list(reference),
        dispatch["flow_run_id"],
        dispatch["id"],
        state,
    )


async def found(database, **wanted):
    """The ids of a first page."""
    return [row["id"] for row in (await search.find(database, Filter(**wanted))).deliveries]


async def pages(database, limit, **wanted):
    """All pages of a list, one after another."""
    before = None
    while True:
        listing = await search.find(database, Filter(**wanted, before=before), limit=limit)
        yield [row["id"] for row in listing.deliveries]
        if listing.older is None:
            return
        before = listing.older


async def test_whatever_names_an_order_finds_its_delivery_and_no_other(database):
    for number in ("100123", "100124"):
        invoice = str(uuid4())
        delivery = await put(database, None, key=f"jiwa order {invoice}")
        await database.execute(
            "UPDATE dispatches SET flow_run_id = gen_random_uuid() WHERE delivery_id = $1", delivery
        )
        dispatch = await database.fetchrow("SELECT * FROM dispatches WHERE delivery_id = $1", delivery)
        await effect(database, dispatch, key=invoice, label=f"order {number}", reference=[f"LIC-{number}"])
    row = (await search.find(database, Filter(key="100123"))).deliveries[0]
    [dispatch] = row["dispatches"]
    names = ["100123", "order 100123", "LIC-100123", dispatch["key"], dispatch["key"].rpartition(" ")[2]]
    names += [row["external_id"], str(row["id"]), row["id"].hex, str(row["id"])[:8]]
    names += [str(dispatch["id"]), str(dispatch["flow_run_id"]), str(dispatch["flow_run_id"])[:8].upper()]

    assert {name: [row["id"]] for name in names} == {name: await found(database, key=name) for name in names}
    assert "order 100123" == dispatch["label"]
    for other in ("100", "order", "LIC", str(row["id"])[:7], "100123 ", "%", "jiwa"):
        assert [] == await found(database, key=other), other


async def test_a_delivery_is_read_by_the_beginning_of_its_id_unless_several_begin_so(database):
    only = await put(database)
    assert only == (await search.read(database, only.hex[0]))["id"]
    ids = [await put(database) for _ in range(20)]

    whole = await search.read(database, str(ids[0]))
    begun = await search.read(database, str(ids[0])[:12])

    assert ids[0] == whole["id"] == begun["id"]
    assert {"headers", "query", "method", "dispatches"} <= set(whole)
    assert [None, None] == [await search.read(database, text) for text in ("", "no id")]
    [(digit, many)] = Counter(delivery.hex[0] for delivery in ids).most_common(1)
    assert many > 1
    assert None is await search.read(database, digit)


async def test_whole_rows_come_in_the_order_of_their_ids_without_those_that_are_gone(database):
    first, second = [await put(database, body=body) for body in (b'{"n": 1}', b'{"n": 2}')]

    rows = await full_rows.read(database, [second, uuid4(), first], [])

    assert [(second, b'{"n": 2}', []), (first, b'{"n": 1}', [])] == [
        (row["id"], row["body"], row["dispatches"]) for row in rows
    ]


@pytest.mark.parametrize("by", ["dispatch_id", "flow_run_id", "key"])
async def test_the_effects_of_a_dispatch_are_found_by_what_they_have_in_common_with_it(database, by):
    await put(database, key="jiwa order 5244dd")
    dispatch = dict(await database.fetchrow("UPDATE dispatches SET flow_run_id = $1 RETURNING *", uuid4()))
    its_own = {"key": "5244dd", "dispatch_id": dispatch["id"], "flow_run_id": dispatch["flow_run_id"]}
    for label, common in (("its own", {by: its_own[by]}), ("another's", {})):
        row = {"key": label, "dispatch_id": None, "flow_run_id": None} | common
        made_by = {"id": row["dispatch_id"], "flow_run_id": row["flow_run_id"]}
        await effect(database, made_by, key=row["key"], label=label)

    found = await full_rows.effects(database, [dispatch])

    assert ["its own"] == [row["label"] for row in found]


STATES = (
    "done",
    "failed",
    "unrouted",
    "done",
    "failed",
    "done",
    "done",
    "done",
    "failed",
    "rejected",
    "done",
)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"state": "done"},
        {"state": "failed"},
        {"state": "held"},
        {"source": "jiwa"},
        {"source": "jiwa", "state": "done"},
        {"text": "order"},
        {"text": "order 7"},
        {"text": "order", "state": "failed"},
        {"since": NOON + timedelta(minutes=3), "until": NOON + timedelta(minutes=9)},
    ],
    ids=str,
)
async def test_page_by_page_and_batch_by_batch_each_delivery_comes_once(database, monkeypatch, wanted):
    monkeypatch.setattr(search, "WINDOW", 4)
    monkeypatch.setattr(search, "BATCH", 3)
    expected = []
    for number, state in enumerate(STATES):
        source, text, at = (
            ("standard", "jiwa")[number % 2],
            f"order {number}",
            NOON + timedelta(minutes=number),
        )
        delivery = await put(database, state, source=source, at=at, body=text.encode())
        if (
            wanted.get("state", state) == state
            and wanted.get("source", source) == source
            and wanted.get("text", text) in text
            and wanted.get("since", at) <= at < wanted.get("until", at + timedelta(seconds=1))
        ):
            expected.append(delivery)

    latest_first = [page async for page in pages(database, 3, **wanted)]
    in_order = [delivery async for delivery in search.ids(database, Filter(**wanted))]

    assert expected[::-1] == [delivery for page in latest_first for delivery in page]
    assert expected == in_order
    assert all(len(page) <= 3 for page in latest_first)


async def test_a_search_for_a_text_says_how_far_it_looked(database, monkeypatch):
    monkeypatch.setattr(search, "WINDOW", 4)
    ids = [await put(database, body=b"needle"), *[await put(database) for _ in range(5)]]

    first = await search.find(database, Filter(text="needle"))
    second = await search.find(database, Filter(text="needle", before=first.older))

    assert ([], 4) == (first.deliveries, first.searched)
    assert ([ids[0]], None, None) == ([row["id"] for row in second.deliveries], second.older, second.searched)


async def test_a_search_for_a_text_reads_only_so_many_bytes(database, monkeypatch):
    monkeypatch.setattr(search, "WINDOW_BYTES", 1_000)
    for _ in range(5):
        await put(database, body=b"x" * 400)

    listing = await search.find(database, Filter(text="needle"))

    assert (3, 3) == (listing.searched, listing.older)


async def test_a_text_is_found_in_body_reason_and_senders_id_also_as_json_writes_it(database):
    in_json = await put(database, body=json.dumps({"name": 'Café "Ümit"'}).encode())
    raw = await put(database, body='Café "Ümit"'.encode())
    reason = await put(database, "rejected", reason="no such Café")
    sender = await put(database, external_id="Café-7")
    await put(database, body=b"\x00\xff Cafe")

    assert [sender, reason, raw, in_json] == await found(database, text="Café")
    assert [raw, in_json] == await found(database, text='Café "Ü')
    assert [] == await found(database, text="café%")


async def test_a_time_includes_its_beginning_and_not_its_end_even_if_the_clock_was_set_back(database):
    minutes = (0, 10, 30, 15, 40)  # the fourth came when the clock had been set back
    ids = [await put(database, at=NOON + timedelta(minutes=minute)) for minute in minutes]

    since, until = NOON + timedelta(minutes=10), NOON + timedelta(minutes=30)
    between = NOON + timedelta(minutes=20)

    assert [ids[3], ids[1], ids[0]] == await found(database, until=until)
    assert [ids[4], ids[3], ids[2], ids[1]] == await found(database, since=since)
    assert [ids[3], ids[1]] == await found(database, since=since, until=until)
    assert [ids[3], ids[1], ids[0]] == await found(database, until=between)
    assert [ids[4], ids[2]] == await found(database, since=between)
    assert [] == await found(database, since=until, until=since)


async def test_a_selection_goes_only_so_far_and_says_so(database, monkeypatch):
    ids = [await put(database, state, body=b"order") for state in STATES]
    done = [delivery for delivery, state in zip(ids, STATES, strict=True) if state == "done"]

    all_ = await search.select(database, Filter(state="done"), limit=len(done))
    some = await search.select(database, Filter(state="done"), limit=4)
    monkeypatch.setattr(search, "WINDOW", 4)
    looked = await search.select(database, Filter(text="order"), limit=100)
    again = await search.select(database, Filter(text="order", after=looked.after), limit=100)

    assert Selection(done[::-1]) == all_
    assert Selection(done[:-5:-1], more=True) == some
    assert Selection(ids[:-5:-1], searched=4, after=7) == looked
    assert ids[:-5:-1] == again.ids


async def test_a_search_that_takes_too_long_is_given_up_with_advice(database, monkeypatch):
    monkeypatch.setattr(search, "TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(search, "COLUMNS", "d.seq, d.id, pg_sleep(2)")
    await put(database)

    with pytest.raises(search.TooWide, match="Narrow it by source, state or time"):
        await search.find(database, Filter())


async def test_what_people_type_is_never_taken_for_sql(database):
    await put(database, body=b"here")
    for text in ("'", '"', "\\", "%", "$1", "{}", "--", "'; DROP TABLE deliveries; --", "e\u0301\U0001f600"):
        assert [] == await found(database, key=text), text
        assert [] == await found(database, source=text), text
        assert text not in "here" and [] == await found(database, text=text), text  # noqa: PT018
    with pytest.raises(ValueError, match="there is no state"):
        Filter(state="done' OR true --")


def test_the_beginning_of_an_id_stands_for_all_ids_that_begin_so():
    low, high = search.ids_that_begin("0A1b2c3d-4")

    assert (UUID("0a1b2c3d-4000-0000-0000-000000000000"), UUID("0a1b2c3d-4fff-ffff-ffff-ffffffffffff")) == (
        low,
        high,
    )


@given(st.text() | st.text(alphabet="0123456789abcdefABCDEF-"))
def test_what_is_no_beginning_of_an_id_stands_for_none(text):
    low, high = search.ids_that_begin(text)

    assert (low is None) == (high is None)
    assert low is None or (re.fullmatch("[0-9a-fA-F-]{8,}", text) and low <= high)


async def labelled_ones(database, number):
    """Deliveries whose dispatch or own label has a common word, and some that have not; the ids of the former."""
    named = []
    for each in range(number):
        delivery = await put(database, None, key=f"jiwa order {each}" if each % 3 == 0 else None)
        table, column = ("dispatches", "delivery_id") if each % 3 == 0 else ("deliveries", "id")
        if each % 3 < 2:
            label = {"label": f"Invoice I-{each}", "about": {"country": "GB", "invoice": f"I-{each}"}}
            sql = f"UPDATE {table} SET label = $2, about = $3 WHERE {column} = $1"
            await database.execute(sql, delivery, label["label"], label["about"])
            named.insert(0, delivery)
    return named


@pytest.mark.parametrize("wanted", [{"key": "invoice"}, {"about": "country=gb"}, {"about": "GB"}])
async def test_a_word_that_many_labels_have_finds_the_latest_first_and_all_page_by_page(
    database, monkeypatch, wanted
):
    named = await labelled_ones(database, 30)
    monkeypatch.setattr(search, "COMMON", 5)
    monkeypatch.setattr(search, "WINDOW", 7)

    first = await search.find(database, Filter(**wanted), limit=3)
    listed = [ids async for ids in pages(database, 3, **wanted)]
    told = (await search.find(database, Filter(**wanted), limit=100)).searched

    assert (named[:3], named) == (
        [row["id"] for row in first.deliveries],
        [id_ for page in listed for id_ in page],
    )
    assert named == [each async for each in search.ids(database, Filter(**wanted))][::-1]
    assert 7 == told


async def test_a_common_word_is_found_beside_what_else_it_names_and_with_a_text(database, monkeypatch):
    named = await labelled_ones(database, 9)
    also = await put(database, None, key="jiwa order invoice")
    monkeypatch.setattr(search, "COMMON", 2)

    assert [also, *named] == await found(database, key="invoice")
    assert [] == await found(database, key="invoice", text="nowhere")
    assert await found(database, key="invoice", text="{}") == [also, *named]


ROWS = 30_000
EFFECTS = 7
"""Effects of each dispatch: with many, PostgreSQL takes what it cannot guess for many rows, and may read all."""
FILL = f"""
SET LOCAL session_replication_role = replica;   -- no triggers: nothing of the trail is needed
INSERT INTO deliveries (source, external_id, received_at, method, query, headers, content_type, body, state)
SELECT 'source-' || i % 3, 'e' || i, timestamptz '2026-01-01' + i * interval '1 min', 'POST', '{{}}', '{{}}', 'application/json',
       convert_to(repeat(md5(i::text), 24), 'UTF8'),
       CASE WHEN i % 100 = 1 THEN 'failed' WHEN i % 100 = 2 THEN 'held' WHEN i % 1000 = 3 THEN 'uncertain'
            WHEN i > {ROWS} - 100 THEN 'received' ELSE 'done' END
FROM generate_series(1, {ROWS}) i;
INSERT INTO dispatches (delivery_id, source, route, deployment, parameters, key, state, flow_run_id, label, about)
SELECT id, source, 'r', 'order-to-license/default', '{{}}', 'order ' || seq, state, gen_random_uuid(),
       'invoice I-' || seq, jsonb_build_object('invoice', 'I-' || seq, 'customer', 'C-' || seq % 1000, 'country', 'GB') FROM deliveries
WHERE state IN ('done', 'failed', 'uncertain') ORDER BY seq;
INSERT INTO effects (workflow, key, step, label, operation, state, digest, request, reference, flow_run_id, dispatch_id)
SELECT 'order-to-license', split_part(key, ' ', -1), 'mail ' || i, key, 'v.o',
       CASE WHEN i = 1 AND state IN ('failed', 'uncertain') THEN state ELSE 'done' END, '', '{{}}',
       ARRAY['LIC-' || seq], flow_run_id, id
FROM dispatches CROSS JOIN generate_series(1, {EFFECTS}) i ORDER BY seq
"""
LIMIT_OF_BLOCKS = 600
"""For a page of fifty; the table of deliveries has several times as many."""
COMMON_LIMIT_OF_BLOCKS = 900
"""For a page by a word that many labels have: the dispatch of each delivery is looked at, from the latest on."""


@pytest.fixture
async def large(database, database_settings):
    """A pool on an inbox with many deliveries, and a list of whatever it is asked."""
    async with database.acquire() as connection, connection.transaction():
        await connection.execute(FILL)
    await database.execute("VACUUM ANALYZE deliveries, dispatches, effects")
    asked = []

    async def init(connection):
        await connection.set_type_codec(
            "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads, format="text"
        )
        connection.add_query_logger(lambda query: asked.append((query.query, query.args)))

    async with asyncpg.create_pool(
        database_url(database_settings), min_size=1, max_size=1, init=init
    ) as pool:
        yield pool, asked


async def blocks(database, asked):
    """How many blocks of 8 KB the statements read, together."""
    total = 0
    for sql, arguments in asked:
        if sql.lstrip().startswith(("SELECT", "WITH")) and ";" not in sql:  # with one it is the pool's own
            async with database.acquire() as connection, connection.transaction():
                await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
                plan = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", *arguments)
            [plan] = json.loads(plan)
            total += plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    return total


async def test_nothing_that_the_pages_ask_reads_a_whole_table(large, database, monkeypatch):
    monkeypatch.setattr(search, "WINDOW", 200)
    pool, asked = large
    day = datetime(2026, 1, 8, tzinfo=UTC)
    filters = [
        {},
        *({"state": state} for state in DELIVERIES.states),
        {"source": "source-1"},
        {"source": "nobody"},
        {"source": "source-1", "state": "failed"},
        {"source": "nobody", "state": "done"},
        {"before": ROWS // 2},
        {"before": ROWS // 2, "state": "done"},
        {"since": day, "until": day + timedelta(hours=8)},
        {"until": day},
        {"until": day, "state": "failed"},
        {"since": day, "source": "source-1"},
        {"key": "order 700"},
        {"key": "LIC-700"},
        {"key": "e700"},
        {"key": "I-700"},
        {"key": "invoice"},
        {"key": "invoice", "source": "source-1", "state": "done"},
        {"about": "invoice=I-700"},
        {"about": "C-700"},
        {"about": "country=GB"},
        {"about": "customer=C-700", "state": "done", "until": day},
        {"key": "412bda1a-5a76-4c75-99d2-06353112eb04"},
        {"key": "order 700", "state": "done", "source": "source-1"},
        {"text": "not there"},
        {"text": "not there", "state": "failed"},
        {"text": "not there", "until": day},
    ]
    read = {}
    for wanted in filters:
        asked.clear()
        await search.find(pool, Filter(**wanted))
        read[f"find {wanted}"] = await blocks(database, asked)
    row = (await search.find(pool, Filter(state="uncertain"))).deliveries[0]
    for name, ask in {
        "batch": lambda: search.batch(pool, Filter(state="failed", after=ROWS // 2), limit=50),
        "sources": lambda: search.sources(pool),
        "read": lambda: search.read(pool, str(row["id"])),
        "select": lambda: search.select(pool, Filter(state="held"), limit=50),
        "effects": lambda: queries.effects_of(pool, row["dispatches"]),
        "effects by order": lambda: effects.find(pool, None, "I-700", 100),
        "effects by reference": lambda: effects.find(pool, "done", "LIC-700", 100),
        "effects of nothing": lambda: effects.find(pool, None, "nothing", 100),
        "effects by id": lambda: effects.find(pool, None, str(row["dispatches"][0]["id"]), 100),
        "latest effects": lambda: effects.find(pool, None, None, 100),
        "trace": lambda: follow(pool, "I-700"),
        "uncertain": lambda: queries.uncertain(pool),
        "decisions": lambda: store.open_decisions(pool),
        "names": lambda: search.names(pool, [row["id"]]),
        "counts": lambda: queries.counts(pool),
        "end": lambda: queries.end(pool),
    }.items():
        asked.clear()
        await ask()
        read[name] = await blocks(database, asked)
    size = await database.fetchval("SELECT pg_relation_size('deliveries') / 8192")

    words = ("invoice", "country=GB")
    common = {f"find {wanted}" for wanted in filters if {wanted.get("key"), wanted.get("about")} & {*words}}
    limits = {name: COMMON_LIMIT_OF_BLOCKS if name in common else LIMIT_OF_BLOCKS for name in read}
    assert {} == {name: n for name, n in read.items() if n > limits[name]}, read
    assert all(read[name] for name in read), read
    assert size > 5 * LIMIT_OF_BLOCKS


async def test_the_counts_are_of_open_and_unwanted_deliveries_and_of_uncertain_effects(database, monkeypatch):
    for state in DELIVERIES.states:
        await put(database, state)
        await put(database, state)
    dispatch = {"id": None, "flow_run_id": None}
    await effect(database, dispatch, key="k", label="order 1", state="uncertain")

    counted = await queries.counts(database)

    assert {**dict.fromkeys(queries.COUNTED_STATES, 2), "uncertain": 1, "doubled": 0} == counted


async def test_the_effects_of_a_delivery_are_those_of_its_runs_and_of_its_business_and_no_others(database):
    delivery = await put(database, None, key="jiwa order 700")
    row = await search.read(database, str(delivery))
    [dispatch] = row["dispatches"]
    strange = {"id": uuid4(), "flow_run_id": uuid4()}
    await effect(database, dispatch, key="debtor 7", label="customer 7")
    await effect(database, strange, key="700", label="order 700")
    await effect(database, strange, key="another", label="order 701")
    await database.execute("UPDATE effects SET workflow = 'another-flow' WHERE key = 'another'")

    labels = [effect["label"] for effect in await queries.effects_of(database, row["dispatches"])]

    assert ["customer 7", "order 700"] == labels
