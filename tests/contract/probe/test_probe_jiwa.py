"""The probe of Jiwa sees each variant that its simulator speaks, and leaves nothing there."""

import pytest
from pydantic import SecretStr

from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.facts import facts_of
from hookline.probe.frame import Probe, findings, run, steps_of
from tests.contract.probe.variants import probed_variants

STEPS = steps_of("jiwa")
CONFIRMED = {name for each in STEPS for name in each.confirms}
VARIANTS = probed_variants("jiwa")


@pytest.fixture
async def probe(sandbox):
    async with JiwaClient(sandbox.jiwa.url, JiwaKey(SecretStr("sandbox-jiwa-key"))) as client:
        yield Probe(client, {"debtor": "1001"})


async def probed(probe, *, write=True):
    ended = [each async for each in run(probe, STEPS, write=write)]
    assert [] == [(each.step.name, each.detail) for each in ended if each.outcome == "failed"]
    return {each.fact: each for each in findings(probe, STEPS)}


@pytest.mark.parametrize(("fact", "variant"), VARIANTS)
async def test_the_probe_sees_the_variant_that_is_spoken(sandbox, probe, fact, variant):
    sandbox.jiwa.dialect.speak({fact: variant})

    seen = (await probed(probe))[fact]

    expected = "as assumed" if variant == facts_of("jiwa")[fact].likeliest else "otherwise"
    assert (expected, variant) == (seen.verdict, seen.variant)


async def test_everything_that_it_writes_is_marked_and_undone(sandbox, probe):
    before = sandbox.jiwa.records()

    await probed(probe)

    assert (before, {}, []) == (sandbox.jiwa.records(), sandbox.jiwa.webhooks.subscribers, probe.left)
    made = [each for each in probe.exchanges if each["operation"].startswith("create_")]
    assert ["create_webhook_subscriber", "create_sales_order"] == [
        each["operation"]
        for each in made
        if each["operation"] in ("create_webhook_subscriber", "create_sales_order")
    ]


async def test_what_it_sees_without_variants_is_as_assumed_at_the_simulator(probe):
    seen = await probed(probe)

    plain = (
        CONFIRMED - {fact for fact, _ in VARIANTS} - {"row-per-warehouse"}
    )  # no part is in two warehouses there
    assert {"as assumed"} == {seen[fact].verdict for fact in plain}


async def test_what_it_cannot_undo_is_told(sandbox, probe):
    sandbox.jiwa.dialect.speak({"order-deletion": "no-route"})

    await probed(probe)

    [left] = probe.left
    assert left.startswith("sales order ")
    assert left.endswith(f"without lines, reference {probe.marker}")


async def test_without_leave_to_write_it_only_reads(sandbox, probe):
    await probed(probe, write=False)

    assert {"GET"} == {each["verb"] for each in sandbox.jiwa.requests()}


async def test_each_step_that_a_fact_names_exists(probe):
    assert set() == {fact.probe for fact in facts_of("jiwa").facts if fact.probe} - {
        each.name for each in STEPS
    }


async def test_what_jiwa_refuses_to_make_is_told(sandbox, probe):
    probe.inputs = {"debtor": "nosuch"}

    ended = [each async for each in run(probe, STEPS, write=True)]

    assert ("order-note", "failed", []) == (ended[-1].step.name, ended[-1].outcome, probe.left)


async def test_an_order_that_may_have_been_made_is_told(sandbox, probe):
    sandbox.jiwa.faults.add("create_sales_order", "garble", form="html", times=9)

    ended = [each async for each in run(probe, STEPS, write=True)]

    assert "failed" == ended[-1].outcome
    assert [f"perhaps a sales order without lines, {probe.marker}"] == probe.left
