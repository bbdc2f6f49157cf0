"""A license that ends brings one quote and one mail; a paid renewal extends it to one day, once."""

import pytest
from credited_orders import CREDITS, write_catalog
from renewed_licenses import RENEWALS, Renewals, day

from hookline.database import high_water
from hookline.database.connection import outside
from hookline.inbox import holding
from hookline.journal import EffectUncertain


@pytest.fixture
def catalog(environment, repository, tmp_path):
    """Write catalog.yaml with the settings of renewals changed."""

    def change(**settings):
        renewals = None if settings.get("parts", ...) is None else RENEWALS | settings
        write_catalog(environment, repository, tmp_path / "catalog.yaml", renewals=renewals, credits=CREDITS)

    change()
    return change


@pytest.fixture
def firm(shop, zentitle, sensorpro, catalog):
    return Renewals(shop, zentitle, sensorpro)


# The reminder -----------------------------------------------------------------------------------------------


async def test_a_license_that_ends_soon_brings_its_customer_a_quote_and_a_mail(firm):
    order, code = await firm.license(seats=5, ends_in=20)

    end = await firm.remind()

    [quote], [mail] = firm.quotes(code), firm.reminders(code)
    assert end.is_done, end
    assert order.DebtorAccountNo == quote["DebtorAccountNo"]
    assert [("REN-TEAM", 5), ("", 0)] == [
        (line.get("PartNo", ""), line["QuantityOrdered"]) for line in quote["Lines"]
    ]
    assert code in quote["Lines"][1]["CommentText"]
    assert (quote["QuoteNo"], "LIC-TEAM", day(20).isoformat()) == tuple(
        mail["parameters"][name] for name in ("quote", "part", "until")
    )


async def test_it_is_reminded_of_once_for_each_end_however_often_it_runs_and_whatever_n_is(firm, catalog):
    _, code = await firm.license(ends_in=20)
    ends = [await firm.remind(), await firm.remind()]
    catalog(remind_days=60)
    ends.append(await firm.remind())
    once = firm.reminded(code)
    await firm.change(code, licensetype="expirationdate", subscriptionenddate=day(50))

    await firm.remind()

    assert ["Completed", "Nothing ends", "Nothing ends"] == [end.state.name for end in ends]
    assert ((1, 1), (2, 2)) == (once, firm.reminded(code))


@pytest.mark.parametrize(("ends_in", "expected"), [(31, 0), (30, 1), (0, 1), (-30, 1), (-31, 0), (None, 0)])
async def test_only_what_ends_within_the_days_of_the_catalog_is_quoted(firm, ends_in, expected):
    _, code = await firm.license(ends_in=ends_in)

    await firm.remind()

    assert (expected, expected) == firm.reminded(code)


@pytest.mark.parametrize("variant", ["computed", "shown"])
async def test_a_subscription_of_days_ends_so_many_days_after_its_activation(firm, catalog, variant):
    firm.sandbox.zentitle.dialect.speak({"end-of-a-subscription": variant})
    _, code = await firm.license(ends_in=None)
    before = firm.reminded(code)
    await firm.activate(code)
    catalog(remind_days=365)

    await firm.remind()

    assert ((0, 0), (1, 1)) == (before, firm.reminded(code))
    assert day(365).isoformat() == firm.reminders(code)[0]["parameters"]["until"]


async def test_a_license_that_is_disabled_or_perpetual_by_now_is_not_quoted(firm):
    _, disabled = await firm.license()
    _, perpetual = await firm.license()
    await firm.change(disabled, enabledforuse=False)
    await firm.change(perpetual, licensetype="perpetual")

    end = await firm.remind()

    assert ("Nothing ends", (0, 0), (0, 0)) == (
        end.state.name,
        firm.reminded(disabled),
        firm.reminded(perpetual),
    )


async def test_what_cannot_be_quoted_says_why_and_stops_no_other(firm):
    order, unmailable = await firm.license()
    _, homeless = await firm.license()
    _, fine = await firm.license()
    await firm.address(order, "nobody")
    await firm.change(homeless, companyid=6)  # a company of another account
    failed = await firm.remind()
    between = [firm.reminded(code) for code in (unmailable, homeless, fine)]
    await firm.address(order, "new@customer.example")

    again = await firm.remind()

    assert ("Failed", [(0, 0), (0, 0), (1, 1)]) == (failed.state.name, between)
    assert "is missing or not valid: 'nobody'. Nothing was quoted." in failed.state.message
    assert "has no account number of a customer in Jiwa (search1 at Zentitle: '2004')" in failed.state.message
    assert ("Failed", (1, 1)) == (again.state.name, firm.reminded(unmailable))


