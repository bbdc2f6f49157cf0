"""Assumes that `prefect.runtime.flow_run` reads name and tags from the flow run of the running context."""

from collections.abc import Sequence
from typing import Final

from prefect.context import FlowRunContext

PREFECT_PREAMBLE: Final = "Flow run encountered an exception: "
"""What Prefect writes before the error of a failed run; a state that a flow returned has none."""


def note(name: str, tags: Sequence[str]) -> None:
    """Let the running flow see its run under this name and these tags, as the server has them now."""
    running = FlowRunContext.get()
    if running is not None and running.flow_run is not None:
        running.flow_run.name, running.flow_run.tags = name, list(tags)
