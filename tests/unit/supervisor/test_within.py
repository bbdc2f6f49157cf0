"""Waiting for something that is over before the one who waits looks."""

import asyncio

from hookline.supervisor.supervisor import _within


async def test_an_end_counts_though_a_successor_has_begun_before_anybody_looked():
    ended = asyncio.Event()
    waiting = asyncio.create_task(_within(30, ended))
    await asyncio.sleep(0.01)

    ended.set()
    ended.clear()  # by the start of the successor

    assert await waiting


async def test_what_does_not_come_in_time_is_not_there():
    assert not await _within(0.01, asyncio.Event())
