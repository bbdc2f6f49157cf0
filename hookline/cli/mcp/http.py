"""The MCP server over HTTP: at one address, behind a token, each request by itself."""

from contextlib import suppress
from typing import Final

from mcp.server.transport_security import TransportSecuritySettings
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from hookline import runtime
from hookline.cli.mcp.server import Server
from hookline.cli.output import console
from hookline.gateway.browsers import Origins
from hookline.gateway.program_door import ProgramDoor, is_same
from hookline.gateway.server import server as http_server
from hookline.peers import Attempts, peer
from hookline.settings import Settings

PATH: Final = "/mcp"
MAX_BODY: Final = 1_048_576
MAX_WRONG: Final = 10
"""Wrong tokens from one address in a minute."""


def serve(server: Server, settings: Settings, host: str, port: int) -> None:
    """Serve until a signal comes."""
    here = settings.model_copy(update={"gateway_host": host, "gateway_port": port})
    console(stderr=True).print(f"hookline mcp listens at {here.gateway_url}{PATH}")
    with suppress(KeyboardInterrupt):
        http_server(create_app(server, here), here).run()


def create_app(server: Server, settings: Settings) -> ASGIApp:
    """Return the server as an ASGI application; without sessions, so that none can be taken or fill the memory."""
    application = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=MAX_BODY,
        # The door in front of it knows the names of this installation, and lets no browser in.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    application.router.redirect_slashes = False
    application.add_middleware(_Behind, settings=settings)
    return application


class _Behind:
    """A middleware that lets nobody in without the token."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._proxies = settings.trusted_proxies
        token = settings.mcp_token
        secret = token.get_secret_value() if token else runtime.local_secret(settings.home, "mcp-token")
        self._door = ProgramDoor(
            Origins(settings), Attempts(MAX_WRONG), lambda text: is_same(text, secret.strip()), at=PATH
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer why not."""
        if scope["type"] == "http":
            try:
                self._door.require_token(HTTPConnection(scope), peer(scope, self._proxies), "the MCP token")
            except HTTPException as error:
                answer = JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)
                return await answer(scope, receive, send)
        return await self._app(scope, receive, send)
