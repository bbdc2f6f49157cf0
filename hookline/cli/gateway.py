"""`hookline gateway`: receive webhooks."""

import os
import signal
import socket
from contextlib import suppress

from hookline import garbage, log, runtime, tracing
from hookline.database.migrate import upgrade_when_up
from hookline.gateway.app import create_app
from hookline.gateway.server import server
from hookline.supervisor import wait_for_turn
from hookline.supervisor.process import LISTENER


def gateway() -> None:
    """
    Receive webhooks and serve the inbox page; several may run behind a load balancer.

    With SIGHUP it reads its files again.

    Try:
        hookline gateway
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # one that comes while the files are read waits
    settings = runtime.bootstrap()
    log.configure(settings.log_format)
    app = create_app(settings)
    if not wait_for_turn():  # else a process of the supervisor has done so
        upgrade_when_up(settings)
    tracing.start("gateway")
    garbage.collect_as_usual()
    with suppress(KeyboardInterrupt):  # uvicorn hands the signal on when all is answered
        server(app, settings).run(_listeners())
    tracing.stop()


def _listeners() -> list[socket.socket] | None:
    """Return the socket on which a supervisor listens already; None without one."""
    number = os.environ.get(LISTENER)
    return [socket.socket(fileno=int(number))] if number else None
