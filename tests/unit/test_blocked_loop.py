"""A blocked event loop is noticed while it is blocked, and said once."""

import asyncio
import logging
import time

from hookline.engine.loop_watchdog import guard_loop

PATIENCE = 0.2


def said(caplog, level):
    return [record.getMessage() for record in caplog.records if record.levelno == level]


async def a_flow_that_hogs_the_loop():
    time.sleep(5 * PATIENCE)  # noqa: ASYNC251


async def test_a_blocked_loop_is_told_once_with_what_is_in_hand_and_where_it_is_stuck(caplog):
    with guard_loop(lambda: "dispatch 4711", PATIENCE, 60):
        await asyncio.sleep(PATIENCE)
        await a_flow_that_hogs_the_loop()
        at_once = said(caplog, logging.ERROR)
        await asyncio.sleep(3 * PATIENCE)

    [told] = at_once
    assert "in hand: dispatch 4711" in told
    assert "in a_flow_that_hogs_the_loop" in told
    assert at_once == said(caplog, logging.ERROR)
    assert any("goes on, after" in message for message in said(caplog, logging.WARNING))


async def test_a_loop_that_only_waits_is_not_blocked(caplog):
    with guard_loop(lambda: "", PATIENCE, 60):
        await asyncio.sleep(5 * PATIENCE)

    assert [] == said(caplog, logging.ERROR)
