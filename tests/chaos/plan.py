"""
Everything that a run does, from its seed alone: orders, deliveries, blows and faults, each at its time.

No clock, no process and no vendor is asked here, so that the same seed is the same plan. What the machine makes of
it differs from run to run, as it does in life: the seed says when a process is killed, not what it was at just then.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

SECONDS_PER_ORDER = 0.5
SHORTEST = 120.0
"""A round of blows takes as long; so does the shortest run."""
ORDERS_A_ROUND = 300
LONGER_THAN_A_LEASE = 7.0

BURSTS = (1, 1, 1, 1, 2, 3, 5, 8, 13)
"""How many orders come at once."""
KILL, PAUSE, RESTART, RELOAD, UPGRADE, CUT, END, EXHAUST, FILL, SET_CLOCK = (
    "kill", "pause", "restart", "reload", "upgrade", "cut the lines of", "end", "use up", "fill", "set the clock of"
)  # fmt: skip
THE_DISK, ITS_FREE_BLOCKS = "the disk", "the free blocks of the disk"
"""Nothing can be written to a full one; where only the free blocks are used up, files can be written and do not grow."""
BLOWS = (
    (KILL, "engine", 0.0),
    (KILL, "second engine", 0.0),
    (KILL, "third engine", 0.0),
    (KILL, "gateway", 0.0),
    (KILL, "second gateway", 0.0),
    (KILL, "worker", 0.0),
    (KILL, "prefect", 0.0),
    (KILL, "postgres", 0.0),
    (KILL, "a session of postgres", 0.0),
    (PAUSE, "engine", LONGER_THAN_A_LEASE),
    (PAUSE, "second engine", LONGER_THAN_A_LEASE),
    (PAUSE, "gateway", 4.0),
    (PAUSE, "prefect", 4.0),
    (PAUSE, "postgres", 3.0),
    (RESTART, "engine", 0.0),
    (RESTART, "gateway", 0.0),
    (CUT, "third engine", LONGER_THAN_A_LEASE),
    (END, "all sessions of postgres", 0.0),
    (EXHAUST, "the connections of postgres", 3.0),
    (SET_CLOCK, "third engine", 90.0),
    (SET_CLOCK, "third engine", -90.0),
    (SET_CLOCK, "the machine", 20.0),
    (SET_CLOCK, "the machine", -20.0),
)
"""What a round does, to what, and for how many seconds; a clock is set by so many seconds."""
LATER_BLOWS = ((FILL, THE_DISK, 5.0), (FILL, ITS_FREE_BLOCKS, 5.0))
"""Drawn by themselves, so that the plans of older seeds have all that they had."""
UPGRADES = ("third engine", "second gateway", "gateway", "second engine", "worker", "engine")
"""One after another, so that the old code and the new one work side by side."""
SECONDS_OF_UPGRADE = 75.0
BLOWS_TO_MACHINES = (
    *((KILL, "prefect"), (KILL, "second prefect"), (KILL, "prefect services")),
    *((KILL, "gateway"), (KILL, "second gateway")),
    *((KILL, "engine"), (KILL, "second engine"), (KILL, "third engine")),
    *((KILL, "redis"), (RESTART, "redis"), (KILL, "postgres"), (RELOAD, "proxy")),
)
"""Each process of several machines, once a round."""
SECONDS_OF_MACHINES = 72.0
"""Of a round: six for each, in which most come back before the next one falls."""
ORDERS_OF_MACHINES = 60
"""Of a round at the most."""
DEEDS = ("click replay twice", "cancel a run", "retry a run", "pause a source", "resolve wrongly")
WRITES = {
    "zentitle": (
        "create_company",
        "create_license_codes",
        "update_license_code",
        "create_license_note",
        "create_consumer_data",
    ),
    "sensorpro": ("trigger_email",),
    "jiwa": ("create_sales_order_note",),
}
READS = {
    "zentitle": ("list_license_codes", "get_license_code", "get_company"),
    "jiwa": ("get_sales_order", "list_sales_order_notes"),
}
LISTS = {"zentitle": ("list_license_codes", "list_companies_products"), "jiwa": ("query_sales_orders",)}
KINDS = ("latency", "refuse", "lose", "throttle", "garble")
KINDS_OF_WRITES = ("late", "show_late")
ANSWERS = ("break", "error", "hold")
LANDING_SECONDS = 5.0
"""No call of a plan lands later than so long after our side has stopped waiting for it."""


@dataclass(frozen=True)
class Sure:
    """A fault that each round has, since without it the run would prove less."""

    kind: str
    answer: str = "break"
    vendor: str = "zentitle"
    operation: str = "create_license_codes"
    times: int = 2
    skip: int = 1
    seconds: float | None = None
    """None: drawn."""


SURE_TO_COST = (Sure("lose"), Sure("twice", times=1), Sure("late", "hold", seconds=LANDING_SECONDS - 0.5))
"""
Without the journal, the first doubles licenses. The second does in any case, so it has to be found and undone; its
answer is lost, for where it is not, nobody looks for more. The third doubles where the wait before sending is too short.
"""


@dataclass(frozen=True)
class Line:
    """A line of an order, and what it is to bring; independent of the catalog, which might be read wrongly."""

    part: str
    quantity: int

    @property
    def product(self) -> str | None:
        """Zentitle's product, if the part is a license."""
        return {"LIC-PRO": "6453300110", "LIC-TEAM": "6872450105"}.get(self.part)

    @property
    def codes(self) -> int:
        """How many license codes: a code each, or one for all seats."""
        return 0 if self.product is None else self.quantity if self.part == "LIC-PRO" else 1


