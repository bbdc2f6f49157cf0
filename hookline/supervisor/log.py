"""The log of the supervisor: the lines of all processes in one stream, each with the name of its process."""

import asyncio
import codecs
import io
import re
import sys
from collections.abc import Callable, Iterable
from itertools import cycle
from typing import TextIO

from rich.console import Console
from rich.text import Text

from hookline.text import visible

MAX_LINE = 4096
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


class Log:
    """Writes `name   │ text`, in the name's colour where the stream is a terminal that has colours."""

    def __init__(self, names: Iterable[str], file: TextIO | None = None) -> None:
        names = list(names)
        file = file or sys.stdout
        if isinstance(file, io.TextIOWrapper):
            file.reconfigure(errors="replace")
        self._console = Console(file=file, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._file = file
        self._width = max(map(len, names), default=0)
        self._colours = dict(zip(names, cycle(_COLOURS), strict=False))
        self._missing = 0
        """Lines that could not be written since the last one that could."""

    def line(self, name: str, text: str) -> None:
        """Write one line; where it cannot be written, as to a full disk, nothing else suffers."""
        try:
            if self._missing:
                self._write("", f"about {self._missing} lines are missing here: they could not be written")
                self._missing = 0
            self._write(name, text)
        except BrokenPipeError:
            self._console.on_broken_pipe()
        except OSError:
            self._missing += 1

    def _write(self, name: str, text: str) -> None:
        prefix = (f"{name:<{self._width}} │ ", self._colours.get(name, ""))
        with self._console.capture() as line:  # a line that cannot be written would stay in the console
            self._console.print(Text.assemble(prefix, text))
        self._file.write(line.get())
        self._file.flush()


class Lines:
    """The output of a process, split into lines that are safe to show."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, chunk: bytes, *, last: bool = False) -> list[str]:
        """
        Return the lines that are complete with this chunk; with `last`, the unfinished one too.

        A line longer than `MAX_LINE` is split. Colours and cursor movements are removed, other control characters
        are replaced by their number, and of a line that overwrites itself (a progress bar) the last state stays.
        """
        *whole, self._rest = (self._rest + self._decoder.decode(chunk, final=last)).split("\n")
        while len(self._rest) > MAX_LINE:
            whole.append(self._rest[:MAX_LINE])
            self._rest = self._rest[MAX_LINE:]
        if last and self._rest:
            whole.append(self._rest)
            self._rest = ""
        return [piece for line in whole for piece in _pieces(_cleaned(line))]


class Output(asyncio.Protocol):
    """The output of one process and its children, read until the last of them has closed it."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._lines = Lines()
        self._on_line = on_line
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Pass on the lines that are complete."""
        for line in self._lines.feed(data):
            self._on_line(line)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on the rest."""
        del exc
        for line in self._lines.feed(b"", last=True):
            self._on_line(line)
        self.closed.set()


def _cleaned(line: str) -> str:
    return visible(_ESCAPE.sub("", line.rstrip("\r")).rpartition("\r")[2])


def _pieces(line: str) -> list[str]:
    return [line[start : start + MAX_LINE] for start in range(0, len(line), MAX_LINE)] or [""]
