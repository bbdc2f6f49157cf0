"""
A person who sees to what stands, when it is quiet: by the commands that people have, and by what the vendors show.

What is uncertain is resolved as the vendor's records say. What failed is replayed, and some of what is done, which
must change nothing.
"""

import asyncio
import json
import sys
from typing import Any

from hookline.errors import HooklineError
from tests.chaos.check import Evidence, Row

DONE_REPLAYED = 10


async def see_to_all(evidence: Evidence) -> str:
    """
    Resolve and replay; what was done, in words.

    Raises:
        HooklineError: a command failed.
    """
    uncertain = json.loads(await _hookline("effects", "list", "--state", "uncertain", "--json"))
    for effect in uncertain:
        await _hookline("effects", "resolve", str(effect["id"]), *_answer(effect, evidence))
    for state in ("uncertain", "failed"):
        await _hookline("inbox", "replay", "--state", state, "--yes")
    await _hookline("inbox", "replay", "--state", "done", "--limit", str(DONE_REPLAYED), "--yes")
    return (
        f"{len(uncertain)} uncertain effects are resolved, what failed and {DONE_REPLAYED} done are replayed"
    )


def _answer(effect: Row, evidence: Evidence) -> list[str]:
    """What a person sees at the vendor."""
    if effect["operation"] == "sensorpro.trigger_email":
        told = {mail["parameters"].get("order") for mail in evidence.sensorpro["mails"]}
        return ["--happened"] if effect["label"].removeprefix("order ") in told else ["--send-again"]
    codes = [
        row["licenseCode"]
        for row in evidence.zentitle["licenses"]
        if row["reference"] == f"{effect['label']} {effect['step']}"
    ]
    return (
        ["--happened", *(part for code in codes for part in ("--reference", code))]
        if codes
        else ["--send-again"]
    )


async def _hookline(*words: Any) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hookline",
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    if process.returncode:
        raise HooklineError(f"hookline {' '.join(words)}: {complained.decode()}")
    return said.decode()
