"""
The control channel between a command and a running supervisor: a file with the request, one with the response.

Both are in a folder of the home that only its owner may enter. Files work with a home of any path; a socket does
not.
"""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hookline.errors import HooklineError
from hookline.supervisor.lock import is_running

POLL_SECONDS = 0.25


def ask(home: Path, request: str, seconds: float) -> str:
    """
    Send a request to the supervisor of a home, and return its response.

    Raises:
        HooklineError: none runs, it cannot be reached or does not respond, or it reports an error.
    """
    if not is_running(home):
        raise HooklineError(
            f"No `hookline up` runs on this home: {home}. A process that was started in another way must be restarted "
            "in that way."
        )
    try:
        request_file = _write(_folder(home), {"request": request}, ".request")
    except OSError as error:
        raise HooklineError(f"Cannot write a request to {home}: {error.strerror}.") from None
    response_file = request_file.with_suffix(".answer")
    deadline = time.monotonic() + seconds
    try:
        while not response_file.exists():
            if time.monotonic() > deadline or not is_running(home):
                raise HooklineError(f"`hookline up` did not respond to {request!r}. See its log.")
            time.sleep(POLL_SECONDS)
        response = json.loads(response_file.read_text())
    finally:
        request_file.unlink(missing_ok=True)
        response_file.unlink(missing_ok=True)
    if response["failed"]:
        raise HooklineError(response["text"])
    return str(response["text"])


async def answer_requests(home: Path, handle: Callable[[str], Awaitable[str]]) -> None:
    """Handle requests until cancelled, one after another; an error of `handle` is the response."""
    folder = _folder(home)
    for stale in folder.iterdir():  # left by an earlier supervisor
        stale.unlink()
    while True:
        for request_file in sorted(folder.glob("*.request")):
            request = _read(request_file)
            request_file.unlink(missing_ok=True)
            response = await _respond(request, handle)
            with suppress(OSError):  # a full disk: the command hears nothing, and the next one is answered
                _write(folder, response, ".draft").replace(request_file.with_suffix(".answer"))
        await asyncio.sleep(POLL_SECONDS)


async def _respond(request: str, handle: Callable[[str], Awaitable[str]]) -> dict[str, Any]:
    try:
        return {"failed": False, "text": await handle(request)}
    except HooklineError as error:
        return {"failed": True, "text": str(error)}


def _read(request_file: Path) -> str:
    try:
        return str(json.loads(request_file.read_text())["request"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _write(folder: Path, value: dict[str, Any], suffix: str) -> Path:
    """Write a file atomically."""
    file, draft = tempfile.mkstemp(dir=folder)  # made with mode 0600
    with os.fdopen(file, "w") as opened:
        json.dump(value, opened)
    path = Path(draft).with_suffix(suffix)
    return Path(draft).replace(path)


def _folder(home: Path) -> Path:
    folder = home / "control"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
