"""After a `git pull` that brings a library, a command says which is missing, and what installs it."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys
sys.modules["{library}"] = None
from hookline.cli import main
sys.argv = ["hookline", *{words!r}]
main()
"""


def run_without(library, *words, cwd):
    code = WITHOUT.format(library=library, words=words)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=cwd)


@pytest.mark.parametrize(("library", "words"), [("uvloop", ["sandbox"]), ("httpx", ["operations"])])
def test_a_missing_library_is_named_with_what_installs_it(library, words, tmp_path):
    ended = run_without(library, *words, cwd=tmp_path)

    sentence = (
        f"The library {library} is missing or too old for this version. Install what it needs: make setup\n"
    )
    assert (2, "", sentence) == (ended.returncode, ended.stdout, ended.stderr)


def test_a_mistake_of_our_own_is_none_of_a_library(tmp_path):
    ended = run_without("hookline.simulators.server", "sandbox", cwd=tmp_path)

    assert (1, True) == (ended.returncode, "Traceback" in ended.stderr)
