"""A Prefect block: credentials for Zentitle."""

from typing import ClassVar

from pydantic import HttpUrl

from blocks.base import Connection, VendorCredentials, logo
from hookline.clients.zentitle import ZentitleClient
from hookline.shipped.zentitle import ZentitleSettings


class ZentitleCredentials(ZentitleSettings, VendorCredentials):
    """
    Credentials for Zentitle (Nalpeiron): a customer id with a WebAPI key.

    Example:
        Load stored Zentitle credentials and read a license code:
        ```python
        from blocks.zentitle import ZentitleCredentials

        zentitle = ZentitleCredentials.load("BLOCK_NAME")
        async with zentitle.get_client() as client:
            code = await client.get_license_code(licensecode="123456789012345678", productid="6453300110")
        ```
    """

    vendor: ClassVar[str] = "zentitle"

    _block_type_name = "Zentitle Credentials"
    _block_type_slug = "zentitle-credentials"
    _logo_url = logo("zentitle")
    _documentation_url = HttpUrl("https://support.nalpeiron.com/hc/en-us/articles/1500001412902")

    def get_client(self) -> ZentitleClient:
        """Return a client for one `async with`; make another for the next."""
        return ZentitleClient.connect(self, **self.options())

    async def check_connection(self) -> Connection:
        """List our products at Zentitle."""
        async with self.get_client() as client:
            products = await client.list_products()
            return Connection(
                f"customer {self.customer_id} with {len(products)} products", client.clock_ahead
            )
