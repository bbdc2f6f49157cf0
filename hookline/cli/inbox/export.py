"""`hookline inbox export`: deliveries as JSON Lines."""

import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, TextIO
from uuid import UUID

import asyncpg
from cyclopts import Parameter
from pydantic import SecretStr
from rich.progress import Progress, SpinnerColumn, TextColumn

from hookline import runtime
from hookline.cli.inbox.filters import ALL, Limit, Wanted, ask
from hookline.cli.output import console
from hookline.errors import HooklineError
from hookline.inbox import full_rows, search

BATCH = 50
"""Deliveries that are in memory at once: bodies may be large."""


def export(
    *,
    wanted: Wanted = ALL,
    limit: Limit = None,
    output: Annotated[
        Path | None, Parameter(help="Write to this file, made so that only you may read it; else to stdout.")
    ] = None,
) -> None:
    """
    Write deliveries as JSON Lines, in order of arrival: one object a line, with headers, body and dispatches.

    `body` is the text as it came, to the last byte; `body_encoding` says `base64` where it is not text in UTF-8.
    Secrets of the sender are out of headers and query already.

    Try:
        hookline inbox export --output inbox.jsonl
        hookline inbox export --source jiwa --since 7d | gzip > jiwa.jsonl.gz
        hookline inbox export --state failed --limit 10
    """
    given, keys = wanted.filter(), runtime.bootstrap().body_keys
    with _opened(output) as out:
        written = ask(lambda database: _write(database, given, limit, keys, out))
    if output is not None:
        console(stderr=True).print(f"{written:,} deliveries in {output}")


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    """Where the lines go."""
    if output is None:
        yield sys.stdout
        return
    try:
        out = open(output, "w", encoding="utf-8", opener=_for_its_owner)  # noqa: SIM115  (closed below)
    except OSError as error:
        raise HooklineError(f"Cannot write {output}: {error.strerror}.") from None
    try:
        yield out
    finally:
        with suppress(OSError):  # what could not be written has been told
            out.close()


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


async def _write(
    database: asyncpg.Pool, wanted: search.Filter, limit: int | None, keys: Sequence[SecretStr], out: TextIO
) -> int:
    """Write them a batch at a time; how many they were."""
    written = 0
    with _progress(out) as progress:
        task = progress.add_task("exported", total=None)
        async for ids in _batches(search.ids(database, wanted), limit):
            rows = await full_rows.read(database, ids, keys)
            try:
                out.writelines(f"{json.dumps(_as_line(row), default=str)}\n" for row in rows)
                out.flush()
            except BrokenPipeError:  # whoever reads has read enough
                raise
            except OSError as error:
                told = f"Cannot write {out.name}: {error.strerror}. Whole in it: {written:,} deliveries."
                raise HooklineError(told) from None
            written += len(rows)
            progress.update(task, completed=written)
    return written


async def _batches(ids: AsyncIterator[UUID], limit: int | None) -> AsyncIterator[list[UUID]]:
    batch: list[UUID] = []
    number = 0
    async for each in ids:
        if number == limit:
            break
        number += 1
        batch.append(each)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _as_line(row: Mapping[str, Any]) -> dict[str, Any]:
    """A delivery as JSON can hold it, its body to the last byte."""
    body: bytes | None = row["body"]
    if body is None:
        return {**row, "body": None, "body_encoding": None}
    try:
        return {**row, "body": body.decode(), "body_encoding": "utf-8"}
    except UnicodeDecodeError:
        return {**row, "body": base64.b64encode(body).decode(), "body_encoding": "base64"}


def _progress(out: TextIO) -> Progress:
    """How many are written so far, on a terminal that the lines themselves do not go to."""
    screen = console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:,.0f}"))
    return Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal or out.isatty())
