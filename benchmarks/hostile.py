"""
What attacks on the gateway cost it: the longest stop of its event loop, and its memory beside an idle run.

One gateway and its PostgreSQL; the attackers on the same machine, under other addresses of it. `/healthz`, which
needs nothing but the loop, is asked all the time: the longest answer is the longest stop, with what the machine
itself was busy. Meanwhile another sender's real deliveries come from yet another address: each must be accepted.

    python -m benchmarks.hostile [--only ATTACK] [--json] [--write]
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import psutil
from rich.console import Console

from benchmarks import report
from hookline.sandbox.gateway_stack import SECRET, gateway_stack

MB = 1_000_000
MAX_STOP_MS = 250
MAX_MB = 150
HOOKS = """
sources:
  jiwa: {scheme: shared-secret}
  signed: {scheme: standard-webhooks}
  large: {scheme: hmac, header: X-S, max_body: 26214400}
  xml: {scheme: shared-secret, accept: [xml]}
  careful: {scheme: shared-secret, redact: [$..x]}
"""
PUBLIC_KEY = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


@dataclass
class Cost:
    """The cost of one attack."""

    attack: str
    longest_stop_ms: float
    memory_mb: float
    """Peak above idle, with the processes that read bodies."""
    slowest_delivery_ms: float
    refused_deliveries: int

    @property
    def is_borne(self) -> bool:
        """True if the goals are met."""
        return (
            self.longest_stop_ms <= MAX_STOP_MS and self.memory_mb <= MAX_MB and not self.refused_deliveries
        )


@dataclass(frozen=True)
class Target:
    """The address of the gateway."""

    port: int

    async def connect(self, address: str = "127.0.0.2") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection from an address of this machine."""
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))

    async def send(self, *parts: bytes, address: str = "127.0.0.2", seconds: float = 20) -> bytes:
        """Send parts one after another, as long as they are accepted; return the beginning of the response."""
        with suppress(ConnectionError, TimeoutError):
            reader, writer = await self.connect(address)
            try:
                async with asyncio.timeout(seconds):
                    answer = asyncio.ensure_future(reader.read(4096))
                    answer.add_done_callback(lambda done: done.cancelled() or done.exception())
                    for part in parts:
                        if answer.done():
                            break
                        writer.write(part)
                        await writer.drain()
                    return await answer
            finally:
                writer.close()
        return b""


Attack: TypeAlias = Callable[[Target], Awaitable[object]]


def _head(source: str, *lines: str, length: int | None = None) -> bytes:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return "\r\n".join([f"POST /hooks/{source} HTTP/1.1", "Host: here", *lines, framing, "", ""]).encode()


def _proven(source: str, kind: str, body: bytes) -> bytes:
    lines = (f"X-Hookline-Key: {SECRET}", f"Content-Type: {kind}")
    return _head(source, *lines, length=len(body)) + body


async def _idle(_target: Target) -> None:
    await asyncio.sleep(3)


async def _trailers(target: Target) -> None:
    trailer = b"X-Trailer: " + b"x" * 8_000 + b"\r\n"
    await target.send(_head("jiwa"), b"2\r\n{}\r\n0\r\n", *[trailer] * 39_000)


async def _one_trailer(target: Target) -> None:
    await target.send(_head("jiwa"), b"2\r\n{}\r\n0\r\nX-T: ", *[b"x" * 65_536] * 4_800)


async def _extensions(target: Target) -> None:
    await target.send(_head("signed"), *[b"1;" + b"x" * 60_000 + b"\r\n \r\n"] * 5_000)


async def _small_chunks(target: Target) -> None:
    chunks = [b"1\r\n \r\n" * 10_000] * 100
    await asyncio.gather(*(target.send(_head("signed"), *chunks) for _ in range(5)))


async def _bodies(target: Target) -> None:
    part = b"x" * 65_536
    head = _head("large", "X-S: 00", length=400 * 65_536)
    await asyncio.gather(
        *(target.send(head, *[part] * 399, address=f"127.0.0.{2 + n % 4}", seconds=8) for n in range(40))
    )


