"""
The state machines of deliveries, dispatches, effects and waits: each state and each transition once.

Lists of states in SQL, the words and colours that people see, and the figure of the documentation are derived from
this table. PostgreSQL refuses any other transition; tests/database/test_states.py holds its schema to the table.

A delivery that has dispatches has the state of one of them (`worst`), so its further transitions follow from theirs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property


class Phase(StrEnum):
    """The work that is left in a state, and who must do it."""

    OPEN = "open"
    """Hookline goes on by itself, or once what it waits for is there."""
    NEEDS_A_PERSON = "needs a person"
    """Nothing goes on before a person has acted: the row stays, however old."""
    CLOSED = "closed"
    """Nothing is left to do."""


class Colour(StrEnum):
    """Colour of a state on the pages, by the name of its CSS variable."""

    CALM = "calm"
    BLUE = "blue"
    GREEN = "green"
    RED = "red"
    AMBER = "amber"
    VIOLET = "violet"


class By(StrEnum):
    """The one who causes a transition."""

    ENGINE = "an engine"
    RUN = "a flow run"
    PERSON = "a person"
    PREFECT = "a person in the Prefect UI"


@dataclass(frozen=True)
class State:
    """One state, for every machine that has it."""

    name: str
    word: str
    """For people, instead of the name."""
    meaning: str
    phase: Phase
    colour: Colour

    @property
    def style(self) -> str:
        """The state's style on a terminal, for Rich."""
        if self.colour is Colour.CALM:
            return "cyan" if self.phase is Phase.OPEN else "dim"
        return _STYLES[self.colour]


_STYLES = {
    Colour.BLUE: "cyan",
    Colour.GREEN: "green",
    Colour.RED: "bold red",
    Colour.AMBER: "bold yellow",
    Colour.VIOLET: "yellow",
}


@dataclass(frozen=True)
class Transition:
    """One event that takes a row from any of some states into one of others."""

    event: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    by: By

    @property
    def pairs(self) -> Iterator[tuple[str, str]]:
        """Each state before with each state after."""
        return ((before, after) for before in self.before for after in self.after if before != after)


@dataclass(frozen=True)
class Machine:
    """The states of one table, and all transitions between them."""

    table: str
    states: tuple[str, ...]
    initial: tuple[str, ...]
    """The states of new rows."""
    transitions: tuple[Transition, ...]
    derived: frozenset[tuple[str, str]] = field(default=frozenset())
    """Pairs of states that follow from the transitions of another machine."""

    @cached_property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """Every pair of states, before and after, that the database accepts."""
        return frozenset(pair for each in self.transitions for pair in each.pairs) | self.derived

    def after(self, before: str) -> tuple[str, ...]:
        """Return the states that may follow this one."""
        return tuple(state for state in self.states if (before, state) in self.pairs)

    def of(self, *phases: Phase) -> tuple[str, ...]:
        """Return the states of these phases."""
        return tuple(state for state in self.states if STATES[state].phase in phases)


