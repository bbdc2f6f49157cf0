"""The main flow in every dialect: whatever no document excludes, an order brings what it is paid for, once."""

import pytest

from hookline.clients import auth
from hookline.facts import facts_of

LINES = (("LIC-PRO", 1), ("LIC-TEAM", 2))
VENDORS = ("jiwa", "zentitle", "sensorpro")
VARIANTS = [
    (vendor, fact.id, variant)
    for vendor in VENDORS
    for fact in facts_of(vendor).facts
    for variant in fact.variants
]


@pytest.fixture
def shop(shop):
    """The firm, whose programs have just begun: no session of theirs ended early."""
    auth._sessions.clear()
    return shop


def speak(shop, seed):
    for simulator in shop.sandbox:
        simulator.dialect.draw(seed)


async def assert_an_order_is_licensed(shop, dialect, **paid):
    order = await shop.paid_order(*LINES, **paid)
    end = await shop.run(order)
    assert (True, []) == (end.is_done, shop.wrong(order, *LINES)), f"{dialect}: {end}"


async def assert_lost_answers_double_nothing(shop, dialect):
    """Every write of the flow is done, and answered by a broken connection."""
    order = await shop.paid_order(*LINES)
    for vendor, operation in LOST:
        getattr(shop.sandbox, vendor).faults.add(operation, "lose")
    end = await shop.run(order)
    assert (True, []) == (end.is_done, shop.wrong(order, *LINES)), f"{dialect}: {end}"


LOST = [
    ("zentitle", "create_company"),
    ("zentitle", "create_license_codes"),
    ("zentitle", "update_license_code"),
    ("zentitle", "create_license_note"),
    ("zentitle", "create_consumer_data"),
    ("jiwa", "create_sales_order_note"),
]


@pytest.mark.parametrize(("vendor", "fact", "variant"), VARIANTS)
async def test_the_main_flow_holds_in_each_variant_of_each_fact(shop, vendor, fact, variant):
    getattr(shop.sandbox, vendor).dialect.speak({fact: variant})

    await assert_an_order_is_licensed(shop, f"{vendor} {fact}: {variant}")


@pytest.mark.parametrize("seed", range(1, 13))
async def test_the_main_flow_holds_in_dialects_that_a_seed_draws(shop, seed):
    speak(shop, seed)

    await assert_an_order_is_licensed(shop, f"dialect {seed}")
    await assert_an_order_is_licensed(shop, f"dialect {seed}, paid in the ledger", by="ledger")
    await assert_lost_answers_double_nothing(shop, f"dialect {seed}, answers lost")


@pytest.mark.long
@pytest.mark.parametrize("block", range(10))
async def test_the_main_flow_holds_in_many_dialects(shop, block):
    for seed in range(100 + block * 20, 120 + block * 20):
        shop.sandbox.reset()
        auth._sessions.clear()
        speak(shop, seed)
        await assert_an_order_is_licensed(shop, f"dialect {seed}")
        await assert_lost_answers_double_nothing(shop, f"dialect {seed}, answers lost")
