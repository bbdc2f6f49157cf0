"""A blocked event loop is noticed while it is blocked, and logged once."""

import asyncio
import logging
import time

from hookline.engine.loop_watchdog import guard_loop

WARN_SECONDS = 0.2


def logged(caplog, level):
    return [record.getMessage() for record in caplog.records if record.levelno == level]


async def a_flow_that_hogs_the_loop():
    time.sleep(5 * WARN_SECONDS)  # noqa: ASYNC251


async def test_a_blocked_loop_is_logged_once_with_what_is_claimed_and_where_it_is_blocked(caplog):
    with guard_loop(lambda: "dispatch 4711", WARN_SECONDS, 25 * WARN_SECONDS):
        await asyncio.sleep(4 * WARN_SECONDS)
        await a_flow_that_hogs_the_loop()
        at_once = logged(caplog, logging.ERROR)
        await asyncio.sleep(3 * WARN_SECONDS)

    [message] = at_once
    assert "claimed: dispatch 4711" in message
    assert "in a_flow_that_hogs_the_loop" in message
    assert at_once == logged(caplog, logging.ERROR)
    assert any("goes on, after" in each for each in logged(caplog, logging.WARNING))


async def test_a_loop_that_only_waits_is_not_blocked(caplog):
    with guard_loop(lambda: "", WARN_SECONDS, 60):
        await asyncio.sleep(5 * WARN_SECONDS)

    assert [] == logged(caplog, logging.ERROR)
