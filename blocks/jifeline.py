"""A Prefect block: credentials for Jifeline."""

from typing import ClassVar

from pydantic import HttpUrl

from blocks.base import Connection, VendorCredentials, logo
from hookline.clients.jifeline import JifelineClient
from hookline.shipped.jifeline import JifelineSettings


class JifelineCredentials(JifelineSettings, VendorCredentials):
    """
    Credentials for Jifeline's Partner API: a client id and secret made in the Partner Portal.

    Example:
        Load stored Jifeline credentials and list closed tickets:
        ```python
        from blocks.jifeline import JifelineCredentials

        jifeline = JifelineCredentials.load("BLOCK_NAME")
        async with jifeline.get_client() as client:
            tickets = await client.list_closed_tickets(limit=10)
        ```
    """

    vendor: ClassVar[str] = "jifeline"

    _block_type_name = "Jifeline Credentials"
    _block_type_slug = "jifeline-credentials"
    _logo_url = logo("jifeline")
    _documentation_url = HttpUrl("https://partner-api-docs-001.prd.jifeline.cloud")

    def get_client(self) -> JifelineClient:
        """Return a client for one `async with`; make another for the next."""
        return JifelineClient.connect(self, **self.options())

    async def check_connection(self) -> Connection:
        """Read how many customers the credentials open."""
        async with self.get_client() as client:
            found = await client.list_customers(limit=1)
            return Connection(f"client {self.client_id}, with {found.Total} customers", client.clock_ahead)
