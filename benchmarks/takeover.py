"""
The time until work goes on whose engine was killed, and until `hookline up` has freed what its predecessor had claimed.

One engine is killed with SIGKILL while it waits for a vendor's answer; another one is beside it. Then everything is
killed at the same moment, and `hookline up` is started on the same home.

    python -m benchmarks.takeover [--kills 20] [--starts 4] [--json] [--write]
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from uuid import UUID

import asyncpg
import psutil
from rich.progress import Progress

from benchmarks import report
from hookline.cli.output import console
from hookline.database import CONNECTION_ERRORS, connect
from hookline.errors import HooklineError
from hookline.health import processes as health
from hookline.sandbox.paid_orders import PaidOrders, Trigger, measured_sandbox, milliseconds, webhooks
from hookline.sandbox.stack import SandboxStack, own_ports
from hookline.settings import Settings

GOAL_SECONDS = 2.0
LOOK_SECONDS = 0.02
TIMEOUT_SECONDS = 180.0
OTHERS = 3
"""Engines beside that of the supervisor: one that is killed takes its time to come back."""
ANSWER_SECONDS = 3.0
"""The time that the vendor takes for the call during which an engine is killed."""


@dataclass(frozen=True)
class Takeover:
    """What happened after an engine was killed that had claimed something; in seconds since then."""

    freed: float
    """Until nothing counted as claimed by the dead engine any more."""
    claimed: float
    """Until another engine had claimed the first of it."""


@dataclass(frozen=True)
class Start:
    """What happened after everything was killed and `hookline up` started; in seconds since its start."""

    database: float
    """Until PostgreSQL took connections."""
    engine: float
    """Until the engine was there."""
    freed: float
    claimed: float


@dataclass(frozen=True)
class Result:
    """The results."""

    takeovers: list[Takeover]
    starts: list[Start]

    @property
    def is_met(self) -> bool:
        """Return True if the goal is met, where another engine was beside the one that was killed."""
        return milliseconds([each.claimed for each in self.takeovers], 95) <= GOAL_SECONDS * 1000


async def claimed_by(settings: Settings, pid: int) -> dict[UUID, int]:
    """
    Return the dispatches that an engine of this machine has claimed, each with its attempts; ask before it is killed.

    Raises:
        CONNECTION_ERRORS: the database is away.
    """
    async with _connected(settings) as connection:
        rows = await connection.fetch(
            "SELECT id, attempts FROM dispatches WHERE state = 'running' AND lease_owner LIKE $1",
            f"%:{pid}:%",
        )
    return {row["id"]: row["attempts"] for row in rows}


async def takeover(settings: Settings, claimed: Mapping[UUID, int], since: float) -> Takeover | None:
    """
    Watch over what a killed engine had claimed; None if nothing of it was left, or nobody takes it over.

    Args:
        settings: lead to the database, which may be away for a while.
        claimed: what it had claimed, each with its attempts.
        since: when it was killed, by the monotonic clock.
    """
    freed = begun = None
    while time.monotonic() - since < TIMEOUT_SECONDS:
        with suppress(*CONNECTION_ERRORS):
            async with _connected(settings) as connection:
                while time.monotonic() - since < TIMEOUT_SECONDS:
                    [[held, taken, left]] = await connection.fetch(PROGRESS, [*claimed], [*claimed.values()])
                    now = time.monotonic() - since
                    freed = now if freed is None and not held else freed
                    begun = now if begun is None and taken else begun
                    if not left:
                        return None
                    if freed is not None and begun is not None:
                        return Takeover(freed, begun)
                    await asyncio.sleep(LOOK_SECONDS)
        await asyncio.sleep(LOOK_SECONDS)
    return None


PROGRESS = """
SELECT count(*) FILTER (WHERE state = 'running' AND attempts = before),
       count(*) FILTER (WHERE attempts > before),
       count(*) FILTER (WHERE attempts > before OR state IN ('running', 'dispatched'))
