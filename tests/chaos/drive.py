"""
One run: a sandbox of its own, orders, blows and faults at once; then quiet, and the check.

Simulators are not killed: their memory is the witness.
"""

import asyncio
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal

import asyncpg
import httpx
import psutil

from benchmarks.takeover import Takeover
from hookline.database import CONNECTION_ERRORS, connect
from hookline.errors import HooklineError
from hookline.runtime import prefect_auth
from hookline.sandbox.stack import SandboxStack, free_port, own_ports, sandbox_stack
from tests.chaos.blows import Havoc, Kept
from tests.chaos.check import Evidence, Verdict, judge, never, side_by_side, while_full
from tests.chaos.lines import Lines
from tests.chaos.machine import Clock, Disk, preloading
from tests.chaos.people import People
from tests.chaos.plan import LANDING_SECONDS, UPGRADE, Plan
from tests.chaos.repair import see_to_all
from tests.chaos.shop import Shop
from tests.chaos.trees import NEW, OLD, Trees

ENVIRONMENT = {
    "HOOKLINE_LEASE_SECONDS": "5",  # shorter than the long pauses of the plan
    "HOOKLINE_LANDING_SECONDS": str(LANDING_SECONDS),
    "HOOKLINE_TAKE_BACK_SECONDS": "0.5",
    "HOOKLINE_LATE_CHECK_SECONDS": "4,12",
    "HOOKLINE_RETRY_SECONDS": "0.5",
    "HOOKLINE_PROBE_SECONDS": "10",  # shorter than our patience: a vendor that is away for long is tried this often
    "HOOKLINE_ENGINE_CONCURRENCY": "6",
    "HOOKLINE_FIRST_RUNS": "false",
    "HOOKLINE_BATCH_BACKLOG": "5",  # so that there are many lanes
}
Without = Literal["journal", "landing-time"]
"""What is patched away in each process of the stack, by the `sitecustomize` in the folder of this name."""
VENDORS = ("jiwa", "zentitle", "sensorpro")
FLOWS = {"order-to-license": False, "backlog": True}
"""The flows of the orders, and whether a run of theirs carries those of many deliveries (docs/daily-work.md)."""
SOURCES = ["jiwa", "standard"]
OPEN = ["received", "held", "dispatched", "running"]
OPEN_RUNS = ["SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"]
CHECKS_AND_UNDOS = """
SELECT count(*) FROM effects e
WHERE (state = 'doubled' AND undo_actor IS NOT NULL)
   OR (check_at IS NOT NULL AND NOT EXISTS (
           SELECT FROM effects o
           WHERE o.scope = e.scope AND o.id <> e.id AND o.state IN ('intended', 'uncertain') AND o.attempted_at IS NOT NULL))
"""
"""Late checks to come, and undos that a person wants; a check waits for whatever it could be mistaken for."""
PAGE = 200
WATCH_SECONDS = 1.0
MAX_MENDS = 4
"""How often a person comes to see to what stands; then nothing may."""
LAST_LINES = 25
QUIET_LOOKS = 3
"""So many looks one after another must find nothing open."""
AWAY = (*CONNECTION_ERRORS, httpx.HTTPError)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    verdict: Verdict
    fixed: Verdict | None
    """What was there when a person had seen to what stood."""
    seen: list[str]
    """What was seen during the run that may never be."""
    struck: dict[str, int]
    """How often each blow found its process alive."""
    met: Counter[str]
    """How many calls met each kind of fault."""
    seconds: float
    kept: Path | None = None
    """The folder with the logs and all the evidence, where something was found."""

    @property
    def violations(self) -> list[str]:
        """Everything that should not be; then what should not be any more, once it was seen to."""
        afterwards = self.fixed.violations if self.fixed else []
        meanwhile = (f"meanwhile: {each}" for each in self.seen)
        return [*meanwhile, *self.verdict.violations, *(f"afterwards: {each}" for each in afterwards)]


