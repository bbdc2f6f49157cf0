"""
The command line: `hookline`.

Commands are loaded when they are called, so that `hookline --help` and the small processes stay small.
"""

import logging
import sys
from importlib.metadata import version

from cyclopts import App, CycloptsError
from rich.console import Console

from hookline.errors import HooklineError

app = App(
    name="hookline",
    help="Webhooks and schedules start Prefect flows: nothing lost, nothing done twice.",
    version=version("hookline"),
    help_on_error=False,
)

for _command in ("up", "demo", "sandbox", "gateway", "engine", "apply", "doctor"):
    app.command(f"hookline.cli.{_command}:{_command}")
for _command in ("send", "trace", "operations", "call", "bench"):
    app.command(f"hookline.cli.{_command}:{_command}")
for _group in ("inbox", "effects"):
    app.command(f"hookline.cli.{_group}:app", name=_group)


def main() -> None:
    """Run one command; errors are for people, and the exit code is for scripts: 1 failed, 2 wrong input."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_for_the_console)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs each address at INFO
    try:
        sys.exit(app(exit_on_error=False, print_error=False))
    except CycloptsError as error:
        _fail(f"{error} See: hookline --help", 2)
    except HooklineError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)


def _for_the_console(record: logging.LogRecord) -> bool:
    """Runs write their own log, with tracebacks, to the Prefect UI; here, the engine says how each ended."""
    runs = record.name.startswith(("prefect.flow_runs", "prefect.task_runs"))
    return not runs and (not record.name.startswith("prefect") or record.levelno >= logging.WARNING)


def _fail(text: str, exit_code: int) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(text, style="red", markup=False)
    sys.exit(exit_code)
