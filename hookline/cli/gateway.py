"""`hookline gateway`: the receiver alone."""

from contextlib import suppress

from hookline import log, runtime
from hookline.database.migrate import upgrade
from hookline.gateway.app import create_app
from hookline.gateway.server import server


def gateway() -> None:
    """
    Receive webhooks, and nothing else; several may run behind a balancer.

    Try:
        hookline gateway
    """
    settings = runtime.enter()
    log.configure(settings.log_format)
    app = create_app(settings)
    upgrade(settings)
    with suppress(KeyboardInterrupt):  # uvicorn hands the signal on when all is answered
        server(app, settings).run()
