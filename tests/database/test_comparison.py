"""The comparison of reconcile, on the simulators and a journal: both ways, in pages."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from flows.reconcile import Comparison, Difference, _compare_licenses, _compare_orders, _report_issue
from hookline.account_keys import key_at
from hookline.catalog import load_catalog
from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.clients.jiwa.models import NewLine
from hookline.clients.zentitle import ZentitleClient, ZentitleKey
from hookline.journal.compare import ExpectedCodes
from hookline.record_links import Record
from hookline.simulators.server import running

PRO = "6453300110"


@dataclass
class OfAccount:
    """A watch that says whose calls they are."""

    account: str

    async def before(self, _operation): ...
    async def succeeded(self, _operation): ...
    async def failed(self, _operation, _error): ...


@pytest.fixture(scope="module")
async def simulators():
    async with running() as sandbox:
        yield sandbox


@pytest.fixture
async def vendors(simulators):
    simulators.reset()
    key = ZentitleKey("1234", SecretStr("sandbox-zentitle-key"))
    async with (
        JiwaClient(simulators.jiwa.url, JiwaKey(SecretStr("sandbox-jiwa-key"))) as jiwa,
        ZentitleClient(simulators.zentitle.url, key, watch=OfAccount("zentitle/default")) as zentitle,
    ):
        yield jiwa, zentitle


@pytest.fixture
def compare(database, vendors, repository, monkeypatch):
    """Compare the last day; what was found about what is named."""
    monkeypatch.setattr("flows.reconcile.IN_WORK_FOR", timedelta(days=-1))
    monkeypatch.setattr("flows.reconcile.PAGE", 3)
    catalog = load_catalog(repository / "deployments/catalog.yaml")

    async def zentitle_of(_name):
        return ZentitleClient(vendors[1].base_url, vendors[1].auth, watch=vendors[1].watch)

    async def compare(*about, catalog=catalog, jiwa="default"):
        found, now = Comparison(jiwa), datetime.now(UTC)
        catalog = catalog.of(jiwa=jiwa)
        window = (now - timedelta(days=1), now + timedelta(minutes=1))
        async with database.acquire() as connection:
            codes = ExpectedCodes(connection)
            await codes.make()
            await _compare_orders(vendors[0], catalog, window, codes, found)
            await _compare_licenses(zentitle_of, catalog, window, codes, found)
        return found, [each for each in found.differences if any(name in each.what for name in about)]

    return compare


@pytest.fixture
def order(vendors):
    async def order(*, paid=True, quantity=1):
        made = await vendors[0].create_sales_order(
            DebtorAccountNo="1001", Lines=[NewLine(PartNo="LIC-PRO", QuantityOrdered=quantity)]
        )
        if paid:
            [history] = made.Histories
            await vendors[0].create_sales_order_payment(
                InvoiceID=made.InvoiceID,
                InvoiceHistoryID=history.InvoiceHistoryID,
                AmountPaid=history.HistoryTotal,
                PaymentRef="1",
            )
        return made

    return order


@pytest.fixture
def journaled(database, vendors):
    """Write into the journal, and do at Zentitle, what order-to-license does for an order; return the code."""

    async def journaled(order, *steps, at_zentitle=True, jiwa="default"):
        code = "777777777777777777"
        if at_zentitle:
            company = (await vendors[1].list_companies_products())[0].companyID
            [code] = await vendors[1].create_license_codes(productid=PRO, companyid=company, numcodes=1)
        for step in steps:
            reference = [code] if step.startswith("license") else []
            await database.execute(
                """
                INSERT INTO effects (workflow, key, step, label, operation, account, state, digest, request, expected,
                                     reference)
                VALUES ('order-to-license', $1, $2, $2, 'zentitle.x', 'zentitle/default', 'done', '', $5, $3, $4)
                """,
                key_at(order.InvoiceID, jiwa=jiwa),
                step,
                len(reference),
                reference,
                {"productid": PRO},
            )
        return code

    return journaled


ALL = ("license LIC-PRO", "mail", "order note")


async def test_orders_of_many_pages_that_are_licensed_are_no_difference(compare, order, journaled):
    before, _ = await compare()
    orders = [await order() for _ in range(7)]
    for each in orders:
        await journaled(each, *ALL)

    found, about = await compare(*(each.InvoiceNo for each in orders))

    assert [] == about
    assert [7, 7, 7] == [found.counts[name] - before.counts[name] for name in ("paid", "licensed", "mailed")]


@pytest.mark.parametrize(("held", "differences"), [("LIC-PRO 1", 0), ("LIC-TEAM 1", 1)])
async def test_a_license_that_was_credited_before_it_was_given_is_not_missed(
    compare, order, database, held, differences
):
    credited = await order()
    await database.execute(
        """
        INSERT INTO effects (workflow, key, step, label, operation, state, digest, request, expected, reference)
        VALUES ('credit-to-revoke', $1, 'held back of it', '', 'hookline.choose', 'done', '', '{}', 1, ARRAY[$2])
        """,
        credited.InvoiceID,
        held,
    )

    _, about = await compare(credited.InvoiceNo)

    assert differences == len(about)


async def test_a_credit_of_more_than_an_order_had_makes_no_difference(compare, order, journaled, database):
    credited = await order()
    await journaled(credited, *ALL)
    await database.execute(
        """
        INSERT INTO effects (workflow, key, step, label, operation, state, digest, request, expected, reference)
        VALUES ('credit-to-revoke', $1, 'held back of it', '', 'hookline.choose', 'done', '', '{}', 1, '{LIC-PRO 1}')
        """,
        credited.InvoiceID,
    )

    _, about = await compare(credited.InvoiceNo)

    assert [] == about


async def test_an_order_that_was_entered_long_ago_and_is_paid_now_is_compared(compare, order, simulators):
    old = [await order(), await order()]
    for document in simulators.jiwa.orders:
        if document.key in {each.InvoiceID for each in old}:
            document.header["InvoiceInitDate"] = "2001-01-01T00:00:00"
        if document.key == old[1].InvoiceID:
            document.header["LastSavedDateTime"] = "2001-01-01T00:00:00"

    _, about = await compare(*(each.InvoiceNo for each in old))

    assert [f"order {old[0].InvoiceNo}"] == [each.what for each in about]


@pytest.mark.parametrize(
    ("done", "problem"),
    [
        ((), "paid, with no license, no mail, no note"),
        (("license LIC-PRO",), "paid, with no mail, no note"),
        (("license LIC-PRO", "mail"), "paid, with no note"),
    ],
)
async def test_what_a_paid_order_lacks_is_a_difference_that_may_be_repaired(
    compare, order, journaled, done, problem
):
    made = await order()
    await journaled(made, *done)

    found, [difference] = await compare(made.InvoiceNo)

    assert (problem, True, made.InvoiceID) == (
        difference.problem,
        difference.repairable,
        difference.record.id,
    )
    assert made.InvoiceID in found.to_repair


async def test_what_is_in_work_or_needs_a_person_is_not_repaired(compare, order, database):
    made = [await order(), await order()]
    for each, state in zip(made, ("running", "failed"), strict=True):
        delivery = await database.fetchval(
            "INSERT INTO deliveries (source, external_id, method, query, headers, content_type, state)"
            " VALUES ('jiwa', $1, 'POST', '{}', '{}', '', 'received') RETURNING id",
            each.InvoiceID,
        )
        await database.execute(
            "INSERT INTO dispatches (delivery_id, source, route, deployment, parameters, key, state)"
            " VALUES ($1, 'jiwa', 'r', 'f/d', '{}', 'jiwa order ' || $2, $3)",
            delivery,
            each.InvoiceID,
            state,
        )

    found, [difference] = await compare(*(each.InvoiceNo for each in made))

    assert (f"order {made[1].InvoiceNo}", False) == (difference.what, difference.repairable)
    assert "its delivery is failed: see the inbox" in difference.problem
    assert 1 == found.counts["in work"]


async def test_an_order_that_was_declined_at_its_value_is_counted_and_is_no_difference(
    compare, order, journaled
):
    now, before_a_change = await order(), await order()
    [history] = now.Histories
    await journaled(now, f"order note: declined at {history.HistoryTotal:.2f}", at_zentitle=False)
    await journaled(before_a_change, "order note: declined at 1.00", at_zentitle=False)

    found, about = await compare(now.InvoiceNo, before_a_change.InvoiceNo)

    assert [f"order {before_a_change.InvoiceNo}"] == [each.what for each in about]
    assert now.InvoiceID not in found.to_repair
    assert ", 1 declined; differences: " in found.line()


async def test_of_an_order_that_was_licensed_before_it_grew_and_was_declined_mail_and_note_are_missed(
    compare, order, journaled
):
    made = await order(quantity=2)
    [history] = made.Histories
    await journaled(
        made, "license LIC-PRO", "order note", f"order note: declined at {history.HistoryTotal:.2f}"
    )

    _, about = await compare(made.InvoiceNo)

    assert ["paid, with no mail"] == [each.problem for each in about]


async def test_a_license_for_an_order_that_is_not_paid_is_a_difference(compare, order, journaled):
    made = await order(paid=False)
    await journaled(made, *ALL)

    _, [difference] = await compare(made.InvoiceNo)

    assert ("not paid, and 1 license was given", False) == (difference.problem, difference.repairable)


async def test_codes_that_only_one_side_has_are_differences_both_ways(compare, order, journaled):
    gone, extra = await order(), await order()
    await journaled(gone, *ALL, at_zentitle=False)
    await journaled(extra, *ALL)
    unknown = await journaled(extra)  # at Zentitle alone

    found, about = await compare(gone.InvoiceNo, unknown)

    assert {f"order {gone.InvoiceNo}", f"license {unknown}"} == {each.what for each in about}
    assert "differences: none" not in found.line()
    assert json.dumps(found.line())


async def test_the_result_is_one_line():
    found = Comparison()
    found.counts.update(paid=1204, licensed=1204, mailed=1204)

    assert "1,204 paid, 1,204 licensed, 1,204 mailed; differences: none" == found.line()


async def test_a_code_of_a_product_that_the_catalog_has_no_more_is_not_gone(
    compare, order, journaled, repository
):
    made = await order()
    await journaled(made, *ALL)
    catalog = load_catalog(repository / "deployments/catalog.yaml")
    others = [product for product in catalog.products if product.product_id != PRO]

    _, about = await compare(made.InvoiceNo, catalog=catalog.model_copy(update={"products": others}))

    assert [] == [each for each in about if "no more at Zentitle" in each.problem]


async def test_licenses_that_were_added_and_not_told_of_are_a_difference(compare, order, journaled):
    told, untold = await order(), await order()
    added = "license LIC-PRO up to 2"
    for each, steps in ((told, (f"mail ({added})", f"order note ({added})")), (untold, ())):
        await journaled(each, *ALL, added, *steps)

    _, about = await compare(told.InvoiceNo, untold.InvoiceNo)

    assert [f"order {untold.InvoiceNo}"] == [
        each.what for each in about if "no mail, no note" in each.problem
    ]


async def test_a_look_at_another_window_closes_no_issue(database):
    async with database.acquire() as connection:
        found = Comparison()
        found.add(Difference(Record("jiwa", "sales-order", "1", name="order 1"), "paid, with no license"))
        await _report_issue(connection, found, "14 days", "reconcile", repaired=False)
        await _report_issue(connection, Comparison(), "1 days", "reconcile", repaired=False)
        other = await connection.fetchval("SELECT count(*) FROM issues WHERE closed_at IS NULL")
        await _report_issue(connection, Comparison(), "14 days", "reconcile", repaired=False)
        same = await connection.fetchval("SELECT count(*) FROM issues WHERE closed_at IS NULL")

    assert (1, 0) == (other, same)


async def test_an_order_with_the_same_id_in_another_jiwa_is_not_licensed_by_this_one(
    compare, order, journaled
):
    same = await order()
    await journaled(same, *ALL)

    _, here = await compare(same.InvoiceNo)
    _, there = await compare(same.InvoiceNo, jiwa="north")

    assert [] == here
    record = Record("jiwa", "sales-order", same.InvoiceID, "north", name=f"jiwa/north order {same.InvoiceNo}")
    assert [Difference(record, "paid, with no license, no mail, no note", repairable=True)] == there


async def test_the_licenses_of_each_jiwa_are_counted_for_its_own_order(compare, order, journaled):
    same = await order()
    for jiwa in ("default", "north"):
        await journaled(same, *ALL, jiwa=jiwa)

    assert [[], []] == [(await compare(same.InvoiceNo, jiwa=jiwa))[1] for jiwa in ("default", "north")]
