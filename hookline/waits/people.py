"""The message with the link, to each person who is asked; what cannot be sent is an issue."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import asyncpg

from hookline import issues, notification
from hookline.errors import HooklineError
from hookline.inbox.deliveries import NOT_HELD
from hookline.settings import Settings
from hookline.text import one_line, reason
from hookline.waits import links, store
from hookline.waits.addresses import addresses, all_addresses, variable

AT_ONCE: Final = 5
LEASE: Final = timedelta(minutes=1)
"""The time after which a message is sent again whose sending did not come to an end; each time twice as long."""
UNKNOWN: Final = timedelta(seconds=5)
"""The time for which an engine leaves a person whose address it does not have to others that may have it."""
MAX_TRIES: Final = 5
KIND: Final = "question"
"""The kind of the issue that somebody could not be asked."""
DUE: Final = f"""
    EXISTS (SELECT FROM questions WHERE next_at <= now())
    OR EXISTS (SELECT FROM issues WHERE closed_at IS NULL AND kind = '{KIND}')"""  # noqa: S608  (a constant)
"""The condition that somebody is to be asked, or that an issue of one who could not be may be over."""


async def ask_due(database: asyncpg.Pool, settings: Settings) -> None:
    """Send the messages that are due; what cannot be sent becomes an issue, and is closed with its wait."""
    due = await database.fetch(
        f"""
        UPDATE questions q SET tries = tries + 1, next_at = now() + $1::interval * power(2, least(tries, 6))
        FROM (SELECT q.wait_id, q.person FROM questions q JOIN waits w ON w.id = q.wait_id
              WHERE q.next_at <= now() AND w.state = 'waiting' AND {NOT_HELD}
                AND (q.person = ANY($3) OR q.next_at <= now() - $4::interval)   -- another engine may know the address
              ORDER BY q.next_at LIMIT $2 FOR UPDATE OF q SKIP LOCKED) AS chosen
        WHERE q.wait_id = chosen.wait_id AND q.person = chosen.person
        RETURNING q.wait_id, q.person, q.tries
        """,  # noqa: S608  (constants)
        LEASE,
        AT_ONCE,
        list(all_addresses()),
        UNKNOWN,
    )
    for question in due:
        await _ask(database, settings, question)
    await database.execute(
        """
        UPDATE issues SET closed_at = now() WHERE closed_at IS NULL AND kind = $1 AND NOT EXISTS (
            SELECT FROM waits w JOIN questions q ON q.wait_id = w.id
            WHERE w.state = 'waiting' AND q.error IS NOT NULL AND cause = 'question to ' || q.person || ' ' || w.id)
        """,
        KIND,
    )


async def _ask(database: asyncpg.Pool, settings: Settings, question: asyncpg.Record) -> None:
    wait_id, person = question["wait_id"], question["person"]
    wait = await store.read(database, wait_id)
    where = addresses(person)
    if wait is None:
        return
    if where is None:
        await _failed(database, settings, question, f"{variable(person)} is not set", is_last=True)
        return
    link = settings.base_url + await links.make(database, wait_id, person)
    try:
        await notification.send(where, "Hookline asks you", message(wait, person), link)
    except HooklineError as error:
        await _failed(
            database,
            settings,
            question,
            f"{variable(person)} {error}",
            is_last=question["tries"] >= MAX_TRIES,
        )
        return
    await database.execute(
        "UPDATE questions SET sent_at = now(), next_at = NULL, error = NULL WHERE wait_id = $1 AND person = $2",
        wait_id,
        person,
    )


def message(wait: Mapping[str, Any], person: str) -> list[str]:
    """Return the lines of the message that asks; the link follows."""
    return [
        f"{person}, you are asked: {store.question(wait)}",
        "",
        f"Please answer before {wait['until']:%Y-%m-%d %H:%M} UTC.",
        "The link is for you alone: who opens it answers in your name. To open it decides nothing.",
        "",
    ]


async def _failed(
    database: asyncpg.Pool, settings: Settings, question: asyncpg.Record, why: str, *, is_last: bool
) -> None:
    """Note that a person could not be asked; at last it is an issue, of which people are told."""
    wait_id, person = question["wait_id"], question["person"]
    async with database.acquire() as connection, connection.transaction():
        await connection.execute(
            """
            UPDATE questions SET error = $3, next_at = CASE WHEN NOT $4 THEN next_at END
            WHERE wait_id = $1 AND person = $2
            """,
            wait_id,
            person,
            reason(why),
            is_last,
        )
        if is_last:
            await issues.report(
                connection,
                cause=f"question to {person} {wait_id}",
                title=f"{person} could not be asked: {one_line(why, 200)}",
                advice=f"Answer in {person}'s place at {settings.base_url}/waits/{wait_id}, or by: "
                f"hookline waits answer {wait_id}. Set {variable(person)} for the next time.",
                kind=KIND,
            )
