"""Seen from outside: traces at a receiver of OTLP, and metrics at a real Prometheus, of everything that `up` runs."""

import gzip
import logging
import os
import shutil
import subprocess
import threading
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from hookline.sandbox.stack import free_port
from hookline.settings import secrets_of_environment
from hookline.source_secrets import values_of_environment
from tests.installation import business_of, own_sandbox

logger = logging.getLogger(__name__)
pytestmark = pytest.mark.alone

MAIL = "jane.roe@customer.example"
SENDER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
BACKLOG = 8
ONE_OF_EACH = {"licenses": 1, "consumer_records": 1, "mails": 1, "notes": 1}


class Collector:
    """A receiver of OTLP over HTTP, by the official messages; it can hang."""

    def __init__(self):
        self.spans = []
        self.sent = []
        """The requests as they came."""
        self.headers = []
        self.answers = threading.Event()
        self.answers.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.answers.wait(60)
                collector.take(self.path, self.headers, body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path, headers, body):
        assert "/v1/traces" == path
        plain = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
        request = ExportTraceServiceRequest.FromString(plain)
        self.sent.append(str(request))
        self.headers.append(headers)
        for each in request.resource_spans:
            service = {a.key: a.value.string_value for a in each.resource.attributes}["service.name"]
            for scope in each.scope_spans:
                self.spans += [Span(service, span) for span in scope.spans]

    def traces(self):
        traces = defaultdict(list)
        for span in list(self.spans):
            traces[span.trace].append(span)
        return traces


class Span:
    def __init__(self, service, span):
        self.service, self.name = service, span.name
        self.trace, self.id, self.parent = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
        self.began, self.ended = span.start_time_unix_nano, span.end_time_unix_nano
        kinds = {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}
        self.attributes = kinds


def tree(spans):
    """The spans as lines, the children of each below it, indented."""
    ids = {span.id for span in spans}

    def lines(parent, depth):
        for span in sorted(spans, key=lambda each: each.began):
            if span.parent == parent or (parent is None and span.parent not in ids):
                yield f"{'  ' * depth}{span.service.removeprefix('hookline-')}: {span.name}"
                yield from lines(span.id, depth + 1)

    return list(lines(None, 0))


@pytest.fixture(scope="module")
def collector():
    return Collector()


@pytest.fixture(scope="module")
def everything(collector):
    with own_sandbox(
        HOOKLINE_BATCH_BACKLOG="4",
        HOOKLINE_RETRY_SECONDS="0.2",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.address,
        OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20key-of-the-collector",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_BSP_SCHEDULE_DELAY="300",
    ) as running:
        yield running


@pytest.fixture
async def business(everything):
    async with business_of(everything) as business:
        yield business


@pytest.fixture
def traced(collector, business, until):
    """The trace of an order's license, once the run that brought it has ended."""

    async def traced(order):
        delivered = {row["id"] for row in await business.finished(order)}

        async def found():
            for spans in collector.traces().values():
                names = Counter(span.name for span in spans)
                ours = {span.attributes.get("hookline.delivery") for span in spans} & delivered
                if ours and names["zentitle create_license_codes"] and names["receive jiwa"]:
                    ended = any(span.name.startswith("dispatch") for span in spans)
                    return spans if ended else None
            return None

        return await until(
            found, lambda: f"no trace of order {order.InvoiceNo}: {business.sandbox.last_lines()}"
        )

    return traced


async def test_one_trace_follows_a_delivery_from_its_request_to_the_calls_of_vendors(
    business, traced, collector
):
    order = await business.order(("LIC-PRO", 1), email=MAIL)
    await business.noted(order)
    spans = await traced(order)
    lines = tree(spans)
    logger.info("as docs/watching.md shows it:\n%s", "\n".join(lines))

    below = [line.strip() for line in lines]
    assert ["gateway: receive jiwa", "  gateway: store", "    engine: route jiwa"] == lines[:3]
    assert 1 == sum(line[0] != " " for line in lines)
    assert "      engine: flow run" in lines
    for task, call in (
        ("create_license_codes", "zentitle create_license_codes"),
        ("trigger_email", "sensorpro trigger_email"),
        ("create_sales_order_note", "jiwa create_sales_order_note"),
    ):
        at = below.index(f"engine: task run {task}")
        assert f"          engine: {call}" in lines[at : at + 3]
    assert "Bearer key-of-the-collector" == collector.headers[0]["Authorization"]


