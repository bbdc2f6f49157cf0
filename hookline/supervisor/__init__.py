"""The supervisor: starts processes in order, restarts them when they end, and stops them with all their children."""

from hookline.supervisor.lock import only_one
from hookline.supervisor.ports import Port, require_free
from hookline.supervisor.process import Process
from hookline.supervisor.ready import file_ready, http_ready, report_ready, wait_for_turn
from hookline.supervisor.supervisor import Supervisor, supervise

__all__ = [
    "Port",
    "Process",
    "Supervisor",
    "file_ready",
    "http_ready",
    "only_one",
    "report_ready",
    "require_free",
    "supervise",
    "wait_for_turn",
]
