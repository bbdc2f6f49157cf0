"""
The units of systemd as text, each with a first line by which it is known again.

The line has a digest of what follows: a unit without it, or one that a person changed, is never touched.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hookline.errors import ConfigurationError
from hookline.project import VARIABLE, is_project
from hookline.text import one_line

UNIT = "hookline.service"
TEMPLATE = "hookline@.service"
BACKUP = "hookline-backup.service"
TIMER = "hookline-backup.timer"
NAMES = (UNIT, TEMPLATE, BACKUP, TIMER)
PARTS = ("prefect", "prefect-services", "gateway", "engine", "worker")
"""The processes that may each be a unit of its own, made of the template."""
WITH_PORT = ("prefect", "gateway", "worker")
"""Those of which a machine has room for one, for it listens on a port."""

STATE_FOLDER = Path("/var/lib")
STOP_SECONDS = 120
"""More than `hookline up` needs to stop one process after another, each in its own time."""
KEEP_BACKUP_DAYS = 14

_MARK = "# Written by `hookline service install`; change it by a drop-in, not here (systemctl edit). Digest: "
_PLAIN = re.compile(r"[\w/.,+@=~^-]*")
"""What neither systemd nor the shell that runs a backup takes for more than a letter; `:` splits some settings."""

# What no part of Hookline needs. `ProcSubset=pid` and an empty list of address families are not in it: the age of a
# process is read from /proc/stat, and the standard library asks the kernel for the addresses of this machine. Nor is
# `RemoveIPC=yes`: the end of one unit would take the shared memory of a PostgreSQL that a command typed as the same
# user runs, such as `hookline restore`.
_HARDENING = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
KeyringMode=private
UMask=0077
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallFilter=@chown sched_setaffinity setpriority
SystemCallErrorNumber=EPERM
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """
    Where an installation is.

    Attributes:
        python: The Python of its virtual environment.
        folder: The folder with `.env` and the files of the firm, in which every command runs.
        home: The data folder.
        user: The system user that runs it; None: a service of the person who installs it.
    """

    python: Path
    folder: Path
    home: Path
    user: str | None

    def __post_init__(self) -> None:
        """
        Refuse paths that a unit cannot hold.

        Raises:
            ConfigurationError: names the path.
        """
        for path in (self.python, self.folder, self.home):
            _require_plain(path)

    @property
    def has_state_directory(self) -> bool:
        """Return True if systemd makes the data folder and gives it to the user."""
        return self.user is not None and self.home.parent == STATE_FOLDER


def units(
    place: Place, *, parts: Sequence[str] = (), embedded: bool = True, backups: Path | None = None
) -> dict[str, str]:
    """
    Return the text of each unit by its name.

    Args:
        place: where the installation is.
        parts: processes that are a unit each; none: all in one, as `hookline up`.
        embedded: whether the database is the embedded one.
        backups: a folder for daily backups; None: no timer.
    """
    texts = {TEMPLATE: _part(place)} if parts else {UNIT: _everything(place, embedded=embedded)}
    if backups is not None:
        _require_plain(backups)
        texts |= {BACKUP: _backup(place, backups), TIMER: _TIMER}
    return {name: marked(text) for name, text in texts.items()}


def part_unit(part: str) -> str:
    """Return the name of the unit of a process."""
    return TEMPLATE.replace("@", f"@{part}")


def marked(text: str) -> str:
    """Return a unit with the line by which it is known again."""
    return f"{_MARK}{hashlib.sha256(text.encode()).hexdigest()[:16]}\n{text}"


def is_ours(text: str) -> bool:
    """Return True if this is a unit as we wrote it."""
    return text == marked(text.partition("\n")[2])


def _require_plain(path: Path) -> None:
    if odd := _PLAIN.sub("", str(path)):
        raise ConfigurationError(
            f"The path {one_line(str(path))} cannot stand in a unit of systemd, because of {one_line(odd)!r}. Take "
            "one with letters, digits, dots, dashes and underscores."
        )


def _everything(place: Place, *, embedded: bool) -> str:
    # Type=notify: `systemctl start` returns when all answers. It may wait for a PostgreSQL without end, so
    # it has no time-out of its own.
    limits = "MemoryHigh=75%\nMemoryMax=90%\n" if embedded else "MemoryHigh=60%\nMemoryMax=80%\n"
    return (
        _head("Hookline: webhooks and schedules start Prefect flows", place)
        + _service(place, "up", kind="notify")
        + "NotifyAccess=main\nTimeoutStartSec=infinity\n"
        + f"ExecReload=kill -HUP $MAINPID\nTimeoutStopSec={STOP_SECONDS}\n"
        + limits
        + _limits(place)
        + _install(place)
    )


def _part(place: Place) -> str:
    return (
        _head("Hookline: the %i alone", place)
        + _service(place, "%i", kind="exec")
        + "TimeoutStopSec=60\nMemoryHigh=40%\nMemoryMax=60%\n"
        + _limits(place)
        + _install(place)
    )


def _backup(place: Place, folder: Path) -> str:
    # A name for each day, so that a backup never replaces one of another day; what is old goes only after a new one
    # is whole. systemd reads %% as %, and $$ as $.
    file = f"{folder}/hookline-$$(date -u +%%F).backup"
    unit = (
        "[Unit]\nDescription=Hookline: a backup of both databases and the keys\n\n"
        "[Service]\nType=oneshot\n"
        + _identity(place)
        + f"ExecStart=/bin/sh -c 'exec {place.python} -m hookline backup {file} --replace'\n"
        + f"ExecStartPost=find {folder} -maxdepth 1 -name hookline-*.backup -mtime +{KEEP_BACKUP_DAYS} -delete\n"
        + "Nice=10\nIOSchedulingClass=idle\nTimeoutStartSec=6h\n"
    )
    if place.user is not None:
        unit += _HARDENING + f"ReadWritePaths={folder} {place.home}\n"
    return unit


_TIMER = """\
[Unit]
Description=Hookline: a backup each night

