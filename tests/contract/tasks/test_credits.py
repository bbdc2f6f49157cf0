"""A credit note takes back as many licenses of its order as it credits, once; whatever comes first."""

import httpx
import pytest
from credited_orders import CREDITS, Credits, write_catalog

from hookline.database import high_water
from hookline.database.connection import outside
from hookline.inbox import holding
from hookline.journal import EffectBusy, EffectUncertain

ALL_TOLD = (1, 1, 1, 1)
"""A note at the license, one on the order, one on the credit note, and a mail."""


@pytest.fixture
def catalog(environment, repository, tmp_path):
    """Write catalog.yaml with these parts changed."""

    def change(**parts):
        write_catalog(environment, repository, tmp_path / "catalog.yaml", **{"credits": CREDITS} | parts)

    change()
    return change


@pytest.fixture
def firm(shop, catalog):
    return Credits(shop)


async def test_a_credit_note_disables_the_codes_of_its_order_with_notes_on_both_sides_and_one_mail(firm):
    order = await firm.licensed(("LIC-PRO", 2))
    note = await firm.credit(order, ("LIC-PRO", 2))

    end = await firm.run(note)

    assert (True, 0, (2, 1, 1, 1)) == (end.is_done, firm.enabled(order), firm.told(order, note)), end
    [mail] = firm.mails(note)
    assert order.InvoiceNo == mail["parameters"]["order"]
    assert all(f"LIC-PRO: {code} disabled" in mail["parameters"]["licenses"] for code in firm.licenses(order))


async def test_run_again_it_repeats_nothing(firm):
    order = await firm.licensed(("LIC-PRO", 3))
    note = await firm.credit(order, ("LIC-PRO", 1))
    await firm.run(note)
    before = firm.licenses(order)

    ends = [await firm.run(note), await firm.run(note)]

    assert [True, True] == [end.is_done for end in ends]
    assert (before, 2, ALL_TOLD) == (
        firm.licenses(order),
        firm.enabled(order),
        firm.told(order, note),
    )


async def test_codes_that_nobody_has_activated_go_first(firm):
    order = await firm.licensed(("LIC-PRO", 3))
    first, second, third = firm.licenses(order)
    await firm.activate(first)
    await firm.activate(third)
    note = await firm.credit(order, ("LIC-PRO", 1))

    await firm.run(note)

    assert [second] == [code for code, (enabled, _) in firm.licenses(order).items() if not enabled]


async def test_a_code_that_a_person_has_disabled_for_the_credit_is_taken_for_it(firm, zentitle):
    order = await firm.licensed(("LIC-PRO", 2))
    first, _ = firm.licenses(order)
    await firm.activate(first)
    async with zentitle.get_client() as client:
        await client.update_license_code(productid="6453300110", licensecode=first, enabledforuse=False)
    note = await firm.credit(order, ("LIC-PRO", 1))

    await firm.run(note)

    assert 1 == firm.enabled(order)


async def test_a_code_that_zentitle_has_no_more_is_passed_over(firm):
    order = await firm.licensed(("LIC-PRO", 2))
    note = await firm.credit(order, ("LIC-PRO", 2))
    gone = next(iter(firm.licenses(order)))
    firm.sandbox.zentitle._licenses.pop(("6453300110", gone))

    end = await firm.run(note)

    assert (True, 0) == (end.is_done, firm.enabled(order))
    assert "LIC-PRO: 1 more were credited than the order had" in end.state.message


@pytest.mark.parametrize(("credited", "left"), [(2, (True, 3)), (5, (False, 5))])
async def test_of_seats_so_many_clients_are_taken_off_and_with_the_last_the_code_is_disabled(
    firm, credited, left
):
    order = await firm.licensed(("LIC-TEAM", 5))
    note = await firm.credit(order, ("LIC-TEAM", credited))

    ends = [await firm.run(note), await firm.run(note)]

    assert [True, True] == [end.is_done for end in ends]
    assert ([left], ALL_TOLD) == ([*firm.licenses(order).values()], firm.told(order, note))


async def test_a_second_credit_note_takes_back_others_and_what_is_too_much_is_said(firm):
    order = await firm.licensed(("LIC-PRO", 3), ("LIC-TEAM", 4))
    notes = [
        await firm.credit(order, ("LIC-PRO", 1), ("LIC-TEAM", 1)),
        await firm.credit(order, ("LIC-PRO", 4), ("LIC-TEAM", 2)),
    ]

    ends = [await firm.run(note) for note in (*notes, *notes)]

    assert [True] * 4 == [end.is_done for end in ends]
    assert [(False, 1)] * 3 + [(True, 1)] == [*firm.licenses(order).values()]
    assert "LIC-PRO: 2 more were credited than the order had" in ends[1].state.message
    assert [1, 1] == [len(firm.mails(note)) for note in notes]


