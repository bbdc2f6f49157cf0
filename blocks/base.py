"""What the credentials of all vendors have in common."""

import math
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self, cast

from prefect.blocks.abstract import CredentialsBlock
from prefect.concurrency.asyncio import concurrency, rate_limit
from pydantic import Field, HttpUrl

from hookline.clients import VendorClient
from hookline.settings import VendorSettings

SECONDS_TO_KEEP: Final = 30.0
_loaded: dict[tuple[type, str], tuple[float, Any]] = {}


@dataclass(frozen=True)
class Connection:
    """What a connection check found out, in words."""

    accepted_as: str
    """Who the vendor takes us for."""
    clock_difference: float | None = None
    """Seconds that the vendor's clock is ahead of ours; None where it does not tell."""


@dataclass(frozen=True)
class Limit:
    """A global concurrency limit of Prefect that a vendor account's calls go through."""

    name: str
    slots: int
    freed_per_second: float = 0.0
    """Slots that become free by themselves; 0: they are given back when the call has ended."""


class VendorCredentials(CredentialsBlock):
    """Credentials for one vendor account, and how much may be asked of it."""

    vendor: ClassVar[str]
    settings: ClassVar[type[VendorSettings]]

    base_url: str = Field(description="Address of the vendor's API.")
    concurrent_calls: int | None = Field(
        default=None, ge=1, description="Most calls at once, from all processes; empty for no limit."
    )
    calls_per_second: float | None = Field(
        default=None, gt=0, description="Most calls a second, from all processes; empty for no limit."
    )

    @classmethod
    async def named(cls, name: str) -> Self:
        """
        The stored credentials of this name, read from the Prefect server at most every half minute.

        Every run needs them, and each reading costs it 20 ms or more; a changed secret is in use 30 s later.
        """
        loaded = _loaded.get((cls, name))
        if loaded is None or time.monotonic() - loaded[0] > SECONDS_TO_KEEP:
            loaded = _loaded[cls, name] = (time.monotonic(), await cls.aload(name))
        return cast("Self", loaded[1])

    @classmethod
    def from_environment(cls) -> Self:
        """
        The credentials that the environment holds.

        Raises:
            ConfigurationError: a variable is missing or not right; names it.
        """
        given = cls.settings.load()
        return cls(**{name: getattr(given, name) for name in type(given).model_fields})

    @property
    def stored_as(self) -> str:
        """The name they are stored by; "" where they are not."""
        return self._block_document_name or ""

    def limits(self, name: str) -> list[Limit]:
        """The limits of the stored credentials of this name; `hookline apply` makes them."""
        limits = []
        if self.concurrent_calls is not None:
            limits.append(Limit(f"{self.vendor}-{name}-calls", self.concurrent_calls))
        if self.calls_per_second is not None:
            rate = self.calls_per_second
            limits.append(Limit(f"{self.vendor}-{name}-rate", max(1, math.floor(rate)), rate))
        return limits

    def limiter(self) -> Callable[[], AbstractAsyncContextManager[None]]:
        """What each call of a client enters first; nothing, unless these are stored credentials with a limit."""
        limits = self.limits(self.stored_as) if self.stored_as else []
        return (lambda: _admitted(limits)) if limits else nullcontext

    @abstractmethod
    def get_client(self) -> VendorClient:
        """A client for one `async with`; make another for the next."""

    @abstractmethod
    async def check_connection(self) -> Connection:
        """
        Ask the vendor, changing nothing, whether it is there and lets us in.

        Raises:
            VendorError: it is not, or does not; says what to do.
        """


@asynccontextmanager
async def _admitted(limits: list[Limit]) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for limit in limits:
            if limit.freed_per_second:
                await rate_limit(limit.name)
            else:
                await stack.enter_async_context(concurrency(limit.name))
        yield


def logo_at(gateway_url: str, vendor: str) -> HttpUrl:
    """The address of a vendor's logo: the gateway serves it, so that the Prefect UI fetches nothing from afar."""
    return HttpUrl(f"{gateway_url}/logos/{vendor}.svg")


def logo(vendor: str) -> HttpUrl:
    """The address of a vendor's logo at a gateway on its usual port; `apply` sets the real one."""
    return logo_at("http://127.0.0.1:8400", vendor)
