"""Advisory locks in PostgreSQL, held by a session: of an effect, of a read-back's scope, of a business key."""

from datetime import timedelta

import asyncpg

from hookline.database.session import changes_session
from hookline.database.types import Connection
from hookline.journal.effect import EffectBusy

LOCK_TIMEOUT = "60s"
MAX_NAME = 63
"""Of a session, in PostgreSQL."""


async def lock(connection: Connection, name: str) -> None:
    """
    Take the named lock; it is free again when the connection is given back, or its process is killed.

    A session lock, not a row lock: `intended` must be committed while the lock is held (docs/adr/0005).

    Raises:
        EffectBusy: somebody else held it for a minute.
    """
    changes_session(connection)
    try:
        await connection.execute(
            "SELECT set_config('lock_timeout', $2, false), pg_advisory_lock(hashtextextended($1, 0))",
            name,
            LOCK_TIMEOUT,
        )
    except asyncpg.LockNotAvailableError:
        raise EffectBusy(f"Another run has held the lock for a minute: {name}.") from None


async def try_business(connection: Connection, key: str, holder: str) -> bool:
    """
    Take the lock of a business, if it is free, until the session ends or is reset; return True if it was.

    Either way the session names its run from now on, and lets the server notice soon if its machine is gone.
    """
    changes_session(connection)
    acquired: bool = await connection.fetchval(
        """
        SELECT pg_try_advisory_lock(hashtextextended('business ' || $1, 0)),
               set_config('application_name', $2, false), set_config('tcp_keepalives_idle', '30', false),
               set_config('tcp_keepalives_interval', '10', false), set_config('tcp_keepalives_count', '3', false)
        """,
        key,
        holder[:MAX_NAME],
    )
    return acquired


async def lock_business(connection: Connection, key: str, max_wait: timedelta) -> None:
    """
    Wait for the lock of a business.

    Raises:
        asyncpg.LockNotAvailableError: it did not become free in time.
    """
    changes_session(connection)
    await connection.execute(f"SET lock_timeout = {max(1, int(max_wait.total_seconds() * 1000))}")
    await connection.execute("SELECT pg_advisory_lock(hashtextextended('business ' || $1, 0))", key)


async def business_holder(connection: Connection, key: str) -> str:
    """Return the name of the session that has the lock of a business, and since when."""
    holder: str | None = await connection.fetchval(
        """
        SELECT a.application_name || ', since ' || to_char(a.state_change, 'HH24:MI:SS')
        FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('business ' || $1, 0)
        """,
        key,
    )
    return holder or "a run that has ended since"
