"""The addresses of the pages, the role that each needs, and their handlers."""

import mimetypes

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from hookline.gateway.endpoints import Endpoint, Needs, Open
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
from hookline.people import Role
from hookline.settings import Settings


async def static(_views: AdminViews, request: Request) -> Response:
    """Return the style sheet or the icon, which need no log-in."""
    name = request.path_params["name"]
    if name not in STATIC:
        raise not_found("page")
    kind = mimetypes.guess_type(name)[0]
    return Response(STATIC[name], media_type=kind, headers={"Cache-Control": "max-age=86400"})


ROUTES: tuple[tuple[str, str, Needs, Handler], ...] = (
    ("GET", "/", Role.LOOK, inbox.show),
    ("GET", "/replay", Role.OPERATE, bulk.ask),
    ("POST", "/replay", Role.OPERATE, bulk.replay),
    ("GET", "/discard", Role.OPERATE, bulk.ask),
    ("POST", "/discard", Role.OPERATE, bulk.discard),
    ("GET", "/deliveries/{delivery_id}", Role.LOOK, delivery.show),
    ("GET", "/deliveries/{delivery_id}/body", Role.LOOK, delivery.body),
    ("GET", "/deliveries/{delivery_id}/try", Role.OPERATE, trying.show_delivery),
    ("POST", "/deliveries/{delivery_id}/try", Role.OPERATE, trying.try_delivery),
    ("POST", "/deliveries/{delivery_id}/replay", Role.OPERATE, delivery.replay),
    ("GET", "/deliveries/{delivery_id}/copy", Role.OPERATE, copying.show),
    ("POST", "/deliveries/{delivery_id}/copy", Role.OPERATE, copying.copy),
    ("POST", "/deliveries/{delivery_id}/discard", Role.OPERATE, delivery.discard),
    ("GET", "/issues", Role.LOOK, issues.show),
    ("GET", "/issues/{number}", Role.LOOK, issues.show_one),
    ("POST", "/issues/{number}/ack", Role.OPERATE, issues.acknowledge),
    ("POST", "/issues/{number}/replay", Role.OPERATE, issues.replay),
    ("POST", "/issues/{number}/discard", Role.OPERATE, issues.discard),
    ("POST", "/issues/{number}/resolve", Role.DECIDE, issues.resolve),
    ("GET", "/uncertain", Role.LOOK, uncertain.show),
    ("POST", "/effects/{effect_id}/resolve", Role.DECIDE, uncertain.resolve),
    ("POST", "/effects/{effect_id}/undo", Role.DECIDE, uncertain.undo),
    ("POST", "/effects/{effect_id}/take-back", Role.DECIDE, uncertain.take_back),
    ("GET", "/waits", Role.LOOK, waits.show),
    ("GET", "/waits/{wait_id}", Role.LOOK, waits.show_one),
    ("POST", "/waits/{wait_id}/answer", Role.DECIDE, waits.answer),
    ("POST", "/waits/{wait_id}/cancel", Role.DECIDE, waits.cancel),
    ("POST", "/waits/{wait_id}/reopen", Role.DECIDE, waits.reopen),
    ("GET", "/answer/{token}", Open("the token of a link"), answer.show),
    ("POST", "/answer/{token}", Open("the token of a link"), answer.answer),
    ("GET", "/sources", Role.LOOK, sources.show),
    ("GET", "/sources/{source}/try", Role.OPERATE, trying.show_source),
    ("POST", "/sources/{source}/try", Role.OPERATE, trying.try_source),
    ("POST", "/sources/{source}/pause", Role.OPERATE, sources.pause),
    ("POST", "/sources/{source}/resume", Role.OPERATE, sources.resume),
    ("GET", "/texts", Role.LOOK, texts.show),
    ("GET", "/texts/{workflow}/{name}", Role.LOOK, texts.show_one),
    ("POST", "/texts/{workflow}/{name}", Role.OPERATE, texts.preview),
    ("GET", "/connect/http/callback", Role.OPERATE, connect.finish),
    ("GET", "/connect/http/{account}", Role.LOOK, connect.show),
    ("POST", "/connect/http/{account}", Role.OPERATE, connect.begin),
    ("POST", "/hold/release", Role.OPERATE, hold.release),
    ("POST", "/hold/close", Role.OPERATE, hold.close),
    ("GET", "/login", Open("the token that is asked for"), login.show),
    ("POST", "/login", Open("the token that is asked for"), login.log_in),
    ("POST", "/logout", Role.LOOK, login.log_out),
    ("GET", "/static/{name}", Open("nothing"), static),
)


def add_to(app: Starlette, settings: Settings, hooks: Hooks) -> AdminViews:
    """Add the inbox page to the gateway, for people."""
    views = AdminViews(settings, hooks)
    for method, path, needs, handler in ROUTES:
        answer_to = answering(views, needs, handler)
        app.router.routes.append(Endpoint(path, answer_to, needs=needs, methods=[method]))
    return views
