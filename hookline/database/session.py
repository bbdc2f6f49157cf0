"""The session of a pooled connection: what was changed in it is undone when it is given back."""

from typing import Any

import asyncpg

from hookline.database.types import Connection


class Session(asyncpg.Connection):
    """
    A connection of a pool, which is reset only after work that says it has changed the session.

    A reset is a round trip to PostgreSQL, and most work is one statement that leaves nothing behind; an open
    transaction is rolled back in any case.
    """

    is_changed = False

    def note_change(self) -> None:
        """Let the session be reset when it is given back."""
        self.is_changed = True

    def get_reset_query(self) -> str:
        """Return the statements that undo what was changed; "" if nothing was."""
        return super().get_reset_query() if self.is_changed else ""

    async def reset(self, **options: Any) -> None:
        """Undo what was changed."""
        await super().reset(**options)
        self.is_changed = False


def changes_session(connection: Connection) -> None:
    """Note that the next statement locks or sets something for as long as the session lasts; call it before that."""
    note = getattr(connection, "note_change", None)
    if note is not None:  # else it is no pool's, and ends with its work
        note()
