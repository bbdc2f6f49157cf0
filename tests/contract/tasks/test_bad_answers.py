"""
A vendor that answers badly costs no order: every call of the main flow, in each bad form, done before it or not.

An order ends by itself once answers are good again, or stands with a message that names the vendor and the operation;
then, run again, it ends. Never does anything happen twice, and never is an order that was paid taken for one that asks
for nothing.
"""

from dataclasses import dataclass
from itertools import product

import pytest

from hookline.simulators.forms import FORMS

LINES = (("LIC-PRO", 1), ("LIC-TEAM", 2))

READS = {
    ("jiwa", "get_sales_order"): 1,
    ("zentitle", "get_company_id"): 2,
    ("zentitle", "get_company"): 1,
    ("zentitle", "list_license_codes"): 2,
    ("zentitle", "get_license_code"): 1,
    ("sensorpro", "sign_in"): 1,
}
WRITES = {
    ("zentitle", "create_company"): 1,
    ("zentitle", "create_license_codes"): 2,
    ("zentitle", "update_license_code"): 3,
    ("zentitle", "create_license_note"): 2,
    ("zentitle", "create_consumer_data"): 2,
    ("sensorpro", "trigger_email"): 1,
    ("jiwa", "create_sales_order_note"): 1,
}


@dataclass(frozen=True)
class Case:
    """One call of the flow that is answered badly."""

    vendor: str
    operation: str
    form: str
    skip: int = 0
    done: bool = True
    times: int = 1
    field: str = ""

    def __str__(self):
        words = [self.operation, f"{self.skip}" * bool(self.skip), self.form, self.field]
        words += ["" if self.done else "not done", "" if self.times else "always"]
        return " ".join(filter(None, words))

    @property
    def fault(self):
        return {name: getattr(self, name) for name in ("form", "skip", "done", "times", "field")}


def cases(calls, done=(True,), **more):
    return [
        Case(vendor, operation, form, skip, is_done, **more)
        for (vendor, operation), number in calls.items()
        for skip, form, is_done in product(range(number), FORMS, done)
    ]


async def test_these_are_the_calls_of_the_main_flow(shop):
    order = await shop.paid_order(*LINES)
    for simulator in shop.sandbox:
        simulator.log.clear()

    await shop.run(order)

    assert READS | WRITES == shop.requests()


@pytest.mark.parametrize("case", [*cases(READS), *cases(WRITES, done=(True, False))], ids=str)
async def test_one_bad_answer_costs_no_order_and_doubles_nothing(shop, case):
    order = await shop.paid_order(*LINES)
    getattr(shop.sandbox, case.vendor).faults.add(case.operation, "garble", **case.fault)

    end = await shop.run(order)

    if not end.is_done:
        assert case.operation == "trigger_email", end  # nobody can look for a mail
        await shop.decide(end, order)
        end = await shop.run(order)
    assert (True, []) == (end.is_done, shop.wrong(order, *LINES)), end
