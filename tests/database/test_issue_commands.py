"""One act for all that belongs to an issue, and for nothing else; and what people see of it."""

import pytest
from test_inbox_commands import ANN, dispatch
from test_issues import REFUSED, fail
from test_outages import fail as fail_call
from test_outages import waiting_dispatch

from hookline.errors import HooklineError
from hookline.health import running
from hookline.inbox import dispatches
from hookline.issues import commands, store
from hookline.issues.advice import BY_ERROR, BY_KIND, advice_for
from hookline.states import NEED_A_PERSON


async def states(database):
    return [row["state"] for row in await database.fetch("SELECT state FROM dispatches ORDER BY seq")]


async def issue(database):
    [found, *_] = await store.find(database)
    return found


@pytest.fixture
async def three(database):
    """Two deliveries of one issue, and one of another."""
    await fail(database, "other", "Refused: jiwa get_sales_order was refused: no.")
    for number in range(2):
        await fail(database, f"d{number}", REFUSED.format(n=number))
    return (await issue(database))["id"]


async def test_a_replay_of_an_issue_runs_all_of_it_again_and_nothing_else(database, three):
    acted = await commands.replay(database, three, actor=ANN, reason="key renewed")

    assert (2, 0) == (acted.done, acted.left)
    assert ["failed", "dispatched", "dispatched"] == await states(database)


async def test_many_are_replayed_a_batch_after_another_and_up_to_a_limit(database, monkeypatch, three):
    monkeypatch.setattr(commands, "BATCH", 1)
    limited = await commands.replay(database, three, actor=ANN, reason="one", limit=1)
    rest = await commands.replay(database, three, actor=ANN, reason="the rest")

    assert (1, 1, 1, 0) == (limited.done, limited.left, rest.done, rest.left)


async def test_an_issue_is_set_aside_with_a_reason_and_closes(database, three):
    acted = await commands.discard(database, three, actor=ANN, reason="test orders")
    await store.close_done(database)

    assert (2, ["failed", "discarded", "discarded"]) == (acted.done, await states(database))
    assert None is not (await store.read(database, three))["closed_at"]


async def test_a_rejected_delivery_is_replayed_by_its_issue(database):
    delivery = await dispatch(database)
    await database.execute("DELETE FROM dispatches")
    await database.execute("UPDATE deliveries SET state = 'received' WHERE id = $1", delivery)
    await database.execute("UPDATE deliveries SET state = 'rejected', reason = 'no' WHERE id = $1", delivery)
    acted = await commands.replay(database, (await issue(database))["id"], actor=ANN, reason="fixed")

    assert (1, "received") == (acted.done, await database.fetchval("SELECT state FROM deliveries"))


@pytest.fixture
async def uncertain(database):
    """An issue with two uncertain effects, of which the later may bring references."""

    async def make(expected=0):
        for number in range(2):
            effect = await database.fetchval(
                """
                INSERT INTO effects (workflow, key, step, label, operation, digest, request, expected)
                VALUES ('w', $1, 'mail', 'order', 'sensorpro.trigger_email', '', '{}', $2) RETURNING id
                """,
                f"k{number}",
                expected * number,
            )
            await database.execute("UPDATE effects SET state = 'uncertain' WHERE id = $1", effect)
            await dispatch(database, f"d{number}")
            await database.execute("UPDATE dispatches SET state = 'running' WHERE state = 'dispatched'")
            await database.execute(
                "UPDATE dispatches SET state = 'uncertain', waits_for = $1 WHERE state = 'running'", effect
            )
        return (await issue(database))["id"]

    return make


@pytest.mark.parametrize(("happened", "expected"), [(True, "done"), (False, "intended")])
async def test_all_uncertain_effects_of_an_issue_are_resolved_at_once(
    database, database_settings, uncertain, happened, expected
):
    acted = await commands.resolve(
        database_settings, database, await uncertain(), happened=happened, actor=ANN
    )

    assert (2, 0) == (acted.done, acted.left)
    assert {expected} == {row["state"] for row in await database.fetch("SELECT state FROM effects")}
    assert ["dispatched"] * 2 == await states(database)


