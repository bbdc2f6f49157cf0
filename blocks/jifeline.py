"""Credentials for Jifeline."""

from typing import ClassVar

from pydantic import Field, HttpUrl, SecretStr

from blocks.base import Connection, VendorCredentials, logo
from hookline import accounts
from hookline.clients import JifelineClient
from hookline.settings import JifelineSettings, VendorSettings


class JifelineCredentials(VendorCredentials):
    """
    Credentials for Jifeline's Partner API: a client id and secret made in the Partner Portal.

    Attributes:
        base_url: Address of the Partner API.
        token_url: Where tokens are given out, if not under `/oauth2/token` at the Partner API.
        client_id: The client id.
        client_secret: The client secret.
        api_key: The x-api-key that older accounts need beside the token.

    Example:
        Load stored Jifeline credentials and list closed tickets:
        ```python
        from blocks import JifelineCredentials

        jifeline = JifelineCredentials.load("BLOCK_NAME")
        async with jifeline.get_client() as client:
            tickets = await client.list_closed_tickets(limit=10)
        ```
    """

    vendor: ClassVar[str] = "jifeline"
    settings: ClassVar[type[VendorSettings]] = JifelineSettings

    _block_type_name = "Jifeline Credentials"
    _block_type_slug = "jifeline-credentials"
    _logo_url = logo("jifeline")
    _documentation_url = HttpUrl("https://partner-api-docs-001.prd.jifeline.cloud")

    base_url: str = Field(
        description="Address of the Partner API, such as https://partner-api-001.prd.jifeline.cloud."
    )
    token_url: str | None = Field(
        default=None, description="Where tokens are given out; empty for /oauth2/token at the Partner API."
    )
    client_id: str = Field(description="Client id, made in the Partner Portal under Settings, API.")
    client_secret: SecretStr = Field(description="Client secret; the portal mails it once.")
    api_key: SecretStr | None = Field(
        default=None, description="The x-api-key that older accounts need beside the token."
    )

    def get_client(self) -> JifelineClient:
        """A client for one `async with`; make another for the next."""
        return accounts.jifeline(self, self.limiter())

    async def check_connection(self) -> Connection:
        """Ask how many customers the credentials open."""
        async with self.get_client() as client:
            found = await client.list_customers(limit=1)
            return Connection(f"client {self.client_id}, with {found.Total} customers", client.clock_ahead)
