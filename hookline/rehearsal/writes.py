"""
The journal of a rehearsal: every write is compared with the recorded one, which answers it; none is sent.

A write that differs is answered as it was, so that all that differs after it is found, too. A write that nobody did
has no answer: the run is followed up to there.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from hookline.database import pool
from hookline.database.types import Row
from hookline.journal import CountReadback, Effect, Journal, Outcome, Readback, Send
from hookline.rehearsal import recorded
from hookline.rehearsal.doors import NotRecorded
from hookline.rehearsal.recorded import Stored
from hookline.rehearsal.report import NOTHING, Difference, Unknown, changed_fields, text_of

NEW = "what follows a write that nobody did"


class WouldWrite(NotRecorded):
    """A write that nobody did: it would be done, and its answer is not known."""


@dataclass
class Run:
    """One run of a rehearsal: what it wrote, read, and could not know."""

    route: str
    delivery: Stored | None = None
    differences: list[Difference] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    written: set[tuple[str, str, str]] = field(default_factory=set)
    """The steps of businesses that it did or asked about."""
    effects: list[Row] = field(default_factory=list)
    """Those of them that were recorded."""

    def differs(self, kind: Any, what: str, then: str, now: str) -> None:
        """Note a difference."""
        self.differences.append(Difference(kind, self.route, what, then, now))

    def misses(self, what: str, details: str = "") -> None:
        """Note what the run needs and nobody recorded."""
        self.unknown.append(Unknown(self.route, what, text_of(details)))


_run: ContextVar[Run | None] = ContextVar("hookline_rehearsed_run", default=None)


@contextmanager
def following(run: Run) -> Iterator[None]:
    """Note what happens within as this run's."""
    token = _run.set(run)
    try:
        yield
    finally:
        _run.reset(token)


def current_run() -> Run:
    """Return the run here; in a thread that a flow started by itself, one that nobody looks at."""
    return _run.get() or Run("")


@dataclass(frozen=True)
class RehearsedJournal(Journal):
    """The recorded journal; its settings lead to the real database, which is read only."""

    async def run(
        self,
        effect: Effect,
        send: Send,  # noqa: ARG002  (nothing is sent)
        readback: Readback | None = None,  # noqa: ARG002
        *,
        resend: bool = False,  # noqa: ARG002
        forgotten: CountReadback | None = None,  # noqa: ARG002
    ) -> Outcome:
        """
        Compare a write with the recorded one, and return the outcome of that.

        Raises:
            WouldWrite: nobody did it.
            NotRecorded: it was begun, and has no outcome.
        """
        run = current_run()
        run.written.add((effect.workflow, effect.key, effect.step))
        row = await recorded.effect(await pool(self.settings), effect.workflow, effect.key, effect.step)
        if row is None:
            run.differs(
                "write new", effect.operation, NOTHING, f"{effect}: {text_of(_plain(effect.request))}"
            )
            run.misses(NEW, str(effect))
            raise WouldWrite(f"the answer to {effect.operation}", str(effect))
        run.effects.append(row)
        for place, then, now in _changes(row, effect):
            run.differs("write changed", f"{row['operation']}: {place}", then, now)
        if row["state"] not in recorded.DONE:
            run.misses(f"the end of {effect.operation}, which is {row['state']},", str(effect))
            raise NotRecorded(f"the end of {effect.operation}", str(effect))
        return Outcome(list(row["reference"]), row["answer"])

    async def outcome_of(self, workflow: str, key: str, step: str) -> Outcome | None:
        """Return the recorded outcome of an effect that is done."""
        current_run().written.add((workflow, key, step))
        return await super().outcome_of(workflow, key, step)

    async def correct_reference(self, workflow: str, key: str, step: str, reference: str) -> None:
        """Note nothing: the journal is not this process's."""


def _changes(row: Row, effect: Effect) -> Iterator[tuple[str, str, str]]:
    """Yield what differs between a recorded write and one that would be done."""
    for name in ("operation", "account"):
        if row[name] != getattr(effect, name):
            yield name, text_of(row[name]), text_of(getattr(effect, name))
    yield from changed_fields(row["request"], _plain(effect.request))


def _plain(request: Any) -> Any:
    """Return a request as the journal has it."""
    return json.loads(json.dumps(request))