async def test_all_of_an_issue_is_resolved_whatever_else_of_it_waits_before(
    database, database_settings, uncertain, monkeypatch
):
    monkeypatch.setattr(commands, "BATCH", 1)
    number = await uncertain()
    first = await database.fetchval("SELECT min(seq) FROM dispatches")
    await database.execute("UPDATE dispatches SET waits_for = NULL WHERE seq = $1", first)

    acted = await commands.resolve(database_settings, database, number, happened=True, actor=ANN)

    assert (1, ["uncertain", "dispatched"]) == (acted.done, await states(database))


async def test_an_issue_of_doubles_is_not_replayed(database, three):
    await database.execute("UPDATE issues SET kind = 'doubled' WHERE id = $1", three)

    with pytest.raises(HooklineError, match="hookline effects list --state doubled"):
        await commands.replay(database, three, actor=ANN, reason="again")

    assert ["failed"] * 3 == await states(database)


async def test_effects_that_need_references_are_not_resolved_together(database, database_settings, uncertain):
    with pytest.raises(HooklineError, match="give 1, not 0"):
        await commands.resolve(database_settings, database, await uncertain(1), happened=True, actor=ANN)

    assert ["dispatched", "uncertain"] == await states(database)


def test_there_is_advice_for_every_kind_and_error():
    of = {"advice": None, "error": None}

    assert {*NEED_A_PERSON} <= {*BY_KIND}
    assert BY_KIND["uncertain"] == advice_for(of | {"kind": "uncertain"})
    assert BY_ERROR["NotFound"] == advice_for(of | {"kind": "failed", "error": "NotFound"})
    assert "Look there." == advice_for(of | {"kind": "silence", "advice": "Look there."})
    assert BY_KIND["failed"] == advice_for(of | {"kind": "failed", "error": "Strange"})


async def test_the_doctor_names_vendors_that_are_away_and_open_issues(database, three):
    await fail_call(database, "a", times=4)
    await waiting_dispatch(database, "waits")
    findings = {found.check: found for found in running.check(await running.read(database))}

    assert "warning" == findings["vendor health"].state
    assert findings["vendor health"].detail.startswith("zentitle/default is away since ")
    assert "dispatches that wait for it: 1" in findings["vendor health"].detail
    assert ("warning", "failed: 2") == (findings["issues"].state, findings["issues"].detail)


async def test_what_is_done_is_not_replayed_with_its_issue(database, three):
    await database.execute(
        "UPDATE dispatches SET state = 'done' WHERE seq = (SELECT max(seq) FROM dispatches)"
    )
    acted = await commands.replay(database, three, actor=ANN, reason="key renewed")

    assert (1, ["failed", "dispatched", "done"]) == (acted.done, await states(database))


async def test_another_route_of_the_same_delivery_is_left_to_its_own_issue(database, three):
    delivery = await database.fetchval(
        "SELECT max(delivery_id::text)::uuid FROM dispatches WHERE issue_id = $1", three
    )
    await database.execute(
        """INSERT INTO dispatches (delivery_id, source, route, deployment, parameters)
           VALUES ($1, 'jiwa', 'other', 'f/d', '{}')""",
        delivery,
    )
    await database.execute("UPDATE dispatches SET state = 'running' WHERE route = 'other'")
    await database.execute("UPDATE dispatches SET state = 'failed', reason = 'x' WHERE route = 'other'")
    await commands.replay(database, three, actor=ANN, reason="key renewed")

    assert ["failed", "dispatched", "dispatched", "failed"] == await states(database)


async def test_setting_an_issue_aside_leaves_what_other_routes_make_of_its_deliveries(database):
    delivery = await fail(database, "one", REFUSED.format(n=1))
    async with database.acquire() as connection:
        other = dispatches.NewDispatch(delivery, route="other", deployment="f/d", parameters={}, key=None)
        await dispatches.add_all(connection, [other])
    await commands.discard(database, (await issue(database))["id"], actor=ANN, reason="known")

    assert ["discarded", "dispatched"] == await states(database)