@pytest.mark.parametrize(
    ("vendor", "operation"),
    [("zentitle", "update_license_code"), ("jiwa", "create_sales_order_note")],
)
@pytest.mark.parametrize("skip", [0, 1])
async def test_a_lost_answer_doubles_nothing(firm, vendor, operation, skip):
    order = await firm.licensed(("LIC-PRO", 2), ("LIC-TEAM", 5))
    note = await firm.credit(order, ("LIC-PRO", 1), ("LIC-TEAM", 2))
    getattr(firm.sandbox, vendor).faults.add(operation, "lose", skip=skip)

    end = await firm.run(note)

    assert (True, (2, 1, 1, 1)) == (end.is_done, firm.told(order, note)), end
    assert [(False, 1), (True, 1), (True, 3)] == sorted(firm.licenses(order).values())


async def test_it_goes_on_where_it_was_broken_off(firm):
    order = await firm.licensed(("LIC-PRO", 3))
    note = await firm.credit(order, ("LIC-PRO", 2))
    firm.sandbox.zentitle.faults.add("update_license_code", "refuse", status=403, skip=1)
    broken = await firm.run(note)
    between = firm.enabled(order)

    end = await firm.run(note)

    assert (False, 2) == (broken.is_done, between)
    assert (True, 1, (2, 1, 1, 1)) == (end.is_done, firm.enabled(order), firm.told(order, note))


# Before the order is licensed, and while it is


async def test_what_is_credited_before_the_order_is_licensed_is_not_licensed_any_more(firm):
    order = await firm.shop.paid_order(("LIC-PRO", 3), by="nothing")
    note = await firm.credit(order, ("LIC-PRO", 2))
    credited = await firm.run(note)
    await firm.pay(order)

    licensed = await firm.shop.run(order)

    assert (True, True, 1) == (credited.is_done, licensed.is_done, firm.enabled(order))
    assert "LIC-PRO: 2 were not licensed, and will not be" in credited.state.message
    assert (0, 1, 1, 0) == firm.told(order, note)


async def test_an_unpaid_order_that_is_credited_whole_is_not_licensed_when_the_credit_pays_it(firm):
    order = await firm.shop.paid_order(("LIC-PRO", 1), ("LIC-TEAM", 5), by="nothing")
    note = await firm.credit(order, ("LIC-PRO", 1), ("LIC-TEAM", 5))
    await firm.run(note)
    async with httpx.AsyncClient(base_url=firm.sandbox.jiwa.url) as http:
        await http.post(f"/_sandbox/orders/{order.InvoiceID}/allocate", json={})

    end = await firm.shop.run(order)

    assert ("Credited", {}) == (end.state.name, firm.licenses(order))


async def test_a_credit_waits_for_an_order_that_is_licensed_and_not_to_its_end(firm):
    order = await firm.shop.paid_order(("LIC-PRO", 2))
    firm.sandbox.zentitle.faults.add("update_license_code", "refuse", status=403, skip=1)
    half = await firm.shop.run(order)
    note = await firm.credit(order, ("LIC-PRO", 1))

    waits = await firm.run(note)
    whole = await firm.shop.run(order)
    end = await firm.run(note)

    assert (False, True, True) == (half.is_done, whole.is_done, end.is_done)
    assert isinstance(waits.error, EffectBusy)
    assert (1, ALL_TOLD) == (firm.enabled(order), firm.told(order, note))


async def test_an_order_that_is_run_again_after_its_credit_enables_nothing(firm):
    order = await firm.licensed(("LIC-PRO", 2))
    note = await firm.credit(order, ("LIC-PRO", 2))
    await firm.run(note)

    end = await firm.shop.run(order)

    assert (True, 2, 0) == (end.is_done, len(firm.licenses(order)), firm.enabled(order))


async def test_codes_added_to_an_order_after_its_credit_are_licensed_and_seats_are_left_to_a_person(
    firm, catalog
):
    catalog(when_enlarged="license")
    codes, seats = await firm.licensed(("LIC-PRO", 3)), await firm.licensed(("LIC-TEAM", 3))
    for order, part in ((codes, "LIC-PRO"), (seats, "LIC-TEAM")):
        await firm.run(await firm.credit(order, (part, 1)))
        await firm.enlarge(order, 5)

    ends = [await firm.shop.run(codes), await firm.shop.run(seats)]

    assert [True, False] == [end.is_done for end in ends]
    assert (4, [(True, 2)]) == (firm.enabled(codes), [*firm.licenses(seats).values()])
    assert "after a credit note took clients off their code" in str(ends[1].error)


async def test_licenses_added_and_credited_before_they_were_licensed_are_not_licensed(firm, catalog):
    catalog(when_enlarged="license")
    order = await firm.licensed(("LIC-PRO", 3))
    await firm.enlarge(order, 5)
    await firm.run(await firm.credit(order, ("LIC-PRO", 5)))

    end = await firm.shop.run(order)

    assert (True, 3, 0) == (end.is_done, len(firm.licenses(order)), firm.enabled(order)), end


