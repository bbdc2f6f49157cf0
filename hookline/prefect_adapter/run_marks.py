"""
The marks of a flow run: by `retry_type`, Prefect's server and workers tell who runs it again; by others, who runs it.

A worker leaves alone what is to be resumed "in_process". A retry of a run that was over is marked "reschedule" by the
server, and is the worker's; so is a blocking pause that is rescheduled.
"""

from typing import Final

from prefect.client.schemas.objects import FlowRun

WORKER_LABEL: Final = "prefect.worker.name"
"""The label of a flow run that has the name of its worker."""
FOR_ENGINE: Final = "in_process"
"""The `retry_type` of a run that comes back to an engine when it is resumed."""
FLOW_RUN_VARIABLE: Final = "PREFECT__FLOW_RUN_ID"
"""The environment variable of a flow run's process that has its id."""


def mark_for_engine(flow_run: FlowRun) -> None:
    """Mark a flow run, so that it comes back to an engine when it is resumed; sent with the start of the run."""
    flow_run.empirical_policy.retry_type = FOR_ENGINE


def is_retried(flow_run: FlowRun) -> bool:
    """Return True if the flow run is to be run by a worker: a person has retried it after it was over."""
    return flow_run.empirical_policy.retry_type == "reschedule"
