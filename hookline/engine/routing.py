"""
Routing: turns a delivery into dispatches, one for every route whose condition is true; a bundle into its items.

Around each delivery is a fence: any error of its body, its templates or its flows' types ends it alone, as `rejected`.
Bodies are parsed and matched in a confined process, and sources are routed side by side, so that no source delays
another. A delivery that kills this process all the same was counted before (`deliveries.claim_received`).
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import groupby
from operator import itemgetter
from uuid import UUID

import asyncpg
from pydantic import SecretStr

from hookline.confined import Confined, TooCostly
from hookline.database import CONNECTION_ERRORS, is_connection_error
from hookline.engine.leases import is_cancelled
from hookline.errors import ConfigurationError, HooklineError
from hookline.hooks import Hooks, Route
from hookline.hooks.bundles import JSON, Item
from hookline.hooks.matching import (
    Candidate,
    Incoming,
    Match,
    bounded_and_judged,
    match_routes,
    split_bundle,
)
from hookline.inbox import deliveries, dispatches
from hookline.inbox.deliveries import Arrival
from hookline.inbox.dispatches import NewDispatch
from hookline.prefect_adapter.parameter_schema import server_schema
from hookline.provisioning.deployments import Deployment
from hookline.provisioning.parameters import DELIVERY, converted, misfits, takes_delivery
from hookline.text import one_line, reason

logger = logging.getLogger(__name__)

BATCH = 50
TURN_SECONDS = 2.0
"""The longest time for which one source is routed before its outcomes are written."""
MAX_BYTES = 16 * 1_048_576
"""Of the items of bundles, after which the outcomes are written, too."""
IDLE_SECONDS = 5.0
"""The interval of polls of the inbox, should a notification be missed."""
PAUSE_SECONDS = 2.0
"""The wait of a source after a delivery that was too costly: its process is started again."""
PROCESSES = 2
MAX_ATTEMPTS = 3
MAX_MESSAGE = 200
"""The most characters of an error that is not ours."""
FATAL = f"its routing did not come to an end {MAX_ATTEMPTS} times: the engine died or hung of it"

WARMING_UP = Incoming(content_type="application/json", body=b"{}", altered=[], context={"headers": {}})


@dataclass(frozen=True)
class _Outcome:
    """The outcome of routing a delivery: dispatches, or a state and its reason."""

    delivery: asyncpg.Record
    new: Sequence[NewDispatch] = field(default_factory=list)
    items: Sequence[Arrival] = field(default_factory=list)
    """Of a bundle."""
    state: str | None = None
    reason: str | None = None
    costly: bool = False


class _RouteOff(HooklineError):
    """A route that matches a delivery, or may match, is off: the delivery waits until it is on again."""


class _NotRoutable(HooklineError):
    """A delivery cannot be routed before a person fixes a file; the delivery itself is in order."""


class Router:
    """Routes received deliveries, for as long as its engine runs."""

    def __init__(
        self,
        database: asyncpg.Pool,
        hooks: Hooks,
        deployments: Mapping[str, Deployment],
        body_keys: Sequence[SecretStr] = (),
        *,
        owner: str | None = None,
        confined: Confined | None = None,
        on_routed: Callable[[], object] = lambda: None,
    ) -> None:
        self.database = database
        self.hooks = hooks
        self.deployments = deployments
        self.body_keys = body_keys
        self.owner = owner
        self.confined = confined or Confined(processes=PROCESSES, modules=[match_routes.__module__])
        self.wake = asyncio.Event()
        self._on_routed = on_routed
        self._stopping = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._counted: set[UUID] = set()
        """The deliveries whose attempt is counted already: this process has not died of them."""

    async def serve(self) -> None:
        """Route until stopped, then finish the sources that were begun."""
        renewing = asyncio.create_task(self._renew_claims())
        try:
            await self.confined.run(match_routes, WARMING_UP, [], [])  # to start a process takes a second
            while not self._stopping.is_set():
                self.wake.clear()
                if not await self._try_turn() and not self._stopping.is_set():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self.wake.wait(), IDLE_SECONDS)
            await self._finish_running()
        finally:
            renewing.cancel()
            await asyncio.to_thread(self.confined.close)

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()
        self.wake.set()

    async def route_received(self) -> None:
        """Route all received deliveries, and return."""
        while await self._turn() or self._running:
            await self._finish_running()

    async def _try_turn(self) -> bool:
        try:
            return await self._turn()
        except Exception as error:
            if is_connection_error(error):
                logger.warning("the database is away: %s", one_line(error, 200))
            else:
                logger.exception("nothing can be routed just now")
            await asyncio.sleep(1)
            return True

    async def _turn(self) -> bool:
        """Claim deliveries and begin to route them, each source by itself; return True if there were any."""
        async with self.database.acquire() as connection:
            claimed = await deliveries.claim_received(
                connection, BATCH, busy=self._running.keys(), counted=self._counted, owner=self.owner
            )
        by_source = itemgetter("source")
        for source, group in groupby(sorted(claimed, key=by_source), key=by_source):
            self._begin(source, list(group))
        return bool(claimed) or await self._route_suspect()

    def _begin(self, source: str, group: list[asyncpg.Record]) -> None:
        self._counted.update(row["id"] for row in group)
        task = asyncio.create_task(self._route_group(group), name=f"routing of {source}")
        self._running[source] = task
        task.add_done_callback(partial(self._ended, source))

    def _ended(self, source: str, task: asyncio.Task[None]) -> None:
        del self._running[source]
        self.wake.set()
        if task.cancelled() or (error := task.exception()) is None:
            return
        if is_connection_error(error):
            logger.warning("the routing of %s waits: the database is away: %s", source, one_line(error, 200))
        elif isinstance(error, asyncpg.TransactionRollbackError):
            logger.warning("the routing of %s begins again: %s", source, one_line(error, 200))
        else:
            logger.error("the routing of %s broke off", source, exc_info=error)

    async def _finish_running(self) -> None:
        while self._running:
            await asyncio.wait(self._running.values())

    async def _route_suspect(self) -> bool:
        """Route one delivery whose routing an engine began and did not end, with no other beside it."""
        if not await deliveries.has_suspect(self.database, self._counted):
            return False
        await self._finish_running()
        async with self.database.acquire() as connection:
            suspect = await deliveries.claim_suspect(connection, self._counted, owner=self.owner)
        if suspect is None:
            return False
        if suspect["routing_attempts"] > MAX_ATTEMPTS:
            logger.error("delivery %s is rejected: %s", suspect["id"], FATAL)
            await self._write([_Outcome(suspect, state="rejected", reason=FATAL)])
        else:
            self._begin(suspect["source"], [suspect])
            await self._finish_running()
        return True

    async def _route_group(self, group: list[asyncpg.Record]) -> None:
        """Route deliveries of one source one after another, for one turn; the rest of them is given back."""
        until = time.monotonic() + TURN_SECONDS
        outcomes: list[_Outcome] = []
        left = list(reversed(group))
        costly = False
        bytes_of_items = 0
        while (
            left and not costly and (not outcomes or time.monotonic() < until) and bytes_of_items < MAX_BYTES
        ):
            outcomes.append(await self._route(left.pop()))
            costly = outcomes[-1].costly
            bytes_of_items += sum(len(item.body) for item in outcomes[-1].items)
        await self._write(outcomes)
        if left:
            rest = [row["id"] for row in left]
            await deliveries.release_routing(self.database, rest)
            self._counted.difference_update(rest)
        self._on_routed()
        if costly:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), PAUSE_SECONDS)

    async def _route(self, delivery: asyncpg.Record) -> _Outcome:
        """Route one delivery within its fence: no error of it comes out; only the database may be unavailable."""
        body = delivery["body"]
        if body is None and delivery["has_body"]:
            body = await deliveries.body_of(self.database, delivery["id"])
        try:
            if self._is_bundle(delivery):
                return await self._split(delivery, body)
            new = await self._dispatches(delivery, body)
        except _RouteOff as off:
            return _Outcome(delivery, state="held", reason=str(off))
        except _NotRoutable as error:
            logger.warning("delivery %s waits: %s", delivery["id"], error)
            return _Outcome(delivery, state="received", reason=str(error))
        except BaseException as error:
            # Whatever it is, it ends this delivery alone: a flow's own types may raise anything.
            if isinstance(error, GeneratorExit) or (
                isinstance(error, asyncio.CancelledError) and is_cancelled()
            ):
                raise
            return _rejected(delivery, error)
        if not new:
            return _Outcome(delivery, state="unrouted", reason="no route's condition holds")
        return _Outcome(delivery, new)

    def _incoming(self, delivery: asyncpg.Record, body: bytes | None) -> Incoming:
        source = self.hooks.sources.get(delivery["source"])
        return Incoming(
            content_type=delivery["content_type"],
            body=body,
            altered=delivery["altered"],
            context=deliveries.template_context(delivery, None),
            source=source.spec if source else None,
            is_item=delivery["envelope"] is not None,
            only_route=delivery["only_route"],
        )

    def _is_bundle(self, delivery: asyncpg.Record) -> bool:
        source = self.hooks.sources.get(delivery["source"])
        return delivery["envelope"] is None and source is not None and source.split is not None

    async def _split(self, delivery: asyncpg.Record, body: bytes | None) -> _Outcome:
        """Make a delivery of each item of a bundle; those that came before are found by their ids."""
        within = self.hooks.sources[delivery["source"]].repeats.window
        items = await self.confined.run(split_bundle, self._incoming(delivery, body), self.body_keys)
        if not items:
            return _Outcome(delivery, state="unrouted", reason="`split` of the source finds no item in it")
        arrivals = [_arrival(delivery, item, within) for item in items]
        return _Outcome(delivery, items=arrivals, state="split", reason=f"items: {len(items)}")

    async def _dispatches(self, delivery: asyncpg.Record, body: bytes | None) -> list[NewDispatch]:
        incoming = self._incoming(delivery, body)
        routes = [route for route in self.hooks.routes if route.source == delivery["source"]]
        blind = [route for route in routes if route.blind]
        candidates = {
            route.name: self._candidate(route, delivery["id"]) for route in routes if not route.blind
        }
        matches = await self.confined.run(match_routes, incoming, list(candidates.values()), self.body_keys)
        _require_switched_on(blind if not matches else [])
        return [await self._dispatch(delivery, candidates[match.route], match) for match in matches]

    def _candidate(self, route: Route, delivery_id: UUID) -> Candidate:
        deployment = self.deployments.get(route.deployment)
        try:
            flow = None if deployment is None else deployment.flow()
        except ConfigurationError:
            flow = None
        if deployment is None or flow is None:  # reported once the route matches a delivery
            return Candidate(route.name, route.spec)
        fills = takes_delivery(flow) and DELIVERY not in deployment.parameters
        return Candidate(
            route.name,
            route.spec,
            schema=server_schema(flow),
            defaults=deployment.parameters,
            filled={DELIVERY: str(delivery_id)} if fills else {},
        )

    async def _dispatch(self, delivery: asyncpg.Record, candidate: Candidate, match: Match) -> NewDispatch:
        [route] = [route for route in self.hooks.routes if route.name == match.route]
        _require_switched_on([route])
        try:
            flow = self._deployment(route).flow()
        except ConfigurationError as error:
            raise _NotRoutable(f"routes.{route.name}: {error}") from None
        problems = misfits(flow, match.parameters)
        parameters = match.parameters
        if match.refused and not problems:
            changed = converted(flow, parameters, match.refused)
            parameters, refused = await self.confined.run(bounded_and_judged, candidate, changed)
            problems = misfits(flow, parameters) or [
                f"parameter {name}: {why}" if name else why for name, why in refused.items()
            ]
        if problems:
            raise ValueError(f"routes.{route.name}: " + "; ".join(problems))
        return NewDispatch(delivery["id"], route.name, route.deployment, parameters, match.key)

    def _deployment(self, route: Route) -> Deployment:
        """
        Return the deployment that a route leads to.

        Raises:
            ConfigurationError: this engine does not know it.
        """
        if route.deployment not in self.deployments:
            raise ConfigurationError(f"there is no deployment {route.deployment!r} here")
        return self.deployments[route.deployment]

    async def _write(self, outcomes: Sequence[_Outcome]) -> None:
        """Write outcomes together; if that fails, each by itself."""
        try:
            await self._write_all(outcomes)
        except Exception as error:
            if is_connection_error(error) or isinstance(error, asyncpg.TransactionRollbackError):
                raise  # nothing is wrong with the deliveries: they are claimed again at once
            if len(outcomes) > 1:
                for each in outcomes:
                    await self._write([each])
                return
            [outcome] = outcomes
            if outcome.state == "rejected":
                self._counted.discard(outcome.delivery["id"])  # its next attempt counts
                raise
            await self._write([_rejected(outcome.delivery, error)])

    async def _write_all(self, outcomes: Sequence[_Outcome]) -> None:
        claimed = {each.delivery["id"]: each.delivery["routing_attempts"] for each in outcomes}
        async with self.database.acquire() as connection, connection.transaction():
            locked = await deliveries.lock_claimed(connection, claimed)
            ours = [each for each in outcomes if each.delivery["id"] in locked]
            if new := [dispatch for each in ours for dispatch in each.new]:
                await dispatches.add_all(connection, new)
            for arrivals in _without_repeats([item for each in ours for item in each.items]):
                await deliveries.accept_all(connection, arrivals)
            for each in ours:
                if each.state == "received":
                    await deliveries.postpone_routing(connection, each.delivery["id"], each.reason or "")
                elif each.state == "held":
                    await deliveries.hold(connection, each.delivery["id"], each.reason or "")
                elif each.state:
                    await deliveries.set_state(connection, each.delivery["id"], each.state, each.reason)
        self._counted.difference_update(claimed)

    async def _renew_claims(self) -> None:
        """Renew the claims of deliveries that are being routed, until cancelled."""
        while True:
            await asyncio.sleep(deliveries.ROUTING_SECONDS / 3)
            if self._running:
                with suppress(*CONNECTION_ERRORS):
                    await deliveries.renew_routing(self.database, self._counted)


def _without_repeats(arrivals: Sequence[Arrival]) -> list[list[Arrival]]:
    """Return arrivals in lists without a repeat, those of one id in their order: each may have another body."""
    lists: list[list[Arrival]] = []
    came: Counter[tuple[str, str]] = Counter()
    for arrival in arrivals:
        if came[arrival.key] == len(lists):
            lists.append([])
        lists[came[arrival.key]].append(arrival)
        came[arrival.key] += 1
    return lists


def _require_switched_on(routes: Sequence[Route]) -> None:
    """Raise _RouteOff if one of these routes, which match a delivery or may match, is off."""
    for route in routes:
        if route.off:
            raise _RouteOff(f"route {route.name} {route.off}")


def _arrival(delivery: asyncpg.Record, item: Item, within: timedelta | None) -> Arrival:
    """Return an item of a bundle as it is to be stored."""
    return Arrival(
        source=delivery["source"],
        external_id=item.external_id,
        method=delivery["method"],
        query=delivery["query"],
        headers=delivery["headers"],
        content_type=JSON,
        body=item.body,
        altered=item.altered,
        fingerprint=item.fingerprint,
        within=within,
        bundle_id=delivery["id"],
        envelope=item.envelope,
    )


def _rejected(delivery: asyncpg.Record, error: BaseException) -> _Outcome:
    """Return the outcome of a delivery that raised an error."""
    why = reason(_message(error))
    logger.warning("delivery %s cannot be routed: %s (%s)", delivery["id"], why, type(error).__name__)
    return _Outcome(delivery, state="rejected", reason=why, costly=isinstance(error, TooCostly))


def _message(error: BaseException) -> str:
    """Return the message of an error; those that are not ours may quote the body, so only their beginning."""
    match error:
        case asyncpg.PostgresError() | asyncpg.InterfaceError():  # its details hold the whole row
            return f"PostgreSQL cannot store its outcome: {one_line(error.args[0], MAX_MESSAGE)}"
        case ValueError() | HooklineError():
            return str(error)
        case _:
            return f"{type(error).__name__}: {one_line(error, MAX_MESSAGE)}"
