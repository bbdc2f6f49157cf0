"""
The clock and the disk of the machine that a process believes to be on: C libraries that are preloaded into it.

They need a C compiler and no right of root; what they do is in a file each, which all these processes see at once.
"""

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOTHING_GROWS, NOTHING_IS_WRITTEN, SAYS_SO = 1, 2, 4
"""What a full disk does: no file gets longer; no file changes at all; anyone who asks hears that nothing is free."""
MAX_PATH = 4096


def compiled(source: str, folder: Path, **texts: Path) -> Path | None:
    """Compile a library of this folder, with these texts; None where there is no compiler. Any user may load it."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    folder.mkdir(mode=0o755, exist_ok=True)
    library = folder / Path(source).with_suffix(".so").name
    defined = [f'-D{name}="{text}"' for name, text in texts.items()]
    options = ["-shared", "-fPIC", "-O2", "-Wall", "-Werror", *defined, "-o", str(library)]
    subprocess.run([compiler, *options, str(Path(__file__).with_name(source)), "-ldl"], check=True)
    library.chmod(0o755)
    return library


def preloading(*devices: "Clock | Disk | None") -> dict[str, str]:
    """Return the environment of a process with these devices; nothing where there is no compiler."""
    libraries = ":".join(str(device.library) for device in devices if device is not None)
    return {"LD_PRELOAD": libraries} if libraries else {}


class Clock:
    """A clock that can be set."""

    def __init__(self, library: Path, file: Path) -> None:
        self.library = library
        self.file = file

    @classmethod
    def made(cls, folder: Path) -> "Clock | None":
        """A clock of its own, in a folder; None where there is no compiler."""
        library, file = compiled("clock.c", folder, SECONDS=folder / "seconds"), folder / "seconds"
        if library is None:
            return None
        file.write_bytes(bytes(8))
        return cls(library, file)

    def set(self, seconds: float) -> bool:
        """Let it be so many seconds ahead from now on; less than 0: behind."""
        _write(self.file, 0, struct.pack("q", round(seconds * 1e9)))
        return True


class Disk:
    """A disk that can be full, for all that is below one folder."""

    def __init__(self, library: Path, file: Path) -> None:
        self.library = library
        self.file = file

    @classmethod
    def made(cls, folder: Path, below: Path | None = None) -> "Disk | None":
        """A disk, in a folder; None where there is no compiler. `holds` says what is on it, if that is not known yet."""
        library, file = compiled("disk.c", folder, STATE=folder / "state"), folder / "state"
        if library is None:
            return None
        file.write_bytes(bytes(4 + MAX_PATH))
        file.chmod(0o644)
        disk = cls(library, file)
        if below is not None:
            disk.holds(below)
        return disk

    def holds(self, folder: Path) -> None:
        """Let it hold this folder."""
        _write(self.file, 4, os.fsencode(folder.resolve()))

    @contextmanager
    def full(self, how: int = NOTHING_IS_WRITTEN) -> Iterator[None]:
        """Within, it is full."""
        _write(self.file, 0, struct.pack("i", how))
        try:
            yield
        finally:
            _write(self.file, 0, struct.pack("i", 0))


def _write(file: Path, at: int, data: bytes) -> None:
    """Write into a file that processes have mapped: never shorter for a moment, which would end them by SIGBUS."""
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(data)
