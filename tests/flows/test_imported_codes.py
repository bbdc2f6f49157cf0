"""License codes that are chosen here and imported: however often a request arrives, it is one license."""

import pytest


@pytest.fixture(autouse=True)
def importing(environment, repository, tmp_path):
    path = tmp_path / "catalog.yaml"
    text = (repository / "deployments/catalog.yaml").read_text()
    path.write_text(
        text.replace("license_type: perpetual}", "license_type: perpetual, import_codes: true}", 1)
    )
    environment.setenv("HOOKLINE_CATALOG", str(path))


async def test_an_order_is_licensed_with_codes_that_are_imported(run, vendors):
    order = await vendors.order(("LIC-PRO", 2))

    states = [await run(order), await run(order)]

    held = vendors.held(order)
    assert ["Completed"] * 2 == [state.name for state in states]
    assert (2, 2, {18}) == (len({*held.codes}), len(held.codes), {len(code) for code in held.codes})
    assert all(code in held.mails[0]["parameters"]["licenses"] for code in held.codes)


@pytest.mark.parametrize("kind", ["lose", "garble"])
async def test_a_lost_answer_to_an_import_is_found_by_the_codes(run, vendors, kind):
    order = await vendors.order(("LIC-PRO", 1))
    vendors.misbehave("zentitle", "create_license_codes", kind)

    state = await run(order)

    assert ("Completed", 1) == (state.name, len(vendors.held(order).codes))


async def test_an_import_that_lands_behind_its_landing_time_is_no_second_license(run, vendors):
    """The second request is refused, because the first one has landed by then; that is what was wanted."""
    order = await vendors.order(("LIC-PRO", 1))
    vendors.misbehave("zentitle", "create_license_codes", "refuse", status=503)
    vendors.misbehave("zentitle", "create_license_codes", "lose", skip=1)

    states = [await run(order), await run(order)]

    assert (["Completed"] * 2, 1) == ([state.name for state in states], len(vendors.held(order).codes))
