"""Prefect's engine for one flow run, in this process, which can be stopped without being taken for a crash."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from prefect._flow_run_suspension import FlowRunSuspensionRequest, register_flow_run_suspension_request
from prefect.client.schemas.objects import State
from prefect.exceptions import Abort, Pause
from prefect.flow_engine import AsyncFlowRunEngine
from prefect.results import ResultStore

from hookline.context import waiting_for_next_attempt
from hookline.database import DatabaseUnavailable
from hookline.engine.leases import ClaimedDispatch, Stop
from hookline.errors import HooklineError
from hookline.prefect_adapter.errors import PrefectUnavailable, causes, is_of_prefect, told


class FlowExits(HooklineError):
    """A flow wanted to end its process, in which others run."""


@contextmanager
def no_exit() -> Iterator[None]:
    """
    Within, `sys.exit` and Ctrl-C are ordinary errors: asyncio would end its loop for them, and with it all others.

    Raises:
        FlowExits: instead of them.
    """
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as error:
        raise FlowExits(
            f"{type(error).__name__}: the flow wanted to end the process, which it shares. Let it raise an error or "
            "return."
        ) from error


def is_cancelled() -> bool:
    """Return True if whoever runs this task wants it to end; a flow may raise CancelledError all by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class RunHere(AsyncFlowRunEngine[Any, Any]):
    """
    Prefect's own engine for a flow run, without a thread of its own.

    Prefect's starts one with a websocket for each run, and waits for it, to learn whether a person suspends the
    run: here, `reconcile` asks about all of them at once.
    """

    async def call_flow_fn(self) -> Any:
        """Call the flow; what would end a process ends the run alone."""
        with no_exit():
            return await super().call_flow_fn()

    async def to_its_end(self) -> None:
        """Run until the flow run is over, or Prefect does not let it go on."""
        async with self.start():
            while self.is_running():
                async with self.run_context():
                    _ = await self.call_flow_fn()

    @contextmanager
    def setup_flow_run_suspension_request(self) -> Iterator[FlowRunSuspensionRequest]:
        """Let the run be told to suspend, by whoever sees that it should."""
        request = self._get_flow_run_suspension_request()
        with register_flow_run_suspension_request(self._id, request):
            request.raise_if_requested()
            yield request

    @property
    def _id(self) -> UUID:
        if self.flow_run is None:
            raise RuntimeError("there is no flow run")
        return self.flow_run.id


class Run(RunHere):
    """
    The flow run of one dispatch, which knows why it is stopped.

    Prefect's own takes every exception for a failure of the flow, and being stopped for a crash.
    """

    def __init__(self, *, claimed: ClaimedDispatch, **given: Any) -> None:
        super().__init__(**given)
        self.claimed = claimed
        self.refused: Abort | None = None
        """What Prefect did not let the run do."""

    async def run_to_its_end(self) -> None:
        """
        Run until the flow run is over, suspended or stopped.

        Raises:
            httpx.HTTPError, PrefectUnavailable: Prefect is away.
            DatabaseUnavailable: PostgreSQL is away.
        """
        self.claimed.flow = asyncio.create_task(self.to_its_end(), name=f"dispatch {self.claimed.id}")
        if self.claimed.stop is not None:
            self.claimed.request_stop(self.claimed.stop)
        try:
            await self.claimed.flow
        except Pause:
            pass
        except Abort as refused:
            self.refused = refused
        except asyncio.CancelledError:
            if self.claimed.stop is None and is_cancelled():
                raise
        finally:
            self.claimed.flow = None

    async def set_state(self, state: State[Any], force: bool = False) -> State[Any]:
        """
        Propose a state, while the lease lasts: another engine may run the same flow run by now.

        A flow that waits for its own retry is not run again if it was cancelled meanwhile.
        """
        if state.is_running() and (until := self.state.state_details.scheduled_time):
            seconds = max(until.timestamp() - time.time(), 0)
            with waiting_for_next_attempt(seconds):
                await asyncio.sleep(seconds)
            at_present = (await self.client.read_flow_run(self._id)).state
            if at_present is not None and at_present.is_cancelled():
                raise Abort("it was cancelled while it waited for its next attempt")
        await self.claimed.check()
        if self.claimed.stop is Stop.LEASE_LOST:
            raise Abort(self.claimed.stop.value)
        return await super().set_state(state, force)

    async def handle_exception(
        self, exc: Exception, msg: str | None = None, result_store: ResultStore | None = None
    ) -> State[Any]:
        """Fail the run, unless it was stopped, or Prefect or PostgreSQL was away: then it goes on later."""
        if self.claimed.stop is not None:
            await self._stopped(exc)
            raise Abort(self.claimed.stop.value)
        for cause in causes(exc):
            if isinstance(cause, DatabaseUnavailable):
                raise cause
            if is_of_prefect(cause, self.client):
                raise PrefectUnavailable(f"Prefect is away: {told(cause)}") from exc
        return await super().handle_exception(exc, msg, result_store)

    async def handle_crash(self, exc: BaseException) -> None:
        """Say that the run crashed, unless it was stopped from outside."""
        if self.claimed.stop is None:
            await super().handle_crash(exc)
        else:
            await self._stopped(exc)

    async def _stopped(self, exc: BaseException) -> None:
        if self.claimed.stop is Stop.CANCELLED:
            await self.handle_cancellation(exc)
