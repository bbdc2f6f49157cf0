"""A dry run does what the command does, and takes it back."""

import pytest
from rows import arrival, bring

from hookline.errors import HooklineError
from hookline.inbox import commands, deliveries, dispatches, dry_run
from hookline.states import DISPATCHES

WITHOUT_DISPATCH = ("received", "held", "rejected", "discarded", "unrouted")


@pytest.fixture
def put(database):
    """A delivery with dispatches in these states, by route, or without any in this one; its id."""

    async def put(state=None, external_id="one", **routes):
        receipt = await deliveries.accept(
            database,
            arrival(external_id),
        )
        async with database.acquire() as connection:
            for route, state_of in routes.items():
                await dispatches.add_all(
                    connection,
                    [
                        dispatches.NewDispatch(
                            receipt.id, route=route, deployment="f/d", parameters={}, key=None
                        )
                    ],
                )
                await bring(
                    connection,
                    "dispatches",
                    state_of,
                    "route = $1 AND delivery_id = $2",
                    route,
                    receipt.id,
                )
        if state is not None:
            await bring(database, "deliveries", state, "id = $1", receipt.id)
        return receipt.id

    return put


CASES = [
    *[pytest.param({"state": state}, id=state) for state in WITHOUT_DISPATCH],
    *[pytest.param({"first": state}, id=f"dispatch {state}") for state in DISPATCHES.states],
    *[
        pytest.param({"first": one, "second": other}, id=f"dispatches {one}, {other}")
        for one, other in (
            ("done", "running"),
            ("running", "failed"),
            ("held", "discarded"),
            ("done", "done"),
        )
    ],
]


@pytest.fixture
def leaves_no_trace(database, connect):
    """Calls a dry run, of which nothing may stay and nobody may be told."""

    async def leaves_no_trace(rehearsed, *arguments):
        told = []
        listener = await connect()
        await listener.add_listener(deliveries.CHANNEL, lambda *_: told.append(1))
        before = await everything(database)

        parts = await rehearsed(database, *arguments)

        await listener.execute("SELECT 1")
        await listener.close()
        assert (before, []) == (await everything(database), told)
        return parts

    return leaves_no_trace


async def everything(database):
    """All rows that a command may change or add."""
    return [
        await database.fetch(f"SELECT * FROM {table} ORDER BY id")
        for table in ("deliveries", "dispatches", "changes")
    ]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("route", [None, "first", "third"])
@pytest.mark.parametrize("body", [b"{}", None], ids=["with body", "without body"])
async def test_a_dry_run_of_a_replay_says_what_it_would_do_and_leaves_no_trace(
    database, put, leaves_no_trace, case, route, body
):
    delivery = await put(**case)
    await database.execute("UPDATE deliveries SET body = $1", body)

    [part] = await leaves_no_trace(dry_run.replay, [delivery], route)
    async with database.acquire() as connection:
        replayed = await commands.replay(connection, [delivery], route=route, actor="ann")

    assert ({delivery} if part.left_alone is None else set()) == replayed


@pytest.mark.parametrize("case", CASES)
async def test_a_dry_run_of_a_discard_says_what_it_would_do_and_leaves_no_trace(
    database, put, leaves_no_trace, case
):
    delivery = await put(**case)

    [part] = await leaves_no_trace(dry_run.discard, [delivery])
    async with database.acquire() as connection:
        discarded = await commands.discard(connection, [delivery], actor="ann", reason="test")

    assert ({delivery} if part.left_alone is None else set()) == discarded


async def test_a_dry_run_says_why_a_delivery_is_left_alone(database, put):
    delivery = await put("rejected")
    await database.execute("UPDATE deliveries SET body = NULL")

    assert [dry_run.Part("jiwa", "rejected", 1, "its body is no longer stored")] == await dry_run.replay(
        database, [delivery]
    )


async def test_a_dry_run_waits_for_no_lock_for_long(database, put, connect, monkeypatch):
    monkeypatch.setattr(dry_run, "LOCK_TIMEOUT_SECONDS", 0.1)
    delivery = await put(first="failed")
    other = await connect()
    async with other.transaction():
        await other.execute("SELECT FROM dispatches FOR UPDATE")

        with pytest.raises(HooklineError, match="locked just now"):
            await dry_run.replay(database, [delivery])
    await other.close()


async def test_the_parts_of_all_batches_are_counted_together(database, put, monkeypatch):
    monkeypatch.setattr(dry_run, "BATCH", 2)
    ids = [await put(external_id=str(n), first=("failed", "running")[n == 4]) for n in range(5)]

    parts = await dry_run.replay(database, ids)

    assert [("failed", 4, None), ("running", 1, "waits or runs")] == [
        (part.state, part.deliveries, part.left_alone) for part in parts
    ]
