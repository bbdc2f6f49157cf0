"""`hookline restore`: a backup takes the place of what is there, and its files come into a folder."""

import stat
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hookline import runtime
from hookline.backup import files as own_files
from hookline.backup import restore as backups
from hookline.backup.archive import Backup
from hookline.cli.output import AsJson, confirm, console, print_json, steps
from hookline.errors import HooklineError
from hookline.local_time import local_time

MAX_NAMED = 10


def restore(
    file: Annotated[Path, Parameter(help="A file that `hookline backup` wrote.")],
    *,
    files: Annotated[
        Path | None, Parameter(help="Only write your own files of it, with .env, into this folder.")
    ] = None,
    yes: Annotated[bool, Parameter(negative="", help="Do not ask before what is there is replaced.")] = False,
    as_json: AsJson = False,
) -> None:
    """
    Put a backup in the place of what is there, while nothing runs.

    All of it is replaced, or nothing; what was there stays under other names, which it prints. The restored database
    has forgotten what was done since the backup: `hookline up` starts with everything held, until a person has read
    why and lets it go on (`hookline hold release`).

    Your own files stay as they are; it names those that are others in the backup. On a new machine, write them first:
    `--files FOLDER` does only that. A file that is there with another content is replaced after a question, and stays
    beside it under another name.

    Restore only a file that you trust: it holds a database with its functions, keys, and code that will run.

    Try:
        hookline restore /mnt/backups/hookline-2026-11-29.backup --files /srv/acme
        hookline restore /mnt/backups/hookline-2026-11-29.backup
    """
    if files is not None:
        _restore_files(file, files.expanduser().absolute(), yes=yes, as_json=as_json)
    else:
        _restore_data(file, yes=yes, as_json=as_json)
    if not as_json and file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        console().print(f"Others may read {file}, with all keys: chmod 600 {file}")


def _restore_data(file: Path, *, yes: bool, as_json: bool) -> None:
    current = runtime.bootstrap()
    with steps() as progress, backups.ready(current, file.absolute(), progress) as restoring:
        replaced = restoring.replaces()
        progress.pause()
        if replaced and not yes:
            created = local_time(restoring.backup.manifest.moment)
            _ask(f"The backup is of {created}. It replaces {'; '.join(replaced)}.")
        folder = own_files.folder_of(current)
        compared = own_files.compare(restoring.backup, folder)
        done = restoring.run(progress)
    differ = [*compared.other, *compared.missing]
    if as_json:
        print_json(asdict(done) | {"folder": str(folder), "other_files": differ})
        return
    created = local_time(datetime.fromisoformat(done.created_at))
    console().print(f"Restored, as of {created}: {', '.join(done.databases)}, {len(done.secrets)} keys.")
    for name in done.before:
        console().print(f"What was there before: {name}")
    for name in done.missing_keys:
        console().print(f"{name} was set when the backup was made, and is not set now.")
    if differ:
        console().print(
            f"Your files in {folder} stay as they are. In the backup, these are others: {_named(differ)}. "
            f"To have those: hookline restore {file} --files {folder}",
            soft_wrap=True,
        )
    console().print("Start `hookline up`: everything is held until you let it go on (hookline hold show).")


def _restore_files(file: Path, folder: Path, *, yes: bool, as_json: bool) -> None:
    with steps() as progress, Backup.open(file.absolute()) as backup:
        backup.verify(lambda size: progress("checking", size))
        progress.pause()
        compared = own_files.compare(backup, folder)
        if compared.other and not yes:
            _ask(f"In {folder}, these files are others than in the backup: {_named(compared.other)}.")
        before = own_files.write(backup, folder, compared)
    if as_json:
        print_json({"folder": str(folder), "before": before, **asdict(compared)})
        return
    written = len(compared.missing) + len(compared.other)
    console().print(
        f"Files written to {folder}: {written}. There already, as they are: {len(compared.same)}."
    )
    for name in before:
        console().print(f"What was there before: {name}")


def _named(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def _ask(what: str) -> None:
    if not sys.stdin.isatty():
        raise HooklineError(f"{what} There is no terminal to ask: add --yes. Nothing was changed.")
    if not confirm(f"{what} Go on, and replace it?"):
        raise HooklineError("Nothing was changed.")
