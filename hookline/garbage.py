"""
Python's garbage collector, which by default looks through all that Prefect loads, again and again.

A process begins with `expect_to_load`, and calls `tune` when its code is loaded, if it stays.
"""

import atexit
import gc


def expect_to_load() -> None:
    """Make collections rare while code is loaded, and leave the last one out: none of it is garbage."""
    gc.set_threshold(50_000, 20, 10)
    atexit.register(gc.freeze)


def tune() -> None:
    """Make collections rarer than Python does, and leave out all objects that are loaded now."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 5)
