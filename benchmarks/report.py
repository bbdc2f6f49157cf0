"""The report of a benchmark: printed, and written into docs/benchmarks.md with machine, versions and date."""

import argparse
import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
from rich.console import Console
from rich.markdown import Markdown

from hookline.cli.output import print_json

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def write(name: str, text: str, to: Path | None = None) -> None:
    """
    Write a text to its place on the page, or on another one, with machine and date.

    Raises:
        LookupError: the page has no place of that name.
    """
    to = to or PAGE
    page = to.read_text()
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not place.search(page):
        raise LookupError(f"{to} has no place <!-- {name} -->")
    content = f"{text.strip()}\n\n{machine()}\n"
    to.write_text(place.sub(lambda found: found[1] + content + found[2], page))


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """Return machine, versions and date as one sentence."""
    cores, memory = os.cpu_count(), round(psutil.virtual_memory().total / 2**30)
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {cores} cores, {memory} GB, {platform.system()}, "
        f"Python {platform.python_version()}, Prefect {version('prefect')}."
    )


def parser(description: str | None, *, page: str = "into docs/benchmarks.md") -> argparse.ArgumentParser:
    """Return the command line of a benchmark, with the options of `publish`."""
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--json", action="store_true", help="print JSON, for machines")
    options.add_argument("--write", action="store_true", help=page)
    return options


def options_with_quick(
    description: str | None, *, page: str = "into docs/benchmarks.md"
) -> argparse.Namespace:
    """Return what the command line of a benchmark says that can also be tried quickly, which is not written down."""
    return with_quick(parser(description, page=page))


def with_quick(options: argparse.ArgumentParser) -> argparse.Namespace:
    """Return what a command line says that has `--quick` beside these options."""
    options.add_argument("--quick", action="store_true", help="few orders, to see that it works")
    found = options.parse_args()
    if found.quick and found.write:
        options.error("--quick measures too little to write it down")
    return found


def publish(
    name: str,
    text: str,
    data: object,
    out: Console,
    options: argparse.Namespace,
    *,
    more: str = "",
    to: Path | None = None,
) -> None:
    """Print a text, its data with `--json`, and write it to the page with `--write`."""
    out.print(Markdown(text))
    if options.json:
        print_json(data)
    if options.write:
        write(name, text + more, to)
