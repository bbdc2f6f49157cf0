"""
A user namespace in which root is an ordinary user, for programs that refuse to run as root (user_namespaces(7)).

The files of root stay its own there; whatever else root may do, the program may not. As a script it becomes such a
user and then the program that its arguments name.
"""

import ctypes
import os
import pwd
import subprocess
import sys
from functools import cache
from pathlib import Path

_CLONE_NEWUSER = 0x10000000


def command(*program: str) -> list[str]:
    """Return how root runs a program as an ordinary user."""
    return [sys.executable, "-I", "-S", __file__, *program]


@cache
def available() -> bool:
    """Return True if root can become an ordinary user here; most containers forbid it."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    return subprocess.run(command("/bin/true"), check=False, capture_output=True).returncode == 0  # noqa: S603


def _become_ordinary() -> None:
    uid = min(user.pw_uid for user in pwd.getpwall() if user.pw_uid != 0)  # one with a name: some ask for it
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "no user namespace")
    Path("/proc/self/setgroups").write_text("deny")
    for kind in ("uid", "gid"):
        Path(f"/proc/self/{kind}_map").write_text(f"{uid} 0 1")


if __name__ == "__main__":
    _become_ordinary()
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606
