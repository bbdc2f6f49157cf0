"""Credentials for Jiwa."""

from datetime import UTC, datetime
from typing import ClassVar, Self

from pydantic import Field, HttpUrl, SecretStr, model_validator

from blocks.base import Connection, VendorCredentials, logo
from hookline import accounts
from hookline.clients import JiwaClient
from hookline.settings import JiwaSettings, VendorSettings


class JiwaCredentials(VendorCredentials):
    """
    Credentials for Jiwa: an API key of a staff member, or a user with a password.

    Attributes:
        base_url: Address of the Jiwa REST API.
        api_key: Staff API key; takes the place of user and password.
        username: Jiwa user name, where there is no API key.
        password: Password of the Jiwa user.

    Example:
        Load stored Jiwa credentials and read an order:
        ```python
        from blocks import JiwaCredentials

        jiwa = JiwaCredentials.load("BLOCK_NAME")
        async with jiwa.get_client() as client:
            order = await client.get_sales_order(InvoiceID="5244dd5e199749f4b6fe")
        ```
    """

    vendor: ClassVar[str] = "jiwa"
    settings: ClassVar[type[VendorSettings]] = JiwaSettings

    _block_type_name = "Jiwa Credentials"
    _block_type_slug = "jiwa-credentials"
    _logo_url = logo("jiwa")
    _documentation_url = HttpUrl("https://api.jiwa.com.au/metadata")

    base_url: str = Field(description="Address of the Jiwa REST API, such as https://jiwa.example.com.")
    api_key: SecretStr | None = Field(
        default=None, description="Staff API key; takes the place of user and password."
    )
    username: str | None = Field(default=None, description="Jiwa user name, where there is no API key.")
    password: SecretStr | None = Field(default=None, description="Password of the Jiwa user.")

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if not (self.api_key or (self.username and self.password)):
            raise ValueError("Jiwa needs an API key (JIWA_API_KEY), or a user name and a password.")
        return self

    def get_client(self) -> JiwaClient:
        """A client for one `async with`; make another for the next."""
        return accounts.jiwa(self, self.limiter())

    async def check_connection(self) -> Connection:
        """Ask Jiwa who we are and what time it is there."""
        async with self.get_client() as client:
            session = await client.get_current_session()
            there = (await client.get_system_info()).SQLServerDateTime
        ahead = None if there is None else (_utc(there) - datetime.now(UTC)).total_seconds()
        return Connection(session.UserName or session.DisplayName or "an unnamed user", ahead)


def _utc(moment: datetime) -> datetime:
    # Jiwa writes no zone; the vendor's clock is taken as UTC, so whole half hours are a zone, not an error.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
