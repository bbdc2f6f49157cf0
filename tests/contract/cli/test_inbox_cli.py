"""`hookline inbox …` on a real PostgreSQL; in this process, but where a process adds something."""

import asyncio
import base64
import json
import os
import signal
import sys
from dataclasses import dataclass
from uuid import UUID

import pytest
from cyclopts import CycloptsError
from rows import bring

from hookline.cli import app
from hookline.database.connection import connect
from hookline.errors import HooklineError
from hookline.health.servers import check_open_work
from hookline.inbox import commands, deliveries, dispatches, refusals
from hookline.inbox.refusals import Refusal
from hookline.runtime import person
from hookline.settings import settings
from hookline.text import visible

HOOKS = """
sources:
  jiwa: {preset: jiwa}
  shop: {preset: jiwa}
routes:
  orders: {source: jiwa, deployment: order-to-license/default}
  copies: {source: jiwa, deployment: order-to-license/default}
  sales: {source: shop, deployment: order-to-license/default}
"""


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture(autouse=True)
def environment(own_environment, database_settings, tmp_path):
    """That of somebody who types on the machine of this PostgreSQL."""
    (tmp_path / "hooks.yaml").write_text(HOOKS)
    own_environment.setenv("HOOKLINE_HOME", str(database_settings.home))
    own_environment.setenv("HOOKLINE_HOOKS", str(tmp_path / "hooks.yaml"))
    return own_environment


@pytest.fixture
def hookline(database, capsys):
    """Runs `hookline inbox …`, or another command, in a thread, for it has an event loop of its own."""

    def call(words):
        try:
            app(words, exit_on_error=False, print_error=False, result_action="return_value")
        except CycloptsError as error:
            return 2, str(error)
        except HooklineError as error:
            return error.exit_code, str(error)
        return 0, ""

    async def run(*words, group="inbox"):
        settings.cache_clear()
        code, told = await asyncio.to_thread(call, [group, *map(str, words)])
        written = capsys.readouterr()
        return Ended(code, written.out, written.err + told)

    return run


@pytest.fixture
def put(database):
    """A delivery, with a dispatch in this state where one is asked for; its id as text."""
    number = iter(range(1_000_000))

    async def put(
        state="received", *, source="jiwa", dispatch=None, body=b'{"n": 1.10}', key=None, **columns
    ):
        receipt = await deliveries.accept(
            database,
            deliveries.Arrival(
                source=source,
                external_id=f"evt_{next(number)}",
                method="POST",
                query={"page": "2"},
                headers={"content-type": "application/json"},
                content_type="application/json",
                body=body,
            ),
        )
        if dispatch is not None:
            async with database.acquire() as connection:
                await dispatches.add_all(
                    connection,
                    [
                        dispatches.NewDispatch(
                            receipt.id,
                            route="orders",
                            deployment="order-to-license/default",
                            parameters={},
                            key=key,
                        )
                    ],
                )
            await bring(database, "dispatches", dispatch, "delivery_id = $1", receipt.id)
            await database.execute(
                "UPDATE dispatches SET flow_run_id = gen_random_uuid() WHERE delivery_id = $1", receipt.id
            )
        elif state != "received":
            await bring(database, "deliveries", state, "id = $1", receipt.id)
        for column, value in columns.items():
            await database.execute(f"UPDATE deliveries SET {column} = $2 WHERE id = $1", receipt.id, value)
        return str(receipt.id)

    return put


async def states(database):
    return [row["state"] for row in await database.fetch("SELECT state FROM deliveries ORDER BY seq")]


# Finding ----------------------------------------------------------------------------------------------------


async def test_a_list_has_what_the_filter_wants_the_latest_first(hookline, put, database):
    first, second = await put(dispatch="failed"), await put(dispatch="failed")
    await put(dispatch="done")
    await put("unrouted", source="shop")
    await database.execute(
        "UPDATE deliveries SET received_at = now() - interval '3 days' WHERE id = $1", first
    )

    listed = {
        words: [row["id"] for row in (await hookline("list", *words, "--json")).json]
        for words in (
            ("--state", "failed"),
            ("--source", "jiwa", "--state", "failed", "--since", "2h"),
            ("--until", "2d"),
            ("--key", "evt_1"),
            ("--state", "failed", "--limit", "1"),
        )
    }

    assert [[second, first], [second], [first], [second], [second]] == list(listed.values())


