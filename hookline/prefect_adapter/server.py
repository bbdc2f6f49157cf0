"""
The process of a Prefect server.

    python -m hookline.prefect_adapter.server --host 127.0.0.1 --port 4200
    python -m hookline.prefect_adapter.server --services
"""

import os
from argparse import ArgumentParser

from hookline import garbage
from hookline.supervisor import wait_for_turn


def main() -> None:
    """Serve what the command line says."""
    parser = ArgumentParser(prog="python -m hookline.prefect_adapter.server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int)
    parser.add_argument("--services", action="store_true", help="no API: what runs beside it")
    options = parser.parse_args()
    if not options.services and options.port is None:
        parser.error("--port is missing")
    # Neither by the server itself: it would do so at the same time as others.
    os.environ["PREFECT_SERVER_DATABASE_MIGRATE_ON_START"] = "false"
    os.environ["PREFECT_API_BLOCKS_REGISTER_ON_START"] = "false"
    with garbage.rarely_collected():
        from hookline.prefect_adapter import serving  # seconds

    wait_for_turn()
    if options.services:
        serving.serve_in_background()
    else:
        serving.serve(options.host, options.port)


if __name__ == "__main__":
    main()
