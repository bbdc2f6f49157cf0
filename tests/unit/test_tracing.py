"""What a trace takes in, what it lets out, and that it costs nothing while it is off."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextvars import copy_context

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from pydantic import SecretStr

from hookline import redaction, tracing
from hookline.clients import VendorError
from hookline.clients.jiwa import JiwaClient, JiwaKey

SENDER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans(monkeypatch):
    """The spans of this test, as they were made."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing._traces, "tracer", provider.get_tracer(tracing.SCOPE))
    return exporter


def in_a_process(code, **environment):
    """Run code in a process of its own, with no variable of OpenTelemetry but these; return what it printed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "True"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "false"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_SERVICE_NAME": "hookline"}, False),
    ],
)
def test_only_the_standard_variables_switch_traces_on(environment, expected):
    actual = tracing.is_wanted(environment)

    assert expected == actual


def test_while_they_are_off_the_gateway_loads_nothing_of_opentelemetry():
    code = """
import json, sys
import hookline.gateway.app
from hookline import tracing
tracing.start("gateway")
with tracing.span("receive", "server", parent="00-1", source="jiwa") as note:
    note(status=200)
    tracing.traceparent(), tracing.sent({"traceparent": "x"}), tracing.for_vendor("jiwa", "jiwa/default")
print(json.dumps([name for name in sys.modules if "opentelemetry" in name]))
"""
    loaded = in_a_process(code)

    assert [] == loaded


def test_while_they_are_off_the_engine_loads_no_more_of_it_than_prefect_does():
    code = """
import json, sys
{}
print(json.dumps([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]))
"""
    loaded = in_a_process(code.format("import hookline.engine.engine"))

    assert [] == loaded


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc is not spoken here"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "no traces: ValueError"),
    ],
)
def test_what_is_wrong_in_the_environment_is_logged_and_stops_nothing(environment, text, monkeypatch, caplog):
    monkeypatch.setattr(tracing, "_traces", tracing._Traces())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tracing.start("gateway")

    assert (None, True) == (tracing._traces.tracer, text in caplog.text)


def test_the_secrets_of_the_collector_are_masked(monkeypatch):
    monkeypatch.setattr(redaction, "_known", redaction._Known())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://me:pass-of-the-collector@c:4318")
    monkeypatch.setenv(
        "OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20key-of-the-collector,X-Scope=tenant-7"
    )
    redaction.learn(tracing._secrets())
    masked = redaction.mask("pass-of-the-collector, key-of-the-collector, Bearer key-of-the-collector")

    assert "***, ***, ***" == masked


def test_the_trace_of_a_sender_goes_on_and_is_recorded_whatever_it_says_of_that(spans):
    sent = tracing.sent({"traceparent": SENDER[:-2] + "00", "tracestate": "vendor=x"})
    with tracing.span("receive jiwa", "server", parent=sent, source="jiwa"):
        stored = tracing.traceparent()
    with tracing.span("route jiwa", parent=stored):
        pass

    [receive, route] = spans.get_finished_spans()
    assert {int(SENDER[3:35], 16)} == {each.context.trace_id for each in (receive, route)}
    assert (int(SENDER[36:52], 16), receive.context.span_id) == (receive.parent.span_id, route.parent.span_id)
    assert "" == receive.context.trace_state.to_header()


MALFORMED = [
    "",
    "x",
    "00-" + "0" * 32 + "-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
    "ff" + SENDER[2:],
    SENDER.upper(),
    SENDER + "-more",
    f"{SENDER}, {SENDER}",
    SENDER[:-1],
    SENDER.replace("0af7", "0ag7"),
    "00-" + "é" * 32 + "-b7ad6b7169203331-01",
    SENDER * 2000,
    "\x00" + SENDER,
]


@pytest.mark.parametrize("header", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_context_begins_a_trace_of_its_own(header, spans):
    with tracing.span("receive jiwa", parent=tracing.sent({"traceparent": header})):
        pass

    [receive] = spans.get_finished_spans()
    assert None is receive.parent


@given(
    header=st.one_of(
        st.text(), st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.{0,9}", fullmatch=True)
    )
)
def test_whatever_a_sender_sends_the_context_that_is_stored_is_well_formed(header):
    tracing._traces.tracer = TracerProvider(shutdown_on_exit=False).get_tracer("hookline")
    try:
        with tracing.span("receive", parent=tracing.sent({"traceparent": header})):
            stored = tracing.traceparent()
    finally:
        tracing._traces.tracer = None

    read = trace.get_current_span(TraceContextTextMapPropagator().extract({"traceparent": stored}))
    assert (55, True) == (len(stored), read.get_span_context().is_valid)


def test_only_vendors_that_the_settings_name_are_sent_a_context(spans, monkeypatch):
    monkeypatch.setattr(tracing._traces, "accounts", frozenset({"zentitle", "jiwa/north"}))
    with tracing.span("dispatch"):
        context = tracing.traceparent()
        calls = ("zentitle", "zentitle/default"), ("jiwa", "jiwa/north"), ("jiwa", "jiwa/default")
        actual = [tracing.for_vendor(*call) for call in calls]

    assert [context, context, None] == actual


def test_an_error_is_named_and_its_text_is_not(spans):
    with pytest.raises(ValueError), tracing.span("route jiwa", source="jiwa"):
        raise ValueError("jane@example.com")

    [span] = spans.get_finished_spans()
    assert {"hookline.source": "jiwa", "error.type": "ValueError"} == dict(span.attributes)
    assert (trace.StatusCode.ERROR, None, ()) == (
        span.status.status_code,
        span.status.description,
        span.events,
    )


def test_nothing_leaves_but_what_is_listed():
    provider, spans = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(tracing._reducing(spans)))
    prefect = provider.get_tracer("prefect")
    secret = "jane@example.com"
    attributes = {
        "prefect.tags": [secret],
        "prefect.run.name": secret,
        "prefect.run.type": "flow",
        "prefect.run.id": "1",
    }
    with prefect.start_as_current_span(f"order of {secret}", attributes=attributes) as span:
        span.add_event("Failed", {"prefect.state.message": secret})
        span.record_exception(ValueError(secret))
        span.set_status(trace.StatusCode.ERROR, secret)
        span.add_link(trace.SpanContext(1, 1, is_remote=True), {"prefect.input.name": secret})
    with prefect.start_as_current_span(
        secret, attributes={"prefect.run.type": "task", "prefect.task": "note"}
    ):
        pass

    left = spans.get_finished_spans()
    assert ["flow run", "task run note"] == [each.name for each in left]
    assert (True, False) == (
        "example.com" in span.to_json(),
        any("example.com" in each.to_json() for each in left),
    )
    assert {"prefect.run.type": "flow", "prefect.run.id": "1"} == dict(left[0].attributes)


def test_a_collector_that_hangs_holds_up_neither_the_work_nor_the_end_and_fills_no_memory():
    """The queue is bounded, and the end of the process waits for two seconds at most."""
    code = """