async def test_a_list_for_machines_has_the_request_and_the_dispatches(hookline, put):
    await put(dispatch="done", key="jiwa order 5244dd")

    [row] = (await hookline("list", "--json")).json

    assert ({"n": 1.1}, {"page": "2"}, {"content-type": "application/json"}) == (
        row["body"],
        row["query"],
        row["headers"],
    )
    assert [("orders", "done", "jiwa order 5244dd")] == [
        (each["route"], each["state"], each["key"]) for each in row["dispatches"]
    ]


async def test_a_list_says_that_there_is_more_and_what_is_paused(hookline, put):
    await put()
    await put()
    await hookline("pause", "shop", "--reason", "moving house")

    listed = await hookline("list", "--limit", "1")
    machine = await hookline("list", "--limit", "1", "--json")

    for told in (listed.out, machine.err):
        assert "There are more than these 1" in told
        assert "shop is paused since" in told
        assert "moving house" in told
    assert 1 == len(machine.json)


async def test_a_search_for_a_text_says_how_far_it_looked_and_goes_on_from_there(
    hookline, put, database, monkeypatch
):
    monkeypatch.setattr("hookline.inbox.search.WINDOW", 3)
    for number in range(5):
        await put(body=b"needle" if number == 0 else b"hay")
    await database.execute("UPDATE deliveries SET received_at = now() - (10 - seq) * interval '1 minute'")

    latest = await hookline("list", "--text", "needle")
    *_, until = latest.out.split()
    further = await hookline("list", "--text", "needle", "--until", until, "--json")

    assert "nothing found" in latest.out
    assert "searched in the latest 3 deliveries" in latest.out
    assert ["evt_0"] == [row["external_id"] for row in further.json]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--since", "yesterday"], "--since 'yesterday' is not a time"),
        (["--until", "99999999w"], "--until '99999999w' is not a time"),
        (["--since", "1h", "--until", "2h"], "--since 1h is not before --until 2h"),
        (["--state", "lost"], "there is no state 'lost'; there are: received, held"),
        (["--limit", "0"], "--limit"),
        (["--key", "\udcff"], "PostgreSQL cannot read an option"),
    ],
)
async def test_what_cannot_be_meant_is_told_and_is_wrong_input(hookline, words, told):
    ended = await hookline("list", *words)

    assert 2 == ended.code
    assert told in ended.err


# One delivery -----------------------------------------------------------------------------------------------


async def test_one_delivery_is_shown_with_request_flow_run_effects_and_trail(hookline, put, database):
    number = await put(dispatch="failed", key="jiwa order 5244dd", duplicates=2)
    await database.execute("UPDATE deliveries SET duplicate_at = now()")
    dispatch, run = await database.fetchrow("SELECT id, flow_run_id FROM dispatches")
    await database.execute(
        """
        INSERT INTO effects (workflow, key, step, label, operation, state, digest, request, reference, dispatch_id)
        VALUES ('order-to-license', '5244dd', 'license', 'order 100123', 'zentitle.create', 'done', '', '{}',
                '{LIC-1,LIC-2}', $1)
        """,
        dispatch,
    )

    shown = await hookline("show", number[:9])
    row = (await hookline("show", number, "--json")).json
    run_page = f"{settings().prefect_ui_url}/runs/flow-run/{run}"

    for told in (
        "POST /hooks/jiwa?page=2",
        '  "n": 1.10',
        run_page,
        "LIC-1, LIC-2",
        "order 100123",
        "2, the last at",
    ):
        assert told in shown.out
    became = ["received", "dispatched", "failed"]
    was = [None, None, "dispatched"]
    assert (became, was) == tuple([change[name] for change in row["trail"]] for name in ("became", "was"))
    assert [["LIC-1", "LIC-2"]] == [effect["reference"] for effect in row["effects"]]
    assert run_page == row["dispatches"][0]["flow_run_url"]


@pytest.mark.parametrize("evil", ["\x1b[2J\u202e[red]", r"ord\[/]er", r"\[link=https://evil.example]here"])
async def test_nothing_that_a_stranger_sent_acts_on_the_terminal(hookline, put, evil):
    number = await put("rejected", body=evil.encode(), reason=evil, headers={"x-evil": evil})
    await put("received", dispatch="failed", key=evil)

    for words in (("show", number), ("list",)):
        out = (await hookline(*words)).out
        assert visible(evil) in out
        assert "\x1b" not in out


