"""The room on the disk: how large the databases are, how fast they grow, and how long it lasts."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from hookline.database.sizes import Size
from hookline.settings import Settings

GROWN_DAYS: Final = 14
"""The latest days that tell how fast the databases grow."""
SHORTEST: Final = timedelta(hours=20)
"""The time between two sizes that tells it at the least."""
MB: Final = 1_000_000


@dataclass(frozen=True)
class Room:
    """The bytes that the databases have, that they grow by in a day, and that are free."""

    used: int
    free: int
    a_day: float | None
    """None: it is not known yet."""
    is_here: bool
    """False: the databases are on another server, whose disk cannot be seen."""

    @property
    def days(self) -> float | None:
        """The days until the disk is full; None if that is not known, or never comes."""
        return self.free / self.a_day if self.is_here and self.a_day and self.a_day > 0 else None


def room(settings: Settings, noted: Sequence[Size]) -> Room:
    """
    Return the room on the disk.

    Args:
        settings: say where the data is, and how much is left free at the least.
        noted: the sizes that engines have noted, the oldest first.
    """
    time = noted[-1].at - noted[0].at if noted else timedelta(0)
    grown = noted[-1].of_bytes - noted[0].of_bytes if noted else 0
    return Room(
        used=noted[-1].of_bytes if noted else 0,
        free=max(0, shutil.disk_usage(settings.home).free - settings.min_free_mb * MB),
        a_day=grown / (time / timedelta(days=1)) if time >= SHORTEST else None,
        is_here=settings.database_url is None,
    )
