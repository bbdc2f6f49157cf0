"""The idempotency keys of flow runs: by its key the run of a dispatch is found again, and told from all others."""

from contextlib import suppress
from uuid import UUID

import asyncpg
from prefect.client.schemas.objects import FlowRun


def key_of(dispatch: asyncpg.Record) -> str:
    """Return the key of a dispatch's flow run, another one after each replay."""
    return f"{dispatch['id']}:replay-{dispatch['replays']}" if dispatch["replays"] else str(dispatch["id"])


def dispatch_of(flow_run: FlowRun) -> UUID | None:
    """Return the dispatch that the key of a flow run names; None if it names none, as that of a schedule's run."""
    with suppress(ValueError):
        return UUID((flow_run.idempotency_key or "").partition(":")[0])
    return None