def run(plan: Plan, *, patience: float, say: Say, without: Without | None = None) -> Outcome:
    """
    Carry out a plan on a sandbox of its own.

    Args:
        plan: what is done.
        patience: seconds in which something must end of the work that is left, when nothing is wrong any more.
        say: hears what happens, with the time.
        without: switch this off, to see that the check finds what comes of it.
    """
    patched = {"PYTHONPATH": str(_patches(without))} if without else {}
    with tempfile.TemporaryDirectory(prefix="hookline-machine-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run as another user
        clock, disk = Clock.made(Path(folder) / "clock"), Disk.made(Path(folder) / "disk")
        preloaded = preloading(clock, disk)
        trees = Trees.made(Path(folder)) if _is_upgrade(plan) else None
        checkout = trees.running if trees else None
        with (
            _set_only_below(preloaded),
            sandbox_stack(checkout=checkout, **ENVIRONMENT, **own_ports(), **patched, **preloaded) as sandbox,
        ):
            one_run = _Run(_helpable(plan, without) if without else plan, sandbox, say)
            one_run.excuses = not without
            one_run.havoc.trees = trees
            one_run.havoc.clocks |= {"the machine": clock} if clock else {}
            if disk is not None:
                disk.holds(sandbox.settings.home)
                one_run.havoc.disk = disk
            return asyncio.run(one_run.carry_out(patience, repair=not without))


def _is_upgrade(plan: Plan) -> bool:
    return any(blow.how == UPGRADE for blow in plan.blows)


def _helpable(plan: Plan, without: Without) -> Plan:
    """
    The plan without what doubles in any case: what is doubled then, is so for what is patched away.

    Where that is the landing time, nothing is killed and nobody interferes: time alone doubles.
    """
    misdeeds = tuple(each for each in plan.misdeeds if each.kind != "twice")
    if without == "landing-time":
        return replace(plan, misdeeds=misdeeds, blows=(), deeds=())
    return replace(plan, misdeeds=misdeeds)


@contextmanager
def _set_only_below(environment: Mapping[str, str]) -> Iterator[None]:
    """Take variables out of this process's environment again: its own children are not of the sandbox."""
    try:
        yield
    finally:
        for name in environment:
            os.environ.pop(name, None)


def _patches(without: Without) -> Path:
    return Path(__file__).with_name(f"without_{without.replace('-', '_')}")


class _Run:
    def __init__(self, plan: Plan, sandbox: SandboxStack, say: Say) -> None:
        self.plan = plan
        self.sandbox = sandbox
        self.logs = sandbox.log.parent
        self.havoc = Havoc(sandbox, self.say)
        self.people = People(sandbox, self.say)
        self.began = time.monotonic()
        self._say = say
        self.excuses = True
        """False: no double is excused, and none is forgiven because it is shown."""
        self.looks = 0
        self.mends = 0
        self.seen: list[str] = []
        """What was seen during the run that may never be."""
        self.simulators = self.havoc.find("simulators")

    def say(self, text: str) -> None:
        self._say(f"{time.monotonic() - self.began:7.1f} s  {text}")

    async def carry_out(self, patience: float, *, repair: bool) -> Outcome:
        try:
            return await self._carried_out(patience, repair=repair)
        except BaseException:
            self.say(f"it broke off; {self._state()}; logs: {self._keep_logs()}")
            raise

    async def _carried_out(self, patience: float, *, repair: bool) -> Outcome:
        async with AsyncExitStack() as stack:
            gateways = await self._more_processes(stack)
            shop = await stack.enter_async_context(Shop.open(gateways, self.plan))
            await stack.enter_async_context(_beside(self._watch(shop)))
            await self._all_at_once(shop, patience)
            evidence, verdict = await self._judge(shop, patience)
            fixed = await self._mend(shop, evidence, patience) if repair else None
            struck = self.havoc.struck | self.people.done
            refused, acknowledged = while_full(self.havoc.full, shop.answers)
            self.seen += acknowledged
            verdict.figures["answers 503 while the disk was full"] = refused
            verdict.figures["times PostgreSQL recovered from a crash"] = self._recoveries()
            verdict.figures |= _taken_over(await self.havoc.takeovers())
            if self.havoc.trees:
                figures, not_beside = side_by_side(await self._beginners(), OLD, NEW)
                verdict.figures |= figures
                verdict.violations += not_beside
                verdict.violations += [
                    f"{blow}: it did not end well" for blow in self.plan.blows if not struck.get(str(blow))
                ]
            verdict.figures["times it was looked at meanwhile"] = self.looks
            outcome = Outcome(
                verdict, fixed, self.seen, struck, await self._met(), time.monotonic() - self.began
            )
            return replace(outcome, kept=self._keep(evidence)) if outcome.violations else outcome

    def _state(self) -> str:
        """What is there of what must live through a run, and what the supervisor said at last of itself and of them."""
        code, limit = self.sandbox.process.poll(), resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        lines = self.sandbox.log.read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line for line in lines if line.startswith(("hookline", "sandbox"))][-LAST_LINES:]
        return "; ".join(
            (
                "the supervisor lives" if code is None else f"the supervisor ended with code {code}",
                "the simulators live" if self._simulators_live() else "the simulators have ended",
                f"{psutil.Process().num_fds()} of {limit} files are open",
                f"{psutil.virtual_memory().available >> 20} MB of memory are free",
                "the supervisor said:\n  " + "\n  ".join(said) + "\n",
            )
        )

    def _recoveries(self) -> int:
        log = self.sandbox.log.read_text(encoding="utf-8", errors="replace")
        return log.count("automatic recovery in progress")

    def _simulators_live(self) -> bool:
        return self.simulators is not None and self.simulators == self.havoc.find("simulators")

    async def _more_processes(self, stack: AsyncExitStack) -> tuple[str, ...]:
        """Start two engines and a gateway beside the supervisor's; return the addresses of both gateways."""
        self.havoc.lines = {"third engine": await stack.enter_async_context(Lines.open(self.sandbox))}
        clock = Clock.made(self.logs / "third-engine-clock")
        self.havoc.clocks |= {"third engine": clock} if clock else {}
        port = str(free_port())
        environments = {
            "second engine": {},
            "third engine": self.havoc.lines["third engine"].environment | preloading(clock, self.havoc.disk),
            "second gateway": {"HOOKLINE_GATEWAY_PORT": port},
        }
        for name, environment in environments.items():
            kept = Kept(self.logs / f"{name.replace(' ', '-')}.log", name.split()[-1], **environment)
            kept.checkout = self.havoc.trees.running if self.havoc.trees else None
            self.havoc.kept[name] = kept
            await stack.enter_async_context(_beside(kept.keep()))
        return (self.sandbox.settings.gateway_url, f"http://127.0.0.1:{port}")

    async def _all_at_once(self, shop: Shop, patience: float) -> None:
        """Orders, blows and faults, until all of them are through; senders that nobody hears give up in the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.plan.seconds + patience), asyncio.TaskGroup() as group:
                group.create_task(shop.take(self.plan.orders))
                group.create_task(self.havoc.strike(self.plan.blows))
                group.create_task(self.havoc.misbehave(self.plan.misdeeds))
                group.create_task(self.people.act(self.plan.deeds))
        self.say(f"{len(shop.placed)} orders are given and sent; what the vendors will do wrong is all told")

    async def _watch(self, shop: Shop) -> None:
        """Look every second, whatever is away: what may never be must not be even for a moment."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            with suppress(*AWAY):
                for violation in never(await self._glance(shop)):
                    if violation not in self.seen:
                        self.seen.append(violation)
                        self.say(f"VIOLATION: {violation}")
                self.looks += 1

    async def _glance(self, shop: Shop) -> Evidence:
        """What there is right now; of what was sent, what was acknowledged before we looked."""
        sent = [replace(each, ids=set(each.ids)) for each in shop.sent]
        zentitle, jiwa, sensorpro = [
            await asyncio.to_thread(self.sandbox.records, vendor)
            for vendor in ("zentitle", "jiwa", "sensorpro")
        ]
        excused, placed, misled = await self._excused(), list(shop.placed), Counter(self.people.misled)
        async with self._inbox() as inbox:
            deliveries = [dict(row) for row in await inbox.fetch("SELECT id FROM deliveries")]
        return Evidence(
            placed, sent, zentitle, jiwa, sensorpro, deliveries, [], [], excused=excused, misled=misled
        )

    async def _judge(self, shop: Shop, patience: float, *, fixed: bool = False) -> tuple[Evidence, Verdict]:
        """
        Wait until it is quiet, and check.

        Raises:
            HooklineError: the witness is gone: the simulators' memory ended with their process.
        """
        unfinished = await self._until_quiet(patience)
        if not self._simulators_live():
            raise HooklineError("The simulators have ended, and with them all that they knew.")
        evidence = replace(await self._evidence(shop), fixed=fixed)
        verdict = judge(evidence)
        verdict.violations[:0] = unfinished
        return evidence, verdict

    async def _mend(self, shop: Shop, evidence: Evidence, patience: float) -> Verdict:
        for vendor in VENDORS:  # what nobody has met
            await asyncio.to_thread(self.sandbox.clear_faults, vendor)
        # What a person says, or what is done again, may show a double some seconds later: to be seen to in its turn.
        while True:
            self.say(await see_to_all(evidence))
            self.mends += 1
            evidence, verdict = await self._judge(shop, patience, fixed=True)
            if self.mends == MAX_MENDS or not verdict.standing:
                return verdict

    async def _met(self) -> Counter[str]:
        return Counter([f"{operation}: {entry['fault']}" async for operation, entry in self._struck_calls()])

    async def _excused(self) -> Counter[str]:
        return Counter(
            [
                operation
                async for operation, entry in self._struck_calls()
                if self.excuses and (entry["fault"] == "twice" or entry["held"])
            ]
        )

    async def _struck_calls(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """The vendors' calls that met a fault, by the operation's full name."""
        for vendor in VENDORS:
            for entry in await asyncio.to_thread(self.sandbox.requests, vendor):
                if entry["fault"]:
                    yield f"{vendor}.{entry['operation']}", entry

    async def _until_quiet(self, patience: float) -> list[str]:
        """Wait until nothing is open; what still is when for all our patience nothing more has ended."""
        deadline = time.monotonic() + patience
        quiet, still_open, fewest = 0, -1, sys.maxsize
        while quiet < QUIET_LOOKS:
            if time.monotonic() > deadline:
                return [
                    f"{still_open} deliveries, flow runs, checks and calls on their way are open, and none has ended for {patience:g} s"
                ]
            before = still_open
            with suppress(*AWAY):
                still_open = await self._open()
            if 0 <= still_open < fewest:  # a slow machine takes its time; nothing is lost by that
                fewest, deadline = still_open, time.monotonic() + patience
            quiet = quiet + 1 if still_open == 0 else 0
            if still_open // 20 != before // 20:
                self.say(f"{still_open} deliveries, flow runs, checks and calls on their way are open")
            await asyncio.sleep(1)
        return []

    async def _open(self) -> int:
        """
        How many deliveries are open, flow runs, late checks, undos, and calls that have yet to land at a vendor.

        A flow run that an engine left open is closed some seconds later.
        """
        async with self._inbox() as inbox:
            deliveries: int = await inbox.fetchval(
                "SELECT count(*) FROM deliveries WHERE state = ANY($1) AND source = ANY($2)", OPEN, SOURCES
            )
            effects: int = await inbox.fetchval(CHECKS_AND_UNDOS)
        async with self._prefect() as prefect:
            asked = {
                "flows": {"name": {"any_": [*FLOWS]}},
                "flow_runs": {"state": {"type": {"any_": OPEN_RUNS}}},
            }
            answer = await prefect.post("/flow_runs/count", json=asked)
            flow_runs = int(answer.raise_for_status().json())
        landing = [await asyncio.to_thread(self.sandbox.landing, vendor) for vendor in VENDORS]
        return deliveries + effects + flow_runs + sum(map(len, landing))

    async def _beginners(self) -> list[str]:
        """Who began the dispatches, in order."""
        async with self._inbox() as inbox:
            rows = await inbox.fetch(
                "SELECT actor FROM changes WHERE subject = 'dispatch' AND became = 'running' ORDER BY id"
            )
        return [row["actor"] for row in rows]

    async def _evidence(self, shop: Shop) -> Evidence:
        zentitle, jiwa, sensorpro = [
            await asyncio.to_thread(self.sandbox.records, vendor)
            for vendor in ("zentitle", "jiwa", "sensorpro")
        ]
        async with self._inbox() as inbox:
            deliveries = await inbox.fetch("SELECT * FROM deliveries WHERE source = ANY($1)", SOURCES)
            dispatches = await inbox.fetch("SELECT * FROM dispatches WHERE source = ANY($1)", SOURCES)
            shown = await inbox.fetch("SELECT * FROM effects WHERE state IN ('doubled', 'uncertain')")
        return Evidence(
            placed=shop.placed,
            sent=shop.sent,
            zentitle=zentitle,
            jiwa=jiwa,
            sensorpro=sensorpro,
            deliveries=[dict(row) for row in deliveries],
            dispatches=[dict(row) for row in dispatches],
            flow_runs=await self._flow_runs(),
            shown=[dict(row) for row in shown if self.excuses],
            excused=await self._excused(),
            misled=Counter(self.people.misled),
        )

    async def _flow_runs(self) -> list[dict[str, Any]]:
        found = []
        async with self._prefect() as prefect:
            for flow, carries_many in FLOWS.items():
                found += [run | {"carries_many": carries_many} async for run in _pages(prefect, flow)]
        return found

    def _prefect(self) -> httpx.AsyncClient:
        settings = self.sandbox.settings
        log_in = httpx.BasicAuth(*prefect_auth(settings).split(":", 1))
        return httpx.AsyncClient(base_url=settings.prefect_api_url, auth=log_in, timeout=60)

    @asynccontextmanager
    async def _inbox(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await connect(self.sandbox.settings)
        try:
            yield connection
        finally:
            await connection.close()

    def _keep_logs(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="hookline-chaos-"))
        for log in self.logs.glob("*.log"):
            shutil.copy(log, folder)
        return folder

    def _keep(self, evidence: Evidence) -> Path:
        """Save the logs and the evidence, for anyone who wants to know what happened."""
        folder = self._keep_logs()
        (folder / "evidence.json").write_text(json.dumps(vars(evidence), default=_plain, indent=1))
        return folder


def _taken_over(takeovers: Sequence[Takeover]) -> dict[str, int | str]:
    """How soon, in seconds; where others wait, what is taken over is begun after them."""
    each = {
        "which other engines had freed after": [one.freed for one in takeovers],
        "and begun after": [one.claimed for one in takeovers],
    }
    times = {what: ", ".join(f"{one:.1f} s" for one in sorted(seconds)) for what, seconds in each.items()}
    return {"engines killed that had claimed something": len(takeovers)} | (times if takeovers else {})


def _plain(value: Any) -> Any:
    """As JSON."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Within, something else goes on; what it raises is raised at the end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _pages(prefect: httpx.AsyncClient, flow: str) -> AsyncIterator[dict[str, Any]]:
    """All runs of a flow."""
    offset = 0
    while True:
        asked = {"flows": {"name": {"any_": [flow]}}, "limit": PAGE, "offset": offset, "sort": "ID_DESC"}
        answer = await prefect.post("/flow_runs/filter", json=asked)
        page = answer.raise_for_status().json()
        for run in page:
            yield run
        if len(page) < PAGE:
            return
        offset += PAGE
