"""
Listening to another Hookline: what a source sends there is stored here as well, as deliveries of the same source.

The other one verified them, and its operator gave the admin token: they are believed for that (docs/adr/0040). What is
here already is left out, so a connection may break at any moment, and nothing is lost or stored twice.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx
from pydantic import Base64Bytes, BaseModel, SecretStr, ValidationError

from hookline.database import CONNECTION_ERRORS
from hookline.errors import ConfigurationError, HooklineError
from hookline.hooks.sources import Source
from hookline.hosts import LOOPBACK
from hookline.inbox import bodies, listening
from hookline.inbox.audit import acting
from hookline.inbox.deliveries import Arrival, Receipt, accept_all
from hookline.inbox.listening import Offer
from hookline.text import one_line

Answer = TypeVar("Answer", bound=BaseModel)

ANSWER_SECONDS = 30.0
MIN_WAIT_SECONDS, MAX_WAIT_SECONDS = 1.0, 30.0
"""Before the first try after a failure, and the longest."""
END_SECONDS = 3.0
MAX_OFFERS = 4 * 1_048_576
"""Bytes of an answer with offers."""
GONE = 410
NOT_SENT = {404, 409}
"""Statuses of a delivery that is not there any more, or whose body the other side cannot decrypt."""
NOT_AGAIN = {400, 401, 403, 421, *NOT_SENT}
"""Statuses that trying again does not change."""


class Away(HooklineError):
    """The other Hookline does not answer now; it is tried again."""


class _Ended(HooklineError):
    """The other Hookline has forgotten this listener."""


class _NotSent(HooklineError):
    """One delivery that cannot be had, whatever one does; the others can."""


class _Begun(BaseModel):
    listener: UUID
    history: UUID
    latest: int


class _Offer(BaseModel):
    seq: int
    id: UUID
    external_id: str
    size: int


class _Offers(BaseModel):
    history: UUID
    latest: int
    offers: list[_Offer]


class Sent(BaseModel):
    """A delivery as another Hookline sends it."""

    method: str
    query: dict[str, str]
    headers: dict[str, str]
    content_type: str
    redacted: bool
    body: Base64Bytes


@dataclass(frozen=True)
class Heard:
    """A delivery that was offered: stored here, or the reason that it was not."""

    offer: Offer
    receipt: Receipt | None
    why_not: str | None = None


@dataclass(frozen=True)
class Reports:
    """What a listener reports on its way."""

    heard: Callable[[Heard], None]
    away: Callable[[str], None]
    """The connection is lost; says why."""
    back: Callable[[], None]
    restored: Callable[[], None]
    """The other one has another history: what was offered before is no place in it."""


def checked_address(text: str) -> str:
    """
    Return the address of another Hookline.

    Raises:
        ConfigurationError: it is none, or the token would go there in clear.
    """
    try:
        parts = urlsplit(text.rstrip("/"))
        name, _ = parts.hostname, parts.port
    except ValueError:
        name = None
    if not name or parts.scheme not in {"http", "https"} or parts.username or parts.query or parts.fragment:
        raise ConfigurationError(f"{text!r} is not an address such as https://hooks.example.com.")
    if parts.scheme == "http" and name not in LOOPBACK:
        raise ConfigurationError(f"{text} has no TLS: the admin token would go there in clear. Use https.")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path}"


class _Refused(HooklineError):
    """The other Hookline refuses, and would again."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class _TooLong(HooklineError):
    """An answer that is longer than it may be."""


