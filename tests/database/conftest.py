"""What the tests of the database itself need beside it."""

import asyncpg
import pytest

from hookline.database.connection import database_url


@pytest.fixture
def connect(database_settings):
    async def make():
        return await asyncpg.connect(database_url(database_settings))

    return make