STATES = {
    state.name: state
    for state in (
        State(
            "received",
            "Received",
            "On disk. An engine will see in a moment which routes it takes.",
            Phase.OPEN,
            Colour.CALM,
        ),
        State(
            "held",
            "Held",
            "It waits: its source is paused, its run waits for an answer or for a delivery, or its route is off.",
            Phase.OPEN,
            Colour.VIOLET,
        ),
        State(
            "dispatched",
            "Queued",
            "It waits for its turn, or for a service that does not answer just now.",
            Phase.OPEN,
            Colour.CALM,
        ),
        State("running", "Running", "An engine works on it now.", Phase.OPEN, Colour.BLUE),
        State("done", "Done", "Everything that was to be done is done.", Phase.CLOSED, Colour.GREEN),
        State(
            "failed",
            "Failed",
            "A run failed. Fix the cause, then replay it.",
            Phase.NEEDS_A_PERSON,
            Colour.RED,
        ),
        State(
            "uncertain",
            "Needs a decision",
            "Something was sent and its answer was lost. Say whether it happened.",
            Phase.NEEDS_A_PERSON,
            Colour.AMBER,
        ),
        State(
            "doubled",
            "Done twice",
            "It was done, and the service shows it once more than it was wanted. Say what is to be taken back.",
            Phase.NEEDS_A_PERSON,
            Colour.AMBER,
        ),
        State(
            "rejected",
            "Rejected",
            "It does not fit what its source or route asks for. Fix the cause, then replay it.",
            Phase.NEEDS_A_PERSON,
            Colour.RED,
        ),
        State(
            "replaced",
            "Replaced",
            "A later delivery of its key came before it began, and stands for it.",
            Phase.CLOSED,
            Colour.CALM,
        ),
        State("discarded", "Set aside", "A person set it aside.", Phase.CLOSED, Colour.CALM),
        State("unrouted", "No route", "It is stored, but no route matched it.", Phase.CLOSED, Colour.CALM),
        State(
            "split",
            "Split",
            "A bundle: each of its items is a delivery of its own.",
            Phase.CLOSED,
            Colour.CALM,
        ),
        State("intended", "Planned", "On disk before its request is sent.", Phase.OPEN, Colour.CALM),
        State("undone", "Given back", "Another effect has given it back.", Phase.CLOSED, Colour.CALM),
        State("kept", "Not given back", "Another business depends on it.", Phase.CLOSED, Colour.GREEN),
        State("waiting", "Waiting", "A run is suspended until it is answered.", Phase.OPEN, Colour.VIOLET),
        State("answered", "Answered", "By a person, or by a delivery that came.", Phase.CLOSED, Colour.GREEN),
        State("expired", "Timed out", "No answer came in time.", Phase.CLOSED, Colour.AMBER),
        State("cancelled", "Cancelled", "Nobody waits for it any more.", Phase.CLOSED, Colour.CALM),
    )
}


def _transition(event: str, before: str, after: str, by: By) -> Transition:
    return Transition(event, tuple(before.split()), tuple(after.split()), by)


DISPATCHES = Machine(
    "dispatches",
    states=(
        "dispatched",
        "running",
        "held",
        "done",
        "failed",
        "uncertain",
        "doubled",
        "replaced",
        "discarded",
    ),
    initial=("dispatched",),
    transitions=(
        _transition("claim", "dispatched", "running", By.ENGINE),
        _transition("requeue", "running", "dispatched", By.ENGINE),
        _transition("end", "running", "done failed uncertain doubled", By.ENGINE),
        _transition("give up", "dispatched", "failed", By.ENGINE),
        _transition("replace", "dispatched", "replaced", By.ENGINE),
        _transition("find it doubled", "done", "doubled", By.ENGINE),
        _transition("undo the double", "doubled", "done", By.ENGINE),
        _transition("ask a person", "running", "held", By.ENGINE),
        _transition("stop for a discard", "running", "discarded", By.PERSON),
        _transition("discard", "dispatched held failed uncertain doubled", "discarded", By.PERSON),
        _transition("replay", "done failed uncertain doubled replaced discarded", "dispatched", By.PERSON),
        _transition("resolve", "uncertain", "dispatched", By.PERSON),
        _transition("keep the double", "doubled", "done", By.PERSON),
        _transition("take back", "dispatched", "uncertain failed", By.PERSON),
        _transition("take back", "done", "doubled", By.PERSON),
        _transition("answer", "held", "dispatched running done failed uncertain doubled", By.PREFECT),
        _transition("retry", "failed uncertain discarded", "running held done doubled", By.PREFECT),
        _transition("cancel", "dispatched running held failed uncertain", "discarded", By.PREFECT),
    ),
)

WORST_FIRST = (
    "uncertain",
    "failed",
    "doubled",
    "held",
    "running",
    "dispatched",
    "done",
    "replaced",
    "discarded",
)
"""Of several dispatches, the one whose state a delivery has: first the one that needs a person."""


def worst(*states: str) -> str:
    """Return the state of a delivery whose dispatches are in these states."""
    return min(states, key=WORST_FIRST.index)


