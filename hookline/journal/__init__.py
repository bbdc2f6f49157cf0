"""
The journal: every vendor write that must happen once is written down before it is sent.

| module | what is there |
| --- | --- |
| `journal` | `Journal.run`, the one door: what to do about an effect by its row, and what its end means |
| `effect` | the effect, its outcome, its read-back, its errors |
| `store` | the SQL of effects; all transitions between their states stand together at its top |
| `readback_first` | after a restore: what the journal does not know is looked for before it is sent |
| `compensation` | what a business does as a whole, and how it is undone where a rule says no |
| `compensation_steps` | the SQL of compensation steps |
| `late_check` | looking again for a day at what may have happened twice |
| `fence` | the last check before a request leaves |
| `clock` | a clock that nobody sets |
| `resolution` | a person's word on an uncertain or doubled effect, and how it is taken back |
| `whom` | whom a write reaches, in a person's words |
| `exclusive` | one run at a time for a business key |
| `locks` | the SQL of advisory locks |

Must never happen here: a request before `intended` is committed; a state that is set outside of `store` and
`compensation_steps`; an import of Prefect, tasks or clients; an unknown error taken for "nothing happened".

New behaviour: a new decision about a row is a case of `next_for` or `state_after`; a new state is a transition in
`store`, with its word in docs/journal.md; a new way to find a write is a read-back in `tasks/readback`.
"""

from hookline.journal.compensation import BusinessFailure, CompensationStep, Saga
from hookline.journal.effect import (
    CountReadback,
    Effect,
    EffectBusy,
    EffectConflict,
    EffectError,
    EffectLanding,
    EffectUncertain,
    Outcome,
    Readback,
    Send,
)
from hookline.journal.exclusive import LOCK_TIMEOUT_SECONDS, BusinessBusy, ensure_exclusive, exclusive
from hookline.journal.journal import Journal, Step

__all__ = [
    "LOCK_TIMEOUT_SECONDS",
    "BusinessBusy",
    "BusinessFailure",
    "CompensationStep",
    "CountReadback",
    "Effect",
    "EffectBusy",
    "EffectConflict",
    "EffectError",
    "EffectLanding",
    "EffectUncertain",
    "Journal",
    "Outcome",
    "Readback",
    "Saga",
    "Send",
    "Step",
    "ensure_exclusive",
    "exclusive",
]
