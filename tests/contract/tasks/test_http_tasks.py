"""Writes at any HTTP API are in the journal: done once, and a lost answer is looked up, sent again or uncertain."""

import asyncio
import json
import time
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from pydantic import SecretStr

from blocks.base import _loaded
from blocks.http import HttpCredentials
from hookline import context
from hookline.clients import AnswerLost, InvalidInput, NotFound, Refused
from hookline.clients.http.client import StillAtWork
from hookline.journal import EffectConflict, EffectLanding, EffectUncertain
from hookline.journal.resolution import resolve
from hookline.redaction import MASK
from hookline.simulators.control import RefusedError
from tasks import http
from tasks.effects import BusinessKey, Compensation, perform
from tasks.late_checks import reopened

ORDERS = "/records/invoices"


@contextmanager
def stored(account, name="acme"):
    """Credentials as if they were stored by this name."""
    account._block_document_name = name
    _loaded[HttpCredentials, name] = (time.monotonic() + 3600, account)
    yield account
    del _loaded[HttpCredentials, name]


@pytest.fixture
def acme(sandbox):
    """The simulator as an account that is not stored."""
    return HttpCredentials(base_url=sandbox.http.url, login="bearer", token=SecretStr("sandbox-http-token"))


@pytest.fixture
def invoices(sandbox):
    """The invoices as the vendor itself has them."""
    return lambda: sandbox.http.records().get("invoices", [])


async def run(attempt, tries=6):
    """Run it as Prefect does: again after errors that may pass."""
    for number in range(tries):
        try:
            return await attempt()
        except Exception as error:
            if not getattr(error, "transient", False) or number == tries - 1:
                raise
            await asyncio.sleep(getattr(error, "retry_after", None) or 0.01)
    return None


def find(number):
    return http.find(ORDERS, where={"number": number}, params={"number": number})


def write(acme, business, step="invoice", body=None, **options):
    body = body or {"number": "4711"}
    return lambda: http.write.fn(acme, business.step(step), "POST", ORDERS, json=body, **options)


async def states(database):
    return [row["state"] for row in await database.fetch("SELECT state FROM effects ORDER BY id")]


async def test_a_write_is_done_once_however_often_its_flow_runs(acme, business, invoices):
    first = await write(acme, business)()
    second = await write(acme, business)()

    assert first == second
    assert ["4711"] == [each["number"] for each in invoices()]


@pytest.mark.parametrize(
    "fault", [{"kind": "lose"}, {"kind": "garble", "form": "html"}, {"kind": "late", "seconds": 0.1}]
)
async def test_a_lost_answer_is_looked_up_and_there_is_one(
    acme, sandbox, business, invoices, environment, fault
):
    environment.setenv("HOOKLINE_LANDING_SECONDS", "0.3")
    sandbox.http.faults.add("create_record", **fault)

    answer = await run(write(acme, business, readback=find("4711")))

    [made] = invoices()
    assert made == answer


async def test_a_write_that_did_not_arrive_is_sent_again(acme, sandbox, business, invoices):
    sandbox.http.faults.add("create_record", "refuse", status=502, times=2)

    await run(write(acme, business, readback=find("4711")))

    assert 1 == len(invoices())
    assert 3 == len(sandbox.http.requests(operation="create_record"))


async def test_without_a_read_back_a_lost_answer_is_uncertain_until_a_person_says_so(
    acme, sandbox, business, invoices, database, database_settings
):
    sandbox.http.faults.add("create_record", "lose")
    with pytest.raises(EffectUncertain) as caught:
        await run(write(acme, business))
    with pytest.raises(EffectUncertain):
        await run(write(acme, business))

    assert (1, ["uncertain"]) == (len(invoices()), await states(database))
    await resolve(database_settings, caught.value.effect_id, happened=True, reference=[], actor="pat")
    assert None is await run(write(acme, business))
    assert 1 == len(invoices())


