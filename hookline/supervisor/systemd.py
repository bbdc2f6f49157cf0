"""The word to systemd that started this process: that all is ready, and how it is (`Type=notify`)."""

import os
import socket
from contextlib import suppress

from hookline.text import one_line

_MAX_STATUS = 200


def notify(status: str, *, ready: bool = False) -> None:
    """Send a status, and whether all is ready, if systemd waits for it; else do nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    text = f"STATUS={one_line(status, _MAX_STATUS)}" + ("\nREADY=1" if ready else "")
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifying:
        notifying.sendto(text.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)
