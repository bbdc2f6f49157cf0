"""`hookline inbox pause` and `resume`: let a source's deliveries wait for a while."""

from typing import Annotated

import asyncpg
from cyclopts import Parameter

from hookline import runtime
from hookline.cli.inbox.filters import hooks_now, on_database, pause_remark, require_reason
from hookline.cli.output import console
from hookline.errors import ConfigurationError, HooklineError
from hookline.inbox import commands, stats

SourceName = Annotated[str, Parameter(help="A source of hooks.yaml.")]


def pause(
    source: SourceName, *, reason: Annotated[str, Parameter(help="Reason, shown to everybody.")]
) -> None:
    """
    Pause a source: its deliveries are accepted and stored, and wait until the source is resumed.

    What runs already continues.

    Try:
        hookline inbox pause jiwa --reason "Jiwa is being upgraded"
    """
    actor = runtime.person()
    message = on_database(lambda database: start_pause(database, source, actor=actor, reason=reason))
    console().print(message, markup=False)


def resume(source: SourceName) -> None:
    """
    End the pause of a source; its waiting deliveries run in order of arrival.

    Try:
        hookline inbox resume jiwa
    """
    actor = runtime.person()
    console().print(on_database(lambda database: end_pause(database, source, actor=actor)), markup=False)


async def start_pause(database: asyncpg.Pool, source: str, *, actor: str, reason: str) -> str:
    """Pause a source; return a sentence for people. Raises HooklineError if it is none, or is paused already."""
    _check(source)
    require_reason(reason)
    async with database.acquire() as connection:
        if not await commands.pause(connection, source, actor=actor, reason=reason):
            [current] = [row for row in await stats.paused(database) if row["source"] == source]
            raise HooklineError(pause_remark(source, current))
    waiting = await stats.waiting(database, source)
    return (
        f"{source} is paused. Its waiting deliveries: {waiting:,}; new ones wait too, and what runs continues.\n"
        f"End the pause with: hookline inbox resume {source}"
    )


async def end_pause(database: asyncpg.Pool, source: str, *, actor: str) -> str:
    """Resume a source; return a sentence for people. Raises HooklineError if it is not paused."""
    async with database.acquire() as connection:
        waiting = await commands.resume(connection, source, actor=actor)
    if waiting is None:
        _check(source)  # only now: a source that was removed from the file may still be paused
        raise HooklineError(f"{source} is not paused.")
    return f"{source} is resumed. Deliveries that waited: {waiting:,}"


def _check(source: str) -> None:
    """Raise unless `hooks.yaml` names the source."""
    hooks = hooks_now()
    if source not in hooks.sources:
        known = ", ".join(hooks.sources) or "none"
        raise ConfigurationError(f"{hooks.path} has no source {source!r}. There are: {known}.")
