"""
Prefect's engine for one flow run, in a thread: a synchronous flow blocks its thread, and nothing else.

A thread cannot be killed. One that is to stop has an exception raised in it as soon as it executes Python again, in the
way that Prefect's own time-outs of threads have; what it still reports to Prefect afterwards is refused here.
"""

import asyncio
import ctypes
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import nullcontext
from types import CodeType, ModuleType
from typing import Any, Final

from prefect import Flow, Task
from prefect.client.schemas.objects import State
from prefect.exceptions import Abort, Pause
from prefect.flow_engine import FlowRunEngine as SyncFlowRunEngine
from prefect.results import ResultStore
from prefect.utilities.callables import call_with_parameters
from typing_extensions import override

from hookline.context import waiting_for_next_attempt
from hookline.prefect_adapter.control import Control, Stop
from hookline.prefect_adapter.errors import not_its_fault
from hookline.prefect_adapter.flow_run_engine import DispatchFlowRun, no_exit
from hookline.prefect_adapter.run_spans import FlowSpan
from hookline.prefect_adapter.vendor_waits import awaiting_retry, vendor_away

SLEEP_SECONDS: Final = 0.2
"""The longest sleep without a look for a stop."""


class Interrupted(BaseException):
    """Raised in a thread that must stop; no Exception, because flows catch those."""


def interrupt(thread: threading.Thread) -> None:
    """Raise `Interrupted` in a thread, as soon as it executes Python."""
    if thread.ident is not None:
        raised = ctypes.py_object(Interrupted)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), raised)


def blocks(flow: Flow[..., Any]) -> bool:
    """
    Return True if a flow keeps its thread from all else while it runs: it is no `async def`, or it calls what is none.

    An asynchronous flow calls a synchronous task or flow in its own event loop. Such a call is known by the names that
    the flow's code uses; one behind a function of its own is found by the watchdog of the loop alone.
    """
    return not flow.isasync or any(
        isinstance(each, Flow | Task) and not each.isasync for each in _named(inspect.unwrap(flow.fn))
    )


def _named(function: Callable[..., Any]) -> Iterator[object]:
    """Yield what a function names: in its module, in the modules that it names, and in its inner functions."""
    module = getattr(function, "__globals__", {})
    for name in (names := _names(getattr(function, "__code__", None))):
        yield (found := module.get(name))
        if isinstance(found, ModuleType):
            yield from (vars(found).get(inner) for inner in names)


def _names(code: CodeType | None) -> set[str]:
    if code is None:  # of a class or an object that is called
        return set()
    inner = [_names(each) for each in code.co_consts if isinstance(each, CodeType)]
    return {*code.co_names}.union(*inner)


class DistantControl:
    """The control over a run that an event loop of its own has: the engine is asked in the engine's loop."""

    def __init__(self, control: Control, loop: asyncio.AbstractEventLoop) -> None:
        self._control = control
        self._loop = loop
        self.left = threading.Event()
        """Set when the engine waits for the thread no longer."""

    @property
    def stop(self) -> Stop | None:
        """The reason to stop; a thread that was left must leave the run to others."""
        return Stop.LEASE_LOST if self.left.is_set() else self._control.stop

    async def ensure_lease(self) -> bool:
        """Renew the lease if it may have expired; see `Control`."""
        asked = self._ask()
        return asked is not None and await asyncio.wrap_future(asked)

    def ensure_lease_here(self) -> bool:
        """Do the same from a thread without an event loop, which waits for the answer."""
        asked = self._ask()
        return asked is not None and asked.result()

    def _ask(self) -> "Future[bool] | None":
        """Ask the engine; None if it no longer has the run, or has ended."""
        if self.left.is_set():
            return None
        question = self._control.ensure_lease()
        try:
            return asyncio.run_coroutine_threadsafe(question, self._loop)
        except RuntimeError:  # its loop is closed
            question.close()
            self.left.set()
            return None


