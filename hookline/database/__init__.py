"""PostgreSQL: where the inbox and the journal keep what they promised to keep."""

from hookline.database.connection import connect, database_url, pool, prefect_database_url

__all__ = ["connect", "database_url", "pool", "prefect_database_url"]
