"""
Trying: what happens to a body by the files in force or by changed ones; nothing is stored, and nothing starts.

A try is no second routing. `Intake` reads the request as the gateway does, `accept_all` stores it in a transaction that
is rolled back, and `Evaluation` says what it would be, as in an engine.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from hookline.confined import Confined, TooCostly
from hookline.database.types import Row
from hookline.engine.evaluation import Evaluation
from hookline.errors import ConfigurationError
from hookline.gateway.body_reader import Reader
from hookline.gateway.handshakes import NotVerified
from hookline.gateway.incoming import IncomingRequest
from hookline.gateway.intake import Intake, arrival_of, request_data
from hookline.gateway.request_parsing import Rejection
from hookline.hooks import Hooks, Route, hooks_in_force
from hookline.hooks.config import load_hooks, parse_hooks
from hookline.hooks.matching import condition_values, match_routes
from hookline.hooks.poll import in_words
from hookline.hooks.sources import DEFAULT_MAX_BODY, Source
from hookline.inbox import bodies, deliveries, dry_run
from hookline.inbox.debounce import Debounce
from hookline.inbox.deliveries import Arrival
from hookline.inbox.tries import (
    TAKEN,
    VERDICTS,
    Difference,
    Result,
    Tried,
    TriedRoute,
    differences,
)
from hookline.provisioning.deployments import Deployments, deployments_in_force, fit_routes, fitted
from hookline.settings import Settings
from hookline.source_secrets import handshake_tokens, require_usable, webhook_secrets
from hookline.text import one_line

MAX_BODY = 100 * DEFAULT_MAX_BODY
"""Bytes; no source may accept more."""
MAX_ITEMS = 20
"""Items of a bundle that are tried, each on all routes."""
NOT_STORED = UUID(int=0)
"""In place of the id that only a stored delivery has."""
NO_DATABASE = "if it repeats a stored one is not known: the database does not answer"
OF_ITS_LIST = "nobody sends to this source: the delivery's id is of the list that is read"


@dataclass(frozen=True)
class Files:
    """The files by which bodies are tried."""

    hooks: Hooks
    deployments: Deployments


@dataclass(frozen=True)
class Request:
    """A body as a sender could send it, after it was verified."""

    source: str
    body: bytes
    headers: Mapping[str, str]
    """By names in lower case."""
    method: str = "POST"


def files_in_force(settings: Settings) -> Files:
    """
    Return the files as an engine would read them now, and record nothing.

    Raises:
        ConfigurationError: one is wrong, and none was in force before; names the place.
    """
    hooks = hooks_in_force(settings.hooks, settings.home, require_usable, note=False)
    deployments = deployments_in_force(settings.deployments, settings.home, note=False)
    fit_routes(hooks, deployments, settings.home, note=False)
    return Files(hooks, deployments)


def changed_files(files: Files, path: Path, text: str | None = None) -> Files:
    """
    Return the files with another `hooks.yaml`; a route of it that does not fit its flow is off, and says why.

    Args:
        files: those in force, whose deployments stay.
        path: the other file; with a text, only its name, and the folder of what it refers to.
        text: what stands in it, where it is no file.

    Raises:
        ConfigurationError: it is wrong; names every place.
    """
    hooks = load_hooks(path) if text is None else parse_hooks(text, path)
    return Files(fitted(hooks, files.deployments, before={}), files.deployments)


@asynccontextmanager
async def trying(settings: Settings, files: Files, database: asyncpg.Pool | None) -> AsyncIterator["Trying"]:
    """Lend what tries bodies by these files; without a database, repeats are not known."""
    confined = Confined(modules=[match_routes.__module__])
    reader = Reader(files.hooks.sources)
    try:
        yield Trying(settings, files, database, confined, reader)
    finally:
        confined.close()
        reader.close()


class Trying:
    """Tries bodies by some files."""

    def __init__(
        self,
        settings: Settings,
        files: Files,
        database: asyncpg.Pool | None,
        confined: Confined,
        reader: Reader,
    ) -> None:
        self._keys = settings.body_keys
        self._hooks = files.hooks
        self._deployments = files.deployments
        self._database = database
        self._confined = confined
        self._reader = reader
        self._evaluation = Evaluation(files.hooks, files.deployments, self._keys, confined)

    async def request(self, request: Request) -> Tried:
        """
        Try a request of a source, as if its sender had been verified just now.

        Raises:
            ConfigurationError: there is no such source.
        """
        source = self._hooks.sources.get(request.source)
        if source is None:
            known = ", ".join(self._hooks.sources) or "none"
            raise ConfigurationError(
                f"{self._hooks.path} has no source {request.source!r}. There are: {known}."
            )
        if not source.takes_requests:
            return await self._listed(source, request)
        incoming = _incoming(request, source)
        tried = self._read(source, request.source, incoming.content_type, len(request.body))
        if len(request.body) > source.max_body:
            return replace(
                tried,
                reason=f"413: the body is longer than {source.max_body} bytes (`max_body` of the source)",
            )
        try:
            intake = await self._reader.read(request.source, request_data(incoming, request.body, self._keys))
        except NotVerified:
            return replace(tried, reason="401: its token is none of the source's")
        except Rejection as error:
            return replace(tried, reason=f"{error.status}: {one_line(error.detail)}")
        if intake.reply:
            return replace(tried, reason=f"{intake.reply.status}: a handshake, which makes no delivery")
        arrival = arrival_of(incoming, request.body, intake)
        tried = replace(tried, id=_lasting(source, arrival.external_id), altered=tuple(arrival.altered))
        return await self._routed(await self._repeating(tried, arrival), _row(arrival), arrival.body)

    async def delivery(self, row: Row) -> Tried:
        """Try a stored delivery, a row of `deliveries.unclaimed`, as a replay on all its routes would route it."""
        row = {**row, "only_route": None}
        source = self._hooks.sources.get(row["source"])
        body = row["body"]
        if body is None and row["has_body"] and self._database:
            body = await deliveries.body_of(self._database, row["id"])
        tried = Tried(
            row["source"], str(row["id"]), None, id=row["external_id"], altered=tuple(row["altered"])
        )
        try:
            content = bodies.unseal({"body": body, "altered": row["altered"]}, self._keys)
        except ValueError as error:
            return replace(tried, reason=f"it cannot be tried: {error}")
        if content is None:
            return replace(tried, reason=f"it cannot be tried: {bodies.REMOVED}")
        if source is None:
            tried = replace(tried, remarks=(f"{self._hooks.path} has no source {row['source']!r}",))
        elif row["envelope"] is None:
            tried = await self._read_again(tried, source, row, content)
        else:
            tried = replace(tried, kind="json", bytes=len(content))
        return await self._routed(tried, row, body)

    def _read(self, source: Source, name: str, content_type: str, size: int) -> Tried:
        """Return how a request is read, before anything of its body is."""
        reading = source.reading
        charset = f"named by the field {reading.charset_field}" if reading.charset_field else None
        off = self._hooks.why_off(name)
        return Tried(
            name,
            None,
            None,
            kind=reading.kind_of(content_type),
            charset=charset or reading.charset_of(content_type),
            bytes=size,
            remarks=(f"nothing is accepted from the source: {off}",) if off else (),
        )

    async def _read_again(self, tried: Tried, source: Source, row: Row, content: bytes) -> Tried:
        """Return the try of a stored delivery with how it is read, and the id that it would have."""
        read = self._read(source, row["source"], row["content_type"], len(content))
        read = replace(read, delivery=tried.delivery, altered=tried.altered, id=tried.id)
        if not source.takes_requests:
            return read
        incoming = _incoming(Request(row["source"], content, row["headers"], row["method"]), source)
        incoming = replace(incoming, query=row["query"])
        with suppress(NotVerified, Rejection):  # it was accepted once, and is stored
            intake = await self._reader.read(row["source"], request_data(incoming, content, self._keys))
            if not intake.reply and (found := _lasting(source, intake.external_id)) != tried.id:
                return replace(read, id=found, stored_id=tried.id)
        return read

    async def _listed(self, source: Source, request: Request) -> Tried:
        """Try an item of a polled list, or what a flow of ours makes."""
        content_type = request.headers.get("content-type", "")
        tried = self._read(source, request.source, content_type, len(request.body))
        tried = replace(tried, remarks=(*tried.remarks, OF_ITS_LIST))
        arrival = arrival_of(_incoming(request, source), request.body, Intake(body=request.body))
        return await self._routed(tried, _row(arrival), request.body)

    async def _repeating(self, tried: Tried, arrival: Arrival) -> Tried:
        """Return the try with the stored delivery that it repeats: found by storing it, and rolling that back."""
        if self._database is None:
            return replace(tried, remarks=(*tried.remarks, NO_DATABASE))
        async with self._database.acquire() as connection, dry_run.rolled_back(connection):
            [receipt] = await deliveries.accept_all(connection, [arrival])
            state = await connection.fetchval("SELECT state FROM deliveries WHERE id = $1", receipt.id)
        if receipt.duplicate:
            return replace(tried, repeats=str(receipt.id), same_body=not receipt.apart)
        paused = ("its source is paused: it waits until that is resumed",) if state == "held" else ()
        return replace(tried, remarks=(*tried.remarks, *paused))

    async def _routed(self, tried: Tried, row: Row, body: bytes | None) -> Tried:
        """Return the try with the outcome of the delivery's routing."""
        outcome = await self._evaluation.outcome(row, body)
        tried = replace(tried, state=outcome.state or "dispatched", reason=outcome.reason)
        if outcome.items:
            items = [await self._item(row, each) for each in outcome.items[:MAX_ITEMS]]
            equal = (
                f"items that are equal to another of them, and no delivery of their own: {outcome.repeated}"
            )
            remarks = (*tried.remarks, *([equal] if outcome.repeated else []))
            return replace(tried, items=len(outcome.items), tried_items=items, remarks=remarks)
        if self._evaluation.is_bundle(row):
            return tried
        routes = [route for route in self._hooks.routes if route.source == row["source"]]
        values = await self._values(row, body, routes)
        found = [await self._route(route, row, body, values.get(route.name, {})) for route in routes]
        if tried.state != "dispatched":
            found = [_not_alone(each, tried) for each in found]
        return replace(tried, routes=found)

    async def _item(self, bundle: Row, arrival: Arrival) -> Tried:
        """Try an item of a bundle."""
        content = bodies.unseal({"body": arrival.body, "altered": arrival.altered}, self._keys) or b""
        source = self._hooks.sources[arrival.source]
        tried = Tried(
            arrival.source,
            None,
            None,
            id=_lasting(source, arrival.external_id, parts=2),
            kind="json",
            bytes=len(content),
        )
        if bundle["id"] == NOT_STORED:
            tried = await self._repeating(tried, replace(arrival, bundle_id=None))
        return await self._routed(tried, _row(arrival), arrival.body)

    async def _route(
        self, route: Route, row: Row, body: bytes | None, values: Mapping[str, str]
    ) -> TriedRoute:
        """Try one route by itself."""
        outcome = await self._evaluation.outcome(row, body, only=route.name)
        new = outcome.new[0] if outcome.new else None
        label = new.label if new else outcome.label
        debounce = route.debounce
        deployment = self._deployments.get(route.deployment)
        return TriedRoute(
            route=route.name,
            verdict=TAKEN if new else VERDICTS[outcome.state or ""],
            why=outcome.reason if outcome.state != "unrouted" else None,
            when="not known" if route.blind else route.when.text,
            values=values,
            deployment=route.deployment,
            parameters=dict(new.parameters) if new else None,
            key=new.key if new else None,
            unbatched=route.unbatched,
            limit=deployment.concurrency_limit if deployment else None,
            debounce=_wait(debounce) if debounce else None,
            label=label.text,
            about=label.about,
            label_problem=label.problem,
        )

    async def _values(
        self, row: Row, body: bytes | None, routes: Sequence[Route]
    ) -> Mapping[str, Mapping[str, str]]:
        """Return what the conditions find in the body; nothing where it cannot be read, as the routes say then."""
        incoming = self._evaluation.incoming(row, body)
        specs = {route.name: route.spec for route in routes if not route.blind}
        with suppress(ValueError, TooCostly):
            return await self._confined.run(condition_values, incoming, specs, self._keys)
        return {}


