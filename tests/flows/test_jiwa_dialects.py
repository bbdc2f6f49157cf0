"""The main flow is right whatever Jiwa answers where no document decides."""

import httpx
import pytest

from hookline.facts import facts_of

VARIANTS = {fact.id: list(fact.variants) for fact in facts_of("jiwa").facts if fact.variants}
DIALECTS = {
    name: {fact: variants[place] for fact, variants in VARIANTS.items()}
    for name, place in (("second", 1), ("last", -1))
}


@pytest.fixture
def speak(jiwa):
    """Lets Jiwa speak a dialect until the test ends."""

    def speak(**order):
        httpx.post(f"{jiwa.base_url}/_sandbox/dialect", json=order).raise_for_status()

    yield speak
    speak(seed=0)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_paid_order_is_licensed_once_in_another_dialect_of_jiwa(run, vendors, speak, dialect):
    speak(facts=DIALECTS[dialect])
    order = await vendors.order(("LIC-PRO", 2))

    ended = [await run(order), await run(order)]

    assert [True, True] == [each.is_completed() for each in ended]
    expected = {"licenses": 2, "consumer_records": 2, "license_notes": 2, "mails": 1, "notes": 1}
    assert expected == vendors.held(order).counts


async def test_a_write_whose_answer_was_lost_is_found_in_another_dialect_of_jiwa(run, vendors, speak):
    speak(facts=DIALECTS["last"])
    order = await vendors.order(("LIC-PRO", 1))
    vendors.misbehave("jiwa", "create_sales_order_note")

    await run(order)
    await run(order)

    assert 1 == vendors.held(order).counts["notes"]
