"""A run asks a person and is suspended: answered by link, page, shell or Prefect; followed by others, or by nothing."""

import os
import re
from uuid import uuid4

import httpx
import pytest

from hookline.inbox import commands
from hookline.waits import store
from hookline.waits.store import Answer

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise


@pytest.fixture
def anna(monkeypatch, listener):
    """A person with an address; the messages that came."""
    port, heard = listener
    monkeypatch.setenv("HOOKLINE_PERSON_ANNA", f"json://127.0.0.1:{port}")
    return heard


@pytest.fixture(autouse=True)
async def no_waits_left(admin):
    yield
    await admin.database.execute("DELETE FROM waits")
    await admin.database.execute("DELETE FROM issues WHERE kind = 'question'")


async def wait_of(admin, work):
    [row] = await store.of(admin.database, dispatches=[await work.row()])
    return await store.read(admin.database, row["id"])


async def state_names(admin, work):
    states = await admin.client.read_flow_run_states((await work.row())["flow_run_id"])
    return [state.name for state in sorted(states, key=lambda state: state.timestamp)]


async def test_a_person_answers_by_the_link_in_the_message_and_the_run_goes_on(admin, anna):
    work = await admin.dispatch("asking")
    async with admin.engine():
        held = await work.is_("held")
        message = await admin.until(lambda: anna[:1], "nobody was asked")
        [link] = re.findall(r"http\S+/answer/[\w-]{43}", message[0]["message"])
        async with httpx.AsyncClient() as phone:
            opened = await phone.get(link)
            posted = await phone.post(
                link,
                data={"approved": "yes", "comment": "fine", "is confirmed": "yes"},
                headers={"Origin": link.partition("/answer")[0]},
            )
        await work.is_("done")

    wait, flow_run = await wait_of(admin, work), await work.flow_run()
    states = await admin.client.read_flow_run_states(flow_run.id)
    said = "answered by anna (link): approved: True, comment: fine"
    assert "for an answer of anna: Approve order 100123?" in held["reason"]
    assert ("Approve order 100123?" in opened.text, 303) == (True, posted.status_code)
    assert ["first", "approved: True fine"] == work.written
    assert ("anna", "link", said) == (wait["answered_by"], wait["answered_way"], wait["reason"])
    assert said in [state.message for state in states]
    assert link not in str(await admin.client.read_flow_run(flow_run.id))


async def test_a_person_answers_in_the_prefect_ui_by_the_typed_form(admin):
    work = await admin.dispatch("asking")
    async with admin.engine():
        await work.is_("held")
        suspended = await work.flow_run()
        refused = await admin.client.resume_flow_run(suspended.id, run_input={"approved": "perhaps"})
        bad = await admin.client.resume_flow_run(suspended.id, run_input={"approved": True, "comment": "bad"})
        await admin.until(lambda: _suspended(admin, work, 2), "it is not asked again")
        await work.is_("held")

        async def accepted():
            answer = await admin.client.resume_flow_run(suspended.id, run_input={"approved": False})
            return "ACCEPT" == answer.status.value

        await admin.until(accepted, "Prefect does not resume it")
        await work.is_("done")

    wait = await wait_of(admin, work)
    assert ("REJECT", "ACCEPT") == (refused.status.value, bad.status.value)
    assert ["first", "approved: False"] == work.written
    assert ("a person in the Prefect UI", "Prefect UI") == (wait["answered_by"], wait["answered_way"])


async def _suspended(admin, work, number):
    return number == (await state_names(admin, work)).count("Suspended")


async def test_an_answer_that_may_be_empty_is_given_by_resuming_the_run(admin):
    work = await admin.dispatch("wishing")
    async with admin.engine():
        await work.is_("held")
        await admin.client.resume_flow_run((await work.row())["flow_run_id"], run_input={})
        await work.is_("done")

    assert ["wish: none"] == work.written


@pytest.mark.parametrize(("empty", "run_input"), [(False, {"approved": False}), (True, {})])
async def test_an_answer_in_the_prefect_ui_is_none_to_what_is_asked_again(admin, empty, run_input):
    work = await admin.dispatch("fickle", empty=empty)
    async with admin.engine():
        await work.is_("held")
        await admin.client.resume_flow_run((await work.row())["flow_run_id"], run_input=run_input)
        await work.is_("failed")
        wait = await wait_of(admin, work)
        await store.reopen(admin.database, wait["id"], actor="ann", reason="a mistake")
        work.open("fixed")
        await work.act(commands.replay)
        await work.is_("held")
        await store.answer(
            admin.database, wait["id"], Answer({"approved": True} if not empty else {}, "anna", "link")
        )
        await work.is_("done")

    assert ("answered", "link") == ((stored := await wait_of(admin, work))["state"], stored["answered_way"])
    assert 2 == (await state_names(admin, work)).count("Suspended")


