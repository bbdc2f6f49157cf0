"""Credentials for JetAdvice."""

from typing import ClassVar

from pydantic import Field, HttpUrl, SecretStr

from blocks.base import Connection, VendorCredentials, logo
from hookline import accounts
from hookline.clients import JetadviceClient
from hookline.settings import JetadviceSettings, VendorSettings


class JetadviceCredentials(VendorCredentials):
    """
    Credentials for JetAdvice: a JetAdvice Manager user with the API role.

    Attributes:
        base_url: Address of the JetAdvice API.
        username: User name of the JetAdvice Manager.
        password: Password of that user.

    Example:
        Load stored JetAdvice credentials and list the printers of a customer:
        ```python
        from blocks import JetadviceCredentials

        jetadvice = JetadviceCredentials.load("BLOCK_NAME")
        async with jetadvice.get_client() as client:
            devices = await client.list_devices(customerId="4711")
        ```
    """

    vendor: ClassVar[str] = "jetadvice"
    settings: ClassVar[type[VendorSettings]] = JetadviceSettings

    _block_type_name = "JetAdvice Credentials"
    _block_type_slug = "jetadvice-credentials"
    _logo_url = logo("jetadvice")
    _documentation_url = HttpUrl("https://api2.jetadvice.com/Help")

    base_url: str = Field(description="Address of the JetAdvice API, such as https://api2.jetadvice.com.")
    username: str = Field(description="User name of the JetAdvice Manager; the user needs the API role.")
    password: SecretStr = Field(description="Password of that user.")

    def get_client(self) -> JetadviceClient:
        """A client for one `async with`; make another for the next."""
        return accounts.jetadvice(self, self.limiter())

    async def check_connection(self) -> Connection:
        """Log in and ask for the customers that the user may see."""
        async with self.get_client() as client:
            customers = await client.list_customers()
            return Connection(f"{self.username}, who sees {len(customers)} customers", client.clock_ahead)
