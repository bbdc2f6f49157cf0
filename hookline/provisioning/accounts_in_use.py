"""The vendor accounts that flows here use: simulators of this machine, or real ones."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from prefect.client.orchestration import get_client

from blocks.stored import stored_blocks
from hookline.errors import HooklineError
from hookline.hosts import LOOPBACK
from hookline.settings import Settings
from hookline.vendors import sandbox_ports


@dataclass(frozen=True)
class Account:
    """The credentials of one block, as far as they are no secret."""

    name: str
    """Such as `zentitle/default`."""
    address: str
    is_simulator: bool


async def accounts_in_use(settings: Settings) -> list[Account]:
    """
    Return the accounts that are stored at the Prefect server, which is where flows have them from.

    Raises:
        HooklineError: the server does not answer.
    """
    found = []
    try:
        async with get_client() as client:
            async for block in stored_blocks(client):
                address = str(block.data.get("base_url", ""))
                found.append(Account(block.account, address, is_simulator(settings, address)))
    except (httpx.HTTPError, OSError, RuntimeError) as error:
        raise HooklineError(
            f"{settings.prefect_api_url} does not answer: {type(error).__name__}. Is `hookline up` running?"
        ) from None
    return found


def is_simulator(settings: Settings, address: str) -> bool:
    """Return True for the address of a simulator that `--sandbox` starts on this machine."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    simulators = sandbox_ports(settings.sandbox_port).values()
    return settings.sandbox and parts.hostname in LOOPBACK and port in simulators
