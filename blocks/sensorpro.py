"""Credentials for Sensorpro."""

from typing import ClassVar

from pydantic import Field, HttpUrl, SecretStr

from blocks.base import Connection, VendorCredentials, logo
from hookline import accounts
from hookline.clients import SensorproClient
from hookline.settings import SensorproSettings, VendorSettings


class SensorproCredentials(VendorCredentials):
    """
    Credentials for Sensorpro: an organization's API user and its key.

    Attributes:
        base_url: Address of the Sensorpro API.
        organization: Your organization's id.
        user: An API user; ordinary users cannot use the API.
        password: The API user's password.
        api_key: The organization's API key.

    Example:
        Load stored Sensorpro credentials and read a contact:
        ```python
        from blocks import SensorproCredentials

        sensorpro = SensorproCredentials.load("BLOCK_NAME")
        async with sensorpro.get_client() as client:
            contacts = await client.get_contacts()
        ```
    """

    vendor: ClassVar[str] = "sensorpro"
    settings: ClassVar[type[VendorSettings]] = SensorproSettings

    _block_type_name = "Sensorpro Credentials"
    _block_type_slug = "sensorpro-credentials"
    _logo_url = logo("sensorpro")
    _documentation_url = HttpUrl("https://sensorpro.net/api/")

    base_url: str = Field(description="Address of the Sensorpro API, such as https://apinie.sensorpro.net.")
    organization: str = Field(description="Your organization's id.")
    user: str = Field(description="An API user; ordinary users cannot use the API.")
    password: SecretStr = Field(description="The API user's password.")
    api_key: SecretStr = Field(description="The organization's API key.")

    def get_client(self) -> SensorproClient:
        """A client for one `async with`; make another for the next."""
        return accounts.sensorpro(self, self.limiter())

    async def check_connection(self) -> Connection:
        """Sign in."""
        async with self.get_client() as client:
            await client.sign_in(Organization=self.organization, User=self.user, Password=self.password)
            return Connection(f"{self.user} of {self.organization}", client.clock_ahead)
