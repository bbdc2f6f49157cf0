"""The journal: every vendor write that must happen once is written down before it is sent."""

from hookline.journal.alone import PATIENCE, BusinessBusy, alone, still_alone
from hookline.journal.effect import (
    Census,
    Effect,
    EffectBusy,
    EffectConflict,
    EffectError,
    EffectUncertain,
    Outcome,
)
from hookline.journal.once import known, now_known_as, once
from hookline.journal.undo import BusinessFailure, Saga, Undo

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
