"""The pages of the documentation, their blocks and their names, for the tests."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the rest of its first line (a file's name, `runnable`), and its text."""

    page: Path
    number: int
    language: str
    mark: str
    text: str

    def __str__(self):
        return f"{name(self.page)} block {self.number}"


def name(page):
    """Return a page's path in the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(*languages):
    """Return the fenced blocks of every page in these languages."""
    return [
        Block(page, number, *_info(found[1]), found[2])
        for page in PAGES
        for number, found in enumerate(FENCE.finditer(page.read_text(encoding="utf-8")), 1)
        if _info(found[1])[0] in languages
    ]


def prose(page):
    """Return a page's text without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def codes(page):
    """Return what is between single backticks in a page's prose."""
    return INLINE.findall(prose(page))


def _info(line):
    language, _, mark = line.strip().partition(" ")
    return language, mark.strip()
