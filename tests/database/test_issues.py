"""What needs a person is grouped by its cause, in the transaction that sets its state, and closes itself."""

import asyncio
from datetime import timedelta

import pytest
from rows import bring
from test_inbox_commands import ANN, accept, act, dispatch

from hookline import issues
from hookline.inbox import commands, dispatches
from hookline.issues import store

REFUSED = (
    "Refused: zentitle create_license_codes was refused (HTTP 400, request 8f-{n}): Company 'Jansen {n}' does not exist "
    "for order 1001{n}. Fix what the vendor complains about, then do it again."
)
LOST = "AnswerLost: zentitle get_company got no answer: ReadTimeout {n}. Try again later."


async def fail(database, external_id, reason, *, state="failed", route="r"):
    delivery = await dispatch(database, external_id, route=route, state="dispatched")
    [claimed] = await dispatches.claim(database, "e", limit=1, lease=timedelta(seconds=30))
    await dispatches.finish(database, claimed["id"], "e", state, reason)
    return delivery


async def numbered(database, **filters):
    return [
        (found["kind"], found["operation"], found["error"], found["count"], found["waiting"])
        for found in await store.find(database, **filters)
    ]


async def test_failures_that_differ_in_numbers_ids_and_quoted_values_are_one_issue(database):
    for n in range(3):
        await fail(database, f"d{n}", REFUSED.format(n=n))

    assert [("failed", "zentitle.create_license_codes", "Refused", 3, 3)] == await numbered(database)


async def test_another_sentence_of_the_vendor_route_or_call_is_another_issue(database):
    await fail(database, "a", REFUSED.format(n=1))
    await fail(database, "b", REFUSED.format(n=1).replace("does not exist", "is blocked"))
    await fail(database, "c", REFUSED.format(n=1), route="other")
    await fail(database, "d", REFUSED.format(n=1).replace("create_license_codes", "create_company"))

    assert 4 == len(await numbered(database))


async def test_what_the_network_says_does_not_divide_an_outage(database):
    await fail(database, "a", LOST.format(n=1))
    await fail(database, "b", LOST.format(n=1).replace("ReadTimeout", "RemoteProtocolError peer closed"))

    assert [("failed", "zentitle.get_company", "AnswerLost", 2, 2)] == await numbered(database)


async def test_effects_of_one_operation_that_nobody_can_know_of_are_one_issue(database):
    effect = await database.fetchval(
        """INSERT INTO effects (workflow, key, step, label, operation, digest, request)
           VALUES ('w', 'k', 'mail', 'order', 'sensorpro.trigger_email', '', '{}') RETURNING id"""
    )
    for n in range(2):
        await dispatch(database, f"d{n}")
        [claimed] = await dispatches.claim(database, "e", limit=1, lease=timedelta(seconds=30))
        await dispatches.finish(
            database, claimed["id"], "e", "uncertain", f"order {n} of Smith", waits_for=effect
        )

    assert [("uncertain", "sensorpro.trigger_email", None, 2, 2)] == await numbered(database)


async def test_a_rejected_delivery_belongs_to_an_issue_of_its_source(database):
    delivery = await accept(database)
    await database.execute(
        "UPDATE deliveries SET state = 'rejected', reason = 'field `a` is 12' WHERE id = $1", delivery
    )
    [found] = await store.find(database)

    assert ("rejected", "jiwa", 1, 1) == (found["kind"], found["source"], found["count"], found["waiting"])


async def test_the_same_delivery_is_counted_once_however_often_it_fails(database):
    delivery = await fail(database, "a", REFUSED.format(n=1))
    await act(database, commands.replay, [delivery], reason="again")
    [claimed] = await dispatches.claim(database, "e", limit=1, lease=timedelta(seconds=30))
    closed_meanwhile = await store.close_done(database)
    await dispatches.finish(database, claimed["id"], "e", "failed", REFUSED.format(n=2))

    assert (0, [("failed", "zentitle.create_license_codes", "Refused", 1, 1)]) == (
        closed_meanwhile,
        await numbered(database),
    )


@pytest.mark.parametrize("end", ["done", "discarded"])
async def test_an_issue_closes_itself_once_all_of_it_is_done_or_discarded(database, end):
    for n in range(2):
        await fail(database, f"d{n}", REFUSED.format(n=n))
    await bring(database, "dispatches", end, "seq = (SELECT min(seq) FROM dispatches)")
    early = await store.close_done(database)
    await bring(database, "dispatches", end)

    assert (0, 1, []) == (early, await store.close_done(database), await numbered(database))


async def test_a_closed_issue_is_opened_again_where_it_comes_again(database):
    delivery = await fail(database, "a", REFUSED.format(n=1))
    await act(database, commands.discard, [delivery], reason="known")
    await store.close_done(database)
    await fail(database, "b", REFUSED.format(n=2))
    [found] = await store.find(database)

    assert (1, 1) == ((await store.read(database, found["id"]))["before"], found["count"])


async def test_what_comes_while_an_issue_is_being_closed_is_not_lost_with_it(database):
    """The one who closes must see it, or it opens a new issue; a look before the lock would miss it."""
    first = await fail(database, "a", REFUSED.format(n=1))
    await act(database, commands.discard, [first], reason="known")
    await dispatch(database, "b")
    [claimed] = await dispatches.claim(database, "e", limit=1, lease=timedelta(seconds=30))
    async with database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await dispatches.finish(connection, claimed["id"], "e", "failed", REFUSED.format(n=2))
        closing = asyncio.create_task(store.close_done(database))
        await asyncio.sleep(0.2)
        await transaction.commit()
    await closing
    await store.close_done(database)

    assert 1 == sum(found["waiting"] for found in await store.find(database))


async def test_what_is_reported_is_counted_and_stays_until_it_is_closed(database):
    of = {"title": "Jiwa is silent", "advice": "Look at its webhooks.", "kind": "silence"}
    async with database.acquire() as connection:
        first = await issues.report(connection, cause="silence of jiwa", **of)
        again = await issues.report(connection, cause="silence of jiwa", **of)
        await store.close_done(database)
        counts = [found["count"] for found in await store.find(connection)]
        closed = await issues.close(connection, cause="silence of jiwa")
        late = await issues.close(connection, cause="silence of jiwa")

    assert (first, [2], True, False, []) == (again, counts, closed, late, await store.find(database))


async def test_too_many_causes_of_one_route_are_one_issue(database):
    """A vendor that never says the same sentence twice must not send a person a message for each."""
    words = [f"{first}{second}" for first in "abcdefgh" for second in "abcdefgh"]
    for word in words:
        await fail(database, word, f"Refused: zentitle get_company was refused: {word} is wrong.")
    await fail(database, "known", "Refused: zentitle get_company was refused: aa is wrong.")
    found = await store.find(database)

    assert 51 == len(found)
    assert {1, 2, len(words) - 50} == {each["count"] for each in found}


async def test_an_issue_is_acknowledged_by_a_name(database):
    await fail(database, "a", REFUSED.format(n=1))
    [found] = await store.find(database)
    await store.acknowledge(database, found["id"], ANN)

    assert ANN == (await store.read(database, found["id"]))["acknowledged_by"]
