"""How commands speak: tables for people, JSON for machines."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from hookline.text import visible

AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON, for machines.")]

WIDE = 240
"""Columns where nobody looks: a file or a pipe must not have its lines cut to a terminal's width."""

STYLES = {
    "done": "green",
    "running": "cyan",
    "received": "cyan",
    "dispatched": "cyan",
    "held": "yellow",
    "intended": "yellow",
    "uncertain": "bold yellow",
    "failed": "bold red",
    "rejected": "bold red",
    "unrouted": "dim",
    "discarded": "dim",
    "undone": "dim",
    "kept": "green",
}


def console(*, stderr: bool = False) -> Console:
    """Where commands write for people; on stderr where stdout is for machines."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else WIDE)


def show(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, title: str = ""
) -> None:
    """Print rows: as a table with these columns, or all of them as one JSON list."""
    if as_json:
        print_json([dict(row) for row in rows])
        return
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007
        table.add_row(*(_cell(column, row.get(column)) for column in columns))
    console().print(table if count else "nothing found")


def print_json(value: Any) -> None:
    """Print one JSON value on one line."""
    print(json.dumps(value, default=str))  # noqa: T201


def _cell(column: str, value: Any) -> str:
    text = "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = visible(text).replace("[", "\\[")
    style = STYLES.get(text, "") if column == "state" else ""
    return f"[{style}]{text}[/]" if style else text