async def test_a_body_that_is_no_text_is_shown_in_numbers_and_one_that_is_gone_is_named(
    hookline, put, database
):
    binary = await put(body=b"\xff\x00\x01", content_type="application/octet-stream")
    gone = await put("done")
    await database.execute("UPDATE deliveries SET body = NULL, altered = '{removed}' WHERE id = $1", gone)

    assert "ff 00 01" in (await hookline("show", binary)).out
    assert "the body is no longer stored" in (await hookline("show", gone)).out


async def test_a_delivery_that_is_not_there_is_named(hookline, put):
    await put()

    ended = await hookline("show", "nonsense")

    assert (1, True) == (ended.code, "There is no delivery nonsense" in ended.err)


# Replay and discard -----------------------------------------------------------------------------------------


async def test_a_replay_by_id_acts_at_once_and_stands_in_the_trail_with_who_and_why(hookline, put, database):
    number = await put(dispatch="failed")

    ended = await hookline("replay", number[:9], "--reason", "fixed")

    [change] = await database.fetch("SELECT became, actor, reason FROM changes ORDER BY id DESC LIMIT 1")
    assert (0, ("dispatched", person(), "fixed")) == (ended.code, tuple(change))
    assert "1 delivery replayed.\nWhat is done at the vendors is not repeated." in ended.out


async def test_a_replay_by_filter_leaves_alone_what_waits_or_runs_and_says_so(hookline, put, database):
    for state in ("failed", "running", "done", "uncertain"):
        await put(dispatch=state)
    await put("rejected", source="shop")

    ended = await hookline("replay", "--source", "jiwa", "--yes")

    assert ["dispatched", "running", "dispatched", "dispatched", "rejected"] == await states(database)
    assert "3 deliveries replayed. Left alone: 1 (waits or runs)." in ended.out


async def test_a_dry_run_says_what_would_be_done_by_state_and_source_and_changes_nothing(
    hookline, put, database
):
    for state in ("failed", "failed", "running"):
        await put(dispatch=state)
    await put("rejected", source="shop")
    before = (
        await database.fetch("SELECT * FROM deliveries ORDER BY seq"),
        await database.fetch("SELECT * FROM changes"),
    )

    failed, runs, rejected = ["jiwa", "failed", "2"], ["jiwa", "running", "1"], ["shop", "rejected", "1"]
    for verb, expected, told in (
        ("replay", [failed, rejected, runs], "3 deliveries would be replayed"),
        ("discard", [failed, runs, rejected], "4 deliveries would be discarded"),
    ):
        ended = await hookline(
            verb, "--since", "1h", "--dry-run", *(["--reason", "test"] * (verb == "discard"))
        )
        rows = [line.split()[:3] for line in ended.out.splitlines()[1:4]]
        assert expected == rows
        assert f"{told}; nothing was changed." in ended.out

    after = (
        await database.fetch("SELECT * FROM deliveries ORDER BY seq"),
        await database.fetch("SELECT * FROM changes"),
    )
    assert before == after


async def test_what_a_filter_finds_is_not_touched_where_nobody_can_be_asked(hookline, put, database):
    await put(dispatch="failed")

    ended = await hookline("replay", "--state", "failed")

    assert (2, ["failed"]) == (ended.code, await states(database))
    assert "add --yes" in ended.err


@pytest.mark.parametrize(
    ("answer", "code", "state"), [("y", 0, "dispatched"), ("n", 1, "failed"), (None, 1, "failed")]
)
async def test_what_a_filter_finds_is_asked_about_at_a_terminal(
    hookline, put, database, monkeypatch, answer, code, state
):
    await put(dispatch="failed")
    asked = []

    def type_it(prompt=""):
        asked.append(prompt)
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", type_it)

    ended = await hookline("replay", "--state", "failed")

    assert (code, [state], 1) == (ended.code, await states(database), len(asked))
    assert "Replay 1 delivery?" in ended.err


async def test_replays_are_made_in_order_of_arrival(hookline, put, database):
    ids = [await put(dispatch="failed") for _ in range(3)]

    await hookline("replay", ids[2], ids[0], ids[1])

    order = await database.fetch("SELECT delivery_id FROM changes WHERE reason = 'replayed' ORDER BY id")
    assert ids == [str(row["delivery_id"]) for row in order]


