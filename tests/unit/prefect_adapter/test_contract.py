"""
What Hookline assumes of Prefect's inside, a test an assumption: a Prefect that is otherwise fails here, with a sentence.

The ways to its server are in `test_storable`, its waits in `test_suspended_runs`.
"""

import ast
import inspect
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import prefect.flow_engine
import prefect.results
import prefect.runner
import prefect.task_engine
import pytest
from prefect import Task, flow
from prefect.blocks.core import Block
from prefect.client.schemas.objects import FlowRun, FlowRunPolicy
from prefect.context import FlowRunContext
from prefect.exceptions import Abort, Pause
from prefect.flow_engine import AsyncFlowRunEngine
from prefect.flow_engine import FlowRunEngine as SyncFlowRunEngine
from prefect.runtime import flow_run
from prefect.server import schemas
from prefect.server.api import deployments
from prefect.server.api import server as api_server
from prefect.server.orchestration import core_policy
from prefect.utilities.schema_tools import validation
from prefect.workers.base import BaseWorker
from prefect.workers.process import ProcessWorker

from hookline.prefect_adapter import (
    flow_run_engine,
    patching,
    result_storage,
    retries,
    run_marks,
    run_names,
    threaded_run,
)
from hookline.prefect_adapter.parameter_schema import server_schema
from hookline.prefect_adapter.worker import DrainableWorker

PUBLIC = (
    "prefect",
    "prefect.artifacts",
    "prefect.blocks.abstract",
    "prefect.client",
    "prefect.concurrency.asyncio",
    "prefect.events",
    "prefect.exceptions",
    "prefect.runtime",
    "prefect.states",
    "prefect.task_runners",
    "prefect.variables",
)
"""Modules of Prefect that anyone may import; those in its documentation."""
ELSEWHERE = {
    "hookline/provisioning/deployment_changes.py": {"prefect.runner.storage", "prefect.workers.process"},
    "hookline/sandbox/paid_orders.py": {"prefect.logging.handlers"},
    "blocks/http.py": {"prefect.blocks.core"},
}
"""Other imports that are documented, and wanted in one file."""


def source(part):
    """The text of a part of Prefect, on one line."""
    return " ".join(inspect.getsource(part).split())


def require(part, *texts, why):
    """Fail with the sentence if Prefect's source no longer has these texts, in this order."""
    at, text = 0, source(part)
    for wanted in texts:
        found = text.find(wanted, at)
        assert found >= 0, f"Prefect has changed: {part.__qualname__} has no longer {wanted!r}. {why}"
        at = found + len(wanted)


@pytest.mark.parametrize(
    ("cls", "of_prefect"),
    [
        (flow_run_engine.FlowRunEngine, AsyncFlowRunEngine),
        (flow_run_engine.BatchFlowRun, AsyncFlowRunEngine),
        (flow_run_engine.DispatchFlowRun, AsyncFlowRunEngine),
        (threaded_run.ThreadedFlowRun, SyncFlowRunEngine),
        (DrainableWorker, ProcessWorker),
    ],
    ids=lambda cls: cls.__name__,
)
def test_what_is_overridden_exists_in_prefect(cls, of_prefect):
    overriding = {name for name, part in vars(cls).items() if getattr(part, "__override__", False)}
    missing = {name for name in overriding - {"execute"} if not hasattr(of_prefect, name)}

    assert overriding
    assert set() == missing, f"{of_prefect.__name__} has no {missing}: what we put over it is never called."


def test_the_loop_of_a_flow_run_is_the_one_that_execute_repeats():
    require(
        prefect.flow_engine.run_flow_async,
        "async with engine.start():",
        "while engine.is_running():",
        "async with engine.run_context():",
        "await engine.call_flow_fn()",
        why="FlowRunEngine.execute repeats this loop.",
    )


def test_the_loop_of_a_synchronous_flow_run_is_the_one_that_execute_repeats():
    require(
        prefect.flow_engine.run_flow_sync,
        "with engine.start():",
        "while engine.is_running():",
        "with engine.run_context():",
        "engine.call_flow_fn()",
        why="ThreadedFlowRun.execute repeats this loop.",
    )
    require(SyncFlowRunEngine.set_state, "propose_state_sync(", why="ThreadedFlowRun.set_state guards it.")
    require(
        SyncFlowRunEngine.run_context, "self.handle_exception(exc)", why="What fails a run is decided there."
    )
    require(
        SyncFlowRunEngine.initialize_run,
        "SyncClientContext.get_or_create()",
        "self.handle_crash(exc)",
        why="A thread has a client of its own, and what interrupts it is no crash.",
    )

    assert 1 == source(SyncFlowRunEngine).count("propose_state_sync(")


