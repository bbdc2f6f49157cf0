"""
The Prefect server, for requests to this machine's own names alone, and with Python's garbage collector tuned.

    python -m hookline.prefect_adapter.server --host 127.0.0.1 --port 4200
"""

from argparse import ArgumentParser

import prefect.settings
import uvicorn
from prefect.server.api.server import create_app

from hookline import runtime
from hookline.hosts import LOOPBACK, KnownHosts


def serve(host: str, port: int) -> None:
    """Serve Prefect's API, UI and services, as `prefect server start` does."""
    app = KnownHosts(create_app(final=True), LOOPBACK)
    runtime.tune_gc()
    uvicorn.run(
        app,
        host=host,
        port=port,
        timeout_keep_alive=prefect.settings.PREFECT_SERVER_API_KEEPALIVE_TIMEOUT.value(),
        ws_ping_interval=prefect.settings.PREFECT_SERVER_API_WEBSOCKET_PING_INTERVAL.value(),
        ws_ping_timeout=prefect.settings.PREFECT_SERVER_API_WEBSOCKET_PING_TIMEOUT.value(),
        log_level=prefect.settings.PREFECT_SERVER_LOGGING_LEVEL.value().lower(),
    )


if __name__ == "__main__":
    parser = ArgumentParser(prog="python -m hookline.prefect_adapter.server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    serve(options.host, options.port)
