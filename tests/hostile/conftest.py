"""A gateway and the routing of an engine, on a real PostgreSQL."""

from tests.database.conftest import serve

__all__ = ["serve"]
