"""The probe of Sensorpro says of each dialect that the simulator speaks what is so there, and leaves nothing."""

import json

import pytest
from pydantic import SecretStr

from hookline.clients.sensorpro import SensorproClient, SensorproUser
from hookline.facts import facts_of
from hookline.probe.frame import steps_of
from hookline.simulators.sensorpro import simulator
from tests.contract.probe.variants import probed_by, probed_variants

STEPS = steps_of("sensorpro")
BROADCAST = {"broadcast": f"{simulator.CAMPAIGN}/1", "campaign": "51"}


@pytest.fixture
def probed(sandbox):
    """Probes the simulator; answers the probe, what came of each step, and what of each fact."""

    async def run_it(*, write=False, form="sign_in", password="sandbox-sensorpro-password", **inputs):
        key = SecretStr("00000000-0000-4000-8000-00000000c0de")
        user = SensorproUser("sandbox", "api@sandbox.example", SecretStr(password), key, form)
        known = user.session(sandbox.sensorpro.url)
        known.expire(known.token)  # the simulator was set back
        async with SensorproClient(sandbox.sensorpro.url, user) as client:
            return await probed_by(client, BROADCAST | inputs, write=write)

    return run_it


@pytest.mark.parametrize(("fact", "variant"), probed_variants("sensorpro"))
async def test_each_variant_of_a_fact_that_is_probed_is_seen_as_what_it_is(sandbox, probed, fact, variant):
    sandbox.sensorpro.dialect.speak({fact: variant})

    _, ended, found = await probed()

    assert variant == found[fact].variant
    assert "failed" not in ended.values()
    expected = set() if facts_of("sensorpro")[fact].likeliest == variant else {fact}
    assert expected == {each.fact for each in found.values() if each.verdict == "otherwise"}


async def test_the_words_of_an_ended_session_are_told_with_the_variable_that_takes_them(sandbox, probed):
    sandbox.sensorpro.dialect.speak({"session-ended": "other-words"})

    _, _, found = await probed()

    assert {"SENSORPRO_SESSION_ENDED": "Please contact the administrator."} == found["session-ended"].settings


async def test_a_contact_is_made_and_nothing_of_it_is_left(sandbox, probed):
    before = sandbox.sensorpro.records()

    probe, ended, found = await probed(write=True)

    after = sandbox.sensorpro.records()
    made = sandbox.sensorpro.requests(operation="add_contacts")
    assert (before["contacts"], before["mails"], []) == (after["contacts"], after["mails"], probe.left)
    assert ("done", "skipped", 2) == (ended["contact"], ended["mail"], len(made))
    for fact in (
        "contacts-filter",
        "contact-fields",
        "opting-out",
        "forgetting",
        "update-and-add-are-like-upsert",
    ):
        assert "as assumed" == found[fact].verdict, fact


async def test_what_could_not_be_undone_is_told_with_its_mark(sandbox, probed):
    sandbox.sensorpro.faults.add("forget_contact", "refuse", status=400, times=9)

    probe, _, found = await probed(write=True)

    [left] = probe.left
    assert (True, "otherwise") == (probe.marker in left, found["forgetting"].verdict)


async def test_a_mail_goes_to_who_was_named_and_to_nobody_else(sandbox, probed):
    _, ended, found = await probed(write=True, mail_to="me@firm.example", placeholders="order,licenses")

    [mail] = sandbox.sensorpro.records()["mails"]
    assert ("me@firm.example", {"order", "licenses"}) == (mail["to"], set(mail["parameters"]))
    assert ("done", "as assumed") == (ended["mail"], found["trigger-email"].verdict)


async def test_nothing_is_recorded_that_opens_anything_or_is_about_anybody(probed):
    probe, _, _ = await probed(write=True, mail_to="me@firm.example")

    text = json.dumps(probe.exchanges)
    assert "TotalErrors" in text
    for hidden in (
        "sandbox-sensorpro-password",
        "me@firm.example",
        "hookline-probe",
        "baxterlowe",
        simulator.CAMPAIGN,
    ):
        assert hidden not in text


async def test_nothing_is_said_of_an_account_that_does_not_let_us_in(probed):
    _, ended, found = await probed(password="wrong-password")

    assert ("unheard", {"skipped"}) == (ended.pop("sign-in"), set(ended.values()))
    assert {"not seen"} == {each.verdict for each in found.values()}
