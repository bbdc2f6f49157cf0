"""The JSON Schema by which Prefect's server checks the parameters of a flow run."""

import json
from functools import cache
from typing import Any

from prefect import Flow
from prefect.utilities.schema_tools.validation import preprocess_schema


@cache
def server_schema(flow: Flow[..., Any]) -> str:
    """Return the JSON Schema of a flow's parameters, as the server applies it, as text."""
    # What `hookline apply` puts on the server, and what the server makes of it before each check:
    # prefect/server/api/deployments.py, create_flow_run_from_deployment.
    return json.dumps(preprocess_schema(flow.parameters.model_dump_for_openapi()), default=str)
