"""
The project: a firm's own folder, with its files, flows, vendors and texts.

It is named by `--project` or `HOOKLINE_PROJECT`, or it is the folder that one stands in, or the nearest one above it,
that has the files of a project. Without one, the files are those of the checkout, in `deployments/`.
"""

import os
import re
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import yaml

from hookline.errors import ConfigurationError
from hookline.version import VERSION as HOOKLINE

VARIABLE: Final = "HOOKLINE_PROJECT"
FILES: Final = ("hooks.yaml", "prefect.yaml")
"""The files by which a folder is known as a project."""
CHECKOUT: Final = Path(__file__).parents[1]
"""The folder of Hookline itself, where its packages are."""
SHIPPED: Final = CHECKOUT / "deployments"
"""The files that are shipped: examples, defaults, and what a project takes by name. It is no project itself."""
VERSION: Final = "hookline-version"
"""The field of a project's prefect.yaml with the version of Hookline that made it."""
SCHEMAS: Final = Path(".hookline", "schemas")
"""The folder in a project with the schemas of its files, for editors."""


def find_project() -> Path | None:
    """
    Return the folder of the project; None where there is none.

    Raises:
        ConfigurationError: the one that is named is none, or others could have put the one that was found there.
    """
    if named := os.environ.get(VARIABLE, "").strip():
        return _named(named)
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was deleted
        return None
    found = next((folder for folder in (here, *here.parents) if is_project(folder)), None)
    if found is not None:
        _require_trusted(found)
    return found


def _require_trusted(folder: Path) -> None:
    """Refuse a project that nobody named and that may be another user's: its code would run, and its files be read."""
    there = folder.stat()
    whose = "everybody may write to it" if there.st_mode & stat.S_IWOTH else "it belongs to another user"
    if there.st_mode & stat.S_IWOTH or (os.getuid() and there.st_uid not in (0, os.getuid())):
        raise ConfigurationError(
            f"The project {folder} was found from where you stand, and {whose}. If you trust it, name it: "
            f"--project {folder}, or {VARIABLE}."
        )


def is_project(folder: Path) -> bool:
    """Return True for a folder with the files of a project."""
    return folder != SHIPPED and not _missing(folder)


def _missing(folder: Path) -> list[str]:
    return [name for name in FILES if not os.path.isfile(folder / name)]  # noqa: PTH113  (never raises)


def _named(text: str) -> Path:
    """Return the folder that a person named."""
    try:
        folder = Path(text).expanduser().resolve()
        is_folder = folder.is_dir()
        with suppress(FileNotFoundError, NotADirectoryError):
            folder.stat()  # a circle of links: since Python 3.13 nothing above complains of one
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigurationError(f"{VARIABLE} or --project: {text} cannot be a folder: {error}") from None
    what = f"{folder}, which {VARIABLE} or --project names,"
    if not is_folder:
        how = "is no folder" if folder.exists() else "is not there"
        raise ConfigurationError(f"{what} {how}. Correct it, or make a project there: hookline init {text}")
    if missing := _missing(folder):
        raise ConfigurationError(
            f"{what} is no project: it has no {' and no '.join(missing)}. Correct it, or put the files back; "
            "a new project is made by: hookline init FOLDER"
        )
    return folder


def put_in_force(folder: Path) -> None:
    """
    Let this process and its children find the project and what is in it.

    Hookline's own packages come before the project's folder: `flows/` there is no package, and must not stand in for
    `flows` here, as Python would take it where the installation is found by an import hook.
    """
    if (folder / "flows" / "__init__.py").exists():
        raise ConfigurationError(
            f"{folder / 'flows'} must be no package, because Hookline has one of this name. Remove its __init__.py."
        )
    require_path(folder)
    os.environ[VARIABLE] = str(folder)
    first = [str(CHECKOUT), str(folder)]
    more = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each and each not in first]
    os.environ["PYTHONPATH"] = os.pathsep.join([*first, *more])
    for each in (*first, str(folder / "flows")):
        if each not in sys.path:
            sys.path.append(each)


def require_path(folder: Path) -> None:
    """Raise ConfigurationError for a path by which other processes could not find vendors and flows."""
    if os.pathsep in str(folder):
        raise ConfigurationError(
            f"{folder} cannot stand in PYTHONPATH, where {os.pathsep!r} is between two folders. Take another name."
        )


def made_by(folder: Path) -> str | None:
    """Return the version of Hookline that made the project; None if its prefect.yaml says none that can be read."""
    with suppress(OSError, ValueError, RecursionError, yaml.YAMLError):
        content = yaml.safe_load((folder / "prefect.yaml").read_text(encoding="utf-8"))
        found = content.get(VERSION) if isinstance(content, dict) else None
        return str(found) if _numbers(str(found)) else None
    return None


def why_too_new(folder: Path) -> str | None:
    """Return why this Hookline may not understand the project, if a newer one made it."""
    made, this = made_by(folder), HOOKLINE
    if made is None or _numbers(made) <= _numbers(this):
        return None
    return (
        f"{folder / 'prefect.yaml'}: the project was made by Hookline {made}, and this is {this}, which may not know "
        f"what is in it. Upgrade Hookline; or check the files, and set `{VERSION}: {this}`."
    )


def _numbers(text: str) -> list[int]:
    """Return the numbers of a version; none of what is no version."""
    found = re.match(r"\d+(\.\d+)*", text)
    return [int(each) for each in found[0].split(".")] if found else []


def write_schemas(folder: Path) -> None:
    """
    Write the schemas of the project's files as this version has them, by which an editor checks the files.

    Raises:
        OSError: they cannot be written.
    """
    (folder / SCHEMAS.parent).mkdir(mode=0o700, exist_ok=True)
    (folder / SCHEMAS).mkdir(exist_ok=True)
    for schema in (SHIPPED / "schemas").glob("*.json"):
        path, content = folder / SCHEMAS / schema.name, schema.read_bytes()
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)
