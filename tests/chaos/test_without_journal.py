"""The proof can fail: what it would find if the journal did nothing."""

import subprocess
import sys


def test_without_the_journal_the_check_finds_doubled_licenses():
    ended = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--orders", "30", "--seed", "7", "--without-journal"],
        capture_output=True,
        text=True,
        timeout=500,
    )

    assert 1 == ended.returncode, ended.stdout + ended.stderr
    assert "licenses doubled" in ended.stdout
    assert "make chaos SEED=7 ORDERS=30" in ended.stdout