async def test_a_part_without_a_price_is_quoted_and_mailed_once_it_has_one(firm):
    _, code = await firm.license()
    await firm.price("REN-TEAM", 0)
    failed = await firm.remind()
    [quote] = firm.quotes(code)
    between = firm.reminded(code)
    async with firm.shop.jiwa.get_client() as client:
        [history], line = quote["Histories"], quote["Lines"][0]
        await client.update_sales_quote_line(
            QuoteID=quote["QuoteID"],
            QuoteHistoryID=history["QuoteHistoryID"],
            QuoteLineID=line["QuoteLineID"],
            DiscountedPrice=99,
        )

    end = await firm.remind()

    assert (
        f"Jiwa has no price for REN-TEAM: quote {quote['QuoteNo']} comes to nothing" in failed.state.message
    )
    assert ((1, 0), True, (1, 1)) == (between, end.is_done, firm.reminded(code))


async def test_a_part_that_jiwa_does_not_know_is_said_and_quoted_once_it_is_there(firm, catalog):
    catalog(parts={"REN-NEW": "LIC-TEAM"})
    _, code = await firm.license()
    failed = await firm.remind()
    between = firm.reminded(code)
    async with firm.shop.jiwa.get_client() as client:
        await client.create_inventory_item(PartNo="REN-NEW", Description="Renewal", DefaultPrice=10)

    end = await firm.remind()

    assert ("Failed", (0, 0)) == (failed.state.name, between)
    assert (True, (1, 1)) == (end.is_done, firm.reminded(code)), end


@pytest.mark.parametrize("after", ["shown", "hidden"])
async def test_a_contact_that_has_opted_out_gets_a_quote_and_no_mail(firm, after):
    firm.sandbox.sensorpro.dialect.speak({"opted-out-shown": after})
    order, code = await firm.license()
    await firm.opt_out(f"{order.DebtorAccountNo}@customer.example")

    ends = [await firm.remind(), await firm.remind()]

    assert (1, 0) == firm.reminded(code)
    if after == "shown":
        assert ["Completed", "Nothing ends"] == [end.state.name for end in ends]
        assert "no mail: the contact has opted out" in ends[0].state.message
    else:
        assert ["Failed", "Failed"] == [end.state.name for end in ends]
        assert "CONTACT_OPTED_OUT" in ends[0].state.message


@pytest.mark.parametrize("skip", [0, 1])
async def test_a_lost_answer_makes_no_second_quote(firm, skip):
    codes = [(await firm.license())[1] for _ in range(2)]
    firm.sandbox.jiwa.faults.add("create_sales_quote", "lose", skip=skip)

    ends = [await firm.remind(), await firm.remind()]

    assert [(1, 1), (1, 1)] == [firm.reminded(code) for code in codes], ends


async def test_a_mail_whose_answer_was_lost_waits_for_a_person_and_stops_no_other(firm):
    codes = [(await firm.license())[1] for _ in range(2)]
    firm.sandbox.sensorpro.faults.add("trigger_email", "lose")

    ends = [await firm.remind(), await firm.remind()]

    assert [(1, 1), (1, 1)] == [firm.reminded(code) for code in codes]
    assert ["Failed", "Failed"] == [end.state.name for end in ends]
    assert "It is not known whether this happened: mail of end" in ends[1].state.message


# The renewal ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["whole", "lines", "reference"])
async def test_a_paid_order_made_from_the_quote_extends_the_license_once(firm, variant):
    firm.sandbox.jiwa.dialect.speak({"quote-to-order": variant})
    _, code = await firm.license(seats=5, ends_in=20)
    await firm.remind()
    order = await firm.accept(firm.quotes(code)[0])

    ends = [await firm.pay_out(order), await firm.pay_out(order)]

    assert [True, True] == [end.is_done for end in ends], ends
    assert (day(20 + 365), (1, 1), 1) == (
        await firm.end(code),
        firm.renewed(order),
        len(firm.notes_about(code)),
    )
    assert {code: (True, 5)} == {each: left for each, left in firm.all_licenses().items() if each == code}


async def test_the_flow_of_orders_hands_it_over_once_and_makes_no_new_codes(firm, database):
    sold, code = await firm.license()
    order = await firm.renew(sold, 5, named=f"License {code}")
    before = firm.all_licenses()

    ends = [await firm.shop.run(order), await firm.shop.run(order)]

    rows = await database.fetch("SELECT * FROM deliveries WHERE source = 'renewals'")
    assert (["Renewal", "Renewal"], before) == ([end.state.name for end in ends], firm.all_licenses())
    assert [True] == [row["external_id"].startswith(order.InvoiceID) for row in rows]


