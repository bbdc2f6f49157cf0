"""A probe tells what it saw, records no data of anybody, and ends no other step by one that fails."""

import asyncio
import json

import pytest
from pydantic import SecretStr

from hookline.clients import InvalidInput
from hookline.clients.jiwa import JiwaClient, JiwaKey
from hookline.facts import Facts
from hookline.probe.frame import Probe, findings, run, step
from hookline.probe.shapes import MAX_ROWS, shape
from hookline.simulators import running

KEY = "sandbox-jiwa-key"
TABLE = Facts.model_validate(
    {
        "sources": {"S": {"title": "A book"}},
        "facts": [
            {
                "id": "session",
                "fact": "The session says whose it is.",
                "trust": "assumed",
                "source": "The name says so.",
                "breaks": "Nobody knows.",
                "confirm": "Ask.",
                "variants": {"named": "With a name.", "nameless": "Without."},
                "settings": {"nameless": {"JIWA_NAME": "said: {evidence}"}},
            },
            {
                "id": "unprobed",
                "fact": "It is so.",
                "trust": "assumed",
                "source": "It must be.",
                "breaks": "All.",
                "confirm": "By hand.",
            },
        ],
    }
)


@pytest.fixture
async def probe(monkeypatch):
    monkeypatch.setattr("hookline.probe.frame.facts_of", lambda _: TABLE)
    async with running() as sandbox, JiwaClient(sandbox.jiwa.url, JiwaKey(SecretStr(KEY))) as client:
        yield Probe(client, {"part": "PAP-A4-80"})


async def done(probe, *steps, write=False):
    return [(each.step.name, each.outcome, each.detail) async for each in run(probe, steps, write=write)]


@step("nameless", "Who we are", confirms=("session",))
async def nameless(probe):
    exchange = await probe.call(JiwaClient.get_current_session)
    probe.saw("session", "nameless", f"{exchange.status} for {KEY}")


@step("surprise", "What nobody foresaw")
async def surprise(probe):
    exchange = await probe.call(JiwaClient.get_sales_order, InvoiceID="no-such-order")
    assert "found nothing" in str(exchange.error)
    raise KeyError(exchange.status)


@step("writing", "Write", writes=True, needs=("part",))
async def writing(probe):
    probe.leaves(f"{probe.marker} on {probe.inputs['part']}")


@step("asking", "Ask a person", needs=("debtor",))
async def asking(_probe):
    raise AssertionError


async def test_each_step_is_run_and_what_one_of_them_meets_ends_no_other(probe):
    ended = await done(probe, surprise, nameless, writing, asking)

    assert [
        ("surprise", "failed"),
        ("nameless", "done"),
        ("writing", "skipped"),
        ("asking", "skipped"),
    ] == [each[:2] for each in ended]
    assert "KeyError: 404 (surprise" in ended[0][2]
    assert ["it writes: add --write", "give debtor=…"] == [each[2] for each in ended[2:]]


async def test_a_writing_step_runs_only_when_it_is_asked_for_and_what_it_leaves_is_told(probe):
    assert [("writing", "done", "")] == await done(probe, writing, write=True)
    assert [f"{probe.marker} on PAP-A4-80"] == probe.left


async def test_a_variant_that_is_not_assumed_is_told_with_what_to_set_and_without_the_secret(probe):
    await done(probe, nameless)
    session, unprobed = findings(probe, [nameless])

    assert ("otherwise", "nameless", "200 for ***") == (session.verdict, session.variant, session.evidence)
    assert {"JIWA_NAME": "said: 200 for ***"} == session.settings
    assert ("unprobed", "not seen") == (unprobed.fact, unprobed.verdict)


async def test_a_variant_as_assumed_needs_nothing_to_be_set(probe):
    probe.saw("session", "named", "api")

    [session, _] = findings(probe, [])
    assert ("as assumed", {}) == (session.verdict, session.settings)
    with pytest.raises(ValueError, match="no variant loud"):
        probe.saw("session", "loud")


