"""
How a command typed beside a supervisor asks it for something: a file with the request, and one with the answer.

Both are in a folder of the home that only its owner may enter. Files work with a home of any path, which a socket
does not.
"""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hookline.errors import HooklineError
from hookline.supervisor.lock import is_running

LOOK_SECONDS = 0.25


def ask(home: Path, request: str, seconds: float) -> str:
    """
    Ask the supervisor of a home, and wait for its answer.

    Raises:
        HooklineError: none runs, it does not answer, or its answer is that it cannot.
    """
    if not is_running(home):
        raise HooklineError(
            f"No `hookline up` runs on this home: {home}. What you started by another way, restart by that way."
        )
    question = _write(_folder(home), {"request": request}, ".request")
    answer = question.with_suffix(".answer")
    deadline = time.monotonic() + seconds
    try:
        while not answer.exists():
            if time.monotonic() > deadline or not is_running(home):
                raise HooklineError(f"`hookline up` gave no answer to {request!r}. See its log.")
            time.sleep(LOOK_SECONDS)
        told = json.loads(answer.read_text())
    finally:
        question.unlink(missing_ok=True)
        answer.unlink(missing_ok=True)
    if told["failed"]:
        raise HooklineError(told["text"])
    return str(told["text"])


async def answer_requests(home: Path, do: Callable[[str], Awaitable[str]]) -> None:
    """Answer requests until cancelled, one after another; what `do` raises is the answer."""
    folder = _folder(home)
    for left in folder.iterdir():  # asked of a supervisor that has gone
        left.unlink()
    while True:
        for question in sorted(folder.glob("*.request")):
            told = await _answer(_read(question), do)
            _write(folder, told, ".draft").replace(question.with_suffix(".answer"))
            question.unlink(missing_ok=True)
        await asyncio.sleep(LOOK_SECONDS)


async def _answer(request: str, do: Callable[[str], Awaitable[str]]) -> dict[str, Any]:
    try:
        return {"failed": False, "text": await do(request)}
    except HooklineError as error:
        return {"failed": True, "text": str(error)}


def _read(question: Path) -> str:
    try:
        return str(json.loads(question.read_text())["request"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _write(folder: Path, value: dict[str, Any], suffix: str) -> Path:
    """Write a whole file, which no reader sees half of."""
    file, draft = tempfile.mkstemp(dir=folder)  # made with mode 0600
    with os.fdopen(file, "w") as opened:
        json.dump(value, opened)
    path = Path(draft).with_suffix(suffix)
    return Path(draft).replace(path)


def _folder(home: Path) -> Path:
    folder = home / "control"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
