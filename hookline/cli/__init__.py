"""
The command line: `hookline`.

Commands are loaded when they are called, so that `hookline --help` and the small processes stay small.
"""

import sys
from importlib.metadata import version

from cyclopts import App, CycloptsError
from rich.console import Console

from hookline import log
from hookline.errors import HooklineError
from hookline.text import visible

app = App(
    name="hookline",
    help="Webhooks and schedules start Prefect flows: nothing lost, nothing done twice.",
    version=version("hookline"),
    help_format="plaintext",
    help_on_error=False,
)

COMMANDS = {
    "up": "Run everything in the foreground: PostgreSQL, Prefect, gateway, engine, worker.",
    "restart": "Restart engine, worker or gateway of a running `hookline up`, and lose nothing.",
    "demo": "Run the main job in a sandbox of its own, and show what happened.",
    "doctor": "Check that everything is there and fits, and say what to do.",
    "apply": "Make blocks and deployments on the Prefect server as the files say.",
    "inbox": "What was received, and what became of it: find, show, replay, discard, pause, export, follow.",
    "sources": "Who may send: how each proves itself, what it sent, and what was refused at the door.",
    "effects": "The journal of vendor writes: list, show, and settle what is uncertain.",
    "trace": "Follow one order from the raw request to each vendor's reference, and back.",
    "send": "Sign a file and post it to the gateway, as a sender would.",
    "operations": "List every vendor operation.",
    "call": "Send one vendor operation and print the answer.",
    "bench": "Measure how quick the main job is, and what that compares to.",
    "sandbox": "Run the simulated vendors alone.",
    "gateway": "Run the receiver alone.",
    "engine": "Run an engine alone.",
    "worker": "Run the worker alone: schedules, and what is begun in the Prefect UI.",
}
GROUPS = ("inbox", "sources", "effects")

# Only the list of commands is told here: a command that is called tells more of itself, with examples.
_lists_commands = sys.argv[1:2] in ([], ["--help"], ["-h"])

for _number, (_name, _help) in enumerate(COMMANDS.items()):
    app.command(
        f"hookline.cli.{_name}:{'app' if _name in GROUPS else _name}",
        name=_name,
        help=_help if _lists_commands else None,
        sort_key=_number,
    )


def main() -> None:
    """Run one command; errors are for people, and the exit code is for scripts: 1 failed, 2 wrong input."""
    log.configure("text")
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


def _fail(text: str, exit_code: int) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(visible(text), style="red", markup=False)
    sys.exit(exit_code)
