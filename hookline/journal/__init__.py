"""The journal: every vendor write that must happen once is written down before it is sent."""

from hookline.journal.compensation import BusinessFailure, Saga, Undo
from hookline.journal.effect import (
    Census,
    Effect,
    EffectBusy,
    EffectConflict,
    EffectError,
    EffectUncertain,
    Outcome,
)
from hookline.journal.exclusive import PATIENCE, BusinessBusy, alone, still_alone
from hookline.journal.once import known, now_known_as, once

__all__ = [
    "PATIENCE",
    "BusinessBusy",
    "BusinessFailure",
    "Census",
    "Effect",
    "EffectBusy",
    "EffectConflict",
    "EffectError",
    "EffectUncertain",
    "Outcome",
    "Saga",
    "Undo",
    "alone",
    "known",
    "now_known_as",
    "once",
    "still_alone",
]
