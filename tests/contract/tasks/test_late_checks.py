"""What happened twice is found when it is looked for again, and what happened once is left alone."""

import asyncio
import time
from pkgutil import resolve_name

import pytest

from blocks import BLOCKS, base
from hookline.clients import VendorError
from hookline.engine import late_checks
from hookline.engine.late_checks import check_late
from hookline.errors import HooklineError
from hookline.journal import EffectLanding, EffectUncertain, store
from hookline.journal.late_check import delay
from hookline.journal.resolution import keep, resolve, undo
from hookline.settings import settings
from tasks import jiwa as jiwa_tasks
from tasks import late_checks as tasks_of_late_checks
from tasks import sensorpro as sensorpro_tasks
from tasks import zentitle as zentitle_tasks

PRODUCT = "6453300110"
DAY = 86_400


@pytest.fixture(autouse=True)
def stored(zentitle, jiwa, sensorpro, monkeypatch):
    """The accounts as they are in an engine that has just read them from Prefect."""
    for account in (zentitle, jiwa, sensorpro):
        account._block_document_name = "default"
        monkeypatch.setitem(base._loaded, (type(account), "default"), (time.monotonic() + DAY, account))


async def effect(database, step):
    return await database.fetchrow("SELECT * FROM effects WHERE step = $1", step)


async def surplus_of(database, number):
    return await database.fetchval("SELECT surplus FROM effects WHERE id = $1", number)


async def look_again(database, seconds=DAY):
    """Let so much time pass, and the engine do what is due then."""
    await database.execute("UPDATE effects SET check_at = check_at - make_interval(secs => $1)", seconds)
    await check_late(database, settings())


async def again_and_again(call):
    while True:
        try:
            return await call()
        except (EffectLanding, VendorError) as error:
            if not error.transient or (error.retry_after or 0) > store.MAY_LEAVE_SECONDS:
                raise


async def license_of(zentitle, business):
    """Bring one license code; its first answer is lost."""

    async def call():
        return await zentitle_tasks.create_license_codes.fn(
            zentitle, business.step("license"), productid=PRODUCT, numcodes=1
        )

    return await again_and_again(call)


def lose(simulator, operation, kind="lose"):
    simulator.faults.add(operation, kind)


async def land(zentitle, **inputs):
    """What the vendor does at last with a request that nobody waits for any more."""
    async with zentitle.get_client() as client:
        return await client.create_license_codes(productid=PRODUCT, numcodes=1, **inputs)


async def test_a_license_that_lands_behind_its_landing_time_is_found_doubled(
    sandbox, database, zentitle, business
):
    lose(sandbox.zentitle, "create_license_codes", "refuse")  # it does so only later
    [code] = await license_of(zentitle, business)
    [late] = await land(zentitle)

    await look_again(database, 60)

    row = await effect(database, "license")
    assert ("doubled", [code], [late]) == (row["state"], row["reference"], row["surplus"])
    assert f"zentitle shows {late} beside {code}, which was wanted." in row["reason"]
    assert f"hookline effects undo {row['id']}" in row["reason"]


async def test_a_license_whose_answer_was_only_lost_is_looked_for_four_times_and_left_alone(
    sandbox, database, zentitle, business
):
    lose(sandbox.zentitle, "create_license_codes")
    [code] = await license_of(zentitle, business)
    due = []
    while (row := await effect(database, "license"))["check_at"] is not None:
        due.append(await database.fetchval("SELECT extract(epoch FROM check_at - now())::int FROM effects"))
        await look_again(database)

    expected = [60, 540, 3000, DAY - 3600]
    assert ("done", [code], [], 4) == (row["state"], row["reference"], row["surplus"], row["checks"])
    assert all(abs(actual - planned) < 30 for actual, planned in zip(due, expected, strict=True))


async def test_what_is_done_at_the_first_attempt_is_not_looked_for_again(
    sandbox, database, zentitle, business
):
    await license_of(zentitle, business)

    row = await effect(database, "license")
    assert ("done", None, None) == (row["state"], row["check_at"], row["call"])


async def test_the_licenses_of_other_orders_are_no_doubles(sandbox, database, zentitle, business):
    lose(sandbox.zentitle, "create_license_codes", "refuse")
    await license_of(zentitle, business)
    await zentitle_tasks.create_license_codes.fn(
        zentitle, business.step("license of another line"), productid=PRODUCT, numcodes=2
    )

    await look_again(database)

    assert "done" == (await effect(database, "license"))["state"]


