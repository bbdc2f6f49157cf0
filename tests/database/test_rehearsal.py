"""A rehearsal compares with what is in the journal and the inbox, answers by it, and changes nothing there."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import asyncpg
import pytest
from prefect.states import Completed, Failed
from pydantic import SecretStr
from rows import arrival, bring

from hookline.clients.jiwa import JiwaClient
from hookline.confined import Confined
from hookline.database import embedded
from hookline.database.connection import close_pool, read_only_pool
from hookline.engine.evaluation import Evaluation
from hookline.engine.trying import Files
from hookline.hooks import Hooks, load_hooks
from hookline.inbox.deliveries import accept_all
from hookline.journal import Effect, Journal, Outcome
from hookline.prefect_adapter.run_names import PREFECT_PREAMBLE
from hookline.provisioning.deployments import Deployments, load_deployments
from hookline.rehearsal import recorded, routing
from hookline.rehearsal.answers import Recorded
from hookline.rehearsal.doors import NotRecorded
from hookline.rehearsal.recorded import Choice
from hookline.rehearsal.report import NOTHING
from hookline.rehearsal.runs import Rehearsal
from hookline.rehearsal.writes import Run, WouldWrite, following

ORDER_ROUTE = """
sources:
  jiwa: {scheme: shared-secret}
routes:
  jiwa-order:
    source: jiwa
    when: %s
    deployment: order-to-license/default
    parameters: {invoice_id: "%s"}
    key: "jiwa order {{ body.InvoiceID }}"
