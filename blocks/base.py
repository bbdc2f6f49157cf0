"""The base of the credentials blocks: caching, limits, the connection check."""

import math
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self, cast

from prefect.blocks.abstract import CredentialsBlock
from prefect.concurrency.asyncio import concurrency, rate_limit
from prefect.exceptions import ObjectNotFound
from pydantic import HttpUrl

from hookline import accounts
from hookline.clients.transport import Options, VendorClient
from hookline.errors import ConfigurationError
from hookline.outages.watch import AccountWatch, watch
from hookline.rehearsal import doors
from hookline.settings import VendorSettings, settings

CACHE_SECONDS: Final = 30.0
LIMITS: Final = ("calls", "rate")
"""The ends of the names of the limits of an account."""
_loaded: dict[tuple[type, str], tuple[float, Any]] = {}


@dataclass(frozen=True)
class Connection:
    """The result of a connection check."""

    accepted_as: str
    """The user or account that the vendor accepted, in words."""
    clock_difference: float | None = None
    """Seconds that the vendor's clock is ahead of ours; None if the vendor does not send its time."""


@dataclass(frozen=True)
class Limit:
    """A global concurrency limit of Prefect that a vendor account's calls go through."""

    name: str
    slots: int
    freed_per_second: float = 0.0
    """Slots that become free by themselves; 0: a slot is free again when its call has ended."""


class BlockMissing(ConfigurationError):
    """There are no stored credentials of this name."""

    def __init__(self, vendor: str, name: str) -> None:
        super().__init__(
            f"There is no block {vendor}-credentials/{name} at Prefect. Make it there, or set the variables of this "
            "account and run `hookline apply` (docs/accounts.md); a delivery that needs it can be replayed then."
        )
        self.arguments = (vendor, name)

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        """Pickle by its arguments: Prefect stores the error of a failed run."""
        return type(self), self.arguments


class VendorCredentials(CredentialsBlock, VendorSettings):
    """
    Credentials for one vendor account, with its limits.

    A block inherits its fields from the vendor's settings, so that Prefect's form and the environment are the same.
    """

    vendor: ClassVar[str]

    @classmethod
    async def named(cls, name: str) -> Self:
        """
        Return the stored credentials of this name, read from the Prefect server at most every half minute.

        Every run needs them, and reading them takes 20 ms or more; a changed secret is in use 30 s later.

        Raises:
            BlockMissing: there are none of this name.
        """
        if (rehearsal := doors.current()) is not None:
            return cast("Self", rehearsal.account(cls, name))
        loaded = _loaded.get((cls, name))
        if loaded is None or time.monotonic() - loaded[0] > CACHE_SECONDS:
            try:
                stored = await cls.aload(name)
            except ValueError as error:
                if isinstance(error.__cause__, ObjectNotFound):
                    raise BlockMissing(cls.vendor, name) from None
                raise
            loaded = _loaded[cls, name] = (time.monotonic(), stored)
        return cast("Self", loaded[1])

    @property
    def stored_as(self) -> str:
        """The name they are stored by; "" if they are not stored."""
        return self._block_document_name or ""

    def limits(self, name: str) -> list[Limit]:
        """Return the limits of the stored credentials of this name; `hookline apply` makes them."""
        limits = []
        if self.concurrent_calls is not None:
            limits.append(Limit(f"{self.vendor}-{name}-calls", self.concurrent_calls))
        if self.calls_per_second is not None:
            rate = self.calls_per_second
            limits.append(Limit(f"{self.vendor}-{name}-rate", max(1, math.floor(rate)), rate))
        return limits

    def limiter(self) -> Callable[[], AbstractAsyncContextManager[None]]:
        """Return what each call of a client enters first; nothing, unless these are stored credentials with a limit."""
        limits = self.limits(self.stored_as) if self.stored_as else []
        return (lambda: _slots(limits)) if limits else nullcontext

    def watch(self) -> AccountWatch | None:
        """Return the watch over the health of stored credentials' account; of others, none is kept."""
        return watch(settings(), self.vendor, self.stored_as) if self.stored_as else None

    def options(self) -> Options:
        """Return what its clients take beside the log-in: limits, watch and time limit."""
        return accounts.options(self.limiter(), self.watch())

    @abstractmethod
    def get_client(self) -> VendorClient:
        """Return a client for one `async with`; make another for the next."""

    @abstractmethod
    async def check_connection(self) -> Connection:
        """
        Check, without changing anything, that the vendor answers and accepts the log-in.

        Raises:
            VendorError: it does not; says what to do.
        """


@asynccontextmanager
async def _slots(limits: list[Limit]) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for limit in limits:
            if limit.freed_per_second:
                await rate_limit(limit.name)
            else:
                await stack.enter_async_context(concurrency(limit.name))
        yield


def logo_at(gateway_url: str, vendor: str) -> HttpUrl:
    """Return the address of a vendor's logo at the gateway, so that the Prefect UI fetches nothing from elsewhere."""
    return HttpUrl(f"{gateway_url}/logos/{vendor}.svg")


def logo(vendor: str) -> HttpUrl:
    """Return the address of a vendor's logo at a gateway on its usual port; `apply` sets the real one."""
    return logo_at("http://127.0.0.1:8400", vendor)
