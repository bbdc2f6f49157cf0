"""Edits that come soon after each other are one run in Prefect, with the last of them."""

from datetime import timedelta

from hookline.inbox import commands
from hookline.inbox.debounce import Debounce

DEBOUNCE = Debounce(timedelta(seconds=1), timedelta(minutes=1))


async def test_many_edits_are_one_run_and_a_replay_of_one_of_them_is_another(admin):
    edits = [await admin.dispatch("steps", key="edited", debounce=DEBOUNCE) for _ in range(5)]
    for edit in edits:
        edit.open()
    async with admin.engine():
        done = await edits[-1].is_("done")
        replaced = [await edit.row() for edit in edits[:-1]]
        await edits[0].act(commands.replay)
        replayed = await edits[0].is_("done")

    assert ["first", "second"] == edits[-1].written == edits[0].written
    assert [("replaced", None)] * 4 == [(row["state"], row["flow_run_id"]) for row in replaced]
    assert [edit.delivery for edit in edits[1:]] == [row["replaced_by"] for row in replaced]
    assert [[], []] == [edit.written for edit in edits[1:3]]
    assert done["flow_run_id"] != replayed["flow_run_id"]


async def test_an_engine_that_begins_later_waits_for_the_rest_of_the_quiet(admin):
    edit = await admin.dispatch("steps", key="edited again", debounce=DEBOUNCE)
    edit.open()
    before = await edit.row()
    async with admin.engine():
        done = await edit.is_("done")

    assert before["not_before"] <= done["started_at"]
