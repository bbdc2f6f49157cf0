"""The gateway as an ASGI application, and the process that serves it."""

import logging

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from hookline.database import pool
from hookline.errors import ConfigurationError
from hookline.gateway import metrics, pages, schemes
from hookline.gateway.logos import logo
from hookline.gateway.receive import DATABASE_AWAY, Receiver
from hookline.hooks import Hooks, load_hooks
from hookline.settings import SECRET_PREFIX, Settings, webhook_secrets

logger = logging.getLogger(__name__)

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def create_app(settings: Settings) -> FastAPI:
    """
    The gateway for the sources of `hooks.yaml`.

    Raises:
        ConfigurationError: `hooks.yaml` or a webhook secret is not right; names the place.
    """
    hooks = load_hooks(settings.hooks)
    require_readable_secrets(hooks)
    app = FastAPI(title="Hookline", docs_url=None, redoc_url=None, openapi_url=None)
    receiver = Receiver(settings, hooks)

    @app.api_route("/hooks/{source}", methods=METHODS, include_in_schema=False)
    async def receive(source: str, request: Request) -> Response:
        return await receiver(source, request)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """The database answers, so that deliveries can be kept."""
        try:
            await (await pool(settings)).fetchval("SELECT 1")
        except DATABASE_AWAY as error:
            logger.warning("not ready: %s", error)  # not told to strangers: it names folders
            return JSONResponse({"status": "the database is away"}, 503)
        return JSONResponse({"status": "ok"})

    @app.get("/metrics", response_class=PlainTextResponse)
    async def prometheus() -> PlainTextResponse:
        """Prometheus metrics."""
        try:
            told = await metrics.exposition(settings)
        except DATABASE_AWAY as error:
            logger.warning("no metrics: %s", error)
            return PlainTextResponse("the database is away", 503)
        return PlainTextResponse(told, media_type="text/plain; version=0.0.4")

    @app.get("/logos/{vendor}.svg", include_in_schema=False)
    async def vendor_logo(vendor: str) -> Response:
        svg = logo(vendor)
        return Response(svg or "", 200 if svg else 404, media_type="image/svg+xml")

    pages.add_to(app, settings)
    return app


def require_readable_secrets(hooks: Hooks) -> None:
    """
    Check that the secrets of the environment are of the form that their scheme needs.

    Raises:
        ConfigurationError: names the variable, never the secret.
    """
    for name, scheme in hooks.sources.items():
        for secret in webhook_secrets(name):
            try:
                schemes.require_strong(scheme, secret.get_secret_value())
            except ValueError as error:
                variable = SECRET_PREFIX + name.upper().replace("-", "_")
                raise ConfigurationError(f"{variable}: one of its secrets is {error}.") from None