[Timer]
OnCalendar=*-*-* 02:30
RandomizedDelaySec=20min
Persistent=yes

[Install]
WantedBy=timers.target
"""


def _head(description: str, place: Place) -> str:
    head = f"[Unit]\nDescription={description}\nStartLimitIntervalSec=0\n"
    if place.user is not None:  # a service of a person knows of no network and no PostgreSQL of the system
        head += "Wants=network-online.target\nAfter=network-online.target postgresql.service\n"
    return head + "\n"


def _service(place: Place, command: str, *, kind: str) -> str:
    # mixed: the supervisor stops its processes itself, in order. 2: a wrong setting, which no restart corrects.
    # continue: a process that is killed for its memory is started again by the supervisor.
    return (
        f"[Service]\nType={kind}\n"
        + _identity(place)
        + f"ExecStart={place.python} -m hookline {command}\n"
        + "Restart=always\nRestartSec=5\nRestartPreventExitStatus=2\n"
        + "KillMode=mixed\nOOMPolicy=continue\nLimitNOFILE=65536\nTasksMax=4096\n"
    )


def _identity(place: Place) -> str:
    lines = f"WorkingDirectory={place.folder}\nEnvironment=HOOKLINE_HOME={place.home}\nSyslogIdentifier=hookline\n"
    if is_project(place.folder):  # named, since one that is only found must belong to the service's user
        lines += f"Environment={VARIABLE}={place.folder}\n"
    if place.user is None:
        return lines
    # Python cannot store compiled code beside the sources, which are not its own: without a folder for it, each
    # process would compile Prefect again.
    lines = f"User={place.user}\nGroup={place.user}\n" + lines
    return lines + "CacheDirectory=hookline\nEnvironment=PYTHONPYCACHEPREFIX=/var/cache/hookline\n"


def _limits(place: Place) -> str:
    if place.user is None:
        return "NoNewPrivileges=yes\nUMask=0077\n"
    if place.has_state_directory:
        return _HARDENING + f"StateDirectory={place.home.name}\nStateDirectoryMode=0700\n"
    return _HARDENING + f"ReadWritePaths={place.home}\n"


def _install(place: Place) -> str:
    return f"\n[Install]\nWantedBy={'default' if place.user is None else 'multi-user'}.target\n"
