"""A Prefect block: credentials for JetAdvice."""

from typing import ClassVar

from pydantic import HttpUrl

from blocks.base import Connection, VendorCredentials, logo
from hookline.clients.jetadvice import JetadviceClient
from hookline.shipped.jetadvice import JetadviceSettings


class JetadviceCredentials(JetadviceSettings, VendorCredentials):
    """
    Credentials for JetAdvice: a JetAdvice Manager user with the API role.

    Example:
        Load stored JetAdvice credentials and list the printers of a customer:
        ```python
        from blocks.jetadvice import JetadviceCredentials

        jetadvice = JetadviceCredentials.load("BLOCK_NAME")
        async with jetadvice.get_client() as client:
            devices = await client.list_devices(customerId="4711")
        ```
    """

    vendor: ClassVar[str] = "jetadvice"

    _block_type_name = "JetAdvice Credentials"
    _block_type_slug = "jetadvice-credentials"
    _logo_url = logo("jetadvice")
    _documentation_url = HttpUrl("https://api2.jetadvice.com/Help")

    def get_client(self) -> JetadviceClient:
        """Return a client for one `async with`; make another for the next."""
        return JetadviceClient.connect(self, **self.options())

    async def check_connection(self) -> Connection:
        """Log in and list the customers that the user may see."""
        async with self.get_client() as client:
            customers = await client.list_customers()
            return Connection(f"{self.username}, who sees {len(customers)} customers", client.clock_ahead)
