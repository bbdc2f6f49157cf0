"""
The benchmark of receiving: latency and throughput of deliveries that the gateway stores.

One gateway and the embedded PostgreSQL; the driver is on the same machine. A time counts from the moment the request
was due, so that a gateway that stalls does not look faster. At the end the inbox is counted: every delivery that was
answered 2xx must be there.

    python -m benchmarks.receiving [--seconds 60] [--rate 200] [--burst 5000] [--concurrency 64] [--write]
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import aiohttp
from rich.console import Console

from benchmarks import report
from hookline.database import pool
from hookline.database.connection import close_pool
from hookline.sandbox.gateway_stack import SECRET, gateway_stack

ACCEPTED = 202


@dataclass
class Answers:
    """The responses of the gateway, and their times."""

    seconds: list[float] = field(default_factory=list)
    """Seconds of each that was accepted."""
    refused: dict[str, int] = field(default_factory=dict)
    """Number of the others, by status or error."""
    lasted: float = 0.0

    def percentile(self, percent: int) -> float:
        """Return a percentile in milliseconds."""
        return 1000 * statistics.quantiles(self.seconds, n=100, method="inclusive")[percent - 1]


class Driver:
    """A sender of deliveries of the size of a Jiwa order."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self.session = session
        self.url = f"{address}/hooks/jiwa"
        self.answers = Answers()

    async def send(self, due: float) -> None:
        """Send a delivery that was due at this time."""
        body = {
            "InvoiceID": uuid4().hex,
            "InvoiceNo": "100123",
            "DebtorName": "Customer",
            "Remark": "x" * 400,
        }
        try:
            async with self.session.post(self.url, data=json.dumps(body)) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            self._refused(type(error).__name__)
            return
        if answer.status == ACCEPTED:
            self.answers.seconds.append(time.perf_counter() - due)
        else:
            self._refused(str(answer.status))

    def _refused(self, why: str) -> None:
        self.answers.refused[why] = self.answers.refused.get(why, 0) + 1


async def sustained(driver: Driver, *, rate: float, seconds: float) -> Answers:
    """Send deliveries at a fixed rate, without waiting for responses."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(driver.send(due))
    driver.answers.lasted = time.perf_counter() - began
    return driver.answers


async def burst(driver: Driver, *, count: int, concurrency: int) -> Answers:
    """Send deliveries over so many connections at once."""
    left = iter(range(count))

    async def sender() -> None:
        for _ in left:
            await driver.send(time.perf_counter())

    began = time.perf_counter()
    await asyncio.gather(*(sender() for _ in range(concurrency)))
    driver.answers.lasted = time.perf_counter() - began
    return driver.answers


@asynccontextmanager
async def driving(address: str) -> AsyncIterator[Driver]:
    """Open a driver with persistent connections."""
    headers = {"X-Hookline-Key": SECRET, "Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=512)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        yield Driver(session, address)


async def measure(options: argparse.Namespace) -> dict[str, Answers]:
    """Measure everything on one gateway; raises if a delivery is missing."""
    async with gateway_stack(HOOKLINE_MAX_BACKLOG="10000000") as running:
        address = await running.start_gateway()
        async with driving(address) as driver:
            await burst(driver, count=500, concurrency=8)  # warm
        async with driving(address) as driver:
            even = await sustained(driver, rate=options.rate, seconds=options.seconds)
        async with driving(address) as driver:
            at_once = await burst(driver, count=options.burst, concurrency=options.concurrency)
        stored = await (await pool(running.settings)).fetchval("SELECT count(*) FROM deliveries")
        await close_pool()
    accepted = 500 + len(even.seconds) + len(at_once.seconds)
    if stored != accepted:
        raise SystemExit(f"{accepted} were accepted and {stored} are in the inbox")
    return {f"{options.rate:g} a second for {options.seconds:g} s": even,
            f"{options.burst} at once, {options.concurrency} connections": at_once}  # fmt: skip


def as_table(measured: dict[str, Answers]) -> str:
    """Return the figures as a table."""
    rows = [
        [
            name,
            f"{len(answers.seconds) / answers.lasted:.0f}",
            *(f"{answers.percentile(percent):.1f}" for percent in (50, 95, 99)),
            ", ".join(f"{why}: {n}" for why, n in answers.refused.items()) or "none",
            "0",
        ]
        for name, answers in measured.items()
    ]
    head = ["load", "accepted a second", "p50 ms", "p95 ms", "p99 ms", "not accepted", "lost"]
    return report.table(head, rows)


def main() -> None:
    """Measure, print, and with `--write` put it into the docs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--burst", type=int, default=5000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    options = parser.parse_args()
    told = as_table(asyncio.run(measure(options)))
    Console(soft_wrap=True).print(told, markup=False)
    if options.write:
        report.write("receiving", told)


if __name__ == "__main__":
    main()
