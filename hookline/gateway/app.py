"""The gateway as an ASGI application."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from hookline.database import CONNECTION_ERRORS
from hookline.gateway.configuration import Configuration
from hookline.gateway.endpoints import Endpoint, Open, endpoints
from hookline.gateway.listening import add_listening
from hookline.gateway.logos import logo
from hookline.gateway.openapi import DOCUMENT
from hookline.gateway.prefect_proxy import add_prefect
from hookline.gateway.receive import Receiver
from hookline.gateway.views.routes import add_to as add_views
from hookline.health import metrics
from hookline.health.pressure import Pressure
from hookline.health.probe import HealthProbe
from hookline.local_time import use_time_zone
from hookline.settings import Settings

logger = logging.getLogger(__name__)


def create_app(settings: Settings) -> Starlette:
    """
    Return the gateway for the sources of `hooks.yaml`.

    Raises:
        ConfigurationError: `hooks.yaml` or a webhook secret is wrong, and none was in force before; names the place.
    """
    use_time_zone(settings.time_zone)
    configuration = Configuration(settings)
    pressure = Pressure(settings)
    condition = HealthProbe(settings)
    receiver = Receiver(settings, configuration.hooks, pressure)
    configuration.on_reload = receiver.fit

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await pressure.refresh()
        background = (
            pressure.run(),
            condition.run(),
            configuration.report_problems(),
            configuration.reload_on_request(),
            receiver.refusals.write_forever(),
            receiver.reader.warm(),
        )
        tasks = [asyncio.create_task(each) for each in background]
        async with proxy:
            with configuration.reload_on_hangup():
                yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await receiver.refusals.write()
        await asyncio.to_thread(receiver.reader.close)

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        # A load balancer asks whether deliveries are accepted; a warning is for people.
        warnings = {"warnings": condition.warnings} if condition.warnings else {}
        return JSONResponse({"status": pressure.reason or "ok", **warnings}, 503 if pressure.reason else 200)

    async def prometheus(request: Request) -> Response:
        if views.origins.is_ours(request.headers) is False or not metrics.may_see(request, settings):
            raise HTTPException(404)
        try:
            text = await metrics.exposition(settings)
        except CONNECTION_ERRORS as error:
            logger.warning("no metrics: %s", error or type(error).__name__)
            return PlainTextResponse("the database does not answer", 503)
        return Response(text, media_type="text/plain; version=0.0.4")

    async def openapi(_request: Request) -> Response:
        return JSONResponse(DOCUMENT)

    async def vendor_logo(request: Request) -> Response:
        svg = logo(request.path_params["vendor"])
        return Response(svg or "", 200 if svg else 404, media_type="image/svg+xml")

    app = Starlette(
        routes=[
            Endpoint("/hooks/{source}", receiver, needs=Open("what the source says of its sender")),
            Endpoint("/hooks/{source}/{secret}", receiver, needs=Open("what the source says of its sender")),
            Endpoint("/healthz", healthz, needs=Open("nothing")),
            Endpoint("/readyz", readyz, needs=Open("nothing")),
            Endpoint("/metrics", prometheus, needs=Open("the metrics token, or this machine")),
            Endpoint("/openapi.json", openapi, needs=Open("nothing")),
            Endpoint("/logos/{vendor}.svg", vendor_logo, needs=Open("nothing")),
        ],
        exception_handlers={HTTPException: _refusal},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # it would send the sender, with its secret, to whatever `Host` says
    views = add_views(app, settings, configuration.hooks)
    add_listening(app, views)
    proxy = add_prefect(app, views) if settings.has_own_prefect else nullcontext()
    endpoints(app)
    return app


async def _refusal(_request: Request, error: Exception) -> Response:
    """Return the same answer for everything that does not exist, wherever that is found out."""
    assert isinstance(error, HTTPException)  # noqa: S101  (Starlette's promise, for mypy)
    return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)