"""
INVOICE = "5244dd5e199749f4b6fe"
HINT = {"InvoiceID": INVOICE, "InvoiceNo": "100123"}


@pytest.fixture
async def real(database, database_settings):
    """The settings of the real database, by a pool that is read only."""
    url = SecretStr(embedded.url(database_settings.home, "hookline"))
    settings = database_settings.model_copy(update={"database_url": url})
    await read_only_pool(settings, 4)
    yield settings
    await close_pool(settings)


@pytest.fixture
def outside(real):
    return Recorded(real)


@pytest.fixture
def evaluation(repository, tmp_path):
    """Evaluates by a hooks.yaml with this condition and parameter of its route."""
    deployments = Deployments()
    deployments.update(load_deployments(repository / "deployments/prefect.yaml"))
    confined = Confined(seconds=20)

    def made(when="body.InvoiceID is defined", parameter="{{ body.InvoiceID }}"):
        path = tmp_path / "hooks.yaml"
        path.write_text(ORDER_ROUTE % (when, parameter))
        return Evaluation(load_hooks(path), deployments, [], confined)

    yield made
    confined.close()


def note(**changes):
    effect = Effect(
        workflow="order-to-license",
        key=INVOICE,
        step="order note",
        label="order 100123",
        operation="jiwa.create_sales_order_note",
        request={"InvoiceID": INVOICE},
        account="jiwa/default",
    )
    return replace(effect, **changes)


async def do(settings, effect, *references, answer=None):
    async def send():
        return Outcome(list(references), answer)

    return await Journal(settings).run(effect, send)


async def never():
    raise AssertionError("it was sent")


async def delivered(database, state="done", body=HINT, **dispatch):
    """A delivery of an order, routed and run."""
    received = arrival(uuid4().hex, body=json.dumps(body).encode())
    async with database.acquire() as connection:
        [receipt] = await accept_all(connection, [received])
    made = {
        "route": "jiwa-order",
        "deployment": "order-to-license/default",
        "parameters": {"invoice_id": INVOICE},
        "key": f"jiwa order {INVOICE}",
    } | dispatch
    dispatch_id = await database.fetchval(
        """
        INSERT INTO dispatches (delivery_id, source, route, deployment, parameters, key)
        VALUES ($1, 'jiwa', $2, $3, $4, $5) RETURNING id
        """,
        receipt.id,
        *made.values(),
    )
    await bring(database, "dispatches", state, "id = $1", dispatch_id)
    return receipt.id, dispatch_id


async def stored(real, delivery_id):
    from hookline.database import pool

    [found] = await recorded.stored(await pool(real), [delivery_id])
    return found


async def test_the_same_write_is_answered_by_its_outcome_and_not_sent(outside, database_settings):
    await do(database_settings, note(), "n1", answer={"NoteID": "n1"})
    run = Run("jiwa-order")

    with following(run):
        outcome = await outside.journal.run(note(), never)

    assert (["n1"], {"NoteID": "n1"}, [], []) == (
        outcome.reference,
        outcome.answer,
        run.differences,
        run.unknown,
    )


async def test_another_request_is_a_difference_of_its_field_and_the_run_goes_on(outside, database_settings):
    await do(database_settings, note(), "n1")
    run = Run("jiwa-order")

    with following(run):
        outcome = await outside.journal.run(note(request={"InvoiceID": "other"}, account="jiwa/north"), never)

    assert ["n1"] == outcome.reference
    assert [
        ("write changed", "jiwa.create_sales_order_note: account", "jiwa/default", "jiwa/north"),
        ("write changed", "jiwa.create_sales_order_note: InvoiceID", INVOICE, "other"),
    ] == [(each.kind, each.what, each.then, each.now) for each in run.differences]


async def test_a_write_that_nobody_did_is_a_difference_and_ends_the_run(outside):
    run = Run("jiwa-order")

    with following(run), pytest.raises(WouldWrite):
        await outside.journal.run(note(), never)

    assert [("write new", "jiwa.create_sales_order_note")] == [
        (each.kind, each.what) for each in run.differences
    ]
    assert ["what follows a write that nobody did"] == [each.what for each in run.unknown]


class Away(Exception):
    """The vendor was not reached."""

    transient = True
    maybe_applied = False


async def test_a_write_without_an_end_ends_the_run_and_is_no_difference(outside, database_settings):
    async def fail():
        raise Away

    with pytest.raises(Away):
        await Journal(database_settings).run(note(), fail)
    run = Run("jiwa-order")

    with following(run), pytest.raises(NotRecorded):
        await outside.journal.run(note(), never)

    assert ([], 1) == (run.differences, len(run.unknown))


async def test_nothing_can_be_written_into_the_real_database(real):
    from hookline.database import pool

    database = await pool(real)

    for statement in (
        "INSERT INTO pauses (source, actor, reason) VALUES ('jiwa', 'nobody', 'none')",
        "DELETE FROM deliveries",
        "CREATE TABLE more (id int)",
    ):
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await database.execute(statement)


DOCUMENT = {
    "InvoiceID": INVOICE,
    "InvoiceNo": "100123",
    "CreditNote": False,
    "DebtorAccountNo": "1001",
    "DebtorName": "Firm Ltd",
    "Histories": [],
    "Lines": [],
    "Payments": [],
}


@pytest.fixture
def read(outside):
    """Reads the order in a run for a delivery; what is answered, or None."""

    async def read(delivery, invoice=INVOICE):
        inputs = JiwaClient.get_sales_order.validate(InvoiceID=invoice)
        with following(Run("jiwa-order", delivery)):
            return await outside._found(ACCOUNT, JiwaClient.get_sales_order, inputs)

    return read


ACCOUNT = SimpleNamespace(account="jiwa/default")


async def test_a_record_that_hookline_made_is_read_as_it_was_answered(read, database_settings):
    made = note(operation="jiwa.create_sales_order", step="order", request={"SOReference": "T1"})
    await do(database_settings, made, INVOICE, answer={"InvoiceID": INVOICE, "InvoiceNo": "100200"})

    assert "100200" == (await read(None))["InvoiceNo"]


async def test_a_record_is_read_from_the_body_that_is_the_record(read, database, real):
    delivery, _ = await delivered(database, body=DOCUMENT)

    assert DOCUMENT == await read(await stored(real, delivery))
    assert None is await read(await stored(real, delivery), "another")


async def test_a_body_that_only_names_a_record_is_not_taken_for_it_and_another_delivery_may_be_it(
    read, database, real
):
    hint, _ = await delivered(database)
    found = await stored(real, hint)
    before = await read(found)
    await delivered(database, body=DOCUMENT)

    assert (None, DOCUMENT) == (before, await read(found))


async def test_what_was_received_since_is_chosen_and_the_latest_of_it(database, real):
    ids = [(await delivered(database))[0] for _ in range(3)]
    from hookline.database import pool

    hour = datetime.now(UTC) - timedelta(hours=1)

    chosen = {
        name: await recorded.chosen(await pool(real), choice)
        for name, choice in {
            "all": Choice(hour),
            "two": Choice(hour, limit=2),
            "other": Choice(hour, "standard"),
            "later": Choice(hour + timedelta(hours=2)),
        }.items()
    }

    assert {"all": ids, "two": ids[1:], "other": [], "later": []} == chosen


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        (
            {"when": "body.kind is defined"},
            [("route", "starts nothing", "started order-to-license/default", "no route's condition holds")],
        ),
        (
            {"parameter": "{{ body.InvoiceNo }}"},
            [("parameters", "invoice_id", INVOICE, "100123")],
        ),
    ],
)
async def test_routing_differs_where_the_file_does(database, real, evaluation, changed, expected):
    delivery, _ = await delivered(database)
    found = await stored(real, delivery)

    outcome = await routing.outcome_of(evaluation(**changed), found, None)

    assert expected == [
        (each.kind, each.what, each.then, each.now) for each in routing.differences(found, outcome, None)
    ]


async def test_a_delivery_that_a_person_sent_to_one_route_is_routed_so_again(database, real, evaluation):
    delivery, _ = await delivered(database)
    await database.execute("UPDATE deliveries SET only_route = 'jiwa-order' WHERE id = $1", delivery)
    found = await stored(real, delivery)

    outcome = await routing.outcome_of(evaluation(when="body.kind is defined"), found, None)

    assert ["jiwa-order"] == [each.route for each in outcome.new]


# The end of a run


@pytest.fixture
def compared(real, database):
    """Compares the end of a run that did `did` with a stored dispatch; its differences, and what is not known."""

    async def compared(dispatch_id, state, *did):
        run = Run("jiwa-order")
        for effect in did:
            run.written.add((effect["workflow"], effect["key"], effect["step"]))
            run.effects.append(effect)
        before = await database.fetchrow("SELECT * FROM dispatches WHERE id = $1", dispatch_id)
        rehearsal = Rehearsal(real, real, Files(Hooks(path=None, sources={}, routes=[]), {}), None)
        await rehearsal._compare(run, before, state)
        return (
            [(each.kind, each.what, each.then, each.now) for each in run.differences],
            [each.what for each in run.unknown],
        )

    return compared


async def done_by(database, settings, dispatch_id):
    await do(settings, note(dispatch_id=dispatch_id), "n1")
    return await database.fetchrow("SELECT * FROM effects WHERE dispatch_id = $1", dispatch_id)


async def test_a_run_that_does_the_same_and_ends_the_same_differs_in_nothing(
    database, database_settings, compared
):
    _, dispatch_id = await delivered(database)
    effect = await done_by(database, database_settings, dispatch_id)

    assert ([], []) == await compared(dispatch_id, Completed(message="order 100123: 1 license"), effect)


async def test_a_write_that_is_no_longer_done_is_missing(database, database_settings, compared):
    _, dispatch_id = await delivered(database)
    await done_by(database, database_settings, dispatch_id)

    missing = ("write missing", "jiwa.create_sales_order_note", "order note of order 100123", NOTHING)
    assert ([missing], []) == await compared(dispatch_id, Completed())


async def test_a_run_that_fails_now_is_a_failure_and_what_it_did_not_come_to_is_not_missing(
    database, database_settings, compared
):
    _, dispatch_id = await delivered(database)
    await done_by(database, database_settings, dispatch_id)
    state = Failed(message=f"{PREFECT_PREAMBLE}ValueError: no")

    assert ([("failure", "fails", "done", "failed: ValueError: no")], []) == await compared(
        dispatch_id, state
    )


async def test_a_run_that_no_longer_fails_or_fails_otherwise_is_told_from_one_that_fails_as_it_did(
    database, compared
):
    _, dispatch_id = await delivered(database, state="failed")
    await database.execute("UPDATE dispatches SET reason = 'ValueError: no' WHERE id = $1", dispatch_id)
    was = "failed: ValueError: no"

    assert ([("end", "no longer fails", was, "done")], []) == await compared(dispatch_id, Completed())
    assert ([], []) == await compared(dispatch_id, Failed(message=f"{PREFECT_PREAMBLE}ValueError: no"))
    assert ([("failure", "ends otherwise", was, "failed: TypeError")], []) == await compared(
        dispatch_id, Failed(message=f"{PREFECT_PREAMBLE}TypeError")
    )


async def test_a_run_that_finds_what_only_a_later_delivery_found_is_not_known(
    database, database_settings, compared
):
    _, early = await delivered(database)
    await database.execute("UPDATE dispatches SET reason = 'not paid' WHERE id = $1", early)
    _, late = await delivered(database)
    effect = await done_by(database, database_settings, late)

    differences, unknown = await compared(early, Completed(), effect)

    assert ([], 1) == (differences, len(unknown))
    ends = ("end", "ends otherwise", "done: not paid", "done: credited")
    assert ([ends], []) == await compared(early, Completed(name="Credited", message="credited"))
