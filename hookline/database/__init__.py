"""PostgreSQL: where the inbox and the journal keep what they promised to keep."""

from hookline.database.connection import (
    AWAY,
    DatabaseAway,
    connect,
    database_url,
    lent,
    pool,
    prefect_database_url,
)

__all__ = ["AWAY", "DatabaseAway", "connect", "database_url", "lent", "pool", "prefect_database_url"]
