"""Traces at a collector of OpenTelemetry that is not ours: rotel, which reads OTLP by code of its own, in Rust."""

import os
import re
import subprocess
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
from test_traced_orders import SENDER, tree

from hookline.sandbox.stack import free_port
from tests.installation import business_of, own_sandbox

ROTEL = find_spec("rotel")
TRACE, PARENT = SENDER.split("-")[1:3]

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(ROTEL is None, reason="needs rotel, which there is for Linux alone"),
]


@dataclass
class Span:
    """A span, as the collector writes it."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    began: int


class Collector:
    """A running collector, that writes each span that it took into a file."""

    def __init__(self, folder):
        self.port, self.log = free_port(), folder / "log"
        program = Path(ROTEL.origin).with_name("rotel-agent")
        listening = [
            f"--otlp-http-endpoint=127.0.0.1:{self.port}",
            f"--otlp-grpc-endpoint=127.0.0.1:{free_port()}",
        ]
        written = ["--exporter=blackhole", "--debug-log=traces", "--debug-log-verbosity=detailed"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([program, "start", *listening, *written], stdout=log, stderr=log)

    def wait(self):
        deadline = time.monotonic() + 60
        while True:
            assert self.process.poll() is None, self.log.read_text()
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/")
                return
            except httpx.TransportError:
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.1)

    def spans(self, trace):
        """The spans of a trace, of those that are written to the end."""
        found = []
        for resource in re.split(r"^ResourceSpans #\d+$", self.log.read_text(), flags=re.MULTILINE)[1:]:
            service = re.search(r"-> service\.name: Str\((.*)\)", resource)[1]
            for block in re.split(r"^Span #\d+$", resource, flags=re.MULTILINE)[1:]:
                lines = [line.partition(":") for line in block.splitlines()]
                said = {name.strip(): value.strip() for name, _, value in lines}
                if said.get("Trace ID") == trace and "Status message" in said:
                    began = int(said["Start time"])
                    found.append(Span(service, said["Name"], trace, said["ID"], said["Parent ID"], began))
        return found


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    collector = Collector(tmp_path_factory.mktemp("collector"))
    try:
        collector.wait()
        yield collector
    finally:
        collector.process.terminate()
        collector.process.wait(30)


@pytest.fixture(scope="module")
def everything(collector):
    with own_sandbox(
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.port}",
    ) as running:
        yield running


@pytest.fixture
async def business(everything):
    async with business_of(everything) as business:
        yield business


def whole(spans):
    """The spans of a trace once its dispatch is there, which ends last, and all that stands between it and the sender."""
    ended = any(span.name.startswith("dispatch") for span in spans)
    above = {span.parent for span in spans} - {span.id for span in spans}
    return spans if ended and above == {PARENT} else None


async def test_a_collector_has_one_tree_from_the_sender_s_own_span_to_the_calls_of_vendors(
    business, collector, everything, until
):
    order = await business.order(("LIC-PRO", 1), paid=False)
    await business.finished(order)
    allocated = f"{everything.simulator('jiwa')}/_sandbox/orders/{order.InvoiceID}/allocate"
    everything.http.post(allocated, json={}).raise_for_status()  # of which Jiwa says nothing
    async with httpx.AsyncClient(base_url=everything.settings.gateway_url) as sender:
        answer = await sender.post(
            "/hooks/jiwa",
            json={"InvoiceID": order.InvoiceID, "number": 7},
            headers={
                "X-Hookline-Key": os.environ["HOOKLINE_SECRET_JIWA"].partition(",")[0],
                "traceparent": SENDER,
            },
        )
    await business.noted(order)
    # Each process sends its spans when its own five seconds are over: those of the gateway may come last.
    spans = await until(
        lambda: whole(collector.spans(TRACE)),
        lambda: f"the collector has no whole trace: {everything.last_lines()}",
    )
    lines = tree(spans)

    assert 202 == answer.status_code
    assert ["gateway: receive jiwa", "  gateway: store", "    engine: route jiwa"] == lines[:3]
    assert [("receive jiwa", PARENT)] == [
        (span.name, span.parent) for span in spans if span.parent not in {each.id for each in spans}
    ]
    assert "      engine: flow run" in lines
    for task, call in (
        ("create_license_codes", "zentitle create_license_codes"),
        ("trigger_email", "sensorpro trigger_email"),
        ("create_sales_order_note", "jiwa create_sales_order_note"),
    ):
        at = lines.index(f"        engine: task run {task}")
        assert f"          engine: {call}" in lines[at : at + 3]
