"""Assumptions about the spans that Prefect makes of runs; each says what a new Prefect changed."""

from uuid import uuid4

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prefect import task
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.context import TaskRunContext
from prefect.flow_engine import AsyncFlowRunEngine, FlowRunEngine
from prefect.telemetry.run_telemetry import RunTelemetry

from hookline.prefect_adapter import run_spans
from hookline.tracing import reduced

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans():
    return InMemorySpanExporter()


@pytest.fixture
def tracer(spans):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(run_spans.task_names())
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return provider.get_tracer(run_spans.SCOPE)


def flow_run(**labels):
    return FlowRun(flow_id=uuid4(), name="order of jane@example.com", labels=labels)


async def test_the_label_of_a_flow_run_names_its_parent_and_its_span_asks_prefect_for_nothing(spans, tracer):
    telemetry = run_spans.FlowSpan(_tracer=tracer)
    await telemetry.async_start_span(flow_run(**run_spans.labels(PARENT)), client=None, parameters={})
    telemetry.end_span_on_success()

    [span] = spans.get_finished_spans()
    assert (PARENT[3:35], PARENT[36:52]) == (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}")
    assert {"prefect.run.id", "prefect.run.type"} == set(reduced(span).attributes)


def test_the_span_of_a_synchronous_flow_asks_prefect_for_nothing_either(spans, tracer):
    telemetry = run_spans.FlowSpan(_tracer=tracer)
    telemetry.start_span(flow_run(), client=None, parameters={})
    telemetry.end_span_on_failure("jane@example.com is unknown")

    [span] = spans.get_finished_spans()
    assert ("order of jane@example.com", "flow run") == (span.name, reduced(span).name)
    assert "jane" not in reduced(span).to_json()


def test_the_span_of_a_task_run_names_the_task_and_not_the_run(spans, tracer):
    @task
    def note():
        """A task."""

    run = TaskRun(task_key="note", dynamic_key="0", name="note for jane@example.com", flow_run_id=None)
    context = TaskRunContext.model_construct(task=note, task_run=run)
    token = TaskRunContext.__var__.set(context)
    try:
        telemetry = RunTelemetry(_tracer=tracer)
        telemetry.start_span(run, client=None, parameters={})
        telemetry.end_span_on_success()
    finally:
        TaskRunContext.__var__.reset(token)

    [span] = spans.get_finished_spans()
    assert "task run note" == reduced(span).name


def test_no_label_is_written_while_there_is_no_trace():
    assert {} == run_spans.labels(None)


@pytest.mark.parametrize("engine", [AsyncFlowRunEngine, FlowRunEngine])
def test_an_engine_of_prefect_has_its_span_where_ours_is_put(engine):
    assert "_telemetry" in engine.__dataclass_fields__
