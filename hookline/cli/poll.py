"""`hookline poll`: read a polled source now, by hand."""

import os
import socket
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import asyncpg
from cyclopts import Parameter

from hookline import runtime
from hookline.cli.inbox.filters import on_database
from hookline.cli.inbox.pausing import SourceName
from hookline.cli.output import AsJson, console, print_json
from hookline.clients import VendorClient
from hookline.errors import ConfigurationError, HooklineError
from hookline.files import not_right
from hookline.hooks import Hooks, Source, load_hooks
from hookline.hooks.poll import in_words, reach
from hookline.inbox import polls
from hookline.inbox.polls import ClaimLost
from hookline.polling.fit import misfits
from hookline.polling.poller import AccountUnreadable, NoAccount, Poller, why

MAX_SHOWN = 20


def poll(
    source: SourceName,
    /,
    *,
    dry_run: Annotated[bool, Parameter(negative="", help="Show what is new; store nothing.")] = False,
    since: Annotated[
        str | None, Parameter(help="Begin again, so far back, as in 7d; what is stored is not stored again.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """
    Read a polled source now, although it is not due: its new items become deliveries.

    It needs the credentials block of the source's account, so that Prefect must be running. A paused source is not
    read.

    Try:
        hookline poll jiwa-orders --dry-run
        hookline poll jiwa-orders
        hookline poll jiwa-orders --since 7d
    """
    settings = runtime.bootstrap()
    hooks = load_hooks(settings.hooks)
    found = _polled(hooks, source)
    if since and dry_run:
        raise ConfigurationError("--since changes where the source is read from: leave --dry-run out.")
    if since and (window := _of(found).window):
        raise ConfigurationError(
            f"{source} has no cursor: each poll reads it {in_words(window)} back. Leave --since out."
        )

    async def read(database: asyncpg.Pool) -> dict[str, Any]:
        if since:
            await _begin_again(database, source, found, since)
        owner = f"{runtime.person()} at {socket.gethostname()}:{os.getpid()}"
        claimed = await polls.claim(database, source, _of(found), owner, now=True)
        if claimed is None:
            raise HooklineError(f"{source} is paused, or an engine reads it just now. Try again in a moment.")
        poller = Poller(database, settings, hooks, owner, client_of_block)
        try:
            return asdict(await poller.poll(claimed, found, dry_run=dry_run))
        except ClaimLost:
            raise HooklineError(f"An engine reads {source} now, so nothing was stored here.") from None
        except Exception as error:
            counts = not isinstance(error, NoAccount | AccountUnreadable)
            await polls.note_failure(database, claimed, why(error), wait=_of(found).every, counts=counts)
            raise

    result = on_database(read)
    print_json(result) if as_json else _show(source, result, dry_run=dry_run)


async def client_of_block(vendor: str, account: str) -> VendorClient:
    """
    Return a client for the stored credentials of this name.

    Raises:
        NoAccount: there are none.
        AccountUnreadable: Prefect's server does not answer.
    """
    from blocks import BLOCKS  # Prefect's settings
    from blocks.base import BlockMissing
    from hookline.prefect_adapter.errors import is_unavailable

    kind = BLOCKS[vendor]
    try:
        return (await kind.named(account)).get_client()
    except BlockMissing:
        slug = kind.get_block_type_slug()
        raise NoAccount(
            f"There is no block {slug}/{account}. Set the variables of {vendor}, then: hookline apply"
        ) from None
    except Exception as error:
        if not is_unavailable(error):
            raise
        raise AccountUnreadable(
            f"The credentials {vendor}/{account} cannot be read: Prefect does not answer ({error})."
        ) from error


def _polled(hooks: Hooks, name: str) -> Source:
    found = hooks.sources.get(name)
    if found is None or found.poll is None:
        known = ", ".join(each for each, source in hooks.sources.items() if source.poll) or "none"
        raise ConfigurationError(f"{hooks.path} has no polled source {name!r}; there are: {known}.")
    if wrong := misfits(name, found):
        raise not_right(hooks.path, wrong)
    return found


def _of(source: Source) -> Any:
    return source.poll


async def _begin_again(database: asyncpg.Pool, name: str, source: Source, since: str) -> None:
    try:
        back = reach(since)
    except ValueError as error:
        raise ConfigurationError(f"--since {since!r}: {error}.") from None
    async with database.acquire() as connection:
        await polls.begin_again(connection, name, _of(source).cursor_of, datetime.now(UTC) - back)
    console(stderr=True).print(f"{name} begins again, {in_words(back)} back.", markup=False)


def _show(source: str, result: dict[str, Any], *, dry_run: bool) -> None:
    new, out = result["new"], console()
    verb = "would become" if dry_run else "became"
    more = "; there is more behind them" if result["more"] else ""
    out.print(f"{source}: {result['rows']} items read, {new} new ones {verb} deliveries{more}.", markup=False)
    for identifier in result["items"][:MAX_SHOWN]:
        out.print(f"  {identifier}", markup=False)
    if len(result["items"]) > MAX_SHOWN:
        out.print(f"  and {len(result['items']) - MAX_SHOWN} more", markup=False)