@pytest.mark.parametrize(
    "run", [prefect.flow_engine.run_generator_flow_sync, prefect.flow_engine.run_generator_flow_async]
)
def test_a_flow_that_is_a_generator_succeeds_when_it_is_exhausted(run):
    require(run, "gen = flow.fn(", "engine.handle_success(", why="call_flow_fn exhausts it in the same way.")


def test_prefects_own_time_outs_of_threads_raise_an_exception_in_them():
    from prefect._internal.concurrency import cancellation

    require(
        cancellation._send_exception_to_thread,
        "PyThreadState_SetAsyncExc",
        why="A thread that is stopped is interrupted in the same way.",
    )


def test_no_observer_of_suspensions_is_started_but_by_the_method_that_we_override():
    require(
        AsyncFlowRunEngine.start,
        "with self.setup_flow_run_suspension_request():",
        "await self.begin_run()",
        why="FlowRunEngine starts no thread with a websocket for a run.",
    )
    observing = prefect.flow_engine.BaseFlowRunEngine.setup_flow_run_suspension_request
    require(observing, "observe_flow_run_suspension(", why="FlowRunEngine overrides it.")

    assert 1 == source(prefect.flow_engine).count("observe_flow_run_suspension(")


def test_an_error_of_the_flow_comes_to_handle_exception_and_a_stop_to_handle_crash():
    require(
        AsyncFlowRunEngine.run_context,
        "except Exception as exc:",
        "await self.handle_exception(exc)",
        why="DispatchFlowRun decides there what fails a run.",
    )
    require(
        AsyncFlowRunEngine.initialize_run,
        "except BaseException as exc:",
        "await self.handle_crash(exc)",
        why="DispatchFlowRun decides there what is a crash.",
    )


@pytest.mark.parametrize("signal", [Abort, Pause])
def test_prefects_signals_are_no_exceptions_that_a_flow_could_catch(signal):
    assert not issubclass(signal, Exception)


def test_each_state_of_a_flow_run_is_proposed_by_set_state():
    """Otherwise a run without a lease could report one."""
    require(AsyncFlowRunEngine.set_state, "await propose_state(", why="DispatchFlowRun.set_state guards it.")

    assert 1 == source(AsyncFlowRunEngine).count("propose_state(")


def test_a_flow_run_that_waits_for_its_retry_has_the_time_in_its_state():
    require(
        AsyncFlowRunEngine.handle_exception,
        "if self.state.is_scheduled():",
        "await self.set_state(Running())",
        why="DispatchFlowRun.set_state waits before this Running, and gives its slot back.",
    )


def test_a_run_uses_the_client_of_the_context_that_it_is_begun_in():
    require(
        AsyncFlowRunEngine.initialize_run,
        "async with AsyncClientContext.get_or_create() as",
        "self._client =",
        why="All runs of an engine share the client of `shared_client`.",
    )


def test_a_run_asks_one_function_where_results_are_stored():
    asking = source(prefect.results).count("_read_server_default_result_storage_block_id()")
    storage = result_storage.ResultStorage()
    storage.block_id = uuid4()

    assert storage.block_id == prefect.results._read_server_default_result_storage_block_id()
    assert asking >= 2, "Prefect no longer asks that function: a run may block the event loop again."


@pytest.mark.parametrize(
    "engine", [prefect.task_engine.AsyncTaskRunEngine, prefect.task_engine.SyncTaskRunEngine]
)
def test_a_tasks_delay_is_read_after_the_condition_of_its_retry(engine):
    require(
        engine.handle_retry,
        "self.can_retry(",
        "self.task.retry_delay_seconds[",
        why="RetryDelays takes the vendor's Retry-After from the error that the condition saw.",
    )
    require(engine.can_retry, "retry_condition(self.task, self.task_run, state)", why="See when_transient.")


def test_a_task_takes_a_list_of_delays_as_it_is():
    delays = retries.RetryDelays()
    task = Task(lambda: None, name="one", **{**retries.VENDOR_CALL, "retry_delay_seconds": delays})

    assert delays is task.retry_delay_seconds, "Prefect copies the list: no Retry-After is honoured any more."


def test_the_server_marks_the_retry_of_a_run_that_was_over_and_no_resumption_in_process():
    require(
        core_policy.HandleFlowTerminalStateTransitions.before_transition,
        "if not proposed_state.is_final():",
        "if proposed_state.is_scheduled():",
        'updated_policy["retry_type"] = "reschedule"',
        why="is_retried reads it.",
    )
    assert 'updated_policy["resuming"] = True' in source(
        core_policy.HandleResumingPausedFlows.after_transition
    )