async def test_a_check_waits_while_another_write_may_bring_what_it_would_count(
    sandbox, database, zentitle, business, environment, caplog
):
    lose(sandbox.zentitle, "create_license_codes", "refuse")
    await license_of(zentitle, business)
    environment.setenv("HOOKLINE_LANDING_SECONDS", "600")
    settings.cache_clear()
    lose(sandbox.zentitle, "create_license_codes")
    with pytest.raises(VendorError):
        await zentitle_tasks.create_license_codes.fn(
            zentitle, business.step("another"), productid=PRODUCT, numcodes=1
        )

    await look_again(database)

    row = await effect(database, "license")
    assert ("done", 0, True) == (row["state"], row["checks"], row["check_at"] is not None)
    assert "could not be checked" not in caplog.text


@pytest.mark.parametrize(
    ("step", "simulator", "operation", "write"),
    [
        (
            "note",
            "jiwa",
            "create_sales_order_note",
            lambda case, business: jiwa_tasks.create_sales_order_note.fn(
                case["jiwa"], business, InvoiceID=case["order"], NoteText="Mailed"
            ),
        ),
        (
            "license note",
            "zentitle",
            "create_license_note",
            lambda case, business: zentitle_tasks.create_license_note.fn(
                case["zentitle"], business, productid=PRODUCT, licensecode=case["code"], description="Order 7"
            ),
        ),
        (
            "record",
            "zentitle",
            "create_consumer_data",
            lambda case, business: zentitle_tasks.create_consumer_data.fn(
                case["zentitle"],
                business,
                productid=PRODUCT,
                licensecode=case["code"],
                computerid="pc-7",
                clientinfo={"firstname": "Ines"},
            ),
        ),
    ],
    ids=["order note", "license note", "consumer record"],
)
async def test_what_carries_a_token_is_found_doubled_by_it(
    sandbox, database, zentitle, jiwa, business, step, simulator, operation, write
):
    [code] = await land(zentitle)
    case = {"zentitle": zentitle, "jiwa": jiwa, "code": code, "order": await an_order(jiwa)}
    lose(getattr(sandbox, simulator), operation, "refuse")
    await again_and_again(lambda: write(case, business.step(step)))
    await database.execute("UPDATE effects SET step = 'elsewhere' WHERE step = $1", step)
    await write(case, business.step(step))  # lands once more, with the same token
    await database.execute("DELETE FROM effects WHERE step = $1", step)
    await database.execute("UPDATE effects SET step = $1 WHERE step = 'elsewhere'", step)

    await look_again(database)

    row = await effect(database, step)
    assert ("doubled", 1) == (row["state"], len(row["surplus"]))
    assert not {*row["surplus"]} & {*row["reference"]}


async def an_order(jiwa):
    async with jiwa.get_client() as client:
        debtor = await client.create_debtor(AccountNo="LATE", Name="Late & Co")
        order = await client.create_sales_order(DebtorAccountNo=debtor.AccountNo)
    return order.InvoiceID


async def test_a_person_s_word_is_checked_too(sandbox, database, zentitle, business):
    """Two codes came of one request, and the person who looked named one."""
    await license_of(zentitle, business)
    lose(sandbox.zentitle, "create_license_codes", "refuse")
    call = zentitle_tasks.create_license_codes.fn
    with pytest.raises(VendorError):
        await call(zentitle, business.step("second"), productid=PRODUCT, numcodes=1)
    codes = [*await land(zentitle), *await land(zentitle)]
    with pytest.raises(EffectUncertain):
        await again_and_again(lambda: call(zentitle, business.step("second"), productid=PRODUCT, numcodes=1))
    number = (await effect(database, "second"))["id"]
    await resolve(settings(), number, happened=True, reference=codes[:1], actor="ann")

    await look_again(database)

    row = await effect(database, "second")
    assert ("doubled", codes[:1], codes[1:]) == (row["state"], row["reference"], row["surplus"])


