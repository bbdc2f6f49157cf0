"""
The command line `hookline`: one module for each command, a package for those of the inbox.

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
    "restart": "Restart engine, worker or gateway of a running `hookline up` without losing anything.",
    "demo": "Run the main job in a sandbox of its own, and show what happened.",
    "doctor": "Check this machine, the files, the servers and the vendors, and say what to do.",
    "apply": "Make the Prefect server match the files and the environment.",
    "inbox": "What was received and what happened to it: find, show, replay, discard, pause, export, follow.",
    "effects": "The journal of vendor writes: list, show, resolve what is uncertain, undo what is doubled.",
    "new": "Write a new part of the files: a source, by the preset of its sender.",
    "sources": "Who may send and what is polled: what came of each, and what was refused.",
    "poll": "Read a polled source now: what is new at the vendor becomes deliveries.",
    "issues": "What needs a person, one entry for each cause: list, acknowledge, replay, discard.",
    "secrets": "Give a vendor that sends webhooks another secret, while messages wait there.",
    "vendors": "The health of each vendor account: which is away, since when, and what waits for it.",
    "hold": "A database that is older than it was: show why all is held, and let it go on.",
    "backup": "Write both databases and the keys of HOOKLINE_HOME into one file, while everything runs.",
    "restore": "Put a backup in the place of what is there, while nothing runs.",
    "trace": "Follow one order from the webhook to each vendor's reference, and back.",
    "send": "Sign a file and post it to the gateway, as its sender would.",
    "operations": "List every vendor operation.",
    "call": "Send one vendor operation and print the answer.",
    "probe": "Try a vendor's real account: which assumptions hold there, and what to set where not.",
    "bench": "Measure how fast the main job is, and compare it with the bare calls.",
    "sandbox": "Run only the simulated vendors.",
    "gateway": "Run only the gateway, which receives webhooks.",
    "engine": "Run only an engine, which runs the flows of webhooks.",
    "worker": "Run only the worker: schedules, and runs started in the Prefect UI.",
}
GROUPS = ("inbox", "new", "sources", "issues", "effects", "hold", "secrets")

# These texts are for the list of commands; a command itself has a longer help, with examples.
_lists_commands = sys.argv[1:2] in ([], ["--help"], ["-h"])

for _number, (_name, _help) in enumerate(COMMANDS.items()):
    app.command(
        f"hookline.cli.{_name}:{'app' if _name in GROUPS else _name}",
        name=_name,
        help=_help if _lists_commands else None,
        sort_key=_number,
    )


def main() -> None:
    """Run one command; the exit code is 1 if it failed, 2 if the input was wrong."""
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
