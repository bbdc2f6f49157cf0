"""
The proof that nothing is lost and nothing is done twice, whatever dies: `make chaos`.

A plan is made from a seed (`plan.py`). Orders are given and their webhooks sent (`shop.py`) through a sandbox of real
processes, while these are killed and stopped, and the vendors misbehave (`blows.py`). When it is quiet, a check that
asks nothing of Hookline's own memory looks at what the vendors hold (`check.py`).
"""

import random
import sys
from collections.abc import Iterable
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from hookline.cli.output import console
from tests.chaos import many_machines
from tests.chaos import plan as plans
from tests.chaos.drive import Outcome, Without, run

PATIENCE_PER_ORDER = 1.0
MIN_PATIENCE = 240.0
MAX_WIDTH = 230
"""Of a line."""

app = App(name="python -m tests.chaos", help_format="plaintext")


@app.default
def chaos(
    *,
    orders: Annotated[int, Parameter(help="How many orders are given.")] = 300,
    seed: Annotated[int | None, Parameter(help="What the plan follows from; a new one unless given.")] = None,
    patience: Annotated[
        float | None, Parameter(help="Seconds in which some of the work must end, when it is quiet.")
    ] = None,
    without: Annotated[
        Without | None, Parameter(help="Switch this off, to see that the check finds the doubles.")
    ] = None,
    upgrade: Annotated[
        bool, Parameter(negative="", help="Start each process again with newer code, and do nothing else.")
    ] = False,
    machines: Annotated[
        bool,
        Parameter(negative="", help="On several machines with Redis and a proxy: kill each in its turn."),
    ] = False,
) -> None:
    """Drive orders through a sandbox while everything dies, then check what the vendors hold."""
    chosen = random.randrange(1_000_000) if seed is None else seed
    out = console()
    more = " ARGS=--upgrade" if upgrade else " ARGS=--machines" if machines else ""
    again = f"seed {chosen}, {orders} orders; the same again: make chaos SEED={chosen} ORDERS={orders}{more}"
    out.print(again)
    waits = patience or max(MIN_PATIENCE, orders * PATIENCE_PER_ORDER)

    def say(text: str) -> None:
        out.print(text, markup=False)

    if machines:
        outcome = many_machines.run(plans.machines(chosen, orders), patience=waits, say=say)
    else:
        planned = plans.upgrade(chosen, orders) if upgrade else plans.plan(chosen, orders)
        outcome = run(planned, patience=waits, say=say, without=without)
    _show(out, outcome)
    if not outcome.violations:
        out.print(f"\nNothing lost, nothing twice, in {outcome.seconds:.0f} s. {again}")
        return
    out.print(f"\n{len(outcome.violations)} violations:", style="bold red")
    for violation in outcome.violations:
        out.print(f"  {violation}", markup=False)
    out.print(f"logs and evidence: {outcome.kept}\n{again}")
    sys.exit(1)


def _show(out: Console, outcome: Outcome) -> None:
    out.print(_table(("what was done to it", "times"), sorted(outcome.struck.items())))
    out.print(_table(("what vendors did", "calls"), sorted(outcome.met.items())))
    out.print(_table(("what was there", ""), outcome.verdict.figures.items()))
    out.print(f"\n{len(outcome.verdict.standing)} dispatches stood, for a person to see to:")
    for standing in outcome.verdict.standing:
        out.print(f"  {standing[:MAX_WIDTH]}", markup=False)
    if outcome.fixed:
        out.print(_table(("what was there afterwards", ""), outcome.fixed.figures.items()))


def _table(titles: tuple[str, str], rows: Iterable[tuple[str, object]]) -> Table:
    table = Table(*titles, title=" ", box=None, header_style="bold", pad_edge=False)
    for what, figure in rows:
        table.add_row(what, str(figure))
    return table


app()
