"""The types of connections and rows."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
"""A connection of its own, or one lent by a pool."""

Row: TypeAlias = Mapping[str, Any] | asyncpg.Record
"""A row by column names."""
