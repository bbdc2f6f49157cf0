"""What a plan says of a delivery is what a replay or a discard then does."""

import pytest

from hookline.inbox import commands, deliveries, dispatches, plans

WITHOUT_DISPATCH = ("received", "held", "rejected", "discarded", "unrouted")
OF_DISPATCH = ("dispatched", "running", "held", "done", "failed", "uncertain", "discarded")


@pytest.fixture
def put(database):
    """A delivery with dispatches in these states, by route, or without any in this one; its id."""

    async def put(state=None, **routes):
        receipt = await deliveries.accept(
            database,
            deliveries.Arrival(
                source="jiwa",
                external_id="one",
                method="POST",
                query={},
                headers={},
                content_type="application/json",
                body=b"{}",
            ),
        )
        async with database.acquire() as connection:
            for route, state_of in routes.items():
                await dispatches.add(
                    connection, receipt.id, route=route, deployment="f/d", parameters={}, key=None
                )
                await connection.execute("UPDATE dispatches SET state = $1 WHERE route = $2", state_of, route)
        if state is not None:
            await database.execute("UPDATE deliveries SET state = $1", state)
        return receipt.id

    return put


CASES = [
    *[pytest.param({"state": state}, id=state) for state in WITHOUT_DISPATCH],
    *[pytest.param({"first": state}, id=f"dispatch {state}") for state in OF_DISPATCH],
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


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("route", [None, "first", "third"])
@pytest.mark.parametrize("body", [b"{}", None], ids=["with body", "without body"])
async def test_what_is_planned_of_a_replay_is_what_it_does(database, put, case, route, body):
    delivery = await put(**case)
    await database.execute("UPDATE deliveries SET body = $1", body)

    [part] = await plans.of_replay(database, [delivery], route)
    async with database.acquire() as connection:
        replayed = await commands.replay(connection, delivery, route=route, actor="ann")

    assert replayed == (part.left_alone is None)


@pytest.mark.parametrize("case", CASES)
async def test_what_is_planned_of_a_discard_is_what_it_does(database, put, case):
    delivery = await put(**case)

    [part] = await plans.of_discard(database, [delivery])
    async with database.acquire() as connection:
        discarded = await commands.discard(connection, delivery, actor="ann", reason="test")

    assert discarded == (part.left_alone is None)


async def test_a_plan_says_why_a_delivery_is_left_alone(database, put):
    delivery = await put("rejected")
    await database.execute("UPDATE deliveries SET body = NULL")

    assert [plans.Part("jiwa", "rejected", 1, "its body is no longer kept")] == await plans.of_replay(
        database, [delivery], None
    )
