"""Clients for the vendor accounts of the environment; those of stored accounts are made by their Prefect blocks."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from hookline.account_keys import DEFAULT
from hookline.clients import CLIENTS, VendorClient
from hookline.clients.transport import Options, Watch
from hookline.settings import VENDORS, settings


def options(
    limiter: Callable[[], AbstractAsyncContextManager[None]] = nullcontext, watch: Watch | None = None
) -> Options:
    """Return what the clients of all vendors take alike."""
    return {"limiter": limiter, "watch": watch, "timeout": settings().call_seconds}


def from_environment(vendor: str, account: str = DEFAULT) -> VendorClient:
    """
    Return a client for an account in the environment; the limits of stored credentials do not apply to it.

    Raises:
        ConfigurationError: a variable is missing or not right; names it.
    """
    return CLIENTS[vendor].connect(VENDORS[vendor].from_environment(account), **options())
