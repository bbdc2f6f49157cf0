"""
One poll: pages of a list from the cursor on, the items that are new in it, and how far they reach.

A page may shift while the list is read. Where the list is in the order of its time, the next page begins at the
last time that was read, inclusive, so that a row that moves comes again behind; else each page begins with the last
row of the page before, and if that is another one, the list is read from its beginning again.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from hookline.account_keys import key_at
from hookline.clients.operation import Operation, Sender
from hookline.clients.paging import SHORT, Paged
from hookline.errors import HooklineError
from hookline.hooks.poll import Poll
from hookline.hooks.sources import Source
from hookline.hooks.templates import Template, TemplateError
from hookline.inbox.polls import Claim, Reading
from hookline.polling.lists import Page, page_of

MAX_ID: Final = 256
MAX_RESTARTS: Final = 3
MAX_TRAIL: Final = 50
_SIZES: Final = ("Take", "limit", "pagesize", "pageSize")
"""The vendors' names for the rows of a page."""

Unknown = Callable[[Sequence[str]], Awaitable[set[str]]]
"""Returns those ids that no poll has stored."""


class NotInOrder(HooklineError):
    """A list is not in the order that `ordered` promises."""


class NoProgress(HooklineError):
    """A list cannot be read beyond a page."""


@dataclass(frozen=True)
class Item:
    """One row of a list."""

    id: str
    body: bytes
    time: datetime | None = None
    position: str | None = None
    fulfils: bool = True
    """The condition of the poll."""


@dataclass(frozen=True)
class Found:
    """What one poll found."""

    new: Sequence[Item]
    """Oldest first."""
    seen: Sequence[str]
    """Of a list without a cursor: what is known from now on."""
    reading: Reading
    rows: int
    """That were read, known ones too."""

    @property
    def more(self) -> bool:
        """Return True if the list was not read to its end."""
        return self.reading.place is not None


