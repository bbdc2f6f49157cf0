"""What the tests stand on: a clean environment, one PostgreSQL, one sandbox, each started when first asked for."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

for _name in [name for name in os.environ if name.startswith(("HOOKLINE_", "PREFECT_", "JIWA_", "ZENTITLE_", "SENSORPRO_"))]:
    del os.environ[_name]
# Before anything imports Prefect: the user's own profile and database are not touched.
os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="hookline-tests-prefect-")
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["PREFECT_LOGGING_TO_API_ENABLED"] = "false"
os.environ["HOOKLINE_HOME"] = tempfile.mkdtemp(prefix="hookline-tests-")

import pytest

from hookline.cli.stage import Stage, stage
from hookline.settings import settings


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Stage]:
    """Everything that `hookline up --sandbox` runs, in real processes; the environment of the tests leads to it."""
    with stage(HOOKLINE_LEASE_SECONDS="3", HOOKLINE_SETTLE_SECONDS="0.5") as running:
        yield running


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The environment, to be changed for one test; settings are read anew."""
    settings.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return Path(__file__).parents[1]
