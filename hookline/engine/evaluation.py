"""
Evaluation of a delivery: which of its routes take it and with what, or why not. Nothing is stored or started here.

Around each delivery is a fence: any error of its body, its templates or its flows' types ends it alone, as `rejected`.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

import asyncpg
from pydantic import SecretStr

from hookline.confined import Confined, TooCostly
from hookline.database.types import Row
from hookline.engine.leases import is_cancelled
from hookline.errors import ConfigurationError, HooklineError
from hookline.hooks import Hooks, Route
from hookline.hooks.bundles import JSON, Item
from hookline.hooks.matching import (
    Candidate,
    Incoming,
    Match,
    NotMatched,
    bounded_and_judged,
    match_routes,
    split_bundle,
)
from hookline.inbox import copies, deliveries
from hookline.inbox.deliveries import Arrival
from hookline.inbox.dispatches import NewDispatch
from hookline.labels import UNLABELLED, Label
from hookline.prefect_adapter.parameter_schema import server_schema
from hookline.provisioning.deployments import Deployment
from hookline.provisioning.parameters import DELIVERY, converted, misfits, takes_delivery, unknown
from hookline.text import one_line, reason
from hookline.waits.matching import Paths, keys_of

logger = logging.getLogger(__name__)

MAX_MESSAGE = 200
"""The most characters of an error that is not ours."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of routing a delivery: dispatches, or a state and its reason."""

    delivery: Row
    new: Sequence[NewDispatch] = field(default_factory=list)
    items: Sequence[Arrival] = field(default_factory=list)
    """Of a bundle, each once."""
    repeated: int = 0
    """Items of the bundle that are equal to another of it."""
    as_they_came: int = 0
    """Items of a copied bundle that a person did not change."""
    state: str | None = None
    reason: str | None = None
    costly: bool = False
    label: Label = UNLABELLED
    """Of a delivery that has no dispatch, as its route calls it."""
    keys: Sequence[str] = ()
    """The ordering keys of a delivery that cannot be routed yet: later ones of these wait."""
    paths: frozenset[Paths] = frozenset()
    """The paths on which it was compared with what runs wait for."""
    wait_keys: Sequence[str] = ()
    """The digests of the waits that it would answer."""

    @property
    def may_answer(self) -> bool:
        """Return True if it may answer runs that wait: it is routed, or no route takes it."""
        return bool(self.new) or self.state == "unrouted"

    @property
    def ordering_keys(self) -> Sequence[str]:
        """The ordering keys of its dispatches, or of those that it will have."""
        return self.keys or [dispatch.key for dispatch in self.new if dispatch.key]

    @property
    def waits(self) -> bool:
        """Return True if it cannot be routed yet."""
        return self.state in {"held", "received"}


class _Unrouted(HooklineError):
    """A delivery cannot be routed before a person fixes a file; the delivery itself is in order."""

    def __init__(self, message: str, label: Label = UNLABELLED) -> None:
        super().__init__(message)
        self.label = label
        self.keys: Sequence[str] = ()
        """The ordering keys of all routes that match the delivery."""


class _RouteOff(_Unrouted):
    """A route that matches a delivery, or may match, is off: the delivery waits until it is on again."""


class _NotRoutable(_Unrouted):
    """A route that matches a delivery cannot be used here: the delivery is tried again soon."""