async def test_an_order_of_new_licenses_and_a_renewal_brings_both(firm, database):
    order = await firm.shop.paid_order(("LIC-PRO", 2), ("REN-TEAM", 5))

    end = await firm.shop.run(order)

    assert (True, 2) == (end.is_done, len(firm.licenses(order)))
    assert 1 == await database.fetchval("SELECT count(*) FROM deliveries WHERE source = 'renewals'")


async def test_a_renewal_that_is_not_paid_is_not_handed_over_and_extends_nothing(firm, database):
    sold, code = await firm.license(ends_in=20)
    order = await firm.renew(sold, 5, named=code, paid=False)

    ends = [await firm.shop.run(order), await firm.pay_out(order)]

    assert ["Not paid", "Not paid"] == [end.state.name for end in ends]
    assert day(20) == await firm.end(code)
    assert 0 == await database.fetchval("SELECT count(*) FROM deliveries WHERE source = 'renewals'")


async def test_two_renewals_that_are_paid_extend_it_one_after_the_other(firm):
    sold, code = await firm.license(ends_in=20)
    orders = [await firm.renew(sold, 5, named=code) for _ in range(2)]

    ends = [await firm.pay_out(order) for order in (*orders, *orders)]

    assert [True] * 4 == [end.is_done for end in ends]
    assert day(20 + 2 * 365) == await firm.end(code)


@pytest.mark.parametrize(("ends_in", "expected"), [(-30, -30 + 365), (-31, 365), (400, 400 + 365)])
async def test_a_late_payment_goes_on_from_the_end_within_the_grace_and_else_begins_today(
    firm, ends_in, expected
):
    sold, code = await firm.license(ends_in=ends_in)
    order = await firm.renew(sold, 5, SOReference=f"renews {code}")

    await firm.pay_out(order)

    assert day(expected) == await firm.end(code)


async def test_a_subscription_of_days_gets_a_fixed_end(firm):
    sold, code = await firm.license(ends_in=None)
    await firm.activate(code)
    order = await firm.renew(sold, 5, named=code)

    end = await firm.pay_out(order)

    assert (True, day(2 * 365)) == (end.is_done, await firm.end(code)), end


@pytest.mark.parametrize(
    ("terms", "problem"),
    [
        ({"enabledforuse": False}, "is disabled at Zentitle"),
        ({"licensetype": "perpetual"}, "has no end at Zentitle"),
        ({"clientsallowed": 8}, "renews 5 of REN-TEAM, and the licenses that it names have 8"),
    ],
    ids=["disabled", "converted", "more seats"],
)
async def test_a_license_that_became_another_is_left_to_a_person(firm, terms, problem):
    sold, code = await firm.license()
    order = await firm.renew(sold, 5, named=code)
    await firm.change(code, **terms)

    end = await firm.pay_out(order)

    assert problem in str(end.error)
    assert ((0, 0), []) == (firm.renewed(order), firm.notes_about(code))


async def test_a_license_that_is_disabled_after_it_was_extended_gets_its_note_and_mail_all_the_same(firm):
    sold, code = await firm.license(ends_in=20)
    order = await firm.renew(sold, 5, named=code)
    firm.sandbox.jiwa.faults.add("create_sales_order_note", "refuse", status=403)
    broken = await firm.pay_out(order)
    await firm.change(code, enabledforuse=False, clientsallowed=7)

    end = await firm.pay_out(order)

    assert (False, True, (1, 1), day(20 + 365)) == (
        broken.is_done,
        end.is_done,
        firm.renewed(order),
        await firm.end(code),
    )


@pytest.mark.parametrize("named", ["", "License 123456789012345678"])
async def test_a_renewal_that_names_no_license_is_left_to_a_person_until_it_does(firm, named):
    sold, code = await firm.license(ends_in=20)
    order = await firm.renew(sold, 5, named=named)
    failed = await firm.pay_out(order)
    async with firm.shop.jiwa.get_client() as client:
        await client.update_sales_order(InvoiceID=order.InvoiceID, SOReference=f"License {code}")

    end = await firm.pay_out(order)

    assert "renews 5 of REN-TEAM and names no license of that product" in str(failed.error)
    assert (True, day(20 + 365)) == (end.is_done, await firm.end(code))


async def test_several_licenses_of_one_order_are_all_extended(firm):
    sold, first = await firm.license(seats=2, ends_in=20)
    _, second = await firm.license(seats=3, ends_in=10, customer=sold)
    order = await firm.renew(sold, 5, named=f"Licenses {first}, {second}")

    end = await firm.pay_out(order)

    assert (True, day(20 + 365), day(10 + 365)) == (
        end.is_done,
        await firm.end(first),
        await firm.end(second),
    )
    assert (1, 1) == firm.renewed(order)


