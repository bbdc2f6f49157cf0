"""
A question that only an engine's code answers, for a page: a process of its own does, with limits.

The gateway knows neither Prefect nor the flows: to load them takes seconds and memory, and their authors may write
anything at the top of a file.
"""

import asyncio
import os
import signal
import sys
from contextlib import suppress

TIMEOUT_SECONDS = 60
"""For one answer: its process imports Prefect and all flows."""
TURN_TIMEOUT_SECONDS = 20
"""For the questions before it."""

_turn = asyncio.Lock()


class NotAnswered(Exception):
    """A question that has no answer now; says why."""


async def answer_of(module: str, question: bytes, *, seconds: float = TIMEOUT_SECONDS) -> bytes:
    """Return what a module, run as a process, prints on standard output for a question on standard input."""
    try:
        async with asyncio.timeout(TURN_TIMEOUT_SECONDS):
            await _turn.acquire()
    except TimeoutError:
        raise NotAnswered("Others are asked just now. Try it again in a moment.") from None
    try:
        return await _run(module, question, seconds)
    finally:
        _turn.release()


async def _run(module: str, question: bytes, seconds: float) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            answer, _ = await process.communicate(question)
    except TimeoutError:
        raise NotAnswered(f"It takes longer than {seconds} seconds.") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what reads bodies has processes of its own
        await process.wait()
    return answer
