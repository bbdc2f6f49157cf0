"""The journal: every vendor write that must happen once is written down before it is sent."""

from hookline.journal.effect import (
    Census,
    Effect,
    EffectBusy,
    EffectConflict,
    EffectError,
    EffectUncertain,
    Outcome,
)
from hookline.journal.once import once

__all__ = [
    "Census",
    "Effect",
    "EffectBusy",
    "EffectConflict",
    "EffectError",
    "EffectUncertain",
    "Outcome",
    "once",
]
