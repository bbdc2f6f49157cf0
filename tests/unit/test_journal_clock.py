"""The clock that nobody sets tells a time that has passed, of this machine and since it was started."""

import pytest

from hookline.journal import clock


def test_seconds_pass_since_a_stamp_of_this_machine(monkeypatch):
    written = clock.stamp()
    then = float(written.partition(" ")[2])
    monkeypatch.setattr(clock, "now", lambda: then + 90)

    assert pytest.approx(90) == clock.seconds_since(written)


@pytest.mark.parametrize(
    "written", [None, "", "another-boot 12.5", "another-boot", " 12.5", clock.stamp().split()[0]]
)
def test_of_another_boot_or_of_no_stamp_nothing_is_known(written):
    assert None is clock.seconds_since(written)
