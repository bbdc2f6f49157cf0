"""`hookline sandbox`: run the simulators of the vendors."""

import sys
from typing import Annotated

import uvloop
from cyclopts import Parameter

from hookline import runtime
from hookline.cli.output import AsJson, console, show
from hookline.simulators.server import Sandbox, serve


def sandbox(
    *,
    dialect: Annotated[
        int, Parameter(help="Answer in the dialect that this number draws; 0: as is documented or likeliest.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """
    Run the simulators of the vendors, with seeded data, until Ctrl-C; their addresses are printed once they answer.

    Try:
        hookline sandbox
        hookline sandbox --json           the addresses as JSON, for machines
        hookline sandbox --dialect 7      answer otherwise, where no document says how
    """
    settings = runtime.bootstrap(sandbox=True)

    def print_addresses(simulators: Sandbox) -> None:
        rows = [
            {"vendor": each.vendor, "address": each.url, "settings": each.dialect.settings()}
            for each in simulators
        ]
        show(rows, ["vendor", "address"], as_json=as_json)
        if not as_json and (
            needed := [each for one in simulators for each in one.dialect.settings().items()]
        ):
            set_them = " ".join(f"{name}={value}" for name, value in needed)
            console(stderr=True).print(f"Accounts of this dialect need: {set_them}", soft_wrap=True)
        sys.stdout.flush()  # a pipe gets it now, and not when this ends

    uvloop.run(serve(settings.sandbox_port, dialect=dialect, on_ready=print_addresses))
