"""
People who do what people do while everything goes on: click twice, cancel, retry, pause, and answer wrongly.

They use the commands and Prefect's own API, as its UI does. A command may be refused, for what it was meant for may
be over; what they did is written down where the check must know of it.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from hookline.errors import HooklineError
from hookline.runtime import prefect_auth
from hookline.sandbox.stack import SandboxStack
from tests.chaos.plan import Deed

PAUSE_SECONDS = 3.0


class People:
    """Do to the inbox and to Prefect what the plan says."""

    def __init__(self, sandbox: SandboxStack, say: Callable[[str], None]) -> None:
        self.sandbox = sandbox
        self.say = say
        self.done: Counter[str] = Counter()
        """How often each deed found something to be done to."""
        self.misled: Counter[str] = Counter()
        """By the order's number, mails that somebody let be sent again although they had been sent."""

    async def act(self, deeds: tuple[Deed, ...]) -> None:
        """Do each deed at its time."""
        began = time.monotonic()
        acts = {
            "click replay twice": self._click_replay_twice,
            "cancel a run": self._cancel,
            "retry a run": self._retry,
            "pause a source": self._pause,
            "resolve wrongly": self._resolve_wrongly,
        }
        for deed in deeds:
            await asyncio.sleep(max(0, began + deed.at - time.monotonic()))
            try:
                done = await acts[deed.what]()
            except (HooklineError, httpx.HTTPError) as error:
                self.say(f"{deed.what}: refused: {str(error).strip().splitlines()[-1][:120]}")
                continue
            self.done[deed.what] += bool(done)
            self.say(f"{deed.what}: {done or 'nothing is there for it'}")

    async def _click_replay_twice(self) -> str:
        rows = json.loads(await hookline("inbox", "list", "--state", "done", "--limit", "20", "--json"))
        if not rows:
            return ""
        which = random.choice(rows)["id"]
        replay = ("inbox", "replay", which, "--yes")
        answers = await asyncio.gather(hookline(*replay), hookline(*replay), return_exceptions=True)
        if all(isinstance(answer, BaseException) for answer in answers):
            raise HooklineError(str(answers[0]))
        return f"delivery {which}"

    async def _pause(self) -> str:
        await hookline("inbox", "pause", "jiwa", "--reason", "somebody wants to look at something")
        await asyncio.sleep(PAUSE_SECONDS)
        while True:  # a source must not stay paused because a database was away
            try:
                await hookline("inbox", "resume", "jiwa")
            except HooklineError:
                await asyncio.sleep(1)
            else:
                return "jiwa"

    async def _cancel(self) -> str:
        return await self._set_state("RUNNING", {"type": "CANCELLING", "name": "Cancelling"})

    async def _retry(self) -> str:
        return await self._set_state("FAILED", {"type": "SCHEDULED", "name": "AwaitingRetry"})

    async def _set_state(self, of: str, state: dict[str, str]) -> str:
        """Do what Prefect's UI does to one of the runs that are in a state."""
        settings = self.sandbox.settings
        log_in = httpx.BasicAuth(*prefect_auth(settings).split(":", 1))
        async with httpx.AsyncClient(base_url=settings.prefect_api_url, auth=log_in, timeout=30) as prefect:
            asked = {
                "flows": {"name": {"any_": ["order-to-license"]}},
                "flow_runs": {"state": {"type": {"any_": [of]}}},
                "limit": 20,
            }
            runs = (await prefect.post("/flow_runs/filter", json=asked)).raise_for_status().json()
            if not runs:
                return ""
            run = random.choice(runs)
            body = {"state": state, "force": False}
            (await prefect.post(f"/flow_runs/{run['id']}/set_state", json=body)).raise_for_status()
            return str(run["name"])

    async def _resolve_wrongly(self) -> str:
        """Let a mail be sent again that was sent; nobody can know better than this person, who does not look."""
        uncertain = json.loads(await hookline("effects", "list", "--state", "uncertain", "--json"))
        sent = await asyncio.to_thread(self.sandbox.records, "sensorpro")
        told = {mail["parameters"].get("order") for mail in sent["mails"]}
        for effect in uncertain:
            number = effect["label"].removeprefix("order ")
            if effect["operation"] == "sensorpro.trigger_email" and number in told:
                self.misled[number] += 1  # before: the answer of the command may be lost
                await hookline("effects", "resolve", str(effect["id"]), "--send-again", "--yes")
                return str(effect["label"])
        return ""


async def hookline(*words: Any) -> str:
    """
    Run a command; return what it said.

    Raises:
        HooklineError: it failed; with its complaint.
    """
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