async def test_what_is_recorded_has_the_shape_of_the_answer_and_nobody_s_data(probe):
    order = (await probe.call(JiwaClient.query_sales_orders, Take=1)).answer.Results[0]
    await probe.call(JiwaClient.get_sales_order, InvoiceID=order.InvoiceID)

    [_, recorded] = probe.exchanges
    text = json.dumps(recorded)
    assert 200 == recorded["status"]
    assert {"InvoiceID", "InvoiceNo", "DebtorName"} <= set(recorded["answer"])
    assert "aaaa" in text.lower()
    for secret in (KEY, order.InvoiceID, order.InvoiceNo, order.DebtorName):
        assert secret not in text


async def test_what_cannot_be_sent_is_told_as_a_mistake_of_the_step(probe):
    with pytest.raises(InvalidInput):
        await probe.call(JiwaClient.get_sales_order)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Name": "Zoë 12"}, {"Name": "Aaa 99"}),
        ({"Message": "No order 123456 of bob@example.org"}, {"Message": "No order 999999 of aaa@aaaaaaa.aaa"}),
        ({"at": "2026-11-29T01:02:03Z"}, {"at": "9999-99-99A99:99:99A"}),
        ({"Total": 3, "Amount": 1234.5, "Whole": -120, "Paid": True, "None": None}, {
            "Total": 3, "Amount": 9999.9, "Whole": -999, "Paid": True, "None": None,
        }),
        ("Company Already Exists", "Company Already Exists"),
        ([{"id": 12}] * 5, [{"id": 99}] * MAX_ROWS + ["and 2 more"]),
    ],
)  # fmt: skip
def test_a_shape_keeps_names_punctuation_and_the_vendor_s_sentences(value, expected):
    assert expected == shape(value)


@step("guessing", "Guess", confirms=("session",))
async def guessing(probe):
    exchange = await probe.call(JiwaClient.get_current_session)
    probe.saw("session", "nameless", str(exchange.status))


@pytest.mark.parametrize(("kind", "more"), [("refuse", {"status": 401}), ("garble", {"form": "html"}),
                                            ("garble", {"form": "redirect"}), ("lose", {})])  # fmt: skip
async def test_of_what_was_not_answered_nothing_is_said_and_the_rest_is_not_tried(monkeypatch, kind, more):
    monkeypatch.setattr("hookline.probe.frame.facts_of", lambda _: TABLE)
    async with running() as sandbox, JiwaClient(sandbox.jiwa.url, JiwaKey(SecretStr(KEY))) as client:
        sandbox.jiwa.faults.add("get_current_session", kind, times=9, **more)
        probe = Probe(client, {})
        ended = await done(probe, guessing, surprise)

    assert [("guessing", "unheard"), ("surprise", "skipped")] == [each[:2] for each in ended]
    assert {} == probe.seen


@step("begun", "Begin to write", writes=True)
async def begun(_probe):
    raise asyncio.CancelledError


async def test_what_ctrl_c_stops_in_the_middle_of_a_write_is_told(probe):
    with pytest.raises(asyncio.CancelledError):
        await done(probe, begun, write=True)

    [left] = probe.left
    assert probe.marker in left


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<html>\n<b>Zoë</b>, log in", "<aaaa>\n<a>Aaa</a>, aaa aa"),
        ({"licenseCode": "AB12-CDEF"}, {"licenseCode": "AA99-AAAA"}),
        ({"postal_code": "9999 AB"}, {"postal_code": "9999 AA"}),
        ({"errorCode": "TokenException", "Password": "hunter2-x"}, {"errorCode": "TokenException", "Password": "***"}),
    ],
)  # fmt: skip
def test_a_code_that_is_somebody_s_is_no_word_of_the_vendor_and_a_secret_keeps_no_shape(value, expected):
    assert expected == shape(value, "", ["hunter2-x"])
