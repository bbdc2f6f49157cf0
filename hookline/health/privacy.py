"""Whether what is secret can be read by others on this machine."""

import stat
from pathlib import Path

from hookline.health.finding import Finding

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def check_dotenv(path: Path) -> Finding:
    """Find out whether others may read `.env`, which holds the vendors' log-ins."""
    check = ".env"
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Finding(check, "skipped", "there is none; settings come from the environment")
    except OSError as error:
        return Finding(check, "problem", f"{path} cannot be looked at: {error.strerror}", f"ls -l {path}")
    if mode & OTHERS:
        detail = f"other users of this machine may read or write {path} (mode {stat.S_IMODE(mode):04o})"
        return Finding(check, "problem", detail, f"chmod 600 {path}")
    return Finding(check, "ok", f"{path} is private")
