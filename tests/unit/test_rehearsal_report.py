"""What a rehearsal reports: each difference once, in groups that do not grow with the deliveries, without secrets."""

import json

from hypothesis import given
from hypothesis import strategies as st

from hookline.redaction import MASK
from hookline.rehearsal.report import (
    MAX_EXAMPLES,
    MAX_GROUPS,
    NOTHING,
    Difference,
    Report,
    Unknown,
    changed_fields,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_a_value_does_not_differ_from_itself_whatever_the_order_of_its_names(value):
    again = json.loads(json.dumps(value, sort_keys=True))

    assert [] == list(changed_fields(value, again))


@given(VALUES, VALUES)
def test_two_values_differ_in_no_place_only_where_they_are_the_same(then, now):
    same = json.dumps(then, sort_keys=True) == json.dumps(now, sort_keys=True)

    assert same == (not list(changed_fields(then, now)))


@given(VALUES, VALUES)
def test_a_difference_is_the_same_from_both_sides(then, now):
    there = [(place, one, other) for place, one, other in changed_fields(then, now)]
    back = [(place, other, one) for place, one, other in changed_fields(now, then)]

    assert sorted(there) == sorted(back)


def test_the_place_of_a_difference_is_named_with_both_values():
    then = {"productid": "1", "clientinfo": {"email": "a@b.example", "order": "1"}, "numcodes": 1}
    now = {"productid": "2", "clientinfo": {"email": "a@b.example"}, "numcodes": True}

    assert [
        ("productid", "1", "2"),
        ("clientinfo.order", "1", NOTHING),
        ("numcodes", "1", "true"),
    ] == list(changed_fields(then, now))


def test_secrets_of_a_request_are_masked():
    [(_, then, now)] = changed_fields({"note": "password=hunter2"}, {"note": {"apikey": "abcdef"}})

    assert (f"password={MASK}", f'{{"apikey": "{MASK}"}}') == (then, now)


def difference(number=0, what="productid"):
    return Difference("write changed", "jiwa-order", what, str(number), str(number + 1))


def test_a_delivery_counts_once_in_a_group_however_many_of_its_writes_differ_alike():
    report = Report()
    for number in range(3):
        report.add(f"d{number}", [difference(1), difference(2)], [])

    [group] = report.differences
    assert (3, 3, 0) == (group.deliveries, report.different, report.alike)


def test_a_report_does_not_grow_with_the_deliveries():
    report = Report()
    for number in range(MAX_GROUPS + 50):
        report.add(f"d{number}", [difference(number), difference(what=f"field {number}")], [])

    groups = report.differences
    assert (MAX_GROUPS, 51) == (len(groups), report.more)
    assert MAX_EXAMPLES == max(len(each.examples) for each in groups)
    assert MAX_GROUPS + 50 == max(each.deliveries for each in groups)


def test_what_cannot_be_rehearsed_counts_neither_as_a_difference_nor_as_none():
    report = Report()
    report.add("d1", [], [Unknown("jiwa-order", "the answer to jiwa.get_sales_order", "5")])

    assert (1, 0, 0) == (report.deliveries, report.different, report.alike)
    assert [
        {
            "route": "jiwa-order",
            "why": "the answer to jiwa.get_sales_order",
            "deliveries": 1,
            "examples": [{"delivery": "d1", "details": "5"}],
        }
    ] == report.record()["not_rehearsed"]
