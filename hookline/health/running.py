"""The state of the work: engines with a heartbeat, the oldest delivery not yet routed, wrong files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from hookline.database.types import Connection
from hookline.health.finding import Finding
from hookline.inbox import configuration, holding, polls
from hookline.inbox.holding import Holding
from hookline.issues.store import count_open
from hookline.local_time import local_time
from hookline.outages.store import Account, health
from hookline.waits import store as waits

ALIVE = timedelta(seconds=10)
"""Time since the last heartbeat within which an engine counts as alive."""
MAX_WAIT_SECONDS = 30.0
"""Seconds within which a delivery is routed, unless something is wrong."""


@dataclass(frozen=True)
class Trouble:
    """A failing part of an engine."""

    engine: str
    text: str
    since: datetime


@dataclass(frozen=True)
class Running:
    """The state of the work at one moment."""

    engines: int
    troubles: Sequence[Trouble]
    oldest: UUID | None
    """The delivery that has waited longest to be routed; None if none waits."""
    waits_seconds: float
    """Seconds that it has waited."""
    problems: Sequence[asyncpg.Record]
    """Mistakes in the files of running processes; see `configuration.problems`."""
    vendors: Sequence[Account] = ()
    """The vendor accounts that ever failed."""
    issues: Mapping[str, int] = field(default_factory=dict)
    """The number of open issues of each kind."""
    holding: Holding = field(default=Holding())
    """Whether everything is held, because the database is older than it was."""
    failing_polls: Sequence[asyncpg.Record] = ()
    """Polled sources whose list cannot be read."""
    waits: Mapping[str, int] = field(default_factory=dict)
    """The number of open waits of each kind."""
    unasked: Sequence[str] = ()
    """People who could not be asked what a run waits for, each with the reason."""

    @property
    def waits_too_long(self) -> str | None:
        """The delivery that waits too long to be routed, in words; None if none does."""
        if self.oldest is None or self.waits_seconds <= MAX_WAIT_SECONDS or self.holding.held_since:
            return None
        engines = "although an engine is alive" if self.engines else "and no engine is alive"
        return f"delivery {self.oldest} has waited {self.waits_seconds:.0f} s to be routed, {engines}"

    def warnings(self, processes: Mapping[str, str]) -> list[str]:
        """Return warnings that anybody may read: without any text of people or files."""
        return [
            *(["nothing starts: the database is older than it was"] if self.holding.held_since else []),
            *([self.waits_too_long] if self.waits_too_long else []),
            *(f"a part of engine {trouble.engine} fails" for trouble in self.troubles),
            *(f"the process {name} keeps ending" for name in processes),
            *([f"{len(self.problems)} things in the files are wrong"] if self.problems else []),
            *(f"the list of {row['source']} cannot be read" for row in self.failing_polls),
        ]


async def read(database: "Connection | asyncpg.Pool", *, seconds: float | None = None) -> Running:
    """Read the state of the work from the database."""
    engines = await database.fetch(
        "SELECT name, trouble, trouble_since FROM engines WHERE seen_at > now() - $1::interval ORDER BY name",
        ALIVE,
        timeout=seconds,
    )
    oldest = await database.fetchrow(
        """
        SELECT id, extract(epoch FROM now() - received_at)::float AS seconds FROM deliveries
        WHERE state = 'received' ORDER BY seq LIMIT 1
        """,
        timeout=seconds,
    )
    return Running(
        engines=len(engines),
        troubles=[
            Trouble(row["name"], row["trouble"], row["trouble_since"]) for row in engines if row["trouble"]
        ],
        oldest=oldest["id"] if oldest else None,
        waits_seconds=oldest["seconds"] if oldest else 0.0,
        problems=await configuration.problems(database),
        vendors=await health(database),
        issues=await count_open(database),
        holding=await holding.read(database, seconds=seconds),
        failing_polls=[
            row for row in (await polls.all_polls(database, seconds=seconds)).values() if row["failures"]
        ],
        waits=await waits.counts(database, seconds=seconds),
        unasked=await waits.unasked(database, seconds=seconds),
    )


def check(running: Running) -> list[Finding]:
    """Return the findings of `hookline doctor` about the work."""
    return [
        _engines(running),
        _received(running),
        *_files(running),
        *_vendors(running),
        _issues(running),
        _held(running.holding),
        *_polls(running),
        _waits(running),
    ]


def _held(held: Holding) -> Finding:
    check = "database's age"
    if held.held_since:
        return Finding(check, "problem", held.text, holding.ADVICE)
    if held.readback_first_since:
        return Finding(check, "warning", held.text, "When that is over: hookline hold close")
    return Finding(check, "ok", "not older than it was")


def _engines(running: Running) -> Finding:
    if running.troubles:
        details = "; ".join(
            f"{each.engine} since {local_time(each.since)}: {each.text}" for each in running.troubles
        )
        return Finding("engines", "warning", details, "See the log of that engine.")
    if not running.engines:
        return Finding("engines", "warning", "none is running: deliveries wait", "hookline up")
    return Finding("engines", "ok", f"{running.engines} alive")


def _received(running: Running) -> Finding:
    if text := running.waits_too_long:
        return Finding(
            "received",
            "problem",
            text,
            f"See the engine's log, and: hookline inbox show {running.oldest}",
        )
    return Finding("received", "ok", "no delivery waits long to be routed")


def _files(running: Running) -> list[Finding]:
    """Return a problem for each mistake in the files of running processes, here or on another machine."""
    advice = "Correct the place that it names, then: hookline apply"
    return [
        Finding("files in force", "problem", f"{row['detail']} ({', '.join(row['processes'])})", advice)
        for row in running.problems
    ] or [Finding("files in force", "ok", "running processes use their files completely")]


def _vendors(running: Running) -> list[Finding]:
    """Return a warning for each account that is away: what needs it waits, and goes on by itself."""
    return [
        Finding(
            "vendor health",
            "warning",
            f"{each.account} is away since {local_time(each.since, seconds=False)}: {each.reason}; dispatches that "
            f"wait for it: {each.waiting}",
            "It is tried again by itself; see: hookline vendors",
        )
        for each in running.vendors
        if each.health == "away" and each.since is not None
    ] or [Finding("vendor health", "ok", "no vendor is away")]


def _issues(running: Running) -> Finding:
    if not running.issues:
        return Finding("issues", "ok", "none is open")
    detail = ", ".join(f"{kind}: {number}" for kind, number in sorted(running.issues.items()))
    return Finding("issues", "warning", detail, "hookline issues list")


def _polls(running: Running) -> list[Finding]:
    """Return a finding for each polled source whose list cannot be read."""
    return [
        Finding(
            f"poll of {row['source']}",
            "warning",
            f"fails since {local_time(row['failing_since'])}, {row['failures']} times: {row['error']}",
            f"It is tried again by itself; try it now with: hookline poll {row['source']}",
        )
        for row in running.failing_polls
    ] or [Finding("polls", "ok", "every list that is polled can be read")]


def _waits(running: Running) -> Finding:
    if running.unasked:
        return Finding("waits", "warning", "; ".join(running.unasked), "hookline waits list --kind answer")
    return Finding(
        "waits",
        "ok",
        f"runs that wait for a person: {running.waits.get('answer', 0)}, for a delivery: "
        f"{running.waits.get('delivery', 0)}",
    )
