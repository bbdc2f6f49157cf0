"""`hookline inbox pause` and `resume`: let a source's deliveries be held for a while."""

from typing import Annotated

import asyncpg
from cyclopts import Parameter

from hookline import runtime
from hookline.cli.inbox.filters import ask, pause_told
from hookline.cli.output import console
from hookline.errors import ConfigurationError, HooklineError
from hookline.inbox import commands, stats

SourceName = Annotated[str, Parameter(help="A source of hooks.yaml.")]


def pause(
    source: SourceName, *, reason: Annotated[str, Parameter(help="Why; everybody who looks is told.")]
) -> None:
    """
    Hold what a source sends: it is accepted and kept, and nothing of it is started until it is resumed.

    What runs already goes on.

    Try:
        hookline inbox pause jiwa --reason "Jiwa is being upgraded"
    """
    _check(source)
    if not reason.strip():
        raise ConfigurationError("--reason is empty: say why, for whoever looks later.")

    async def hold(database: asyncpg.Pool) -> int:
        async with database.acquire() as connection:
            if not await commands.pause(connection, source, actor=runtime.person(), reason=reason):
                [now] = [row for row in await stats.paused(database) if row["source"] == source]
                raise HooklineError(pause_told(source, now))
        return await stats.waiting(database, source)

    waiting = ask(hold)
    console().print(
        f"{source} is paused. Deliveries of it that wait: {waiting:,}; what it sends is held, and what runs goes on.\n"
        f"End it with: hookline inbox resume {source}",
        markup=False,
    )


def resume(source: SourceName) -> None:
    """
    Let a paused source go on, with what was held, in order of arrival.

    Try:
        hookline inbox resume jiwa
    """

    async def release(database: asyncpg.Pool) -> int | None:
        async with database.acquire() as connection:
            return await commands.resume(connection, source, actor=runtime.person())

    held = ask(release)
    if held is None:
        _check(source)  # one that was taken out of the file may be paused still, so it is looked at here
        raise HooklineError(f"{source} is not paused.")
    console().print(f"{source} goes on. Deliveries that were held: {held:,}")


def _check(source: str) -> None:
    """Raise unless `hooks.yaml` names the source."""
    from hookline.hooks import hooks_in_force  # not for the other commands

    settings = runtime.bootstrap()
    path = settings.hooks
    sources = hooks_in_force(path, settings.home, note=False).sources
    if source not in sources:
        raise ConfigurationError(
            f"{path} has no source {source!r}. There are: {', '.join(sources) or 'none'}."
        )
