"""
What is loaded with what: Prefect takes two seconds and 100 MB, which only those pay who need it.

Who may import whom is held by `lint-imports` (`make check`); it does not see what a library brings along.
"""

import subprocess
import sys

import pytest


def loaded_with(module, folder):
    """The top-level modules that a fresh Python has loaded after one import."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "hookline.gateway.app",
        "hookline.cli",
        "hookline.supervisor",
        "hookline.runtime",
        "hookline.clients",
        "hookline.simulators.server",
    ],
)
def test_what_does_not_need_prefect_does_not_load_it(repository, module):
    loaded = loaded_with(module, repository)

    assert ("hookline" in loaded, set()) == (True, loaded & {"prefect", "flows", "tasks", "blocks"})


def test_the_supervisor_stays_small(repository):
    """It watches the others, and must go on when they cannot."""
    loaded = loaded_with("hookline.supervisor", repository)

    assert set() == loaded & {"prefect", "fastapi", "sqlalchemy", "alembic"}


def test_the_list_of_deliveries_loads_nothing_that_reads_hooks(repository):
    """It is typed many times a day: what the other commands of the inbox need takes longer than all it does."""
    code = (
        "import sys; sys.argv = ['hookline', 'inbox', 'list', '--help']; from hookline.cli import app;"
        "app(sys.argv[1:], result_action='return_value');"
        "print('loaded:', *sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    loaded = set(run.stdout.partition("loaded:")[2].split())

    assert ("hookline.cli.inbox.listing" in loaded, set()) == (
        True,
        loaded & {"hookline.hooks", "hookline.schemes", "jinja2", "jsonschema", "jsonpath", "prefect"},
    )