import json, socket, threading, time
hanging = socket.create_server(("127.0.0.1", 0))
accepted = []
def accept():
    while True:
        accepted.append(hanging.accept())
threading.Thread(target=accept, daemon=True).start()
import os
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{hanging.getsockname()[1]}"
from hookline import tracing
tracing.start("gateway")
slowest = 0.0
for number in range(20_000):
    before = time.perf_counter()
    with tracing.span("receive jiwa", "server", source="jiwa"):
        pass
    slowest = max(slowest, time.perf_counter() - before)
import gc
from opentelemetry.sdk.trace import Span
left = sum(isinstance(each, Span) for each in gc.get_objects())
deadline = time.monotonic() + 20
while not accepted and time.monotonic() < deadline:
    time.sleep(0.05)
before = time.monotonic()
tracing.stop()
print(json.dumps({"asked": len(accepted) > 0, "left": left, "stop": time.monotonic() - before}))
"""
    began = time.monotonic()
    result = in_a_process(code)

    assert (True, True) == (result["asked"], result["left"] <= 2048 + 512)
    assert result["stop"] < tracing.FLUSH_SECONDS + 5, "it waits for the collector's time-out, or longer"
    assert time.monotonic() - began < 120


class Refusing(SpanExporter):
    def export(self, spans):
        raise OSError("no route to the collector")


def test_an_exporter_that_fails_raises_nothing_where_the_work_is(monkeypatch, caplog):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(tracing._reducing(Refusing())))
    monkeypatch.setattr(tracing._traces, "tracer", provider.get_tracer(tracing.SCOPE))
    with tracing.span("receive jiwa"):
        pass

    assert Counter({"Exception while exporting Span.": 1}) == Counter(
        each.getMessage() for each in caplog.records
    )


def test_work_that_goes_on_in_another_context_keeps_its_span(spans):
    """As a dispatch does in a batch, whose flow run has a context of its own."""
    elsewhere = copy_context()
    with tracing.span("dispatch"):
        here = tracing.Current()

    def call():
        with here.current(), tracing.span("zentitle call"):
            pass

    elsewhere.run(call)

    [dispatch, call] = spans.get_finished_spans()
    assert dispatch.context.span_id == call.parent.span_id


@pytest.mark.parametrize(("accounts", "expected"), [(set(), False), ({"jiwa"}, True), ({"zentitle"}, False)])
async def test_a_call_carries_its_context_in_lower_case_where_the_settings_say_so(
    accounts, expected, spans, monkeypatch
):
    sent = []

    def answer(request):
        sent.extend(name for name, _ in request.headers.raw)
        return httpx.Response(404, json={})

    monkeypatch.setattr(tracing._traces, "accounts", frozenset(accounts))
    key = JiwaKey(SecretStr("a-key-of-jiwa"))
    async with JiwaClient("http://127.0.0.1:9", key, transport=httpx.MockTransport(answer)) as jiwa:
        with pytest.raises(VendorError):
            await jiwa.get_sales_order(InvoiceID="1")

    assert expected == (b"traceparent" in sent)
    assert 404 == spans.get_finished_spans()[0].attributes["http.response.status_code"]
