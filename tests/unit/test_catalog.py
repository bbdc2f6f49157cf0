"""`catalog.yaml`: what is wrong is said with its place; and how many licenses a quantity is."""

import json
from datetime import date

import pytest
from pydantic import ValidationError

from hookline.catalog import Language, Product, load_catalog
from hookline.errors import ConfigurationError
from tests.conftest import with_parts

MAIL = {"campaign_id": "3f0c6a52", "broadcast_id": 1}
PERPETUAL = {
    "part_no": "LIC-PRO",
    "product_id": "6453300110",
    "allocate": "codes",
    "license_type": "perpetual",
}
SUBSCRIPTION = {
    **PERPETUAL,
    "part_no": "LIC-TEAM",
    "license_type": "subscription",
    "days": 365,
    "allocate": "seats",
}


@pytest.fixture
def load(tmp_path):
    def write_and_load(text):
        path = tmp_path / "catalog.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_catalog(path)

    return write_and_load


def catalog(**fields):
    whole = {"mail": MAIL, "products": [PERPETUAL, SUBSCRIPTION]} | fields
    return json.dumps({name: value for name, value in whole.items() if value is not ...})


def trials(**fields):
    return catalog(trials={"products": {"6453300110": "Pro"}, "tag": "trial-ends", "mail": MAIL} | fields)


def renewals(**fields):
    return catalog(
        renewals={"parts": {"REN": "LIC-TEAM"}, "reminder": MAIL, "renewed": MAIL} | fields,
    )


def products(**fields):
    changed = {**PERPETUAL, **fields}
    return catalog(
        products=[SUBSCRIPTION, {name: value for name, value in changed.items() if value is not ...}]
    )


def test_the_catalog_that_is_shipped_is_right(repository):
    shipped = load_catalog(repository / "deployments/catalog.yaml")

    assert [("LIC-PRO", None), ("LIC-TEAM", 365)] == [(one.part_no, one.days) for one in shipped.products]


def test_the_parts_that_are_shipped_as_comments_are_off_and_right(load, repository):
    text = (repository / "deployments/catalog.yaml").read_text()

    read, whole = load(text), load(with_parts(text, "credits", "renewals", "trials", "customers"))

    assert (None, None, None, None) == (read.credits, read.renewals, read.trials, read.customers)
    assert (date(2026, 1, 1), "LIC-TEAM") == (whole.credits.since, whole.renewal("REN-TEAM").part_no)
    assert ({"6453300110": "Draftline Pro"}, 7) == (whole.trials.products, whole.trials.days)
    assert ("6453300110", True, "customers", True) == tuple(vars(whole.customers).values())


def test_what_is_left_out_has_its_default(load):
    read = load(catalog())

    assert ("either", "", "ask", None) == (
        read.paid_when,
        read.computer_id_field,
        read.mail.if_unknown,
        read.products[0].profile,
    )


@pytest.mark.parametrize("word", ["payments", "allocated", "either"])
def test_each_way_to_be_paid_is_read(load, word):
    assert word == load(catalog(paid_when=word)).paid_when


def test_a_catalog_that_was_changed_is_read_anew(load):
    before = load(catalog(computer_id_field=""))

    after = load(catalog(computer_id_field="serial"))

    assert ("", "serial") == (before.computer_id_field, after.computer_id_field)


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(ConfigurationError) as raised:
        load_catalog(tmp_path / "catalog.yaml")

    assert f"Cannot read {tmp_path / 'catalog.yaml'}: No such file or directory." == str(raised.value)


