"""A customer of Jiwa becomes one record at each vendor, and is changed there only where nobody else changed it."""

import json

import pytest
from credited_orders import write_catalog
from main_flow import stored
from synced_customers import CUSTOMERS, Customers

from hookline.clients import auth


@pytest.fixture
def catalog(environment, repository, tmp_path):
    """Write catalog.yaml with the settings of customers changed."""

    def change(**fields):
        customers = None if fields.get("customers", ...) is None else CUSTOMERS | fields
        write_catalog(environment, repository, tmp_path / "catalog.yaml", customers=customers)

    change()
    return change


@pytest.fixture
def firm(shop, zentitle, sensorpro, jetadvice, jifeline, catalog):
    shop.sandbox.sensorpro.dialect.speak({"opted-out-shown": "shown"})
    with stored(jetadvice, jifeline):
        yield Customers(shop, zentitle, sensorpro, jetadvice)


async def test_a_new_customer_becomes_a_company_a_printer_customer_and_a_contact(firm):
    debtor = await firm.customer("Harrow & Pike")

    end = await firm.sync(debtor)

    [company], [printers], [contact] = (
        firm.companies(debtor.AccountNo),
        firm.printer_customers(debtor.AccountNo),
        firm.contacts(debtor.EmailAddress),
    )
    assert end.is_done, str(getattr(end.state, "message", end))
    assert ("Harrow & Pike", debtor.EmailAddress) == (company["company"], company["email"])
    assert ("Harrow & Pike", debtor.EmailAddress, debtor.Phone) == tuple(
        printers[name] for name in ("name", "email", "phone")
    )
    assert ("Morag", "Hale", ["customers"], False) == tuple(
        contact[name] for name in ("FirstName", "LastName", "Tags", "OptOut")
    )


async def test_again_it_writes_nothing(firm):
    debtor = await firm.customer()
    await firm.sync(debtor)
    firm.shop.forget_requests()

    end = await firm.sync(debtor)

    assert ("Unchanged", [], (1, 1, 1)) == (end.state.name, firm.writes(), firm.held(debtor))


async def test_what_changes_in_jiwa_is_changed_there_and_nothing_else_is(firm):
    debtor = await firm.customer("Old & Sons")
    await firm.sync(debtor)
    [company] = firm.companies(debtor.AccountNo)
    await firm.change_company(company["companyID"], companydata={"email": debtor.EmailAddress, "vat": "GB 1"})
    now = await firm.change(
        debtor, Name="New & Sons", EmailAddress=f"new-{debtor.EmailAddress}", Phone="+44 113 555 0199"
    )

    end = await firm.sync(now)

    [company], [printers] = firm.companies(debtor.AccountNo), firm.printer_customers(debtor.AccountNo)
    assert end.is_done, str(getattr(end.state, "message", end))
    assert ("New & Sons", {"email": now.EmailAddress, "vat": "GB 1"}, "0") == (
        company["company"],
        json.loads(company["companyData"]),
        company["productID"],
    )
    assert ("New & Sons", now.EmailAddress, "+44 113 555 0199") == tuple(
        printers[name] for name in ("name", "email", "phone")
    )
    assert (1, 1) == (len(firm.contacts(now.EmailAddress)), len(firm.contacts(debtor.EmailAddress)))


async def test_what_jetadvice_has_besides_is_sent_again(firm):
    made = await firm.printers("Old", externalNumber="77001", city="Leeds", address="1 Mill Lane")
    debtor = await firm.customer("New", number="77001")

    await firm.sync(debtor, overwrite=True)

    [printers] = firm.printer_customers("77001")
    assert (made.customerId, "New", "Leeds", "1 Mill Lane") == tuple(
        printers[name] for name in ("customerId", "name", "city", "address")
    )


async def test_an_order_and_the_sync_take_the_same_company(firm):
    first = await firm.customer()
    await firm.sync(first)
    order = await firm.shop.paid_order(("LIC-PRO", 1))
    assert (await firm.shop.run(order)).is_done

    async with firm.shop.jiwa.get_client() as client:
        debtor = await client.get_debtor(DebtorID=order.DebtorID)
    await firm.sync(debtor)

    assert (1, 1, 1) == firm.held(debtor)
    assert 1 == len(firm.companies(first.AccountNo))