FROM dispatches JOIN unnest($1::uuid[], $2::int[]) AS claimed (id, before) USING (id)
"""
"""How many are still claimed by the dead engine, how many are claimed again, and how many were not done before."""


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(settings)
    try:
        yield connection
    finally:
        await connection.close()


class _Measurement:
    """A sandbox with a second engine, of which one is killed while it works."""

    def __init__(self, sandbox: SandboxStack, progress: Progress, options: argparse.Namespace) -> None:
        self.sandbox = sandbox
        self.progress = progress
        self.options = options
        self.others: list[subprocess.Popen[bytes]] = []
        """Engines beside that of the supervisor."""

    async def all(self) -> Result:
        """Measure everything."""
        starts: list[Start] = []
        shown = self.progress.add_task("killing everything", total=self.options.starts)
        async with self._orders() as (orders, webhook):
            takeovers = await self._kill_engines(orders, webhook)
            starts.append(await self._start_again(await self._at_work(orders, webhook)))
            self.progress.advance(shown)
        while len(starts) < self.options.starts:
            async with self._orders() as (orders, webhook):  # simulators remember nothing of those before
                starts.append(await self._start_again(await self._at_work(orders, webhook)))
                self.progress.advance(shown)
        return Result(takeovers, starts)

    async def _kill_engines(self, orders: PaidOrders, webhook: Trigger) -> list[Takeover]:
        found: list[Takeover] = []
        shown = self.progress.add_task("killing engines", total=self.options.kills)
        try:
            while len(found) < self.options.kills:
                await self._until_two_engines()
                owner = await self._at_work(orders, webhook)
                claimed = await self._claimed_by(owner)
                os.kill(_pid(owner), signal.SIGKILL)
                if one := await takeover(self.sandbox.settings, claimed, time.monotonic()):
                    found.append(one)
                    self.progress.advance(shown)
                await self._until_done()
        finally:
            self._end_others()
        await self._until("SELECT count(*) > 0 FROM engines WHERE session IS NOT NULL")
        return found

    @asynccontextmanager
    async def _orders(self) -> AsyncIterator[tuple[PaidOrders, Trigger]]:
        async with PaidOrders.of(self.sandbox, self.progress) as orders, webhooks(self.sandbox) as webhook:
            yield orders, webhook

    async def _at_work(self, orders: PaidOrders, webhook: Trigger) -> str:
        """Begin an order; return the engine that waits for the vendor with it."""
        before = self._faults_met()
        self.sandbox.fault(
            "zentitle", operation="create_license_codes", kind="latency", seconds=ANSWER_SECONDS
        )
        await webhook((await orders.pay_orders("an order", 1))[0])
        while self._faults_met() == before:
            await asyncio.sleep(LOOK_SECONDS)
        await asyncio.sleep(random.uniform(0, 1))  # noqa: S311  (anywhere between two looks of the other engine)
        async with _connected(self.sandbox.settings) as connection:
            owner: str = await connection.fetchval(
                "SELECT lease_owner FROM dispatches WHERE state = 'running' ORDER BY seq DESC LIMIT 1"
            )
        return owner

    def _faults_met(self) -> int:
        return sum(bool(entry["fault"]) for entry in self.sandbox.requests("zentitle"))

    async def _claimed_by(self, owner: str) -> dict[UUID, int]:
        return await claimed_by(self.sandbox.settings, _pid(owner))

    async def _until_two_engines(self) -> None:
        """Start other engines for those that were killed, and wait until two are there, whichever."""
        self.others = [each for each in self.others if each.poll() is None]
        while len(self.others) < OTHERS:
            self.others.append(await asyncio.to_thread(self._start_other))
        await self._until("SELECT count(*) > 1 FROM engines WHERE session IS NOT NULL")

    def _start_other(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "hookline", "engine"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    async def _until_done(self) -> None:
        await self._until("SELECT count(*) = 0 FROM dispatches WHERE state IN ('running', 'dispatched')")

    async def _until(self, statement: str) -> float:
        """Ask until it is true; return the time by the monotonic clock."""
        while True:
            with suppress(*CONNECTION_ERRORS):
                async with _connected(self.sandbox.settings) as connection:
                    while not await connection.fetchval(statement):
                        await asyncio.sleep(LOOK_SECONDS)
                    return time.monotonic()
            await asyncio.sleep(LOOK_SECONDS)

    async def _start_again(self, owner: str) -> Start:
        """Kill everything at the same moment, start `hookline up`, and watch it take up the work."""
        claimed = await self._claimed_by(owner)
        kill_all(psutil.Process(self.sandbox.process.pid))
        self.sandbox.process.wait()
        began = time.monotonic()
        self.sandbox.process = await asyncio.to_thread(self._start_up)
        watched = asyncio.create_task(takeover(self.sandbox.settings, claimed, began))
        database = await self._until("SELECT true")
        engine = await self._until(
            f"SELECT count(*) > 0 FROM engines WHERE session IS NOT NULL AND name <> '{owner}'"  # noqa: S608
        )
        found = await watched
        if found is None:
            raise HooklineError(f"nothing was taken over:\n{self.sandbox.last_lines()}")
        await self._until_done()
        await self._until_ready()
        return Start(database - began, engine - began, found.freed, found.claimed)

    def _start_up(self) -> subprocess.Popen[bytes]:
        with self.sandbox.log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "hookline", "up", "--sandbox"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def _until_ready(self) -> None:
        while health.read(self.sandbox.settings.home) != {}:
            await asyncio.sleep(0.1)

    def end(self) -> None:
        """End the `hookline up` that runs now: the sandbox knows only the first."""
        self.sandbox.process.terminate()
        self.sandbox.process.wait(60)

    def _end_others(self) -> None:
        for each in self.others:
            each.terminate()
        for each in self.others:
            each.wait(60)


def _pid(owner: str) -> int:
    """Return the process id in an engine's name."""
    return int(owner.split(":")[1])


