"""What the credentials of all vendors have in common."""

import time
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Final, Self, cast

from prefect.blocks.abstract import CredentialsBlock
from pydantic import HttpUrl

from hookline.clients import VendorClient

SECONDS_TO_KEEP: Final = 30.0
_loaded: dict[tuple[type, str], tuple[float, Any]] = {}


@dataclass(frozen=True)
class Connection:
    """What a connection check found out, in words."""

    accepted_as: str
    """Who the vendor takes us for."""
    clock_difference: float | None = None
    """Seconds that the vendor's clock is ahead of ours; None where it does not tell."""


class VendorCredentials(CredentialsBlock):
    """Credentials for one vendor account."""

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
    @abstractmethod
    def from_environment(cls) -> Self:
        """
        The credentials that the environment holds.

        Raises:
            ConfigurationError: a variable is missing or not right; names it.
        """

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


def logo_at(gateway_url: str, vendor: str) -> HttpUrl:
    """The address of a vendor's logo: the gateway serves it, so that the Prefect UI fetches nothing from afar."""
    return HttpUrl(f"{gateway_url}/logos/{vendor}.svg")


def logo(vendor: str) -> HttpUrl:
    """The address of a vendor's logo at a gateway on its usual port; `apply` sets the real one."""
    return logo_at("http://127.0.0.1:8400", vendor)
