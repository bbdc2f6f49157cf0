"""The journal: every vendor write that must happen once is written down before it is sent."""

from hookline.journal.compensation import BusinessFailure, Compensation, CompensationStep
from hookline.journal.effect import (
    CountReadback,
    Effect,
    EffectBusy,
    EffectConflict,
    EffectError,
    EffectUncertain,
    Outcome,
)
from hookline.journal.exclusive import LOCK_TIMEOUT_SECONDS, BusinessBusy, ensure_exclusive, exclusive
from hookline.journal.once import known, now_known_as, once

__all__ = [
    "LOCK_TIMEOUT_SECONDS",
    "BusinessBusy",
    "BusinessFailure",
    "Compensation",
    "CompensationStep",
    "CountReadback",
    "Effect",
    "EffectBusy",
    "EffectConflict",
    "EffectError",
    "EffectUncertain",
    "Outcome",
    "ensure_exclusive",
    "exclusive",
    "known",
    "now_known_as",
    "once",
]
