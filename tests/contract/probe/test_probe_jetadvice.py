"""The probe of JetAdvice says of each dialect that the simulator speaks what is so there, and changes nothing."""

import json

import pytest
from pydantic import SecretStr

from hookline.clients.jetadvice import JetadviceClient, JetadviceUser
from hookline.facts import facts_of
from hookline.probe.frame import steps_of
from tests.contract.probe.variants import probed_by, probed_variants

STEPS = steps_of("jetadvice")


@pytest.fixture
def probed(sandbox):
    """Probes the simulator; answers the probe, what came of each step, and what of each fact."""

    async def run_it(*, write=True, form="basic", password="sandbox-jetadvice-password", **inputs):
        user = JetadviceUser("api@sandbox.example", SecretStr(password), form)
        async with JetadviceClient(sandbox.jetadvice.url, user) as client:
            return await probed_by(client, inputs, write=write)

    return run_it


@pytest.mark.parametrize(("fact", "variant"), probed_variants("jetadvice"))
async def test_each_variant_of_a_fact_that_is_probed_is_seen_as_what_it_is(sandbox, probed, fact, variant):
    sandbox.jetadvice.dialect.speak({fact: variant})

    _, ended, found = await probed(report="5001")

    assert variant == found[fact].variant
    assert {"done"} == set(ended.values())
    expected = set() if facts_of("jetadvice")[fact].likeliest == variant else {fact}
    assert expected == {each.fact for each in found.values() if each.verdict == "otherwise"}


async def test_credentials_taken_in_the_address_alone_are_told_with_the_variable_to_set(sandbox, probed):
    sandbox.jetadvice.dialect.speak({"login-takes": "query"})

    probe, _, found = await probed()

    assert {"JETADVICE_LOGIN": "query"} == found["login-takes"].settings
    assert "sandbox-jetadvice-password" not in json.dumps(probe.exchanges)


async def test_a_report_is_run_once_and_no_record_is_changed(sandbox, probed):
    before = sandbox.jetadvice.records()

    probe, _, found = await probed(report="5001")

    after = sandbox.jetadvice.records()
    assert (1, []) == (len(after.pop("report_runs")), probe.left)
    assert {name: rows for name, rows in before.items() if name != "report_runs"} == after
    for fact in ("report-runs", "run-inputs", "run-answer", "record-fields", "customer-filter", "paths"):
        assert "as assumed" == found[fact].verdict, fact


async def test_without_write_no_report_is_run(sandbox, probed):
    _, ended, _ = await probed(write=False, report="5001")

    assert ("skipped", []) == (ended["report"], sandbox.jetadvice.records()["report_runs"])


async def test_a_field_that_a_device_lacks_is_told_by_its_name(sandbox, probed):
    for device in sandbox.jetadvice.tables["devices"]:
        device["toner"] = device.pop("supplies")

    _, _, found = await probed()

    assert "lacks supplies" in found["record-fields"].evidence
    assert ("otherwise", "as assumed") == (found["supplies-in-devices"].verdict, found["times-are"].verdict)


async def test_a_list_that_is_not_narrowed_is_told(sandbox, probed, monkeypatch):
    monkeypatch.setattr(sandbox.jetadvice, "_customer_of", lambda _call: None)

    _, _, found = await probed()

    assert "of other customers" in found["customer-filter"].evidence


async def test_who_is_not_let_in_either_way_is_told_so_and_no_token_is_recorded(probed):
    probe, ended, found = await probed(password="wrong-password")
    right, _, _ = await probed()

    assert ("unheard", {"skipped"}) == (ended.pop("log-in"), set(ended.values()))
    assert {"not seen"} == {each.verdict for each in found.values()}
    text = json.dumps([*probe.exchanges, *right.exchanges])
    tokens = right.client.auth.session(right.client.base_url).tokens
    assert tokens
    assert not [each for each in (*tokens, "wrong-password", "Northgate") if each in text]


@pytest.mark.parametrize("variant", ["json-text", "bare-text", "object"])
async def test_of_the_answer_to_a_log_in_only_the_shape_is_recorded(sandbox, probed, variant):
    sandbox.jetadvice.dialect.speak({"login-answers": variant})

    probe, _, _ = await probed(write=False)

    shape = "A" * 20
    assert ({"Token": shape} if variant == "object" else shape) == probe.exchanges[0]["answer"]
