"""Which record is a customer's, and which of its fields are written, for whatever the vendors hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.matching import EMAIL, NAME, NUMBER, PHONE, Match, Merge, Record, Synced, folded, match, merge

OURS = {NUMBER: "1001", NAME: "Harrow & Pike", EMAIL: "ap@harrow.example"}

texts = st.sampled_from(["", "a", "A", " b", "ÅB", "A\u030ab", "x" * 200])
numbers = st.sampled_from(["", "1", "2", "3", " 1 "])
records = st.lists(
    st.builds(
        lambda key, number, name, email: Record(key, {NUMBER: number, NAME: name, EMAIL: email}),
        st.sampled_from("pqrst"),
        numbers,
        texts,
        texts,
    ),
    max_size=5,
    unique_by=lambda record: record.key,
)
customers = st.fixed_dictionaries({NUMBER: st.sampled_from(["1", "2"]), NAME: texts, EMAIL: texts})
links = st.sampled_from([None, "p", "q", "gone"])


def record(key="p", number="", name="", email=""):
    return Record(key, {NUMBER: number, NAME: name, EMAIL: email})


@pytest.mark.parametrize(
    ("there", "linked", "expected"),
    [
        ([], None, Match()),
        ([record(number="1001", name="Old name")], None, Match(record(number="1001", name="Old name"))),
        ([record(number="900", name="Harrow & Pike")], "p", Match(record(number="900", name="Harrow & Pike"))),
        ([record(number="77")], "p", Match(conflict="another's", candidates=[record(number="77")])),
        ([record(name="HARROW  & Pike")], None, Match(conflict="alike", candidates=[record(name="HARROW  & Pike")])),
        ([record(email="AP@harrow.example", number="77")], None,
            Match(conflict="another's", candidates=[record(email="AP@harrow.example", number="77")])),
        ([record("p", "1001"), record("q", "1001")], None,
            Match(conflict="several", candidates=[record("p", "1001"), record("q", "1001")])),
        ([record("p", "900"), record("q", "1001")], "p",
            Match(conflict="several", candidates=[record("p", "900"), record("q", "1001")])),
        ([record("q", "1001")], "p", Match(record("q", "1001"))),
        ([record("q", name="Harrow & Pike")], "p", Match(conflict="gone")),
    ],
    ids=[
        "nobody", "by number", "by link with a former number", "linked, and of another number now",
        "by name alone", "by address, of another", "twice", "linked, and another has the number",
        "deleted and made again by hand", "deleted",
    ],
)  # fmt: skip
def test_a_customer_is_found_by_link_then_by_number_and_by_nothing_else(there, linked, expected):
    assert expected == match(OURS, there, linked=linked, former=["900"])


@given(customers, records, links, st.lists(numbers, max_size=2))
def test_no_record_of_another_number_is_ever_taken(ours, there, linked, former):
    found = match(ours, there, linked=linked, former=former).record

    assert found is None or folded(found.values[NUMBER]) in {
        folded(ours[NUMBER]),
        *(("", *map(folded, former)) if found.key == linked else ()),
    }


@given(customers, records, links)
def test_nothing_is_made_where_anything_is_alike_or_was_there_before(ours, there, linked):
    found = match(ours, there, linked=linked)
    alike = [
        each
        for each in there
        if any(folded(ours[name]) and folded(each.values[name]) == folded(ours[name]) for name in ours)
    ]

    assert (found == Match()) == (not alike and linked is None)


@given(customers, records, links, st.randoms(use_true_random=False))
def test_the_order_of_a_list_does_not_matter(ours, there, linked, random):
    shuffled = random.sample(there, len(there))

    assert match(ours, there, linked=linked) == match(ours, shuffled, linked=linked)


# What is written --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "last", "expected"),
    [
        ("Harrow & Pike", None, Merge()),
        ("", None, Merge(write={NAME: "Harrow & Pike"})),
        ("Harrow", None, Merge(edited={NAME: "Harrow"})),
        ("Harrow", ("Harrow", "Harrow"), Merge(write={NAME: "Harrow & Pike"})),
        ("Harrow and Pike", ("Harrow", "Harrow"), Merge(edited={NAME: "Harrow and Pike"})),
        ("Harrow and Pike", ("Harrow & Pike", "Harrow & Pike"), Merge(edited={NAME: "Harrow and Pike"})),
        ("", ("Harrow & Pike", "Harrow & Pike"), Merge(edited={NAME: ""})),
        ("HARROW & P", ("Harrow & Pike", "HARROW & P"), Merge()),
        ("HARROW", ("Harrow", "HARROW"), Merge(write={NAME: "Harrow & Pike"})),
    ],
    ids=[
        "the same", "empty there", "another, never synced", "changed in Jiwa", "changed on both sides",
        "changed there", "cleared there", "stored in the vendor's way", "stored so, and changed in Jiwa",
    ],
)  # fmt: skip
def test_a_field_is_written_unless_somebody_changed_it_there(theirs, last, expected):
    synced = {NAME: Synced(*last)} if last else {}

    assert expected == merge({NAME: "Harrow & Pike"}, {NAME: theirs}, synced)


def test_what_jiwa_has_not_is_never_cleared():
    assert Merge() == merge({PHONE: " "}, {PHONE: "+44"}, {PHONE: Synced("+44", "+44")}, overwrite=True)


def test_a_person_lets_jiwa_win():
    assert Merge(write={NAME: "B"}) == merge(
        {NAME: "B"}, {NAME: "C"}, {NAME: Synced("A", "A")}, overwrite=True
    )


fields = st.dictionaries(st.sampled_from([NAME, EMAIL, PHONE]), texts)
synced = st.dictionaries(st.sampled_from([NAME, EMAIL, PHONE]), st.builds(Synced, texts, texts))


@given(fields, fields, synced, st.booleans())
def test_after_it_was_written_there_is_nothing_to_write(ours, theirs, last, overwrite):
    written = merge(ours, theirs, last, overwrite=overwrite).write
    stored = theirs | written
    now = last | {name: Synced(ours[name], stored[name]) for name in written}

    assert {} == merge(ours, stored, now, overwrite=overwrite).write


@given(fields, fields, synced)
def test_what_somebody_changed_there_is_not_written_over(ours, theirs, last):
    written = merge(ours, theirs, last).write

    for name in written:
        before = last[name].stored if name in last else ""
        assert before.split() == theirs.get(name, "").split() or folded(before) == folded(
            theirs.get(name, "")
        )
