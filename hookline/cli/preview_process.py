"""
A process that previews a text with a real order for the page: `python -m hookline.cli.preview_process`.

The gateway knows no vendor's client and no flow. So it starts this process, writes the question to its standard input,
and reads the result from its output. Nothing is written, sent or recorded.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from hookline import runtime
from hookline.catalog import load_catalog
from hookline.errors import HooklineError
from hookline.texts import Texts
from hookline.texts.in_force import judged


def main() -> None:
    """Answer the question on standard input: print a preview, or a `message` for people."""
    answering = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a flow's file prints
    try:
        answer = asyncio.run(_answer(json.load(sys.stdin)))
    except HooklineError as error:
        answer = {"message": str(error)}
    json.dump(answer, answering)
    answering.close()


async def _answer(question: Mapping[str, Any]) -> dict[str, Any]:
    current = runtime.bootstrap()

    from flows.previews import preview, read_case  # Prefect's settings

    texts = Texts.of_settings(current, load_catalog(current.catalog).language.default)
    template = texts.find(question["text"], question["language"])
    case = await read_case(template.text.workflow, question["about"])
    return vars(await preview(template, await judged(template, question["source"]), case))


if __name__ == "__main__":
    main()