def _following() -> Iterator[tuple[str, str]]:
    """Yield what a new dispatch, or a transition of one, means for its delivery, whatever its other dispatches are."""
    for others in ((), *((state,) for state in DISPATCHES.states)):
        yield "received", worst("dispatched", *others)
        for before, after in DISPATCHES.pairs:
            for was in (
                worst(before, *others),
                "rejected",
                "unrouted",
            ):  # these: of a replay to one more route
                yield was, worst(after, *others)


DELIVERIES = Machine(
    "deliveries",
    states=(
        "received",
        "held",
        "dispatched",
        "running",
        "done",
        "failed",
        "uncertain",
        "doubled",
        "rejected",
        "replaced",
        "discarded",
        "unrouted",
        "split",
    ),
    initial=("received", "held", "discarded"),
    transitions=(
        _transition("pause", "received", "held", By.PERSON),
        _transition("resume", "held", "received", By.PERSON),
        _transition("route is off", "received", "held", By.ENGINE),
        _transition("route is on", "held", "received", By.ENGINE),
        _transition("reject", "received", "rejected", By.ENGINE),
        _transition("no route", "received", "unrouted", By.ENGINE),
        _transition("route", "received", "dispatched", By.ENGINE),
        _transition("split", "received", "split", By.ENGINE),
        _transition("answer a wait", "received unrouted", "done", By.ENGINE),
        _transition("discard", "received held rejected unrouted", "discarded", By.PERSON),
        _transition(
            "replay",
            "dispatched running done failed uncertain doubled rejected replaced discarded unrouted split",
            "received",
            By.PERSON,
        ),
    ),
    derived=frozenset((before, after) for before, after in _following() if before != after),
)

EFFECTS = Machine(
    "effects",
    states=("intended", "done", "failed", "uncertain", "doubled", "undone", "kept"),
    initial=("intended",),
    transitions=(
        _transition("send again", "failed", "intended", By.RUN),
        _transition("record", "intended failed uncertain", "done", By.RUN),
        _transition("find it late", "intended failed", "done", By.ENGINE),
        _transition("fail", "intended", "failed", By.RUN),
        _transition("lose the answer", "intended", "uncertain", By.RUN),
        _transition("resolve", "uncertain", "done intended", By.PERSON),
        _transition("do it by hand", "failed uncertain intended", "done", By.PERSON),
        _transition("keep the double", "doubled", "done undone", By.PERSON),
        _transition("take back", "done", "uncertain failed intended doubled", By.PERSON),
        _transition("take back", "intended", "uncertain", By.PERSON),
        _transition("take back", "undone", "doubled", By.PERSON),
        _transition("find it doubled", "done undone", "doubled", By.ENGINE),
        _transition("undo the double", "doubled", "done undone", By.ENGINE),
        _transition("compensate", "intended done failed", "undone", By.RUN),
        _transition("skip compensation", "intended failed", "kept", By.RUN),
    ),
)

WAITS = Machine(
    "waits",
    states=("waiting", "answered", "expired", "cancelled"),
    initial=("waiting",),
    transitions=(
        _transition("answer", "waiting", "answered", By.PERSON),
        _transition("find its delivery", "waiting", "answered", By.ENGINE),
        _transition("time out", "waiting", "expired", By.ENGINE),
        _transition("cancel", "waiting", "cancelled", By.PERSON),
        _transition("ask again", "answered expired cancelled", "waiting", By.RUN),
        _transition("reopen", "answered expired cancelled", "waiting", By.PERSON),
    ),
)

MACHINES = {machine.table: machine for machine in (DELIVERIES, DISPATCHES, EFFECTS, WAITS)}

OPEN = DELIVERIES.of(Phase.OPEN)
"""Deliveries, and dispatches, that Hookline still works on."""
NEED_A_PERSON = DELIVERIES.of(Phase.NEEDS_A_PERSON)
CLOSED = DELIVERIES.of(Phase.CLOSED)
"""Deliveries that may be deleted once they are old."""
ENDED = DISPATCHES.of(Phase.NEEDS_A_PERSON, Phase.CLOSED)
"""Dispatches that a replay begins again."""


def in_sql(states: Iterable[str]) -> str:
    """Return the states as PostgreSQL's `IN` takes them."""
    return "('" + "', '".join(states) + "')"