@pytest.mark.parametrize(
    "name",
    ["n" * 200, "株式会社 Ångström & S\u00f8n\u2019s \u201cDr\u00fcckerei\u201d", "A\u030angstro\u0308m"],
)
async def test_a_long_name_and_any_letters_are_synced_once(firm, name):
    debtor = await firm.customer(name)
    await firm.sync(debtor)

    end = await firm.sync(debtor)

    assert ("Unchanged", (1, 1, 1)) == (end.state.name, firm.held(debtor))
    assert name == firm.companies(debtor.AccountNo)[0]["company"]


async def test_another_account_number_moves_with_the_customer(firm):
    debtor = await firm.customer()
    await firm.sync(debtor)
    now = await firm.change(debtor, AccountNo=f"9{debtor.AccountNo}")

    end = await firm.sync(now)

    assert end.is_done, str(getattr(end.state, "message", end))
    assert ((1, 1), (0, 0)) == (firm.held(now)[:2], firm.held(debtor)[:2])


async def test_the_number_of_a_customer_who_has_another_now_takes_nothing_of_it(firm):
    before = await firm.customer("Before")
    await firm.sync(before)
    await firm.change(before, AccountNo=f"9{before.AccountNo}")
    after = await firm.customer("After", number=before.AccountNo, email="after@customer.example")

    end = await firm.sync(after)

    [company] = firm.companies(before.AccountNo)
    assert "Failed" == end.state.name
    assert "is that of another customer of Jiwa" in end.state.message
    assert "Before" == company["company"]


# What is alike ----------------------------------------------------------------------------------------------


async def test_a_record_of_the_same_name_is_proposed_and_taken_once_a_person_says_so(firm):
    company = await firm.company("Alike Ltd", email="old@alike.example")
    debtor = await firm.customer("ALIKE Ltd", email="old@alike.example")
    failed = await firm.sync(debtor)
    between = firm.companies(debtor.AccountNo)

    end = await firm.sync(debtor, adopt=True, overwrite=True)

    [taken] = firm.companies(debtor.AccountNo)
    assert ("Failed", []) == (failed.state.name, between)
    assert f"The company {company} (Alike Ltd) at Zentitle has its name or address, and no search1" in (
        failed.state.message
    )
    assert (True, company, "ALIKE Ltd") == (end.is_done, taken["companyID"], taken["company"])


async def test_a_person_may_enter_the_number_instead(firm):
    company = await firm.company("Alike Ltd")
    debtor = await firm.customer("Alike Ltd")
    await firm.sync(debtor)
    await firm.change_company(company, search1=debtor.AccountNo)

    end = await firm.sync(debtor)

    [taken] = firm.companies(debtor.AccountNo)
    assert (True, company, debtor.EmailAddress) == (end.is_done, taken["companyID"], taken["email"])


async def test_a_record_of_the_same_name_that_is_another_s_is_a_conflict(firm):
    await firm.company("Alike Ltd", number="4711")
    await firm.printers("Alike Ltd", externalNumber="4711")
    debtor = await firm.customer("Alike Ltd")

    end = await firm.sync(debtor, adopt=True)

    assert ("Failed", (0, 0, 1)) == (end.state.name, firm.held(debtor))
    assert "has its name or address, and is that of 4711 (search1)" in end.state.message
    assert "has its name or address, and is that of 4711 (external number)" in end.state.message


async def test_two_records_of_its_number_are_a_conflict(firm):
    debtor = await firm.customer()
    for name in ("One", "Two"):
        await firm.company(name, number=debtor.AccountNo)
        await firm.printers(name, externalNumber=debtor.AccountNo)

    end = await firm.sync(debtor, adopt=True, overwrite=True)

    assert ("Failed", (2, 2, 1)) == (end.state.name, firm.held(debtor))
    assert "More than one company at Zentitle has its account number" in end.state.message


async def test_two_customers_of_one_address_have_one_contact_which_is_the_first_s(firm):
    first = await firm.customer("First", email="shared@customer.example")
    second = await firm.customer("Second", email="Shared@customer.example")
    await firm.sync(first)

    end = await firm.sync(second)

    assert "has the same address, and the contact is that one's" in end.state.message
    assert (1, 1) == (len(firm.contacts("shared@customer.example")), len(firm.companies(first.AccountNo)))


async def test_a_customer_of_jifeline_is_reported_and_not_changed(firm):
    workshop = firm.sandbox.jifeline.records()["customers"][0]
    debtor = await firm.customer(workshop["company_name"], number="88123")
    before = firm.sandbox.jifeline.records()["customers"]

    end = await firm.sync(debtor)

    assert f"customer {workshop['id']} ({workshop['company_name']}) at Jifeline of" in end.state.message
    assert before == firm.sandbox.jifeline.records()["customers"]


