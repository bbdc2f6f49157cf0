"""When an order is paid, and what it calls for: a license for money that never came is a loss."""

from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from flows.licenses import computer_id
from flows.order_to_license import (
    _nothing_to_do,
    is_paid,
    line_items_of,
    paid_by_allocation,
    paid_by_payments,
)
from flows.orders import customer_of
from hookline.catalog import Catalog
from hookline.clients.jiwa.debtors import Debtor
from hookline.clients.jiwa.models import SalesOrder
from hookline.clients.jiwa.queries import SalesOrderRow
from hookline.errors import HooklineError

AUTHORISED = ["Authorised", "NoAuthorisationNeeded"]
UNAUTHORISED = ["Declined", "Error", "AuthorisationRequired", "", "authorised?", "Unknown"]
CATALOG = Catalog.model_validate(
    {
        "paid_when": "payments",
        "mail": {"campaign_id": "c", "broadcast_id": 1},
        "products": [
            {"part_no": "PRO", "product_id": "1", "allocate": "codes", "license_type": "perpetual"},
            {
                "part_no": "TEAM",
                "product_id": "2",
                "allocate": "seats",
                "license_type": "subscription",
                "days": 365,
            },
        ],
    }
)

money = st.decimals(-1000, 1000, places=2)
positive = st.decimals("0.01", 1000, places=2)
JIWA = SimpleNamespace(stored_as="default")


def order(**fields):
    return SalesOrder.model_validate({"InvoiceID": "i-1", "InvoiceNo": "100123"} | fields)


def paid_with(total, *payments, covered=0):
    """Whether an order of one delivery is paid by payments, each an amount and a status."""
    return paid_by_payments(
        order(
            Histories=[{"InvoiceHistoryID": "h", "HistoryTotal": total, "AmountPaid": covered}],
            Payments=[{"AmountPaid": amount, "AuthorisationStatus": status} for amount, status in payments],
        )
    )


def histories(*totals_and_paid):
    return [
        {"InvoiceHistoryID": str(number), "HistoryTotal": total, "AmountPaid": paid}
        for number, (total, paid) in enumerate(totals_and_paid)
    ]


def rows(*totals_and_allocated):
    return [
        SalesOrderRow(InvoiceID="i-1", LocalInvoiceTotalIncTax=total, TotalAllocated=allocated)
        for total, allocated in totals_and_allocated
    ]


# By payments -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", AUTHORISED)
def test_one_payment_of_the_whole_total_pays_an_order(status):
    assert paid_with("40.70", ("40.70", status))


def test_payments_add_up_to_the_last_cent():
    assert [False, True] == [
        paid_with("40.70", ("40.00", "Authorised"), (rest, "Authorised")) for rest in ("0.69", "0.70")
    ]


def test_amounts_are_reckoned_in_decimals():
    """As floats, three times 0.1 is more than 0.3 is, and 0.1 and 0.7 are less than 0.8."""
    assert paid_with("0.8", ("0.1", "Authorised"), ("0.7", "Authorised"))


@pytest.mark.parametrize("status", UNAUTHORISED)
def test_a_payment_that_was_declined_or_is_pending_does_not_count(status):
    assert [False, False] == [
        paid_with("40.70", ("40.70", status)),
        paid_with("40.70", ("40.69", "Authorised"), ("0.01", status)),
    ]


def test_what_was_paid_back_counts_against_it():
    assert not paid_with("40.70", ("40.70", "Authorised"), ("-10", "Authorised"))


@pytest.mark.parametrize("total", ["0", "-40.70"])
@pytest.mark.parametrize("payments", [[], [("0", "Authorised")], [("40.70", "Authorised")]])
def test_a_total_of_nothing_is_not_paid(total, payments):
    assert not paid_with(total, *payments, covered="100")


def test_an_order_without_deliveries_is_not_paid():
    assert not paid_by_payments(order(Payments=[{"AmountPaid": 100, "AuthorisationStatus": "Authorised"}]))


def test_deliveries_that_are_each_paid_make_a_paid_order():
    assert [True, False] == [
        paid_by_payments(order(Histories=histories((40, 40), (10, second)))) for second in ("10", "9.99")
    ]


def test_payments_must_cover_every_delivery_together():
    histories_of_two = histories((40, 0), (10, 0))

    assert [False, True] == [
        paid_by_payments(
            order(
                Histories=histories_of_two,
                Payments=[{"AmountPaid": sum_, "AuthorisationStatus": "Authorised"}],
            )
        )
        for sum_ in (40, 50)
    ]


payments = st.lists(st.tuples(money, st.sampled_from(AUTHORISED + UNAUTHORISED)), max_size=6)


