"""A machine for a test: the files of this one in memory, on which systemd boots and a script runs as root."""

import atexit
import os
import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

PYTHON = "/usr/bin/python3"
"""Of the system: a Python below somebody's home is hidden from a service."""
_BOOT = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/new" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/new,workdir=$1/work" "$1/root"
root="$1/root"
shift
: >"$root/etc/machine-id"
rm -rf "$root"/etc/systemd/system/*.wants "$root"/var/log/journal
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s /opt/story.service "$root/etc/systemd/system/multi-user.target.wants/story.service"
ln -s /opt/story.service "$root/etc/systemd/system/story.service"
exec systemd-nspawn --quiet --directory="$root" --register=no --keep-unit --link-journal=no "$@"
"""
_STORY = """
[Unit]
Description=The script of a test

[Service]
Type=oneshot
ExecStart=/bin/bash /opt/story.sh
ExecStopPost=/bin/systemctl --force --no-block poweroff
StandardOutput=file:/opt/story.log
StandardError=inherit
Environment=HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb
TimeoutStartSec={seconds}
"""
_SHUTDOWN_SECONDS = 120
_TAIL = 4000
"""Characters that are shown of a script that did not come to its end."""
_PASSED = ("SSL_", "PIP_", "UV_", "HTTPS_PROXY", "NO_PROXY")


def missing():
    """Say why no such machine can be had here; None if it can."""
    if os.geteuid() != 0:
        return "only root can boot a machine in a namespace"
    absent = [name for name in ("systemd-nspawn", "unshare", PYTHON) if shutil.which(name) is None]
    if absent:
        return f"{' and '.join(absent)} not installed (systemd-container)"
    tried = subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    return tried.stderr.strip() or None


def installed(folder, repository):
    """Put the product into `folder`/hookline as a person does, with the system's Python; it will be at /opt/hookline."""
    subprocess.run(["cp", "--archive", _installation(repository) / "hookline", folder], check=True)


@cache
def _installation(repository):
    """Make that folder once for all tests of this process."""
    folder = Path(tempfile.mkdtemp(prefix="hookline-opt-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    (folder / "hookline").mkdir()
    names = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, check=True).stdout
    tar = subprocess.run(
        ["tar", "-c", "--null", "-T", "-"], cwd=repository, input=names, capture_output=True, check=True
    ).stdout
    subprocess.run(["tar", "-x"], cwd=folder / "hookline", input=tar, check=True)
    passed = [f"--setenv={name}={value}" for name, value in os.environ.items() if name.startswith(_PASSED)]
    _boot(folder, *passed, "--pipe", "make", "-C", "/opt/hookline", "setup", f"PYTHON={PYTHON}", seconds=600)
    return folder


def run(folder, story, *, seconds=900):
    """Boot, run the script as root for as long at most, and return all that it printed."""
    (folder / "story.sh").write_text(f"{story}\ntouch /opt/ended\n")
    (folder / "story.service").write_text(_STORY.format(seconds=seconds))
    console = _boot(folder, "--private-network", "--boot", seconds=seconds + _SHUTDOWN_SECONDS)
    log = folder / "story.log"
    assert log.exists(), console
    printed = log.read_text(errors="replace")
    assert (folder / "ended").exists(), f"not at its end after {seconds} s:\n{printed[-_TAIL:]}"
    return printed


def problems(findings):
    """Return the problems that `doctor` found, but for those of a machine that is slow just now."""
    found = [each for each in findings if each["state"] == "problem"]
    return [each for each in found if not each["detail"].startswith("no answer within")]


def _boot(folder, *words, seconds):
    memory = Path(folder, f"memory-{time.monotonic_ns()}")
    memory.mkdir()
    boot = ["unshare", "-m", "bash", "-c", _BOOT, "boot", str(memory), f"--bind={folder}:/opt", *words]
    ended = subprocess.run(
        boot,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=seconds,
        check=False,
        start_new_session=True,
    )
    return (ended.stdout + ended.stderr).decode(errors="replace")
