"""A pooled session is reset after what changes it, and costs no round trip after what does not."""

import pytest

from hookline.database import lent
from hookline.database.session import Session, changes_session
from hookline.journal import locks


@pytest.fixture
def resets(monkeypatch):
    """The resets that were sent to PostgreSQL."""
    sent = []

    def note(self):
        query = asked(self)
        sent.append(bool(query))
        return query

    asked = Session.get_reset_query
    monkeypatch.setattr(Session, "get_reset_query", note)
    return sent


async def test_a_statement_that_changes_nothing_is_not_followed_by_a_reset(database_settings, resets):
    async with lent(database_settings) as connection:
        await connection.fetchval("SELECT 1")

    assert [False] == resets


@pytest.mark.parametrize(
    "change",
    [
        lambda connection: locks.lock(connection, "effect of somebody"),
        lambda connection: locks.try_business(connection, "order 1", "somebody"),
    ],
)
async def test_locks_and_settings_are_undone_once(database_settings, resets, change):
    for work in (change, lambda connection: connection.fetchval("SELECT 1")):
        async with lent(database_settings) as connection:
            await work(connection)

    assert [True, False] == resets


async def test_an_open_transaction_is_rolled_back_though_nothing_else_was_changed(
    database, database_settings, resets
):
    async with lent(database_settings) as connection:
        await connection.execute("BEGIN")
        await connection.execute("SET LOCAL lock_timeout = '1s'")
        assert connection.is_in_transaction()

    async with lent(database_settings) as connection:
        assert not connection.is_in_transaction()
    assert not any(resets)


async def test_a_connection_of_no_pool_has_nothing_to_note(connect):
    connection = await connect()

    changes_session(connection)

    assert not connection.is_closed()
    await connection.close()
