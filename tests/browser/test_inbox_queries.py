"""What the inbox page asks of a real PostgreSQL: nothing is left out, and no whole table is read."""

import json
from uuid import uuid4

import pytest

from hookline.gateway.pages import queries, words
from hookline.gateway.pages.queries import Wanted

# Read in their order, and only until there is enough.
IN_ORDER = {"deliveries_seq_key", "deliveries_source_external_id_key"}


def nodes(plan):
    return [plan, *(node for inner in plan.get("Plans", []) for node in nodes(inner))]


def reads_all(node):
    kind = node["Node Type"]
    whole_index = kind.startswith("Index") and "Index Cond" not in node and node["Index Name"] not in IN_ORDER
    return kind == "Seq Scan" or whole_index


class Explaining:
    """A database that explains every statement before it runs it, as if its tables were large."""

    def __init__(self, database):
        self.database = database
        self.whole = []
        """Steps that read a table or an index from end to end."""

    async def _explain(self, sql, arguments):
        async with self.database.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL enable_seqscan = off")
            [plan] = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *arguments))
        self.whole += [node for node in nodes(plan["Plan"]) if reads_all(node)]

    async def fetch(self, sql, *arguments):
        await self._explain(sql, arguments)
        return await self.database.fetch(sql, *arguments)

    async def fetchrow(self, sql, *arguments):
        await self._explain(sql, arguments)
        return await self.database.fetchrow(sql, *arguments)

    async def fetchval(self, sql, *arguments):
        await self._explain(sql, arguments)
        return await self.database.fetchval(sql, *arguments)


async def fill(inbox, states):
    """A delivery for each state, the first one first; their ids."""
    ids = []
    for state in states:
        key = str(uuid4())
        ids.append(await inbox.receive({"InvoiceID": key}))
        if state in {"unrouted", "discarded"}:
            await inbox.database.execute("UPDATE deliveries SET state = $2 WHERE id = $1", ids[-1], state)
        elif state != "received":
            await inbox.dispatch(ids[-1], key, state)
    return ids


async def pages_of(inbox, wanted):
    """All pages of a list, one after another."""
    found, before = [], None
    while True:
        listing = await queries.listing(inbox.database, Wanted(**wanted, before=before), ["jiwa"])
        found.append([delivery["id"] for delivery in listing.deliveries])
        if listing.older is None:
            return found
        before = listing.older


WANTED = [
    {},
    *({"state": state} for state in words.STATES),
    {"source": "jiwa"},
    {"source": "jiwa", "state": "failed"},
    {"key": "a key 12345678"},
    {"key": "412bda1a-5a76-4c75-99d2-06353112eb04"},
    {"key": "a key", "state": "done", "source": "jiwa"},
]


@pytest.mark.parametrize("rare", [10_000, -1], ids=["where it is rare", "where it is common"])
@pytest.mark.parametrize("wanted", WANTED, ids=str)
async def test_no_list_reads_a_whole_table(inbox, monkeypatch, wanted, rare):
    monkeypatch.setattr(queries, "RARE", rare)
    await fill(inbox, ["done"])
    database = Explaining(inbox.database)

    await queries.listing(database, Wanted(**wanted), await queries.sources(database))

    assert [] == database.whole


async def test_nothing_else_on_the_pages_reads_a_whole_table(inbox):
    [delivery] = await fill(inbox, ["uncertain"])
    database = Explaining(inbox.database)

    await queries.counts(database)
    row = await queries.delivery(database, delivery, 100)
    await queries.effects_of(database, row["dispatches"])
    await queries.uncertain(database)
    await queries.body(database, delivery)

    assert [] == database.whole


@pytest.mark.parametrize(
    "wanted", [{"state": "done"}, {"source": "jiwa"}, {"state": "failed"}, {"state": "unrouted"}], ids=str
)
@pytest.mark.parametrize("rare", [10_000, 0], ids=["rare", "common"])
async def test_page_by_page_the_list_shows_each_delivery_once(inbox, monkeypatch, wanted, rare):
    monkeypatch.setattr(queries, "PAGE", 3)
    monkeypatch.setattr(queries, "WINDOW", 4)
    monkeypatch.setattr(queries, "RARE", rare)
    states = [
        "done",
        "failed",
        "unrouted",
        "done",
        "failed",
        "done",
        "done",
        "done",
        "done",
        "failed",
        "unrouted",
    ]
    ids = await fill(inbox, states)

    found = await pages_of(inbox, wanted)

    expected = [one for one, state in zip(ids, states, strict=True) if wanted.get("state", state) == state]
    assert expected[::-1] == [one for page in found for one in page]
    assert all(len(page) <= 3 for page in found)


async def test_a_list_that_looked_at_only_some_deliveries_says_how_many(inbox, monkeypatch):
    monkeypatch.setattr(queries, "WINDOW", 4)
    monkeypatch.setattr(queries, "RARE", 0)
    ids = await fill(inbox, ["failed", *["done"] * 5])

    first = await queries.listing(inbox.database, Wanted(state="failed"), ["jiwa"])
    second = await queries.listing(inbox.database, Wanted(state="failed", before=first.older), ["jiwa"])

    assert ([], 4) == (first.deliveries, first.searched)
    assert [ids[0]] == [delivery["id"] for delivery in second.deliveries]


async def test_the_counts_add_up_deliveries_dispatches_and_uncertain_effects(inbox, monkeypatch):
    await fill(inbox, ["received", "waiting", "running", "failed", "done", "unrouted", "uncertain"])
    await inbox.effect(None, "k", "order 1", "mail", "uncertain")

    counted = await queries.counts(inbox.database)
    monkeypatch.setattr(queries, "RARE", 0)
    capped = await queries.counts(inbox.database)

    assert {"waiting": 2, "running": 1, "failed": 1, "uncertain": 1} == counted
    assert {"waiting": 1, "running": 1, "failed": 1, "uncertain": 1} == capped


async def test_the_effects_of_a_delivery_are_those_of_its_runs_and_of_its_business_and_no_others(inbox):
    [delivery] = await fill(inbox, ["done"])
    row = await queries.delivery(inbox.database, delivery, 100)
    dispatch = row["dispatches"][0]
    key = dispatch["key"].rpartition(" ")[2]
    of_run = await inbox.effect(dispatch["flow_run_id"], "debtor 7", "customer 7", "company", "done")
    of_business = await inbox.effect(uuid4(), key, "order 1", "mail", "done")
    await inbox.effect(uuid4(), "another", "order 2", "mail", "done")
    await inbox.database.execute(
        "INSERT INTO effects (workflow, key, step, label, operation, digest, request)"
        " VALUES ('another-flow', $1, 'mail', 'x', 'v.o', '', '{}')",
        key,
    )

    found = await queries.effects_of(inbox.database, row["dispatches"])

    assert [of_run, of_business] == [effect["id"] for effect in found]
