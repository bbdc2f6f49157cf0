"""The license codes of an order, as its flow brings them: chosen here and imported, and after a restore."""

from types import SimpleNamespace
from uuid import uuid4

import pytest

from flows.licenses import Licensing, LineItem, Place
from hookline import context
from hookline.catalog import Product
from hookline.clients import pages
from hookline.database import high_water
from hookline.database.connection import outside
from hookline.errors import HooklineError
from hookline.inbox import holding
from hookline.journal import EffectUncertain
from tasks import zentitle as zentitle_tasks

PRODUCT = Product(
    part_no="LIC", product_id="6453300110", allocate="codes", license_type="perpetual", import_codes=True
)
GENERATED = PRODUCT.model_copy(update={"import_codes": False})


@pytest.fixture
async def licensing(sandbox, zentitle, business):
    """What an order is licensed with, for a company that Zentitle has."""
    async with zentitle.get_client() as client:
        await client.create_company(company="ACME", productid=PRODUCT.product_id, global_=1)
    company = (await zentitle_tasks.find_company.fn(zentitle, "ACME", "")).id
    catalog = SimpleNamespace(when_enlarged="license")
    return Licensing(catalog, business, None, None, places={"default": Place(zentitle, company)})


@pytest.fixture(autouse=True)
def batch():
    """Let tasks be plain calls, as in a batch."""
    with context.working_on(uuid4(), uuid4(), in_batch=True):
        yield


async def allocate(licensing, quantity, product=PRODUCT):
    codes = []
    for step, number in await licensing._allocations(LineItem("license LIC", product, quantity)):
        codes += await licensing._allocate(licensing.places["default"], product, step, number)
    return codes


async def codes_of(licensing):
    place = licensing.places["default"]
    async with place.zentitle.get_client() as client:
        rows = pages(client.list_license_codes, productid=PRODUCT.product_id, companyId=place.company)
        return sorted([row.licenseCode async for row in rows])


async def went_back(database, settings):
    """The database is restored to before the order, and a person lets it go on."""
    await database.execute("DELETE FROM effects")
    await high_water.hold(database, "It is old.")
    async with database.acquire() as connection:
        await holding.release(connection, outside(settings), actor="ann", reason="looked at")
    await database.execute(
        "UPDATE lineage SET readback_first_since = readback_first_since - interval '1 hour'"
    )


async def test_after_a_restore_the_imported_codes_of_a_forgotten_order_are_found(
    sandbox, database, database_settings, zentitle, business, licensing
):
    [code] = await allocate(licensing, 1)
    note = zentitle_tasks.create_license_note
    await note(
        zentitle,
        business.step(f"license note of {code}"),
        productid=PRODUCT.product_id,
        licensecode=code,
        description="Order 7",
    )
    await went_back(database, database_settings)

    again = await allocate(licensing, 1)

    assert ([code], [code]) == (again, await codes_of(licensing))


async def test_after_a_restore_imported_codes_that_say_nothing_ask_a_person(
    sandbox, database, database_settings, zentitle, licensing
):
    [code] = await allocate(licensing, 1)
    await went_back(database, database_settings)

    with pytest.raises(EffectUncertain, match=code):
        await allocate(licensing, 1)

    assert [code] == await codes_of(licensing)


async def test_after_a_restore_a_new_order_of_a_company_without_codes_is_licensed(
    sandbox, database, database_settings, zentitle, licensing
):
    await went_back(database, database_settings)

    codes = await allocate(licensing, 1)

    assert codes == await codes_of(licensing)


async def test_a_setting_of_the_catalog_leaves_what_is_licensed_licensed(sandbox, zentitle, licensing):
    generated = await allocate(licensing, 1, GENERATED)

    assert generated == await allocate(licensing, 1)
    assert generated == await codes_of(licensing)


async def test_what_was_refused_is_not_counted_as_licensed(sandbox, database, zentitle, licensing):
    first = await allocate(licensing, 1, GENERATED)
    sandbox.zentitle.faults.add("create_license_codes", "refuse", status=400)
    with pytest.raises(HooklineError):
        await allocate(licensing, 5, GENERATED)

    assert first == await allocate(licensing, 1, GENERATED)
    grown = await allocate(licensing, 2, GENERATED)
    assert (2, sorted(grown)) == (len(grown), await codes_of(licensing))
    assert sorted(await allocate(licensing, 5, GENERATED)) == await codes_of(licensing)


async def test_codes_that_were_chosen_for_a_refused_import_are_not_those_of_a_changed_order(
    sandbox, zentitle, licensing
):
    sandbox.zentitle.faults.add("create_license_codes", "refuse", status=400)
    with pytest.raises(HooklineError):
        await allocate(licensing, 1)

    codes = await allocate(licensing, 3)

    assert (3, sorted(codes)) == (len(codes), await codes_of(licensing))
