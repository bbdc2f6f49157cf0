"""Fields that a good answer must have."""

from typing import get_args

import pytest
from pydantic import BaseModel

from hookline.clients import CLIENTS, operations
from hookline.clients.answers import absent_from

ORDER = {"InvoiceNo": None, "Lines": [{"PartNo": "A"}, {"CommentLine": True}], "Notes": []}


@pytest.mark.parametrize(
    ("fields", "absent"),
    [
        ("", None),
        ("invoiceno", None),  # null is there, and names are read in any case
        ("InvoiceNo InvoiceID DebtorName", "InvoiceID"),
        ("Lines.PartNo", None),  # one of the lines has it
        ("Lines.Quantity", "Lines.Quantity"),
        ("Lines.Quantity|CommentLine", None),
        ("Lines.Quantity|PartNo", None),
        ("Notes.NoteText", None),  # there is none that could have it
        ("Payments.AmountPaid", None),
        ("Payments Payments.AmountPaid", "Payments"),
    ],
)
def test_the_first_field_that_is_absent_is_named(fields, absent):
    assert absent == absent_from(ORDER, fields)


def test_of_a_list_one_row_is_enough_and_of_none_nothing_is_wanted():
    assert [None, None, "NoteID"] == [
        absent_from(rows, "NoteID") for rows in ([], [{}, {"NoteID": "1"}], [{"NoteText": "x"}])
    ]


def test_what_is_no_record_has_no_field():
    assert "InvoiceID" == absent_from("Your request has been passed on.", "InvoiceID")


def test_an_alternative_that_is_false_stands_for_nothing():
    assert "PartNo|CommentLine" == absent_from([{"CommentLine": False}], "PartNo|CommentLine")


def records_in(kind):
    """The models in a type, such as of a list of them."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [record for each in get_args(kind) for record in records_in(each)]


def is_read(kind, names):
    """Whether the answer's model has a field of these names, in any case."""
    [record] = records_in(kind) or [BaseModel]
    fields = {name.lower(): field.annotation for name, field in record.model_fields.items()}
    name, *rest = names
    return set(name.split("|")) <= fields.keys() and (not rest or is_read(fields[name], rest))


DECIDING = [
    (operation, field)
    for client in CLIENTS.values()
    for operation in operations(client).values()
    for field in operation.shows.split()
]


@pytest.mark.parametrize(("operation", "field"), DECIDING)
def test_a_field_that_an_answer_must_have_is_one_that_is_read(operation, field):
    assert is_read(operation.answer, field.lower().split("."))
