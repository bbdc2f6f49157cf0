"""`hookline gateway`: the receiver alone."""

import uvicorn

from hookline import runtime
from hookline.database.migrate import upgrade
from hookline.gateway.app import create_app


def gateway() -> None:
    """
    Receive webhooks, and nothing else; several may run behind a balancer.

    Try:
        hookline gateway
    """
    settings = runtime.enter()
    app = create_app(settings)
    upgrade(settings)
    uvicorn.run(
        app,
        host=settings.gateway_host,
        port=settings.gateway_port,
        access_log=False,  # what is accepted is logged with its id; what is not must not fill the disk
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=10,
    )