async def test_a_replay_to_one_route_is_of_the_deliveries_of_its_source(hookline, put, database):
    ours = await put(dispatch="done")
    theirs = await put("unrouted", source="shop")

    ended = await hookline("replay", ours, "--route", "copies")
    other = await hookline("replay", theirs, "--route", "copies")
    filtered = await hookline("replay", "--source", "shop", "--route", "copies", "--yes")
    of_its_source = await hookline("replay", "--state", "unrouted", "--route", "copies", "--yes")
    unknown = await hookline("replay", ours, "--route", "nothing")

    row = await database.fetchrow("SELECT state, only_route FROM deliveries WHERE id = $1", ours)
    assert (0, ("received", "copies")) == (ended.code, tuple(row))
    assert [2, 2, 2] == [each.code for each in (other, filtered, unknown)]
    assert (0, "0 deliveries replayed.\n") == (of_its_source.code, of_its_source.out)
    assert "is of shop; the route is for deliveries of jiwa" in other.err
    assert "There are: orders, copies, sales" in unknown.err
    assert ["received", "unrouted"] == await states(database)


async def test_a_replay_that_does_nothing_is_an_error_where_it_was_named(hookline, put):
    number = await put(dispatch="running")

    named, found = await hookline("replay", number), await hookline("replay", "--state", "running", "--yes")

    assert [(1, ""), (0, "0 deliveries replayed. Left alone: 1 (waits or runs).\n")] == [
        (named.code, named.out),
        (found.code, found.out),
    ]
    assert "Left alone: 1 (waits or runs)." in named.err


async def test_a_replay_of_a_paused_source_says_that_it_waits(hookline, put):
    number = await put(dispatch="failed")
    await hookline("pause", "jiwa", "--reason", "upgrade")

    assert "jiwa is paused since" in (await hookline("replay", number)).out


async def test_a_discard_needs_a_reason_and_keeps_it(hookline, put, database):
    number = await put(dispatch="failed")

    without, empty = await hookline("discard", number), await hookline("discard", number, "--reason", " ")
    unasked = await hookline("discard", number, "--reason", "test order")
    ended = await hookline("discard", number, "--reason", "test order", "--yes")

    row = await database.fetchrow("SELECT state, reason FROM deliveries")
    codes = [each.code for each in (without, empty, unasked, ended)]
    assert ([2, 2, 2, 0], ("discarded", "test order")) == (codes, tuple(row))
    assert "no terminal to ask" in unasked.err
    assert "1 delivery discarded." in ended.out


@pytest.mark.parametrize("verb", ["replay", "discard"])
async def test_ids_or_a_filter_must_be_given_and_not_both(hookline, put, database, verb):
    number = await put(dispatch="failed")
    reason = ["--reason", "test"]

    ended = [
        await hookline(verb, *words, *reason, "--yes")
        for words in ([], [number, "--state", "failed"], [number, "--limit", "1"], ["--limit", "1"])
    ]

    assert ([2] * 4, ["failed"]) == ([each.code for each in ended], await states(database))


# Pause and resume -------------------------------------------------------------------------------------------


async def test_a_pause_holds_and_a_resume_lets_go_and_both_say_how_many(hookline, put, database):
    await put()
    paused = await hookline("pause", "jiwa", "--reason", "upgrade")
    await put()
    held = await states(database)

    resumed = await hookline("resume", "jiwa")

    assert "Its waiting deliveries: 1" in paused.out
    assert "Deliveries that waited: 2" in resumed.out
    assert (["held", "held"], ["received", "received"]) == (held, await states(database))


async def test_a_source_that_hooks_yaml_does_not_name_is_refused_with_those_that_it_does(hookline):
    for words in (("pause", "jwia", "--reason", "typo"), ("resume", "jwia")):
        ended = await hookline(*words)
        assert (2, True) == (ended.code, "no source 'jwia'. There are: jiwa, shop." in ended.err)


async def test_a_source_that_was_taken_out_of_hooks_yaml_can_still_be_resumed(hookline, database):
    async with database.acquire() as connection:
        await commands.pause(connection, "gone", actor="ann", reason="moved")

    assert 0 == (await hookline("resume", "gone")).code


async def test_what_is_paused_or_not_paused_already_says_so(hookline):
    await hookline("pause", "jiwa", "--reason", "first")

    again = await hookline("pause", "jiwa", "--reason", "second")
    await hookline("resume", "jiwa")
    not_paused = await hookline("resume", "jiwa")

    assert [(1, True), (1, True)] == [
        (again.code, f"by {person()}: first" in again.err),
        (not_paused.code, "jiwa is not paused" in not_paused.err),
    ]


