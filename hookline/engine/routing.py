"""
Routing: turns a delivery into dispatches, one for every route whose condition is true; a bundle into its items.

What a delivery becomes is evaluated behind a fence (`hookline.engine.evaluation`), and sources are routed side by side,
so that no source delays another. A delivery that kills this process all the same was counted before
(`deliveries.claim_received`).
"""

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import groupby, takewhile
from operator import itemgetter
from uuid import UUID

import asyncpg
from pydantic import SecretStr

from hookline import tracing
from hookline.confined import Confined
from hookline.database import CONNECTION_ERRORS, is_connection_error
from hookline.database.types import Connection, Row
from hookline.engine.evaluation import Evaluation, Outcome, rejected
from hookline.hooks import Hooks
from hookline.hooks.matching import Incoming, match_routes
from hookline.inbox import copies, deliveries, dispatches
from hookline.inbox.deliveries import Arrival, Receipt
from hookline.labels import UNLABELLED
from hookline.provisioning.deployments import Deployment
from hookline.text import one_line
from hookline.waits import store as waits
from hookline.waits.matching import Paths

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
FATAL = f"its routing did not come to an end {MAX_ATTEMPTS} times: the engine died or hung of it"

WARMING_UP = Incoming(content_type="application/json", body=b"{}", altered=[], context={"headers": {}})


class _NewPaths(Exception):
    """Runs wait for deliveries by paths with which these were not compared yet."""

    def __init__(self, paths: frozenset[Paths]) -> None:
        super().__init__()
        self.paths = paths


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
        self.owner = owner
        self.confined = confined or Confined(processes=PROCESSES, modules=[match_routes.__module__])
        self.evaluation = Evaluation(hooks, deployments, body_keys, self.confined)
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

    @property
    def is_stopping(self) -> bool:
        """Return True if its engine stops: the processes that read bodies may be gone."""
        return self._stopping.is_set()

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
            await self._write([Outcome(suspect, state="rejected", reason=FATAL)])
        else:
            self._begin(suspect["source"], [suspect])
            await self._finish_running()
        return True

    async def _route_group(self, group: list[asyncpg.Record]) -> None:
        """Route deliveries of one source one after another, for one turn; the rest of them is given back."""
        until = time.monotonic() + TURN_SECONDS
        outcomes: list[Outcome] = []
        left = list(reversed(group))
        costly = False
        bytes_of_items = 0
        paths = frozenset(await waits.paths(self.database, group[0]["source"]))
        while (
            left and not costly and (not outcomes or time.monotonic() < until) and bytes_of_items < MAX_BYTES
        ):
            outcomes.append(await self._compared(await self._outcome(left.pop()), paths))
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

    async def _outcome(self, delivery: asyncpg.Record) -> Outcome:
        """Evaluate one delivery; no error of it comes out, only the database may be unavailable."""
        source = delivery["source"]
        with tracing.span(
            f"route {source}",
            "consumer",
            parent=delivery["traceparent"],
            source=source,
            delivery=delivery["id"],
        ) as note:
            outcome = await self._evaluated(delivery)
            note(outcome=outcome.state or "dispatched")
        return outcome

    async def _evaluated(self, delivery: asyncpg.Record) -> Outcome:
        body = delivery["body"]
        if body is None and delivery["has_body"]:
            body = await deliveries.body_of(self.database, delivery["id"])
        outcome = await self.evaluation.outcome(delivery, body)
        if outcome.state in {"rejected", "received"}:
            logger.warning("delivery %s is not routed: %s", delivery["id"], outcome.reason)
        for new in outcome.new:
            if new.label.problem:
                logger.warning("delivery %s: routes.%s: %s", delivery["id"], new.route, new.label.problem)
        if outcome.items and delivery["changed"] is not None:
            changed = await copies.changed_items(self.database, outcome.items)
            return replace(outcome, items=changed, as_they_came=len(outcome.items) - len(changed))
        return outcome

    async def _compared(self, outcome: Outcome, paths: frozenset[Paths]) -> Outcome:
        """Compare a delivery with what runs wait for, by these paths."""
        new = paths - outcome.paths
        if not new or not outcome.may_answer:
            return outcome
        delivery = outcome.delivery
        body = delivery["body"]
        if body is None and delivery["has_body"]:
            body = await deliveries.body_of(self.database, delivery["id"])
        keys = await self.evaluation.wait_keys(delivery, body, new)
        return replace(outcome, paths=outcome.paths | paths, wait_keys=[*outcome.wait_keys, *keys])

    async def _write(self, outcomes: Sequence[Outcome], group: Mapping[UUID, int] | None = None) -> None:
        """Write outcomes of one source together; if that fails, each by itself, though still as one of their group."""
        group = group or {each.delivery["id"]: each.delivery["routing_attempts"] for each in outcomes}
        try:
            await self._write_all(outcomes, group)
        except _NewPaths as new:
            await self._write([await self._compared(outcome, new.paths) for outcome in outcomes], group)
        except Exception as error:
            if is_connection_error(error) or isinstance(error, asyncpg.TransactionRollbackError):
                raise  # nothing is wrong with the deliveries: they are claimed again at once
            if len(outcomes) > 1:
                for each in outcomes:
                    await self._write([each], group)
                return
            [outcome] = outcomes
            if outcome.state == "rejected":
                self._counted.discard(outcome.delivery["id"])  # its next attempt counts
                raise
            why = rejected(outcome.delivery, error)
            logger.warning("delivery %s is not routed: %s", outcome.delivery["id"], why.reason)
            await self._write([why], group)

    async def _write_all(self, outcomes: Sequence[Outcome], group: Mapping[UUID, int]) -> None:
        """Write outcomes, up to the first of the group that another engine has by now: what is behind it waits."""
        async with self.database.acquire() as connection, connection.transaction():
            await _require_compared(connection, outcomes)
            locked = await deliveries.lock_claimed(connection, group)
            before = set(takewhile(lambda id_: locked.get(id_, True), group))
            ours = [each for each in outcomes if each.delivery["id"] in before & locked.keys()]
            await self._write_ours(connection, ours)
            late = {each.delivery["id"] for each in outcomes} - before
            await deliveries.release_routing(connection, [id_ for id_ in late if locked.get(id_)])
        self._counted.difference_update(each.delivery["id"] for each in outcomes)

    async def _write_ours(self, connection: Connection, ours: Sequence[Outcome]) -> None:
        ours = await _answering(connection, await _in_order(connection, ours))
        if new := [dispatch for each in ours for dispatch in each.new]:
            await dispatches.add_all(connection, new)
        receipts = await _accept_items(connection, ours)
        for each in ours:
            id_ = each.delivery["id"]
            if each.state == "split":
                await deliveries.set_state(connection, id_, each.state, _counts(receipts[id_], each))
            elif each.state == "received":
                await deliveries.postpone_routing(connection, id_, each.reason or "", each.ordering_keys)
            elif each.state == "held":
                await deliveries.hold(connection, id_, each.reason or "", each.ordering_keys)
            elif each.state:
                await deliveries.set_state(connection, id_, each.state, each.reason)
            if each.label != UNLABELLED:
                await deliveries.set_label(connection, id_, each.label)
        if waited := [each.delivery for each in ours if each.delivery["ordering_keys"] and not each.waits]:
            await deliveries.let_follow(connection, waited)

    async def _renew_claims(self) -> None:
        """Renew the claims of deliveries that are being routed, until cancelled."""
        while True:
            await asyncio.sleep(deliveries.ROUTING_SECONDS / 3)
            if self._running:
                with suppress(*CONNECTION_ERRORS):
                    await deliveries.renew_routing(self.database, self._counted)


