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
from hookline.cli.inbox.filters import ALL, DeliveryFilter, Limit, on_database
from hookline.cli.output import console
from hookline.errors import HooklineError
from hookline.inbox import full_rows, search

BATCH = 50
"""Deliveries in memory at once: bodies may be large."""


def export(
    *,
    chosen: DeliveryFilter = ALL,
    limit: Limit = None,
    output: Annotated[
        Path | None, Parameter(help="Write to this file, which only you may read; without it, to stdout.")
    ] = None,
) -> None:
    """
    Write deliveries as JSON Lines, in order of arrival: one object a line, with headers, body and dispatches.

    `body` is the exact body; `body_encoding` is `base64` if it is not text in UTF-8. Headers and query have no
    secrets of the sender.

    Try:
        hookline inbox export --output inbox.jsonl
        hookline inbox export --source jiwa --since 7d | gzip > jiwa.jsonl.gz
        hookline inbox export --state failed --limit 10
    """
    filter_, keys = chosen.filter(), runtime.bootstrap().body_keys
    with _opened(output) as out:
        written = on_database(lambda database: _write(database, filter_, limit, keys, out))
    if output is not None:
        console(stderr=True).print(f"{written:,} deliveries in {output}")


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    """Open the file for the lines, or stdout."""
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
        with suppress(OSError):  # a failed write was reported already
            out.close()


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


async def _write(
    database: asyncpg.Pool, filter_: search.Filter, limit: int | None, keys: Sequence[SecretStr], out: TextIO
) -> int:
    """Write the deliveries a batch at a time; return their number."""
    written = 0
    with _progress(out) as progress:
        task = progress.add_task("exported", total=None)
        async for ids in _batches(search.ids(database, filter_), limit):
            rows = await full_rows.read(database, ids, keys)
            try:
                out.writelines(f"{json.dumps(_as_line(row), default=str)}\n" for row in rows)
                out.flush()
            except BrokenPipeError:  # the reader has enough
                raise
            except OSError as error:
                raise HooklineError(
                    f"Cannot write {out.name}: {error.strerror}. It has {written:,} complete deliveries."
                ) from None
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
    """Return a delivery as JSON values, with its exact body."""
    body: bytes | None = row["body"]
    if body is None:
        return {**row, "body": None, "body_encoding": None}
    try:
        return {**row, "body": body.decode(), "body_encoding": "utf-8"}
    except UnicodeDecodeError:
        return {**row, "body": base64.b64encode(body).decode(), "body_encoding": "base64"}


def _progress(out: TextIO) -> Progress:
    """Return the progress display, on a terminal to which the lines themselves are not written."""
    screen = console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:,.0f}"))
    return Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal or out.isatty())