async def test_who_does_not_answer_fails_the_run_by_name_and_a_replay_asks_again(admin, anna):
    work = await admin.dispatch("asking", seconds=4)
    async with admin.engine():
        failed = await work.is_("failed")
        await work.act(commands.replay)
        await admin.until(lambda: 2 == len(anna), "nobody is asked again")
        await work.is_("failed")

    assert "TimedOut" in failed["reason"]
    assert "from anna" in failed["reason"]


async def test_another_person_is_asked_and_at_last_an_answer_holds(admin, anna):
    work = await admin.dispatch("asking", who="ben", seconds=4, otherwise=["anna"], default=True)
    async with admin.engine():
        await admin.until(lambda: anna, "nobody else is asked")
        await work.is_("done")

    wait = await wait_of(admin, work)
    assert ["first", "approved: False"] == work.written
    assert (["ben", "anna"], "default") == (wait["people"], wait["answered_way"])


async def test_who_cannot_be_asked_is_an_issue_that_closes_with_the_answer(admin):
    work = await admin.dispatch("asking", who="nobody-at-all")
    async with admin.engine():
        await work.is_("held")

        async def issue():
            return await admin.database.fetchrow(
                "SELECT * FROM issues WHERE kind = 'question' ORDER BY id DESC"
            )

        opened = await admin.until(issue, "nobody is told")
        wait = await wait_of(admin, work)
        await store.answer(admin.database, wait["id"], Answer({"approved": True}, "ann", "shell"))
        await work.is_("done")

        async def closed():
            return (await issue())["closed_at"]

        await admin.until(closed, "the issue stays open")

    assert "nobody-at-all could not be asked: HOOKLINE_PERSON_NOBODY_AT_ALL is not set" == opened["title"]
    assert str(wait["id"]) in opened["advice"]


async def test_an_answer_that_the_flows_own_check_refuses_is_asked_again(admin):
    work = await admin.dispatch("asking")
    async with admin.engine():
        await work.is_("held")
        wait = await wait_of(admin, work)
        await store.answer(
            admin.database, wait["id"], Answer({"approved": True, "comment": "bad"}, "anna", "link")
        )
        await admin.until(lambda: _suspended(admin, work, 2), "it is not asked again")
        again = await work.is_("held")
        await store.answer(admin.database, wait["id"], Answer({"approved": True}, "anna", "link"))
        await work.is_("done")

    assert "the answer cannot be used: comment: Value error, say it in other words" in again["reason"]
    assert ["first", "approved: True"] == work.written


async def test_an_answer_about_a_business_holds_in_each_of_its_runs(admin):
    order = uuid4().hex
    works = [await admin.dispatch("business", order=order) for _ in range(2)]
    async with admin.engine():
        for work in works:
            await work.is_("held")
        [row] = await admin.database.fetch("SELECT id FROM waits")
        await store.answer(admin.database, row["id"], Answer({"approved": True}, "anna", "page"))
        for work in works:
            await work.is_("done")
        later = await admin.dispatch("business", order=order)
        await later.is_("done")

    assert [["approved: True"]] * 3 == [work.written for work in (*works, later)]
    assert "Suspended" not in await state_names(admin, later)


async def test_an_engine_that_is_killed_while_it_asks_asks_once_more_at_most_and_loses_nothing(
    admin, anna, repository
):
    work = await admin.dispatch("asking")
    (crash_file := admin.folder / "crash").write_text("run suspended")
    with (
        (admin.folder / "engine.log").open("wb") as log,
        admin.engine_process(repository, log, HOOKLINE_CRASH_FILE=str(crash_file)) as engine,
    ):
        await admin.until(lambda: engine.poll() is not None, "it does not come so far")
    async with admin.engine():
        await work.is_("held")
        resumed = await work.flow_run()

        async def accepted():
            answer = await admin.client.resume_flow_run(resumed.id, run_input={"approved": True})
            return "ACCEPT" == answer.status.value

        await admin.until(accepted, "the form is missing in Prefect")
        await work.is_("done")

    assert (-9, ["first", "approved: True"]) == (engine.returncode, work.written)
    assert len(anna) <= 2
    assert os.environ["HOOKLINE_PERSON_ANNA"] not in (admin.folder / "engine.log").read_text()
