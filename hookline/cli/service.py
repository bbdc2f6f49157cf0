"""`hookline service`: run Hookline as a service of systemd, from boot on."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from dotenv import dotenv_values

from hookline.cli.output import AsJson, console, print_json, show
from hookline.database import embedded
from hookline.errors import HooklineError
from hookline.service import Place, Refused, install_steps, read_states, uninstall_steps, units
from hookline.service.install import USER, Step, require_visible
from hookline.service.state import unit_folder
from hookline.service.units import STATE_FOLDER
from hookline.settings import Settings, settings

app = App(name="service", help="Run Hookline as a service of systemd: install, uninstall, status.")

Part = Literal["prefect", "gateway", "engine", "worker"]
ForUser = Annotated[bool, Parameter(name="--user", negative="", help="Of yourself, not of the system.")]
DryRun = Annotated[bool, Parameter(negative="", help="Only show what would be done.")]
SYSTEMD = Path("/run/systemd/system")


@app.command
def install(
    *parts: Annotated[Part, Parameter(help="Processes that are a unit each; none: all in one.")],
    for_user: ForUser = False,
    home: Annotated[
        Path | None, Parameter(help="Data folder; else HOOKLINE_HOME, or /var/lib/hookline.")
    ] = None,
    backups: Annotated[Path | None, Parameter(help="Folder for a backup each night, of 14 days.")] = None,
    now: Annotated[bool, Parameter(negative="", help="Start it as well.")] = False,
    dry_run: DryRun = False,
) -> None:
    """
    Write the units of this installation, and let them start at boot; again, it changes only what differs.

    It writes to /etc/systemd/system, and makes the user hookline, which runs it. A unit that it did not write is never
    touched. Processes that are named are a unit each, for several machines: these need HOOKLINE_DATABASE_URL.

    Try:
        hookline service install --dry-run
        hookline service install --backups /var/backups/hookline --now
        hookline service install engine --now
    """
    current = settings()
    folder = current.project or Path.cwd()
    if parts and current.database_url is None:
        raise Refused(
            f"{' and '.join(parts)} alone needs a PostgreSQL that all machines reach. Set HOOKLINE_DATABASE_URL in "
            f"{folder / '.env'}, or name no process: then one unit runs everything."
        )
    place = Place(
        python=Path(sys.executable),
        folder=folder,
        home=_home(home, folder / ".env", for_user=for_user),
        user=None if for_user else USER,
    )
    backups = backups and backups.expanduser().absolute()
    _require_usable(place, current, backups)
    texts = units(place, parts=parts, embedded=current.database_url is None, backups=backups)
    _require_rights(for_user=for_user, dry_run=dry_run)
    _do(
        install_steps(place, texts, unit_folder(user=for_user), parts=parts, backups=backups, now=now),
        dry_run=dry_run,
        nothing="All is installed as it should be.",
    )
    if not dry_run:
        _say_what_next(for_user=for_user, now=now, folder=folder)


@app.command
def uninstall(*, for_user: ForUser = False, dry_run: DryRun = False) -> None:
    """
    Stop the service and remove the units that `install` wrote; data, user and your files stay.

    Try:
        hookline service uninstall --dry-run
    """
    _require_rights(for_user=for_user, dry_run=dry_run)
    steps = uninstall_steps(unit_folder(user=for_user), user=for_user)
    _do(steps, dry_run=dry_run, nothing="No unit of Hookline is installed.")


@app.command
def status(*, for_user: ForUser = False, as_json: AsJson = False) -> None:
    """
    Show each unit of Hookline: who wrote it, if it runs, and what it reports.

    Try:
        hookline service status
    """
    rows = [
        vars(state) | {"file": str(state.file)}
        for state in read_states(unit_folder(user=for_user), user=for_user)
    ]
    if as_json:
        print_json(rows)
        return
    show(rows, ["name", "active", "at_boot", "status", "restarts", "written_by"], as_json=False)
    if rows:
        console().print(
            f"Its log: journalctl {'--user ' if for_user else ''}--unit {rows[0]['name']} --follow"
        )


def _home(chosen: Path | None, dotenv: Path, *, for_user: bool) -> Path:
    """
    Return the data folder: chosen, else of the environment or `.env`, else the usual one.

    Raises:
        Refused: `.env` names another one, which commands beside the service would use.
    """
    home = STATE_FOLDER / "hookline"
    if chosen is not None:
        home = chosen.expanduser().absolute()
    elif os.environ.get("HOOKLINE_HOME") or for_user:
        home = settings().home
    written = dotenv_values(dotenv).get("HOOKLINE_HOME")
    if written and Path(written).expanduser().absolute() != home.absolute():
        raise Refused(
            f"The data folder of the service would be {home}, and {dotenv} says HOOKLINE_HOME={written}: commands that "
            "people type beside it would use another one. Correct that line, or --home. Nothing was done."
        )
    return home


def _require_usable(place: Place, current: Settings, backups: Path | None) -> None:
    if not current.hooks.exists():
        raise Refused(
            f"There is no {current.hooks}: start this command in the folder of your files, or name it with --project."
        )
    if place.user is not None:
        require_visible(place, backups)
        if current.database_url is None and not embedded.socket_dir(place.home).is_relative_to(place.home):
            raise Refused(
                f"The path of the data folder is too long for the socket of PostgreSQL: {place.home}. Choose a shorter "
                "one, such as /var/lib/hookline."
            )


def _require_rights(*, for_user: bool, dry_run: bool) -> None:
    if dry_run:
        return
    if not for_user and os.geteuid() != 0:
        raise Refused("A service of the system is installed by root: use sudo. For yourself alone: --user.")
    if not SYSTEMD.exists():
        raise Refused("systemd does not run on this machine, so nothing was done. --dry-run shows the units.")


def _do(steps: Iterable[Step], *, dry_run: bool, nothing: str) -> None:
    out, done = console(), 0
    for done, step in enumerate(steps, 1):  # noqa: B007
        out.print(f"{'would ' if dry_run else ''}{step.text}")
        for line in step.detail.splitlines():
            out.print(f"    {line}")
        if not dry_run:
            try:
                step.do()
            except OSError as error:
                raise HooklineError(f"Could not {step.text}: {error}.") from None
    if not done:
        out.print(nothing)


def _say_what_next(*, for_user: bool, now: bool, folder: Path) -> None:
    option, out = "--user " if for_user else "", console()
    if not now:
        out.print(f"Start it: systemctl {option}start hookline")
    if for_user:
        out.print("So that it runs while you are logged out: loginctl enable-linger")
    else:
        out.print(f"Commands: cd {folder} && runuser -u {USER} -- {sys.executable} -m hookline doctor")
