"""
Flow files, imported so that an error in one harms no other.

Authors of flows may write anything at the top of a file: a mistake, `sys.exit`, an endless loop, code that kills the
process. A file that changed is read into a module of its own, so that runs go on with the code that they began with.
"""

import importlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import FrameType, ModuleType

import psutil

from hookline.errors import ConfigurationError
from hookline.text import one_line, reason

IMPORT_SECONDS = 30.0
"""The time for one file, when the process starts."""
REIMPORT_SECONDS = 5.0
"""The time for one file that changed, while other flows run in this process and wait for it."""
MAX_DEATHS = 3
FORGET_SECONDS = 3600.0
"""The time after which a file that killed its process is tried again."""

_Stamp = tuple[int, int]
_stamps: dict[str, _Stamp] = {}
"""The time of change and the size of the file of each loaded module."""


class _TooLong(BaseException):
    """The import took too long; no Exception, because the file itself may catch those."""


def load(file: str, home: Path | None = None, seconds: float = IMPORT_SECONDS) -> ModuleType:
    """
    Return the module of a flow file as the file is now; the time is limited in the main thread only.

    Args:
        file: its path from the checkout.
        home: the data folder, where it is noted that a file is imported, should it kill this process.
        seconds: time for the import.

    Raises:
        ConfigurationError: it cannot be imported; names the line, and says why.
    """
    name = file.removesuffix(".py").replace("/", ".")
    before = sys.modules.get(name)
    try:
        importlib.invalidate_caches()
        spec = find_spec(name) if before is None else before.__spec__
        stamp = _stamp(spec)
        if before is not None and _stamps.setdefault(name, stamp) == stamp:
            return before
        with _noted(home, file, stamp), _within(seconds):
            module = importlib.import_module(name) if before is None else _import_again(name, before)
    except KeyboardInterrupt:
        raise
    except ConfigurationError:
        raise
    except _TooLong:
        raise ConfigurationError(f"its import takes longer than {seconds:g} s") from None
    except BaseException as error:  # noqa: BLE001  (sys.exit at its top is a mistake like any other)
        raise ConfigurationError(_message(error, file)) from None
    _stamps[name] = stamp
    return module


def _import_again(name: str, before: ModuleType) -> ModuleType:
    """Run the file in a new module; the old one stays as it is for the flows that run in it."""
    spec = before.__spec__
    if spec is None or spec.origin is None:
        raise ImportError(f"there is no file of {name}")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        # Not by the loader, whose cached bytecode knows only the second of the change.
        exec(compile(Path(spec.origin).read_bytes(), spec.origin, "exec"), module.__dict__)  # noqa: S102
    except BaseException:
        sys.modules[name] = before
        raise
    package, _, leaf = name.rpartition(".")
    if package:
        setattr(sys.modules[package], leaf, module)
    return module


def _stamp(spec: ModuleSpec | None) -> _Stamp:
    if spec is None or spec.origin is None:
        return (0, 0)  # its import raises that there is none
    found = Path(spec.origin).stat()
    return found.st_mtime_ns, found.st_size


def _message(error: BaseException, file: str) -> str:
    """Return what was raised, and the line of the file."""
    kind = type(error).__name__
    if isinstance(error, SyntaxError) and error.lineno:
        place = "" if (error.filename or "").endswith(file) else f"{error.filename}, "
        return reason(f"{place}line {error.lineno}: {kind}: {error.msg}")
    if isinstance(error, ModuleNotFoundError) and not error.__traceback__:
        return reason(error)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(file)]
    text = (
        one_line(error) if isinstance(error, ImportError | AttributeError) else f"{kind}: {one_line(error)}"
    )
    return reason(f"line {frames[-1].lineno}: {text}" if frames else text)


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise _TooLong if it takes longer; only the main thread can be interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class _Note:
    """A note that a process has begun to import a file."""

    path: Path
    file: str
    stamp: _Stamp
    pid: int
    since: float

    @classmethod
    def read(cls, path: Path) -> "_Note | None":
        try:
            return cls(path, **{**(found := json.loads(path.read_text())), "stamp": tuple(found["stamp"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def is_of_dead_process(self) -> bool:
        try:
            return psutil.Process(self.pid).create_time() != self.since
        except psutil.Error:
            return True

    @property
    def is_old(self) -> bool:
        with suppress(OSError):
            return time.time() - self.path.stat().st_mtime > FORGET_SECONDS
        return True


def being_imported(home: Path) -> str | None:
    """Return the file that a process was importing when it died; None where there is none."""
    notes = (_Note.read(path) for path in (home / "in-force" / "importing").glob("*.json"))
    return next((note.file for note in notes if note), None)


@contextmanager
def _noted(home: Path | None, file: str, stamp: _Stamp) -> Iterator[None]:
    """
    Note that the file is imported, while the context lasts.

    Raises:
        ConfigurationError: as it is now, it ended the process that imported it, again and again.
    """
    if home is None:
        yield
        return
    folder = home / "in-force" / "importing"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    notes = [note for path in folder.glob("*.json") if (note := _Note.read(path)) and note.file == file]
    deaths = [note for note in notes if note.stamp == stamp and note.is_of_dead_process and not note.is_old]
    if len(deaths) >= MAX_DEATHS:
        raise ConfigurationError(f"its import ended the process {len(deaths)} times")
    this = psutil.Process()
    text = {"file": file, "stamp": stamp, "pid": this.pid, "since": this.create_time()}
    path = folder / f"{os.getpid()}-{threading.get_ident()}.json"
    path.write_text(json.dumps(text))
    try:
        yield
    finally:
        for done in (path, *(note.path for note in notes if note not in deaths and note.is_of_dead_process)):
            done.unlink(missing_ok=True)
    for death in deaths:
        death.path.unlink(missing_ok=True)
