"""The proof can fail: what it would find if the journal did nothing, or did not know about time."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(("without", "orders", "seed"), [("journal", 30, 7), ("landing-time", 60, 41)])
def test_without_what_prevents_them_the_check_finds_doubled_licenses(without, orders, seed):
    words = ["--orders", str(orders), "--seed", str(seed), "--without", without]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *words],
        capture_output=True,
        text=True,
        timeout=500,
    )

    assert 1 == ended.returncode, ended.stdout + ended.stderr
    assert "licenses doubled" in ended.stdout
    assert f"make chaos SEED={seed} ORDERS={orders}" in ended.stdout
