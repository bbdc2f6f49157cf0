"""One delivery: the request as it came, what became of it, and what a person can do about it."""

from collections.abc import Sequence
from typing import Any

import asyncpg
from starlette.requests import Request
from starlette.responses import Response

from hookline.database import pool
from hookline.gateway.views import queries
from hookline.gateway.views.base import AdminViews, Refused, delivery_id, not_found, reason_of
from hookline.gateway.views.shown import shown
from hookline.inbox import audit, bodies, commands, dry_run, search


async def show(views: AdminViews, request: Request) -> Response:
    """One delivery: as it came, and what became of it."""
    await views.require_session(request)
    database = await pool(views.settings)
    row = await search.read(database, str(delivery_id(request)))
    if row is None:
        raise not_found("delivery")
    body = (await bodies.read(database, [row["id"]], views.settings.body_keys)).get(row["id"])
    trail = await audit.trail(database, row["id"])
    return await views.page(
        request,
        "delivery.html",
        delivery=row,
        body=None if body is None else shown(body, row["content_type"]),
        absence=bodies.absence(row["altered"]) if body is None else None,
        effects=await queries.effects_of(database, row["dispatches"]),
        trail=trail[-queries.MAX_CHANGES :],
        verified=views.verified(row["source"]),
        can=await _can(views, database, row),
    )


async def body(views: AdminViews, request: Request) -> Response:
    """The body to the last byte, to be saved and never shown."""
    await views.require_session(request)
    wanted = delivery_id(request)
    found = await bodies.read(await pool(views.settings), [wanted], views.settings.body_keys)
    content = found.get(wanted)
    if content is None:
        raise not_found("body")
    return Response(
        content,
        media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="delivery-{wanted}.bin"'},
    )


async def replay(views: AdminViews, request: Request) -> Response:
    """Let a delivery go through again, on all its routes or on one."""
    form = await views.form(request)
    wanted, route = delivery_id(request), form.get("route") or None
    database = await pool(views.settings)
    if route:
        row = await search.read(database, str(wanted))
        if row is None or route not in {each["route"] for each in row["dispatches"]} | _routes(views, row):
            raise not_found("route")
    async with database.acquire() as connection:
        if not await commands.replay(connection, [wanted], route=route, actor=views.actor(request)):
            raise Refused(
                409, "Nothing to replay", "It waits or runs already, or its body is no longer stored."
            )
    again = f"It goes through again on {route}." if route else "It goes through again."
    return views.said(request, f"/deliveries/{wanted}", f"{again} What is done is not repeated.")


async def discard(views: AdminViews, request: Request) -> Response:
    """Set a delivery aside, with the person's reason."""
    form = await views.form(request)
    wanted, reason = delivery_id(request), reason_of(form)
    async with (await pool(views.settings)).acquire() as connection:
        if not await commands.discard(connection, [wanted], actor=views.actor(request), reason=reason):
            raise Refused(409, "Nothing to set aside", "What is done stays as it is.")
    return views.said(request, f"/deliveries/{wanted}", "It is set aside.")


async def _can(views: AdminViews, database: asyncpg.Pool, row: dict[str, Any]) -> dict[str, Any]:
    """What a person can do: set it aside, replay it, replay it on these of its routes, or to these others."""
    ids = [row["id"]]
    taken = {dispatch["route"] for dispatch in row["dispatches"]}
    routes = {
        route for route in taken | _routes(views, row) if _acts(await dry_run.replay(database, ids, route))
    }
    return {
        "discard": _acts(await dry_run.discard(database, ids)),
        "replay": _acts(await dry_run.replay(database, ids)),
        "again": routes & taken,
        "routes": sorted(routes - taken),
    }


def _routes(views: AdminViews, row: dict[str, Any]) -> set[str]:
    """The routes of `hooks.yaml` that a delivery could take."""
    return {route.name for route in views.hooks.routes if route.source == row["source"]}


def _acts(parts: Sequence[dry_run.Part]) -> bool:
    """Return True if the command would change something."""
    return any(part.left_alone is None for part in parts)
