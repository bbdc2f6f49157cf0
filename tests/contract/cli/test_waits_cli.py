"""`hookline waits`: list, show, answer and cancel what runs wait for, for people and for machines."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from cyclopts import CycloptsError
from pydantic import BaseModel, Field

from hookline.cli import app
from hookline.errors import HooklineError
from hookline.prefect_adapter.suspension import schema_of
from hookline.settings import settings
from hookline.waits import matching, store
from hookline.waits.store import NewWait


class Decision(BaseModel):
    """What is asked."""

    approved: bool
    comment: str = Field(default="", max_length=20)


@pytest.fixture(autouse=True)
def environment(own_environment, database_settings):
    own_environment.setenv("HOOKLINE_HOME", str(database_settings.home))
    return own_environment


@pytest.fixture
def hookline(database, capsys):
    """Runs a command in a thread, for it has an event loop of its own: its exit code, and what it says."""

    def call(words):
        try:
            app(words, exit_on_error=False, print_error=False, result_action="return_value")
        except CycloptsError as error:
            return 2, str(error)
        except HooklineError as error:
            return error.exit_code, str(error)
        return 0, ""

    async def run(*words):
        settings.cache_clear()
        code, message = await asyncio.to_thread(call, list(words))
        written = capsys.readouterr()
        return code, written.out + written.err + message

    return run


async def begun(database, **fields):
    run = uuid4()
    row = await store.begin(
        database,
        NewWait(
            scope=f"flow run {run}",
            name="one",
            fingerprint="one",
            flow_run_id=run,
            dispatch_id=None,
            began=datetime.now(UTC),
            timeout=timedelta(days=1),
            **fields,
        ),
    )
    return str(row["id"])


@pytest.fixture
async def question(database):
    return await begun(
        database,
        kind="answer",
        what="an answer of anna: Approve order 100123?",
        form=schema_of(Decision),
        people=["anna"],
    )


@pytest.fixture
async def delivery(database):
    match = {"body.code": "A-1"}
    return await begun(
        database,
        kind="delivery",
        what=matching.in_words("zentitle", match),
        source="zentitle",
        conditions=match,
        match_key=matching.digest("zentitle", match),
    )


async def test_waits_are_listed_and_shown_for_people_and_machines(hookline, question, delivery):
    [(_, listed), (_, people), (_, machines), (_, one), (_, shown)] = [
        await hookline(*words)
        for words in (
            ("waits", "list"),
            ("waits", "list", "--kind", "answer"),
            ("waits", "list", "--json"),
            ("waits", "show", question[:8]),
            ("waits", "show", delivery, "--json"),
        )
    ]

    assert [True, True] == [each in listed for each in (question, delivery)]
    assert [True, False] == [each in people for each in (question, delivery)]
    assert {question, delivery} == {row["id"] for row in json.loads(machines)}
    assert "Approve order 100123?" in one
    assert {"body.code": "A-1"} == json.loads(shown)["match"]


async def test_an_answer_is_given_once_and_by_the_form(hookline, database, question):
    refused = await hookline("waits", "answer", question, "--yes", "approved=perhaps")
    code, message = await hookline("waits", "answer", question, "--yes", "approved=yes", "comment=fine")
    late = await hookline("waits", "answer", question, "--yes", "approved=no")

    row = (await store.find(database, state="answered"))[0]
    assert (2, "The answer does not fit: approved: must be yes or no") == refused
    assert (0, True) == (code, "Answered: approved: True, comment: fine. The run goes on." in message)
    assert (1, True) == (late[0], "is over, answered" in late[1])
    assert ({"approved": True, "comment": "fine"}, "shell") == (row["answer"], row["answered_way"])


async def test_a_wait_is_cancelled_with_a_reason_and_stays_so(hookline, database, delivery):
    answered = await hookline("waits", "answer", delivery, "--yes", "x=1")
    without = await hookline("waits", "cancel", delivery, "--yes", "--reason", " ")
    code, _ = await hookline("waits", "cancel", delivery[:13], "--yes", "--reason", "withdrawn")
    again = await hookline("waits", "cancel", delivery, "--yes", "--reason", "withdrawn")

    [row] = await store.find(database, state="cancelled")
    assert (1, True) == (answered[0], "which only its sender can send" in answered[1])
    assert ([2, 0, 1], True) == ([without[0], code, again[0]], "withdrawn" in row["reason"])


async def test_an_answer_that_was_a_mistake_is_asked_for_again(hookline, database, question, delivery):
    await hookline("waits", "answer", question, "--yes", "approved=no")
    code, message = await hookline("waits", "reopen", question, "--yes", "--reason", "pressed No by mistake")
    other = await hookline("waits", "reopen", delivery, "--yes", "--reason", "x")
    await hookline("waits", "answer", question, "--yes", "approved=yes")

    [row] = await store.find(database, state="answered")
    trail = await database.fetch(
        "SELECT became, reason FROM changes WHERE wait_id = $1 ORDER BY id", row["id"]
    )
    assert (0, "Asked again: anna." in message, {"approved": True}) == (code, True, row["answer"])
    assert (1, ["waiting", "answered", "waiting", "answered"]) == (
        other[0],
        [each["became"] for each in trail],
    )
    assert "pressed No by mistake" in trail[2]["reason"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("show", "xyz"), 2, "is no id of a wait"),
        (("show", str(uuid4())), 1, "There is no wait"),
        (("answer", str(uuid4()), "approved"), 2, "write it as approved=yes"),
    ],
)
async def test_a_mistake_is_named(hookline, words, code, message):
    got, told = await hookline("waits", *words)

    assert (code, True) == (got, message in told)