@pytest.mark.parametrize("text", ["mail: {", "a: b: c", b"\xff\xfe", "!!python/name:os.system"])
def test_what_is_not_yaml_is_said_so(load, tmp_path, text):
    with pytest.raises(ConfigurationError) as raised:
        load(text)

    assert str(raised.value).startswith(f"{tmp_path / 'catalog.yaml'} is not YAML: ")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "the file: "),
        ("[]", "the file: "),
        ("just text", "the file: "),
        (catalog(mail=...), "mail: Field required"),
        (catalog(mail=None), "mail: "),
        (catalog(mail={"campaign_id": "x"}), "mail.broadcast_id: Field required"),
        (catalog(mail={"broadcast_id": 1}), "mail.campaign_id: Field required"),
        (
            catalog(mail={**MAIL, "broadcast_id": "first"}),
            "mail.broadcast_id: Input should be a valid integer",
        ),
        (
            catalog(mail={**MAIL, "if_unknown": "shrug"}),
            "mail.if_unknown: Input should be 'ask' or 'send-again'",
        ),
        (catalog(mail={**MAIL, "campain": "x"}), "mail.campain: there is no such field"),
        (catalog(paid_when="never"), "paid_when: Input should be 'payments', 'allocated' or 'either'"),
        (catalog(computer_id_field=7), "computer_id_field: Input should be a valid string"),
        (catalog(prodcuts=[]), "prodcuts: there is no such field"),
        (catalog(products=...), "products: Field required"),
        (catalog(products=[]), "products: List should have at least 1 item"),
        (catalog(products={}), "products: Input should be a valid list"),
        (catalog(products=["LIC-PRO"]), "products.0: "),
        (
            catalog(products=[PERPETUAL, SUBSCRIPTION, PERPETUAL]),
            "products: Value error, part_no is there twice: LIC-PRO",
        ),
        (products(part_no=...), "products.1.part_no: Field required"),
        (products(part_no=""), "products.1.part_no: String should have at least 1 character"),
        (products(part_no=1170), "products.1.part_no: Input should be a valid string"),
        (products(product_id=...), "products.1.product_id: Field required"),
        (products(product_id=""), "products.1.product_id: String should have at least 1 character"),
        (products(product_id=6453300110), "products.1.product_id: Input should be a valid string"),
        (products(allocate=...), "products.1.allocate: Field required"),
        (products(allocate="boxes"), "products.1.allocate: Input should be 'codes' or 'seats'"),
        (products(license_type=...), "products.1.license_type: Field required"),
        (
            products(license_type="trial"),
            "products.1.license_type: Input should be 'perpetual' or 'subscription'",
        ),
        (
            products(days=30),
            "products.1: Value error, days belong to license_type subscription, and to it alone",
        ),
        (
            products(license_type="subscription"),
            "products.1: Value error, days belong to license_type subscription",
        ),
        (
            products(license_type="subscription", days=0),
            "products.1.days: Input should be greater than or equal to 1",
        ),
        (
            products(license_type="subscription", days=5001),
            "products.1.days: Input should be less than or equal to 5000",
        ),
        (products(license_type="subscription", days=1.5), "products.1.days: Input should be a valid integer"),
        (
            products(license_type="subscription", days="year"),
            "products.1.days: Input should be a valid integer",
        ),
        (products(profile=7), "products.1.profile: Input should be a valid string"),
        (catalog(credits={"since": "2026-01-01"}), "credits.mail: Field required"),
        (catalog(credits={"mail": MAIL}), "credits.since: Field required"),
        (catalog(credits={"since": "soon", "mail": MAIL}), "credits.since: Input should be a valid date"),
        (trials(products={}), "trials.products: Dictionary should have at least 1 item"),
        (trials(days=0), "trials.days: Input should be greater than or equal to 1"),
        (trials(tag=""), "trials.tag: String should have at least 1 character"),
        (trials(mail=None), "trials.mail: "),
        (
            catalog(customers={}),
            "customers: Value error, name at least one of zentitle_product, jetadvice, sensorpro_tag and jifeline",
        ),
        (
            catalog(customers={"zentitle_product": ""}),
            "customers.zentitle_product: String should have at least 1",
        ),
        (renewals(parts={}), "renewals.parts: Dictionary should have at least 1 item"),
        (renewals(remind_days=0), "renewals.remind_days: Input should be greater than or equal to 1"),
        (renewals(grace_days=366), "renewals.grace_days: Input should be less than or equal to 365"),
        (renewals(reminder=None), "renewals.reminder: "),
        (
            renewals(parts={"REN": "LIC-TEAMS"}),
            "the file: Value error, renewals.parts: REN renews LIC-TEAMS, which is no subscription among products",
        ),
        (
            renewals(parts={"REN": "LIC-PRO"}),
            "the file: Value error, renewals.parts: REN renews LIC-PRO, which is no subscription among products",
        ),
        (
            renewals(parts={"LIC-PRO": "LIC-TEAM"}),
            "the file: Value error, renewals.parts: LIC-PRO is among products, so it would bring new licenses",
        ),
        (
            renewals(parts={"REN-1": "LIC-TEAM", "REN-2": "LIC-TEAM"}),
            "the file: Value error, renewals.parts: REN-1 and REN-2 renew the same product 6453300110",
        ),
        (products(seats=7), "products.1.seats: there is no such field"),
    ],
)
def test_what_does_not_fit_is_said_with_the_file_and_the_place(load, tmp_path, text, place):
    with pytest.raises(ConfigurationError) as raised:
        load(text)

    first, *problems = str(raised.value).splitlines()
    assert (2, f"{tmp_path / 'catalog.yaml'} is not right:") == (raised.value.exit_code, first)
    assert [True] == [problem.startswith(f"  {place}") for problem in problems]


