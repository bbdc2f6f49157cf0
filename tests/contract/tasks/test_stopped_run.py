"""What a run that must not go on may still do at a vendor: read, and nothing else."""

from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from hookline.context import RunStopped, working_on
from tasks import jiwa as tasks


class Cancelled:
    """The permit of a run that was cancelled."""

    @asynccontextmanager
    async def write_permit(self):
        raise RunStopped("Nothing was sent.")
        yield


async def test_a_run_that_was_cancelled_changes_nothing_more_even_where_a_repeat_would_be_safe(jiwa):
    async with jiwa.get_client() as client:
        before = await client.create_debtor(AccountNo="HOOK-1", Name="Hookline")

    with working_on(uuid4(), uuid4(), Cancelled()):
        with pytest.raises(RunStopped):
            await tasks.update_debtor.fn(jiwa, DebtorID=before.DebtorID, Name="Another")
        read = await tasks.get_debtor.fn(jiwa, DebtorID=before.DebtorID)

    assert "Hookline" == before.Name == read.Name
