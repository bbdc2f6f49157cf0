"""
A person who sees to what stands, when it is quiet: by the commands that people have, and by what the vendors show.

What is uncertain is resolved as the vendor's records say. What failed is replayed, and some of what is done, which
must change nothing.
"""

import asyncio
import json

from hookline.errors import HooklineError
from tests.chaos.check import Evidence, Row
from tests.chaos.people import hookline

DONE_REPLAYED = 10


async def see_to_all(evidence: Evidence) -> str:
    """
    Resolve and replay; what was done, in words.

    Raises:
        HooklineError: a command failed.
    """
    doubled = [effect for effect in evidence.shown if effect["state"] == "doubled"]
    for effect in doubled:
        await hookline("effects", "undo", str(effect["id"]), "--yes")
    uncertain = json.loads(await hookline("effects", "list", "--state", "uncertain", "--json"))
    for effect in uncertain:
        await _click_twice("effects", "resolve", str(effect["id"]), "--yes", *_answer(effect, evidence))
    for state in ("uncertain", "failed", "discarded"):
        await hookline("inbox", "replay", "--state", state, "--yes")
    await hookline("inbox", "replay", "--state", "done", "--limit", str(DONE_REPLAYED), "--yes")
    return (
        f"{len(doubled)} doubles are undone, {len(uncertain)} uncertain effects are resolved, what failed or was "
        f"cancelled and {DONE_REPLAYED} done are replayed"
    )


async def _click_twice(*words: str) -> None:
    """Give a command two times at once; one of them may be refused, as what it was for is done."""
    answers = await asyncio.gather(hookline(*words), hookline(*words), return_exceptions=True)
    if all(isinstance(answer, HooklineError) for answer in answers):
        raise HooklineError(str(answers[0]))


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
    wanted = codes[: effect["expected"]]  # if there are more, a late check shows them
    return (
        ["--happened", *(part for code in wanted for part in ("--reference", code))]
        if codes
        else ["--send-again"]
    )