@dataclass(frozen=True)
class Delivery:
    """A webhook about an order, and how its sender sends it."""

    source: str
    early: bool
    """Before the order is paid."""
    after: float
    """Seconds after the order is there, or is paid: what comes later may overtake it."""
    copies: tuple[float, ...]
    """It is sent again so many seconds after the first time, whatever was answered."""


@dataclass(frozen=True)
class Order:
    """An order that a customer gives."""

    at: float
    customer: int
    lines: tuple[Line, ...]
    paid: bool
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True)
class Blow:
    """Something that is done to a process, to its network or its clock."""

    at: float
    how: str
    target: str
    seconds: float

    def __str__(self) -> str:
        if self.how == SET_CLOCK:
            return f"{self.how} {self.target} by {self.seconds:+g} s"
        return f"{self.how} {self.target}" + (f" for {self.seconds:g} s" if self.seconds else "")


@dataclass(frozen=True)
class Deed:
    """Something that a person does meanwhile."""

    at: float
    what: str


@dataclass(frozen=True)
class Misdeed:
    """Something that a vendor does wrong; see docs/sandbox.md."""

    at: float
    vendor: str
    operation: str
    kind: str
    times: int
    skip: int
    seconds: float
    status: int
    answer: str = "break"
    rows: int = 1

    @property
    def fault(self) -> dict[str, object]:
        """As the simulator takes it."""
        return {
            name: getattr(self, name)
            for name in ("operation", "kind", "times", "skip", "seconds", "status", "answer", "rows")
        }

    def __str__(self) -> str:
        how = f" ({self.answer}, {self.seconds:g} s)" if self.kind == "late" else ""
        return f"{self.vendor} {self.operation}: {self.kind}{how}, {self.times} times after {self.skip}"


T = TypeVar("T", Blow, Deed, Misdeed)


@dataclass(frozen=True)
class Plan:
    """A whole run."""

    seed: int
    seconds: float
    customers: int
    orders: tuple[Order, ...]
    blows: tuple[Blow, ...]
    misdeeds: tuple[Misdeed, ...]
    deeds: tuple[Deed, ...]


