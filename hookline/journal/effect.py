"""The effect: one vendor write, its outcome, its read-back, and what can be wrong with it."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, runtime_checkable
from uuid import UUID

from hookline.errors import HooklineError


@dataclass(frozen=True)
class Effect:
    """One vendor write, known by its workflow, business key and step."""

    workflow: str
    key: str
    step: str
    label: str
    """The business key in a person's words, such as `order 100123`."""
    operation: str
    """`vendor.operation`, as in the table of operations."""
    request: Mapping[str, Any]
    """The inputs that make it this effect and no other; the same step with another request is refused."""
    expected: int = 0
    """The number of vendor references (license codes, ids) that it must bring."""
    needs: Mapping[str, str] | None = None
    """Of an answer that is a record: the fields that it must have, each `text` or `number`; None: it is none."""
    flow_run_id: UUID | None = None
    dispatch_id: UUID | None = None
    """The dispatch that started it, where a delivery did."""
    depends_on: tuple[str, ...] = ()
    """The same vendor's references of other effects that it needs: from now on, nobody undoes those."""
    landing_seconds: float | None = None
    """The seconds after which it can no longer appear at the vendor once nobody waits for its answer; None: as set."""
    call: Mapping[str, Any] | None = None
    """The task, its account and its inputs, by which a later check reads it back; None: nothing does."""
    generation: int = 0
    """The try of its business that is compensated as a whole, from 1; 0: it is part of none.

    An attempt is one sending of one effect; a generation is all that a business did until its rule said no.
    """
    account: str = ""
    """The vendor's account, such as `zentitle/default`; "": its credentials are not stored."""
    about: Mapping[str, str] = field(default_factory=dict)
    """Whom it reaches, for a person who decides about it: addresses and names, by what each is."""

    @property
    def digest(self) -> str:
        """A fingerprint of the request."""
        return hashlib.sha256(json.dumps(self.request, sort_keys=True).encode()).hexdigest()

    def __str__(self) -> str:
        """Return the effect in a person's words."""
        return f"{self.step} of {self.label}"


@dataclass(frozen=True)
class Outcome:
    """The result of an effect: the vendor's references, and the answer as the vendor gave it."""

    reference: list[str] = field(default_factory=list)
    answer: Any = None
    copies: list[str] = field(default_factory=list)
    """Of a read-back: the references of all that is there for this one write; more than were expected are too many."""
    is_state: bool = False
    """True if a read-back found a state as it was wanted: no sign that this effect made it so."""


@dataclass(frozen=True)
class CountReadback:
    """
    A read-back for writes that leave no token of ours: count what is at the vendor before and after.

    Writes within one scope are sent one after another, so that what is new belongs to one of them.
    """

    scope: str
    count: Callable[[], Awaitable[set[str]]]
    texts: Callable[[str], Awaitable[Sequence[str]]] | None = field(default=None, kw_only=True)
    """Returns what the vendor shows with one: a token of ours in it says whose it is."""


Send = Callable[[], Awaitable[Outcome]]
"""Makes the write. An exception with `maybe_applied` False changed nothing; any other might have."""

Readback = Callable[[], Awaitable[Outcome | None]] | CountReadback
"""Finds the write at the vendor (None: it is not there), or counts."""


@runtime_checkable
class Retryable(Protocol):
    """An error of a vendor's, which says whether and when to try again."""

    transient: bool
    retry_after: float | None


class EffectError(HooklineError):
    """Something prevents an effect from being done once."""

    transient = False


class EffectUncertain(EffectError):
    """Nobody can know whether the write happened; a person resolves it, nothing repeats it."""

    def __init__(self, effect_id: int, what: str, why: str) -> None:
        super().__init__(
            f"It is not known whether this happened: {what}. {why} "
            f"Look at the vendor, then say so: `hookline effects resolve {effect_id} --happened` "
            f"or `hookline effects resolve {effect_id} --send-again`."
        )
        self.effect_id = effect_id
        self.arguments = (effect_id, what, why)

    def __reduce__(self) -> tuple[type, tuple[int, str, str]]:
        """Pickle by its arguments: Prefect stores the error of a failed run."""
        return type(self), self.arguments


class EffectConflict(EffectError):
    """The same step was already done, or begun, with another request."""


class EffectLanding(EffectError):
    """An earlier attempt may still appear at the vendor; after `retry_after` seconds it can be looked for again."""

    transient = True
    is_wait = True
    """Nothing failed: this uses up no attempt."""

    def __init__(self, what: str, why: str, retry_after: float) -> None:
        super().__init__(
            f"{what} waits {retry_after:.0f} s: {why}, and it may still appear at the vendor. Then it is looked for "
            "once more, and sent again if it is not there."
        )
        self.retry_after = retry_after
        self.arguments = (what, why, retry_after)

    def __reduce__(self) -> tuple[type, tuple[str, str, float]]:
        """Pickle by its arguments: Prefect stores the error of a failed run."""
        return type(self), self.arguments


class EffectBusy(EffectError):
    """Another run works on this effect, or on one that must be resolved before it; trying again helps."""

    transient = True
    is_wait = False
    """True where this uses up no attempt: what it waits for goes on by itself, or by a person's word for all."""
    retry_after: float | None = None

    def as_wait(self, seconds: float) -> Self:
        """Return it as one that uses up no attempt, and is tried again after so many seconds."""
        self.is_wait, self.retry_after = True, seconds
        return self
