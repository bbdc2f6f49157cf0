"""`hookline prefect`: run Hookline's own Prefect server."""

import os
import sys

from hookline import log, runtime
from hookline.database.migrate import upgrade_when_up


def prefect() -> None:
    """
    Run Hookline's own Prefect server by itself, for this machine only; `hookline up` has one.

    Where processes run in containers, those that use it share its network.

    Try:
        hookline prefect
    """
    settings = runtime.bootstrap()
    log.configure(settings.log_format)
    upgrade_when_up(settings)  # which makes Prefect's database, too
    port = str(settings.prefect_port)
    command = [sys.executable, "-m", "hookline.prefect_adapter.server", "--host", "127.0.0.1", "--port", port]
    os.execv(sys.executable, command)  # noqa: S606  (another program, with this environment)