# What somebody changed there --------------------------------------------------------------------------------


async def test_what_a_person_changed_there_is_left_and_told_until_a_person_decides(firm):
    debtor = await firm.customer("Ours Ltd")
    await firm.sync(debtor)
    [company] = firm.companies(debtor.AccountNo)
    await firm.change_company(company["companyID"], company="Theirs Ltd")
    failed = await firm.sync(debtor)
    left = firm.companies(debtor.AccountNo)[0]["company"]

    end = await firm.sync(debtor, overwrite=True)

    assert ("Failed", "Theirs Ltd") == (failed.state.name, left)
    assert "the name is 'Theirs Ltd' there, and 'Ours Ltd' in Jiwa" in failed.state.message
    assert (True, "Ours Ltd") == (end.is_done, firm.companies(debtor.AccountNo)[0]["company"])


async def test_what_a_person_corrected_there_and_in_jiwa_is_no_conflict(firm):
    debtor = await firm.customer("Ours Ltd")
    await firm.sync(debtor)
    [company] = firm.companies(debtor.AccountNo)
    await firm.change_company(company["companyID"], company="Right Ltd")
    now = await firm.change(debtor, Name="Right Ltd")

    end = await firm.sync(now)

    assert (True, "Right Ltd") == (end.is_done, firm.companies(debtor.AccountNo)[0]["company"])


async def test_a_record_that_a_person_deleted_is_not_made_again(firm):
    debtor = await firm.customer("Deleted Ltd")
    await firm.sync(debtor)
    [company] = firm.companies(debtor.AccountNo)
    async with firm.zentitle.get_client() as client:
        await client.delete_company(companyid=company["companyID"])
    failed = await firm.sync(debtor)
    between = firm.companies(debtor.AccountNo)
    again = await firm.company("Deleted Ltd", number=debtor.AccountNo)

    end = await firm.sync(debtor)

    assert "Its company was deleted at Zentitle" in failed.state.message
    [company] = firm.companies(debtor.AccountNo)
    assert ([], True, again, debtor.EmailAddress) == (
        between,
        end.is_done,
        company["companyID"],
        company["email"],
    )


async def test_what_jiwa_has_not_any_more_is_not_cleared_there(firm):
    debtor = await firm.customer()
    await firm.sync(debtor)
    now = await firm.change(debtor, Phone="")

    await firm.sync(now)

    assert "+44 113 555 0100" == firm.printer_customers(debtor.AccountNo)[0]["phone"]


# Contacts ---------------------------------------------------------------------------------------------------


async def test_nothing_is_written_of_a_contact_that_has_opted_out(firm):
    debtor = await firm.customer()
    await firm.contact(debtor.EmailAddress, opted_out=True, FirstName="Old")
    before = firm.contacts(debtor.EmailAddress)

    end = await firm.sync(debtor)

    assert (True, before) == (end.is_done, firm.contacts(debtor.EmailAddress))


async def test_a_contact_is_not_made_at_a_new_address_of_one_who_opted_out_at_the_old(firm):
    debtor = await firm.customer()
    await firm.sync(debtor)
    async with firm.sensorpro.get_client() as client:
        await client.change_opt_out_status(PersonalEMail=debtor.EmailAddress, OptOut=True)
    now = await firm.change(debtor, EmailAddress=f"new-{debtor.EmailAddress}")

    end = await firm.sync(now)

    assert "which has opted out, so that no contact was made" in end.state.message
    assert [] == firm.contacts(now.EmailAddress)


async def test_without_an_address_there_is_no_contact_and_a_wrong_one_is_told(firm):
    without = await firm.customer(email="")
    wrong = await firm.customer(email="nobody")

    ends = [await firm.sync(without), await firm.sync(wrong)]

    assert ["Completed", "Failed"] == [end.state.name for end in ends]
    assert "is missing or not valid: 'nobody'. No contact was made." in ends[1].state.message
    assert (1, 1) == firm.held(wrong)[:2]


# Who is not synced ------------------------------------------------------------------------------------------


async def test_a_customer_that_is_not_active_or_not_there_is_left_alone(firm):
    debtor = await firm.customer(TradingStatus="e_DebtorTradingStatusInActive")

    ends = [await firm.sync(debtor), await firm.sync(debtor.model_copy(update={"DebtorID": "gone"}))]

    assert ["Deleted or inactive"] * 2 == [end.state.name for end in ends]
    assert (0, 0, 0) == firm.held(debtor)