@hypothesis_settings(deadline=None)
@given(totals=st.lists(st.tuples(positive, positive), min_size=1, max_size=4), given_payments=payments)
def test_an_order_is_never_paid_while_less_than_its_total_has_come(totals, given_payments):
    deliveries = [(total, total - short) for total, short in totals]
    authorised = sum((amount for amount, status in given_payments if status in AUTHORISED), Decimal(0))

    verdict = paid_by_payments(
        order(
            Histories=histories(*deliveries),
            Payments=[
                {"AmountPaid": amount, "AuthorisationStatus": status} for amount, status in given_payments
            ],
        )
    )

    assert (authorised >= sum(total for total, _ in totals)) is verdict


@hypothesis_settings(deadline=None)
@given(
    total=positive,
    given_payments=payments,
    unsettled=st.lists(st.tuples(positive, st.sampled_from(UNAUTHORISED))),
)
def test_payments_that_do_not_count_change_no_verdict(total, given_payments, unsettled):
    assert paid_with(total, *given_payments) is paid_with(total, *given_payments, *unsettled)


@hypothesis_settings(deadline=None)
@given(total=positive, parts=st.lists(positive, min_size=1, max_size=5), more=positive)
def test_more_money_never_makes_an_order_unpaid(total, parts, more):
    before = paid_with(total, *((part, "Authorised") for part in parts))
    after = paid_with(total, *((part, "Authorised") for part in [*parts, more]))

    assert before <= after


# By the ledger ---------------------------------------------------------------------------------------------


def test_money_in_the_ledger_must_cover_every_delivery():
    assert [True, False, False] == [
        paid_by_allocation(rows((40, 40), (10, 10))),
        paid_by_allocation(rows((40, 40), (10, "9.99"))),
        paid_by_allocation(rows((40, 50), (10, 0))),
    ]


@pytest.mark.parametrize("given_rows", [[], [(0, 0)], [(0, 10)], [(-40, 0)]])
def test_an_order_of_no_value_is_not_paid_by_the_ledger(given_rows):
    assert not paid_by_allocation(rows(*given_rows))


@hypothesis_settings(deadline=None)
@given(
    covered=st.lists(st.tuples(money, positive), max_size=4),
    total=positive,
    short=positive,
    place=st.integers(0, 4),
)
def test_an_order_is_never_paid_while_a_delivery_is_short_in_the_ledger(covered, total, short, place):
    every = [(amount, amount + more) for amount, more in covered]
    every.insert(place, (total, total - short))

    assert not paid_by_allocation(rows(*every))


@hypothesis_settings(deadline=None)
@given(deliveries=st.lists(st.tuples(positive, st.decimals(0, 10, places=2)), min_size=1, max_size=4))
def test_an_order_whose_every_delivery_is_covered_in_the_ledger_is_paid(deliveries):
    assert paid_by_allocation(rows(*((total, total + more) for total, more in deliveries)))


# What an order calls for -----------------------------------------------------------------------------------


def lines(*parts):
    return [{"PartNo": part, "QuantityOrdered": quantity} for part, quantity in parts]


PAID = {
    "Histories": histories((40, 0)),
    "Payments": [{"AmountPaid": 40, "AuthorisationStatus": "Authorised"}],
}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"Lines": lines(("PRO", 1)), **PAID}, None),
        ({"Lines": lines(("1170", 5), ("TEAM", 1)), **PAID}, None),
        ({"Lines": lines(("PRO", 1)), **PAID, "CreditNote": True}, "credit note"),
        ({"CreditNote": True}, "credit note"),
        ({"Lines": [], **PAID}, "empty order"),
        ({"Lines": lines(("1170", 1)), **PAID}, "no licensed part"),
        ({"Lines": lines(("pro", 1)), **PAID}, "no licensed part"),
        ({"Lines": lines(("PRO", 0), ("TEAM", -1)), **PAID}, "no licensed part"),
        ({"Lines": [{"CommentLine": True, "CommentText": "PRO"}], **PAID}, "no licensed part"),
        ({"Lines": lines(("PRO", 1))}, "not paid"),
        ({"Lines": lines(("PRO", 1)), **PAID, "Payments": []}, "not paid"),
    ],
)
async def test_an_order_that_calls_for_nothing_says_why(fields, reason):
    """Jiwa is not asked: there is none."""
    assert reason == await _nothing_to_do(CATALOG, None, order(**fields))


@pytest.mark.parametrize("paid_when", ["payments", "either"])
async def test_what_the_order_itself_shows_is_enough(paid_when):
    assert await is_paid(CATALOG.model_copy(update={"paid_when": paid_when}), None, order(**PAID))


@pytest.mark.parametrize(("paid_when", "asked"), [("payments", 0), ("either", 1), ("allocated", 1)])
async def test_the_ledger_is_asked_only_where_the_catalog_says_so(monkeypatch, paid_when, asked):
    questions = []

    async def listed(_jiwa, invoice_id):
        questions.append(invoice_id)
        return rows((40, 40))

    monkeypatch.setattr("flows.order_to_license.listed", listed)
    unpaid = order(Histories=histories((40, 0)))

    verdict = await is_paid(CATALOG.model_copy(update={"paid_when": paid_when}), None, unpaid)

    assert (bool(asked), ["i-1"] * asked) == (verdict, questions)