async def test_an_idempotency_header_is_sent_again_equal_and_the_vendor_does_it_once(
    acme, sandbox, business, invoices
):
    sandbox.http.faults.add("create_record", "lose", times=2)
    sent = []
    authorize = sandbox.http.authorize
    sandbox.http.authorize = lambda call: (sent.append(call.headers.get("idempotency-key")), authorize(call))
    try:
        answer = await run(write(acme, business, idempotency_header="Idempotency-Key"))
        await run(write(acme, business, "another", {"number": "4712"}, idempotency_header="Idempotency-Key"))
    finally:
        del sandbox.http.authorize

    assert [1, 2] == [sent.count(sent[0]) // 3, len(set(sent))]
    assert 2 == len(invoices())
    assert answer == invoices()[0]


async def test_the_accounts_header_counts_for_each_write_and_none_where_a_write_says_so(
    acme, sandbox, business, invoices
):
    keyed = acme.model_copy(update={"idempotency_header": "Idempotency-Key"})
    sandbox.http.faults.add("create_record", "lose", times=2)
    await run(write(keyed, business))
    sandbox.http.faults.clear()
    sandbox.http.faults.add("create_record", "lose")
    with pytest.raises(EffectUncertain):
        await run(write(keyed, business, "other", idempotency_header=""))

    assert 2 == len(invoices())


async def test_what_is_safe_is_sent_again_without_a_look(acme, sandbox, business):
    made = await http.write.fn(acme, business.step("make"), "POST", ORDERS, json={"number": "1"})
    path = f"{ORDERS}/{made['id']}"
    sandbox.http.faults.add("delete_record", "lose")

    await run(lambda: http.write.fn(acme, business.step("delete"), "DELETE", path, safe=True, done_at=(404,)))

    assert [] == sandbox.http.records()["invoices"]
    assert 2 == len(sandbox.http.requests(operation="delete_record"))


async def test_an_earlier_attempt_that_the_vendor_still_works_on_is_waited_for(acme, business, sandbox):
    sandbox.http.faults.add("create_record", "refuse", status=409, times=2)

    with pytest.raises(StillAtWork):
        await write(acme, business, idempotency_header="Idempotency-Key")()
    assert "4711" == (await run(write(acme, business, idempotency_header="Idempotency-Key")))["number"]


async def test_a_read_back_that_still_may_land_is_waited_for_and_not_sent_twice(
    acme, sandbox, business, environment
):
    environment.setenv("HOOKLINE_LANDING_SECONDS", "60")
    sandbox.http.faults.add("create_record", "late", seconds=30)
    attempt = write(acme, business, readback=find("4711"))
    with pytest.raises(AnswerLost):
        await attempt()
    with pytest.raises(EffectLanding):
        await attempt()

    assert 1 == len(sandbox.http.requests(operation="create_record"))


async def test_a_read_back_takes_only_what_is_ours_though_the_vendor_ignores_the_filter(
    acme, sandbox, business, invoices
):
    for number in ("1", "2", "3"):
        sandbox.http._store("invoices", {"number": number})
    sandbox.http.faults.add("create_record", "lose")
    pages = http.Pages("page", param="page", size_param="per_page", size=2)
    looks = http.find(ORDERS, where={"number": "4711"}, pages=pages)

    answer = await run(write(acme, business, readback=looks))

    assert ("4711", 4) == (answer["number"], len(invoices()))


async def test_a_token_of_the_step_in_a_text_finds_the_write(acme, sandbox, business, invoices):
    step = business.step("note")
    looks = http.find(ORDERS, holding={"memo": step.token})
    sandbox.http.faults.add("create_record", "lose")

    await run(
        lambda: http.write.fn(
            acme, step, "POST", ORDERS, json={"memo": f"Thanks {step.token}"}, readback=looks
        )
    )

    assert 1 == len(invoices())


async def test_a_record_by_a_number_of_ours_is_found_or_not_there_by_404(acme, sandbox, business):
    path = f"{ORDERS}/our-17"
    sandbox.http.faults.add("replace_record", "refuse", status=503)
    looks = http.find(path, where={"id": "our-17"})

    await run(lambda: http.write.fn(acme, business.step("put"), "PUT", path, json={"a": 1}, readback=looks))

    assert [{"a": 1, "id": "our-17"}] == sandbox.http.records()["invoices"]


async def test_a_function_of_ones_own_may_find_the_write(acme, sandbox, business, invoices):
    async def there():
        rows = await http.read.fn(acme, "GET", ORDERS)
        return next((each for each in rows if each["number"] == "4711"), None)

    sandbox.http.faults.add("create_record", "lose")
    answer = await run(write(acme, business, readback=there))

    assert [answer] == invoices()


async def test_the_same_step_with_another_body_is_refused(acme, business):
    await write(acme, business)()
    with pytest.raises(EffectConflict, match="another request"):
        await write(acme, business, body={"number": "4712"})()


async def test_a_refusal_is_told_and_the_corrected_write_is_done(acme, sandbox, business, invoices):
    sandbox.http.faults.add("create_record", "refuse", status=422)
    with pytest.raises(Refused):
        await write(acme, business)()
    await write(acme, business, body={"number": "4712"})()

    assert ["4712"] == [each["number"] for each in invoices()]


async def test_secrets_of_a_body_and_an_answer_are_in_no_row_of_the_journal(acme, business, database):
    body = {"number": "7", "iban": "DE02120300000000202051", "login": {"password": "hunter2-hunter2"}}
    answer = await write(acme, business, body=body, secret_fields=("iban",))()
    again = await write(acme, business, body=body, secret_fields=("iban",))()
    row = str(dict(await database.fetchrow("SELECT * FROM effects")))

    assert (MASK, MASK, answer) == (answer["iban"], answer["login"]["password"], again)
    assert "DE0212" not in row
    assert "hunter2" not in row


async def test_what_is_below_a_secret_name_or_quoted_in_a_path_is_in_no_row_either(acme, business, database):
    body = {"number": "7", "bank": {"iban": "DE-BELOW", "lines": ["DE-LISTED"]}}
    path = f"{ORDERS}?API%5fkey=aa%2fbb-QUOTED&token=FIRST&token=SECOND"
    answer = await http.write.fn(
        acme, business.step("a"), "POST", path, json=body, secret_fields=("bank",), answer="json"
    )
    row = str(dict(await database.fetchrow("SELECT * FROM effects")))

    assert {"iban": MASK, "lines": [MASK]} == answer["bank"]
    assert [] == [each for each in ("BELOW", "LISTED", "QUOTED", "FIRST", "SECOND") if each in row]


async def test_a_read_back_with_a_secret_is_not_stored(acme, business, database):
    looks = http.find(ORDERS, where={"number": "4711"}, params={"api_key": "SECRET-OF-PARAMS"})
    with stored(acme):
        await write("acme", business, readback=looks)()

    assert "SECRET-OF-PARAMS" not in str(dict(await database.fetchrow("SELECT * FROM effects")))


@pytest.mark.parametrize(
    ("where", "stands"),
    [
        ({"amount": 12.5}, {"amount": "12.50"}),
        ({"amount": Decimal("12.50")}, {"amount": 12.5}),
        ({"due": date(2026, 1, 2)}, {"due": "2026-01-02"}),
        ({"due": datetime(2026, 1, 2, 3, tzinfo=UTC)}, {"due": "2026-01-02T03:00:00Z"}),
    ],
)
async def test_a_value_that_the_vendor_writes_otherwise_is_found(acme, sandbox, business, where, stands):
    sandbox.http.faults.add("create_record", "lose")
    await run(write(acme, business, body=stands, readback=http.find(ORDERS, where=where)))

    assert 1 == len(sandbox.http.requests(operation="create_record"))


def test_a_number_that_is_a_text_on_both_sides_is_compared_as_a_text():
    assert not http.find("/x", where={"number": "7"}).is_it({"number": "007"})
    assert not http.find("/x", where={"number": 7}).is_it({"number": "007"})
    assert not http.find("/x", where={"paid": 1}).is_it({"paid": True})


@pytest.mark.parametrize(
    ("path", "said"),
    [("/lists/invoices", "items='data'"), (f"{ORDERS}?per_page=1", "has more pages")],
)
async def test_a_read_back_that_looks_in_the_wrong_place_sends_nothing_again(
    acme, sandbox, business, invoices, environment, path, said
):
    environment.setenv("HOOKLINE_LANDING_SECONDS", "0")
    sandbox.http._store("invoices", {"number": "1"})
    sandbox.http.faults.add("create_record", "lose")
    looks = http.find(path, where={"number": "4711"})
    with pytest.raises(http.Incomplete, match=said):
        await run(write(acme, business, readback=looks))

    assert 2 == len(invoices())
    assert "4711" == (await run(write(acme, business, readback=find("4711"))))["number"]
    assert 2 == len(invoices())


async def test_a_corrected_write_has_another_idempotency_value(acme, sandbox, business):
    sent = []

    def refuse_the_first(call):
        sent.append(call.headers.get("idempotency-key"))
        if len(sent) == 1:
            raise RefusedError(422, "The number is taken.", "invalid")
        type(sandbox.http).authorize(sandbox.http, call)

    sandbox.http.authorize = refuse_the_first
    try:
        with pytest.raises(Refused):
            await write(acme, business, idempotency_header="Idempotency-Key")()
        await write(acme, business, body={"number": "8"}, idempotency_header="Idempotency-Key")()
    finally:
        del sandbox.http.authorize

    assert 2 == len(set(sent))


async def test_the_journal_knows_the_call_its_account_and_what_it_brought(acme, business, database):
    with stored(acme):
        made = await http.write.fn("acme", business.step("invoice"), "POST", ORDERS, json={"n": 1})
    row = await database.fetchrow("SELECT * FROM effects")

    assert ("http.POST /records/invoices", "http/acme", [made["id"]]) == (
        row["operation"],
        row["account"],
        list(row["reference"]),
    )
    assert {"method": "POST", "path": ORDERS, "body": {"n": 1}} == row["request"]


async def test_a_late_check_reopens_the_read_back_of_a_stored_write(acme, sandbox, business, database):
    sandbox.http.faults.add("create_record", "lose")
    pages = http.Pages("page", param="page")
    looks = http.find(ORDERS, where={"number": "4711"}, pages=pages)
    with stored(acme):
        await run(
            lambda: http.write.fn(
                "acme", business.step("invoice"), "POST", ORDERS, json={"number": "4711"}, readback=looks
            )
        )
        sandbox.http._store("invoices", {"number": "4711"})
        row = await database.fetchrow("SELECT * FROM effects")
        async with reopened(row) as (readback, proposal):
            found = await readback()

    assert 2 == len(found.copies)
    assert "by hand" in proposal


async def test_an_empty_answer_is_none_now_and_later(acme, sandbox, business):
    made = sandbox.http._store("invoices", {"number": "1"})
    path = f"{ORDERS}/{made['id']}"
    looks = http.find(ORDERS, where={"id": "nobody"})

    for _ in range(2):
        answer = await http.write.fn(acme, business.step("gone"), "DELETE", path, readback=looks)
        assert None is answer


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"path": "https://evil.example/x"}, "not the address of this account"),
        ({"path": "/x/../y"}, "change the address"),
        ({"method": "GET"}, "method"),
        ({"form": {"a": 1}}, "give one of json, form"),
        ({"headers": {"Host": "x"}}, "Host is set by"),
        ({"json": {"a": float("inf")}}, "body"),
        ({"json": {"a": "x\0y"}}, "null character"),
        ({"json": {"a": "\ud800"}}, "half an emoji|surrogates"),
        ({"json": {"a": SecretStr("hunter2")}}, "get_secret_value"),
        ({"json": {"a": object()}}, "Unable to serialize"),
        ({"params": {"a": "x\0y"}}, "null character"),
        ({"params": {"a": {"b": 1}}}, "single values"),
        ({"params": {"a": SecretStr("hunter2")}}, "get_secret_value"),
        ({"json": None, "form": {"a": {"b": 1}}}, "single values"),
        ({"path": "https://[x"}, "cannot be read"),
        ({"path": "https://pat:hunter2@acme.example/x"}, "a user or a password"),
        ({"headers": {"idempotency-KEY": "1"}, "idempotency_header": "Idempotency-Key"}, "leave it out"),
        ({"idempotency_header": "Idempotency Key"}, "is a word"),
    ],
)
async def test_a_call_that_cannot_be_sent_says_why_and_leaves_nothing_in_the_journal(
    acme, sandbox, business, database, changed, said
):
    inputs = {"method": "POST", "path": ORDERS, "json": {"n": 1}, **changed}
    with pytest.raises(InvalidInput, match=said) as caught:
        await http.write.fn(acme, business.step("x"), **inputs)

    assert "hunter2" not in str(caught.value)
    assert [] == sandbox.http.requests()
    assert [] == await states(database)


