"""A Prefect block: credentials for Jiwa."""

from datetime import UTC, datetime
from typing import ClassVar

from pydantic import HttpUrl

from blocks.base import Connection, VendorCredentials, logo
from hookline.clients.jiwa import JiwaClient
from hookline.shipped.jiwa import JiwaSettings


class JiwaCredentials(JiwaSettings, VendorCredentials):
    """
    Credentials for Jiwa: an API key of a staff member, or a user with a password.

    Example:
        Load stored Jiwa credentials and read an order:
        ```python
        from blocks.jiwa import JiwaCredentials

        jiwa = JiwaCredentials.load("BLOCK_NAME")
        async with jiwa.get_client() as client:
            order = await client.get_sales_order(InvoiceID="5244dd5e199749f4b6fe")
        ```
    """

    vendor: ClassVar[str] = "jiwa"

    _block_type_name = "Jiwa Credentials"
    _block_type_slug = "jiwa-credentials"
    _logo_url = logo("jiwa")
    _documentation_url = HttpUrl("https://api.jiwa.com.au/metadata")

    def get_client(self) -> JiwaClient:
        """Return a client for one `async with`; make another for the next."""
        return JiwaClient.connect(self, **self.options())

    async def check_connection(self) -> Connection:
        """Read the session of our user, and the time at Jiwa."""
        async with self.get_client() as client:
            session = await client.get_current_session()
            there = (await client.get_system_info()).SQLServerDateTime
        ahead = None if there is None else (_utc(there) - datetime.now(UTC)).total_seconds()
        return Connection(session.UserName or session.DisplayName or "an unnamed user", ahead)


def _utc(moment: datetime) -> datetime:
    # Jiwa writes no zone; the vendor's clock is read as UTC, so whole half hours are a zone, not an error.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
