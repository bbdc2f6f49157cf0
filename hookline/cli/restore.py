"""`hookline restore`: a backup takes the place of what is there."""

import stat
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hookline import runtime
from hookline.backup import restore as backups
from hookline.cli.output import AsJson, confirm, console, print_json, steps
from hookline.errors import HooklineError


def restore(
    file: Annotated[Path, Parameter(help="A file that `hookline backup` wrote.")],
    *,
    yes: Annotated[bool, Parameter(negative="", help="Do not ask before what is there is replaced.")] = False,
    as_json: AsJson = False,
) -> None:
    """
    Put a backup in the place of what is there, while nothing runs.

    All of it is replaced, or nothing; what was there stays under other names, which it prints. The restored database
    has forgotten what was done since the backup: `hookline up` starts with everything held, until a person has read
    why and lets it go on (`hookline hold release`).

    Restore only a file that you trust: it holds a database with its functions, and keys.

    Try:
        hookline restore /mnt/backups/hookline-2026-11-29.backup
    """
    settings = runtime.bootstrap()
    with steps() as progress, backups.ready(settings, file.absolute(), progress) as restoring:
        replaced = restoring.replaces()
        progress.pause()
        if replaced and not yes:
            _ask(restoring.backup.manifest.created_at, replaced)
        done = restoring.run(progress)
    if as_json:
        print_json(asdict(done))
        return
    console().print(
        f"Restored, as of {done.created_at}: {', '.join(done.databases)}, {len(done.secrets)} keys."
    )
    for name in done.before:
        console().print(f"What was there before: {name}")
    for name in done.missing_keys:
        console().print(f"{name} was set when the backup was made, and is not set now.")
    if file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        console().print(f"Others may read {file}, with all keys: chmod 600 {file}")
    console().print("Start `hookline up`: everything is held until you let it go on (hookline hold show).")


def _ask(created_at: str, replaced: list[str]) -> None:
    if not sys.stdin.isatty():
        raise HooklineError(
            f"This would replace {'; '.join(replaced)}. There is no terminal to ask: add --yes. Nothing was changed."
        )
    question = f"The backup is of {created_at}. It replaces {'; '.join(replaced)}. Go on?"
    if not confirm(question):
        raise HooklineError("Nothing was changed.")