async def _silent(target: Target) -> None:
    connections = [await target.connect() for _ in range(520)]
    await asyncio.sleep(4)
    for _, writer in connections:
        writer.close()


async def _pipelined(target: Target) -> None:
    many = b"GET /x HTTP/1.1\r\n\r\n" * 14_000
    await asyncio.gather(*(target.send(many) for _ in range(40)))


async def _failures(target: Target) -> None:
    wrong = _head("jiwa", "X-Hookline-Key: wrong", length=2) + b"{}"
    for _ in range(20):
        await asyncio.gather(*(target.send(wrong) for _ in range(50)))


async def _signatures(target: Target) -> None:
    now, body = int(time.time()), b"x" * 1_048_576
    many = " ".join(["v1a," + "A" * 86 + "=="] * 16)
    lines = ("webhook-id: 1", f"webhook-timestamp: {now}", f"webhook-signature: {many}")
    request = _head("signed", *lines, length=len(body)) + body
    await asyncio.gather(*(target.send(request) for _ in range(10)))


async def _proven_each(target: Target, source: str, kind: str, body: bytes) -> None:
    await asyncio.gather(*(target.send(_proven(source, kind, body), seconds=30) for _ in range(4)))


async def _doctype(target: Target) -> None:
    names = b" ".join(b"c%d CDATA 'x'" % n for n in range(8_000))
    body = b"<!DOCTYPE a [<!ATTLIST b " + names + b">]><a>" + b"<b/>" * 2_000 + b"</a>"
    await _proven_each(target, "xml", "text/xml", body)


async def _elements(target: Target) -> None:
    await _proven_each(target, "xml", "text/xml", b"<a>" + b"<b c='d'/>" * 100_000 + b"</a>")


async def _everywhere(target: Target) -> None:
    await _proven_each(target, "careful", "application/json", b'{"a":[' + b"{}," * 340_000 + b"{}]}")


async def _objects(target: Target) -> None:
    await _proven_each(target, "jiwa", "application/json", b"[" + b'{"a":{}},' * 115_000 + b"{}]")


async def _deep(target: Target) -> None:
    await _proven_each(target, "jiwa", "application/json", b"[" * 250_000)


async def _numbers(target: Target) -> None:
    await _proven_each(
        target, "jiwa", "application/json", b"[" + b"9" * 4_300 + (b"," + b"9" * 4_300) * 230 + b"]"
    )


ATTACKS: dict[str, Attack] = {
    "300 MB of trailers": _trailers,
    "one trailer of 300 MB": _one_trailer,
    "300 MB of extensions of chunks": _extensions,
    "chunks of one byte": _small_chunks,
    "40 bodies of 25 MB without a proof": _bodies,
    "520 silent connections": _silent,
    "40 connections with 14,000 requests each": _pipelined,
    "1,000 wrong secrets": _failures,
    "16 signatures over 1 MB, 10 times": _signatures,
    "proven: 140 KB of defaults in a DOCTYPE": _doctype,
    "proven: 1 MB of XML elements": _elements,
    "proven: 1 MB under `redact: $..x`": _everywhere,
    "proven: 1 MB of JSON objects": _objects,
    "proven: JSON nested 250,000 deep": _deep,
    "proven: 1 MB of long numbers": _numbers,
}
"""The attacks by their names in the table; four come at once if the body is of a verified sender."""


IDLE = "nothing (idle)"