async def test_without_customers_in_the_catalog_nothing_is_done(firm, catalog):
    debtor = await firm.customer()
    catalog(customers=None)

    end = await firm.sync(debtor)

    assert ("Switched off", (0, 0, 0)) == (end.state.name, firm.held(debtor))


# What fails -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vendor", "operation"),
    [
        ("zentitle", "create_company"),
        ("zentitle", "list_companies_products"),
        ("jetadvice", "create_customer"),
        ("sensorpro", "upsert_contacts"),
    ],
)
@pytest.mark.parametrize("kind", ["lose", "refuse"])
async def test_what_fails_for_a_moment_makes_one_of_each(firm, vendor, operation, kind):
    debtor = await firm.customer()
    getattr(firm.sandbox, vendor).faults.add(operation, kind)

    await firm.sync(debtor)
    end = await firm.sync(debtor)

    assert ((1, 1, 1), True) == (firm.held(debtor), end.state.is_completed())


@pytest.mark.parametrize(
    ("vendor", "operation"), [("zentitle", "update_company"), ("jetadvice", "update_customer")]
)
@pytest.mark.parametrize("kind", ["lose", "refuse"])
async def test_a_change_that_fails_for_a_moment_is_made_all_the_same(firm, vendor, operation, kind):
    debtor = await firm.customer("Old Ltd")
    await firm.sync(debtor)
    now = await firm.change(debtor, Name="New Ltd")
    getattr(firm.sandbox, vendor).faults.add(operation, kind)

    await firm.sync(now)
    end = await firm.sync(now)

    assert ("New Ltd", "New Ltd", True) == (
        firm.companies(now.AccountNo)[0]["company"],
        firm.printer_customers(now.AccountNo)[0]["name"],
        end.state.is_completed(),
    )


async def test_a_vendor_that_refuses_stops_no_other(firm):
    debtor = await firm.customer()
    firm.sandbox.zentitle.faults.add("create_company", "refuse", status=403, times=3)

    end = await firm.sync(debtor)

    assert ("Failed", (0, 1, 1)) == (end.state.name, firm.held(debtor))


# Everyone ---------------------------------------------------------------------------------------------------


async def test_all_customers_are_synced_some_at_a_time_from_where_the_last_run_ended(firm, catalog):
    catalog(zentitle_product=None, sensorpro_tag=None, jifeline=False)
    for _ in range(3):
        await firm.customer()
    debtors = firm.sandbox.jiwa.records()["debtors"]
    half = len(debtors) // 2 + 1
    made = []
    for number in (half, half, half):
        await firm.sweep(number)
        made.append(sum(bool(firm.printer_customers(each["AccountNo"])) for each in debtors))
    firm.shop.forget_requests()

    await firm.sweep(1000)

    assert [len(debtors)] * 2 == made[1:]
    assert half <= made[0] < len(debtors)
    assert [] == firm.writes()


async def test_a_customer_that_conflicts_stops_no_other(firm, catalog):
    catalog(zentitle_product=None, sensorpro_tag=None, jifeline=False)
    conflicting, fine = await firm.customer("Alike Ltd"), await firm.customer()
    await firm.printers("Alike Ltd", externalNumber="4711")

    end = await firm.sweep(1000)

    assert ("Failed", 0, 1) == (
        end.state.name,
        len(firm.printer_customers(conflicting.AccountNo)),
        len(firm.printer_customers(fine.AccountNo)),
    )


async def test_one_contact_person_who_changes_is_changed_there(firm):
    debtor = await firm.customer()
    await firm.sync(debtor)
    async with firm.shop.jiwa.get_client() as client:
        person = debtor.ContactNames[0]
        await client.update_debtor(
            DebtorID=debtor.DebtorID,
            ContactNames=[{"ContactNameID": person.ContactNameID, "FirstName": "June"}],
        )

    await firm.sync(debtor)

    assert ("June", "Hale") == tuple(
        firm.contacts(debtor.EmailAddress)[0][name] for name in ("FirstName", "LastName")
    )


@pytest.fixture(params=[7, 8, 9])
def drawn(request, sandbox):
    """A dialect of all vendors; programs have just begun, so that no session of theirs ended early."""
    auth._sessions.clear()
    for simulator in sandbox:
        simulator.dialect.draw(request.param)
    return request.param


async def test_a_customer_is_made_once_in_dialects_that_a_seed_draws(drawn, firm):
    debtor = await firm.customer()

    end, again = await firm.sync(debtor), await firm.sync(debtor)

    assert ("Completed", "Unchanged") == (end.state.name, again.state.name), (end, again)
    assert (1, 1, 1) == firm.held(debtor)
