"""The Prefect blocks for any HTTP API: the credentials of an account, and the tokens of one that a person connects."""

from contextlib import suppress
from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import AwareDatetime, Field, HttpUrl, SecretStr

from blocks.base import Connection, VendorCredentials, logo
from hookline.clients.errors import NotFound, Refused, UnexpectedAnswer
from hookline.clients.http import HttpClient
from hookline.clients.http.account import oauth_of
from hookline.shipped.http import HttpSettings


class HttpCredentials(HttpSettings, VendorCredentials):
    """
    Credentials for any HTTP API: a key, a user, or a client of OAuth 2.

    Example:
        Load stored credentials and read an order:
        ```python
        from blocks.http import HttpCredentials

        acme = HttpCredentials.load("BLOCK_NAME")
        async with acme.get_client() as client:
            order = await client.read(path="/orders/17")
        ```
    """

    vendor: ClassVar[str] = "http"

    _block_type_name = "HTTP Credentials"
    _block_type_slug = "http-credentials"
    _logo_url = logo("http")
    _documentation_url = HttpUrl("https://www.rfc-editor.org/rfc/rfc9110")

    def get_client(self) -> HttpClient:
        """Return a client for one `async with`; make another for the next."""
        from blocks.connections import StoredGrants  # which loads blocks of this module

        is_connected = self.stored_as and self.login == "authorization_code"
        grants = StoredGrants(self.stored_as, oauth_of(self)) if is_connected else None
        return HttpClient.connect(self, grants, **self.options())

    async def check_connection(self) -> Connection:
        """Read `check_path`; without one, only see that the API answers and does not refuse the log-in."""
        async with self.get_client() as client:
            if self.check_path:
                await client.read(path=self.check_path)
                return Connection(f"{self._named} (GET {self.check_path})", client.clock_ahead)
            with suppress(NotFound, Refused, UnexpectedAnswer):  # nothing needs to be there
                await client.read(path="/")
            return Connection(f"{self._named}, as far as is known: set its check_path", client.clock_ahead)

    @property
    def _named(self) -> str:
        match self.login:
            case "none":
                return "anybody"
            case "basic":
                return self.username or ""
            case "client_credentials" | "authorization_code":
                return f"client {self.client_id}"
            case _:
                return f"the holder of a key ({self.login})"


class HttpConnection(Block):
    """
    The tokens of an account that a person connected at the gateway.

    They stand apart from the credentials: those are changed by people and by `hookline apply`, these with each
    renewal, and neither must bring back an older state of the other.
    """

    _block_type_name = "HTTP Connection"
    _block_type_slug = "http-connection"
    _logo_url = logo("http")

    tokens: SecretStr = Field(description="The tokens; the connect page of the gateway fills them in.")
    by: str = Field(description="The person who connected the account.")
    since: AwareDatetime = Field(description="When that was.")
