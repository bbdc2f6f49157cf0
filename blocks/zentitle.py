"""Credentials for Zentitle."""

from typing import ClassVar

from pydantic import Field, HttpUrl, SecretStr

from blocks.base import Connection, VendorCredentials, logo
from hookline import accounts
from hookline.clients import ZentitleClient
from hookline.settings import VendorSettings, ZentitleSettings


class ZentitleCredentials(VendorCredentials):
    """
    Credentials for Zentitle (Nalpeiron): a customer id with a WebAPI key.

    Attributes:
        base_url: Address of Zentitle, up to and without `/api`.
        customer_id: Your customer id at Zentitle.
        api_key: A WebAPI READ-WRITE key.

    Example:
        Load stored Zentitle credentials and read a license code:
        ```python
        from blocks import ZentitleCredentials

        zentitle = ZentitleCredentials.load("BLOCK_NAME")
        async with zentitle.get_client() as client:
            code = await client.get_license_code(licensecode="123456789012345678", productid="6453300110")
        ```
    """

    vendor: ClassVar[str] = "zentitle"
    settings: ClassVar[type[VendorSettings]] = ZentitleSettings

    _block_type_name = "Zentitle Credentials"
    _block_type_slug = "zentitle-credentials"
    _logo_url = logo("zentitle")
    _documentation_url = HttpUrl("https://support.nalpeiron.com/hc/en-us/articles/1500001412902")

    base_url: str = Field(description="Address of Zentitle, up to and without /api.")
    customer_id: str = Field(description="Your customer id at Zentitle.")
    api_key: SecretStr = Field(description="A WebAPI READ-WRITE key.")

    def get_client(self) -> ZentitleClient:
        """A client for one `async with`; make another for the next."""
        return accounts.zentitle(self, self.limiter())

    async def check_connection(self) -> Connection:
        """Ask Zentitle for our products."""
        async with self.get_client() as client:
            products = await client.list_products()
            return Connection(
                f"customer {self.customer_id} with {len(products)} products", client.clock_ahead
            )
