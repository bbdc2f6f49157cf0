"""What is closed goes when its time is over; what needs a person, and the journal, stay."""

import asyncio
from datetime import timedelta

import pytest
from rows import arrival, bring

from hookline.hooks import load_hooks
from hookline.inbox import audit, bodies, commands, deliveries, dispatches, retention
from hookline.inbox.retention import Pruned
from hookline.settings import Settings
from hookline.states import CLOSED

HOOKS = """
sources:
  jiwa: {scheme: shared-secret, header: X-Key}
  quick: {scheme: shared-secret, header: X-Key, keep_days: 2}
  light: {scheme: shared-secret, header: X-Key, keep_days: 90, keep_bodies_days: 7}
"""
DISPATCHED = ("dispatched", "running", "held", "done", "failed", "uncertain", "replaced", "discarded")


@pytest.fixture(scope="module")
def hooks(tmp_path_factory):
    path = tmp_path_factory.mktemp("hooks") / "hooks.yaml"
    path.write_text(HOOKS)
    return load_hooks(path)


@pytest.fixture
def prune(database, hooks):
    async def prune(**settings):
        pruned = await retention.prune(database, Settings(**settings), hooks)
        return {each.source: (each.deliveries, each.bodies) for each in pruned}

    return prune


@pytest.fixture
def received(database):
    """Put a delivery into the inbox as if it had come, and ended, so many days ago."""

    async def received(name="one", *, state="done", days=31, source="jiwa", body=b"{}"):
        receipt = await accept(database, name, source, body)
        async with database.acquire() as connection:
            if state in DISPATCHED:
                await dispatches.add_all(
                    connection,
                    [
                        dispatches.NewDispatch(
                            receipt.id, route="r", deployment="f/d", parameters={}, key=name
                        )
                    ],
                )
                await bring(connection, "dispatches", state, "delivery_id = $1", receipt.id)
            else:
                await deliveries.set_state(connection, receipt.id, state)
        await age(database, receipt.id, days)
        return receipt.id

    return received


async def accept(database, name="one", source="jiwa", body=b"{}"):
    return await deliveries.accept(
        database,
        arrival(name, source=source, body=body),
    )


async def age(database, delivery, days):
    await database.execute(
        "UPDATE deliveries SET received_at = received_at - $2::interval WHERE id = $1",
        delivery,
        timedelta(days=days),
    )
    await database.execute(
        "UPDATE changes SET at = at - $2::interval WHERE delivery_id = $1", delivery, timedelta(days=days)
    )


async def left(database):
    return [
        row["external_id"] for row in await database.fetch("SELECT external_id FROM deliveries ORDER BY seq")
    ]


async def test_what_is_closed_goes_with_its_dispatches_and_its_trail(database, received, prune):
    for state in CLOSED:
        await received(state, state=state)
    await received("young", days=29)

    assert {"jiwa": (len(CLOSED), 0)} == await prune()

    assert ["young"] == await left(database)
    assert 1 == await database.fetchval("SELECT count(*) FROM dispatches")
    assert 0 == await database.fetchval(
        "SELECT count(*) FROM changes WHERE delivery_id NOT IN (SELECT id FROM deliveries)"
    )


@pytest.mark.parametrize(
    "state", ["received", "held", "dispatched", "running", "failed", "uncertain", "rejected"]
)
async def test_what_waits_runs_or_needs_a_person_stays_however_old(database, received, prune, state):
    await received(state=state, days=3000)

    await prune(keep_days=1, keep_bodies_days=1)

    assert [(state, b"{}")] == [
        tuple(row) for row in await database.fetch("SELECT state, body FROM deliveries")
    ]


async def test_age_counts_from_the_last_that_happened(database, received, prune):
    await received("repeated")
    await accept(database, "repeated")
    finished = await received("finished", state="failed")
    async with database.acquire() as connection:
        await commands.discard(connection, [finished], actor="ann", reason="paid twice")

    assert {"jiwa": (0, 0)} == await prune()
    assert ["repeated", "finished"] == await left(database)

    await age(database, finished, 31)
    await prune()
    assert ["repeated"] == await left(database)


async def test_a_repeat_is_known_as_one_until_the_delivery_goes(database, received, prune):
    await received(days=29)
    await prune()
    assert (await accept(database)).duplicate

    await database.execute("UPDATE deliveries SET received_at = now() - interval '31 d', duplicate_at = NULL")
    await database.execute("UPDATE changes SET at = now() - interval '31 d'")
    await prune()

    assert not (await accept(database)).duplicate


