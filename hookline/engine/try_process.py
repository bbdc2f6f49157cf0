"""
A process that tries one body for the page: `python -m hookline.engine.try_process`.

The gateway knows neither Prefect nor the flows, and what it is asked here may come from a person's clipboard. So it
starts this process, with limits, writes the question to its standard input, and reads the result from its output.
Nothing of either touches a disk.
"""

import asyncio
import base64
import json
import os
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml

from hookline import runtime
from hookline.database import pool
from hookline.database.connection import close_pool
from hookline.engine.trying import (
    Files,
    Request,
    changed_files,
    files_in_force,
    try_deliveries,
    try_request,
)
from hookline.errors import ConfigurationError, HooklineError
from hookline.inbox.tries import Result
from hookline.settings import Settings
from hookline.text import one_line

MEGABYTES = 2_048
"""Of memory, flows and all: some flows import large libraries."""
MB = 1_048_576
PASTED = "the pasted hooks.yaml"


def main() -> None:
    """Answer the question on standard input: print the record of a result, or a `message` for people."""
    answering = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a flow's file prints
    resource.setrlimit(resource.RLIMIT_DATA, (MEGABYTES * MB, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    question = json.load(sys.stdin)
    try:
        answer = asyncio.run(_answer(question)).record()
    except HooklineError as error:
        answer = {"message": str(error)}
    json.dump(answer, answering, default=str)
    answering.close()


async def _answer(question: Mapping[str, Any]) -> Result:
    settings = runtime.bootstrap()
    files = files_in_force(settings)
    changed = _changed(settings, files, question["hooks"])
    database = await pool(settings)
    try:
        if question["delivery"]:
            return await try_deliveries(settings, database, [UUID(question["delivery"])], files, changed)
        body = base64.b64decode(question["body"])
        request = Request(question["source"], body, question["headers"])
        return await try_request(settings, database, request, files, changed)
    finally:
        await close_pool()


def _changed(settings: Settings, files: Files, text: str | None) -> Files | None:
    if not text:
        return None
    _require_own_files(text, settings.hooks.parent)
    return changed_files(files, settings.hooks.with_name(PASTED), text)


def _require_own_files(text: str, folder: Path) -> None:
    """
    Check that a pasted text refers to no file outside of the folder of `hooks.yaml`, for messages quote from it.

    Raises:
        ConfigurationError: it does; names the place.
    """
    content: Any = None
    with suppress(yaml.YAMLError, ValueError, RecursionError):  # which is reported when it is read
        content = yaml.safe_load(text)
    sources = content.get("sources") if isinstance(content, dict) else None
    for name, source in sources.items() if isinstance(sources, dict) else ():
        for field in ("schema", "jwks"):
            path = source.get(field) if isinstance(source, dict) else None
            if not isinstance(path, str) or "://" in path:
                continue
            if not (folder / path).resolve().is_relative_to(folder.resolve()):
                raise ConfigurationError(
                    f"sources.{one_line(name)}.{field}: {one_line(path, 100)} is outside of {folder}; a pasted text "
                    "may only name files below it"
                )


if __name__ == "__main__":
    main()
