"""
PostgreSQL: connections, the schema, and the embedded server for those who have none.

| module | what it has |
| --- | --- |
| `connection` | one connection or the pool of this event loop; the errors of a lost connection |
| `migrate`, `migrations`, `schema` | the schema, and who made it; states are those of `hookline.states` |
| `prefects` | the schema of Prefect's own database |
| `errors` | the errors of a database that cannot be worked on |
| `embedded`, `namespace` | the PostgreSQL that Hookline brings along, also for root |
| `high_water` | how far the database was, written outside of it: an older copy is held |
| `session` | what work changes in a pooled session, and that it is undone |
| `types` | the types of connections and rows |

Never: SQL about deliveries or effects (that is the inbox's and the journal's); an import of the supervisor.
"""

from hookline.database.connection import (
    CONNECTION_ERRORS,
    connect,
    database_url,
    is_connection_error,
    lent,
    pool,
    prefect_database_url,
)
from hookline.database.errors import DatabaseUnavailable

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