async def test_each_source_has_its_own_time(database, received, prune):
    for source in ("jiwa", "quick", "light", "no-longer-in-hooks"):
        await received(source, source=source, days=31)

    pruned = await prune()

    assert {"jiwa": (1, 0), "quick": (1, 0), "light": (0, 1), "no-longer-in-hooks": (1, 0)} == pruned
    assert ["light"] == await left(database)


async def test_a_body_may_go_before_its_delivery_and_that_is_said(database, received, prune):
    old = await received("old", days=8)
    young = await received("young", days=6)

    assert {"jiwa": (0, 1)} == await prune(keep_bodies_days=7)
    assert {"jiwa": (0, 0)} == await prune(keep_bodies_days=7)

    assert {old: None, young: b"{}"} == await bodies.read(database, [old, young], [])
    [altered] = await database.fetchrow("SELECT altered FROM deliveries WHERE id = $1", old)
    assert "the body is no longer stored" == bodies.absence(altered)


async def test_what_stood_around_an_item_goes_with_its_body(database, received, prune):
    item = await received("old", days=8)
    await database.execute("UPDATE deliveries SET envelope = $1", {"customer": "Ann"})

    await prune(keep_bodies_days=7)

    assert {} == await database.fetchval("SELECT envelope FROM deliveries WHERE id = $1", item)


async def test_a_dry_run_tells_what_would_go_and_takes_nothing(database, received, prune, hooks):
    await received("over", source="light", days=100)
    await received("body", source="light", days=8)
    await received("young", source="light", days=1)
    await received("failed", source="light", days=100, state="failed")

    told = await retention.prunable(database, Settings(), hooks)

    assert [Pruned("light", 90, 1, 7, 1)] == told
    assert ["over", "body", "young", "failed"] == await left(database)
    assert {"light": (1, 1)} == await prune()


async def test_the_journal_stays(database, received, prune):
    await received()
    await database.execute(
        """
        INSERT INTO effects (workflow, key, step, label, operation, state, digest, request, dispatch_id)
        SELECT 'order-to-license', '1', 'license', 'order 1', 'zentitle.x', 'done', '', '{}', id FROM dispatches
        """
    )

    await prune()

    assert ([], 1) == (await left(database), await database.fetchval("SELECT count(*) FROM effects"))


async def test_more_than_a_batch_goes_and_several_may_prune_at_once(database, received, prune, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 7)
    for number in range(40):
        await received(str(number))

    pruned = await asyncio.gather(*(prune() for _ in range(4)))

    assert 40 == sum(taken.get("jiwa", (0, 0))[0] for taken in pruned)
    assert [] == await left(database)


async def test_what_somebody_is_about_to_replay_is_neither_taken_nor_waited_for(
    database, received, prune, connect
):
    delivery = await received()
    person = await connect()
    async with person.transaction():
        # As a replay begins: the dispatch is theirs, and its delivery will be next.
        await person.execute("UPDATE dispatches SET attempts = 1 WHERE delivery_id = $1", delivery)

        assert {"jiwa": (0, 0)} == await asyncio.wait_for(prune(), 10)
        await person.execute("UPDATE dispatches SET state = 'dispatched' WHERE delivery_id = $1", delivery)
    await person.close()

    assert [("done", "dispatched")] == [
        (row["was"], row["became"]) for row in (await audit.trail(database, delivery))[-1:]
    ]


async def test_it_ends_where_all_that_follows_is_young(database):
    await database.execute(
        """
        INSERT INTO deliveries (source, external_id, received_at, method, query, headers, content_type, body, state)
        SELECT 'jiwa', n::text, now() - CASE WHEN n < 900 THEN interval '40 d' ELSE interval '0' END,
               'POST', '{}', '{}', '', '{}', 'done'
        FROM generate_series(1, 5000) n
        """
    )
    await database.execute(
        "UPDATE changes c SET at = d.received_at FROM deliveries d WHERE d.id = c.delivery_id"
    )

    steps, last = [], 0
    while last is not None:
        [row] = await database.fetch(
            retention._DELETE_DELIVERIES, "jiwa", CLOSED, timedelta(days=30), last, retention.BATCH
        )
        last = row["last"]
        steps.append(row["deleted"])

    assert [500, 399, 0] == steps
