"""The steps that make the units real, and those that take them away; each says what it does before it is done."""

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hookline.errors import HooklineError
from hookline.file_writes import replace
from hookline.service.state import instances, systemctl
from hookline.service.units import NAMES, TEMPLATE, TIMER, UNIT, WITH_PORT, Place, is_ours, part_unit

USER = "hookline"
HIDDEN = (Path("/home"), Path("/root"), Path("/run/user"), Path("/tmp"), Path("/var/tmp"))  # noqa: S108
"""What a service does not see: `ProtectHome` and `PrivateTmp`."""
_TRY = """
import sys, tempfile
from pathlib import Path
import hookline
Path(".env").read_text()
for folder in sys.argv[1:]:
    tempfile.TemporaryFile(dir=folder).close()
"""


class Refused(HooklineError):
    """It cannot be done here; nothing was changed."""

    exit_code = 2


@dataclass(frozen=True)
class Step:
    """
    One step.

    Attributes:
        text: What it does, for a person.
        do: What does it.
        detail: The whole text that it writes.
    """

    text: str
    do: Callable[[], None]
    detail: str = ""


def install_steps(
    place: Place,
    texts: Mapping[str, str],
    folder: Path,
    *,
    parts: Sequence[str] = (),
    backups: Path | None = None,
    now: bool = False,
) -> list[Step]:
    """
    Return the steps that are needed, in order; none where all is as it should be.

    Args:
        place: where the installation is.
        texts: the units by name.
        folder: the folder of units.
        parts: the processes that are a unit each.
        backups: the folder for daily backups.
        now: start them as well, or restart what has another unit now.

    Raises:
        Refused: another has a unit of that name, or a unit that is there would run the same process; names it.
    """
    for name in texts:
        _require_ours(folder / name)
    _require_room(place, folder, texts, parts)
    # systemd would make the one below /var/lib too, but only at the first start: a backup is restored before.
    steps = [*_user_steps(place), *_env_steps(place), *_folder_steps(place.home, place.user)]
    if backups is not None:
        steps += _folder_steps(backups, place.user)
    changed = [name for name, text in texts.items() if _text(folder / name) != text]
    steps += [_write(folder / name, texts[name]) for name in changed]
    enabled = _enabled(texts, parts)
    as_user = place.user is None
    if steps and place.user is not None:
        check = Step(
            f"check that the user {place.user} can run it", lambda: _require_runnable(place, backups)
        )
        steps.append(check)
    if changed:
        steps.append(_systemctl("daemon-reload", user=as_user))
    missing = [
        name for name in enabled if systemctl("is-enabled", "--quiet", name, user=as_user).returncode != 0
    ]
    if missing:
        steps.append(_systemctl("enable", *missing, user=as_user))
    if now and (changed or not all(_is_active(name, as_user) for name in enabled)):
        steps.append(_systemctl("restart", *enabled, user=as_user))
    return steps


def uninstall_steps(folder: Path, *, user: bool) -> list[Step]:
    """
    Return the steps that remove the units that we wrote; data, user and files of the firm stay.

    Raises:
        Refused: a unit of ours was changed, or is another's; names it.
    """
    files = [folder / name for name in NAMES if (folder / name).exists()]
    for file in files:
        _require_ours(file)
    if not files:
        return []
    # Of a template, only what is made of it runs.
    names = [file.name for file in files if file.name != TEMPLATE]
    if folder / TEMPLATE in files:
        names += sorted({link.name for link in folder.glob(f"*.wants/{TEMPLATE.replace('@', '@*')}")})
    return [
        *([_systemctl("disable", "--now", *names, user=user)] if names else []),
        *(Step(f"remove {file}", file.unlink) for file in files),
        _systemctl("daemon-reload", user=user),
    ]


def _enabled(texts: Mapping[str, str], parts: Sequence[str]) -> list[str]:
    names = [name for name in (UNIT, TIMER) if name in texts]
    return names + [part_unit(part) for part in parts]


def _user_steps(place: Place) -> Iterator[Step]:
    if place.user is None or _uid(place.user) is not None:
        return
    command = [
        *("useradd", "--system", "--user-group", "--no-create-home"),
        *("--home-dir", str(place.home), "--shell", "/usr/sbin/nologin", place.user),
    ]
    yield Step(" ".join(command), lambda: _run(command))


