"""The trace of a delivery as far as gateway and router: who is believed, and what is stored for those that go on with it."""

import json
import uuid

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hookline import tracing
from hookline.hooks import load_hooks
from hookline.hooks.ids import BUNDLE
from hookline.inbox import bodies, deliveries
from hookline.inbox.deliveries import Arrival
from hookline.provisioning.deployments import load_deployments

KEY = "sandbox-secret-of-jiwa-1"
SENDER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
TRACE, PARENT = int(SENDER[3:35], 16), int(SENDER[36:52], 16)
ORDER = {"InvoiceID": "5244dd5e199749f4b6fe"}
HOOKS = """
sources:
  events: {scheme: shared-secret, split: "$.entry[*]", id: "{{ body.n }}"}
  jiwa: {scheme: shared-secret, header: X-Hookline-Key}
routes:
  event: {source: events, deployment: order-to-license/default, parameters: {invoice_id: "{{ body.n }}"}}
  paid: {source: jiwa, deployment: order-to-license/default, parameters: {invoice_id: "{{ body.InvoiceID }}"}}
"""


@pytest.fixture
def spans(monkeypatch):
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing._traces, "tracer", provider.get_tracer(tracing.SCOPE))
    return exporter


@pytest.fixture(scope="module")
def hooks(tmp_path_factory):
    path = tmp_path_factory.mktemp("firm") / "hooks.yaml"
    path.write_text(HOOKS)
    return load_hooks(path)


@pytest.fixture(scope="module")
def deployments(repository):
    return load_deployments(repository / "deployments/prefect.yaml")


@pytest.fixture(scope="module")
async def gateway(database_settings, serve, until):
    patch = pytest.MonkeyPatch()
    patch.setenv("HOOKLINE_SECRET_JIWA", KEY)
    async with serve(database_settings, max_failed_auth=100_000) as client:

        async def is_ready():
            return (await client.get("/readyz")).is_success

        await until(is_ready, "the gateway is not ready")
        yield client
    patch.undo()


@pytest.fixture
async def send(database, gateway, until):
    """Sends one delivery, and tells how it was answered."""

    async def send(key=KEY, *more, **headers):
        sent = [("Content-Type", "application/json"), ("X-Hookline-Key", key), *headers.items(), *more]

        async def answered():  # on a busy machine, a sender is asked to send again
            answer = await gateway.post("/hooks/jiwa", content=json.dumps(ORDER), headers=sent)
            return None if answer.status_code == 503 else answer.status_code

        return await until(answered, "the gateway accepts nothing")

    return send


def named(spans):
    return {span.name: span for span in spans.get_finished_spans()}


async def stored(database):
    return await database.fetchval("SELECT traceparent FROM deliveries")


async def test_the_trace_of_a_proven_sender_goes_on_to_the_dispatch(
    send, database, spans, hooks, deployments, route_received
):
    assert 202 == await send(traceparent=SENDER)
    await route_received(hooks, deployments)

    found = named(spans)
    receive, route = found["receive jiwa"], found["route jiwa"]
    delivery = await database.fetchval("SELECT id::text FROM deliveries")
    context = f"00-{TRACE:032x}-{found['store'].context.span_id:016x}-01"
    assert {TRACE} == {span.context.trace_id for span in found.values()}
    assert (PARENT, receive.context.span_id) == (receive.parent.span_id, found["store"].parent.span_id)
    assert (context, context) == (
        await stored(database),
        await database.fetchval("SELECT traceparent FROM dispatches"),
    )
    assert found["store"].context.span_id == route.parent.span_id
    assert [delivery, delivery] == [span.attributes["hookline.delivery"] for span in (receive, route)]
    assert ("dispatched", trace.SpanKind.SERVER) == (route.attributes["hookline.outcome"], receive.kind)


async def test_a_repeat_is_a_span_in_the_trace_of_the_request_that_repeats(send, database, spans):
    await send()
    first = await stored(database)
    assert 200 == await send(traceparent=SENDER)

    last = spans.get_finished_spans()[-1]
    assert (True, TRACE) == (last.attributes["hookline.duplicate"], last.context.trace_id)
    assert first == await stored(database)


async def test_who_is_not_proven_leaves_no_span(send, spans):
    status = await send("a-wrong-secret-of-jiwa", traceparent=SENDER)

    assert (401, ()) == (status, spans.get_finished_spans())


@pytest.mark.parametrize(
    "header", ["", "00-" + "0" * 32 + "-b7ad6b7169203331-01", SENDER + "-x", "ff" + SENDER[2:], "x" * 9000]
)
async def test_a_malformed_context_begins_a_trace_and_the_delivery_is_stored(header, send, database, spans):
    assert 202 == await send(traceparent=header)

    receive = named(spans)["receive jiwa"]
    assert (None, True) == (receive.parent, f"{receive.context.trace_id:032x}" in await stored(database))


async def test_two_contexts_in_one_request_count_as_none(send, spans):
    assert 202 == await send(KEY, ("traceparent", SENDER), ("traceparent", SENDER))

    assert None is named(spans)["receive jiwa"].parent


async def test_while_traces_are_off_no_context_is_stored(send, database):
    assert 202 == await send(traceparent=SENDER)

    assert None is await stored(database)


async def test_the_items_of_a_bundle_are_in_the_trace_of_its_request(
    database, spans, hooks, deployments, route_received
):
    with tracing.span("receive events", parent=SENDER[:-2] + "01"):
        sealed = bodies.sealed((), json.dumps({"entry": [{"n": "1"}, {"n": "2"}]}).encode())
        arrival = Arrival("events", f"{BUNDLE}{uuid.uuid4()}", "POST", {}, {}, "application/json", *sealed)
    await deliveries.accept(database, arrival)
    await route_received(hooks, deployments)

    contexts = await database.fetch("SELECT traceparent FROM dispatches")
    assert [SENDER[3:35]] * 2 == [row["traceparent"][3:35] for row in contexts]
    assert 3 == sum(span.name == "route events" for span in spans.get_finished_spans())


async def test_a_copy_of_a_delivery_without_a_trace_has_none(
    database, hooks, deployments, route_received, spans
):
    sealed = bodies.sealed((), json.dumps(ORDER).encode())
    await deliveries.accept(database, Arrival("jiwa", "1", "POST", {}, {}, "application/json", *sealed))
    await route_received(hooks, deployments)

    assert (None, None) == (await stored(database), named(spans)["route jiwa"].parent)
