"""An order is licensed once in whatever words an account answers, and what nobody knows is told once."""

from contextlib import suppress
from types import SimpleNamespace
from uuid import uuid4

import pytest
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from flows.customers import Account, company_of
from flows.licenses import Licensing, LineItem, Place
from hookline import context
from hookline.catalog import Product
from hookline.clients import Refused, UnknownSentence, VendorError
from hookline.facts import facts_of
from hookline.issues import store
from hookline.simulators.zentitle.inputs import failure
from hookline.simulators.zentitle.state import GLOBAL, Company
from tasks import zentitle as tasks

PRO = "6453300110"
CUSTOMER = Account("1004", "Fenwick Marine", "office@fenwick.example")
YEAR = Product(part_no="LIC", product_id=PRO, allocate="codes", license_type="subscription", days=365)
IMPORTED = YEAR.model_copy(update={"import_codes": True})
VARIANTS = [(fact.id, variant) for fact in facts_of("zentitle").facts for variant in list(fact.variants)[1:]]
OTHER = {"undocumented-sentences": "other"}


@pytest.fixture(autouse=True)
def batch():
    """Let tasks be plain calls, as in a batch."""
    with context.working_on(uuid4(), uuid4(), in_batch=True):
        yield


async def license_an_order(zentitle, business, product=YEAR):
    company = await company_of(zentitle, CUSTOMER, PRO)
    order = SimpleNamespace(InvoiceNo="100123", InvoiceID="i-1", CustomFieldValues=[])
    contact = SimpleNamespace(FirstName="Ines")
    catalog = SimpleNamespace(when_enlarged="license", computer_id_field="")
    customer = SimpleNamespace(account=CUSTOMER, contact=contact)
    places = {"default": Place(zentitle, company)}
    licensing = Licensing(catalog, business, order, customer, places=places)
    return company, await licensing.license_line(LineItem("license LIC", product, 1))


def made(simulator):
    """What came of it at the vendor, in the words of the samples."""
    held = simulator.records()
    return [
        [(each["company"], each["search1"], each["productID"]) for each in held["companies"]],
        [
            (each["licenseCode"], each["companyID"], each["enabledforuse"], each["subscriptionperiod"])
            for each in held["licenses"]
        ],
        [(each["licenseCode"], each["description"].splitlines()[0]) for each in held["notes"]],
        [(each["licenseCode"], each["email"]) for each in held["consumer_records"]],
    ]


def expected(company, codes):
    return [
        [(CUSTOMER.name, CUSTOMER.account_no, "0")],
        [(code, company, "True", 365) for code in codes],
        [(code, "Order 100123") for code in codes],
        [(code, CUSTOMER.email) for code in codes],
    ]


@pytest.mark.parametrize(("fact", "variant"), VARIANTS)
@pytest.mark.parametrize("product", [YEAR, IMPORTED], ids=["generated", "imported"])
async def test_an_order_is_licensed_once_in_each_variant(sandbox, zentitle, business, fact, variant, product):
    sandbox.zentitle.dialect.speak({fact: variant})

    company, codes = await license_an_order(zentitle, business, product)
    again = await license_an_order(zentitle, business, product)

    assert (1, (company, codes)) == (len(codes), again)
    assert expected(company, codes) == made(sandbox.zentitle)


@pytest.mark.parametrize("seed", range(1, 16))
async def test_an_order_is_licensed_once_in_each_dialect(sandbox, zentitle, business, seed):
    sandbox.zentitle.dialect.draw(seed)

    company, codes = await license_an_order(zentitle, business)

    assert expected(company, codes) == made(sandbox.zentitle)


# Answers that nobody foresaw ---------------------------------------------------------------------------------

CALLS = [
    "get_company_id",
    "list_companies_products",
    "create_company",
    "list_license_codes",
    "create_license_codes",
    "get_license_code",
    "update_license_code",
    "create_license_note",
    "create_consumer_data",
]
BAD = {
    "a page": HTMLResponse("<html>Maintenance</html>"),
    "a log-in page": RedirectResponse("https://my.nalpeiron.com/login.aspx", 302),
    "another sentence": JSONResponse("Alles gut."),
    "another type": JSONResponse(7.5),
    "no field": JSONResponse({}),
    "half of it": Response(b'[{"licenseCode": "3', media_type="application/json"),
}
TRIES = 3


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", CALLS)
async def test_a_bad_answer_costs_no_order_and_brings_nothing_twice(
    sandbox, zentitle, business, monkeypatch, name, bad
):
    render, spoiled = sandbox.zentitle.render, []

    def spoil(call, value):
        if call.operation.name != name or spoiled:
            return render(call, value)
        spoiled.append(name)
        return BAD[bad]

    monkeypatch.setattr(sandbox.zentitle, "render", spoil)
    for _ in range(TRIES):  # as a task that is tried again, or a replay
        with suppress(VendorError):
            company, codes = await license_an_order(zentitle, business)
            break

    assert expected(company, codes) == made(sandbox.zentitle)
    assert (1, [name]) == (len(codes), spoiled)


# Companies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", facts_of("zentitle")["no-such-company"].variants)
async def test_a_company_that_is_not_there_is_known_by_the_list(sandbox, zentitle, variant):
    sandbox.zentitle.dialect.speak({"no-such-company": variant})

    found = await tasks.find_company.fn(zentitle, "Nobody", "1")

    assert ("Nobody", None) == (found.name, found.id)


