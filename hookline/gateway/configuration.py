"""The configuration in force in a gateway: the sources of `hooks.yaml`, reloaded on request."""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from hookline.database import CONNECTION_ERRORS, connect, pool
from hookline.hooks import Hooks, hooks_in_force
from hookline.inbox import configuration
from hookline.reloading import Reloadable
from hookline.settings import Settings
from hookline.source_secrets import require_usable

logger = logging.getLogger(__name__)


class Configuration(Reloadable):
    """The sources that are in force in this gateway."""

    def __init__(self, settings: Settings) -> None:
        """
        Read the files.

        Raises:
            ConfigurationError: one is wrong, and none was in force before; names the place.
        """
        super().__init__("gateway")
        self._settings = settings
        self.hooks = sources_in_force(settings)
        self.on_reload: Callable[[], None] = lambda: None
        """Called when other sources are in force."""

    def _read_again(self) -> str:
        self.hooks.replace_by(sources_in_force(self._settings))
        self.on_reload()
        return f"{len(self.hooks.sources)} sources"

    async def report_problems(self) -> None:
        """Report the problems of the files to the inbox, for ever."""
        await self.report_forever(self._report)

    async def _report(self) -> None:
        await configuration.report(await pool(self._settings), self.process, self.hooks.problems)

    async def reload_on_request(self) -> None:
        """Read the files again whenever `hookline apply` asks for it."""
        while True:
            with suppress(*CONNECTION_ERRORS):
                connection = await connect(self._settings)
                try:
                    closed = asyncio.Event()
                    connection.add_termination_listener(lambda _, closed=closed: closed.set())
                    await connection.add_listener(configuration.RELOAD, lambda *_: self.reload())
                    await closed.wait()
                finally:
                    connection.terminate()
            await asyncio.sleep(1)

    @contextmanager
    def reload_on_hangup(self) -> Iterator[None]:
        """Read the files again on SIGHUP while this is open, also on one that came before."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGHUP)


def sources_in_force(settings: Settings) -> Hooks:
    """
    Read `hooks.yaml` as a gateway does, which knows the secrets of its sources.

    Raises:
        ConfigurationError: it is wrong, and none was in force before; names the place or the variable.
    """
    hooks = hooks_in_force(settings.hooks, settings.home, require_usable)
    for problem in hooks.problems:
        logger.error("%s", problem)
    return hooks
