"""What is read is the same in every dialect: each call that only reads, of each vendor."""

import importlib
from datetime import UTC, datetime

import pytest
from pydantic import BaseModel

from hookline.clients import CLIENTS, InvalidInput, NotFound, VendorError, auth, operations
from hookline.facts import facts_of

VOLATILE = {"Id", "CreatedAt", "SQLServerDateTime", "Result", "Total", "RequestHeaders", "Headers", "OptOut"}
"""What is another each time, and what a dialect may leave out: the number of rows, secret headers, who opted out."""
CAMPAIGN = "3f0c6a52-9d1e-4b7a-8c35-5e0f7a9b2d14"
EMPTY = [[], {"Results": []}, {"Contact": []}]
"""An empty list, which a vendor may also say in words."""
OWN = {"list_rest_paths"}
"""What tells of the dialect itself."""
FIRST = {"productid": "6453300110", "campaignid": CAMPAIGN, "campid": CAMPAIGN, "broadcastid": 1}
"""Inputs that the seed data has, before any list is read."""


@pytest.fixture
def accounts(jiwa, zentitle, sensorpro, jetadvice, jifeline):
    return {account.vendor: account for account in (jiwa, zentitle, sensorpro, jetadvice, jifeline)}


def reads(vendor):
    """The calls that only read: first those of lists, which say of what there is more to read."""
    found = [
        operation
        for operation in operations(CLIENTS[vendor]).values()
        if operation.repeat == "safe"
        and operation.name not in OWN
        and operation.name.startswith(("query_", "list_", "get_"))
    ]
    return sorted(found, key=lambda operation: len(required(operation)))


def required(operation):
    return {name for name, field in operation.input.model_fields.items() if field.is_required()}


class Reader:
    """Reads all that a vendor shows, as far as the inputs are found in what was read before."""

    def __init__(self, account):
        self.account = account
        self.tasks = importlib.import_module(f"tasks.{account.vendor}")
        self.known = dict(FIRST)

    async def read(self):
        """What each call reads: its answer, None where there is none, or the kind of its error."""
        found = {}
        for operation in reads(self.account.vendor):
            names = {name: self._key(operation, name) for name in required(operation)}
            if set(names.values()) <= self.known.keys():
                inputs = {name: self.known[key] for name, key in names.items()}
                found[operation.name] = await self._answer(operation, inputs)
        return found

    async def _answer(self, operation, inputs):
        try:
            answer = await getattr(self.tasks, operation.name).fn(self.account, **inputs)
        except (NotFound, InvalidInput):
            return None
        except VendorError as error:
            return type(error).__name__
        self._note(operation, answer)
        read = declared(answer)
        return None if read in EMPTY else read

    def _key(self, operation, name):
        """An id that is called just that is known by what it is of."""
        return operation.name.removeprefix("get_") if name == "id" else name.lower()

    def _note(self, operation, value):
        if isinstance(value, BaseModel):
            for name, each in value:
                key = operation.name.removeprefix("list_").removesuffix("s") if name == "id" else name.lower()
                if isinstance(each, str | int) and each:
                    self.known.setdefault(key, each)
                self._note(operation, each)
        for each in value if isinstance(value, list) else []:
            self._note(operation, each)


def declared(value):
    """An answer without what its model does not know, which is as the vendor spells it, and without what is volatile."""
    if isinstance(value, BaseModel):
        known = (name for name in type(value).model_fields if name not in VOLATILE)
        return {name: declared(getattr(value, name)) for name in known}
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC)
    return [declared(each) for each in value] if isinstance(value, list) else value


async def assert_the_same_is_read(reader, usual, dialect):
    auth._sessions.clear()
    found = await reader.read()
    different = {name: (found.get(name), each) for name, each in usual.items() if found.get(name) != each}
    assert {} == different, dialect


MIN_READS = {"jiwa": 20, "zentitle": 12, "sensorpro": 3, "jetadvice": 9, "jifeline": 15}
"""The least number of calls that find their inputs in the seed data."""


@pytest.mark.parametrize("vendor", MIN_READS)
async def test_in_every_variant_of_a_fact_the_same_is_read(sandbox, accounts, vendor):
    reader, simulator = Reader(accounts[vendor]), getattr(sandbox, vendor)
    await reader.read()  # to find the inputs
    usual = await reader.read()

    assert len(usual) >= MIN_READS[vendor]
    for fact in facts_of(vendor).facts:
        for variant in list(fact.variants)[1:]:
            if variant not in fact.settings:  # what needs one is tried where that is set
                simulator.dialect.draw(0)
                simulator.dialect.speak({fact.id: variant})
                await assert_the_same_is_read(reader, usual, f"{fact.id}: {variant}")


@pytest.mark.parametrize(
    "seeds", [range(1, 6), pytest.param(range(6, 100), marks=pytest.mark.long)], ids=["some", "many"]
)
@pytest.mark.parametrize("vendor", MIN_READS)
async def test_in_dialects_that_a_seed_draws_the_same_is_read(sandbox, accounts, vendor, seeds):
    reader, simulator = Reader(accounts[vendor]), getattr(sandbox, vendor)
    await reader.read()
    usual = await reader.read()

    for seed in seeds:
        simulator.dialect.draw(seed)
        simulator.dialect.speak(
            {
                fact.id: fact.likeliest
                for fact in facts_of(vendor).facts
                if simulator.dialect.spoken.get(fact.id) in fact.settings
            }
        )
        await assert_the_same_is_read(reader, usual, f"dialect {seed}: {simulator.dialect.spoken}")
