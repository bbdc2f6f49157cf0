"""A clock of one module alone: a thread that reads a clock which is set for all of them may wait for an hour."""

import time
from types import SimpleNamespace


def set_clock(monkeypatch, module, monotonic):
    """Let this module alone read this monotonic clock."""
    monkeypatch.setattr(f"{module}.time", SimpleNamespace(**{**vars(time), "monotonic": monotonic}))
