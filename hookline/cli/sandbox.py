"""`hookline sandbox`: run the simulators of the vendors."""

from typing import Annotated

import uvloop
from cyclopts import Parameter

from hookline import runtime
from hookline.simulators.server import serve


def sandbox(
    *,
    dialect: Annotated[
        int, Parameter(help="Answer in the dialect that this number draws; 0: as is documented or likeliest.")
    ] = 0,
) -> None:
    """
    Run the simulators of the vendors, with seeded data, until Ctrl-C.

    Try:
        hookline sandbox
        hookline sandbox --dialect 7      answer otherwise, where no document says how
    """
    settings = runtime.bootstrap(sandbox=True)
    uvloop.run(serve(settings.sandbox_port, dialect=dialect))
