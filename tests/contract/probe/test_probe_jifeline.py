"""The probe of Jifeline sees each variant that the simulator speaks, and leaves nothing behind."""

import json

import pytest
from pydantic import SecretStr

from hookline.clients.jifeline import JifelineApp, JifelineClient
from hookline.probe.frame import Probe, findings, run, steps_of
from hookline.simulators import running
from tests.contract.probe.variants import probed_variants

STEPS = steps_of("jifeline")
PROBED = {name for each in STEPS for name in each.confirms}
VARIANTS = probed_variants("jifeline")


@pytest.fixture
async def sandbox():
    async with running() as sandbox:
        yield sandbox


@pytest.fixture
async def probe(sandbox):
    app = JifelineApp("sandbox-jifeline", SecretStr("sandbox-jifeline-secret"))
    async with JifelineClient(sandbox.jifeline.url, app) as client:
        yield Probe(client, {})


async def outcomes(probe, *, write=False):
    return {each.step.name: (each.outcome, each.detail) async for each in run(probe, STEPS, write=write)}


@pytest.mark.parametrize(("fact", "variant"), VARIANTS, ids=lambda each: each)
async def test_each_variant_is_seen(sandbox, probe, fact, variant):
    sandbox.jifeline.dialect.speak({fact: variant})

    ended = await outcomes(probe, write=True)

    assert {("done", "")} == set(ended.values())
    assert variant == probe.seen[fact].variant


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_seen_is_what_is_spoken(sandbox, probe, seed):
    sandbox.jifeline.dialect.draw(seed)

    await outcomes(probe, write=True)

    spoken = {fact: variant for fact, variant in sandbox.jifeline.dialect.spoken.items() if fact in PROBED}
    assert spoken == {fact: probe.seen[fact].variant for fact in spoken}


async def test_an_account_as_assumed_says_so_and_leaves_open_what_only_a_person_can_tell(probe):
    await outcomes(probe, write=True)

    by_verdict = {}
    for seen in findings(probe, STEPS):
        by_verdict.setdefault(seen.verdict, set()).add(seen.fact)
    assert {"as assumed", "not seen"} == by_verdict.keys()
    assert PROBED - {"customer-reference"} <= by_verdict["as assumed"]


@pytest.mark.parametrize(
    ("operation", "fact"),
    [
        ("list_customers", "customers-path"),
        ("get_customer", "customers-path"),
        ("list_product_lines", "product-lines-path"),
        ("list_contact_points", "other-paths"),
        ("list_vehicles", "vehicles"),
        ("list_pending_tickets", "pending-tickets"),
        ("mark_ticket_processed", "mark-path"),
    ],
)
async def test_what_is_not_where_it_was_assumed_is_told(sandbox, probe, operation, fact):
    sandbox.jifeline.faults.add(operation, "refuse", status=404, times=50)

    await outcomes(probe, write=True)

    assert "otherwise" == probe.seen[fact].verdict


async def test_without_write_nothing_is_changed(sandbox, probe):
    before = sandbox.jifeline.records()

    ended = await outcomes(probe)

    assert ("skipped", "it writes: add --write") == ended["mark"]
    assert before == sandbox.jifeline.records()


@pytest.mark.parametrize("answer", ["record", "empty", "accepted", "see-other"])
async def test_the_mark_is_taken_off_again(sandbox, probe, answer):
    sandbox.jifeline.dialect.speak({"mark-answer": answer})

    await outcomes(probe, write=True)

    marks = [exchange for exchange in probe.exchanges if exchange["operation"] == "mark_ticket_processed"]
    assert (2, []) == (len(marks), probe.left)
    assert probe.marker not in json.dumps(sandbox.jifeline.records())


async def test_a_mark_that_could_not_be_taken_off_is_told_with_its_ticket(sandbox, probe):
    [cancelled] = [each for each in sandbox.jifeline.records()["tickets"] if each["state"] == "cancelled"]
    sandbox.jifeline.faults.add("get_ticket", "refuse", status=403, times=2)

    await outcomes(probe, write=True)

    [told] = probe.left
    assert f"the external reference of the cancelled ticket {cancelled['id']}" in told
