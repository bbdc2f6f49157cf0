"""Output of the commands: tables for people, JSON for machines."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TaskID, TextColumn, TransferSpeedColumn
from rich.prompt import Confirm
from rich.table import Table
from rich.text import Text

from hookline.errors import HooklineError
from hookline.local_time import table_time
from hookline.states import STATES
from hookline.text import one_line, visible

AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON, for machines.")]

WIDE = 240
"""Columns of a file or a pipe, whose lines must not be cut to a terminal's width."""

STYLES = {name: state.style for name, state in STATES.items()}


class InertConsole(Console):
    """A console without markup, on which control characters are made visible."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Render any text that is printed, also as a cell or as a branch."""
        return super().render_str(visible(text), **options)


def console(*, stderr: bool = False) -> Console:
    """Return the console for people: stdout, or stderr if stdout is for machines."""
    stream = sys.stderr if stderr else sys.stdout
    return InertConsole(stderr=stderr, width=None if stream.isatty() else WIDE)


def in_style(state: str) -> Text:
    """Return a state in its colour."""
    return Text(one_line(state), STYLES.get(state, ""))


def show(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, title: str = ""
) -> None:
    """Print rows: as a table with these columns, or all of them as one JSON list."""
    if as_json:
        print_json([dict(row) for row in rows])
        return
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(Text(one_line(column.replace("_", " "))), overflow="fold")
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007
        table.add_row(*(_cell(column, row.get(column)) for column in columns))
    console().print(table if count else "nothing found")


def show_more(limit: int, *, as_json: bool) -> None:
    """Say that a list was cut at its limit, where it does not mix with its JSON."""
    console(stderr=as_json).print(more_than(limit), style="dim")


def more_than(limit: int) -> str:
    """Return the remark that a list was cut at its limit."""
    return f"There are more than these {limit:,}: raise --limit, or use a narrower filter."


def show_record(record: Mapping[str, Any]) -> None:
    """Print one record as a table of its fields."""
    rows = [{"field": name, "value": value} for name, value in record.items()]
    show(rows, ["field", "value"], as_json=False)


def confirm(question: str) -> bool:
    """Return True if the person at the terminal agrees."""
    try:
        return Confirm.ask(question, console=console(stderr=True), default=False)
    except EOFError:
        return False


def agree(question: str, *, yes: bool, otherwise: str = "Nothing was changed.") -> None:
    """
    Return once the person at the terminal agrees, or said so before by `--yes`.

    Raises:
        HooklineError: they do not, or there is no terminal to ask at.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise HooklineError(f"{otherwise} Without a terminal, add --yes.")
    if not confirm(question):
        raise HooklineError(otherwise)


class Steps:
    """The progress of a long command on the terminal: what is done, and how many bytes of it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, what: str, size: int) -> None:
        """Show so many bytes more."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=None)
        self._progress.advance(self._tasks[what], size)

    def pause(self) -> None:
        """Stop drawing, for a question."""
        self._progress.stop()


@contextmanager
def steps() -> Iterator[Steps]:
    """Show progress on stderr, if that is a terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn())
    screen = console(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        yield Steps(progress)


def print_json(value: Any) -> None:
    """Print one JSON value on one line."""
    print(json.dumps(value, default=str))  # noqa: T201


def _cell(column: str, value: Any) -> Text:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return Text(table_time(value))
    text = "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return in_style(text) if column == "state" else Text(one_line(text))
