"""
What holds for every write of every vendor, whatever it writes.

A vendor's tests have a fixture `vendor` and derive classes from these suites, parametrised with its writes as
`write`. A suite is not collected here: this file's name is none of a test.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, get_origin

import pytest

from blocks import VendorCredentials
from hookline.clients import CLIENTS, VendorClient, VendorError, operations
from hookline.journal import EffectUncertain
from hookline.simulators.control import Simulator


@dataclass(frozen=True)
class Vendor:
    """A vendor as its tasks meet it: their module, the block they take, and what stands behind its address."""

    tasks: ModuleType
    credentials: VendorCredentials
    simulator: Simulator

    async def call(self, operation, business, inputs):
        """What the task of an operation answers."""
        return await getattr(self.tasks, operation).fn(self.credentials, business, **inputs)

    def sent(self, operation):
        """How often the vendor was asked for it."""
        return len(self.simulator.requests(operation=operation))

    def misbehave(self, operation, kind, **fault):
        self.simulator.faults.add(operation, kind, **fault)


@dataclass(frozen=True)
class Write:
    """A write that must happen once."""

    operation: str
    prepare: Callable[[VendorClient], Awaitable[dict[str, Any]]]
    """Makes what it needs at the vendor, and what could be mistaken for it; its inputs."""
    count: Callable[[Any, dict[str, Any]], int]
    """How often it is seen in a simulator; what was there before may count, and what is deleted counts down."""
    lost: tuple[int, int] = (1, 1)
    """How often it happens, and is sent, where its first answer is lost."""

    def __str__(self):
        return self.operation


@dataclass
class Case:
    """A write of a test, prepared."""

    write: Write
    vendor: Vendor
    business: Any
    inputs: dict[str, Any]
    before: int

    async def call(self):
        return await self.vendor.call(self.write.operation, self.business, self.inputs)

    def misbehave(self, kind, **fault):
        self.vendor.misbehave(self.write.operation, kind, **fault)

    @property
    def happened(self):
        """How often it did."""
        return abs(self.write.count(self.vendor.simulator, self.inputs) - self.before)

    @property
    def sent(self):
        return self.vendor.sent(self.write.operation)

    def answers(self, answer):
        """Whether this is such an answer as the operation has."""
        kind = operations(CLIENTS[self.vendor.simulator.vendor])[self.write.operation].answer
        return isinstance(answer, get_origin(kind) or kind)


class _Suite:
    @pytest.fixture
    async def case(self, write, vendor, business):
        async with vendor.credentials.get_client() as client:
            inputs = await write.prepare(client)
        vendor.simulator.log.clear()  # preparing may have taken the same calls
        return Case(write, vendor, business, inputs, write.count(vendor.simulator, inputs))

    async def test_called_twice_it_happens_once(self, case):
        first = await case.call()
        second = await case.call()

        assert (1, 1) == (case.happened, case.sent)
        assert case.answers(first)
        assert first == second

    async def test_throttled_it_is_sent_again(self, case):
        case.misbehave("refuse", status=429)
        with pytest.raises(VendorError):
            await case.call()

        answer = await case.call()

        assert (1, 2) == (case.happened, case.sent)
        assert case.answers(answer)


class ReadBack(_Suite):
    """Writes that are looked for before they are sent again."""

    async def test_with_its_answer_lost_it_happens_once(self, case):
        case.misbehave("lose")
        with pytest.raises(VendorError):
            await case.call()

        found = await case.call()
        known = await case.call()

        assert case.write.lost == (case.happened, case.sent)
        assert case.answers(found)
        assert found == known

    async def test_failed_before_it_did_anything_it_is_sent_again(self, case):
        case.misbehave("refuse", status=503)
        with pytest.raises(VendorError):
            await case.call()

        answer = await case.call()

        assert (1, 2) == (case.happened, case.sent)
        assert case.answers(answer)


class SentBlindly(_Suite):
    """Writes that cannot be looked for."""

    @pytest.mark.parametrize("fault", [{"kind": "lose"}, {"kind": "refuse", "status": 503}], ids=str)
    async def test_with_its_end_unknown_it_is_uncertain_and_never_sent_again(self, case, fault):
        case.misbehave(**fault)
        with pytest.raises(EffectUncertain):
            await case.call()

        with pytest.raises(EffectUncertain):
            await case.call()

        assert (fault["kind"] == "lose", 1) == (case.happened, case.sent)

    async def test_it_may_be_sent_again_where_that_was_chosen(self, case):
        case.business = case.business.step("mail", resend=True)
        case.misbehave("lose")
        with pytest.raises(VendorError):
            await case.call()

        await case.call()

        assert (2, 2) == (case.happened, case.sent)