@pytest.mark.parametrize(
    "sentence",
    [
        "Company does not exist",
        "There is no company with that name.",
        "No company found",
        "Invalid company",
        "0 results",
        "Company unknown.",
        "Firma nicht gefunden",
        "The company could not be located",
    ],
)
async def test_no_word_decides_that_a_company_is_not_there(sandbox, zentitle, monkeypatch, sentence):
    monkeypatch.setattr(sandbox.zentitle, "_no_company", lambda _: sentence)

    assert (await tasks.find_company.fn(zentitle, "Nobody", "1")).id is None


@pytest.mark.parametrize("asked", ["Harrow & Pike", "HARROW  & pike "])
async def test_a_company_is_found_by_its_name_in_any_case(sandbox, zentitle, asked):
    async with zentitle.get_client() as client:
        await client.update_company(companyid=2, productid=PRO, company="Harrow & Pike")

    assert 2 == (await tasks.find_company.fn(zentitle, asked, "2001")).id


async def test_of_companies_of_one_name_the_customers_own_is_found(sandbox, zentitle):
    async with zentitle.get_client() as client:
        for account in ("1", "2", "3"):
            await client.create_company(company="Smith", productid=PRO, global_=1, search1=account)
        numbers = [
            each.companyID for each in await client.list_companies_products() if each.company == "Smith"
        ]

    assert numbers[2] == (await tasks.find_company.fn(zentitle, "Smith", "3")).id


async def test_an_account_without_any_company_may_say_so_by_a_sentence_of_its_settings(sandbox, zentitle):
    sandbox.zentitle._companies.clear()
    sandbox.zentitle._named.clear()
    sandbox.zentitle.dialect.speak({"nothing-to-list": "other", "no-such-company": "other"})

    with pytest.raises(Refused, match="ZENTITLE_ABSENT_SENTENCES"):
        await tasks.find_company.fn(zentitle, "Nobody", "1")

    told = zentitle.model_copy(update={"absent_sentences": "Nothing here; the result set is *."})
    assert (await tasks.find_company.fn(told, "Nobody", "1")).id is None


async def test_the_company_0_of_a_list_is_no_company(sandbox, zentitle):
    nobody = Company(0, GLOBAL, "Nobody", {}, ["", "", ""], 0, "2020-01-01T00:00:00")
    sandbox.zentitle._companies[0] = nobody

    assert (await tasks.find_company.fn(zentitle, "Nobody", "1")).id is None


async def test_a_company_0_that_the_journal_remembers_is_looked_up_again(
    sandbox, database, zentitle, business
):
    company = await company_of(zentitle, CUSTOMER, PRO)
    await database.execute("UPDATE effects SET reference = '{0}' WHERE step = 'company'")

    assert company == await company_of(zentitle, CUSTOMER, PRO) > 0


# Sentences that nobody knows --------------------------------------------------------------------------------


async def issues(database):
    return [(each["kind"], each["count"], each["title"]) for each in await store.find(database)]


async def test_a_sentence_that_nobody_knows_is_told_once_for_each_call(sandbox, database, zentitle, business):
    sandbox.zentitle.dialect.speak(OTHER)

    await license_an_order(zentitle, business)
    [code] = [each["licenseCode"] for each in sandbox.zentitle.records()["licenses"]]
    note = {"productid": PRO, "licensecode": code, "description": "again"}
    await tasks.create_license_note(zentitle, business.step("another note"), **note)

    told = "answers “Your request was processed.”, which is no sentence that is known."
    assert {
        ("sentence", 1, f"zentitle create_company {told}"),
        ("sentence", 2, f"zentitle create_license_note {told}"),
        ("sentence", 1, f"zentitle create_consumer_data {told}"),
    } == set(await issues(database))
    [advice] = {each["advice"] for each in await store.find(database)}
    assert "add it to ZENTITLE_DONE_SENTENCES" in advice


async def test_its_issue_is_closed_by_an_answer_that_is_understood(sandbox, database, zentitle, business):
    sandbox.zentitle.dialect.speak(OTHER)
    _, [code] = await license_an_order(zentitle, business)
    note = {"productid": PRO, "licensecode": code, "description": "again"}

    known = zentitle.model_copy(update={"done_sentences": "Your request was processed"})
    await tasks.create_license_note(known, business.step("another note"), **note)

    names = [title.split(" answers")[0] for _, _, title in await issues(database)]
    assert ["zentitle create_company", "zentitle create_consumer_data"] == sorted(names)


async def test_a_sentence_of_the_settings_counts_as_done_and_nothing_is_looked_up(
    sandbox, database, zentitle, business
):
    sandbox.zentitle.dialect.speak(OTHER)
    told = zentitle.model_copy(update={"done_sentences": "Your request * processed"})

    await license_an_order(told, business)

    assert [] == await issues(database)
    assert "list_license_notes" not in [each["operation"] for each in sandbox.zentitle.requests()]


async def test_a_write_that_was_refused_by_a_sentence_that_nobody_knows_is_not_taken_for_done(
    sandbox, database, zentitle, business, monkeypatch
):
    refusal = "Computer says nay."
    monkeypatch.setattr(sandbox.zentitle, "_draw", lambda *_: refuse(refusal))

    with pytest.raises(UnknownSentence, match="Computer says nay") as unknown:
        await license_an_order(zentitle, business)

    assert unknown.value.transient
    assert [] == sandbox.zentitle.records()["licenses"]
    told = zentitle.model_copy(update={"refused_sentences": "computer says nay"})
    with pytest.raises(Refused):
        await license_an_order(told, business)


def refuse(text):
    raise failure(text)
