"""The gateway as an ASGI application."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from hookline.database import CONNECTION_ERRORS
from hookline.errors import ConfigurationError
from hookline.gateway import metrics, pages, schemes
from hookline.gateway.logos import logo
from hookline.gateway.openapi import DOCUMENT
from hookline.gateway.pressure import Pressure
from hookline.gateway.receive import Receiver
from hookline.hooks import Hooks, load_hooks
from hookline.settings import (
    SECRET_PREFIX,
    TOKEN_PREFIX,
    Settings,
    handshake_tokens,
    variable_of,
    webhook_secrets,
)

logger = logging.getLogger(__name__)


def create_app(settings: Settings) -> Starlette:
    """
    The gateway for the sources of `hooks.yaml`.

    Raises:
        ConfigurationError: `hooks.yaml` or a webhook secret is not right; names the place.
    """
    hooks = load_hooks(settings.hooks)
    require_readable_secrets(hooks)
    pressure = Pressure(settings)
    receiver = Receiver(settings, hooks, pressure)

    @asynccontextmanager
    async def watching(_app: Starlette) -> AsyncIterator[None]:
        await pressure.refresh()
        watches = [
            asyncio.create_task(each)
            for each in (pressure.watch(), receiver.refusals.watch(), receiver.reader.warm())
        ]
        yield
        for watch in watches:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
        await receiver.refusals.write()
        await asyncio.to_thread(receiver.reader.close)

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        return JSONResponse({"status": pressure.reason or "ok"}, 503 if pressure.reason else 200)

    async def prometheus(request: Request) -> Response:
        if not metrics.may_see(request, settings):
            raise HTTPException(404)
        try:
            told = await metrics.exposition(settings)
        except CONNECTION_ERRORS as error:
            logger.warning("no metrics: %s", error or type(error).__name__)
            return PlainTextResponse("the database is away", 503)
        return Response(told, media_type="text/plain; version=0.0.4")

    async def openapi(_request: Request) -> Response:
        return JSONResponse(DOCUMENT)

    async def vendor_logo(request: Request) -> Response:
        svg = logo(request.path_params["vendor"])
        return Response(svg or "", 200 if svg else 404, media_type="image/svg+xml")

    app = Starlette(
        routes=[
            Route("/hooks/{source}", receiver),
            Route("/hooks/{source}/{secret}", receiver),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", prometheus),
            Route("/openapi.json", openapi),
            Route("/logos/{vendor}.svg", vendor_logo),
        ],
        exception_handlers={HTTPException: _refusal},
        lifespan=watching,
    )
    app.router.redirect_slashes = False  # it would send the sender, secret and all, to whatever `Host` says
    pages.add_to(app, settings)
    return app


async def _refusal(_request: Request, error: Exception) -> Response:
    """The same answer for everything that is not there, whoever finds that out."""
    assert isinstance(error, HTTPException)  # noqa: S101  (Starlette's promise, for mypy)
    return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)


def require_readable_secrets(hooks: Hooks) -> None:
    """
    Check that the secrets of the environment are of the form that their scheme needs, and tokens no secrets.

    Raises:
        ConfigurationError: names the variable, never the secret.
    """
    proving = {secret.get_secret_value() for name in hooks.sources for secret in webhook_secrets(name)}
    for name, source in hooks.sources.items():
        for secret in webhook_secrets(name):
            try:
                schemes.require_strong(source.proof, secret.get_secret_value())
            except ValueError as error:
                variable = variable_of(SECRET_PREFIX, name)
                raise ConfigurationError(f"{variable}: one of its secrets is {error}.") from None
        if any(token.get_secret_value() in proving for token in handshake_tokens(name)):
            raise ConfigurationError(
                f"{variable_of(TOKEN_PREFIX, name)}: one of its tokens is also a webhook secret. It travels in an "
                "address, where others may read it, and could then sign deliveries: choose another token."
            )
