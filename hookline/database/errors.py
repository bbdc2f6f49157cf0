"""The errors of a database that cannot be worked on now."""

from hookline.errors import HooklineError


class DatabaseUnavailable(HooklineError):
    """PostgreSQL does not answer, or the connection was lost: the work is not to blame, and may go on later."""

    transient = True


class OtherSchema(DatabaseUnavailable):
    """Another version of Hookline has changed the schema: this process does no more work on it."""