# Commands beside it ------------------------------------------------------------------------------------------


async def test_the_doctor_says_what_waits_for_a_person_and_what_is_paused(
    hookline, put, database, database_settings
):
    for state in ("failed", "held", "running", "done"):
        await put(dispatch=state)
    await put("rejected")
    await hookline("pause", "shop", "--reason", "upgrade")
    await put("held", source="shop")
    connection = await connect(database_settings)

    finding = await check_open_work(connection)
    await connection.close()

    assert (
        "deliveries failed: 1, deliveries held: 1, deliveries rejected: 1, shop is paused" == finding.detail
    )
    assert finding.advice.endswith("hookline inbox list --state rejected; hookline inbox resume shop")


async def test_who_settles_an_effect_stands_in_the_trail(put, database, hookline):
    await put(dispatch="uncertain")
    await database.execute(
        """
        INSERT INTO effects (workflow, key, step, label, operation, state, digest, request, dispatch_id)
        SELECT 'order-to-license', '5244dd', 'mail', 'order 100123', 'v.o', 'uncertain', '', '{}', id FROM dispatches
        """
    )
    await database.execute("UPDATE dispatches SET waits_for = 1")

    refused = await hookline("resolve", "1", "--happened", group="effects")
    unchanged = await database.fetchval("SELECT state FROM effects")
    ended = await hookline("resolve", "1", "--happened", "--yes", group="effects")

    assert ("uncertain", True) == (unchanged, "Without a terminal, add --yes" in refused.err)
    assert "It happened: mail of order 100123?" in refused.err
    assert "Its run goes on after 30 seconds; until then you can take it back." in refused.err
    changes = await database.fetch("SELECT subject, became, actor FROM changes ORDER BY id DESC LIMIT 2")
    assert (0, [("dispatch", "dispatched", person()), ("effect", "done", person())]) == (
        ended.code,
        [tuple(row) for row in changes],
    )


async def test_what_was_said_of_an_effect_is_taken_back_once(put, database, hookline):
    await put(dispatch="uncertain")
    await database.execute(
        """
        INSERT INTO effects (workflow, key, step, label, operation, state, digest, request, dispatch_id)
        SELECT 'order-to-license', '5244dd', 'mail', 'order 100123', 'v.o', 'uncertain', '', '{}', id FROM dispatches
        """
    )
    await database.execute("UPDATE dispatches SET waits_for = 1")
    await hookline("resolve", "1", "--send-again", "--yes", group="effects")

    taken = await hookline("take-back", "1", group="effects")
    again = await hookline("take-back", "1", group="effects")

    assert (0, 1) == (taken.code, again.code)
    assert "Taken back for mail of order 100123: it is to be sent again." in taken.out
    assert "no decision about it can be taken back" in again.err
    assert "uncertain" == await database.fetchval("SELECT state FROM dispatches")


async def test_what_a_person_did_by_hand_is_noted_after_a_dry_run(put, database, hookline):
    await put(dispatch="failed")
    await database.execute(
        """
        INSERT INTO effects (workflow, key, step, label, operation, state, digest, request, needs, dispatch_id)
        SELECT 'order-to-license', '5244dd', 'customer', 'order 100123', 'jiwa.create_debtor', 'failed', '', '{}',
               '{"DebtorID": "text"}', id FROM dispatches
        """
    )
    say = ("resolve", "1", "--by-hand", "--answer", "DebtorID=x")

    would = await hookline(*say, "--dry-run", group="effects")
    before = await database.fetchval("SELECT state FROM effects")
    noted = await hookline(*say, "--answer", "AccountNo=7", "--yes", group="effects")

    answer = await database.fetchval("SELECT answer FROM effects")
    states = await database.fetchval(
        "SELECT array_agg(state) FROM (SELECT state FROM effects UNION ALL SELECT state FROM dispatches)"
    )
    assert (0, "failed", 0, ["done", "dispatched"]) == (would.code, before, noted.code, states)
    said, done = [ended.out.partition(" goes on at ")[0] for ended in (would, noted)]
    assert said == f"Nothing is noted yet. {done}"
    assert {"DebtorID": "x", "AccountNo": "7"} == answer


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ((), "one of --happened, --by-hand and --send-again"),
        (("--by-hand", "--happened"), "one of --happened, --by-hand and --send-again"),
        (("--happened", "--dry-run"), "go with --by-hand"),
        (("--by-hand", "--answer", "DebtorID"), "is not NAME=VALUE"),
        (("--by-hand", "--answer", "AccountNo=7"), "DebtorID is needed"),
        (("--by-hand", "--answer", "DebtorID=x", "--answer", "CreditLimit=much"), "CreditLimit: "),
        (("--by-hand",), "later steps need of it: DebtorID"),
    ],
    ids=" ".join,
)
async def test_what_is_said_of_an_effect_must_fit_it(put, database, hookline, options, complaint):
    await put(dispatch="failed")
    await database.execute(
        """
        INSERT INTO effects (workflow, key, step, label, operation, state, digest, request, needs, dispatch_id)
        SELECT 'order-to-license', '5244dd', 'customer', 'order 100123', 'jiwa.create_debtor', 'failed', '', '{}',
               '{"DebtorID": "text"}', id FROM dispatches
        """
    )

    ended = await hookline("resolve", "1", *options, group="effects")

    assert ended.code
    assert complaint in " ".join(ended.err.split())
    assert "failed" == await database.fetchval("SELECT state FROM effects")


