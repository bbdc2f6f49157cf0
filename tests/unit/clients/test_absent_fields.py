"""Fields that a good answer must have."""

import pytest

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
