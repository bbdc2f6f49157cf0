"""Projects and vendors of their own, for tests: a folder on `sys.path` for one test, forgotten after it."""

import importlib
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from prefect.blocks.core import Block
from prefect.utilities.dispatch import get_registry_for_type

from hookline import project, vendors
from hookline.facts import facts_of
from hookline.new_flow import make_flow

LAGER7 = Path(__file__).parent / "samples" / "lager7"
"""A whole vendor in one folder, which the core does not know."""


def new_project(folder):
    """Make a folder that is known as a project, with a folder for its vendors."""
    (folder / "vendors").mkdir(parents=True)
    for name in project.FILES:
        (folder / name).write_text("")
    return folder


def new_flow(folder, name, source):
    """Make a flow in a project whose files stand where `hookline init` writes them."""
    return make_flow(folder, name, source, hooks=folder / "hooks.yaml", prefect=folder / "prefect.yaml")


def add_lager7(folder):
    """Put the sixth vendor into a project."""
    shutil.copytree(LAGER7, folder / "vendors" / "lager7", ignore=shutil.ignore_patterns("__pycache__"))


def add_vendor(folder, name, **files):
    """Put a vendor's package into a project: the text of each module, by its name."""
    package = folder / "vendors" / name
    package.mkdir(parents=True)
    for module, text in files.items():
        (package / f"{module}.py").write_text(text)


@contextmanager
def on_path(*folders):
    """Let this process find what is in these folders, and forget it afterwards."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        for folder in folders:
            patch.syspath_prepend(folder)
        _forget()
        try:
            yield
        finally:
            packages = {*(path.name for each in folders for path in each.glob("*"))}
            for name in set(sys.modules) - before:
                if name.partition(".")[0] in packages:
                    del sys.modules[name]
            get_registry_for_type(Block).pop("lager7-credentials", None)
    importlib.invalidate_caches()
    _forget()


def _forget():
    for name in [each for each in sys.modules if each.partition(".")[0] == "vendors"]:
        del sys.modules[name]  # a package of many folders, which keeps the last ones when none is left
    vendors._read.cache_clear()
    facts_of.cache_clear()
