"""How the units are: what their files are, and what systemd says of each."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from hookline.service.units import NAMES, PARTS, TEMPLATE, is_ours, part_unit

_PROPERTIES = ("ActiveState", "SubState", "UnitFileState", "StatusText", "NRestarts")


@dataclass(frozen=True)
class UnitState:
    """
    One unit.

    Attributes:
        name: Its name.
        file: Its file.
        written_by: `hookline`, or `another` for one that we did not write, or that was changed.
        active: Active state by systemd, such as `active (running)`; empty where systemd does not answer.
        at_boot: Whether it starts at boot, such as `enabled`.
        status: Status that the service reports itself.
        restarts: Number of times that systemd started it again by itself.
    """

    name: str
    file: Path
    written_by: str
    active: str
    at_boot: str
    status: str
    restarts: int


def unit_folder(*, user: bool) -> Path:
    """Return the folder of units that an administrator, or a person, has written."""
    return Path.home() / ".config/systemd/user" if user else Path("/etc/systemd/system")


def systemctl(*words: str, user: bool) -> subprocess.CompletedProcess[str]:
    """Run `systemctl`; a machine without it answers with exit code 127."""
    command = ["systemctl", *(["--user"] if user else []), *words]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def read_states(folder: Path, *, user: bool) -> list[UnitState]:
    """Return the state of each unit of ours that has a file."""
    found = []
    for file in (folder / name for name in NAMES):
        if not file.exists():
            continue
        by = "hookline" if is_ours(file.read_text(errors="replace")) else "another"
        for name in instances(folder) if file.name == TEMPLATE else [file.name]:
            listed = systemctl("show", name, f"--property={','.join(_PROPERTIES)}", user=user).stdout
            properties = dict(line.partition("=")[::2] for line in listed.splitlines())
            active = (
                f"{properties['ActiveState']} ({properties['SubState']})"
                if "ActiveState" in properties
                else ""
            )
            restarts = int(properties.get("NRestarts") or 0)
            found.append(
                UnitState(
                    name,
                    file,
                    by,
                    active,
                    properties.get("UnitFileState", ""),
                    properties.get("StatusText", ""),
                    restarts,
                )
            )
    return found


def instances(folder: Path) -> list[str]:
    """Return the units that are made of the template, which systemd remembers as links."""
    names = map(part_unit, PARTS)
    return [name for name in names if any(folder.glob(f"*.wants/{name}"))]
