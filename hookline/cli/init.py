"""`hookline init`: make a project, a firm's own folder."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hookline.cli.output import AsJson, console, print_json
from hookline.errors import ConfigurationError
from hookline.new_project import make_project, next_commands


def init(
    folder: Annotated[str, Parameter(help="The folder to make; one that is there must be empty.")],
    *,
    as_json: AsJson = False,
) -> None:
    """
    Make a project: a folder of your own, with your files, flows, vendors and texts.

    It takes the shipped workflows by name: an upgrade of Hookline brings what is new in them, and changes nothing in
    the folder. From then on, every command that is typed in the folder is about this project.

    Try:
        hookline init ~/acme
    """
    if not folder.strip():
        raise ConfigurationError("FOLDER is empty. Name the folder to make, such as: hookline init ~/acme")
    try:
        path = Path(folder).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigurationError(f"{folder} cannot be a folder: {error}") from None
    written = make_project(path)
    commands = next_commands(path, _program())
    if as_json:
        print_json({"project": str(path), "files": written, "next": commands})
        return
    lines = [
        f"{path} is a project now: {len(written)} files. README.md there says what each is.",
        "",
        "Next:",
    ]
    console().print("\n".join([*lines, *(f"  {command}" for command in commands)]), markup=False)


def _program() -> str:
    """Return how this program can be called from another folder."""
    return "hookline" if shutil.which("hookline") else str(Path(sys.executable).with_name("hookline"))
