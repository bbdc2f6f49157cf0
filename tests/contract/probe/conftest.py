"""The simulators that are probed, set back before each test."""

import pytest

from hookline.simulators import running


@pytest.fixture(scope="session")
async def started():
    async with running() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(started):
    started.reset()
    return started
