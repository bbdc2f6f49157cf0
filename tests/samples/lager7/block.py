"""A Prefect block: credentials for Lager 7."""

from typing import ClassVar

from vendors.lager7.client import LagerClient
from vendors.lager7.settings import LagerSettings

from blocks.base import Connection, VendorCredentials, logo


class LagerCredentials(LagerSettings, VendorCredentials):
    """Credentials for Lager 7: an API key."""

    vendor: ClassVar[str] = "lager7"

    _block_type_name = "Lager 7 Credentials"
    _block_type_slug = "lager7-credentials"
    _logo_url = logo("lager7")

    def get_client(self) -> LagerClient:
        """Return a client for one `async with`; make another for the next."""
        return LagerClient.connect(self, **self.options())

    async def check_connection(self) -> Connection:
        """List the parcels."""
        async with self.get_client() as client:
            parcels = await client.list_parcels()
            return Connection(f"the sender of {len(parcels)} parcels", client.clock_ahead)
