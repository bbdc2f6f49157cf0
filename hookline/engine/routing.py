"""From a delivery to its dispatches: every route whose condition holds gets one."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import asyncpg

from hookline.database.types import Connection
from hookline.engine.deployments import Deployment, misfits
from hookline.hooks import Hooks, Route, TemplateError
from hookline.inbox import deliveries, dispatches

logger = logging.getLogger(__name__)

BATCH = 50


async def route_received(database: asyncpg.Pool, hooks: Hooks, deployments: Mapping[str, Deployment]) -> int:
    """Route what was received and not yet routed, a batch at most; how many deliveries there were."""
    async with database.acquire() as connection, connection.transaction():
        received = await deliveries.claim_received(connection, BATCH)
        for delivery in received:
            try:
                async with connection.transaction():  # a delivery that cannot be routed spoils no other
                    await _route(connection, delivery, hooks, deployments)
            except (TemplateError, ValueError, asyncpg.DataError) as error:
                logger.warning("delivery %s cannot be routed: %s", delivery["id"], error)
                await deliveries.set_state(connection, delivery["id"], "failed", str(error))
    return len(received)


async def _route(
    connection: Connection,
    delivery: asyncpg.Record,
    hooks: Hooks,
    deployments: Mapping[str, Deployment],
) -> None:
    names = deliveries.names(delivery, json.loads(delivery["body"]))
    taken = [route for route in hooks.routes if route.source == delivery["source"] and _accepts(route, names)]
    for route in taken:
        await _dispatch(connection, delivery, route, names, deployments[route.deployment])
    if taken:
        await deliveries.set_state(connection, delivery["id"], "dispatched")
    else:
        await deliveries.set_state(connection, delivery["id"], "unrouted", "no route's condition holds")


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
