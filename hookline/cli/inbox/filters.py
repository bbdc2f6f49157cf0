"""The filter of the inbox commands, and how they run their work on the database."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

import asyncpg
from cyclopts import Parameter, validators

from hookline import runtime
from hookline.database import CONNECTION_ERRORS, pool
from hookline.database.connection import close_pool, unreachable
from hookline.database.types import Row
from hookline.errors import ConfigurationError, HooklineError
from hookline.inbox import search, stats
from hookline.local_time import from_here, table_time, use_time_zone
from hookline.settings import Settings, settings
from hookline.states import DELIVERIES

if TYPE_CHECKING:
    from hookline.hooks import Hooks

T = TypeVar("T")

Number = Annotated[str, Parameter(help="The delivery's id, or its beginning.")]
Limit = Annotated[
    int | None, Parameter(help="Most deliveries, the oldest first.", validator=validators.Number(gte=1))
]

_AGO = re.compile(r"(?P<number>\d{1,9}) ?(?P<unit>s|m|min|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


@Parameter(name="*")
@dataclass(frozen=True)
class DeliveryFilter:
    """The deliveries that a command is about; an option that is left out does not narrow them."""

    source: Annotated[str | None, Parameter(help="Only of this source.")] = None
    state: Annotated[
        str | None, Parameter(help=f"Only what is in this state: {', '.join(DELIVERIES.states)}.")
    ] = None
    key: Annotated[
        str | None,
        Parameter(
            help="Only of this key: an order's number or id, a label or a word of it, the sender's id, a Hookline id "
            "or its beginning, a flow run, a vendor's reference."
        ),
    ] = None
    about: Annotated[
        str | None,
        Parameter(help="Only about this, as its route says: order=100123; or a value under any name."),
    ] = None
    text: Annotated[
        str | None, Parameter(help="Only with this text in the body, the reason or the sender's id.")
    ] = None
    since: Annotated[
        str | None,
        Parameter(help="Only received at this time or later: 2026-11-22T14:30, or 45m, 2h, 3d ago."),
    ] = None
    until: Annotated[str | None, Parameter(help="Only received before this time.")] = None

    def filter(self) -> search.Filter:
        """
        Return the filter in the form of the inbox.

        Raises:
            ConfigurationError: there is no such state, or a time cannot be read.
        """
        now = datetime.now(UTC)
        since, until = moment("--since", self.since, now), moment("--until", self.until, now)
        if since and until and since >= until:
            raise ConfigurationError(f"--since {self.since} is not before --until {self.until}.")
        try:
            return search.Filter(
                source=self.source or "",
                state=self.state or "",
                key=self.key or "",
                about=self.about or "",
                text=self.text or "",
                since=since,
                until=until,
            )
        except ValueError as error:
            raise ConfigurationError(f"--state: {error}.") from None

    def of(self, source: str) -> Self:
        """Return the same filter for this source only."""
        return replace(self, source=source)

    @property
    def narrows(self) -> bool:
        """True if any option is set."""
        return self != DeliveryFilter()


ALL = DeliveryFilter()


def moment(option: str, text: str | None, now: datetime) -> datetime | None:
    """
    Return the time of an option: a moment, in the firm's zone if it names no other, or a duration before now.

    Raises:
        ConfigurationError: it is neither; names the option.
    """
    if text is None:
        return None
    use_time_zone(settings().time_zone)  # options are read before the process is set up
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(seconds=int(ago["number"]) * _SECONDS[ago["unit"]])
        return from_here(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"{option} {text!r} is not a time. Write one such as 2026-11-22, 2026-11-22T14:30 or "
            "2026-11-22T14:30+01:00, or how long ago it was: 45m, 2h, 3d, 1w."
        ) from None


def on_database(work: Callable[[asyncpg.Pool], Awaitable[T]]) -> T:
    """
    Run some work on the inbox's database.

    Raises:
        HooklineError: the database is unavailable, or its schema is not up to date; says what to do.
        ConfigurationError: an option is not text in UTF-8.
    """
    settings = runtime.bootstrap()
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)

    async def run() -> T:
        database = await pool(settings)
        try:
            with database_errors(settings):
                return await work(database)
        finally:
            await close_pool()

    return asyncio.run(run())


@contextmanager
def database_errors(settings: Settings) -> Iterator[None]:
    """
    Say in words what the database, or an input that it cannot read, is in the way of.

    Raises:
        HooklineError: as `on_database`.
        ConfigurationError: as `on_database`.
    """
    try:
        yield
    except BrokenPipeError:  # the reader of our output, not the database
        raise
    except CONNECTION_ERRORS as error:
        raise unreachable(settings, error) from None
    except asyncpg.DataError as error:
        raise ConfigurationError(f"PostgreSQL cannot read an option: {error}.") from None
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        raise HooklineError(
            "The database's schema is not up to date. Bring it up to date: python -m hookline.database"
        ) from None


def hooks_now() -> "Hooks":
    """Return the sources and routes that are in force, without storing that they are."""
    from hookline.hooks import hooks_in_force  # not for the commands that need no file

    settings = runtime.bootstrap()
    return hooks_in_force(settings.hooks, settings.home, note=False)


def require_reason(reason: str) -> None:
    """Raise ConfigurationError if a reason says nothing."""
    if not reason.strip():
        raise ConfigurationError("--reason is empty: write why, for those who read it later.")


async def find_one(database: asyncpg.Pool, number: str) -> dict[str, Any]:
    """
    Return the delivery of this id, without its body.

    Raises:
        HooklineError: there is none, or several ids begin like this.
    """
    row = await search.read(database, number)
    if row is None:
        raise HooklineError(
            f"There is no delivery {number}, or several begin like this. See: hookline inbox list"
        )
    return row


async def pause_remarks(database: asyncpg.Pool, sources: Container[str] | None = None) -> list[str]:
    """Return a remark for each paused source, or for those among the given sources."""
    paused = await stats.paused(database)
    return [pause_remark(row["source"], row) for row in paused if sources is None or row["source"] in sources]


def pause_remark(source: str, pause: Row) -> str:
    """Return a remark about a pause: since when, by whom, why, and how to end it."""
    return (
        f"{source} is paused since {table_time(pause['since'])} by {pause['actor']}: {pause['reason']}. "
        f"Its deliveries wait. End the pause with: hookline inbox resume {source}"
    )