async def try_deliveries(
    settings: Settings,
    database: asyncpg.Pool,
    ids: Sequence[UUID],
    files: Files,
    changed: Files | None = None,
) -> Result:
    """Try stored deliveries by the files in force, and by a changed one if there is one, in order of arrival."""
    rows = await deliveries.unclaimed(database, ids)
    async with trying(settings, files, database) as now:
        if changed is None:
            return Result([await now.delivery(row) for row in rows])
        async with trying(settings, changed, database) as then:
            pairs = [(await now.delivery(row), await then.delivery(row)) for row in rows]
    return _compared(pairs)


async def try_request(
    settings: Settings,
    database: asyncpg.Pool | None,
    request: Request,
    files: Files,
    changed: Files | None = None,
) -> Result:
    """
    Try a body of a source by the files in force, and by a changed one if there is one.

    Raises:
        ConfigurationError: no file has the source.
    """
    async with trying(settings, changed or files, database) as then:
        tried = await then.request(request)
    if changed is None:
        return Result([tried])
    if request.source not in files.hooks.sources:
        nothing = Tried(request.source, None, None, f"{files.hooks.path} has no source {request.source!r}")
        return _compared([(nothing, tried)])
    async with trying(settings, files, database) as now:
        return _compared([(await now.request(request), tried)])


