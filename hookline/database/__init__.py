"""PostgreSQL: where the inbox and the journal keep what they promised to keep."""

from hookline.database.connection import (
    CONNECTION_ERRORS,
    DatabaseUnavailable,
    connect,
    database_url,
    is_connection_error,
    lent,
    pool,
    prefect_database_url,
)

__all__ = [
    "CONNECTION_ERRORS",
    "DatabaseUnavailable",
    "connect",
    "database_url",
    "is_connection_error",
    "lent",
    "pool",
    "prefect_database_url",
]
