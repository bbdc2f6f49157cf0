"""
Traces: one for each delivery, from its request to the calls of vendors, for the collector that the environment names.

Off unless a standard variable of OpenTelemetry names a collector; then nothing of OpenTelemetry is loaded here. What
leaves is what `ATTRIBUTES` lists and nothing else, by any library: no text of a sender, a vendor or a person.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol
from urllib.parse import unquote, urlsplit

from hookline.redaction import learn

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import Span, SpanContext, Tracer

logger = logging.getLogger(__name__)

HEADER: Final = "traceparent"
SCOPE: Final = "hookline"
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SECRETS: Final = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
"""Variables whose values let their bearer write at the collector."""
SPOKEN: Final = "http/protobuf"
FLUSH_SECONDS: Final = 2.0
"""The longest time that the end of a process waits for the collector."""

ATTRIBUTES: Final[Mapping[str, str]] = {
    "source": "hookline.source",
    "delivery": "hookline.delivery",
    "duplicate": "hookline.duplicate",
    "dispatch": "hookline.dispatch",
    "route": "hookline.route",
    "deployment": "hookline.deployment",
    "attempt": "hookline.attempt",
    "in_batch": "hookline.in_batch",
    "flow_run": "hookline.flow_run",
    "outcome": "hookline.outcome",
    "vendor": "hookline.vendor",
    "account": "hookline.account",
    "operation": "hookline.operation",
    "method": "http.request.method",
    "status": "http.response.status_code",
    "server": "server.address",
    "port": "server.port",
    "error": "error.type",
    "task": "prefect.task",
    "run": "prefect.run.id",
    "run_type": "prefect.run.type",
}
"""Everything that a span may say, by its name here. Each value is a name of ours or of the files, an id or a number."""

Kind = Literal["internal", "server", "client", "producer", "consumer"]


class Note(Protocol):
    """Adds attributes to a span, by their names in `ATTRIBUTES`; None is left out."""

    def __call__(self, **attributes: object) -> None:
        """Add them."""


class _Traces:
    """The traces of this process."""

    tracer: "Tracer | None" = None
    """None while they are off."""
    accounts: frozenset[str] = frozenset()
    shut_down: Callable[[], object] | None = None


_traces = _Traces()


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Return True if the environment names a collector, and does not switch traces off."""
    return (
        environment.get("OTEL_SDK_DISABLED", "").strip().lower() != "true"
        and any(environment.get(name) for name in ENDPOINTS)
        and (environment.get("OTEL_TRACES_EXPORTER") or "otlp") == "otlp"
    )


def start(process: str, *processors: "SpanProcessor", accounts: Sequence[str] = ()) -> None:
    """
    Begin to send traces, where the environment asks for them; what is wrong in it is logged, and stops nothing.

    Args:
        process: such as `gateway`; the service is called `hookline-gateway`, unless OTEL_SERVICE_NAME says otherwise.
        processors: see each span as it begins.
        accounts: vendors, or their accounts, whose calls carry the context of their trace.
    """
    if not is_wanted():
        return
    learn(_secrets())
    protocol = next((os.environ[name] for name in PROTOCOLS if os.environ.get(name)), SPOKEN)
    if protocol != SPOKEN:
        logger.warning(
            "no traces: %s is not spoken here, set OTEL_EXPORTER_OTLP_PROTOCOL to %s", protocol, SPOKEN
        )
        return
    try:
        provider = _provider(process, processors)
    except Exception as error:  # noqa: BLE001  (whatever the environment says: work comes first)
        logger.warning("no traces: %s: %s", type(error).__name__, error)
        return
    _traces.tracer, _traces.accounts = provider.get_tracer(SCOPE), frozenset(accounts)
    _traces.shut_down = provider.shutdown


def stop() -> None:
    """Send what is left; a collector that does not answer is waited for no longer than `FLUSH_SECONDS`."""
    if _traces.shut_down is not None:
        sending = threading.Thread(target=_traces.shut_down, daemon=True)
        sending.start()
        sending.join(FLUSH_SECONDS)