async def test_a_trace_has_the_state_of_a_delivery_that_no_route_took(put, hookline):
    await put("rejected", reason="does not fit")

    assert "rejected  does not fit" in (await hookline("evt_0", group="trace")).out


async def test_a_trace_of_what_a_backlog_s_run_carried_tells_of_nothing_else_that_it_carried(
    put, database, hookline
):
    mine = await put(dispatch="done", key="jiwa order 5244dd")
    other = await put(dispatch="done", key="jiwa order 9a9a9a")
    await database.execute(
        "UPDATE dispatches SET flow_run_id = (SELECT min(flow_run_id::text)::uuid FROM dispatches)"
    )
    await database.execute(
        """
        INSERT INTO effects (workflow, key, step, label, operation, state, digest, request, dispatch_id)
        SELECT 'order-to-license', 'business' || seq, 'mail', 'order ' || seq, 'v.o', 'done', '', '{}', id
        FROM dispatches
        """
    )

    said = [(await hookline(key, group="trace")).out for key in ("5244dd", "business1")]

    assert [(True, False, 1)] * 2 == [(mine in out, other in out, out.count("done mail")) for out in said]


# Stats, export, tail ----------------------------------------------------------------------------------------


async def test_stats_count_by_source_and_state(hookline, put):
    await put(duplicates=3)
    await put(dispatch="failed")
    await put("rejected", source="shop")
    await hookline("pause", "shop", "--reason", "upgrade")

    jiwa, shop = (await hookline("stats", "--json")).json
    table = (await hookline("stats")).out

    assert ({"received": 1, "failed": 1}, 3, None) == (jiwa["states"], jiwa["duplicates"], jiwa["paused"])
    assert ({"rejected": 1}, "upgrade") == (shop["states"], shop["paused"]["reason"])
    assert ["source", "received", "failed", "rejected"] == table.split()[:4]
    assert "shop is paused since" in table


async def test_an_export_is_whole_and_exact_and_in_order(hookline, put, tmp_path, monkeypatch):
    monkeypatch.setattr("hookline.cli.inbox.export.BATCH", 2)
    monkeypatch.setattr("hookline.inbox.search.BATCH", 3)
    text, binary = '{"n": 1.10,\r\n "naïve": "\\u00e9"}\n', bytes(range(256))
    for body in (text.encode(), binary, b"", *[b"x"] * 5):
        await put(dispatch="done", body=body)
    file = tmp_path / "inbox.jsonl"

    to_file, to_stdout = await hookline("export", "--output", file), await hookline("export", "--limit", "3")

    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [f"evt_{number}" for number in range(8)] == [row["external_id"] for row in rows]
    assert (text, binary, "") == (rows[0]["body"], base64.b64decode(rows[1]["body"]), rows[2]["body"])
    assert ["utf-8", "base64"] == [row["body_encoding"] for row in rows[:2]]
    assert [["done"]] * 8 == [[each["state"] for each in row["dispatches"]] for row in rows]
    assert (0o600, rows[:3]) == (file.stat().st_mode & 0o777, to_stdout.lines)
    assert "8 deliveries in" in to_file.err