async def test_a_write_without_a_step_is_refused(acme, business):
    with pytest.raises(InvalidInput, match="name its step"):
        await http.write.fn(acme, business, "POST", ORDERS, json={})


async def test_a_missing_record_is_not_found(acme):
    with pytest.raises(NotFound):
        await http.read.fn(acme, "GET", "/records/orders/none")


async def test_a_compensation_deletes_what_a_write_made(acme, sandbox, business):
    step = business.step("invoice")
    with stored(acme), context.working_on(uuid4(), uuid4(), in_batch=True):
        made = await http.write.fn(acme, step, "POST", ORDERS, json={"number": "9"})
        compensation = Compensation(business)
        compensation.compensate(step).by(
            http.write, acme, "DELETE", f"{ORDERS}/{made['id']}", safe=True, done_at=(404,)
        )
        [declared] = compensation.steps
        await perform(business.step("undo of invoice"), json.loads(json.dumps(declared.call)))

    assert [] == sandbox.http.records()["invoices"]
    assert ("http.write", "http/acme") == (declared.operation, declared.account)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/orders?token=x", "POST /orders · order 17: invoice"),
        ("/people/pat@firm.example/7", "POST /people/…/… · order 17: invoice"),
    ],
)
def test_runs_of_tasks_are_named_after_what_they_do(path, expected):
    business = BusinessKey("w", "k", "order 17", "invoice")
    name = http.write.task_run_name({"account": "acme", "business": business, "method": "POST", "path": path})

    assert expected == name


def test_a_read_back_without_a_mark_is_refused_where_it_is_declared():
    with pytest.raises(TypeError, match="by what is the record known"):
        http.find(ORDERS)


def test_a_field_that_an_answer_lacks_is_named():
    with pytest.raises(http.Incomplete, match=r"GET /me has no user\.email: user has no email; there is: id"):
        http.field_of({"user": {"id": 1}}, "user.email", of="GET /me")
