"""
A run on several machines: two gateways and two Prefect servers behind a proxy, three engines, PostgreSQL and Redis.

Each process is kept: it is started again whenever it ends, as systemd does it. Its machine has a home of its own.
"""

import asyncio
import subprocess
from contextlib import AsyncExitStack
from typing import IO

from benchmarks.machines import Machines, Part, machines, seen_from_outside
from hookline.sandbox.stack import SandboxStack
from tests.chaos.blows import Kept
from tests.chaos.drive import ENVIRONMENT, Outcome, Run, Say, beside
from tests.chaos.plan import Plan

PREFECT = {"prefect": "prefect 1", "second prefect": "prefect 2", "prefect services": "prefect-services 3"}
GATEWAYS = {"gateway": "gateway 1", "second gateway": "gateway 2"}
ENGINES = {"engine": "engine 1", "second engine": "engine 2", "third engine": "engine 3"}
KEPT = {"postgres": "postgres", "redis": "redis", **PREFECT, **GATEWAYS, **ENGINES}
"""What is kept: the name in the plan, and that of the part."""


def run(plan: Plan, *, patience: float, say: Say) -> Outcome:
    """Carry out a plan on machines of its own."""
    return asyncio.run(_run(plan, patience, say))


async def _run(plan: Plan, patience: float, say: Say) -> Outcome:
    async with machines(**ENVIRONMENT) as made:
        for name in (*PREFECT.values(), *GATEWAYS.values(), *ENGINES.values()):
            role, machine = name.split()
            made.add(role, int(machine))
        # Both servers find an empty database at the same time.
        await made.start(*PREFECT.values(), *GATEWAYS.values())
        await made.apply()
        await made.start(*ENGINES.values())
        async with seen_from_outside(made) as sandbox:
            return await ManyMachines(plan, sandbox, say, made).carry_out(patience, repair=True)


class KeptPart(Kept):
    """A part that is started again whenever it ends."""

    def __init__(self, part: Part) -> None:
        super().__init__(part.log)
        self.part = part
        self.process = part.process

    def _start(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        running = self.part.process
        return running if running is not None and running.poll() is None else self.part.start()


class ManyMachines(Run):
    """The run whose processes are those of several machines."""

    def __init__(self, plan: Plan, sandbox: SandboxStack, say: Say, made: Machines) -> None:
        super().__init__(plan, sandbox, say)
        self.made = made

    async def _more_processes(self, stack: AsyncExitStack) -> tuple[str, ...]:
        """Keep all that runs; senders know one address."""
        for name, part in KEPT.items():
            kept = self.havoc.kept[name] = KeptPart(self.made.parts[part])
            await stack.enter_async_context(beside(kept.keep()))
        self.havoc.kept["proxy"] = KeptPart(self.made.parts["proxy"])
        return (self.made.gateway_url,)

    def _simulators_live(self) -> bool:
        return self.sandbox.process.poll() is None

    def _recoveries(self) -> int:
        log = self.made.parts["postgres"].log.read_text(encoding="utf-8", errors="replace")
        return log.count("automatic recovery in progress")
