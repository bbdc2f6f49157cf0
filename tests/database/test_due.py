"""What is due: the one question that an engine asks is answered yes whenever one of its kinds of work has something."""

import pytest

from hookline.engine.due import CONDITIONS, Due

DELIVERY = """
    INSERT INTO deliveries (source, external_id, method, query, headers, content_type, state)
    VALUES ('jiwa', 'one', 'POST', '{}', '{}', '', 'dispatched')"""
DISPATCH = f"""
    WITH d AS ({DELIVERY} RETURNING id)
    INSERT INTO dispatches (delivery_id, source, route, deployment, parameters, state, lease_owner, lease_until, lease,
                            waits_account, lost_by, takeovers)
    SELECT id, 'jiwa', 'r', 'f/d', '{{}}', """
EFFECT = """
    INSERT INTO effects (workflow, key, step, label, operation, digest, request, state, check_at, undo_actor, surplus)
    VALUES ('w', 'k', 's', 'order 1', 'v.o', '', '{}', """
WAIT = """
    INSERT INTO waits (scope, name, kind, what, fingerprint, flow_run_id, source, state, until, wake, backfill_from)
    VALUES ('s', 'n', 'delivery', 'w', 'f', gen_random_uuid(), 'jiwa', """
QUESTION = f"""
    WITH w AS ({WAIT} 'waiting', now() + interval '1 h', false, NULL) RETURNING id)
    INSERT INTO questions (wait_id, person, next_at) SELECT id, 'anna', now() FROM w"""
ISSUE = "INSERT INTO issues (cause, kind, title, closes_itself, event_due) VALUES ('c', "
ACCOUNT = "INSERT INTO vendor_accounts (account, vendor, away_since, event_due) VALUES ('v', 'v', "
CREDENTIALS = "INSERT INTO credentials (account, vendor, events_due) VALUES ('v', 'v', "

WORK = [
    ("events", DELIVERY.replace("dispatched", "received")),
    ("events", "UPDATE lineage SET event_due = true, held_since = now()"),
    ("events", f"{ISSUE} 'failed', 'c', false, true)"),
    ("events", f"{ACCOUNT} NULL, 'back')"),
    ("events", f"{CREDENTIALS} ARRAY['refused'])"),
    ("late checks", f"{EFFECT} 'done', now(), NULL, '{{}}')"),
    ("late checks", f"{EFFECT} 'doubled', NULL, 'anna', ARRAY['code'])"),
    ("losses", f"{DISPATCH} 'running', 'e', now() - interval '1 s', '10 s', NULL, '{{}}', 0 FROM d"),
    ("losses", f"{DISPATCH} 'running', 'e', now() + interval '21 s', '10 s', NULL, '{{}}', 0 FROM d"),
    (
        "losses",
        f"{DISPATCH} 'running', 'e', now() + interval '9 s', '10 s', NULL, ARRAY['another'], 0 FROM d",
    ),
    ("losses", f"{DISPATCH} 'dispatched', NULL, NULL, NULL, NULL, '{{}}', 1 FROM d"),
    ("backfill", f"{WAIT} 'waiting', now() + interval '1 h', false, 1)"),
    ("questions", f"{ISSUE} 'question', 'c', false, false)"),
    ("questions", QUESTION),
    ("vendors", f"{DISPATCH} 'dispatched', NULL, NULL, NULL, 'v', '{{}}', 0 FROM d"),
    ("vendors", f"{ISSUE} 'failed', 'c', true, false)"),
    ("vendors away", f"{ACCOUNT} now(), NULL)"),
    ("waits", f"{WAIT} 'waiting', now(), false, NULL)"),
    ("waits", f"{WAIT} 'answered', now() + interval '1 h', true, NULL)"),
]


async def due(database):
    asked = Due(database)
    await asked.refresh()
    return {kind for kind in CONDITIONS if kind in asked}


@pytest.mark.parametrize(("kind", "statement"), WORK)
async def test_what_waits_for_an_engine_is_due(kind, statement, database):
    before = await due(database)

    await database.execute(statement)

    assert (set(), True) == (before, kind in await due(database))


@pytest.mark.parametrize(
    "statement",
    [
        f"{DISPATCH} 'running', 'e', now() + interval '9 s', '10 s', NULL, '{{}}', 0 FROM d",
        f"{EFFECT} 'done', now() + interval '1 h', NULL, '{{}}')",
        f"{WAIT} 'waiting', now() + interval '1 h', false, NULL)",
        f"{WAIT} 'answered', now(), false, NULL)",
        f"{ACCOUNT} NULL, NULL)",
        f"{CREDENTIALS} '{{}}')",
        f"{ISSUE} 'failed', 'c', false, false)",
    ],
)
async def test_what_is_at_work_or_done_or_has_time_is_not_due(statement, database):
    await database.execute(statement)
    await database.execute("UPDATE changes SET event_due = false")

    assert set() == await due(database)


async def test_before_the_first_answer_all_may_be_due(database):
    assert [True] * len(CONDITIONS) == [kind in Due(database) for kind in CONDITIONS]


async def test_each_kind_of_work_is_tried_by_one_of_these_cases():
    assert {*CONDITIONS} == {kind for kind, _ in WORK}
