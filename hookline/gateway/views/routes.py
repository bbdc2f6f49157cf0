"""The addresses of the pages and their handlers."""

import mimetypes

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hookline.gateway.views import (
    answer,
    bulk,
    connect,
    copying,
    delivery,
    hold,
    inbox,
    issues,
    login,
    sources,
    texts,
    trying,
    uncertain,
    waits,
)
from hookline.gateway.views.base import AdminViews, Handler, answering, not_found
from hookline.gateway.views.rendering import STATIC
from hookline.hooks import Hooks
from hookline.settings import Settings


async def static(_views: AdminViews, request: Request) -> Response:
    """Return the style sheet or the icon, which need no log-in."""
    name = request.path_params["name"]
    if name not in STATIC:
        raise not_found("page")
    kind = mimetypes.guess_type(name)[0]
    return Response(STATIC[name], media_type=kind, headers={"Cache-Control": "max-age=86400"})


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/", inbox.show),
    ("GET", "/replay", bulk.ask),
    ("POST", "/replay", bulk.replay),
    ("GET", "/discard", bulk.ask),
    ("POST", "/discard", bulk.discard),
    ("GET", "/deliveries/{delivery_id}", delivery.show),
    ("GET", "/deliveries/{delivery_id}/body", delivery.body),
    ("GET", "/deliveries/{delivery_id}/try", trying.show_delivery),
    ("POST", "/deliveries/{delivery_id}/try", trying.try_delivery),
    ("POST", "/deliveries/{delivery_id}/replay", delivery.replay),
    ("GET", "/deliveries/{delivery_id}/copy", copying.show),
    ("POST", "/deliveries/{delivery_id}/copy", copying.copy),
    ("POST", "/deliveries/{delivery_id}/discard", delivery.discard),
    ("GET", "/issues", issues.show),
    ("GET", "/issues/{number}", issues.show_one),
    ("POST", "/issues/{number}/ack", issues.acknowledge),
    ("POST", "/issues/{number}/replay", issues.replay),
    ("POST", "/issues/{number}/discard", issues.discard),
    ("POST", "/issues/{number}/resolve", issues.resolve),
    ("GET", "/uncertain", uncertain.show),
    ("POST", "/effects/{effect_id}/resolve", uncertain.resolve),
    ("POST", "/effects/{effect_id}/undo", uncertain.undo),
    ("POST", "/effects/{effect_id}/take-back", uncertain.take_back),
    ("GET", "/waits", waits.show),
    ("GET", "/waits/{wait_id}", waits.show_one),
    ("POST", "/waits/{wait_id}/answer", waits.answer),
    ("POST", "/waits/{wait_id}/cancel", waits.cancel),
    ("POST", "/waits/{wait_id}/reopen", waits.reopen),
    ("GET", "/answer/{token}", answer.show),
    ("POST", "/answer/{token}", answer.answer),
    ("GET", "/sources", sources.show),
    ("GET", "/sources/{source}/try", trying.show_source),
    ("POST", "/sources/{source}/try", trying.try_source),
    ("POST", "/sources/{source}/pause", sources.pause),
    ("POST", "/sources/{source}/resume", sources.resume),
    ("GET", "/texts", texts.show),
    ("GET", "/texts/{workflow}/{name}", texts.show_one),
    ("POST", "/texts/{workflow}/{name}", texts.preview),
    ("GET", "/connect/http/callback", connect.finish),
    ("GET", "/connect/http/{account}", connect.show),
    ("POST", "/connect/http/{account}", connect.begin),
    ("POST", "/hold/release", hold.release),
    ("POST", "/hold/close", hold.close),
    ("GET", "/login", login.show),
    ("POST", "/login", login.log_in),
    ("POST", "/logout", login.log_out),
    ("GET", "/static/{name}", static),
)


def add_to(app: Starlette, settings: Settings, hooks: Hooks) -> AdminViews:
    """Add the inbox page to the gateway, for people with the admin token."""
    views = AdminViews(settings, hooks)
    for method, path, handler in ROUTES:
        app.router.routes.append(Route(path, answering(views, handler), methods=[method]))
    return views
