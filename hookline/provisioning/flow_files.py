"""
Flow files, imported so that an error in one harms no other.

Authors of flows may write anything at the top of a file: a mistake, `sys.exit`, an endless loop, code that kills the
process. A file that changed is read into a module of its own, so that runs go on with the code that they began with.
"""

import hashlib
import importlib
import json
import logging
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
from importlib.util import find_spec, module_from_spec, spec_from_file_location
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


def load(
    file: str, home: Path | None = None, seconds: float = IMPORT_SECONDS, folder: Path | None = None
) -> ModuleType:
    """
    Return the module of a flow file as the file is now; the time is limited in the main thread only.

    Args:
        file: its path from the folder.
        home: the data folder, where it is noted that a file is imported, should it kill this process.
        seconds: time for the import.
        folder: of the project, whose flows are in no package; None: the file is found as Python finds a module.

    Raises:
        ConfigurationError: it cannot be imported; names the line, and says why.
    """
    name = _module_name(file, folder)
    before = sys.modules.get(name)
    try:
        importlib.invalidate_caches()
        spec = before.__spec__ if before else _spec(name, file, folder)
        stamp = _stamp(spec)
        if before is not None and _stamps.setdefault(name, stamp) == stamp:
            return before
        with _noted(home, file, stamp), _logging_as_it_is(), _within(seconds):
            by_path = before or folder
            module = _run_file(name, spec, before) if by_path else importlib.import_module(name)
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


def _module_name(file: str, folder: Path | None) -> str:
    name = file.removesuffix(".py").replace("/", ".")
    if folder is None:
        return name
    return f"project_{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}.{name}"


def _spec(name: str, file: str, folder: Path | None) -> ModuleSpec | None:
    if folder is None:
        return find_spec(name)
    if not (folder / file).is_file():
        raise ConfigurationError(f"there is no file {folder / file}")
    return spec_from_file_location(name, folder / file)


def _run_file(name: str, spec: ModuleSpec | None, before: ModuleType | None) -> ModuleType:
    """Run the file in a new module; one from before stays as it is for the flows that run in it."""
    if spec is None or spec.origin is None:
        raise ImportError(f"there is no file of {name}")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        # Not by the loader, whose cached bytecode knows only the second of the change.
        exec(compile(Path(spec.origin).read_bytes(), spec.origin, "exec"), module.__dict__)  # noqa: S102
    except BaseException:
        if before:
            sys.modules[name] = before
        else:
            del sys.modules[name]
        raise
    package, _, leaf = name.rpartition(".")
    if package in sys.modules:
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
def _logging_as_it_is() -> Iterator[None]:
    """Undo what a file changes in the loggers of this process: `logging.config` would silence all of them."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    before = {
        one: (one.level, one.propagate, one.disabled, [*one.handlers])
        for one in loggers
        if isinstance(one, logging.Logger)
    }
    try:
        yield
    finally:
        for one, (level, propagate, disabled, handlers) in before.items():
            one.setLevel(level)
            one.propagate, one.disabled, one.handlers = propagate, disabled, handlers


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
