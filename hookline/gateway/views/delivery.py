"""The page of one delivery: the request, its runs and effects, and the actions that a person can take."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
from starlette.requests import Request
from starlette.responses import Response

from hookline.database import pool
from hookline.gateway.views import confirming, queries
from hookline.gateway.views.base import AdminViews, Refused, delivery_id, not_found, reason_of
from hookline.gateway.views.preview import preview
from hookline.inbox import audit, bodies, commands, dry_run, search
from hookline.journal import store
from hookline.waits import store as waits


async def show(views: AdminViews, request: Request) -> Response:
    """Show one delivery."""
    database = await pool(views.settings)
    row = await search.read(database, str(delivery_id(request)))
    if row is None:
        raise not_found("delivery")
    body = (await bodies.read(database, [row["id"]], views.settings.body_keys)).get(row["id"])
    trail = await audit.trail(database, row["id"])
    effects = await queries.effects_of(database, row["dispatches"])
    return await views.page(
        request,
        "delivery.html",
        delivery=row,
        body=None if body is None else preview(body, row["content_type"]),
        absence=bodies.absence(row["altered"]) if body is None else None,
        effects=effects,
        decisions=await store.open_decisions(database, [effect["id"] for effect in effects]),
        waits=await waits.of(database, dispatches=row["dispatches"], delivery_ids=[row["id"]]),
        trail=trail[-queries.MAX_CHANGES :],
        verified=views.verified(row["source"]),
        can=await _can(views, database, row),
    )


async def body(views: AdminViews, request: Request) -> Response:
    """Return the whole body as a download, which no browser shows."""
    id_ = delivery_id(request)
    found = await bodies.read(await pool(views.settings), [id_], views.settings.body_keys)
    content = found.get(id_)
    if content is None:
        raise not_found("body")
    return Response(
        content,
        media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="delivery-{id_}.bin"'},
    )


async def replay(views: AdminViews, request: Request) -> Response:
    """Replay a delivery, on all its routes or on one."""
    form = await views.form(request)
    id_, route = delivery_id(request), form.get("route") or None
    database = await pool(views.settings)
    if route:
        row = await search.read(database, str(id_))
        if row is None or route not in {each["route"] for each in row["dispatches"]} | routes_of(views, row):
            raise not_found("route")
    async with database.acquire() as connection:
        if not await commands.replay(connection, [id_], route=route, actor=views.actor(request)):
            raise Refused(
                409, "Nothing to replay", "It waits or runs already, or its body is no longer stored."
            )
    message = f"It runs again on {route}." if route else "It runs again."
    return views.redirect(
        request, f"/deliveries/{id_}", f"{message} What is done at the vendors is not repeated."
    )


async def discard(views: AdminViews, request: Request) -> Response:
    """Set a delivery aside, with the person's reason."""
    form = await views.form(request)
    id_, reason = delivery_id(request), reason_of(form)
    database = await pool(views.settings)
    if not confirming.is_confirmed(form):
        return await _ask_to_discard(views, request, form)
    async with database.acquire() as connection:
        if not await commands.discard(connection, [id_], actor=views.actor(request), reason=reason):
            raise Refused(409, "Nothing to set aside", "What is done stays as it is.")
    return views.redirect(request, f"/deliveries/{id_}", "It is set aside.")


async def _ask_to_discard(views: AdminViews, request: Request, form: Mapping[str, str]) -> Response:
    row = await search.read(await pool(views.settings), str(delivery_id(request)))
    if row is None:
        raise not_found("delivery")
    first = next(iter(row["dispatches"]), None)
    name = (first and first["label"]) or row["label"] or row["external_id"]
    return await confirming.ask(
        views,
        request,
        form,
        title=f"Set {name} aside?",
        facts={**row["about"], "source": row["source"], "reason": form["reason"]},
        follows=[
            "It does nothing more; what runs stops before its next step.",
            "What is done at the vendors stays done.",
            "A replay takes it up again.",
        ],
        button="Set it aside: yes",
        back=f"/deliveries/{row['id']}",
    )


async def _can(views: AdminViews, database: asyncpg.Pool, row: dict[str, Any]) -> dict[str, Any]:
    """Return the possible actions: set it aside, replay it, on these of its routes or to these others."""
    ids = [row["id"]]
    taken = {dispatch["route"] for dispatch in row["dispatches"]}
    routes = {
        route for route in taken | routes_of(views, row) if _acts(await dry_run.replay(database, ids, route))
    }
    return {
        "discard": _acts(await dry_run.discard(database, ids)),
        "replay": _acts(await dry_run.replay(database, ids)),
        "change": row["source"] in views.hooks.sources,
        "again": routes & taken,
        "routes": sorted(routes - taken),
    }


def routes_of(views: AdminViews, row: dict[str, Any]) -> set[str]:
    """Return the routes of `hooks.yaml` for the delivery's source; of a bundle, only the items have some."""
    source = views.hooks.sources.get(row["source"])
    is_bundle = row["envelope"] is None and source is not None and source.split is not None
    if is_bundle or row["state"] == "split":
        return set()
    return {route.name for route in views.hooks.routes if route.source == row["source"]}


def _acts(parts: Sequence[dry_run.Part]) -> bool:
    """Return True if the command would change something."""
    return any(part.left_alone is None for part in parts)
