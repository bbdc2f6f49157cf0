"""
The command line `hookline`: one module for each command, a package for those of the inbox.

Commands are loaded when they are called, so that `hookline --help` and the small processes stay small.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

from hookline import garbage, log
from hookline.errors import ConfigurationError, HooklineError
from hookline.project import VARIABLE as PROJECT
from hookline.text import visible
from hookline.version import VERSION, commit


def _version() -> str:
    """Return which Hookline this is, on one line."""
    from hookline.database.schema import head

    return f"hookline {VERSION}, commit {commit() or 'unknown'}, schema {head()}"


app = App(
    name="hookline",
    help="Webhooks and schedules start Prefect flows: nothing lost, nothing done twice.",
    version=_version,
    help_format="plaintext",
    help_on_error=False,
)

COMMANDS = {
    "init": "Make a project: a folder of your own, with your files, flows, vendors and texts.",
    "up": "Run everything in the foreground: PostgreSQL, Prefect, gateway, engine, worker.",
    "service": "Run Hookline as a service of systemd, from boot on: install, uninstall, status.",
    "restart": "Restart engine, worker or gateway of a running `hookline up` without losing anything.",
    "demo": "Run the main job in a sandbox of its own, and show what happened.",
    "doctor": "Check this machine, the files, the servers and the vendors, and say what to do.",
    "apply": "Make the Prefect server match the files and the environment.",
    "inbox": "What was received and what happened to it: find, show, replay, discard, pause, export, follow.",
    "effects": "The journal of vendor writes: list, show, resolve what is uncertain, undo what is doubled.",
    "route": "What the routes of hooks.yaml would do with a delivery or a body, before it is live.",
    "rehearse": "What stored deliveries would do by the code and files of here, before these are in force.",
    "new": "Write a new part of the project: a source by preset, a vendor by its OpenAPI text, a flow with its test.",
    "sources": "Who may send and what is polled: what came of each, and what was refused.",
    "poll": "Read a polled source now: what is new at the vendor becomes deliveries.",
    "waits": "What runs wait for, a person's answer or a delivery: list, show, answer, cancel, reopen.",
    "issues": "What needs a person, one entry for each cause: list, acknowledge, replay, discard.",
    "people": "Who may open the pages, and what each may do there: add, list, change, remove.",
    "secrets": "Give a vendor that sends webhooks another secret; take ours to further machines.",
    "vendors": "The health of each vendor account: which is away, since when, and what waits for it.",
    "hold": "A database that is older than it was: show why all is held, and let it go on.",
    "backup": "Write both databases and the keys of HOOKLINE_HOME into one file, while everything runs.",
    "restore": "Put a backup in the place of what is there, while nothing runs.",
    "render": "Show a mail, note or report as it would go out, with a real order or examples; list all texts.",
    "trace": "Follow one order from the webhook to each vendor's reference, and back.",
    "send": "Sign a file and post it to the gateway, as its sender would.",
    "listen": "Listen to another Hookline: what a source sends there comes here, too.",
    "operations": "List every vendor operation.",
    "call": "Send one vendor operation and print the answer.",
    "mcp": "Serve agents by the Model Context Protocol: they read, and change only what you allow.",
    "probe": "Try a vendor's real account: which assumptions hold there, and what to set where not.",
    "bench": "Measure how fast the main job is, and compare it with the bare calls.",
    "sandbox": "Run only the simulated vendors.",
    "prefect": "Run only Hookline's own Prefect server.",
    "prefect-services": "Run only what Prefect servers that share a Redis do beside their API.",
    "gateway": "Run only the gateway, which receives webhooks.",
    "engine": "Run only an engine, which runs the flows of webhooks.",
    "worker": "Run only the worker: schedules, and runs started in the Prefect UI.",
}
OWN_PACKAGES = ("hookline", "flows", "tasks", "blocks")
GROUPS = (
    "inbox",
    "route",
    "new",
    "sources",
    "issues",
    "waits",
    "effects",
    "hold",
    "people",
    "secrets",
    "service",
)

# These texts are for the list of commands; a command itself has a longer help, with examples.
_lists_commands = sys.argv[1:2] in ([], ["--help"], ["-h"])

for _number, (_name, _help) in enumerate(COMMANDS.items()):
    app.command(
        f"hookline.cli.{_name.replace('-', '_')}:{'app' if _name in GROUPS else _name.replace('-', '_')}",
        name=_name,
        help=_help if _lists_commands else None,
        sort_key=_number,
    )


@app.meta.default
def _in_project(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    project: Annotated[
        str | None,
        Parameter(
            help="The project's folder; else HOOKLINE_PROJECT, or the folder one stands in, or above it."
        ),
    ] = None,
) -> int | None:
    """Run one command in a project."""
    if project is not None:
        if not project.strip():
            raise ConfigurationError("--project names no folder.")
        os.environ[PROJECT] = project
    result: int | None = app(tokens, exit_on_error=False, print_error=False)
    return result


def main() -> None:
    """Run one command; the exit code is 1 if it failed, 2 if the input was wrong."""
    log.configure("text")
    try:
        with garbage.rarely_collected():
            sys.exit(app.meta(exit_on_error=False, print_error=False))
    except CycloptsError as error:
        _fail(f"{error} See: hookline --help", 2)
    except HooklineError as error:
        _fail(f"{error}{_where_a_project_is(error)}", error.exit_code)
    except ImportError as error:
        missing = error.__cause__ or error  # Cyclopts has an error of its own around it
        library = (getattr(missing, "name", None) or "").partition(".")[0]
        if library in ("", *OWN_PACKAGES):
            raise
        _fail(
            f"The library {library} is missing or too old for this version. Install what it needs: make setup",
            2,
        )
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)


def _where_a_project_is(error: HooklineError) -> str:
    """Return what to do where a file is missing because one stands neither in a project nor in the checkout."""
    if "Cannot read deployments/" not in str(error) or Path("deployments").exists():
        return ""
    return " There is no project here: go into yours, name it by --project, or make one with `hookline init FOLDER`."


def _fail(text: str, exit_code: int) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(visible(text), style="red", markup=False)
    sys.exit(exit_code)