async def test_a_license_of_another_customer_is_left_to_a_person(firm):
    sold, _ = await firm.license()
    _, code = await firm.license(ends_in=20)
    order = await firm.renew(sold, 5, named=code)

    end = await firm.pay_out(order)

    assert f"renews license {code}, which belongs to Customer" in str(end.error)
    assert day(20) == await firm.end(code)


async def test_half_a_unit_is_no_whole_renewal(firm):
    sold, code = await firm.license(ends_in=20)
    order = await firm.renew(sold, 5.5, named=code)

    end = await firm.pay_out(order)

    assert "renews 5.5 of REN-TEAM, and the licenses that it names have 5" in str(end.error)


async def test_a_renewal_that_is_changed_after_it_was_done_is_left_to_a_person(firm):
    sold, first = await firm.license(ends_in=20)
    _, second = await firm.license(ends_in=10)
    order = await firm.renew(sold, 5, named=first)
    await firm.pay_out(order)
    async with firm.shop.jiwa.get_client() as client:
        await client.update_sales_order(InvoiceID=order.InvoiceID, SOReference=second)

    end = await firm.pay_out(order)

    assert "was changed after it had renewed its licenses" in str(end.error)
    assert day(10) == await firm.end(second)


@pytest.mark.parametrize(
    ("vendor", "operation"),
    [
        ("zentitle", "update_license_code"),
        ("jiwa", "create_sales_order_note"),
        ("zentitle", "get_license_code"),
    ],
)
@pytest.mark.parametrize("kind", ["lose", "refuse"])
async def test_what_fails_for_a_moment_extends_it_once(firm, vendor, operation, kind):
    sold, code = await firm.license(ends_in=20)
    order = await firm.renew(sold, 5, named=code)
    getattr(firm.sandbox, vendor).faults.add(operation, kind)

    ends = [await firm.pay_out(order), await firm.pay_out(order)]

    assert ends[1].is_done, ends
    assert (day(20 + 365), (1, 1), 1) == (
        await firm.end(code),
        firm.renewed(order),
        len(firm.notes_about(code)),
    )


async def test_after_a_restore_a_renewal_that_was_forgotten_extends_nothing_twice(
    firm, database, database_settings
):
    sold, code = await firm.license(ends_in=20)
    order = await firm.renew(sold, 5, named=code)
    await firm.pay_out(order)
    await database.execute("DELETE FROM effects WHERE workflow = 'renewal-paid'")
    await high_water.hold(database, "It is old.")
    async with database.acquire() as connection:
        await holding.release(connection, outside(database_settings), actor="ann", reason="looked at")

    end = await firm.pay_out(order)

    assert isinstance(end.error, EffectUncertain)  # the mail, which nobody can look up
    assert "mail" in str(end.error)
    chosen = await database.fetchval("SELECT reference FROM effects WHERE starts_with(step, 'day of ')")
    assert [day(20 + 365).isoformat()] == chosen
    assert (day(20 + 365), (1, 1), 1) == (
        await firm.end(code),
        firm.renewed(order),
        len(firm.notes_about(code)),
    )


async def test_a_credit_of_a_renewal_is_left_to_a_person(firm):
    sold, code = await firm.license(ends_in=20)
    order = await firm.renew(sold, 5, named=code)
    await firm.pay_out(order)
    note = await firm.credit(order, ("REN-TEAM", 5))

    end = await firm.run(note)

    assert "takes back a renewal (REN-TEAM), which is not undone by itself" in str(end.error)
    assert day(20 + 365) == await firm.end(code)


async def test_without_renewals_in_the_catalog_nothing_is_done(firm, catalog, database):
    sold, code = await firm.license(ends_in=20)
    order = await firm.renew(sold, 5, named=code)
    catalog(parts=None)

    ends = [await firm.remind(), await firm.pay_out(order), await firm.shop.run(order)]

    assert ["Switched off", "Switched off", "No licensed part"] == [end.state.name for end in ends]
    assert (day(20), (0, 0)) == (await firm.end(code), firm.reminded(code))
    assert 0 == await database.fetchval("SELECT count(*) FROM deliveries WHERE source = 'renewals'")


async def test_an_order_that_renews_nothing_is_left_alone(firm):
    order = await firm.licensed(("LIC-PRO", 1))

    end = await firm.pay_out(order)

    assert "No renewal" == end.state.name