def _compared(pairs: Sequence[tuple[Tried, Tried]]) -> Result:
    found: list[Difference] = [each for now, then in pairs for each in differences(now, then)]
    return Result([then for _, then in pairs], found)


def _wait(debounce: Debounce) -> str:
    return f"quiet for {in_words(debounce.quiet)}, {in_words(debounce.at_most)} at most"


def _incoming(request: Request, source: Source) -> IncomingRequest:
    return IncomingRequest(
        name=request.source,
        source=source,
        secrets=webhook_secrets(request.source),
        tokens=handshake_tokens(request.source),
        method=request.method,
        peer="",
        headers=request.headers,
        query={},
        path_secret="",
        verified=True,
    )


def _row(arrival: Arrival) -> dict[str, Any]:
    """Return a delivery that is not stored, as it would be routed."""
    return {
        "id": NOT_STORED,
        "source": arrival.source,
        "external_id": arrival.external_id,
        "method": arrival.method,
        "query": arrival.query,
        "headers": arrival.headers,
        "content_type": arrival.content_type,
        "altered": list(arrival.altered),
        "received_at": datetime.now(UTC),
        "only_route": None,
        "envelope": arrival.envelope,
        "changed": arrival.changed,
        "body": arrival.body,
    }


def _lasting(source: Source, external_id: str, parts: int = 1) -> str:
    """Return a deduplication key without the last parts that are others each time, where nothing is a repeat."""
    return f"{external_id.rsplit(' ', parts)[0]} …" if source.repeats.kind == "never" else external_id


def _not_alone(route: TriedRoute, tried: Tried) -> TriedRoute:
    """Return a route that would take the body as one that merely fits: all routes of a delivery start, or none."""
    if route.verdict != TAKEN:
        return route
    return replace(
        route, verdict="fits", why=f"nothing starts, for the delivery is {tried.state}: {tried.reason}"
    )
