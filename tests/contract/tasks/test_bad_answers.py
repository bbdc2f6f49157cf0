"""
A vendor that answers badly costs no order: every call of the main flow, in each bad form, done before it or not.

An order ends by itself once answers are good again, or stands with a message that names the vendor and the operation;
then, run again, it ends. Never does anything happen twice, and never is an order that was paid taken for one that asks
for nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import get_args

import pytest
from pydantic import BaseModel

from flows.order_to_license import DECIDING
from hookline.clients import CLIENTS, operations
from hookline.settings import settings
from hookline.simulators.forms import FORMS, OF_FIELDS

LINES = (("LIC-PRO", 1), ("LIC-TEAM", 2))

READS = {
    ("jiwa", "get_sales_order"): 1,
    ("zentitle", "get_company_id"): 2,
    ("zentitle", "list_companies_products"): 1,
    ("zentitle", "get_company"): 1,
    ("zentitle", "list_license_codes"): 2,
    ("zentitle", "get_license_code"): 1,
    ("sensorpro", "sign_in"): 1,
}
WRITES = {
    ("zentitle", "create_company"): 1,
    ("zentitle", "create_license_codes"): 2,
    ("zentitle", "update_license_code"): 2,
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


ALWAYS_BAD = 0


def operation_of(vendor, name):
    return operations(CLIENTS[vendor])[name]


def cases(calls, **more):
    """Each call in each form; done or not, where the answer does not say that it is done."""
    return [
        Case(vendor, operation, form, skip, done, **more)
        for (vendor, operation), number in calls.items()
        for skip, form, done in product(range(number), FORMS, (True, False))
        if done or ((vendor, operation) in WRITES and form not in OF_FIELDS)
    ]


async def test_these_are_the_calls_of_the_main_flow(shop):
    order = await shop.paid_order(*LINES)
    shop.forget_requests()

    await shop.run(order)

    assert READS | WRITES == shop.requests()


def stands_at_once(case):
    """Whether one such answer is enough to let an order stand until a person runs it again."""
    return case.operation == "trigger_email" or (case.form == "sentence" and case.vendor == "zentitle")


@pytest.mark.parametrize("case", [*cases(READS), *cases(WRITES)], ids=str)
async def test_one_bad_answer_costs_no_order_and_doubles_nothing(shop, case):
    order = await shop.paid_order(*LINES)
    shop.misbehave(case)

    end = await shop.run(order)

    if stands_at_once(case) and not end.is_done:
        assert is_for_people(end, case)
        await shop.decide(end, order)
        end = await shop.run(order)
    assert (True, []) == (end.is_done, shop.wrong(order, *LINES)), end


FOR_GOOD = [
    case
    if case.form == "html" and not case.skip and case.done
    else pytest.param(case, marks=pytest.mark.long)
    for case in cases(READS | WRITES, times=ALWAYS_BAD)
]


@pytest.mark.parametrize("case", FOR_GOOD, ids=str)
async def test_while_answers_stay_bad_an_order_stands_and_says_why_and_then_it_ends(shop, case):
    order = await shop.paid_order(*LINES)
    shop.misbehave(case)

    stood = await shop.run(order, max_waits=1)
    again = await shop.run(order, max_waits=1)

    assert stood.is_done or is_for_people(stood, case), stood
    shop.behave()
    await shop.decide(again, order)
    end = await shop.run(order)
    assert (True, []) == (end.is_done, shop.wrong(order, *LINES)), end


def is_for_people(end, case):
    """Whether an error says which vendor and operation it is, and what to do."""
    text = str(end.error)
    return case.vendor in text.lower() and case.operation in text and len(text.split(". ")) > 1


# Where an answer is lost, too ---------------------------------------------------------------------------------

READ_BACKS = {
    ("zentitle", "create_company"): ("get_company_id", 1),
    ("zentitle", "create_license_codes"): ("list_license_codes", 1),
    ("zentitle", "update_license_code"): ("get_license_code", 0),
    ("zentitle", "create_license_note"): ("list_license_notes", 0),
    ("zentitle", "create_consumer_data"): ("list_consumer_data", 0),
    ("jiwa", "create_sales_order_note"): ("list_sales_order_notes", 0),
}
"""By which call each write is looked for once its answer is lost, and how many such calls come before that."""


def read_back_cases():
    """Each read-back in each form, and without each field that it must have."""
    for (vendor, write), (name, skip) in READ_BACKS.items():
        yield from (
            pytest.param(write, Case(vendor, name, form, skip), id=f"{write} {form}") for form in FORMS
        )
        for field in operation_of(vendor, name).shows.replace("Results.", "").split():
            case = Case(vendor, name, "missing_field", skip, field=field)
            yield pytest.param(write, case, id=f"{write} without {field}")


@pytest.mark.parametrize(("write", "case"), list(read_back_cases()))
async def test_a_write_whose_answer_was_lost_is_not_done_again_for_a_bad_answer_to_its_read_back(
    shop, write, case
):
    order = await shop.paid_order(*LINES)
    getattr(shop.sandbox, case.vendor).faults.add(write, "lose")
    shop.misbehave(case)

    end = await shop.run(order)

    if case.form == "sentence" and case.vendor == "zentitle" and not end.is_done:
        assert is_for_people(end, case), end
        end = await shop.run(order)
    assert (True, []) == (end.is_done, shop.wrong(order, *LINES)), end


# Orders that are paid in the ledger -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case",
    [
        *cases({("jiwa", "query_sales_orders"): 1}),
        *(Case("jiwa", "query_sales_orders", "missing_field", field=f"Results.{name}") for name in DECIDING),
    ],
    ids=str,
)
async def test_an_order_that_is_paid_in_the_ledger_is_not_taken_for_an_unpaid_one(shop, case):
    order = await shop.paid_order(*LINES, by="ledger")
    shop.misbehave(case)

    end = await shop.run(order)

    if not end.is_done:
        assert is_for_people(end, case), end
        end = await shop.run(order)
    assert (True, []) == (end.is_done, shop.wrong(order, *LINES)), end


async def test_an_order_that_jiwas_list_does_not_show_yet_is_waited_for(shop, environment):
    environment.setenv("HOOKLINE_LANDING_SECONDS", "3")
    settings.cache_clear()
    shop.sandbox.jiwa.faults.add("create_sales_order", "show_late", seconds=2)
    order = await shop.paid_order(*LINES, by="ledger")

    end = await shop.run(order)

    assert (True, []) == (end.is_done, shop.wrong(order, *LINES)), end


# Single fields ----------------------------------------------------------------------------------------------


def fields_of(kind, *, deep=True) -> Iterator[str]:
    """The fields of an answer, and those of the records in it, as `Lines.PartNo`."""
    for record in models_in(kind):
        for name, field in record.model_fields.items():
            yield name
            if deep:
                yield from (f"{name}.{each}" for each in fields_of(field.annotation, deep=name == "Results"))


def models_in(kind):
    """The records in a type, such as of a list of them."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [record for each in get_args(kind) for record in models_in(each)]


def field_cases():
    """Each field that the client knows, left out and of another type; one that must be there is always tried."""
    for vendor, name in READS | WRITES:
        operation = operation_of(vendor, name)
        needed = {part for path in operation.shows.split() for part in path.split("|")}
        for field in dict.fromkeys(fields_of(operation.answer)):
            for form in ("missing_field", "changed_type"):
                case = Case(vendor, name, form, field=field.removeprefix("Results."))
                always = form == "missing_field" and field in needed
                yield case if always else pytest.param(case, marks=pytest.mark.long)


@pytest.mark.parametrize("case", list(field_cases()), ids=str)
async def test_a_field_that_is_missing_or_changed_never_makes_another_order_of_it(shop, case):
    order = await shop.paid_order(*LINES)
    shop.misbehave(case)

    end = await shop.run(order)

    if case.operation == "trigger_email":
        await shop.decide(end, order)
        end = await shop.run(order)
    assert (True, []) == (end.is_done, shop.wrong(order, *LINES)), end
