"""Runs the parts of Hookline in the foreground: in order, watched, restarted, and stopped without a trace."""

from hookline.supervisor.lock import only_one
from hookline.supervisor.ports import Port, require_free
from hookline.supervisor.process import Process
from hookline.supervisor.ready import file_ready, http_ready, say_ready
from hookline.supervisor.supervisor import Supervisor, supervise

__all__ = [
    "Port",
    "Process",
    "Supervisor",
    "file_ready",
    "http_ready",
    "only_one",
    "require_free",
    "say_ready",
    "supervise",
]