@pytest.mark.parametrize(
    ("place", "told"), [("nowhere/x", "No such file or directory"), ("/dev/full", "No space left on device")]
)
async def test_an_export_that_cannot_be_written_says_where_and_why(hookline, put, tmp_path, place, told):
    await put()

    ended = await hookline("export", "--output", tmp_path / place)

    assert (1, True) == (ended.code, f"Cannot write {tmp_path / place}: {told}" in ended.err)


async def test_a_database_that_is_away_is_told_with_what_to_do(hookline, environment, tmp_path):
    environment.setenv("HOOKLINE_HOME", str(tmp_path / "nothing"))

    ended = await hookline("stats")

    assert (1, True) == (ended.code, "Start it with `hookline up`" in ended.err)


async def test_a_tail_follows_what_is_wanted_and_ends_well_on_ctrl_c(put, database, database_settings):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hookline", "inbox", "tail", "--source", "jiwa", "--json"),
        # Tests that a script began behind its back have it ignored, and so would what they begin.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        env=os.environ | {"HOOKLINE_HOME": str(database_settings.home)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await _listened_to(database, process)
    await put(source="shop")
    number = await put(dispatch="failed")
    async with database.acquire() as connection:
        await commands.discard(connection, [UUID(number)], actor="ann", reason="why not")

    async with asyncio.timeout(30):
        lines = [json.loads(await process.stdout.readline()) for _ in range(4)]
        process.send_signal(signal.SIGINT)
        rest, err = await process.communicate()

    assert [(number, "jiwa")] * 4 == [(line["delivery_id"], line["source"]) for line in lines]
    assert [("received", None)] + [(state, "orders") for state in ("dispatched", "failed", "discarded")] == [
        (line["became"], line["route"]) for line in lines
    ]
    assert ("ann", "why not") == (lines[-1]["actor"], lines[-1]["reason"])
    assert (0, b"", b"") == (process.returncode, rest, err)


async def _listened_to(database, process):
    """Wait until a tail listens to the inbox: it looks from before that on."""
    listening = """
        SELECT count(*) FROM pg_stat_activity
        WHERE query = 'LISTEN "hookline"' AND application_name LIKE '% ' || $1 || ' at %'
    """
    async with asyncio.timeout(60):
        while not await database.fetchval(listening, str(process.pid)):
            await asyncio.sleep(0.05)


async def test_the_sources_are_listed_with_what_was_refused_and_that_is_forgotten(
    hookline, database, environment
):
    environment.setenv("HOOKLINE_SECRET_JIWA", "a-secret-that-nobody-sees")
    now = await database.fetchval("SELECT now()")
    why = "Send application/json, not text/x-[red]odd."
    async with database.acquire() as connection:
        await refusals.add_all(connection, [Refusal("jiwa", 415, why, 3, now, now, "192.0.2.1", {"a": "b"})])

    table = await hookline(group="sources")
    listed = {row["source"]: row for row in (await hookline("--json", group="sources")).json}
    forgotten = await hookline("forget", "jiwa", group="sources")

    assert ("open", "off: it has no secret") == (listed["jiwa"]["is"], listed["shop"]["is"])
    assert [(415, 3, why)] == [
        (row["status"], row["count"], row["reason"]) for row in listed["jiwa"]["refusals"]
    ]
    assert why in table.out
    assert "192.0.2.1" in table.out
    assert "a-secret" not in table.out
    assert "1 kinds of refusals cleared" in forgotten.out
    assert {} == await refusals.by_source(database)


# A replay with a change -------------------------------------------------------------------------------------

WITH_KEY = """
sources:
  jiwa: {preset: jiwa}
routes:
  orders:
    source: jiwa
    deployment: order-to-license/default
    key: "order {{ delivery_id }}"
    parameters: {invoice_id: "{{ body.InvoiceID }}"}
"""


@pytest.fixture
def one_route(environment, tmp_path, database_settings):
    """One route, whose parameter is of the body; and what was in force in another test is none of its business."""
    (tmp_path / "one.yaml").write_text(WITH_KEY)
    environment.setenv("HOOKLINE_HOOKS", str(tmp_path / "one.yaml"))


async def copies_made(database):
    return await database.fetch("SELECT * FROM deliveries WHERE changed IS NOT NULL")


