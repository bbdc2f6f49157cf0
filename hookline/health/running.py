"""How the work goes: engines that are alive, the oldest delivery that no engine has routed, files that are wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from hookline.database.types import Connection
from hookline.health.finding import Finding
from hookline.inbox import configuration

ALIVE = timedelta(seconds=10)
"""An engine that was seen longer ago is not alive."""
MAX_WAIT_SECONDS = 30.0
"""Within these a delivery that was received is routed, unless something is wrong."""


@dataclass(frozen=True)
class Trouble:
    """A part of an engine that fails."""

    engine: str
    text: str
    since: datetime


@dataclass(frozen=True)
class Running:
    """How the work goes just now."""

    engines: int
    troubles: Sequence[Trouble]
    oldest: UUID | None
    """The delivery that has waited longest to be routed."""
    waits_seconds: float
    """For how long it has."""
    problems: Sequence[asyncpg.Record]
    """What in the files of running processes is wrong; see `configuration.problems`."""

    @property
    def waits_too_long(self) -> str | None:
        """Say which delivery waits too long to be routed; None where none does."""
        if self.oldest is None or self.waits_seconds <= MAX_WAIT_SECONDS:
            return None
        engines = "although an engine is alive" if self.engines else "and no engine is alive"
        return f"delivery {self.oldest} has waited {self.waits_seconds:.0f} s to be routed, {engines}"

    def warnings(self, processes: Mapping[str, str]) -> list[str]:
        """Say what is not as it should be, in words that anybody may read: no text of people or files."""
        return [
            *([self.waits_too_long] if self.waits_too_long else []),
            *(f"a part of engine {trouble.engine} fails" for trouble in self.troubles),
            *(f"the process {name} ends again and again" for name in processes),
            *([f"{len(self.problems)} things in the files are wrong"] if self.problems else []),
        ]


async def look(database: "Connection | asyncpg.Pool", *, seconds: float | None = None) -> Running:
    """Ask the database how the work goes."""
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
    )


def check(running: Running) -> list[Finding]:
    """Return what `hookline doctor` says of it."""
    return [_engines(running), _received(running), *_files(running)]


def _engines(running: Running) -> Finding:
    if running.troubles:
        told = "; ".join(
            f"{each.engine} since {each.since:%H:%M:%S} UTC: {each.text}" for each in running.troubles
        )
        return Finding("engines", "warning", told, "Look at the log of that engine.")
    if not running.engines:
        return Finding("engines", "warning", "none is alive: what is received waits", "hookline up")
    return Finding("engines", "ok", f"{running.engines} alive")


def _received(running: Running) -> Finding:
    if text := running.waits_too_long:
        return Finding(
            "received",
            "problem",
            text,
            f"Look at the engine's log, and: hookline inbox show {running.oldest}",
        )
    return Finding("received", "ok", "nothing waits long to be routed")


def _files(running: Running) -> list[Finding]:
    """Return a problem for each thing that running processes, here or on another machine, cannot use."""
    advice = "Mend the place that it names, then: hookline apply"
    return [
        Finding("files in force", "problem", f"{row['detail']} ({', '.join(row['processes'])})", advice)
        for row in running.problems
    ] or [Finding("files in force", "ok", "running processes use all that is in their files")]
