"""The probe of a Zentitle account sees in which way it answers, and leaves one disabled license code."""

import pytest
from pydantic import SecretStr

from hookline.clients.zentitle import ZentitleClient, ZentitleKey
from hookline.probe.frame import Probe, findings, run, steps_of
from tests.contract.probe.variants import probed_variants

PRO = "6453300110"
STEPS = steps_of("zentitle")
CONFIRMED = {name for each in STEPS for name in each.confirms}
VARIANTS = probed_variants("zentitle")


@pytest.fixture
def zentitle(sandbox):
    return sandbox.zentitle


async def probed(zentitle, *, write, **inputs):
    key = ZentitleKey("1234", SecretStr("sandbox-zentitle-key"))
    async with ZentitleClient(zentitle.url, key) as client:
        probe = Probe(client, inputs)
        done = [(each.step.name, each.outcome, each.detail) async for each in run(probe, STEPS, write=write)]
    return probe, done


@pytest.mark.parametrize(("fact", "variant"), VARIANTS)
async def test_each_variant_is_seen_for_what_it_is(zentitle, fact, variant):
    zentitle.dialect.speak({fact: variant})

    probe, done = await probed(zentitle, write=True, product=PRO)

    assert {"done"} == {outcome for _, outcome, _ in done}
    assert zentitle.dialect[fact] == probe.seen[fact].variant
    others = {each.fact for each in findings(probe, STEPS) if each.verdict == "otherwise"}
    assert others - {"error-in-the-answers-place", fact} == set()


async def test_what_reads_alone_show_is_seen_without_a_write(zentitle):
    before = zentitle.records()

    probe, done = await probed(zentitle, write=False)

    assert ["done"] * 4 + ["skipped"] * 2 == [outcome for _, outcome, _ in done]
    assert before == zentitle.records()
    assert {"as assumed"} == {each.verdict for each in probe.seen.values()}
    assert [] == probe.left


async def test_a_probe_that_writes_leaves_a_disabled_code_and_says_so(zentitle):
    probe, _ = await probed(zentitle, write=True, product=PRO)

    held = zentitle.records()
    [left] = held["licenses"]
    assert ("False", [], []) == (left["enabledforuse"], held["companies"], held["notes"])
    assert [f"the license code {left['licenseCode']}, disabled: version 1 cannot delete it"] == probe.left
    assert CONFIRMED == set(probe.seen)
    assert "Draftline" not in "".join(each.evidence for each in probe.seen.values())


async def test_a_sentence_that_nobody_knows_is_written_into_the_setting(zentitle):
    zentitle.dialect.speak({"undocumented-sentences": "other", "nothing-to-list": "other"})

    probe, _ = await probed(zentitle, write=True, product=PRO)

    settings = [each.settings for each in findings(probe, STEPS) if each.settings]
    assert [
        {"ZENTITLE_DONE_SENTENCES": "Your request was processed."},
        {"ZENTITLE_ABSENT_SENTENCES": "The result set is void."},
    ] == settings


async def test_what_is_said_of_a_write_that_was_not_done_is_no_sentence_of_success(zentitle):
    for operation in ("create_company", "create_license_note"):
        zentitle.faults.add(operation, "garble", form="sentence", done=False, times=9)

    probe, _ = await probed(zentitle, write=True, product=PRO)

    assert "undocumented-sentences" not in probe.seen


async def test_a_product_that_does_not_exist_is_told(zentitle):
    _, done = await probed(zentitle, write=True, product="nosuch")

    assert ("license", "failed") == done[-1][:2]
