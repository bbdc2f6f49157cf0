"""
What each role may ask of Prefect's API, as a list of its addresses: whatever is not in it is the admin's.

Open-source Prefect has no users, and reads by POST. So nothing is decided by the method alone, and what a body asks for
counts: secrets of blocks are the admin's, and so is a run with other job variables, which are commands of a process.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

from hookline.people import Role

READS: Final = """
GET /health /version /hello /ready /csrf-token /admin/version /observed-states /collections/views/{view}
GET /flows/{id} /flows/name/{name}
POST /flows/count /flows/filter /flows/paginate
GET /flow_runs/{id} /flow_runs/{id}/graph /flow_runs/{id}/graph-v2 /flow_runs/{id}/logs/download
GET /flow_runs/{id}/input/{key}
POST /flow_runs/count /flow_runs/lateness /flow_runs/history /flow_runs/filter /flow_runs/paginate
POST /flow_runs/{id}/input/filter
GET /task_runs/{id}
POST /task_runs/count /task_runs/history /task_runs/filter /task_runs/paginate
GET /flow_run_states/{id} /flow_run_states/ /task_run_states/{id} /task_run_states/
GET /deployments/{id} /deployments/name/{flow_name}/{deployment_name} /deployments/{id}/work_queue_check
GET /deployments/{id}/schedules
POST /deployments/filter /deployments/paginate /deployments/count
GET /saved_searches/{id}
POST /saved_searches/filter
POST /logs/filter
GET /concurrency_limits/{id} /concurrency_limits/tag/{tag} /v2/concurrency_limits/{id_or_name}
POST /concurrency_limits/filter /v2/concurrency_limits/filter
GET /block_types/{id} /block_types/slug/{slug} /block_types/slug/{slug}/block_documents
GET /block_types/slug/{slug}/block_documents/name/{block_document_name}
POST /block_types/filter
GET /block_documents/{id}
POST /block_documents/filter /block_documents/count
GET /block_schemas/{id} /block_schemas/checksum/{checksum} /block_capabilities/
POST /block_schemas/filter
GET /work_pools/{name} /work_pools/{work_pool_name}/queues/{name}
POST /work_pools/filter /work_pools/count /work_pools/{name}/concurrency_status
POST /work_pools/{work_pool_name}/queues/filter /work_pools/{work_pool_name}/workers/filter
POST /task_workers/filter
GET /work_queues/{id} /work_queues/name/{name} /work_queues/{id}/status
POST /work_queues/filter /work_queues/{id}/concurrency_status
GET /artifacts/{id} /artifacts/{key}/latest
POST /artifacts/filter /artifacts/latest/filter /artifacts/count /artifacts/latest/count
GET /variables/{id} /variables/name/{name}
POST /variables/filter /variables/count
GET /events/filter/next
POST /events/filter /events/count-by/{countable}
GET /automations/{id} /automations/related-to/{resource_id}
POST /automations/filter /automations/count
GET /ui/task_runs/{id}
POST /ui/flows/count-deployments /ui/flows/next-runs /ui/flow_runs/history /ui/flow_runs/count-task-runs
POST /ui/task_runs/dashboard/counts /ui/task_runs/count
"""
OPERATIONS: Final = """
POST /deployments/{id}/resume_deployment /deployments/{id}/pause_deployment /ui/schemas/validate
"""
STARTS: Final = """
POST /deployments/{id}/create_flow_run /deployments/{id}/create_flow_run/bulk
"""
STATES: Final = """
POST /flow_runs/{id}/set_state /flow_runs/bulk_set_state
"""
DECISIONS: Final = """
POST /flow_runs/{id}/resume /flow_runs/{id}/input
"""
SOCKETS: Final = ("/events/out", "/logs/out")
"""Websockets for everybody: they send what is new."""

SECRETS: Final = "include_secrets"
PLAIN: Final = frozenset(
    {"name", "parameters", "tags", "idempotency_key", "enforce_parameter_schema", "labels", "state"}
)
"""What a run may be started with by those who operate."""
CANCELLED: Final = frozenset({"CANCELLING", "CANCELLED"})

OfBody: TypeAlias = Callable[[Any], Role]


def needed(method: str, path: str, query: str, body: Any) -> Role:
    """
    Return the role that a request to Prefect's API needs.

    Args:
        method: of the request.
        path: without `/api`, decoded; what is not exactly an address of the list is not in it.
        query: as it was sent.
        body: what it says as JSON; None without one.
    """
    method = "GET" if method == "HEAD" else method
    role = (
        next((of for pattern, of in _LISTED[method] if pattern.fullmatch(path)), None)
        if method in _LISTED
        else None
    )
    if role is None or _asks_for_secrets(query, body):
        return Role.ADMIN
    return role if isinstance(role, Role) else role(body)


def is_read(method: str, path: str) -> bool:
    """Return True for what everybody may ask, whatever its body says."""
    return needed(method, path, "", None) == Role.LOOK


def needed_by_socket(path: str) -> Role:
    """Return the role that a websocket of Prefect needs."""
    return Role.LOOK if path in SOCKETS else Role.ADMIN


def _asks_for_secrets(query: str, body: Any) -> bool:
    sent = [value.lower() for name, value in parse_qsl(query, keep_blank_values=True) if name == SECRETS]
    return any(value != "false" for value in sent) or (isinstance(body, Mapping) and bool(body.get(SECRETS)))


def _of_start(body: Any) -> Role:
    """Return the role that starting a run needs, or several: another process than the deployment's is the admin's."""
    runs = body if isinstance(body, list) else [body]
    return Role.OPERATE if all(isinstance(run, Mapping) and _is_plain(run) for run in runs) else Role.ADMIN


def _is_plain(run: Mapping[str, Any]) -> bool:
    state = run.get("state") or {"type": "SCHEDULED"}
    scheduled = isinstance(state, Mapping) and state.get("type") == "SCHEDULED" and not state.get("data")
    return scheduled and not any(value for name, value in run.items() if name not in PLAIN)


def _of_state(body: Any) -> Role:
    """Return the role that another state needs: out of a pause, all but the end of a run is an answer."""
    state = body.get("state") if isinstance(body, Mapping) else None
    cancels = isinstance(state, Mapping) and state.get("type") in CANCELLED
    return Role.OPERATE if cancels else Role.DECIDE


IN_WORDS: Final[Mapping[OfBody, str]] = {
    _of_start: "operate; admin, if it names job variables, a queue or another state",
    _of_state: "operate, to cancel; else decide",
}
"""What needs more or less by what the body says."""


def listed() -> dict[tuple[str, str], Role | OfBody]:
    """Return the list: the role of each method and address, or what says it of a body."""
    groups: list[tuple[str, Role | OfBody]] = [
        (READS, Role.LOOK),
        (OPERATIONS, Role.OPERATE),
        (STARTS, _of_start),
        (STATES, _of_state),
        (DECISIONS, Role.DECIDE),
    ]
    return {
        (method, path): role
        for group, role in groups
        for method, *paths in (line.split() for line in group.strip().splitlines())
        for path in paths
    }


def _patterns() -> dict[str, list[tuple[re.Pattern[str], Role | OfBody]]]:
    found: dict[str, list[tuple[re.Pattern[str], Role | OfBody]]] = {}
    for (method, path), role in listed().items():
        parts = (
            "[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", path)
        )
        found.setdefault(method, []).append((re.compile("".join(parts)), role))
    return found


_LISTED: Final = _patterns()


def as_json(body: bytes) -> Any:
    """Return what a body says, None where it is empty; raises ValueError if it is no JSON."""
    try:
        return json.loads(body) if body else None
    except RecursionError:
        raise ValueError("nested too deep") from None
