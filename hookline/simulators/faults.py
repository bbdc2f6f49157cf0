"""Faults that a simulator shows on demand, so that recovery can be watched instead of believed."""

import sys
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from dataclasses import field as counter
from typing import Any, Literal, get_args

from hookline.simulators.forms import FORMS, OF_FIELDS, Form

Kind = Literal["refuse", "lose", "garble", "latency", "throttle", "late", "show_late", "twice", "shift"]
Answer = Literal["break", "hold", "error"]
ANY = "*"
MAX_LATE_SECONDS = 600.0
MAX_ROWS = 1000


class InvalidControlError(ValueError):
    """An order to the simulator itself cannot be read; the text names the field."""


@dataclass(slots=True)
class Fault:
    """One fault waiting for its calls."""

    operation: str
    """Name of the operation it waits for; `*` for all of them."""
    kind: Kind
    """
    What happens to the call.

    `refuse` answers an error and does nothing; `lose` does it, then breaks the connection; `garble` does it, then
    answers in a bad form; `latency` waits before doing it; `throttle` answers 429 with `Retry-After` and does
    nothing; `late` loses the answer, and does it later; `show_late` does it, and lists stay for a while as they were
    before; `twice` does it two times and answers once, as where a proxy sends it again; `shift` answers a page before
    which a row came or went.
    """
    times: int = 1
    """Calls that it strikes; 0 for every one until the faults are cleared."""
    status: int = 503
    """Status that `refuse` answers, and `late` where its answer is an error."""
    seconds: float = 2.0
    """Wait of `latency`; the `Retry-After` of `throttle`; how late `late` does it and `show_late` shows it."""
    answer: Answer | None = None
    """How `late` and `twice` lose the answer: `break` ends the connection at once, `hold` when the caller hangs up,
    `error` answers `status` at once. None: `late` breaks, and `twice` answers."""
    rows: int = 1
    """Rows that came before the page that `shift` answers; less than 0: so many went away."""
    skip: int = 0
    """Matching calls that pass before the first is struck."""
    form: Form = "cut"
    """The form of the answer of `garble`."""
    field: str = ""
    """The field that a form of `garble` changes, as in `Lines.PartNo`; "": each one of the answer."""
    done: bool = True
    """False: `garble` answers as if the call were done, and does nothing."""
    seen: int = counter(default=0, init=False)
    """Matching calls so far, those that another fault struck included."""
    struck: int = counter(default=0, init=False)
    """Calls that it struck so far."""

    def __post_init__(self) -> None:
        _require(isinstance(self.operation, str), "operation", "must be the name of an operation, or *")
        _require(self.kind in get_args(Kind), "kind", f"must be one of {', '.join(get_args(Kind))}")
        for name in ("times", "skip"):
            _require(_is_count(getattr(self, name)), name, "must be a whole number, 0 or more")
        is_error = _is_count(self.status) and 400 <= self.status <= 599  # noqa: PLR2004
        _require(is_error, "status", "must be an HTTP error status, 400 to 599")
        _require(is_number(self.seconds), "seconds", "must be a number, 0 or more")
        soon = self.kind not in ("late", "show_late") or self.seconds <= MAX_LATE_SECONDS
        _require(soon, "seconds", f"of {self.kind} must be 0 to {MAX_LATE_SECONDS:g}")
        _require(
            self.answer in (None, *get_args(Answer)),
            "answer",
            f"must be one of {', '.join(get_args(Answer))}",
        )
        _require(self.form in FORMS, "form", f"must be one of {', '.join(FORMS)}")
        named = isinstance(self.field, str) and (not self.field or self.form in OF_FIELDS)
        _require(named, "field", f"must be a name, and the form one of {', '.join(OF_FIELDS)}")
        _require(isinstance(self.done, bool), "done", "must be true or false")
        moved = isinstance(self.rows, int) and is_number(self.rows, -MAX_ROWS, MAX_ROWS)
        _require(moved, "rows", f"must be a whole number, -{MAX_ROWS} to {MAX_ROWS}")

    @property
    def spent(self) -> bool:
        """True when it has struck as often as `times` says."""
        return self.times != 0 and self.struck >= self.times

    def matches(self, operation: str) -> bool:
        """Return True if it waits for calls of this operation."""
        return self.operation in (ANY, operation)


FIELDS = tuple(each.name for each in fields(Fault) if each.init)
"""The fields of an order for a fault."""


class Faults:
    """The faults of one simulator, in the order in which they were added."""

    def __init__(self, operations: Collection[str]) -> None:
        self._operations = operations
        self._waiting: list[Fault] = []

    def add(
        self,
        operation: str,
        kind: Kind,
        *,
        times: int = 1,
        status: int = 503,
        seconds: float = 2.0,
        answer: Answer | None = None,
        rows: int = 1,
        skip: int = 0,
        form: Form = "cut",
        field: str = "",
        done: bool = True,
    ) -> Fault:
        """
        Let calls of an operation meet a fault; the fault returned counts how many it struck.

        Raises:
            InvalidControlError: a value makes no sense; the text names it.
        """
        fault = Fault(operation, kind, times, status, seconds, answer, rows, skip, form, field, done)
        if operation != ANY and operation not in self._operations:
            raise InvalidControlError(f"operation: there is no operation {operation!r} here")
        self._waiting.append(fault)
        return fault

    def strike(self, operation: str) -> Fault | None:
        """Return the fault that this call meets: the first one due. Every other one counts the call as seen."""
        strikes: Fault | None = None
        for fault in self._waiting:
            if not fault.matches(operation):
                continue
            fault.seen += 1
            if strikes is None and fault.seen > fault.skip:
                fault.struck += 1
                strikes = fault
        if strikes and strikes.spent:
            self._waiting.remove(strikes)
        return strikes

    def clear(self) -> None:
        """Forget every fault; what is already on its way stays."""
        self._waiting.clear()

    def listed(self) -> list[dict[str, Any]]:
        """Return the faults still waiting, as JSON objects."""
        return [asdict(fault) for fault in self._waiting]


def is_number(value: object, low: float = 0, high: float = sys.float_info.max) -> bool:
    """Return True for a number within limits; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _is_count(value: object) -> bool:
    return is_number(value) and isinstance(value, int)


def _require(condition: bool, name: str, complaint: str) -> None:
    if not condition:
        raise InvalidControlError(f"{name}: {complaint}")