class Watch:
    """A probe of the gateway during an attack."""

    def __init__(self, target: Target, pid: int) -> None:
        self._target = target
        self._process = psutil.Process(pid)
        self.stops: list[float] = [0.0]
        self.deliveries: list[float] = [0.0]
        self.refused = 0
        self.memory = 0

    async def during(self, name: str) -> None:
        """Probe until the attack ends; another process drives it, so that this one stays fast."""
        looking = [asyncio.create_task(each()) for each in (self._probe, self._deliver, self._weigh)]
        try:
            command = ("-m", "benchmarks.hostile", "--attack", name, "--port", str(self._target.port))
            await (await asyncio.create_subprocess_exec(sys.executable, *command)).wait()
        finally:
            for each in looking:
                each.cancel()
            await asyncio.gather(*looking, return_exceptions=True)

    async def _probe(self) -> None:
        reader, writer = await self._target.connect("127.0.0.100")
        while True:
            began = time.perf_counter()
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
            await reader.readuntil(b"}")
            self.stops.append(time.perf_counter() - began)
            await asyncio.sleep(0.005)

    async def _deliver(self) -> None:
        number = 0
        while True:
            number += 1
            began = time.perf_counter()
            body = json.dumps({"n": number, "at": time.time()}).encode()
            answer = await self._target.send(_proven("jiwa", "application/json", body), address="127.0.0.101")
            self.deliveries.append(time.perf_counter() - began)
            self.refused += not answer.startswith(b"HTTP/1.1 202 ")
            await asyncio.sleep(0.05)

    async def _weigh(self) -> None:
        while True:
            self.memory = max(self.memory, await asyncio.to_thread(self.weight))
            await asyncio.sleep(0.03)

    def weight(self) -> int:
        """Return the own memory of the gateway and its processes, in bytes."""
        bytes_ = 0
        for process in (self._process, *self._process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                bytes_ += process.memory_full_info().uss
        return bytes_


def measure(names: list[str]) -> list[Cost]:
    """Measure each attack on a gateway of its own."""
    with tempfile.TemporaryDirectory() as folder:
        hooks = Path(folder, "hooks.yaml")
        hooks.write_text(HOOKS)
        return asyncio.run(_measure(names, hooks))


async def _measure(names: list[str], hooks: Path) -> list[Cost]:
    secrets = {f"HOOKLINE_SECRET_{name}": SECRET for name in ("LARGE", "XML", "CAREFUL")}
    secrets["HOOKLINE_SECRET_SIGNED"] = PUBLIC_KEY
    async with gateway_stack(HOOKLINE_HOOKS=str(hooks), **secrets) as running:
        costs = []
        for name in [IDLE, *(names or ATTACKS)]:
            address = await running.start_gateway()
            watch = Watch(Target(int(address.rpartition(":")[2])), running.gateways[address].pid)
            await asyncio.sleep(3)  # its processes are there
            idle = watch.weight()
            await watch.during(name)
            costs.append(
                Cost(
                    name,
                    round(1000 * max(watch.stops), 1),
                    round(max(0, watch.memory - idle) / MB, 1),
                    round(1000 * max(watch.deliveries), 1),
                    watch.refused,
                )
            )
            running.kill_gateway(address)
            Console(stderr=True, soft_wrap=True).print(costs[-1], markup=False)
    return costs


async def _drive(attack: Attack, target: Target) -> None:
    await attack(target)


def as_table(costs: list[Cost]) -> str:
    """Return the figures as a table."""
    rows = [
        [
            cost.attack,
            f"{cost.longest_stop_ms:.0f}",
            f"{cost.memory_mb:.0f}",
            f"{cost.slowest_delivery_ms:.0f}",
            str(cost.refused_deliveries or "none"),
            "yes" if cost.is_borne else "**no**",
        ]
        for cost in costs
    ]
    head = [
        "attack",
        "longest stop ms",
        "MB above idle",
        "slowest delivery of another ms",
        "of these refused",
        "borne",
    ]
    return report.table(head, rows)


def main() -> None:
    """Measure, print, and with `--write` put it into the docs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", action="append", default=[], choices=list(ATTACKS), help="this attack alone"
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    parser.add_argument("--attack", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attack:
        asyncio.run(_drive({IDLE: _idle, **ATTACKS}[options.attack], Target(options.port)))
        return
    costs = measure(options.only)
    text = json.dumps([asdict(cost) for cost in costs]) if options.json else as_table(costs)
    Console(soft_wrap=True).print(text, markup=False, highlight=False)
    if options.write:
        report.write("hostile", as_table(costs))
    sys.exit(0 if all(cost.is_borne for cost in costs) else 1)


if __name__ == "__main__":
    main()
