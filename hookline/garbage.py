"""Python's garbage collector, which by default looks through all that Prefect loads, again and again."""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

USUAL = gc.get_threshold()


@contextmanager
def rarely_collected() -> Iterator[None]:
    """
    Collect rarely within, for code that is loaded is no garbage; nor is it looked through when the process ends.

    A process that stays calls `collect_as_usual` or `collect_less` when its code is loaded.
    """
    gc.set_threshold(50_000, 20, 10)
    atexit.register(gc.freeze)
    try:
        yield
    finally:
        collect_as_usual()


def collect_as_usual() -> None:
    """Collect as Python does by default: what handles large bodies must not keep them."""
    gc.set_threshold(*USUAL)


def collect_less() -> None:
    """Collect more rarely than Python does, and leave out all objects that are loaded now."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 5)