class Link:
    """A connection to another Hookline; within `async with`."""

    def __init__(self, address: str, token: SecretStr, source: str, who: str) -> None:
        self.address = address
        self._source = source
        self._who = who
        self._listener = ""
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token.get_secret_value()}"},
            timeout=ANSWER_SECONDS,
            follow_redirects=False,
        )

    async def __aenter__(self) -> Self:
        """Return the connection."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Say good-bye, if the other one hears it, and close."""
        try:
            if self._listener:
                with suppress(httpx.HTTPError, TimeoutError):
                    async with asyncio.timeout(END_SECONDS):
                        await self._http.delete(self._url(), params={"listener": self._listener})
        finally:
            await self._http.aclose()

    async def begin(self, since: float | None) -> tuple[UUID, int]:
        """Begin to listen; return the other one's history, and the `seq` after which it offers."""
        wishes = {"who": self._who, "since": since}
        begun = await self._asked(_Begun, "POST", self._url(), MAX_OFFERS, json=wishes)
        self._listener = str(begun.listener)
        return begun.history, begun.latest

    async def offers(self, latest: int, late: float) -> tuple[UUID, int, list[Offer]]:
        """Return its history, the `seq` up to which it has offered, and the offers; waits some seconds for one."""
        params = {"listener": self._listener, "latest": str(latest), "late": f"{late:.0f}"}
        answer = await self._asked(_Offers, "GET", self._url(), MAX_OFFERS, params=params)
        return answer.history, answer.latest, [Offer(**vars(each)) for each in answer.offers]

    async def delivery(self, offer: Offer, max_body: int) -> Sent:
        """Return one delivery; raises _NotSent where it is not there any more, cannot be read or is too long."""
        url = f"{self._url()}/{offer.id}"
        maximum = MAX_OFFERS + 2 * max_body
        try:
            return await self._asked(Sent, "GET", url, maximum, params={"listener": self._listener})
        except _Refused as error:
            if error.status not in NOT_SENT:
                raise
            raise _NotSent(str(error)) from None
        except _TooLong as error:
            raise _NotSent(f"an answer with it has {error}") from None

    def _url(self) -> str:
        return f"{self.address}/listen/{self._source}"

    async def _asked(
        self, model: type[Answer], method: str, url: str, max_bytes: int, **request: Any
    ) -> Answer:
        """Return an answer; raises HooklineError where asking again does not help, else Away."""
        try:
            async with self._http.stream(method, url, **request) as answer:
                content = await _read(answer, max_bytes)
        except httpx.HTTPError as error:
            raise Away(f"{self.address}: {one_line(error) or type(error).__name__}") from None
        if answer.status_code == GONE:
            raise _Ended
        if answer.is_success:
            try:
                return model.model_validate_json(content)
            except ValidationError:
                raise HooklineError(
                    f"{self.address} does not answer as a Hookline of this version."
                ) from None
        detail = _detail(answer.status_code, content)
        if answer.status_code in NOT_AGAIN or answer.is_redirect:
            raise _Refused(f"{self.address} refuses: {detail}", answer.status_code)
        raise Away(f"{self.address}: {detail}")


async def listen(
    database: asyncpg.Pool,
    link: Link,
    name: str,
    source: Source,
    keys: Sequence[SecretStr],
    reports: Reports,
    *,
    since: float | None = None,
    new: bool = False,
    actor: str,
) -> None:
    """
    Store what a source sends to another Hookline, until cancelled.

    Args:
        database: of this inbox.
        link: to the other one.
        name: of the source.
        source: as `hooks.yaml` has it here.
        keys: encrypt the bodies here.
        reports: called on the way.
        since: begin with what came there in the last so many seconds.
        new: begin with what comes from now on; else where an earlier listener ended.
        actor: for the audit trail.

    Raises:
        HooklineError: the other one refuses, or is this one.
    """
    place = None if new or since is not None else await listening.place(database, name, link.address)
    here = await listening.history(database)
    listener = _Listener(database, link, name, source, keys, reports, actor)
    is_listening = False
    while True:
        try:
            if not is_listening or place is None:
                place = await listener.begin(here, place, since)
                is_listening, since = True, None
            await listener.hear(place)
        except _Ended:
            is_listening = False
        except (Away, *CONNECTION_ERRORS) as error:
            await listener.wait(error)
        if since is None and place is not None:
            place = await listener.known_place(place)


