"""
The cost of an order by how many sources and routes `hooks.yaml` has.

Each further source is a sender with a secret, a template for its id and a route of its own. Beside them, the source of
Jiwa gets as many further routes, each for the orders of one customer, of which none takes an order of the benchmark.

    python -m benchmarks.routes [--further 0 10 100 1000] [--quick] [--json] [--write]
"""

import asyncio
import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.progress import Progress

from benchmarks import processes, report, systems
from hookline.cli.output import console
from hookline.sandbox.paid_orders import PaidOrders, measured_sandbox, milliseconds, per_second, webhooks
from hookline.sandbox.stack import SandboxStack

HOOKS = Path(__file__).parents[1] / "deployments" / "hooks.yaml"
FURTHER = (0, 10, 100, 1000)
AT_ONCE, PACED = 200, 15
"""Orders of a burst, and orders that come one a second."""


@dataclass(frozen=True)
class Result:
    """The figures with so many further sources, and as many further routes of Jiwa's source."""

    further: int
    at_once: float
    """Orders a second."""
    processor: dict[str, float]
    """Milliseconds an order of the burst, by process."""
    ack_ms: float
    first_ms: float
    """From the webhook to its answer and to the first vendor call, one order a second; the median."""
    memory: dict[str, float]
    """The megabytes that a process has for itself afterwards."""


def further(hooks: dict[str, Any], number: int) -> dict[str, Any]:
    """Return the content of `hooks.yaml` with so many sources, and routes of Jiwa's source, more."""
    sources = {
        f"portal-{n}": {"scheme": "shared-secret", "header": "X-Portal-Key", "id": "{{ body.order.number }}"}
        for n in range(number)
    }
    of_portals = {
        f"portal-{n}": {
            "source": f"portal-{n}",
            "when": "body.order.paid",
            "deployment": "order-to-license/default",
            "parameters": {"invoice_id": "{{ body.order.number }}"},
            "key": "portal order {{ body.order.number }}",
        }
        for n in range(number)
    }
    of_customers = {
        f"customer-{n}": {
            "source": "jiwa",
            "when": f"body.DebtorAccountNo == 'C-{n}'",
            "deployment": "order-to-license/default",
            "parameters": {"invoice_id": "{{ body.InvoiceID }}"},
        }
        for n in range(number)
    }
    return {
        "sources": hooks["sources"] | sources,
        "routes": hooks["routes"] | of_portals | of_customers,
    }


@contextmanager
def _files(number: int) -> Iterator[dict[str, str]]:
    """Write the file, and yield the variables that lead to it and to the secrets."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hooks.yaml"
        path.write_text(yaml.safe_dump(further(yaml.safe_load(HOOKS.read_text()), number), sort_keys=False))
        secrets = {f"HOOKLINE_SECRET_PORTAL_{n}": f"{n:032d}" for n in range(number)}
        yield {"HOOKLINE_HOOKS": str(path), **secrets}


async def _measured(sandbox: SandboxStack, progress: Progress, number: int, at_once: int) -> Result:
    async with PaidOrders.of(sandbox, progress) as orders, webhooks(sandbox) as webhook:
        await orders.warm_up(webhook)
        paced = await orders.paced(f"{number} further, one a second", webhook, PACED, rate=1)
        before = processes.cpu_seconds()
        burst = await orders.at_once(f"{number} further, at once", webhook, at_once)
        used = processes.cpu_since(before)
    return Result(
        further=number,
        at_once=round(per_second(burst), 1),
        processor={each: round(1000 * seconds / at_once, 1) for each, seconds in used.items()},
        ack_ms=milliseconds([each.to_triggered for each in paced], 50),
        first_ms=milliseconds([each.to_first for each in paced], 50),
        memory={
            name: round(systems.supervised(sandbox, f"hookline {name}").memory_full_info().uss / 1e6)
            for name in ("gateway", "engine")
        },
    )


def as_text(results: list[Result]) -> str:
    """Return the figures in Markdown."""
    head = [
        "further sources, and further routes of Jiwa's",
        "at once, a second",
        "gateway, ms an order",
        "engine, ms an order",
        "processes that read bodies, ms an order",
        "ack p50 ms",
        "first call p50 ms",
        "gateway MB",
        "engine MB",
    ]
    rows = [
        [
            f"{each.further:,}",
            f"{each.at_once:g}",
            *(
                f"{each.processor.get(name, 0):.0f}"
                for name in ("gateway", "engine", "processes that read bodies")
            ),
            f"{each.ack_ms:.0f}",
            f"{each.first_ms:.0f}",
            f"{each.memory['gateway']:.0f}",
            f"{each.memory['engine']:.0f}",
        ]
        for each in results
    ]
    return report.table(head, rows)


def main() -> None:
    """Measure, print, and with `--write` put it into the docs."""
    parser = report.parser(__doc__)
    parser.add_argument("--further", type=int, nargs="+", default=list(FURTHER))
    options = report.with_quick(parser)
    sizes, at_once = ([0, 3], 10) if options.quick else (sorted(options.further), AT_ONCE)
    out, results = console(stderr=options.json), []
    for number in sizes:
        with _files(number) as variables, measured_sandbox(out, **variables) as (sandbox, progress):
            results.append(asyncio.run(_measured(sandbox, progress, number, at_once)))
    report.publish("routes", as_text(results), [dataclasses.asdict(each) for each in results], out, options)


if __name__ == "__main__":
    main()
