"""The harmless call with a block: what the vendor says about it, and that it changes nothing there."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from pydantic import SecretStr

from blocks import BLOCKS
from blocks.harmless_calls import TRY_SECONDS, try_block
from blocks.jetadvice import JetadviceCredentials
from blocks.jifeline import JifelineCredentials
from blocks.stored import StoredBlock
from hookline.clients import CLIENTS, operations

WRONG = "a-wrong-secret-0123456789"
SECRETS = {
    "jiwa": "api_key",
    "zentitle": "api_key",
    "sensorpro": "password",
    "jetadvice": "password",
    "jifeline": "client_secret",
    "http": "token",
}
every_vendor = pytest.mark.parametrize("vendor", BLOCKS)


@pytest.fixture
def block_of(sandbox, jiwa, zentitle, sensorpro):
    """A block of each vendor's sandbox, with other values where a test says so."""

    def block_of(vendor, **changed):
        log_in = {name.lower(): value for name, value in BLOCKS[vendor].sandbox_login.items()}
        address = {"base_url": getattr(sandbox, vendor).url}
        return BLOCKS[vendor](**(address | log_in | changed))

    assert {JetadviceCredentials, JifelineCredentials} <= set(BLOCKS.values())
    return block_of


async def tried(block, seconds=TRY_SECONDS):
    stored = StoredBlock(block.vendor, "default", uuid4(), datetime(2026, 11, 29, tzinfo=UTC))
    return await try_block(stored, block, seconds)


@every_vendor
async def test_right_credentials_are_accepted_by_calls_that_change_nothing(sandbox, block_of, vendor):
    found = await tried(block_of(vendor))

    called = {row["operation"]: row["verb"] for row in getattr(sandbox, vendor).log.since(0)}
    known = operations(CLIENTS[vendor])
    assert ("accepted", True) == (found.result, found.detail.startswith("accepted as "))
    assert called
    assert all(
        known[name].reads or known[name].session == "opens" if name in known else verb == "GET"
        for name, verb in called.items()
    )


@every_vendor
async def test_wrong_credentials_are_refused_with_what_to_do_and_are_sent_once(sandbox, block_of, vendor):
    found = await tried(block_of(vendor, **{SECRETS[vendor]: SecretStr(WRONG)}))

    assert "refused" == found.result
    assert found.detail
    assert found.advice
    assert WRONG not in repr(found)
    assert 1 == len(getattr(sandbox, vendor).log.since(0))


@every_vendor
@pytest.mark.parametrize("fault", [{"kind": "refuse", "status": 503}, {"kind": "throttle"}, {"kind": "lose"}])
async def test_a_vendor_with_a_fault_is_away_and_not_a_refusal(sandbox, block_of, vendor, fault):
    getattr(sandbox, vendor).faults.add("*", times=0, **fault)

    assert "away" == (await tried(block_of(vendor))).result


@every_vendor
async def test_a_vendor_that_answers_a_page_of_a_proxy_is_away(sandbox, block_of, vendor):
    getattr(sandbox, vendor).faults.add("*", "garble", times=0, form="html")

    assert "away" == (await tried(block_of(vendor))).result


async def test_a_vendor_that_does_not_answer_in_time_is_away(sandbox, block_of):
    sandbox.zentitle.faults.add("*", "latency", times=0, seconds=5)

    found = await tried(block_of("zentitle"), seconds=0.2)

    assert ("away", "no answer within 0.2 s") == (found.result, found.detail)


async def test_a_machine_that_cannot_be_reached_is_away(block_of):
    assert "away" == (await tried(block_of("jiwa", base_url="http://127.0.0.1:9"))).result


async def test_a_key_that_cannot_be_sent_is_refused_without_a_call(sandbox, block_of):
    found = await tried(block_of("zentitle", api_key=SecretStr("with a space")))

    assert ("refused", []) == (found.result, sandbox.zentitle.log.since(0))


async def test_a_key_of_another_kind_is_refused_as_not_allowed(block_of):
    found = await tried(block_of("zentitle", api_key=SecretStr("sandbox-zentitle-offline")))

    assert "refused" == found.result
