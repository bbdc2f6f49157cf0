"""`hookline sandbox`: run the simulators of the vendors."""

import uvloop

from hookline import runtime
from hookline.simulators.server import serve


def sandbox() -> None:
    """
    Run the simulators of the vendors, with seeded data, until Ctrl-C.

    Try:
        hookline sandbox
    """
    settings = runtime.bootstrap(sandbox=True)
    uvloop.run(serve(settings.sandbox_port))