def plan(seed: int, orders: int) -> Plan:
    """The plan of a seed, for so many orders."""
    random, later = Random(seed), Random(f"{seed}, later")
    seconds = max(SHORTEST, orders * SECONDS_PER_ORDER)
    rounds = max(1, orders // ORDERS_A_ROUND)
    customers = max(2, orders // 3)
    return Plan(
        seed=seed,
        seconds=seconds,
        customers=customers,
        orders=tuple(_order(random, at, customers) for at in _arrivals(random, orders, 0.9 * seconds)),
        blows=tuple(
            sorted(
                [
                    *_rounds(random, rounds, seconds, _blows),
                    *_rounds(later, rounds, seconds, lambda _: _each(LATER_BLOWS)),
                ],
                key=lambda blow: blow.at,
            )
        ),
        misdeeds=tuple(_rounds(random, rounds, seconds, _misdeeds)),
        deeds=tuple(_rounds(random, rounds, seconds, _deeds)),
    )


def upgrade(seed: int, orders: int) -> Plan:
    """The orders of a seed while each process is started again with newer code, and nothing else is done."""
    random, seconds = Random(seed), SECONDS_OF_UPGRADE
    customers = max(2, orders // 3)
    step = 0.8 * seconds / len(UPGRADES)
    return Plan(
        seed=seed,
        seconds=seconds,
        customers=customers,
        orders=tuple(_order(random, at, customers) for at in _arrivals(random, orders, seconds)),
        blows=tuple(
            Blow(step * (number + 0.5), UPGRADE, target, 0.0) for number, target in enumerate(UPGRADES)
        ),
        misdeeds=(),
        deeds=(),
    )


def machines(seed: int, orders: int) -> Plan:
    """The orders of a seed on several machines, each process of which is killed in its turn."""
    random, rounds = Random(seed), -(-orders // ORDERS_OF_MACHINES)
    seconds, customers = rounds * SECONDS_OF_MACHINES, max(2, orders // 3)
    return Plan(
        seed=seed,
        seconds=seconds,
        customers=customers,
        orders=tuple(_order(random, at, customers) for at in _arrivals(random, orders, 0.95 * seconds)),
        blows=tuple(
            _rounds(random, rounds, seconds, lambda _: _each((*blow, 0.0) for blow in BLOWS_TO_MACHINES))
        ),
        misdeeds=(),
        deeds=(),
    )


def _arrivals(random: Random, orders: int, seconds: float) -> list[float]:
    """When orders come: one by one, and in bursts."""
    times: list[float] = []
    while len(times) < orders:
        burst = min(random.choice(BURSTS), orders - len(times))
        times += [random.uniform(0, seconds)] * burst
    return sorted(times)


def _order(random: Random, at: float, customers: int) -> Order:
    paid = random.random() < 0.9
    return Order(
        at=at,
        customer=random.randrange(customers),
        lines=random.choice(
            (
                (Line("LIC-PRO", 1),),
                (Line("LIC-PRO", random.randint(1, 3)),),
                (Line("LIC-TEAM", random.randint(2, 25)),),
                (Line("LIC-PRO", 1), Line("TON-BLK-410", 2), Line("LIC-TEAM", random.randint(2, 9))),
                (Line("LIC-PRO", 1), Line("LIC-PRO", 2)),
                (Line("TON-BLK-410", random.randint(1, 4)),),
            )
        ),
        paid=paid,
        deliveries=tuple(_deliveries(random, paid=paid)),
    )


def _deliveries(random: Random, *, paid: bool) -> Iterator[Delivery]:
    if not paid or random.random() < 0.15:
        yield _delivery(random, "jiwa", early=True)
    if paid:
        first, second = random.sample(("jiwa", "standard"), 2)
        yield _delivery(random, first, early=False)
        if random.random() < 0.15:
            yield _delivery(random, second, early=False)


def _delivery(random: Random, source: str, *, early: bool) -> Delivery:
    return Delivery(
        source=source,
        early=early,
        after=random.choice((0.0, 0.0, random.uniform(0, 5))),
        copies=tuple(
            random.choice((0.0, random.uniform(0, 20))) for _ in range(random.choice((0, 0, 0, 1, 3)))
        ),
    )


def _rounds(random: Random, rounds: int, seconds: float, one: Callable[[Random], list[T]]) -> Iterator[T]:
    """Of each round all that it has, in another order each time; spread over the whole run."""
    events: list[T] = []
    for _ in range(rounds):
        found = one(random)
        random.shuffle(found)
        events += found
    step = seconds / len(events)
    for number, event in enumerate(events):
        yield replace(event, at=step * (number + random.uniform(0.1, 0.9)))


def _blows(_random: Random) -> list[Blow]:
    return _each(BLOWS)


def _each(blows: Iterable[tuple[str, str, float]]) -> list[Blow]:
    return [Blow(0, *blow) for blow in blows]


def _deeds(_random: Random) -> list[Deed]:
    return [Deed(0, what) for what in DEEDS]


def _misdeeds(random: Random) -> list[Misdeed]:
    writes, reads, lists = (
        [(vendor, operation) for vendor, operations in kind.items() for operation in operations]
        for kind in (WRITES, READS, LISTS)
    )
    misdeeds = [
        _misdeed(random, *which, kind, random.choice(ANSWERS))
        for kind in (*KINDS, *KINDS_OF_WRITES)
        for which in random.sample(writes, 3)
    ]
    misdeeds += [_misdeed(random, *random.choice(reads), kind) for kind in KINDS]
    misdeeds += [
        replace(_misdeed(random, *which, "shift"), skip=1, rows=rows) for which in lists for rows in (1, -1)
    ]
    misdeeds += [
        replace(drawn, times=sure.times, skip=sure.skip, seconds=sure.seconds or drawn.seconds)
        for sure in SURE_TO_COST
        for drawn in (_misdeed(random, sure.vendor, sure.operation, sure.kind, sure.answer),)
    ]
    return misdeeds


def _misdeed(random: Random, vendor: str, operation: str, kind: str, answer: str = "break") -> Misdeed:
    return Misdeed(
        at=0,
        vendor=vendor,
        operation=operation,
        kind=kind,
        times=random.randint(1, 2),
        skip=0,
        seconds=round(random.uniform(0.3, LANDING_SECONDS - 1), 1),
        status=random.choice((500, 502, 503) if kind == "late" else (400, 500, 502, 503)),
        answer=answer,
    )
