"""What is only read is not written down: the journal is of writes."""

import importlib
from contextlib import suppress

import pytest

from hookline.clients import CLIENTS, operations
from hookline.errors import HooklineError


@pytest.fixture
def accounts(jiwa, zentitle, sensorpro, jetadvice, jifeline):
    return {account.vendor: account for account in (jiwa, zentitle, sensorpro, jetadvice, jifeline)}


def reads(vendor):
    """The tasks of what is read without saying of what."""
    return [
        getattr(importlib.import_module(f"tasks.{vendor}"), operation.name)
        for operation in operations(CLIENTS[vendor]).values()
        if operation.repeat == "safe"
        and operation.verb == "GET"
        and not any(field.is_required() for field in operation.input.model_fields.values())
    ]


async def test_reads_leave_nothing_in_the_journal(accounts, database):
    called = 0
    for vendor, account in accounts.items():
        for task in reads(vendor):
            with suppress(HooklineError):  # some want to know of what all the same
                await task.fn(account)
            called += 1

    assert (True, 0) == (called > 40, await database.fetchval("SELECT count(*) FROM effects"))
