"""Zentitle's operations against its simulator."""

import pytest

from hookline.clients import NotAllowed, NotAuthenticated, NotFound, Refused, pages

PRO = "6453300110"


async def test_generated_codes_are_returned_and_read_back(zentitle):
    codes = await zentitle.create_license_codes(productid=PRO, numcodes=2, reference="order-1")

    read = [await zentitle.get_license_code(licensecode=code, productid=PRO) for code in codes]

    assert codes == [each.licenseCode for each in read]
    assert 2 == len(set(codes))


async def test_imported_codes_are_not_repeated_in_the_answer(zentitle):
    codes = await zentitle.create_license_codes(productid=PRO, licensecodes="900000000000000001")

    read = await zentitle.get_license_code(licensecode="900000000000000001")

    assert ([], "900000000000000001", PRO) == (codes, read.licenseCode, read.productID)


async def test_a_code_imported_twice_is_refused(zentitle):
    await zentitle.create_license_codes(productid=PRO, licensecodes="900000000000000001")

    with pytest.raises(Refused):
        await zentitle.create_license_codes(productid=PRO, licensecodes="900000000000000001")


async def test_a_licence_is_configured(zentitle):
    [code] = await zentitle.create_license_codes(productid=PRO, numcodes=1)
    await zentitle.update_license_code(
        productid=PRO,
        licensecode=code,
        enabledforuse=False,
        licensetype="expirationdate",
        subscriptionenddate="2030-06-30",
        clientsallowed=7,
    )

    read = await zentitle.get_license_code(licensecode=code)

    assert (False, 7, 2030) == (read.enabledforuse, read.clientsallowed, read.subscriptionEnddate.year)


async def test_an_unknown_code_is_not_there(zentitle):
    with pytest.raises((NotFound, Refused)):
        await zentitle.get_license_code(licensecode="1")


async def test_a_note_is_added_and_listed(zentitle):
    [code] = await zentitle.create_license_codes(productid=PRO, numcodes=1)
    await zentitle.create_license_note(productid=PRO, licensecode=code, description="order 100123")

    notes = await zentitle.list_license_notes(productid=PRO, licensecode=code)

    assert "order 100123" in [note.description for note in notes]


async def test_every_code_is_listed_page_by_page(zentitle, monkeypatch):
    monkeypatch.setattr(zentitle.list_license_codes.operation.input, "page_size", 2)
    before = {code.licenseCode async for code in pages(zentitle.list_license_codes, productid=PRO)}
    made = set(await zentitle.create_license_codes(productid=PRO, numcodes=5))

    listed = {code.licenseCode async for code in pages(zentitle.list_license_codes, productid=PRO)}

    assert made == listed - before


async def test_products_and_profiles_are_read(zentitle):
    products = await zentitle.list_products()
    one = await zentitle.get_product(productid=PRO)

    assert PRO in [product.productId for product in products]
    assert PRO == one.productId


async def test_a_profile_is_read(zentitle):
    profile = await zentitle.get_profile(productid="6872450105", profilename="Team")

    assert "Team" == profile.profileName


async def test_a_consumer_record_is_kept_with_its_details(zentitle):
    [code] = await zentitle.create_license_codes(productid=PRO, numcodes=1)
    person = {"firstname": "Ann", "email": "ann@example.com", "order": "100123"}
    await zentitle.create_consumer_data(
        productid=PRO, computerid="order-100123", clientinfo=person, licensecode=code
    )

    records = await zentitle.list_consumer_data(productid=PRO, justlast=False)

    assert [person] == [record.clientInfo for record in records]


async def test_a_company_is_created_and_found_by_name(zentitle):
    await zentitle.create_company(company="Ace Ltd", productid=PRO, companydata={"debtor": "1001"})

    found = await zentitle.get_company_id(company="Ace Ltd", productid=PRO)
    company = await zentitle.get_company(companyid=found.companyID, productid=PRO)

    assert ("Ace Ltd", {"debtor": "1001"}) == (company.company, company.companyData)


async def test_a_global_company_is_created_and_found_by_name(zentitle):
    await zentitle.create_company(company="Ace Ltd", productid=PRO, global_=1)

    found = await zentitle.get_company_id(company="Ace Ltd")

    assert "Ace Ltd" == found.company


async def test_an_unknown_company_is_not_found(zentitle):
    with pytest.raises(NotFound):
        await zentitle.get_company_id(company="Nobody")


async def test_a_wrong_key_is_not_let_in(sandbox, clients, open_clients):
    client = await open_clients(clients.zentitle(sandbox, key="wrong-key"))

    with pytest.raises(NotAuthenticated):
        await client.list_products()


async def test_a_key_that_does_not_open_a_call_is_not_sent(sandbox, clients, open_clients):
    client = await open_clients(clients.zentitle(sandbox, key="sandbox-zentitle-readonly", kind="read-only"))
    await client.list_products()

    with pytest.raises(NotAllowed, match="not sent"):
        await client.create_license_codes(productid=PRO, numcodes=1)

    assert ["list_products"] == [entry["operation"] for entry in sandbox.zentitle.requests()]