@contextmanager
def span(
    name: str,
    kind: Kind = "internal",
    *,
    parent: str | None = None,
    began: int | None = None,
    **attributes: object,
) -> Iterator[Note]:
    """
    Surround a part of the work with a span; does nothing while traces are off.

    Args:
        name: of ours or of the files, never of a sender.
        kind: as OpenTelemetry names it.
        parent: a traceparent; None: the span in which this one begins.
        began: the time at which it began, in nanoseconds; None: now.
        attributes: by their names in `ATTRIBUTES`.
    """
    if _traces.tracer is None:
        yield _ignore
        return
    from opentelemetry import trace

    made = _traces.tracer.start_span(
        name, None if parent is None else _context(parent), trace.SpanKind[kind.upper()], start_time=began
    )
    _note(made, **attributes)
    with trace.use_span(made, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield partial(_note, made)
        except BaseException as error:
            _note(made, error=type(error).__name__)
            raise


class Current:
    """The current span, for work that goes on in another context."""

    def __init__(self) -> None:
        self._span: Span | None = None
        if _traces.tracer is not None:
            from opentelemetry import trace

            self._span = trace.get_current_span()

    @contextmanager
    def current(self) -> Iterator[None]:
        """Let it be the current span there."""
        if self._span is None:
            yield
            return
        from opentelemetry import trace

        with trace.use_span(self._span, record_exception=False, set_status_on_exception=False):
            yield


def traceparent() -> str | None:
    """Return the context of the current span, as it is stored and sent; None without one."""
    if _traces.tracer is None:
        return None
    from opentelemetry import trace

    return _written(trace.get_current_span().get_span_context())


def sent(headers: Mapping[str, str]) -> str | None:
    """
    Return the context that a sender sent; None if there is none, or none that can be read.

    Call it once the sender is proven. Whether a trace is recorded is decided here: what the sender says of that is left
    out, and so is its `tracestate`.
    """
    if _traces.tracer is None or HEADER not in headers:
        return None
    from opentelemetry import trace

    context = trace.get_current_span(_context(headers[HEADER])).get_span_context()
    return _written(context, trace.TraceFlags.SAMPLED)


def for_vendor(vendor: str, account: str) -> str | None:
    """Return the context for a call of a vendor; None unless the settings name the vendor or its account."""
    return traceparent() if not _traces.accounts.isdisjoint({vendor, account}) else None


def _ignore(**_attributes: object) -> None:
    """Add nothing: traces are off."""


def _note(made: "Span", **attributes: object) -> None:
    from opentelemetry.trace import StatusCode

    for name, value in attributes.items():
        if value is not None:
            made.set_attribute(
                ATTRIBUTES[name], value if isinstance(value, bool | int | float) else str(value)
            )
    if attributes.get("error"):
        made.set_status(StatusCode.ERROR)


def _context(text: str) -> "Context":
    """Return the context that a traceparent names; an empty one where it is malformed."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({HEADER: text})


def _written(context: "SpanContext", flags: int | None = None) -> str | None:
    flags = context.trace_flags if flags is None else flags
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}" if context.is_valid else None


def _secrets() -> Iterator[str]:
    """Yield what the environment holds of secrets for the collector."""
    for name in SECRETS:
        for pair in os.environ.get(name, "").split(","):
            yield from {value := unquote(pair.partition("=")[2].strip()), value.rpartition(" ")[2]}
    for name in ENDPOINTS:
        yield unquote(urlsplit(os.environ.get(name, "")).password or "")


def _provider(process: str, processors: "Sequence[SpanProcessor]") -> Any:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = Resource({"service.name": f"hookline-{process}"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=Resource.create().merge(named), shutdown_on_exit=False)
    for each in (*processors, BatchSpanProcessor(_reducing(OTLPSpanExporter()))):
        provider.add_span_processor(each)
    trace.set_tracer_provider(provider)
    return provider


def _reducing(exporter: "SpanExporter") -> "SpanExporter":
    """Return an exporter that leaves out everything that is not in `ATTRIBUTES`."""
    from opentelemetry.sdk.trace.export import SpanExporter

    class Reducing(SpanExporter):
        def export(self, spans: "Sequence[ReadableSpan]") -> "SpanExportResult":
            return exporter.export([reduced(each) for each in spans])

        def shutdown(self) -> None:
            exporter.shutdown()

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return exporter.force_flush(timeout_millis)

    return Reducing()


def reduced(full: "ReadableSpan") -> "ReadableSpan":
    """Return a span without texts: Prefect's spans have names, states and errors that people and vendors wrote."""
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Link, Status

    attributes = full.attributes or {}
    ours = full.instrumentation_scope is not None and full.instrumentation_scope.name == SCOPE
    run = "flow run" if attributes.get(ATTRIBUTES["run_type"]) == "flow" else "task run"
    task = attributes.get(ATTRIBUTES["task"])
    return ReadableSpan(
        name=full.name if ours else f"{run} {task}" if task else run,
        context=full.context,
        parent=full.parent,
        resource=full.resource,
        attributes={name: attributes[name] for name in ATTRIBUTES.values() if name in attributes},
        links=[Link(each.context) for each in full.links],
        kind=full.kind,
        status=Status(full.status.status_code),
        start_time=full.start_time,
        end_time=full.end_time,
        instrumentation_scope=full.instrumentation_scope,
    )
