"""A loop of an engine outlives whatever one of its things raises; it is said once, and shown for as long as it lasts."""

import asyncio
import logging
from datetime import UTC

import httpx
import pytest

from hookline.database import DatabaseUnavailable
from hookline.engine import trouble
from hookline.engine.trouble import Troubles
from hookline.prefect_adapter import errors

REQUEST = httpx.Request("POST", "http://prefect/api/flow_runs/", content=b"the whole body")


def answer(status, body=None):
    response = httpx.Response(status, json=body, request=REQUEST)
    return httpx.HTTPStatusError(f"{status}: {body}", request=REQUEST, response=response)


def failing(error):
    async def do():
        raise error

    return do


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (httpx.ConnectError("refused"), True),
        (httpx.ReadTimeout("slow"), True),
        (httpx.PoolTimeout("full"), True),
        *[(answer(status), True) for status in (401, 403, 408, 425, 429, 500, 502, 503, 504)],
        *[(answer(status), False) for status in (400, 404, 405, 409, 413, 414, 415, 422)],
        (httpx.InvalidURL("no"), False),
        (ValueError("no"), False),
        (OSError("no file"), False),
    ],
)
def test_one_definition_says_whether_prefect_is_away(error, away):
    assert away == errors.is_unavailable(error)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"detail": "'7' is not of type 'integer'" + "x" * 1000}, "'7' is not of type 'integer'xx"),
        (
            {"exception_detail": [{"loc": ["body", "name"], "msg": "too long", "input": "the whole body"}]},
            "422 to POST /api/flow_runs/: body.name: too long",
        ),
        (["the whole body"], "422 to POST /api/flow_runs/"),
        (None, "422 to POST /api/flow_runs/"),
    ],
)
def test_the_message_of_an_error_of_prefect_leaves_out_what_was_sent(body, text):
    message = errors.message(answer(422, body))

    assert (True, False, True) == (text in message, "the whole body" in message, len(message) < 300)


async def test_what_is_no_outage_is_a_warning_once_for_each_kind(caplog):
    troubles = Troubles()
    for error in (ValueError("one"), ValueError("two"), KeyError("three"), KeyError("three")):
        assert "nothing" == await troubles.fenced("reconciling", failing(error), otherwise="nothing")

    assert ["reconciling fails, and is tried again: ValueError: one"] == warnings(caplog)[:1]
    assert 2 == len(warnings(caplog))
    assert "reconciling: 'three'" == troubles.now[0]


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), DatabaseUnavailable("away"), answer(503)])
async def test_a_short_outage_is_no_warning_and_a_long_one_is(caplog, monkeypatch, error):
    troubles = Troubles()
    await troubles.fenced("reconciling", failing(error), None)
    short = warnings(caplog), troubles.now
    monkeypatch.setattr(trouble, "SHORT_SECONDS", 0)
    for _ in range(3):
        await troubles.fenced("reconciling", failing(error), None)

    text, since = troubles.now
    assert ([], (None, None)) == short
    assert (1, True, UTC) == (len(warnings(caplog)), text.startswith("reconciling: "), since.tzinfo)


async def test_what_works_again_is_no_trouble(caplog):
    troubles = Troubles()

    async def work():
        return 7

    await troubles.fenced("pruning", failing(ValueError("one")), None)
    done = await troubles.fenced("pruning", work, None)

    assert (7, (None, None)) == (done, troubles.now)


async def test_a_loop_goes_on_after_any_error_and_waits_only_where_there_is_no_more():
    troubles, calls = Troubles(), []

    async def sometimes():
        calls.append(troubles.now[0])
        if len(calls) == 2:
            raise RecursionError("too deep")
        if len(calls) == 4:
            loop.cancel()
        return True

    loop = asyncio.create_task(troubles.for_ever("telling", sometimes, 0.001))
    with pytest.raises(asyncio.CancelledError):
        await loop

    assert [None, None, "telling: too deep", None] == calls


async def test_a_loop_does_not_wait_while_there_is_more():
    calls, enough = [], asyncio.Event()

    async def find_more():
        calls.append("more")
        if len(calls) == 3:
            enough.set()
        return True

    loop = asyncio.create_task(Troubles().for_ever("telling", find_more, 600))
    await asyncio.wait_for(enough.wait(), 20)
    loop.cancel()


async def test_what_fails_is_told_on_one_line_that_can_be_stored(caplog):
    troubles = Troubles()
    await troubles.fenced("pruning", failing(ValueError("a\x00b\nforged line " + "x" * 9000)), None)

    [warning] = warnings(caplog)
    assert (True, True) == (len(troubles.now[0]) <= 300, "\x00" not in troubles.now[0])
    assert ("\n" not in warning, len(warning) < 600) == (True, True)