async def _accept_items(
    connection: Connection, ours: Sequence[Outcome]
) -> Mapping[UUID | None, list[Receipt]]:
    """Store the items of bundles as deliveries; return the receipts by bundle."""
    receipts: defaultdict[UUID | None, list[Receipt]] = defaultdict(list)
    for arrivals in _without_repeats([item for each in ours for item in each.items]):
        for arrival, receipt in zip(arrivals, await deliveries.accept_all(connection, arrivals), strict=True):
            receipts[arrival.bundle_id].append(receipt)
    return receipts


async def _in_order(connection: Connection, ours: Sequence[Outcome]) -> Sequence[Outcome]:
    """Let a delivery wait behind an earlier one of its ordering key that cannot be routed yet."""
    keys = {key for each in ours if each.new for key in each.ordering_keys}
    if not keys:
        return ours
    written = {each.delivery["id"] for each in ours}
    has_waited = any(each.delivery["ordering_keys"] for each in ours)
    found = await deliveries.waiting_with(connection, keys, has_waited=has_waited)
    waiting: list[Row] = [row for row in found if row["id"] not in written]
    in_order = []
    for each in ours:
        outcome = _behind(each, waiting) if each.new else each
        if outcome.waits:
            waiting.append({**each.delivery, "ordering_keys": outcome.ordering_keys})
        in_order.append(outcome)
    return in_order


def _behind(outcome: Outcome, waiting: Sequence[Row]) -> Outcome:
    """Return the outcome, or another that waits, if one of those that wait came before it with a key of its own."""
    keys = outcome.ordering_keys
    for row in waiting:
        shared = {*keys}.intersection(row["ordering_keys"])
        if shared and row["seq"] < outcome.delivery["seq"]:
            return Outcome(
                outcome.delivery,
                state="received",
                reason=f"waits for delivery {row['id']}, which came before it with the key {min(shared)!r}",
                label=outcome.new[0].label,
                keys=keys,
            )
    return outcome


async def _answering(connection: Connection, ours: Sequence[Outcome]) -> list[Outcome]:
    """Answer the runs that wait for these deliveries; one that only answers is done, and not unrouted."""
    keys = {
        each.delivery["id"]: each.wait_keys for each in ours if each.wait_keys or each.state == "unrouted"
    }
    answered = await waits.answer_by_deliveries(connection, keys)
    return [
        replace(each, state="done", reason=waits.ANSWERED_A_WAIT)
        if each.state == "unrouted" and each.delivery["id"] in answered
        else each
        for each in ours
    ]


async def _require_compared(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """
    Raise _NewPaths if a run waits for one of these deliveries by paths with which it was not compared.

    Until the transaction ends, no run begins to wait for these sources: one that begins later looks back.
    """
    compared = [each for each in outcomes if each.may_answer]
    for source in sorted({each.delivery["source"] for each in compared}):
        await waits.lock_source(connection, source)
        paths = await waits.paths(connection, source)
        for each in compared:
            if each.delivery["source"] == source and (new := paths - each.paths):
                raise _NewPaths(frozenset(new))


def _counts(receipts: Sequence[Receipt], outcome: Outcome) -> str:
    """Return what the items of a bundle came to; what is no delivery of its own is counted, so that people see it."""
    apart = sum(receipt.apart for receipt in receipts)
    counts = {
        "equal to another of them": outcome.repeated,
        "there before": sum(receipt.duplicate for receipt in receipts) - apart,
        "set aside": apart,
        "as they came": outcome.as_they_came,
    }
    beside = ", ".join(f"{name}: {number}" for name, number in counts.items() if number)
    number = len(receipts) + outcome.repeated + outcome.as_they_came
    return f"items: {number}" + (f" ({beside})" if beside else "")


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
