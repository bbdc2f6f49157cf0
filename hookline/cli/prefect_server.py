"""
`prefect server start`, with Python's collector spared, which takes much of the server's time otherwise.

    python -m hookline.cli.prefect_server --host 127.0.0.1 --port 4200
"""

import sys

import prefect.server.api.server  # noqa: F401  (loaded by now, it is never looked through for garbage)
from prefect.cli import app

from hookline import runtime

if __name__ == "__main__":
    runtime.spare_the_collector()
    sys.argv[1:1] = ["server", "start"]
    app()
