"""One delivery after another: routed and run by the files and flows of here, and compared with what happened."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
from prefect import Flow
from prefect.client.schemas.objects import State

from hookline import text
from hookline.confined import Confined
from hookline.context import working_on
from hookline.database import pool
from hookline.database.types import Row
from hookline.engine.evaluation import Evaluation
from hookline.engine.trying import Files
from hookline.errors import ConfigurationError, HooklineError
from hookline.inbox import bodies
from hookline.inbox.dispatches import NewDispatch
from hookline.prefect_adapter.flow_run_engine import no_exit
from hookline.prefect_adapter.run_names import PREFECT_PREAMBLE
from hookline.provisioning.placement import Where
from hookline.rehearsal import network, recorded, routing
from hookline.rehearsal.recorded import Choice, Stored
from hookline.rehearsal.report import NOTHING, Difference, Report, Unknown, text_of
from hookline.rehearsal.writes import Run, following
from hookline.settings import Settings

AT_ONCE: Final = 8
"""Deliveries."""
BATCH: Final = 20
RUN_SECONDS: Final = 120.0
ENDED: Final = (*recorded.DONE, "failed", "uncertain")
"""States of a dispatch that ran to its end."""


@dataclass
class Rehearsal:
    """Stored deliveries against the files and the flows of here."""

    recorded: Settings
    """Those that lead to the real database."""
    settings: Settings
    """Those of here."""
    files: Files
    confined: Confined

    def __post_init__(self) -> None:
        self.report = Report()
        self._evaluation = Evaluation(
            self.files.hooks, self.files.deployments, self.settings.body_keys, self.confined
        )

    async def run(self, choice: Choice, on_progress: Callable[[int, int], None]) -> Report:
        """
        Rehearse the deliveries of a choice.

        Raises:
            HooklineError: the real database cannot be read.
        """
        database = await pool(self.recorded)
        try:
            ids = await recorded.chosen(database, choice)
            for start in range(0, len(ids), BATCH):
                on_progress(start, len(ids))
                await self._batch(await recorded.stored(database, ids[start : start + BATCH]), choice.route)
            on_progress(len(ids), len(ids))
        except (asyncpg.UndefinedColumnError, asyncpg.UndefinedTableError) as error:
            raise HooklineError(
                f"The database has another schema than this version can read: {error}. Rehearse with the version that "
                "runs, and read what the upgrade changes in CHANGELOG.md."
            ) from None
        return self.report

    async def _batch(self, batch: Sequence[Stored], route: str | None) -> None:
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(stored: Stored) -> tuple[list[Difference], list[Unknown]]:
            async with slots:
                return await self._delivery(stored, route)

        for stored, found in zip(batch, await asyncio.gather(*map(one, batch)), strict=True):
            self.report.add(str(stored.row["id"]), *found)

    async def _delivery(self, stored: Stored, route: str | None) -> tuple[list[Difference], list[Unknown]]:
        """Return what differs of a delivery, and what of it cannot be known."""
        if why := self._why_not_routed(stored):
            return [], [Unknown("", why)]
        outcome = await routing.outcome_of(self._evaluation, stored, route)
        differences = list(routing.differences(stored, outcome, route))
        unknown: list[Unknown] = []
        for new in outcome.new:
            run = await self._run(stored, new)
            differences += run.differences
            unknown += run.unknown
        return differences, unknown

    def _why_not_routed(self, stored: Stored) -> str | None:
        if not stored.dispatches and stored.state in {"received", "held"}:
            return f"it is {stored.state}, and not routed yet"
        if stored.body is None:
            return bodies.REMOVED
        try:
            bodies.unseal({**stored.row, "body": stored.body}, self.settings.body_keys)
        except ValueError as error:
            return str(error)
        return None

    async def _run(self, stored: Stored, new: NewDispatch) -> Run:
        """Run a dispatch as it would be now, and compare it with the one that was."""
        run, before = Run(new.route, stored), stored.dispatches.get(new.route)
        if before is not None and before["state"] not in ENDED:
            run.misses(f"its end: it is {before['state']}")
            return run
        try:
            flow = self._flow(new)
        except ConfigurationError as error:
            run.misses(str(error))
            return run
        parameters = {**self.files.deployments[new.deployment].parameters, **new.parameters}
        dispatch_id: UUID = before["id"] if before is not None else uuid4()
        with following(run), working_on(stored.row["id"], dispatch_id), network.in_flow():
            state = await _ended(flow, parameters, run)
        self.report.runs += 1
        self.report.writes += len(run.effects)
        if state is not None and not run.unknown:
            await self._compare(run, before, state)
        return run

    def _flow(self, new: NewDispatch) -> Flow[..., Any]:
        """Return the flow of a dispatch; raises ConfigurationError for one that cannot be run here."""
        deployment = self.files.deployments[new.deployment]
        flow = deployment.flow()
        if deployment.placement().where is Where.POOL or flow.isgenerator:
            raise ConfigurationError(f"a run of {new.deployment}, which runs in a work pool,")
        return flow.with_options(retries=0)

    async def _compare(self, run: Run, before: Row | None, state: State[Any]) -> None:
        """Note how the end of a run differs from the stored one, and what it would no longer write."""
        succeeds, now = state.is_completed(), _end(state)
        if before is None:
            if not succeeds:
                run.differs("failure", "fails", NOTHING, now)
            return
        succeeded = before["state"] in recorded.DONE
        then = f"{before['state']}: {before['reason']}" if before["reason"] else before["state"]
        if succeeded and not succeeds:
            run.differs("failure", "fails", text_of(then), now)
        elif succeeds and not succeeded:
            run.differs("end", "no longer fails", text_of(then), now)
        elif text_of(then) != now and run.effects and not _did(before, run):
            run.misses("the vendors' records as they were then: another delivery found others, and did it")
        elif text_of(then) != now:
            run.differs("end" if succeeds else "failure", "ends otherwise", text_of(then), now)
        if succeeds and succeeded:
            for each in await recorded.effects_of_dispatch(await pool(self.recorded), before["id"]):
                if (each["workflow"], each["key"], each["step"]) not in run.written:
                    what = text_of(f"{each['step']} of {each['label']}")
                    run.differs("write missing", each["operation"], what, NOTHING)


async def _ended(flow: Flow[..., Any], parameters: Mapping[str, Any], run: Run) -> State[Any] | None:
    """Return the state in which a run of a flow ends; None: it has none here, and the run says why."""
    call: Any = flow  # its overloads do not know which one it is
    try:
        with no_exit():
            async with asyncio.timeout(RUN_SECONDS):
                if flow.isasync:
                    state: State[Any] = await call(**parameters, return_state=True)
                else:
                    state = await asyncio.to_thread(call, **parameters, return_state=True)
    except TimeoutError:
        run.misses(f"its end: it takes longer than {RUN_SECONDS:g} s")
        return None
    except Exception as error:  # noqa: BLE001  (a flow may raise anything; it ends this run alone)
        run.misses("its end: Prefect does not run it", str(error))
        return None
    return state


def _did(dispatch: Row, run: Run) -> bool:
    """Return True if a stored dispatch did something of what its run would do now."""
    return any(each["dispatch_id"] == dispatch["id"] for each in run.effects)


def _end(state: State[Any]) -> str:
    """Return how a run ends, as the inbox says it."""
    if state.is_completed():
        name, reason = "done", state.message if state.name != "Completed" else None
    else:
        name, reason = "failed", (state.message or state.name or "").removeprefix(PREFECT_PREAMBLE)
    return text_of(f"{name}: {text.reason(reason)}" if reason else name)
