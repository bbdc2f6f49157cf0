"""`hookline restart`: restart a process of `hookline up` without losing anything."""

from typing import Annotated, Literal

from cyclopts import Parameter

from hookline import runtime
from hookline.cli.output import console
from hookline.errors import ConfigurationError
from hookline.supervisor import control

Name = Literal["engine", "worker", "gateway"]
ANSWER_TIMEOUT_SECONDS = 180


def restart(
    *names: Annotated[Name, Parameter(help="Processes to restart, one after another in this order.")],
) -> None:
    """
    Stop a process of `hookline up` in order, start it again, and wait until it is ready.

    It then uses new code and new files; variables are those that `hookline up` started with. Nothing is lost: running
    flows have 20 seconds to end, unfinished ones continue afterwards, and senders wait a moment longer.

    Try:
        hookline restart engine
        hookline restart gateway engine worker
    """
    if not names:
        raise ConfigurationError("Name a process: engine, worker or gateway.")
    home = runtime.bootstrap().home
    for name in names:
        console().print(control.ask(home, f"restart {name}", ANSWER_TIMEOUT_SECONDS))
