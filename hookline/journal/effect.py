"""What an effect is, what comes of it, and what can be wrong with it."""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
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
    """What makes it this effect and no other; the same step with another request is refused."""
    wanted: int = 0
    """How many vendor references (license codes, ids) it must bring."""
    flow_run_id: UUID | None = None
    dispatch_id: UUID | None = None
    """What made it, where a delivery did."""
    depends_on: tuple[str, ...] = ()
    """The same vendor's references of other effects that it builds upon: from now on, nobody undoes those."""
    round: int = 0
    """Of a business that is undone as a whole, which try this is part of; 0: it is part of none."""
    undoes: int | None = None
    """The number of the effect that it undoes."""

    @property
    def digest(self) -> str:
        """A fingerprint of the request."""
        return hashlib.sha256(json.dumps(self.request, sort_keys=True).encode()).hexdigest()

    def __str__(self) -> str:
        """The effect in a person's words."""
        return f"{self.step} of {self.label}"


@dataclass(frozen=True)
class Outcome:
    """What came of an effect: the vendor's references, and the answer as the vendor gave it."""

    reference: list[str] = field(default_factory=list)
    answer: Any = None


@dataclass(frozen=True)
class CountReadback:
    """
    A look-up for writes that leave no mark of ours: count what stands at the vendor before and after.

    Writes within one scope are sent one after another, so that what is new belongs to one of them.
    """

    scope: str
    count: Callable[[], Awaitable[set[str]]]


Readback = Callable[[], Awaitable[Outcome | None]]


_TO_SETTLE = re.compile(r"`hookline effects resolve (\d{1,18}) --happened`")


class EffectError(HooklineError):
    """Something stands between an effect and its being done once."""

    transient = False


class EffectUncertain(EffectError):
    """Nobody can know whether the write happened; a person settles it, nothing repeats it."""

    def __init__(self, effect_id: int, what: str, why: str) -> None:
        super().__init__(
            f"It is not known whether this happened: {what}. {why} "
            f"Look at the vendor, then say so: `hookline effects resolve {effect_id} --happened` "
            f"or `hookline effects resolve {effect_id} --send-again`."
        )
        self.arguments = (effect_id, what, why)

    @staticmethod
    def named_in(text: str) -> int | None:
        """The number of the effect that an error of this kind tells of: all that Prefect keeps of it is its text."""
        numbers = _TO_SETTLE.findall(text)
        return int(numbers[-1]) if numbers else None

    def __reduce__(self) -> tuple[type, tuple[int, str, str]]:
        """Pickles by its arguments: Prefect stores the error of a failed run."""
        return type(self), self.arguments


class EffectConflict(EffectError):
    """The same step was already done, or begun, with another request."""


class EffectBusy(EffectError):
    """Another run is at this effect, or at one that must be settled before it; trying again helps."""

    transient = True
