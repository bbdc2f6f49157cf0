"""The troubles of an engine: loops that fail just now; logged once, and part of its heartbeat while they last."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import httpx

from hookline import text
from hookline.database import is_connection_error
from hookline.prefect_adapter.errors import is_unavailable

logger = logging.getLogger(__name__)
T = TypeVar("T")

SHORT_SECONDS = 10.0
"""The time in which an outage is worth no warning: a server is started again."""


@dataclass
class _Trouble:
    kind: str
    text: str
    since: datetime
    began: float
    warned: bool = False


class Troubles:
    """The loops of an engine that fail, by their names."""

    def __init__(self) -> None:
        self._of: dict[str, _Trouble] = {}

    def note(self, name: str, error: Exception) -> None:
        """Note that a loop failed; warn once for each kind of error, if it lasts or is no outage."""
        one = self._of.get(name)
        if one is None or one.kind != type(error).__name__:
            since, began = (one.since, one.began) if one else (datetime.now(UTC), time.monotonic())
            one = self._of[name] = _Trouble(type(error).__name__, "", since, began)
        one.text = text.one_line(f"{name}: {error or one.kind}", 300)
        is_outage = is_unavailable(error) or is_connection_error(error)
        if one.warned or (is_outage and time.monotonic() - one.began < SHORT_SECONDS):
            return
        one.warned = True
        logger.warning(
            "%s fails, and is tried again: %s",
            name,
            text.reason(f"{one.kind}: {error}"),
            exc_info=None if is_outage or isinstance(error, httpx.HTTPError) else error,
        )

    def clear(self, name: str) -> None:
        """Note that a loop works again."""
        if (one := self._of.pop(name, None)) is not None and one.warned:
            logger.info("%s works again, after %.0f s", name, time.monotonic() - one.began)

    async def fenced(self, name: str, do: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """Return the result of a function; note any error that it raises, and return `otherwise` then."""
        try:
            result = await do()
        except Exception as error:  # noqa: BLE001  (a loop outlives whatever its function raises)
            self.note(name, error)
            return otherwise
        self.clear(name)
        return result

    async def for_ever(
        self, name: str, do: Callable[[], Awaitable[bool | None]], seconds: float, *, first: float = 0
    ) -> None:
        """Call a function again and again, with a wait in between unless it returns True: there is more."""
        await asyncio.sleep(first)
        while True:
            more = await self.fenced(name, do, None)
            await asyncio.sleep(0 if more else seconds)

    @property
    def now(self) -> tuple[str | None, datetime | None]:
        """The loops that fail, as text for people, and since when; None if all work."""
        warned = [one for one in self._of.values() if one.warned]
        if not warned:
            return None, None
        return text.reason("; ".join(one.text for one in warned)), min(one.since for one in warned)