def _env_steps(place: Place) -> Iterator[Step]:
    """Let commands that a person types in the folder reach the same home, and the service read the settings."""
    env = place.folder / ".env"
    text = _text(env)
    line = f"HOOKLINE_HOME={place.home}"
    if not re.search(r"^\s*(export\s+)?HOOKLINE_HOME\s*=", text, re.MULTILINE):
        yield Step(f"add {line} to {env}", lambda: _append(env, line))
    if place.user is not None and (not text or not _is_private(env, place.user)):
        yield Step(f"give {env} to {place.user} alone", lambda: _give(env, place.user, 0o600))


def _folder_steps(folder: Path, user: str | None) -> Iterator[Step]:
    if folder.exists():
        return

    def make() -> None:
        folder.mkdir(mode=0o700, parents=True)
        _give(folder, user, 0o700)

    yield Step(f"make {folder} for {user or 'yourself'} alone", make)


def _require_ours(file: Path) -> None:
    if file.exists() and not is_ours(file.read_text(errors="replace")):
        raise Refused(
            f"{file} was not written by `hookline service install`, or was changed since. It is left as it is, and "
            "nothing was done. Move it away, or put your changes into a drop-in: systemctl edit " + file.name
        )


def _require_room(place: Place, folder: Path, texts: Mapping[str, str], parts: Sequence[str]) -> None:
    """Refuse to run a process that has a port twice: in the unit that runs everything, and in one of its own."""
    single = {part_unit(part) for part in WITH_PORT}
    if UNIT in texts:
        current = [name for name in instances(folder) if name in single]
    else:
        named = single & {part_unit(part) for part in parts}
        current = [UNIT] if named and (folder / UNIT).exists() else []
    if current:
        raise Refused(
            f"{' and '.join(current)} would run the same processes beside it, on the same ports. Nothing was done. "
            "First take away what is there; its data stays: hookline service uninstall"
            + ("" if place.user else " --user")
        )


def require_visible(place: Place, backups: Path | None = None) -> None:
    """
    Check that a system service sees the program, the files and the data.

    Raises:
        Refused: names what it does not see, and where to put it.
    """
    parts = {
        "Python": place.python.resolve(),
        "installation": place.python,
        "folder": place.folder,
        "data folder": place.home,
        **({"folder of backups": backups} if backups else {}),
    }
    for name, path in parts.items():
        if hidden := next((each for each in HIDDEN if path.is_relative_to(each)), None):
            raise Refused(
                f"The {name} is {path}, and a system service sees nothing below {hidden}. Install Hookline where "
                "everybody may read, such as /opt/hookline, with the Python of the system; or install the service "
                "for yourself alone, with --user."
            )


def _require_runnable(place: Place, backups: Path | None) -> None:
    """Try as the user what the service will do."""
    done = subprocess.run(  # noqa: S603
        [str(place.python), "-c", _TRY, *([str(backups)] if backups else [])],
        cwd=place.folder,
        user=place.user,
        group=place.user,
        extra_groups=[],
        env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise Refused(
            f"The user {place.user} cannot do what the service does, {place.python} in {place.folder}: {why}. Give it "
            "what it lacks (chmod, chown), and run this command again. Nothing was started."
        )


def _write(file: Path, text: str) -> Step:
    def write() -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}.draft")
        draft.write_text(text)
        draft.chmod(0o644)
        draft.replace(file)

    return Step(f"write {file}", write, text)


def _systemctl(*words: str, user: bool) -> Step:
    def run() -> None:
        done = systemctl(*words, user=user)
        if done.returncode != 0:
            raise HooklineError(f"systemctl {' '.join(words)} failed: {done.stderr.strip()}")

    return Step(f"systemctl {'--user ' if user else ''}{' '.join(words)}", run)


def _is_active(name: str, user: bool) -> bool:
    return systemctl("is-active", "--quiet", name, user=user).returncode == 0


def _uid(user: str) -> int | None:
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None


def _is_private(file: Path, user: str) -> bool:
    status = file.stat()
    return status.st_uid == _uid(user) and not status.st_mode & 0o077


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except FileNotFoundError:
        return ""


def _append(file: Path, line: str) -> None:
    before = file.read_bytes() if file.exists() else b""
    between = b"" if not before or before.endswith(b"\n") else b"\n"
    replace(file, before + between + f"{line}\n".encode(), mode=0o600)


def _give(path: Path, user: str | None, mode: int) -> None:
    if user is not None:
        shutil.chown(path, user, user)
    path.chmod(mode)


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        reason = str(getattr(error, "stderr", None) or error).strip()
        raise HooklineError(f"{command[0]} failed: {reason}") from None
