"""The sources that a gateway works by: read again when somebody asks for it, and what is wrong with them told."""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from hookline.database import CONNECTION_ERRORS, connect, pool
from hookline.errors import HooklineError
from hookline.gateway import schemes
from hookline.hooks import Hooks, Source, hooks_in_force
from hookline.inbox import configuration
from hookline.settings import (
    SECRET_PREFIX,
    TOKEN_PREFIX,
    Settings,
    all_webhook_secrets,
    handshake_tokens,
    read_dotenv,
    variable_of,
    webhook_secrets,
)

logger = logging.getLogger(__name__)

REPORT_SECONDS = 30.0
PROCESS = configuration.process_on_this_machine("gateway")


class Configuration:
    """The sources that are in force in this gateway; all who work by them hold the same object."""

    def __init__(self, settings: Settings) -> None:
        """
        Read the files.

        Raises:
            ConfigurationError: one is wrong, and none was in force before; names the place.
        """
        self._settings = settings
        self.hooks = sources_in_force(settings)
        self._told = asyncio.Event()
        self.on_reload: Callable[[], None] = lambda: None
        """Called when other sources are in force."""

    def reload(self) -> None:
        """Read the files again: what is right in them is in force for the next request."""
        try:
            read_dotenv()
            self.hooks.replace_by(sources_in_force(self._settings))
        except HooklineError as error:
            logger.error("the files cannot be read again, and all stays as it is: %s", error)  # noqa: TRY400
            return
        self.on_reload()
        self._told.set()
        logger.info("the files were read again: %d sources", len(self.hooks.sources))

    async def keep_told(self) -> None:
        """Tell the inbox what is wrong, now and again."""
        while True:
            self._told.clear()
            try:
                await configuration.report(await pool(self._settings), PROCESS, self.hooks.problems)
            except CONNECTION_ERRORS as error:
                logger.debug("cannot tell now what is wrong with the files: %s", error)
            except Exception:
                logger.exception("cannot tell what is wrong with the files")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), REPORT_SECONDS)

    async def listen(self) -> None:
        """Read the files again whenever `hookline apply` asks for it."""
        while True:
            with suppress(*CONNECTION_ERRORS):
                connection = await connect(self._settings)
                try:
                    gone = asyncio.Event()
                    connection.add_termination_listener(lambda _, gone=gone: gone.set())
                    await connection.add_listener(configuration.RELOAD, lambda *_: self.reload())
                    await gone.wait()
                finally:
                    connection.terminate()
            await asyncio.sleep(1)

    @contextmanager
    def on_hangup(self) -> Iterator[None]:
        """Within, the files are read again on SIGHUP, also on one that came before."""
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
    hooks = hooks_in_force(settings.hooks, settings.home, require_readable_secrets)
    for problem in hooks.problems:
        logger.error("%s", problem)
    return hooks


def require_readable_secrets(name: str, source: Source) -> None:
    """
    Check that the secrets of the environment are of the form that the source's scheme needs, and its tokens no secrets.

    Raises:
        ValueError: names the variable, never the secret.
    """
    for secret in webhook_secrets(name):
        try:
            schemes.require_strong(source.auth_scheme, secret.get_secret_value())
        except ValueError as error:
            raise ValueError(f"{variable_of(SECRET_PREFIX, name)}: one of its secrets is {error}.") from None
    if any(token.get_secret_value() in all_webhook_secrets() for token in handshake_tokens(name)):
        raise ValueError(
            f"{variable_of(TOKEN_PREFIX, name)}: one of its tokens is also a webhook secret. It travels in an "
            "address, where others may read it, and could then sign deliveries: choose another token."
        )
