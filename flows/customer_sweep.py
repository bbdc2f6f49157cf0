"""All customers of Jiwa, some in each run: how far the last run came stands in the journal."""

import re
from dataclasses import dataclass, field
from typing import Final, Self

from blocks.jiwa import JiwaCredentials
from flows.customer_records import WORKFLOW
from tasks import jiwa as jiwa_tasks
from tasks.effects import BusinessKey, remembered, steps_of

PAGE: Final = 1000
NOTED_EACH: Final = 25
"""After so many customers it is noted how far it came; a run that was broken off reads as many again."""

_STEP: Final = re.compile(r"sweep (\d+) (?:(ended)|after .*)")


@dataclass
class Sweep:
    """One way through all customers, of which a run does a part."""

    business: BusinessKey
    number: int
    debtor_ids: list[str]
    """The customers of this run, in Jiwa's order."""
    total: int
    is_last: bool
    """The way ends with this run."""
    done: int = field(default=0)

    @classmethod
    async def of(cls, jiwa: JiwaCredentials, limit: int) -> Self:
        """Return the part that is due: behind the last customer that was noted, or from the first one on."""
        business = BusinessKey(WORKFLOW, "all customers", "all customers").at(jiwa=jiwa.stored_as)
        number, after = await _noted(business)
        ids = await _debtor_ids(jiwa)
        first = ids.index(after) + 1 if after in ids else 0  # one that was deleted: from the first on
        if first == len(ids):  # those behind it were deleted
            number, first = number + 1, 0
        return cls(business, number, ids[first : first + limit], len(ids), first + limit >= len(ids))

    async def passed(self, debtor_id: str) -> None:
        """Note how far it came, now and then, and at the end."""
        self.done += 1
        is_end = self.done == len(self.debtor_ids)
        if is_end and self.is_last:
            await remembered(self.business, f"sweep {self.number} ended", lambda: [debtor_id])
        elif is_end or self.done % NOTED_EACH == 0:
            await remembered(self.business, f"sweep {self.number} after {debtor_id}", lambda: [debtor_id])

    def __str__(self) -> str:
        """Return what people call it."""
        return f"{len(self.debtor_ids)} of {self.total}"


async def _noted(business: BusinessKey) -> tuple[int, str | None]:
    """Return the number of the way that is under way, and the customer up to which it came; None at its beginning."""
    steps = [step for step in await steps_of(business, "sweep ") if step.is_done]
    if not steps or (match := _STEP.fullmatch(steps[-1].name)) is None:
        return 1, None
    number = int(match[1])
    return (number + 1, None) if match[2] else (number, steps[-1].reference[0])


async def _debtor_ids(jiwa: JiwaCredentials) -> list[str]:
    """Return the ids of all customers, in their order; a page may be shorter than it was asked to be."""
    ids: list[str] = []
    while True:
        page = await jiwa_tasks.query_debtors(
            jiwa, Fields="DebtorID", OrderBy="DebtorID", Skip=len(ids), Take=PAGE
        )
        if not page.Results:
            return ids
        ids += [row.DebtorID for row in page.Results]
