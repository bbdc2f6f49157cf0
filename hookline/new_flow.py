"""A new flow of a project: its file, its test, its deployment and its route, as `hookline new flow` writes them."""

import builtins
import keyword
import re
import sys
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import yaml

from hookline.errors import ConfigurationError
from hookline.file_writes import changing, replace
from hookline.files import read_text
from hookline.hooks import load_hooks
from hookline.hooks.adding import with_entry, with_part
from hookline.new_project import FOLDERS
from hookline.shipped_parts import PARTS
from hookline.text import do_you_mean

NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_NAME: Final = 40
_TAKEN: Final = {"flow", "get_run_logger", "disable_run_logger"}
"""What the flow and its test import."""


def make_flow(project: Path, name: str, source: str, *, hooks: Path, prefect: Path) -> list[Path]:
    """
    Make a flow in a project; return the files that were written or changed.

    Args:
        project: its folder.
        name: of the flow; with dashes or underscores.
        source: of its route.
        hooks: the file of the routes that is in force.
        prefect: the file of the deployments that is in force.

    Raises:
        ConfigurationError: the name cannot be used or is taken, or a file cannot be added to; nothing was written.
    """
    flow = name.replace("_", "-")
    fill = {"flow": flow, "function": flow.replace("-", "_"), "source": source}
    made = {
        project / "flows" / f"{fill['function']}.py": FLOW,
        project / "tests" / f"test_{fill['function']}.py": TEST,
    }
    _require_name(name, flow)
    with changing(project, hooks.parent, prefect.parent):
        if taken := next((path for path in made if path.exists() or path.is_symlink()), None):
            raise ConfigurationError(f"Nothing was written: {taken} is there already. Choose another name.")
        _require_no_module(flow)
        _require_source(hooks, source)
        _require_free(flow, prefect)
        contents = {
            **{path: "\n".join([*_filled(text, fill), ""]) for path, text in made.items()},
            prefect: _changed(
                prefect, lambda text: with_entry(text, "deployments", _filled(DEPLOYMENT, fill))
            ),
            hooks: _changed(hooks, lambda text: with_part(text, "routes", flow, _filled(ROUTE, fill))),
        }
        _write(contents, hooks)
    return list(contents)


def _require_name(name: str, flow: str) -> None:
    function = flow.replace("-", "_")
    if not NAME.fullmatch(flow) or len(flow) > MAX_NAME:
        raise ConfigurationError(
            f"{name!r} is no name of a flow: use lower-case letters and digits, with dashes between, a letter first, "
            f"and at most {MAX_NAME} characters, such as late-orders."
        )
    if keyword.iskeyword(function) or keyword.issoftkeyword(function) or hasattr(builtins, function):
        raise ConfigurationError(
            f"{name!r} is a word of Python itself. Choose another, such as {flow}-orders."
        )
    if function in _TAKEN or yaml.safe_load(flow) != flow:
        raise ConfigurationError(
            f"{name!r} means something else in the files that are written. Choose another, such as {flow}-orders."
        )


def _require_no_module(flow: str) -> None:
    function = flow.replace("-", "_")
    if function in {*sys.stdlib_module_names, *FOLDERS} or find_spec(function) is not None:
        raise ConfigurationError(
            f"{flow!r} is the name of a module of Python or of a library, which {function}.py would hide. "
            f"Choose another, such as {flow}-orders."
        )


def _require_source(hooks: Path, source: str) -> None:
    sources = load_hooks(hooks).sources
    if source not in sources:
        raise ConfigurationError(
            f"Nothing was written: {hooks} has no source {source!r}{do_you_mean(source, sources)}. "
            f"Name one by --source: {', '.join(sources)}. A new one is made by: hookline new source PRESET"
        )


def _require_free(flow: str, prefect: Path) -> None:
    if flow in PARTS["workflow"]():
        raise ConfigurationError(
            f"Nothing was written: {flow} is a shipped workflow. Take it by `use: {flow}` in {prefect}, or choose "
            "another name."
        )
    try:
        content = yaml.safe_load(read_text(prefect))
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigurationError(
            f"Nothing was written: {prefect} is not YAML. See: hookline apply --dry-run"
        ) from None
    entries = content.get("deployments") if isinstance(content, dict) else None
    function = flow.replace("-", "_")
    for each in entries if isinstance(entries, list) else ():
        if isinstance(each, dict) and str(each.get("entrypoint", "")).endswith(f":{function}"):
            raise ConfigurationError(
                f"Nothing was written: {prefect} has a deployment of {function} already."
            )


def _changed(path: Path, change: Callable[[str], str]) -> str:
    try:
        return change(read_text(path))
    except ValueError as error:
        raise ConfigurationError(
            f"Nothing was written: {path}: {error}. Its deployments or routes must stand one below the other, as "
            "`hookline init` writes them."
        ) from None


def _write(contents: dict[Path, str], hooks: Path) -> None:
    """Write all of them or none."""
    with ExitStack() as undo:
        for path, text in contents.items():
            before = path.read_bytes() if path.exists() else None
            _make_folder(path.parent)
            undo.callback(_restore, path, before)
            replace(path, text.encode(), mode=0o644)
        load_hooks(hooks)
        undo.pop_all()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"Nothing was written: {folder}: {error.strerror}.") from None


def _restore(path: Path, before: bytes | None) -> None:
    if before is None:
        path.unlink(missing_ok=True)
    else:
        replace(path, before, mode=0o644)


def _filled(text: str, fill: dict[str, str]) -> list[str]:
    for name, value in fill.items():
        text = text.replace(f"<{name}>", value)
    return text.splitlines()


FLOW: Final = '''\
"""<flow>: a delivery says which order, and this says what happens then."""

from prefect import flow, get_run_logger


@flow(name="<flow>")
async def <function>(number: str) -> str:
    """
    Take note of an order.

    Args:
        number: of the order, as the route of this name takes it from the delivery.
    """
    get_run_logger().info("order %s", number)
    # Read and write at vendors by their tasks: `from tasks import jiwa`. What is written there is written once.
    return number'''
TEST: Final = '''\
"""What <flow> does, as a function: no server is needed."""

from <function> import <function>
from prefect.logging import disable_run_logger


async def test_<function>_takes_the_number_of_the_order() -> None:
    with disable_run_logger():
        assert await <function>.fn("100123") == "100123"'''
DEPLOYMENT: Final = """\
name: default
entrypoint: flows/<function>.py:<function>
description: A delivery says which order, and <flow> what happens then.
tags: [own]
work_pool: {name: hookline}
"""
ROUTE: Final = """\
source: <source>
when: body.type | default('') == "<flow>"
deployment: <flow>/default
parameters:
  number: "{{ body.data.number }}"
key: "order {{ body.data.number }}"
label: "order {{ body.data.number }}"
"""
