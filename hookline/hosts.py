"""
Host names that a server answers to, against DNS rebinding.

A web page whose own name leads to this machine would otherwise count as same-origin with us.
"""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def host_name(host: str) -> str:
    """Return the name in a `Host` header, without its port and in small letters; "" where there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_address(name: str) -> bool:
    """Return True for an IP address: no page can make one lead elsewhere, as it can a name of its own."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


class KnownHosts:
    """A middleware that refuses requests to other names than `names`."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self.app = app
        self.names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 421."""
        if scope["type"] == "lifespan" or host_name(Headers(scope=scope).get("host", "")) in self.names:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse("This server does not answer to this host name.", 421)(
                scope, receive, send
            )