def test_all_that_is_wrong_is_told_at_once(load):
    with pytest.raises(ConfigurationError) as raised:
        load(catalog(mail=..., paid_when="never", products=[]))

    assert ["paid_when", "mail", "products"] == [
        line.strip().split(":")[0] for line in str(raised.value).splitlines()[1:]
    ]


@pytest.mark.parametrize(
    ("allocate", "quantity", "codes", "clients"),
    [("codes", 1, 1, 1), ("codes", 5, 5, 1), ("seats", 1, 1, 1), ("seats", 5, 1, 5)],
)
def test_a_quantity_is_so_many_codes_for_so_many_clients_each(allocate, quantity, codes, clients):
    product = Product(**{**PERPETUAL, "allocate": allocate})

    assert (codes, clients) == (product.codes(quantity), product.clients(quantity))


@pytest.mark.parametrize("allocate", ["codes", "seats"])
@pytest.mark.parametrize("quantity", [1, 2, 10, 999])
def test_whichever_way_it_is_allocated_as_many_may_use_it_as_were_bought(allocate, quantity):
    product = Product(**{**PERPETUAL, "allocate": allocate})

    assert quantity == product.codes(quantity) * product.clients(quantity)


def test_a_part_is_found_by_its_number_and_ordinary_goods_bring_nothing(load):
    read = load(catalog())

    assert ("LIC-TEAM", None, None, None) == (
        read.product("LIC-TEAM").part_no,
        read.product("1170"),
        read.product("lic-team"),
        read.product(""),
    )


def test_a_catalog_once_read_stays_as_it_is(load):
    with pytest.raises(ValueError, match="frozen"):
        load(catalog()).products[0].days = 9


@pytest.mark.parametrize(
    ("customer", "language"),
    [
        ({"account_no": "1001", "country": "Germany", "locale": "de_DE"}, "fr"),
        ({"account_no": "2", "country": " GERMANY "}, "de"),
        ({"country": "Germany", "locale": "nl_NL"}, "nl-nl"),
        ({"country": "Germany", "locale": "Dutch (the Netherlands)"}, "de"),
        ({"country": "Atlantis"}, "en-gb"),
        ({}, "en-gb"),
    ],
)
def test_the_language_of_a_customer_is_the_nearest_that_is_known(customer, language):
    languages = Language(default="en-gb", customers={"1001": "fr"}, countries={"Germany": "de"})

    assert language == languages.of(**customer)


def test_a_language_is_written_in_its_short_form():
    with pytest.raises(ValidationError, match="pattern"):
        Language(default="English")
