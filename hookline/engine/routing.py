"""From a delivery to its dispatches: every route whose condition holds gets one."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
from jsonschema.exceptions import best_match
from pydantic import SecretStr

from hookline.database.types import Connection
from hookline.engine.deployments import Deployment, misfits
from hookline.hooks import Hooks, Route, Source, TemplateError, bodies
from hookline.inbox import deliveries, dispatches
from hookline.inbox.bodies import opened

logger = logging.getLogger(__name__)

BATCH = 50


async def route_received(
    database: asyncpg.Pool,
    hooks: Hooks,
    deployments: Mapping[str, Deployment],
    body_keys: Sequence[SecretStr] = (),
) -> int:
    """Route what was received and not yet routed, a batch at most; how many deliveries there were."""
    async with database.acquire() as connection, connection.transaction():
        received = await deliveries.claim_received(connection, BATCH)
        for delivery in received:
            try:
                async with connection.transaction():  # a delivery that cannot be routed spoils no other
                    body = opened(delivery, body_keys) or b""
                    await _route(connection, delivery, body, hooks, deployments)
            except (TemplateError, ValueError, asyncpg.DataError) as error:
                logger.warning("delivery %s cannot be routed: %s", delivery["id"], error)
                await deliveries.set_state(connection, delivery["id"], "rejected", str(error))
    return len(received)


async def _route(
    connection: Connection,
    delivery: asyncpg.Record,
    body: bytes,
    hooks: Hooks,
    deployments: Mapping[str, Deployment],
) -> None:
    said = bodies.parse(delivery["content_type"], body)
    if misfit := _misfit(hooks.sources.get(delivery["source"]), said):
        raise ValueError(misfit)
    names = deliveries.names(delivery, said)
    taken = _takers(delivery, hooks, names)
    if off := _switched_off(delivery, hooks, taken):
        await deliveries.hold(connection, delivery["id"], f"route {off.name} {off.off}")
        return
    for route in taken:
        await _dispatch(connection, delivery, route, names, deployments[route.deployment])
    if not taken:
        await deliveries.set_state(connection, delivery["id"], "unrouted", "no route's condition holds")


def _misfit(source: Source | None, body: Any) -> str | None:
    """What in the body does not fit the schema that the source asks for."""
    if source is None or source.schema_ is None:
        return None
    error = best_match(source.schema_.iter_errors(body))
    return None if error is None else f"does not fit the schema at {error.json_path}: {error.message}"[:500]


def _takers(delivery: asyncpg.Record, hooks: Hooks, names: Mapping[str, Any]) -> list[Route]:
    """The routes that take a delivery; the one it was replayed to, whatever its condition says."""
    of_source = [route for route in hooks.routes if route.source == delivery["source"]]
    if only := delivery["only_route"]:
        return [route for route in of_source if route.name == only]
    return [route for route in of_source if _accepts(route, names)]


def _switched_off(delivery: asyncpg.Record, hooks: Hooks, taken: Sequence[Route]) -> Route | None:
    """The route that a delivery waits for: one that takes it and is off, or that may, where no other does."""
    blind = [route for route in hooks.routes if route.blind and route.source == delivery["source"]]
    return next((route for route in taken if route.off), None if taken else next(iter(blind), None))


async def _dispatch(
    connection: Connection,
    delivery: asyncpg.Record,
    route: Route,
    names: Mapping[str, Any],
    deployment: Deployment,
) -> None:
    try:
        parameters = route.render_parameters(names)
        key = route.render_key(names)
    except TemplateError as error:
        raise TemplateError(f"routes.{route.name}: {error}") from None
    if problems := misfits(deployment.flow(), parameters):
        raise ValueError(f"routes.{route.name}: " + "; ".join(problems))
    await dispatches.add(
        connection,
        delivery["id"],
        route=route.name,
        deployment=route.deployment,
        parameters=parameters,
        key=key,
    )


def _accepts(route: Route, names: Mapping[str, Any]) -> bool:
    try:
        return route.accepts(names)
    except TemplateError as error:
        raise TemplateError(f"routes.{route.name}.when: {error}") from None
