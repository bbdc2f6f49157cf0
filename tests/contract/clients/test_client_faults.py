"""What callers learn when a vendor fails: whether to try again, and whether it may have been done."""

import asyncio
import pickle
import time

import pytest
from pydantic import SecretStr

from hookline.clients import AnswerLost, RateLimited, Unavailable, UnexpectedAnswer, Unreachable
from hookline.clients.jiwa import JiwaClient, JiwaKey

PRO = "6453300110"


async def test_a_write_whose_answer_is_lost_may_have_been_done(sandbox, zentitle):
    sandbox.zentitle.faults.add("create_license_codes", "lose")

    with pytest.raises(AnswerLost) as failure:
        await zentitle.create_license_codes(productid=PRO, numcodes=1)

    assert (True, True) == (failure.value.transient, failure.value.maybe_applied)


async def test_a_read_whose_answer_is_lost_did_no_harm(sandbox, jiwa):
    sandbox.jiwa.faults.add("get_system_info", "lose")

    with pytest.raises(AnswerLost) as failure:
        await jiwa.get_system_info()

    assert (True, False) == (failure.value.transient, failure.value.maybe_applied)


async def test_a_garbled_answer_to_a_read_passes_by_itself_and_to_a_write_tells_nothing(sandbox, zentitle):
    sandbox.zentitle.faults.add("list_license_codes", "garble")
    sandbox.zentitle.faults.add("create_license_codes", "garble")

    with pytest.raises(UnexpectedAnswer) as read:
        await zentitle.list_license_codes(productid=PRO)
    with pytest.raises(UnexpectedAnswer) as write:
        await zentitle.create_license_codes(productid=PRO, numcodes=1)

    assert (True, False) == (read.value.transient, read.value.maybe_applied)
    assert (False, True) == (write.value.transient, write.value.maybe_applied)
    assert pickle.loads(pickle.dumps(read.value)).transient


async def test_a_write_that_met_a_fault_may_have_been_done(sandbox, zentitle):
    sandbox.zentitle.faults.add("create_license_codes", "refuse", status=500)

    with pytest.raises(Unavailable) as failure:
        await zentitle.create_license_codes(productid=PRO, numcodes=1)

    assert (500, True) == (failure.value.status, failure.value.maybe_applied)


async def test_a_slow_answer_is_lost_after_the_time_allowed(sandbox, clients, open_clients):
    client = await open_clients(clients.zentitle(sandbox, timeout=0.2))
    sandbox.zentitle.faults.add("create_license_note", "latency", seconds=5)

    with pytest.raises(AnswerLost) as failure:
        await client.create_license_note(productid=PRO, licensecode="1", description="x")

    assert failure.value.maybe_applied


async def test_a_log_in_that_hangs_leaves_the_call_unsent(sandbox, clients, open_clients):
    client = await open_clients(clients.sensorpro(sandbox, timeout=0.2))
    sandbox.sensorpro.faults.add("sign_in", "latency", seconds=5)

    with pytest.raises(Unreachable) as failure:
        await client.trigger_email(CampId="x", BroadcastId=1, ContactData={"PersonalEMail": "a@example.com"})

    assert not failure.value.maybe_applied


async def test_a_refused_call_whose_new_log_in_hangs_was_not_done(sandbox, clients, open_clients):
    client = await open_clients(clients.jiwa_by_user(sandbox, timeout=0.3))
    await client.get_system_info()
    sandbox.jiwa.end_sessions()
    sandbox.jiwa.faults.add("login", "latency", seconds=5)

    with pytest.raises(Unreachable) as failure:
        await client.create_debtor(AccountNo="HOOK-1", Name="Hookline")

    assert not failure.value.maybe_applied


async def test_a_log_in_whose_answer_is_lost_leaves_the_call_unsent(sandbox, clients, open_clients):
    client = await open_clients(clients.sensorpro(sandbox))
    sandbox.sensorpro.faults.add("sign_in", "lose")

    with pytest.raises(Unreachable) as failure:
        await client.trigger_email(CampId="x", BroadcastId=1, ContactData={"PersonalEMail": "a@example.com"})

    assert (True, False) == (failure.value.transient, failure.value.maybe_applied)


async def test_a_vendor_that_is_down_is_unreachable():
    async with JiwaClient("http://127.0.0.1:9", JiwaKey(SecretStr("key"))) as client:
        with pytest.raises(Unreachable) as failure:
            await client.create_debtor(AccountNo="1", Name="x")

    assert (True, False) == (failure.value.transient, failure.value.maybe_applied)


async def test_a_short_wait_is_waited_for_once(sandbox, zentitle):
    sandbox.zentitle.faults.add("create_license_codes", "throttle", seconds=1)
    started = time.monotonic()

    codes = await zentitle.create_license_codes(productid=PRO, numcodes=1)

    assert (1, True) == (len(codes), time.monotonic() - started >= 1)


async def test_a_second_short_wait_is_the_callers(sandbox, zentitle):
    sandbox.zentitle.faults.add("create_license_codes", "throttle", seconds=0, times=2)

    with pytest.raises(RateLimited):
        await zentitle.create_license_codes(productid=PRO, numcodes=1)


async def test_a_long_wait_is_the_callers(sandbox, zentitle):
    sandbox.zentitle.faults.add("create_license_codes", "throttle", seconds=60)

    with pytest.raises(RateLimited) as failure:
        await zentitle.create_license_codes(productid=PRO, numcodes=1)

    assert (60.0, False) == (failure.value.retry_after, failure.value.maybe_applied)


async def test_a_cancelled_call_stays_cancelled(sandbox, zentitle):
    sandbox.zentitle.faults.add("list_products", "latency", seconds=5)
    call = asyncio.create_task(zentitle.list_products())
    await asyncio.sleep(0.1)
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