async def test_a_mail_cannot_be_looked_for_again(sandbox, database, sensorpro, business):
    lose(sandbox.sensorpro, "trigger_email")
    with pytest.raises(EffectUncertain):
        await sensorpro_tasks.trigger_email.fn(
            sensorpro,
            business.step("mail"),
            CampId="3f0c6a52-9d1e-4b7a-8c35-5e0f7a9b2d14",
            BroadcastId=1,
            ContactData={"PersonalEMail": "ines@example.com"},
        )
    number = (await effect(database, "mail"))["id"]

    await resolve(settings(), number, happened=True, reference=[], actor="ann")

    row = await effect(database, "mail")
    assert (None, None) == (row["check_at"], row["call"])


async def test_a_vendor_that_does_not_answer_is_asked_again_later(sandbox, database, zentitle, business):
    lose(sandbox.zentitle, "create_license_codes", "refuse")
    await license_of(zentitle, business)
    sandbox.zentitle.faults.add("list_license_codes", "refuse", times=0)

    await look_again(database)
    sandbox.zentitle.faults.clear()
    unanswered = await effect(database, "license")
    [late] = await land(zentitle)
    await look_again(database)

    assert (0, True) == (unanswered["checks"], unanswered["check_at"] is not None)
    assert [late] == (await effect(database, "license"))["surplus"]


async def test_what_a_person_says_may_stay_is_no_double_any_more(sandbox, database, zentitle, business):
    lose(sandbox.zentitle, "create_license_codes", "refuse")
    await license_of(zentitle, business)
    [by_hand] = await land(zentitle)
    await look_again(database, 60)
    number = (await effect(database, "license"))["id"]

    sentence = await keep(settings(), number, actor="ann")
    await look_again(database)

    row = await effect(database, "license")
    assert ("done", [by_hand], True) == (row["state"], row["decided"], by_hand in sentence)


@pytest.fixture
def without_prefect(monkeypatch):
    """Undo without a server for the task runs."""

    async def perform(business, call):
        account = await BLOCKS[call["vendor"]].named(call["account"])
        await resolve_name(call["task"]).fn(account, business, **call["inputs"])

    monkeypatch.setattr(tasks_of_late_checks, "perform", perform)


@pytest.mark.usefixtures("without_prefect")
async def test_what_may_stay_is_not_undone_with_what_comes_later(sandbox, database, zentitle, business):
    lose(sandbox.zentitle, "create_license_codes", "refuse")
    await license_of(zentitle, business)
    [by_hand] = await land(zentitle)
    await look_again(database, 60)
    number = (await effect(database, "license"))["id"]
    await keep(settings(), number, actor="ann")
    [late] = await land(zentitle)
    await look_again(database)

    sentence = await undo(settings(), number, surplus=await surplus_of(database, number), actor="ann")
    await check_late(database, settings())

    row = await effect(database, "license")
    assert ("done", f"Undone: disable the license code {late}") == (row["state"], row["reason"])
    assert by_hand not in sentence
    assert ([], [by_hand, late]) == (row["surplus"], row["decided"])
    assert await is_enabled(zentitle, by_hand)
    assert not await is_enabled(zentitle, late)


async def is_enabled(zentitle, code):
    async with zentitle.get_client() as client:
        return (await client.get_license_code(productid=PRODUCT, licensecode=code)).enabledforuse


@pytest.mark.usefixtures("without_prefect")
async def test_what_is_found_while_an_earlier_surplus_is_undone_is_not_forgotten(
    sandbox, database, zentitle, business
):
    lose(sandbox.zentitle, "create_license_codes", "refuse")
    await license_of(zentitle, business)
    await land(zentitle)
    await look_again(database, 60)
    number = (await effect(database, "license"))["id"]
    await undo(settings(), number, surplus=await surplus_of(database, number), actor="ann")
    [then] = await store.requested_undos(database)
    [late] = await land(zentitle)
    await look_again_elsewhere(database)

    await late_checks._undo(database, then)

    row = await effect(database, "license")
    assert ("doubled", [late], then["surplus"]) == (row["state"], row["surplus"], row["decided"])
    assert late in row["reason"]


