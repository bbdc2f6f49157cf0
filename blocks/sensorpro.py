"""A Prefect block: credentials for Sensorpro."""

from typing import ClassVar

from pydantic import HttpUrl

from blocks.base import Connection, VendorCredentials, logo
from hookline.clients.sensorpro import SensorproClient
from hookline.shipped.sensorpro import SensorproSettings


class SensorproCredentials(SensorproSettings, VendorCredentials):
    """
    Credentials for Sensorpro: an organization's API user and its key.

    Example:
        Load stored Sensorpro credentials and read a contact:
        ```python
        from blocks.sensorpro import SensorproCredentials

        sensorpro = SensorproCredentials.load("BLOCK_NAME")
        async with sensorpro.get_client() as client:
            contacts = await client.get_contacts()
        ```
    """

    vendor: ClassVar[str] = "sensorpro"

    _block_type_name = "Sensorpro Credentials"
    _block_type_slug = "sensorpro-credentials"
    _logo_url = logo("sensorpro")
    _documentation_url = HttpUrl("https://sensorpro.net/api/")

    def get_client(self) -> SensorproClient:
        """Return a client for one `async with`; make another for the next."""
        return SensorproClient.connect(self, **self.options())

    async def check_connection(self) -> Connection:
        """Sign in."""
        async with self.get_client() as client:
            sign_in = client.sign_in if self.sign_in == "sign_in" else client.log_in
            await sign_in(Organization=self.organization, User=self.user, Password=self.password)
            return Connection(f"{self.user} of {self.organization}", client.clock_ahead)