async def test_payments_do_not_count_where_the_catalog_trusts_the_ledger_alone(monkeypatch):
    async def listed(_jiwa, _invoice_id):
        return rows((40, 0))

    monkeypatch.setattr("flows.order_to_license.listed", listed)

    assert not await is_paid(CATALOG.model_copy(update={"paid_when": "allocated"}), None, order(**PAID))


def steps(*parts):
    return [
        (one.step, one.product.part_no, one.quantity)
        for one in line_items_of(CATALOG, order(Lines=lines(*parts)))
    ]


def test_only_what_the_catalog_knows_and_somebody_ordered_is_wanted():
    assert [("license PRO", "PRO", 2), ("license TEAM", "TEAM", 5)] == steps(
        ("1170", 1), ("PRO", 2), ("TEAM", 0), ("PRO", -1), ("TEAM", "5.00")
    )


def test_lines_of_one_part_are_told_apart_by_their_number():
    assert ["license PRO", "license TEAM", "license PRO #2", "license PRO #3"] == [
        step for step, _, _ in steps(("PRO", 1), ("TEAM", 1), ("PRO", 1), ("PRO", 4))
    ]


def test_ids_of_lines_do_not_name_a_step():
    """Jiwa gives new ones when it splits an order; a license must not be given again for that."""
    before, after = (
        [
            one.step
            for one in line_items_of(
                CATALOG,
                order(
                    Lines=[
                        {**line, "InvoiceLineID": f"{prefix}{line['PartNo']}"}
                        for line in lines(("PRO", 1), ("TEAM", 1))
                    ]
                ),
            )
        ]
        for prefix in ("a", "b")
    )

    assert before == after


@pytest.mark.parametrize("quantity", ["0.5", "1.5", "2.0001"])
def test_half_a_license_is_refused_in_words_for_people(quantity):
    with pytest.raises(HooklineError) as raised:
        steps(("TEAM", 1), ("PRO", quantity))

    assert str(raised.value).startswith(f"Line PRO of order 100123 asks for {quantity} licenses; only whole")


quantities = st.integers(-2, 5)


@hypothesis_settings(deadline=None)
@given(parts=st.lists(st.tuples(st.sampled_from(["PRO", "TEAM", "1170", ""]), quantities), max_size=8))
def test_every_line_that_counts_has_a_step_of_its_own_and_its_whole_quantity(parts):
    counted = [(part, quantity) for part, quantity in parts if part in ("PRO", "TEAM") and quantity > 0]

    found = steps(*parts)

    assert counted == [(part, quantity) for _, part, quantity in found]
    assert len(found) == len({step for step, _, _ in found})


@pytest.mark.parametrize(
    ("field", "values", "expected"),
    [
        ("", [("f", "PC-1")], "i-1"),
        ("f", [], "i-1"),
        ("f", [("f", "PC-1")], "PC-1"),
        ("f", [("g", "PC-1")], "i-1"),
        ("f", [("f", ""), ("f", "PC-2")], "PC-2"),
        ("", [("", "PC-1")], "i-1"),
    ],
)
def test_the_computer_is_that_of_the_order_s_field_or_the_order_stands_in(field, values, expected):
    given_order = order(
        CustomFieldValues=[{"SettingID": name, "Contents": contents} for name, contents in values]
    )

    catalog = CATALOG.model_copy(update={"computer_id_field": field})

    assert expected == computer_id(catalog, given_order)


@pytest.mark.parametrize(
    ("fields", "email"),
    [
        ({"DebtorEmailAddress": "a@x.example", "DeliveryAddressEmailAddress": "b@x.example"}, "a@x.example"),
        ({"DeliveryAddressEmailAddress": "b@x.example"}, "b@x.example"),
        ({}, "c@x.example"),
    ],
)
async def test_the_mail_goes_to_the_first_address_that_is_known(monkeypatch, fields, email):
    async def ask(jiwa, *, DebtorID):
        return Debtor(DebtorID=DebtorID, EmailAddress="c@x.example")

    monkeypatch.setattr("tasks.jiwa.get_debtor", ask)

    assert email == (await customer_of(JIWA, order(DebtorName="Bolt", **fields), so_far="")).account.email


@pytest.mark.parametrize(
    ("email", "words"),
    [("", "missing or not valid: ''"), ("no address", "missing or not valid: 'no address'")],
)
async def test_an_order_that_nobody_can_be_written_about_is_refused_before_anything_is_allocated(
    monkeypatch, email, words
):
    async def ask(jiwa, *, DebtorID):
        return Debtor(DebtorID=DebtorID, EmailAddress=email)

    monkeypatch.setattr("tasks.jiwa.get_debtor", ask)

    with pytest.raises(HooklineError) as raised:
        await customer_of(
            JIWA, order(DebtorName="Bolt", DebtorAccountNo="B1"), so_far="Nothing was allocated."
        )

    assert [True, True, True] == [
        said in str(raised.value) for said in (words, "Bolt (B1)", "Nothing was allocated.")
    ]