def kill_all(process: psutil.Process) -> None:
    """Kill a process and all below it at the same moment, as a power cut does."""
    everything = [*process.children(recursive=True), process]
    for each in everything:
        each.suspend()  # so that none sees another die
    for each in everything:
        each.kill()
    psutil.wait_procs(everything, 30)


def as_text(result: Result) -> str:
    """Return the figures in Markdown."""
    beside = {
        "free for another engine": [each.freed for each in result.takeovers],
        "claimed by another engine": [each.claimed for each in result.takeovers],
    }
    alone = {
        "PostgreSQL takes connections": [each.database for each in result.starts],
        "the engine is there": [each.engine for each in result.starts],
        "free": [each.freed for each in result.starts],
        "claimed": [each.claimed for each in result.starts],
        "of which since the engine was there": [each.claimed - each.engine for each in result.starts],
    }
    met = "met" if result.is_met else "not met"
    return "\n\n".join(
        [
            _table(f"since the engine was killed, {len(result.takeovers)} times", beside),
            f"The goal is that another engine has claimed it within {GOAL_SECONDS:g} s at p95: {met}.",
            _table(f"since `hookline up` was started, {len(result.starts)} times", alone),
        ]
    )


def _table(title: str, rows: Mapping[str, Sequence[float]]) -> str:
    lines = [
        [
            name,
            *(f"{milliseconds(seconds, percentile):.0f}" for percentile in (50, 95)),
            f"{1000 * max(seconds):.0f}",
        ]
        for name, seconds in rows.items()
        if seconds
    ]
    return report.table([title, "p50 ms", "p95 ms", "longest ms"], lines)


def _options() -> argparse.Namespace:
    parser = report.parser(__doc__)
    parser.add_argument("--kills", type=int, default=20, help="how often an engine is killed")
    parser.add_argument("--starts", type=int, default=4, help="how often everything is killed")
    return parser.parse_args()


def main() -> None:
    """Measure, print, and with `--write` put it into the docs."""
    options = _options()
    out = console(stderr=options.json)
    with measured_sandbox(out, **own_ports(), HOOKLINE_LANDING_SECONDS="1") as (sandbox, progress):
        measurement = _Measurement(sandbox, progress, options)
        try:
            result = asyncio.run(measurement.all())
        finally:
            measurement.end()
    report.publish("takeover", as_text(result), asdict(result), out, options)


if __name__ == "__main__":
    main()