async def test_an_undo_that_waits_for_its_vendor_keeps_no_check_of_another_waiting(
    sandbox, database, zentitle, business, monkeypatch
):
    lose(sandbox.zentitle, "create_license_codes", "refuse")
    await license_of(zentitle, business)
    await land(zentitle)
    await look_again(database, 60)
    number = (await effect(database, "license"))["id"]
    vendor_is_back, begun = asyncio.Event(), []

    async def waits(row):
        begun.append(row["id"])
        await vendor_is_back.wait()
        return "Undone"

    monkeypatch.setattr(tasks_of_late_checks, "undo", waits)
    monkeypatch.setattr(late_checks, "UNDO_SECONDS", 0.1)
    await undo(settings(), number, surplus=await surplus_of(database, number), actor="ann")
    await land(zentitle)

    for _ in range(2):
        await asyncio.wait_for(look_again(database), 5)

    assert (2, [number]) == (len((await effect(database, "license"))["surplus"]), begun)
    vendor_is_back.set()
    await asyncio.gather(*late_checks.undoing.values())
    assert ("doubled", 1) == (
        (row := await effect(database, "license"))["state"],
        len(row["surplus"]),
    )


async def look_again_elsewhere(database):
    """Another engine makes the check that is due, while the undo is on its way."""
    await database.execute("UPDATE effects SET check_at = now() - interval '1 s'")
    for row in await store.claim_checks(database, 10, 300):
        await late_checks._check(settings(), row)


async def test_what_cannot_be_undone_says_what_a_person_does(sandbox, database, zentitle, business):
    [code] = await land(zentitle)
    lose(sandbox.zentitle, "create_consumer_data", "refuse")
    inputs = {
        "productid": PRODUCT,
        "licensecode": code,
        "computerid": "pc-7",
        "clientinfo": {"firstname": "I"},
    }
    write = zentitle_tasks.create_consumer_data.fn
    await again_and_again(lambda: write(zentitle, business.step("record"), **inputs))
    await database.execute("UPDATE effects SET state = 'doubled', surplus = '{x}'")
    number = (await effect(database, "record"))["id"]
    await undo(settings(), number, surplus=await surplus_of(database, number), actor="ann")

    await check_late(database, settings())

    row = await effect(database, "record")
    assert ("doubled", None) == (row["state"], row["undo_actor"])
    assert f"put it right there by hand, then say so: hookline effects undo {number} --keep" in row["reason"]


async def test_what_no_check_can_look_for_is_put_right_by_hand(sandbox, database, zentitle, business):
    """Two processes did it, and the account is not stored: nothing can reopen it."""
    zentitle._block_document_name = None
    await license_of(zentitle, business)
    number = (await effect(database, "license"))["id"]
    async with database.acquire() as connection:
        await store.doubled(connection, number, ["late"], "too many", next_after=0)
        assert [] == await store.claim_checks(connection, 10, 300)
    await undo(settings(), number, surplus=await surplus_of(database, number), actor="ann")

    await check_late(database, settings())

    assert (
        f"then say so: hookline effects undo {number} --keep" in (await effect(database, "license"))["reason"]
    )


def test_the_times_of_the_checks_count_from_the_end_of_the_write():
    waits = [delay(settings(), checks) for checks in range(5)]

    assert [60, 540, 3000, DAY - 3600, None] == waits


@pytest.mark.usefixtures("without_prefect")
async def test_only_what_the_person_saw_is_undone(sandbox, database, zentitle, business):
    """A code that is found between the confirmation and the undo is one that nobody has looked at."""
    lose(sandbox.zentitle, "create_license_codes", "refuse")
    await license_of(zentitle, business)
    [seen] = await land(zentitle)
    await look_again(database, 60)
    number = (await effect(database, "license"))["id"]
    await undo(settings(), number, surplus=[seen], actor="ann")
    [later] = await land(zentitle)
    await look_again_elsewhere(database)
    [asked] = await store.requested_undos(database)

    await late_checks._undo(database, asked)

    assert [later] == (await effect(database, "license"))["surplus"]
    assert (False, True) == (await is_enabled(zentitle, seen), await is_enabled(zentitle, later))


@pytest.mark.parametrize("surplus", [[], ["another"]])
async def test_what_is_no_surplus_is_not_undone(sandbox, database, zentitle, business, surplus):
    lose(sandbox.zentitle, "create_license_codes", "refuse")
    await license_of(zentitle, business)
    await land(zentitle)
    await look_again(database, 60)
    number = (await effect(database, "license"))["id"]

    with pytest.raises(HooklineError, match="look at it again"):
        await undo(settings(), number, surplus=surplus, actor="ann")

    assert (await effect(database, "license"))["undo_actor"] is None
