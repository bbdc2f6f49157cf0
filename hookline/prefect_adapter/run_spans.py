"""The spans that Prefect makes of flow runs and task runs, in the trace of the delivery that they are for."""

from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from prefect.client.orchestration import PrefectClient, SyncPrefectClient
from prefect.context import TaskRunContext
from prefect.telemetry.run_telemetry import LABELS_TRACEPARENT_KEY, FlowOrTaskRun, RunTelemetry
from typing_extensions import override

from hookline.tracing import ATTRIBUTES

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

SCOPE = "prefect"


def labels(traceparent: str | None) -> dict[str, Any]:
    """Return the labels of a flow run that is created in this span: wherever it runs, it goes on with its trace."""
    return {} if traceparent is None else {LABELS_TRACEPARENT_KEY: traceparent}


class FlowSpan(RunTelemetry):
    """
    The span of a flow run.

    Prefect's own writes its context to the server, with a request for each run; ours was created with one.
    """

    @override
    async def async_start_span(
        self, run: FlowOrTaskRun, client: PrefectClient, parameters: dict[str, Any] | None = None
    ) -> Any:
        """Start the span."""
        return self._start_span(run, parameters)[1] if self._enabled else None

    @override
    def start_span(
        self, run: FlowOrTaskRun, client: SyncPrefectClient, parameters: dict[str, Any] | None = None
    ) -> Any:
        """Start the span."""
        return self._start_span(run, parameters)[1] if self._enabled else None


def task_names() -> "SpanProcessor":
    """
    Return what notes the task of each task run, as its code names it.

    The name of the run itself may have a customer's data in it, and does not leave.
    """
    from opentelemetry.sdk.trace import Span, SpanProcessor  # loaded only where traces are on

    class TaskNames(SpanProcessor):
        def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
            running, scope = TaskRunContext.get(), span.instrumentation_scope
            if running is not None and scope is not None and scope.name == SCOPE:
                span.set_attribute(ATTRIBUTES["task"], running.task.name)

    return TaskNames()
