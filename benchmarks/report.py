"""Writes what was measured into docs/benchmarks.md, with the machine, the versions and the date."""

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def write(name: str, text: str) -> None:
    """
    Put a text in its place on the page, with where and when it was measured.

    Raises:
        LookupError: the page has no place of that name.
    """
    page = PAGE.read_text()
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not place.search(page):
        raise LookupError(f"{PAGE} has no place <!-- {name} -->")
    content = f"{text.strip()}\n\n{machine()}\n"
    PAGE.write_text(place.sub(lambda found: found[1] + content + found[2], page))


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """Where and when, in one sentence."""
    cores, memory = os.cpu_count(), round(psutil.virtual_memory().total / 2**30)
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {cores} cores, {memory} GB, {platform.system()}, "
        f"Python {platform.python_version()}, Prefect {version('prefect')}."
    )