async def test_a_copy_is_seen_first_and_stored_with_who_and_why(hookline, put, database, one_route, tmp_path):
    number = await put(dispatch="done", body=b'{"InvoiceID": "A"}')
    (tmp_path / "fixed.json").write_text('{"InvoiceID": "B"}')
    words = ("replay", number, "--body", tmp_path / "fixed.json", "--reason", "wrong order")

    seen = await hookline(*words, "--dry-run")
    unasked = await hookline(*words)
    assert [] == await copies_made(database)
    made = await hookline(*words, "--yes")

    [row] = await copies_made(database)
    assert (0, 2, 0) == (seen.code, unasked.code, made.code), made.err
    assert "orders would start order-to-license/default, key order evt_0" in seen.out
    assert '"B"' in seen.out
    assert "nothing was changed" in seen.out
    assert "There is no terminal to ask for confirmation. Nothing was stored; add --yes" in unasked.err
    assert f"Delivery {row['id']} of jiwa is a copy of {number} with another body." in made.out
    assert "is not repeated, by a copy neither" in made.out
    trail = await database.fetchrow("SELECT actor, reason FROM changes WHERE became = 'copied'")
    assert (person(), f"as {row['id']} with another body: wrong order") == tuple(trail)


async def test_a_copy_is_listed_shown_traced_and_exported_as_one(
    hookline, put, database, one_route, tmp_path
):
    number = await put(dispatch="done", body=b'{"InvoiceID": "A"}')
    (tmp_path / "fixed.json").write_text('{"InvoiceID": "B"}')
    await hookline("replay", number, "--body", tmp_path / "fixed.json", "--yes")
    [row] = await copies_made(database)

    listed, machine = await hookline("list"), await hookline("list", "--json")
    shown, first = await hookline("show", row["id"]), await hookline("show", number)
    traced = await hookline(str(row["id"]), group="trace")
    exported = await hookline("export")

    assert number[:8] in listed.out.splitlines()[1]
    assert [number, None] == [each["copy_of"] for each in machine.json]
    assert f"{number}, with another body" in shown.out
    assert f"1 (hookline inbox list --key {number})" in first.out
    assert "copied" in first.out
    assert f"a copy of {number}, with another body" in traced.out
    assert [None, {"body": True, "parameters": {}, "route": None}] == [
        each["changed"] for each in exported.lines
    ]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (
            ("--parameter", "invoice_id=7"),
            1,
            "routes.orders: parameter invoice_id: Input should be a valid string",
        ),
        (("--parameter", "invoice=B"), 1, "routes.orders: parameter invoice: the flow has no such parameter"),
        (("--parameter", "nothing"), 2, "--parameter 1 is not NAME=VALUE"),
        (("--parameter", "a=1", "--parameter", "a=2"), 2, "--parameter a is there twice"),
        (("--body", "/nowhere/x"), 2, "Cannot read /nowhere/x"),
        (("--parameter", "a=1", "--route", "sales"), 2, "no route 'sales' of jiwa. There are: orders"),
        (("--parameter", "a=1", "--source", "jiwa"), 2, "are for one delivery: name it by its id"),
    ],
)
async def test_a_copy_that_does_not_fit_is_refused_and_names_the_place(
    hookline, put, database, one_route, words, code, told
):
    number = await put(dispatch="done", body=b'{"InvoiceID": "A"}')

    ended = await hookline("replay", number, *words, "--yes")

    assert (code, True) == (ended.code, told in ended.err), ended.err
    assert [] == await copies_made(database)


async def test_a_parameter_is_json_or_a_text(hookline, put, database, one_route):
    number = await put(dispatch="done", body=b'{"InvoiceID": "A"}')

    for value in ('"7"', "INV 7"):
        ended = await hookline("replay", number, "--parameter", f"invoice_id={value}", "--yes")
        assert 0 == ended.code, ended.err

    rows = await copies_made(database)
    assert ["7", "INV 7"] == sorted(row["changed"]["parameters"]["orders"]["invoice_id"] for row in rows)
    assert {b'{"InvoiceID": "A"}'} == {row["body"] for row in rows}


async def test_a_parameter_is_of_the_one_route_that_is_named_where_there_are_more(hookline, put, database):
    number = await put()

    ended = await hookline("replay", number, "--parameter", "invoice_id=B", "--yes")

    assert (2, True) == (ended.code, "name it with --route. There are: orders, copies" in ended.err), (
        ended.err
    )