@dataclass
class _At:
    """Where in the list the next page begins."""

    since: datetime | None = None
    position: str | None = None
    start: int = 0
    number: int = 1
    last: str | None = None
    """The id of the last row that was read."""
    reached: datetime | None = None
    """The latest time that was read."""
    baseline: bool = False
    """What is in the list now is no news, or what is older than our beginning is none: it is the first reading."""
    restarts: int = 0

    def stored(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {
            "since": _written(self.since),
            "position": self.position,
            "start": self.start,
            "number": self.number,
            "last": self.last,
            "reached": _written(self.reached),
            "baseline": self.baseline,
        }

    @classmethod
    def of(cls, place: Mapping[str, Any]) -> "_At":
        """Read it as it was stored."""
        rest: dict[str, Any] = {
            name: value for name, value in place.items() if name not in ("since", "reached")
        }
        return cls(since=moment(place["since"]), reached=moment(place["reached"]), **rest)


@dataclass
class Reader:
    """Reads the list of one polled source."""

    client: Sender
    operation: Operation[..., Any]
    poll: Poll
    source: Source
    now: datetime
    unknown: Unknown
    on_page: Callable[[], Awaitable[None]]
    """Called after each page."""
    seconds: float = 120.0
    """After so long no other page is read; the next poll goes on from there."""
    _new: list[Item] = field(default_factory=list)
    _seen: list[str] = field(default_factory=list)
    _ids: set[str] = field(default_factory=set)
    _rows: int = 0
    _began_at: datetime | None = None

    async def read(self, claimed: Claim) -> Found:
        """
        Read from where the last poll stopped, to the end or to the bound of one poll.

        Raises:
            HooklineError: the vendor does not answer, or its list cannot be read as the poll says.
        """
        began, self._began_at = self._begin(claimed), claimed.began_at
        at, pages, ended, until = replace(began), 0, False, time.monotonic() + self.seconds
        while not ended and pages < self.poll.max_pages and len(self._new) <= self.poll.max_items:
            if pages and time.monotonic() >= until:
                break
            page = await self._page(at)
            ended = await self._take(page, at)
            pages += 1
            await self.on_page()
        return self._found(claimed, began, at, ended=ended)

    def _begin(self, claimed: Claim) -> _At:
        reading = claimed.reading
        if reading.place is not None:
            return _At.of(reading.place)
        match self.poll.kind:
            case "time":
                cursor = moment(reading.cursor)
                # The vendor's clock may be slow: what is new although it is older than our beginning is found, too.
                earliest = claimed.began_at - self.poll.overlap
                since = earliest if cursor is None else max(cursor - self.poll.overlap, earliest)
                return _At(since=since, baseline=cursor is None)
            case "position":
                position = reading.trail[0][1] if reading.trail else reading.cursor
                return _At(since=claimed.began_at if position is None else None, position=position)
            case _:
                window = self.poll.window
                since = claimed.began_at if window is None else self.now - window
                return _At(since=since, baseline=reading.cursor is None and self.poll.since == timedelta(0))

    async def _page(self, at: _At) -> Page:
        values = {"since": _written(at.since), "position": at.position, "now": _written(self.now)}
        inputs = {name: _rendered(each, values) for name, each in self.poll.inputs.items()}
        order = self._paged.order if self._paged else {}
        asked = order | inputs | self._place(at)
        checked = self.operation.validate(**{name: each for name, each in asked.items() if each is not None})
        answer = await self.client.send(self.operation.unchecked(), checked)
        return page_of(self.operation, answer, self.poll.items)

    @property
    def _paged(self) -> type[Paged] | None:
        return self.operation.input if issubclass(self.operation.input, Paged) else None

    @property
    def _by_offset(self) -> bool:
        paged = self._paged
        return paged is not None and paged.page(1, 1, None) != paged.page(0, 1, None)

    def _place(self, at: _At) -> dict[str, Any]:
        """Return the inputs for a page; one that is not the first begins with the last row of the page before."""
        if self._paged is None:
            return {}
        start = at.start - 1 if at.start and self._by_offset else at.start
        place = self._paged.page(start, at.number, None) or {}
        if self.poll.page_size:
            place |= {name: self.poll.page_size for name in _SIZES if name in place}
        return place

    async def _take(self, page: Page, at: _At) -> bool:
        """Take the rows of a page, and move on; return True at the end of the list."""
        items = await asyncio.to_thread(self._items, page.rows)
        if at.start and self._by_offset and items and items[0].id != at.last and at.restarts < MAX_RESTARTS:
            at.start, at.number, at.last, at.restarts = 0, 1, None, at.restarts + 1
            return False
        nothing_new = all(item.id in self._ids for item in items)
        self._rows += len(items)
        await self._keep(items, at)
        return self._move(page, items, at, nothing_new=nothing_new)

    async def _keep(self, items: Sequence[Item], at: _At) -> None:
        fresh = {item.id: item for item in items if item.id not in self._ids}
        self._ids |= set(fresh)
        chosen = [item for item in fresh.values() if item.fulfils]
        if self.poll.kind == "list":
            self._seen += [item.id for item in chosen]
            chosen = [] if at.baseline else chosen
        elif at.baseline and self._began_at:
            old = [item.id for item in chosen if item.time and item.time < self._began_at]
            self._seen += old
            chosen = [item for item in chosen if item.id not in old]
        if not chosen:
            return
        new = await self.unknown([item.id for item in chosen])
        self._new += [item for item in chosen if item.id in new]

    def _move(self, page: Page, items: Sequence[Item], at: _At, *, nothing_new: bool) -> bool:
        times = [item.time for item in items if item.time]
        # A time in the future would hide all that comes before it.
        if past := [each for each in times if each <= self.now]:
            at.reached = max(at.reached or past[0], *past)
        if self.poll.kind == "position":
            return self._move_position(page, items, at)
        if self.poll.ordered:
            _require_order(times)
        skipped = 1 if at.start and self._by_offset else 0
        through = at.start + len(items) - skipped
        if self._is_last(page, through) or (nothing_new and at.number > 1 and not self.poll.ordered):
            return True
        if self.poll.ordered and times and (at.since is None or times[-1] > at.since):
            at.since, at.start, at.number, at.last = times[-1], 0, 1, None
        else:
            at.start, at.number, at.last = through, at.number + 1, items[-1].id
        return False

    def _move_position(self, page: Page, items: Sequence[Item], at: _At) -> bool:
        positions = [item.position for item in items if item.position]
        if items and not positions:
            raise NoProgress(
                "No item of the page has what `position` names, so nothing behind it can be read. Correct it."
            )
        if not positions or positions[-1] == at.position:
            return True
        at.position, at.since = positions[-1], None
        return self._is_last(page, len(items))

    def _is_last(self, page: Page, through: int) -> bool:
        if self._paged is None or not page.rows:
            return True
        if page.total and self.poll.kind != "position":
            return through >= page.total
        size = self._paged.page_size
        if self.poll.page_size and size is not None:
            size = min(
                SHORT, size, self.poll.page_size
            )  # the vendor may give shorter pages than it was asked for
        return size is not None and len(page.rows) < size

    # The result

    def _found(self, claimed: Claim, began: _At, at: _At, *, ended: bool) -> Found:
        new = self._new
        if self.poll.kind == "time":
            new = sorted(new, key=lambda item: item.time or datetime.max.replace(tzinfo=UTC))
        kept, left = new[: self.poll.max_items], new[self.poll.max_items :]
        seen = self._seen
        if left:
            ended, at = False, self._back(began, kept)
            dropped = {item.id for item in left}
            seen = [identifier for identifier in seen if identifier not in dropped]
        return Found(kept, seen, self._reading(claimed.reading, at, ended=ended), self._rows)

    def _back(self, began: _At, kept: Sequence[Item]) -> _At:
        """Return the place from which what was left over is found again; what was kept is known by then."""
        last = kept[-1]
        if self.poll.ordered and last.time:
            return _At(since=last.time, reached=min(last.time, self.now))
        if self.poll.kind == "position" and last.position:
            return _At(position=last.position)
        return began

    def _reading(self, before: Reading, at: _At, *, ended: bool) -> Reading:
        match self.poll.kind:
            case "time":
                cursor = before.cursor
                if (ended or self.poll.ordered) and at.reached:
                    cursor = _written(max(moment(cursor) or at.reached, at.reached))
                elif ended and cursor is None:
                    cursor = _written(self._began_at)
                return Reading(cursor, (), None if ended else at.stored())
            case "position":
                cursor = at.position or before.cursor
                trail = self._trail(before.trail, cursor)
                return Reading(cursor, trail, None if ended else at.stored())
            case _:
                cursor = _written(self.now) if ended else before.cursor
                return Reading(cursor, (), None if ended else at.stored())

    def _trail(self, trail: Sequence[tuple[str, str]], cursor: str | None) -> list[tuple[str, str]]:
        """Return the ids from which the overlap reads again: the latest that is old enough, and those after it."""
        if cursor is None:
            return []
        grown = list(trail)
        if not grown or grown[-1][1] != cursor:
            grown.append((self.now.isoformat(), cursor))
        old = [place for place, (at, _) in enumerate(grown) if _age(at, self.now) >= self.poll.overlap]
        grown = grown[old[-1] :] if old else grown
        # Where it grows too long, it becomes coarser: were its older part cut off, its first id would never move on.
        return grown if len(grown) <= MAX_TRAIL else [*grown[:-1:2], grown[-1]]

    # Items

    def _items(self, rows: Sequence[Any]) -> list[Item]:
        return [self._item(row) for row in rows]

    def _item(self, row: Any) -> Item:
        body = json.dumps(row, sort_keys=True).encode()
        values = {"body": row}
        position = _value(self.poll.position, values)
        return Item(
            id=self._id(values, body),
            body=body,
            time=moment(_value(self.poll.time, values)),
            position=None if position is None else str(position),
            fulfils=self._fulfils(values),
        )

    def _id(self, values: Mapping[str, Any], body: bytes) -> str:
        """Return what makes an item of this account this one."""
        return key_at(self._id_there(values, body), **{self.poll.vendor: self.poll.account})

    def _id_there(self, values: Mapping[str, Any], body: bytes) -> str:
        """Return what makes an item this one; of one without it, a digest of all that it says."""
        found = _value(self.source.id if isinstance(self.source.id, Template) else None, values)
        text = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
        if text and len(text) <= MAX_ID and text.isprintable():
            return text
        return "sha256:" + hashlib.sha256(text.encode("utf-8", "replace") if text else body).hexdigest()

    def _fulfils(self, values: Mapping[str, Any]) -> bool:
        if self.poll.only is None:
            return True
        try:
            return bool(self.poll.only.render(values))
        except TemplateError:
            return True  # its routes will say what is wrong with it


def moment(value: Any) -> datetime | None:
    """Return a time that a vendor wrote; without a zone it counts as UTC; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _written(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def _age(at: str, now: datetime) -> timedelta:
    return now - (moment(at) or now)


def _value(template: Template | None, values: Mapping[str, Any]) -> Any:
    """Return a template's value; None if the item does not have it."""
    try:
        return None if template is None else template.render(values)
    except TemplateError:
        return None


def _rendered(value: Any, values: Mapping[str, Any]) -> Any:
    match value:
        case Template():
            return value.render(values)
        case Mapping():
            return {key: _rendered(inner, values) for key, inner in value.items()}
        case list():
            return [_rendered(inner, values) for inner in value]
        case _:
            return value


def _require_order(times: Sequence[datetime]) -> None:
    if any(later < earlier for earlier, later in pairwise(times)):
        raise NotInOrder(
            "The list is not in the order of its time, although `ordered` says so. Let an input order it, or take "
            "`ordered` out: then all of it since the cursor is read before the cursor moves."
        )