def test_workers_leave_alone_what_goes_on_in_process():
    marked = FlowRun(flow_id=uuid4(), empirical_policy=FlowRunPolicy())
    run_marks.mark_for_engine(marked)

    assert run_marks.is_retried(marked) is False
    assert "in_process" == marked.empirical_policy.retry_type
    assert "retry_type" in schemas.core.FlowRunPolicy.model_fields
    require(
        AsyncFlowRunEngine.initialize_run,
        "empirical_policy=self.flow_run.empirical_policy",
        why="The mark of mark_for_engine is sent there.",
    )


def test_a_worker_gives_its_name_to_its_runs_and_their_ids_to_their_processes():
    labels = Path(inspect.getfile(BaseWorker)).read_text()
    starters = [file.read_text() for file in Path(inspect.getfile(prefect.runner)).parent.glob("*.py")]

    assert f'"{run_marks.WORKER_LABEL}"' in labels, "Prefect's worker labels its runs otherwise."
    assert any(run_marks.FLOW_RUN_VARIABLE in text for text in starters), (
        "It is another variable: none is found."
    )


def test_a_worker_knows_what_it_has_taken_and_not_begun():
    require(
        BaseWorker.__init__,
        "_submitting_flow_run_ids",
        why="DrainableWorker waits for these before it ends.",
    )


def test_the_server_checks_parameters_by_the_schema_that_we_check_by():
    require(
        deployments.create_flow_run_from_deployment,
        "validate( parameters, deployment.parameter_openapi_schema, raise_on_error=True",
        why="server_schema makes the schema of this check.",
    )
    require(
        validation.validate,
        "preprocess: bool = True",
        "schema = preprocess_schema(schema, allow_none_with_default)",
        why="server_schema does the same, and keeps the result.",
    )

    @flow
    def one(number: int, text: str | None = None) -> None:
        """Takes a number."""

    assert '"number"' in server_schema(one)


def test_the_server_registers_no_block_types_by_itself_where_it_is_told_so():
    require(
        api_server.create_app,
        "if not prefect.settings.PREFECT_API_BLOCKS_REGISTER_ON_START: return",
        "await run_block_auto_registration(session=session)",
        why="`migrate` registers them, one server after another.",
    )


def test_a_block_type_has_its_logo_in_the_attribute_that_apply_sets():
    assert hasattr(Block, "_logo_url")


def test_a_prefect_without_a_function_that_we_replace_is_an_error_at_once():
    with pytest.raises(RuntimeError, match=r"no SimpleNamespace\.gone, which Hookline replaces"):
        patching.wrap(SimpleNamespace, "gone", lambda original: original)
    with pytest.raises(RuntimeError, match=r"Install the version that requirements\.lock names"):
        patching.replace(prefect.results, "gone", lambda: None)


def test_only_the_adapter_imports_what_prefect_does_not_document(repository):
    found = {}
    for top in ("hookline", "flows", "tasks", "blocks"):
        for file in (repository / top).rglob("*.py"):
            name = file.relative_to(repository).as_posix()
            if not name.startswith("hookline/prefect_adapter/"):
                inner = imported(file) - ELSEWHERE.get(name, set())
                found |= {name: sorted(inner)} if inner else {}

    assert {} == found


def imported(file):
    """The modules of Prefect's inside that a file imports."""
    modules = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(node.module)
    return {
        module
        for module in modules
        if module.split(".")[0] == "prefect"
        and (
            "._" in module
            or not any(module == p or module.startswith(f"{p}.") for p in PUBLIC if p != "prefect")
        )
        and module != "prefect"
    }


@pytest.mark.parametrize("timezone", [None, "UTC", "Australia/Sydney"])
async def test_the_server_finds_the_times_of_a_cron_schedule(timezone):
    """With whenever 0.10, which Prefect 3.9.1 accepts, none was found, and the deployment never ran."""
    times = await schemas.schedules.CronSchedule(cron="10 * * * *", timezone=timezone).get_dates(2)

    assert 3600 == (times[1] - times[0]).total_seconds()


def test_a_block_type_is_registered_by_the_same_comparison_that_we_make():
    source = inspect.getsource(Block.register_type_and_schema.__wrapped__)

    assert [True, True] == [
        part in source
        for part in (
            "_should_update_block_type(\n                    local_block_type=local_block_type",
            "checksum=cls._calculate_schema_checksum(),\n                    version=cls.get_block_schema_version()",
        )
    ], "Prefect registers a block type by another comparison: see hookline/prefect_adapter/block_types.py"


async def test_a_flow_sees_its_run_under_the_name_that_was_noted():
    run = FlowRun(flow_id=uuid4(), name="as it began", tags=["a"])
    client, parameters = SimpleNamespace(), {}
    context = FlowRunContext.model_construct(flow_run=run, parameters=parameters, client=client)

    with context:
        run_names.note("order 100123", ["order:100123"])
        seen = flow_run.name, flow_run.tags

    assert ("order 100123", ["order:100123"]) == seen, "a flow reads its run elsewhere: see run_names"
