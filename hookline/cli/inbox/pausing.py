"""`hookline inbox pause` and `resume`: let a source's deliveries wait for a while."""

from typing import Annotated

import asyncpg
from cyclopts import Parameter

from hookline import runtime
from hookline.cli.inbox.filters import hooks_now, on_database, pause_remark
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
    _check(source)
    if not reason.strip():
        raise ConfigurationError("--reason is empty: write why, for those who read it later.")

    async def start_pause(database: asyncpg.Pool) -> int:
        async with database.acquire() as connection:
            if not await commands.pause(connection, source, actor=runtime.person(), reason=reason):
                [current] = [row for row in await stats.paused(database) if row["source"] == source]
                raise HooklineError(pause_remark(source, current))
        return await stats.waiting(database, source)

    waiting = on_database(start_pause)
    console().print(
        f"{source} is paused. Its waiting deliveries: {waiting:,}; new ones wait too, and what runs continues.\n"
        f"End the pause with: hookline inbox resume {source}",
        markup=False,
    )


def resume(source: SourceName) -> None:
    """
    End the pause of a source; its waiting deliveries run in order of arrival.

    Try:
        hookline inbox resume jiwa
    """

    async def end_pause(database: asyncpg.Pool) -> int | None:
        async with database.acquire() as connection:
            return await commands.resume(connection, source, actor=runtime.person())

    waiting = on_database(end_pause)
    if waiting is None:
        _check(source)  # only now: a source that was removed from the file may still be paused
        raise HooklineError(f"{source} is not paused.")
    console().print(f"{source} is resumed. Deliveries that waited: {waiting:,}")


def _check(source: str) -> None:
    """Raise unless `hooks.yaml` names the source."""
    hooks = hooks_now()
    if source not in hooks.sources:
        known = ", ".join(hooks.sources) or "none"
        raise ConfigurationError(f"{hooks.path} has no source {source!r}. There are: {known}.")