class ThreadedFlowRun(SyncFlowRunEngine[Any, Any]):
    """The flow run of one dispatch whose flow is synchronous; the twin of `DispatchFlowRun`."""

    def __init__(self, *, control: DistantControl, **options: Any) -> None:
        super().__init__(**options)
        self.control = control
        self.refused: Abort | None = None
        """The refusal of Prefect, if it did not let the run go on."""
        self.error: Exception | None = None
        """The error of which the run failed last."""

    @override
    def setup_flow_run_suspension_request(self) -> Any:
        """Start no observer: the engine asks about all runs at once."""
        return nullcontext()

    def execute(self) -> None:
        """
        Run until the flow run is over, suspended or stopped; call it in a thread of its own.

        Raises:
            httpx.HTTPError, PrefectUnavailable: Prefect is unavailable.
            DatabaseUnavailable: PostgreSQL is unavailable.
        """
        self._telemetry = FlowSpan()
        try:
            with self.start():
                while self.is_running():
                    with self.run_context():
                        self.call_flow_fn()
        except Pause:
            pass
        except Abort as refused:
            self.refused = refused
        except Exception:
            if self.control.stop is None:
                raise
        except (
            BaseException
        ):  # it was interrupted, or the flow raised what nobody raises: then it has crashed
            if self.control.stop is None and not self.state.is_final():
                raise

    @override
    def call_flow_fn(self) -> Any:
        """Call the flow; `sys.exit` ends this run alone, and a generator is run to its end."""
        with no_exit():
            if not self.flow.isgenerator:
                return super().call_flow_fn()
            generator = call_with_parameters(self.flow.fn, self.parameters or {})
            while True:
                try:
                    next(generator)
                except StopIteration as end:
                    return self.handle_success(end.value)

    @override
    def set_state(self, state: State[Any], force: bool = False) -> State[Any]:
        """Propose a state if the lease lasts; a flow that waits for its own retry looks if it was cancelled."""
        if state.is_running() and (until := self.state.state_details.scheduled_time):
            self._sleep(max(until.timestamp() - time.time(), 0))
            current = self.client.read_flow_run(self.flow_run.id).state if self.flow_run else None
            if current is not None and current.is_cancelled():
                raise Abort("it was cancelled while it waited for its next attempt")
        self.control.ensure_lease_here()
        if (stop := self.control.stop) is not None and stop.forbids_states:
            raise Abort(stop.value)
        return super().set_state(state, force)

    @override
    def handle_exception(
        self, exc: Exception, msg: str | None = None, result_store: ResultStore | None = None
    ) -> State[Any]:
        """Fail the run, unless it was stopped, or a vendor, Prefect or PostgreSQL is away: then it goes on later."""
        if self.control.stop is not None:
            self._report_cancellation(exc)
            raise Abort(self.control.stop.value)
        if (away := vendor_away(exc)) is not None:
            if self.control.ensure_lease_here() and self.flow_run is not None:
                self.client.set_flow_run_state(self.flow_run.id, awaiting_retry(away), force=True)
            raise away
        if (outage := not_its_fault(exc, self.client)) is not None:
            raise outage
        self.error = exc
        return super().handle_exception(exc, msg, result_store)

    @override
    def handle_crash(self, exc: BaseException) -> None:
        """Report a crash, unless the run was stopped from outside."""
        if self.control.stop is None:
            super().handle_crash(exc)
        else:
            self._report_cancellation(exc)

    def _sleep(self, seconds: float) -> None:
        """Sleep in small parts, between which the thread can be interrupted."""
        until = time.monotonic() + seconds
        with waiting_for_next_attempt(seconds):
            while (left := until - time.monotonic()) > 0:
                time.sleep(min(left, SLEEP_SECONDS))

    def _report_cancellation(self, exc: BaseException) -> None:
        if self.control.stop is Stop.CANCELLED:
            self.handle_cancellation(exc)


def in_own_loop(run: DispatchFlowRun, on_end: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Return a call that executes an asynchronous run in an event loop of its own, which ends with `on_end`."""

    async def execute() -> None:
        try:
            await run.execute()
        finally:
            await on_end()

    return lambda: asyncio.run(execute())
