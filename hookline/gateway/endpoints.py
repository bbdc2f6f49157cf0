"""The addresses of the gateway, each with who may ask for it: none without that is served."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from hookline.people import Role


@dataclass(frozen=True)
class Open:
    """What an address asks for in the place of a person with a role."""

    to: str


Needs: TypeAlias = Role | Open
Answer: TypeAlias = Callable[[Request], Awaitable[Response]]


class Endpoint(Route):
    """An address and who may ask for it."""

    def __init__(self, path: str, answer: Any, *, needs: Needs, methods: Sequence[str] | None = None) -> None:
        super().__init__(path, answer, methods=methods)
        self.needs = needs


class SocketEndpoint(WebSocketRoute):
    """A websocket's address and who may open it."""

    def __init__(self, path: str, answer: Any, *, needs: Needs) -> None:
        super().__init__(path, answer)
        self.needs = needs


def endpoints(app: Starlette) -> list[Endpoint | SocketEndpoint]:
    """Return the addresses of the gateway; raises TypeError for one that does not say who may ask for it."""
    found = []
    for route in app.routes:
        if not isinstance(route, Endpoint | SocketEndpoint):
            raise TypeError(f"{route} does not say who may ask for it: make it an Endpoint")
        found.append(route)
    return found
