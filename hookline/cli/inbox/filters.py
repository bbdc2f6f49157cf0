"""What the commands of the inbox share: the filter that they take, and the database that they ask."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self, TypeVar

import asyncpg
from cyclopts import Parameter, validators

from hookline import runtime
from hookline.database import CONNECTION_ERRORS, pool
from hookline.database.connection import close_pool, unreachable
from hookline.database.types import Row
from hookline.errors import ConfigurationError, HooklineError
from hookline.inbox import search, stats
from hookline.states import DELIVERIES

T = TypeVar("T")

Number = Annotated[str, Parameter(help="The delivery's id, or its beginning.")]
Limit = Annotated[
    int | None, Parameter(help="At most so many, the first that came.", validator=validators.Number(gte=1))
]

_AGO = re.compile(r"(?P<number>\d{1,9}) ?(?P<unit>s|m|min|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


@Parameter(name="*")
@dataclass(frozen=True)
class Wanted:
    """Which deliveries a command is about; what is left out narrows nothing."""

    source: Annotated[str | None, Parameter(help="Only what this source sent.")] = None
    state: Annotated[
        str | None, Parameter(help=f"Only what is in this state: {', '.join(DELIVERIES.states)}.")
    ] = None
    key: Annotated[
        str | None,
        Parameter(
            help="Only what belongs to this: an order's number or id, the sender's id, an id of ours or its "
            "beginning, a flow run, a vendor's reference."
        ),
    ] = None
    text: Annotated[
        str | None, Parameter(help="Only what has this text in its body, its reason or the sender's id.")
    ] = None
    since: Annotated[
        str | None,
        Parameter(help="Only what came at this time or later: 2026-11-22T14:30, or 45m, 2h, 3d ago. UTC."),
    ] = None
    until: Annotated[str | None, Parameter(help="Only what came before this time.")] = None

    def filter(self) -> search.Filter:
        """
        The filter that the inbox takes.

        Raises:
            ConfigurationError: there is no such state, or a time is none.
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
                text=self.text or "",
                since=since,
                until=until,
            )
        except ValueError as error:
            raise ConfigurationError(f"--state: {error}.") from None

    def of(self, source: str) -> Self:
        """The same, of this source alone."""
        return replace(self, source=source)

    @property
    def narrows(self) -> bool:
        """Whether anything is asked for."""
        return self != Wanted()


ALL = Wanted()


def moment(option: str, text: str | None, now: datetime) -> datetime | None:
    """
    The time that an option gives: a moment, in UTC where it does not say, or so long before now.

    Raises:
        ConfigurationError: it is neither; names the option.
    """
    if text is None:
        return None
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(seconds=int(ago["number"]) * _SECONDS[ago["unit"]])
        given = datetime.fromisoformat(text)
        return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"{option} {text!r} is no time. Give one such as 2026-11-22, 2026-11-22T14:30 (UTC) or "
            "2026-11-22T14:30+01:00, or how long ago it was: 45m, 2h, 3d, 1w."
        ) from None


def ask(work: Callable[[asyncpg.Pool], Awaitable[T]]) -> T:
    """
    Do some work on the inbox's database.

    Raises:
        HooklineError: the database is away, or not as this version needs it; says what to do.
        ConfigurationError: something given is no text in UTF-8.
    """
    settings = runtime.bootstrap()
    logging.getLogger("asyncpg.pool").setLevel(
        logging.ERROR
    )  # a database that is away is told without a traceback

    async def run() -> T:
        database = await pool(settings)
        try:
            return await work(database)
        except BrokenPipeError:  # whoever reads us, not the database
            raise
        except CONNECTION_ERRORS as error:
            raise unreachable(settings, error) from None
        except asyncpg.DataError as error:
            raise ConfigurationError(f"PostgreSQL cannot take what was typed: {error}.") from None
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
            raise HooklineError(
                "The database is not as this version needs it. Bring it up to date: python -m hookline.database"
            ) from None
        finally:
            await close_pool()

    return asyncio.run(run())


async def find_one(database: asyncpg.Pool, number: str) -> dict[str, Any]:
    """
    The delivery of this id, whole but for its body.

    Raises:
        HooklineError: there is none, or several ids begin so.
    """
    row = await search.read(database, number)
    if row is None:
        raise HooklineError(f"There is no delivery {number}, or several begin so. See: hookline inbox list")
    return row


async def pauses(database: asyncpg.Pool, sources: Container[str] | None = None) -> list[str]:
    """What to say of each source that is paused, or of those of these that are."""
    paused = await stats.paused(database)
    return [pause_told(row["source"], row) for row in paused if sources is None or row["source"] in sources]


def pause_told(source: str, pause: Row) -> str:
    """A pause in words: since when, by whom, why, and how to end it."""
    return (
        f"{source} is paused since {pause['since']:%Y-%m-%d %H:%M:%S} by {pause['actor']}: {pause['reason']}. "
        f"What it sends is held. End it with: hookline inbox resume {source}"
    )