async def test_after_a_restore_what_was_taken_back_and_forgotten_is_not_taken_back_twice(
    firm, database, database_settings
):
    order = await firm.licensed(("LIC-PRO", 3), ("LIC-TEAM", 5))
    codes = await firm.credit(order, ("LIC-PRO", 1))
    seats = await firm.credit(order, ("LIC-TEAM", 2))
    await firm.run(codes)
    await firm.run(seats)
    await database.execute("DELETE FROM effects WHERE workflow = 'credit-to-revoke'")
    await high_water.hold(database, "It is old.")
    async with database.acquire() as connection:
        await holding.release(connection, outside(database_settings), actor="ann", reason="looked at")

    ends = [await firm.run(codes), await firm.run(seats)]

    assert 3 == firm.enabled(order)
    assert [EffectUncertain, EffectUncertain] == [type(end.error) for end in ends]
    assert "happened: mail about" in str(ends[0].error)
    assert "happened: codes of LIC-TEAM" in str(ends[1].error)  # how many are left, a person must say
    assert (3, 2) == (
        next(clients for _, clients in firm.licenses(order).values() if clients > 1),
        len(firm.license_notes(order)),
    )


# What calls for nothing, or for a person


@pytest.mark.parametrize(
    ("name", "lines", "changes"),
    [
        ("Not processed", ("LIC-PRO", 1), {"process": False}),
        ("No licensed part", ("PAP-A4-80", 1), {}),
        ("Before the day in the catalog", ("LIC-PRO", 1), {"InvoiceInitDate": "2019-12-31T00:00:00"}),
    ],
)
async def test_a_credit_note_that_calls_for_nothing_changes_nothing(firm, name, lines, changes):
    order = await firm.licensed(("LIC-PRO", 1))
    note = await firm.credit(order, lines, **changes)

    end = await firm.run(note)

    assert (name, 1, (0, 0, 0, 0)) == (end.state.name, firm.enabled(order), firm.told(order, note)), end


async def test_an_order_a_deleted_draft_and_a_catalog_without_credits_change_nothing(firm, catalog):
    order = await firm.licensed(("LIC-PRO", 1))
    note = await firm.credit(order, ("LIC-PRO", 1), process=False)
    ends = [await firm.run(order)]
    async with firm.shop.jiwa.get_client() as client:
        await client.delete_sales_order(InvoiceID=note.InvoiceID)
    ends.append(await firm.run(note))
    catalog(credits=None)
    ends.append(await firm.run(await firm.credit(order, ("LIC-PRO", 1))))

    assert ["No credit note", "Deleted", "Switched off"] == [end.state.name for end in ends]
    assert 1 == firm.enabled(order)


async def test_half_a_license_is_left_to_a_person(firm):
    order = await firm.licensed(("LIC-PRO", 1))

    end = await firm.run(await firm.credit(order, ("LIC-PRO", 0.5)))

    assert "takes back 0.5 licenses; only whole numbers can be taken back" in str(end.error)
    assert 1 == firm.enabled(order)


@pytest.mark.parametrize("field", ["SOReference", "OrderNo"])
async def test_a_credit_note_made_by_hand_names_its_order_by_the_number(firm, field):
    order = await firm.licensed(("LIC-PRO", 1))
    note = await firm.credit(order, ("LIC-PRO", 1), made_from=False, **{field: order.InvoiceNo})

    end = await firm.run(note)

    assert (True, 0, ALL_TOLD) == (end.is_done, firm.enabled(order), firm.told(order, note)), end


async def test_a_credit_note_that_names_no_order_or_that_of_another_customer_is_left_to_a_person(firm):
    order, other = await firm.licensed(("LIC-PRO", 1)), await firm.licensed(("LIC-PRO", 1))
    notes = [
        await firm.credit(order, ("LIC-PRO", 1), made_from=False),
        await firm.credit(order, ("LIC-PRO", 1), made_from=False, SOReference=other.InvoiceNo),
    ]

    ends = [await firm.run(note) for note in notes]

    assert all("does not say which order it credits" in str(end.error) for end in ends)
    assert (1, 1) == (firm.enabled(order), firm.enabled(other))


async def test_a_customer_without_an_address_loses_the_licenses_and_is_mailed_once_there_is_one(firm):
    order = await firm.licensed(("LIC-PRO", 1))
    note = await firm.credit(order, ("LIC-PRO", 1))
    await firm.address(order, "nobody")
    failed = await firm.run(note)
    await firm.address(order, "new@customer.example")

    end = await firm.run(note)

    assert "is missing or not valid: 'nobody'. The licenses are taken back." in str(failed.error)
    assert (True, 0, ALL_TOLD) == (end.is_done, firm.enabled(order), firm.told(order, note))


@pytest.mark.parametrize(
    "facts",
    [
        {"credit-quantities": "negative"},
        {"credit-note-origin": "absent"},
        {"credit-quantities": "negative", "credit-note-origin": "absent"},
    ],
    ids=lambda facts: " ".join(facts.values()),
)
async def test_it_holds_however_jiwa_writes_a_credit_note(firm, facts):
    firm.sandbox.jiwa.dialect.speak(facts)
    order = await firm.licensed(("LIC-PRO", 3), ("LIC-TEAM", 5))
    note = await firm.credit(order, ("LIC-PRO", 2), ("LIC-TEAM", 1), SOReference=order.InvoiceNo)

    end = await firm.run(note)

    assert (True, 2) == (end.is_done, firm.enabled(order)), end
    assert (True, 4) in firm.licenses(order).values()
