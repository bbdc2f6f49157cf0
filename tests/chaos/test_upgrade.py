"""An upgrade while orders come: the old code and the newer one work side by side on one database."""

import subprocess
import sys


def test_each_process_is_started_again_with_newer_code_and_nothing_is_lost_or_doubled():
    words = ["--orders", "40", "--seed", "5", "--upgrade"]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *words], capture_output=True, text=True, timeout=600
    )

    assert 0 == ended.returncode, ended.stdout + ended.stderr
    assert "Nothing lost, nothing twice" in ended.stdout
    assert "of which while both were at work" in ended.stdout
