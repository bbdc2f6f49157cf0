"""`hookline restart`: new code and settings, without losing anything."""

from typing import Annotated, Literal

from cyclopts import Parameter

from hookline import runtime
from hookline.cli.output import console
from hookline.errors import ConfigurationError
from hookline.supervisor import control

Name = Literal["engine", "worker", "gateway"]
ANSWER_SECONDS = 180


def restart(
    *names: Annotated[Name, Parameter(help="Which processes; one after another, in this order.")],
) -> None:
    """
    Stop a process of `hookline up` in order, start it again, and wait until it is ready.

    So it takes new code and new files; variables are those that `hookline up` began with. Nothing is lost: what runs
    is given 20 seconds to end, what is put back then goes on afterwards, and senders wait a moment longer.

    Try:
        hookline restart engine
        hookline restart gateway engine worker
    """
    if not names:
        raise ConfigurationError("Say which: engine, worker or gateway.")
    home = runtime.bootstrap().home
    for name in names:
        console().print(control.ask(home, f"restart {name}", ANSWER_SECONDS))