async def test_the_trace_of_a_proven_sender_goes_on_and_that_of_a_stranger_leaves_nothing(
    business, collector, until, everything
):
    order = await business.order(("LIC-PRO", 1))
    await business.noted(order)
    key = os.environ["HOOKLINE_SECRET_JIWA"].partition(",")[0]
    async with httpx.AsyncClient(base_url=everything.settings.gateway_url) as sender:
        for secret, trace in (("wrong", SENDER.replace("0af7", "bad0")), (key, SENDER)):
            await sender.post(
                "/hooks/jiwa",
                json={"InvoiceID": order.InvoiceID, "number": 7},
                headers={"X-Hookline-Key": secret, "traceparent": trace},
            )
    await until(lambda: has(collector, SENDER[3:35], "receive jiwa"), "the sender's trace does not go on")

    [receive] = [
        span for span in collector.spans if span.trace == SENDER[3:35] and span.name == "receive jiwa"
    ]
    assert SENDER[36:52] == receive.parent
    assert [] == [span for span in collector.spans if span.trace == SENDER[3:35].replace("0af7", "bad0")]


async def has(collector, trace, name):
    return any(span.trace == trace and span.name == name for span in list(collector.spans))


async def test_of_many_that_waited_each_delivery_has_a_trace_of_its_own(business, traced):
    assert 0 == business.run("inbox", "pause", "jiwa", "--reason", "a backlog").returncode
    orders = [await business.order(("LIC-PRO", 1)) for _ in range(BACKLOG)]
    assert 0 == business.run("inbox", "resume", "jiwa").returncode
    for order in orders:
        await business.noted(order)
    traces = [await traced(order) for order in orders]

    codes = [Counter(span.name for span in spans)["zentitle create_license_codes"] for spans in traces]
    assert BACKLOG == len({spans[0].trace for spans in traces})
    assert [1] * BACKLOG == codes


async def test_a_collector_that_hangs_stops_no_order(business, collector):
    collector.answers.clear()
    try:
        order = await business.order(("LIC-PRO", 1))
        await business.noted(order)
        await business.finished(order)
    finally:
        collector.answers.set()

    assert ONE_OF_EACH == business.counts(order)


async def test_no_secret_and_no_customer_is_in_any_span(business, collector, everything):
    home = everything.settings.home
    files = [path.read_text().strip() for path in (home / "secrets").glob("[!.]*")]
    known = {each for each in (*secrets_of_environment(), *values_of_environment(), *files) if len(each) > 7}
    sent = "\n".join(collector.sent)

    assert 50 < len(collector.spans)
    assert [] == [secret for secret in known if secret in sent]
    assert [False, False, False] == [text in sent for text in (MAIL, "customer.example", "Customer ")]


async def judged(client):
    """The health of each rule by its name, once Prometheus has tried them all."""
    [group] = (await client.get("/rules")).json()["data"]["groups"]
    health = {rule["name"]: rule["health"] for rule in group["rules"]}
    return health if "unknown" not in health.values() else None


@pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="needs prometheus, of Debian's package of that name"
)
async def test_a_real_prometheus_reads_the_metrics_and_the_rules(
    business, everything, repository, tmp_path, until
):
    order = await business.order(("LIC-PRO", 1))
    await business.noted(order)
    port = free_port()
    gateway = everything.settings.gateway_url.removeprefix("http://")
    scrape = {"job_name": "hookline", "scrape_interval": "1s", "static_configs": [{"targets": [gateway]}]}
    rules = [str(repository / "deploy/prometheus/alerts.yml")]
    config = {"rule_files": rules, "scrape_configs": [scrape], "global": {"evaluation_interval": "1s"}}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    arguments = [
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (tmp_path / "log").open("wb") as log:
        prometheus = subprocess.Popen(["prometheus", *arguments], stdout=log, stderr=log)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1") as client:

            async def asked(query):
                try:
                    answer = (await client.get("/query", params={"query": query})).json()
                except (httpx.TransportError, ValueError):  # it starts, and answers in plain text at first
                    return []
                return answer["data"]["result"]

            calls = "hookline_vendor_call_seconds_count{vendor='zentitle',operation='create_license_codes',outcome='2xx'}"
            [counted] = await until(lambda: asked(calls), "Prometheus has no calls of Zentitle")
            [engines] = await asked("hookline_engines")
            [slow] = await asked("histogram_quantile(0.95, sum by (le) (hookline_first_call_seconds_bucket))")
            health = await until(lambda: judged(client), "Prometheus has not tried every rule")
    finally:
        prometheus.terminate()
        prometheus.wait(30)

    assert ("1", True) == (engines["value"][1], int(counted["value"][1]) >= 1)
    assert 0 < float(slow["value"][1]) < 86_400
    assert "ok" == health["HooklineDown"]
    assert {"ok"} == {*health.values()}
