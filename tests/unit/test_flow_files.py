"""A flow file is imported so that it changes nothing of the process but its own module."""

import logging
import sys
from contextlib import suppress
from io import StringIO
from uuid import uuid4

import pytest

from hookline.errors import ConfigurationError
from hookline.provisioning import flow_files

SILENCES_ALL = """
from logging.config import dictConfig

dictConfig({"version": 1, "incremental": False})
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a flow file that Python finds, and return its path as `prefect.yaml` has it."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text):
        name = f"flow_file_{uuid4().hex}"
        (tmp_path / f"{name}.py").write_text(text)
        return f"{name}.py"

    yield write
    for name in [name for name in sys.modules if name.startswith("flow_file_")]:
        del sys.modules[name]


@pytest.mark.parametrize("ending", ["", "raise ValueError('and it fails')\n"])
def test_a_flow_file_that_configures_logging_silences_nobody_else(write, ending):
    said = StringIO()
    logger = logging.getLogger(f"of the engine {uuid4().hex}")
    logger.setLevel("INFO")
    logger.propagate = False
    logger.addHandler(logging.StreamHandler(said))
    root = [*logging.root.handlers]

    with suppress(ConfigurationError):
        flow_files.load(write(SILENCES_ALL + ending))
    logger.info("heard")

    assert ("heard\n", root, False) == (said.getvalue(), logging.root.handlers, logger.disabled)


def test_a_flow_of_a_project_is_loaded_by_its_path_and_again_when_it_changed(tmp_path):
    project = tmp_path / "Müller & Söhne"
    (project / "flows").mkdir(parents=True)
    path = project / "flows" / "order_to_license.py"  # a name that the package `flows` has, too
    path.write_text("VERSION = 1")
    first = flow_files.load("flows/order_to_license.py", folder=project)
    again = flow_files.load("flows/order_to_license.py", folder=project)
    path.write_text("VERSION = 'another'")
    changed = flow_files.load("flows/order_to_license.py", folder=project)

    assert again is first
    assert (first.VERSION, changed.VERSION) == (1, "another")
    assert flow_files.load("flows/order_to_license.py").WORKFLOW == "order-to-license"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_of_this_name", r"^line 1: No module named 'nothing_of_this_name'"),
        ("\n1 / 0", r"^line 2: ZeroDivisionError"),
        ("def", r"^line 1: SyntaxError"),
        (None, r"^there is no file .*flows/mine\.py$"),
    ],
)
def test_a_flow_of_a_project_that_cannot_be_loaded_is_answered_with_its_line(text, message, tmp_path):
    (tmp_path / "flows").mkdir()
    if text is not None:
        (tmp_path / "flows" / "mine.py").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        flow_files.load("flows/mine.py", folder=tmp_path)
    assert not [name for name in sys.modules if name.endswith(".flows.mine")]
