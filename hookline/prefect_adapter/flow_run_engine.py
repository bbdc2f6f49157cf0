"""Prefect's engine for one flow run, subclassed: a run in this process can be stopped without being a crash."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State
from prefect.exceptions import Abort, Pause
from prefect.flow_engine import AsyncFlowRunEngine
from prefect.results import ResultStore
from prefect.utilities.callables import call_with_parameters
from typing_extensions import override

from hookline.clients.errors import VendorAway
from hookline.context import waiting_for_next_attempt
from hookline.errors import HooklineError
from hookline.prefect_adapter.control import Control, Stop
from hookline.prefect_adapter.errors import not_its_fault
from hookline.prefect_adapter.opening import OpenedRunClient
from hookline.prefect_adapter.run_spans import FlowSpan
from hookline.prefect_adapter.vendor_waits import awaiting_retry, vendor_away


class FlowExits(HooklineError):
    """A flow tried to end its process, in which other flows run."""


@contextmanager
def no_exit() -> Iterator[None]:
    """
    Turn `sys.exit` and Ctrl-C into ordinary errors: asyncio would end its loop for them, and with it all other runs.

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


class FlowRunEngine(AsyncFlowRunEngine[Any, Any]):
    """
    Prefect's own engine for a flow run, without a thread of its own.

    Prefect's starts a thread with a websocket for each run of a deployment, and waits for it, to learn if a person
    suspends the run. Here `hookline.engine.reconcile` asks about all runs at once and stops the suspended ones.
    """

    @override
    async def call_flow_fn(self) -> Any:
        """Call the flow; `sys.exit` ends this run alone, and a generator is run to its end."""
        with no_exit():
            if not self.flow.isgenerator:
                return await super().call_flow_fn()
            generator: Any = call_with_parameters(self.flow.fn, self.parameters or {})
            async for _ in generator:
                pass
            return await self.handle_success(None)

    @override
    def setup_flow_run_suspension_request(self) -> Any:
        """Start no observer."""
        return nullcontext()

    async def execute(self) -> None:
        """Run until the flow run is over, or Prefect does not let it go on."""
        self._telemetry = FlowSpan()
        async with self.start():
            while self.is_running():
                async with self.run_context():
                    _ = await self.call_flow_fn()


class BatchFlowRun(FlowRunEngine):
    """The flow run of a batch, which never fails: an error in it is no dispatch's fault."""

    @override
    async def handle_exception(self, exc: Exception, *_: Any, **__: Any) -> State[Any]:
        """Raise the error, and leave the flow run as it is; an engine ends it."""
        raise exc


class DispatchFlowRun(FlowRunEngine):
    """
    The flow run of one dispatch, under the control of its engine.

    Prefect's own engine takes every exception for a failure of the flow, and being stopped for a crash.
    """

    def __init__(self, *, control: Control, is_opened: bool = False, **options: Any) -> None:
        """
        Prepare the run.

        Args:
            control: the engine that has the run.
            is_opened: it was made as running a moment ago (`hookline.prefect_adapter.opening`).
            options: those of Prefect's engine.
        """
        super().__init__(**options)
        self.control = control
        self._is_opened = is_opened
        self._has_begun = False
        self._opened_client: OpenedRunClient | None = None
        self.refused: Abort | None = None
        """The refusal of Prefect, if it did not let the run go on."""
        self.error: Exception | None = None
        """The error of which the run failed last."""

    @property
    @override
    def client(self) -> PrefectClient:
        """The client of Prefect; that of a run that was opened a moment ago knows the run."""
        client = super().client
        if not self._is_opened or self.flow_run is None:
            return client
        if self._opened_client is None:
            self._opened_client = OpenedRunClient(client, self.flow_run)
        return self._opened_client

    @override
    async def execute(self) -> None:
        """
        Run until the flow run is over, suspended or stopped.

        Raises:
            httpx.HTTPError, PrefectUnavailable: Prefect is unavailable.
            DatabaseUnavailable: PostgreSQL is unavailable.
        """
        try:
            await super().execute()
        except Pause:
            pass
        except Abort as refused:
            self.refused = refused
        except Exception:
            if self.control.stop is None:
                raise

    @override
    async def set_state(self, state: State[Any], force: bool = False) -> State[Any]:
        """
        Propose a state if the lease lasts: another engine may run the same flow run by now.

        A flow that waits for its own retry is not run again if it was cancelled meanwhile.
        """
        if state.is_running() and (until := self.state.state_details.scheduled_time):
            seconds = max(until.timestamp() - time.time(), 0)
            with waiting_for_next_attempt(seconds):
                await asyncio.sleep(seconds)
            current = (await self.client.read_flow_run(self._flow_run_id)).state
            if current is not None and current.is_cancelled():
                raise Abort("it was cancelled while it waited for its next attempt")
        await self.control.ensure_lease()
        if self.control.stop is not None and self.control.stop.forbids_states:
            raise Abort(self.control.stop.value)
        if self._is_opened and state.is_running() and not self._has_begun:
            self._has_begun = True
            await self.call_hooks(self.state)
            return self.state
        return await super().set_state(state, force)

    @override
    async def handle_exception(
        self, exc: Exception, msg: str | None = None, result_store: ResultStore | None = None
    ) -> State[Any]:
        """Fail the run, unless it was stopped, or a vendor, Prefect or PostgreSQL is away: then it goes on later."""
        if self.control.stop is not None:
            await self._report_cancellation(exc)
            raise Abort(self.control.stop.value)
        if (away := vendor_away(exc)) is not None:
            await self._wait_for_vendor(away)
            raise away
        if (outage := not_its_fault(exc, self.client)) is not None:
            raise outage
        self.error = exc
        return await super().handle_exception(exc, msg, result_store)

    @override
    async def handle_crash(self, exc: BaseException) -> None:
        """Report a crash, unless the run was stopped from outside."""
        if self.control.stop is None:
            await super().handle_crash(exc)
        else:
            await self._report_cancellation(exc)

    async def _wait_for_vendor(self, away: VendorAway) -> None:
        """Set the flow run to AwaitingRetry, unless another engine may have it by now."""
        if await self.control.ensure_lease():
            await self.client.set_flow_run_state(self._flow_run_id, awaiting_retry(away), force=True)

    async def _report_cancellation(self, exc: BaseException) -> None:
        if self.control.stop is Stop.CANCELLED:
            await self.handle_cancellation(exc)

    @property
    def _flow_run_id(self) -> UUID:
        if self.flow_run is None:
            raise RuntimeError("there is no flow run")
        return self.flow_run.id
