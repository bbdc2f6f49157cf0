"""`hookline prefect`: run Hookline's own Prefect server."""

import os
import sys

from hookline import log, runtime
from hookline.database.migrate import upgrade_when_up
from hookline.settings import Settings


def prefect() -> None:
    """
    Run Hookline's own Prefect server by itself, for this machine only; `hookline up` has one.

    Where processes run in containers, those that use it share its network. With HOOKLINE_PREFECT_REDIS_URL, several may
    run behind a load balancer, and `hookline prefect-services` beside them.

    Try:
        hookline prefect
    """
    settings = runtime.bootstrap()
    run_server(settings, "--host", settings.prefect_host, "--port", str(settings.prefect_port))


def run_server(settings: Settings, *options: str) -> None:
    """Become the Prefect server, with these options, as soon as the database is there."""
    log.configure(settings.log_format)
    upgrade_when_up(settings)  # which makes Prefect's database, too
    command = [sys.executable, "-m", "hookline.prefect_adapter.server", *options]
    os.execv(sys.executable, command)  # noqa: S606  (another program, with this environment)