@dataclass
class _Listener:
    database: asyncpg.Pool
    link: Link
    name: str
    source: Source
    keys: Sequence[SecretStr]
    reports: Reports
    actor: str
    refused: set[UUID] = field(default_factory=set)
    pause: float = 0.0
    """Seconds that it last waited for the connection; 0 while it has one."""

    async def wait(self, error: BaseException) -> None:
        """Wait for a connection that is lost, longer each time."""
        if not self.pause:
            self.reports.away(one_line(error) or type(error).__name__)
        self.pause = min(2 * self.pause or MIN_WAIT_SECONDS, MAX_WAIT_SECONDS)
        await asyncio.sleep(self.pause)

    def _is_connected(self) -> None:
        if self.pause:
            self.pause = 0.0
            self.reports.back()

    async def known_place(self, place: listening.Place) -> listening.Place:
        """Return the place that is noted, or this one where the database is away."""
        with suppress(*CONNECTION_ERRORS):
            return await listening.place(self.database, self.name, self.link.address) or place
        return place

    async def begin(self, here: UUID, place: listening.Place | None, since: float | None) -> listening.Place:
        """Begin at a place, or where the other one says; raises HooklineError if it is this one."""
        history, latest = await self.link.begin(since)
        self._is_connected()
        if history == here:
            raise HooklineError(
                f"{self.link.address} is this installation, or a copy of its database: what comes there is here."
            )
        if place is not None and place.history == history:
            return place
        if place is not None:
            self.reports.restored()
        return await listening.begin_place(
            self.database, self.name, self.link.address, history, latest, since or 0
        )

    async def hear(self, place: listening.Place) -> None:
        """Store what is offered, until the connection is lost."""
        began = time.monotonic()
        latest, asked_last = place.latest, began - place.age
        while True:
            asked = time.monotonic()
            # What was not asked for is not asked for as something late either.
            late = min(asked - asked_last + listening.LATE_SECONDS, place.reach + asked - began)
            history, reached, offers = await self.link.offers(latest, late)
            self._is_connected()
            if history != place.history:
                raise _Ended
            for offer in await listening.unknown(self.database, self.name, offers):
                if offer.id not in self.refused:
                    self._report(await self._store(offer))
            await listening.note_place(self.database, self.name, self.link.address, reached)
            latest, asked_last = reached, asked

    def _report(self, heard: Heard) -> None:
        """Report what was heard; what cannot be stored is offered again for a while, and reported once."""
        if heard.receipt is None:
            self.refused.add(heard.offer.id)
        self.reports.heard(heard)

    async def _store(self, offer: Offer) -> Heard:
        try:
            sent = await self.link.delivery(offer, self.source.max_body)
        except _NotSent as error:
            return Heard(offer, None, str(error))
        try:
            receipt = await self._accept(self._arrival(offer, sent))
        except (ValueError, asyncpg.DataError, asyncpg.ProgramLimitExceededError) as error:
            return Heard(offer, None, f"it cannot be stored here: {one_line(error, 200)}")
        return Heard(offer, receipt)

    async def _accept(self, arrival: Arrival) -> Receipt:
        async with (
            self.database.acquire() as connection,
            acting(connection, self.actor, f"listened from {self.link.address}"),
        ):
            [receipt] = await accept_all(connection, [arrival])
        return receipt

    def _arrival(self, offer: Offer, sent: Sent) -> Arrival:
        """Return a delivery as it is stored here: redacted and encrypted as this side asks; raises ValueError."""
        sealed = bodies.seal(self.source, self.keys, sent.content_type, sent.body)
        redacted = ["redacted"] if sent.redacted and "redacted" not in sealed.altered else []
        return Arrival(
            source=self.name,
            external_id=offer.external_id,
            method=sent.method,
            query=sent.query,
            headers=sent.headers,
            content_type=sent.content_type,
            body=sealed.body,
            altered=[*redacted, *sealed.altered],
            fingerprints=sealed.fingerprints,
            listened_from=self.link.address,
            listened_id=offer.id,
        )


@asynccontextmanager
async def exclusively(database: asyncpg.Pool, source: str) -> AsyncIterator[None]:
    """Let nobody else of this installation listen to a source; raises HooklineError where somebody does."""
    async with database.acquire() as connection:
        if not await listening.lock(connection, source):
            raise HooklineError(f"Another `hookline listen {source}` of this installation runs already.")
        yield


async def _read(answer: httpx.Response, maximum: int) -> bytes:
    content = bytearray()
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > maximum:
            raise _TooLong(f"more than {maximum:,} bytes")
    return bytes(content)


def _detail(status: int, content: bytes) -> str:
    """Return why an answer refuses, for people."""
    try:
        detail = json.loads(content)["detail"]
    except (ValueError, KeyError, TypeError, RecursionError):
        detail = "no Hookline of this version answers there"
    return f"HTTP {status}, {one_line(detail, 200)}"