class Evaluation:
    """Evaluates deliveries by the files in force: those of an engine, or those that a person tries."""

    def __init__(
        self,
        hooks: Hooks,
        deployments: Mapping[str, Deployment],
        body_keys: Sequence[SecretStr],
        confined: Confined,
    ) -> None:
        self.hooks = hooks
        self.deployments = deployments
        self.body_keys = body_keys
        self.confined = confined

    async def outcome(self, delivery: Row, body: bytes | None, *, only: str | None = None) -> Outcome:
        """
        Evaluate one delivery within its fence: no error of it comes out.

        Args:
            delivery: its row, as `deliveries.claim_received` returns it.
            body: as it is stored.
            only: the one route that is evaluated, by its condition.
        """
        try:
            if self.is_bundle(delivery):
                return await self._split(delivery, body)
            new = await self._dispatches(delivery, body, only)
        except _RouteOff as off:
            return Outcome(delivery, state="held", reason=str(off), label=off.label, keys=off.keys)
        except _NotRoutable as error:
            return Outcome(delivery, state="received", reason=str(error), label=error.label, keys=error.keys)
        except BaseException as error:
            # Whatever it is, it ends this delivery alone: a flow's own types may raise anything.
            if isinstance(error, GeneratorExit) or (
                isinstance(error, asyncio.CancelledError) and is_cancelled()
            ):
                raise
            return rejected(delivery, error)
        if not new:
            return Outcome(delivery, state="unrouted", reason="no route's condition holds")
        return Outcome(delivery, new)

    async def wait_keys(self, delivery: Row, body: bytes | None, paths: Collection[Paths]) -> list[str]:
        """Return the digests of the waits, with conditions on these paths, that a delivery would answer."""
        try:
            return await self.confined.run(
                keys_of, self.incoming(delivery, body), delivery["source"], sorted(paths), self.body_keys
            )
        except (ValueError, HooklineError) as error:
            logger.warning("delivery %s answers no wait: %s", delivery["id"], one_line(error, MAX_MESSAGE))
            return []

    def incoming(self, delivery: Row, body: bytes | None) -> Incoming:
        """Return a delivery as plain data, which a confined process reads."""
        source = self.hooks.sources.get(delivery["source"])
        return Incoming(
            content_type=delivery["content_type"],
            body=body,
            altered=delivery["altered"],
            context=deliveries.template_context(delivery, None),
            source=source.spec if source else None,
            is_item=delivery["envelope"] is not None,
            only_route=delivery["only_route"],
            changed=(delivery["changed"] or {}).get("parameters", {}),
        )

    def is_bundle(self, delivery: Row) -> bool:
        """Return True if its items are deliveries, each with routes of its own."""
        source = self.hooks.sources.get(delivery["source"])
        return delivery["envelope"] is None and source is not None and source.split is not None

    async def _split(self, delivery: Row, body: bytes | None) -> Outcome:
        """Make a delivery of each item of a bundle; those that came before are found by their ids."""
        within = self.hooks.sources[delivery["source"]].repeats.window
        items = await self.confined.run(split_bundle, self.incoming(delivery, body), self.body_keys)
        if not items:
            return Outcome(delivery, state="unrouted", reason="`split` of the source finds no item in it")
        arrivals = [_arrival(delivery, item, within) for item in items]
        repeated = sum(item.times - 1 for item in items)
        return Outcome(delivery, items=arrivals, repeated=repeated, state="split")

    async def _dispatches(self, delivery: Row, body: bytes | None, only: str | None) -> list[NewDispatch]:
        incoming = self.incoming(delivery, body)
        routes = [
            route
            for route in self.hooks.routes
            if route.source == delivery["source"] and only in {None, route.name}
        ]
        blind = [route for route in routes if route.blind]
        candidates = {
            route.name: replace(
                self._candidate(route, delivery["id"]), changed=incoming.changed.get(route.name, {})
            )
            for route in routes
            if not route.blind
        }
        matches = await self.confined.run(match_routes, incoming, list(candidates.values()), self.body_keys)
        _require_switched_on(blind if not matches else [])
        try:
            return [await self._dispatch(delivery, candidates[match.route], match) for match in matches]
        except _Unrouted as unrouted:
            unrouted.keys = [match.key for match in matches if match.key]
            raise

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

    async def _dispatch(self, delivery: Row, candidate: Candidate, match: Match) -> NewDispatch:
        [route] = [route for route in self.hooks.routes if route.name == match.route]
        _require_switched_on([route], match.label)
        try:
            flow = self._deployment(route).flow()
        except ConfigurationError as error:
            raise _NotRoutable(f"routes.{route.name}: {error}", match.label) from None
        problems = unknown(flow, candidate.changed) or misfits(flow, match.parameters)
        parameters = match.parameters
        if match.refused and not problems:
            changed = converted(flow, parameters, match.refused)
            parameters, refused = await self.confined.run(bounded_and_judged, candidate, changed)
            problems = misfits(flow, parameters) or [
                f"parameter {name}: {why}" if name else why for name, why in refused.items()
            ]
        if problems:
            raise NotMatched(f"routes.{route.name}: " + "; ".join(problems), match.label)
        return NewDispatch(
            delivery["id"],
            route.name,
            route.deployment,
            parameters,
            match.key,
            match.label,
            route.debounce,
        )

    def _deployment(self, route: Route) -> Deployment:
        """
        Return the deployment that a route leads to.

        Raises:
            ConfigurationError: this engine does not know it.
        """
        if route.deployment not in self.deployments:
            raise ConfigurationError(f"there is no deployment {route.deployment!r} here")
        return self.deployments[route.deployment]


def _require_switched_on(routes: Sequence[Route], label: Label = UNLABELLED) -> None:
    """Raise _RouteOff if one of these routes, which match a delivery or may match, is off."""
    for route in routes:
        if route.off:
            raise _RouteOff(f"route {route.name} {route.off}", label)


def _arrival(delivery: Row, item: Item, within: timedelta | None) -> Arrival:
    """Return an item of a bundle as it is to be stored; of a copied bundle, a copy."""
    arrival = Arrival(
        source=delivery["source"],
        external_id=item.external_id,
        method=delivery["method"],
        query=delivery["query"],
        headers=delivery["headers"],
        content_type=JSON,
        body=item.body,
        altered=item.altered,
        fingerprints=item.fingerprints,
        within=within,
        bundle_id=delivery["id"],
        envelope=item.envelope,
    )
    return arrival if delivery["changed"] is None else copies.of_item(arrival, delivery["id"])


def rejected(delivery: Row, error: BaseException) -> Outcome:
    """Return the outcome of a delivery that raised an error."""
    return Outcome(
        delivery,
        state="rejected",
        reason=reason(_message(error)),
        costly=isinstance(error, TooCostly),
        label=error.label if isinstance(error, NotMatched) else UNLABELLED,
    )


def _message(error: BaseException) -> str:
    """Return the message of an error; those that are not ours may quote the body, so only their beginning."""
    match error:
        case asyncpg.PostgresError() | asyncpg.InterfaceError():  # its details hold the whole row
            return f"PostgreSQL cannot store its outcome: {one_line(error.args[0], MAX_MESSAGE)}"
        case ValueError() | HooklineError():
            return str(error)
        case _:
            return f"{type(error).__name__}: {one_line(error, MAX_MESSAGE)}"
