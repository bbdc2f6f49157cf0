"""Configuration files of a running process: read again on request, with their problems reported to the inbox."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import ClassVar

from hookline.database import CONNECTION_ERRORS
from hookline.errors import HooklineError
from hookline.inbox import configuration
from hookline.settings import read_dotenv

logger = logging.getLogger(__name__)

REPORT_SECONDS = 30.0


class Reloadable(ABC):
    """The files of one process; all parts of it hold the same objects, so that a reload reaches them all."""

    unavailable: ClassVar[tuple[type[Exception], ...]] = CONNECTION_ERRORS
    """Errors of a report that only mean that it must wait."""

    def __init__(self, kind: str) -> None:
        self.process = configuration.process_on_this_machine(kind)
        self._reloaded = asyncio.Event()

    @abstractmethod
    def _read_again(self) -> str:
        """Read the files and put what is right in them in force; return a summary. May raise HooklineError."""

    def reload(self) -> None:
        """Read the files again: what is right in them is in force from now on, and what runs goes on as it began."""
        try:
            read_dotenv()
            summary = self._read_again()
        except HooklineError as error:
            logger.error("the files cannot be read again, and all stays as it is: %s", error)  # noqa: TRY400
            return
        self._reloaded.set()
        logger.info("the files were read again: %s", summary)

    async def report_forever(self, report: Callable[[], Awaitable[None]]) -> None:
        """Report the problems after each reload and every half a minute."""
        while True:
            self._reloaded.clear()
            try:
                await report()
            except self.unavailable as error:
                logger.warning("the problems of the files cannot be reported now: %s", error)
            except Exception:
                logger.exception("the problems of the files cannot be reported")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._reloaded.wait(), REPORT_SECONDS)
