"""The link by which a person answers: it decides nothing when it is opened, and once when it is posted."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import uuid4

import pytest
from pydantic import BaseModel, Field, SecretStr

from hookline.gateway.views import base
from hookline.prefect_adapter.suspension import schema_of
from hookline.waits import links, store
from hookline.waits.store import Answer, NewWait

CONFIRMED = {"is confirmed": "yes"}
ADMIN = "an admin token of the tests"
MARKUP = '<script>alert("1")</script>'


class Approval(BaseModel):
    """What is asked."""

    approved: bool = Field(description="Licenses are allocated at once.")
    limit: int = Field(0, ge=0, le=100)
    kind: Literal["once", "always"] = "once"
    comment: str = Field("", max_length=500)


@pytest.fixture
async def gateway(serve, database_settings, repository):
    settings = database_settings.model_copy(
        update={
            "hooks": repository / "deployments/hooks.yaml",
            "admin_token": SecretStr(ADMIN),
            "public_url": "https://hooks.example.com",
        }
    )
    async with serve(settings) as client:
        client.headers["Sec-Fetch-Site"] = "same-origin"
        yield client


@pytest.fixture
async def wait(database):
    return await asks(database)


async def asks(database, people=("anna",), **changed):
    run = uuid4()
    new = NewWait(
        scope=f"flow run {run}",
        name="approval",
        kind="answer",
        fingerprint="approval",
        what=f"an answer of anna: Approve order 100123 of {MARKUP}?",
        flow_run_id=run,
        dispatch_id=None,
        began=datetime.now(UTC),
        form=schema_of(Approval),
        people=people,
        **{"timeout": timedelta(days=1), **changed},
    )
    return await store.begin(database, new)


@pytest.fixture
async def link(database, wait):
    return await links.make(database, wait["id"], "anna")


async def read(database, wait):
    return await store.read(database, wait["id"])


async def test_to_open_the_link_shows_the_question_and_decides_nothing(gateway, database, wait, link):
    """Mail scanners open links, with GET and with HEAD, and from anywhere."""
    pages = [await gateway.get(link), await gateway.get(link, headers={"Sec-Fetch-Site": "cross-site"})]
    await gateway.head(link)
    await gateway.get(f"{link}?approved=yes")

    stored, page = await read(database, wait), pages[0]
    assert ("waiting", [200, 200]) == (stored["state"], [page.status_code for page in pages])
    assert "Approve order 100123" in page.text
    assert MARKUP not in page.text
    assert 'name="approved"' in page.text
    assert ("no-store", "same-origin") == (page.headers["cache-control"], page.headers["referrer-policy"])
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert not gateway.cookies


async def test_the_answer_holds_and_says_who_gave_it_when_and_how(gateway, database, wait, link):
    posted = await gateway.post(
        link, data={**CONFIRMED, "approved": "yes", "limit": "7", "kind": "always", "comment": " fine "}
    )
    thanks = await gateway.get(posted.headers["location"])

    stored = await read(database, wait)
    assert (303, 200, True) == (posted.status_code, thanks.status_code, "Thank you, anna" in thanks.text)
    assert {"approved": True, "limit": 7, "kind": "always", "comment": "fine"} == stored["answer"]
    assert ("answered", "anna", "link") == (stored["state"], stored["answered_by"], stored["answered_way"])
    trail = await database.fetch(
        "SELECT became, actor, reason FROM changes WHERE wait_id = $1 ORDER BY id", wait["id"]
    )
    assert ["waiting", "answered"] == [row["became"] for row in trail]
    assert ("anna", True) == (trail[1]["actor"], "anna (link): approved: True" in trail[1]["reason"])


async def test_many_clicks_at_once_are_one_answer(gateway, database, wait, link):
    clicks = [gateway.post(link, data={**CONFIRMED, "approved": "yes" if n % 2 else "no"}) for n in range(10)]
    answers = await asyncio.gather(*clicks)

    changes = await database.fetchval(
        "SELECT count(*) FROM changes WHERE wait_id = $1 AND became = 'answered'", wait["id"]
    )
    assert (1, {200, 303}) == (changes, {200} | {answer.status_code for answer in answers} - {200})


@pytest.mark.parametrize("end", ["answered", "expired", "cancelled"])
async def test_who_is_late_is_told_so_and_changes_nothing(gateway, database, wait, link, end):
    match end:
        case "answered":
            await store.answer(database, wait["id"], Answer({"approved": False}, "boss", "page"))
        case "expired":
            await database.execute("UPDATE waits SET until = now()")
            await store.time_out(database)
        case "cancelled":
            await store.cancel(database, wait["id"], actor="ann", reason="withdrawn")
    opened, posted = await gateway.get(link), await gateway.post(link, data={**CONFIRMED, "approved": "yes"})

    assert [410, 410] == [opened.status_code, posted.status_code]
    assert "This is over" in posted.text
    assert end == (await read(database, wait))["state"]
    assert (await read(database, wait))["answer"] in ({"approved": False}, None)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "approved is missing"),
        ({"approved": "perhaps"}, "approved must be yes or no"),
        ({"approved": "yes", "limit": "101"}, "limit must be 100 or less"),
        ({"approved": "yes", "limit": "1e3"}, "limit must be a whole number"),
        ({"approved": "yes", "kind": "never"}, "kind must be one of once, always"),
        ({"approved": "yes", "comment": "x" * 501}, "comment has more than 500 characters"),
        ({"approved": "yes", "more": "x"}, "more there is no such field"),
    ],
)
async def test_what_does_not_fit_is_asked_again_with_what_was_typed(
    gateway, database, wait, link, fields, message
):
    page = await gateway.post(link, data=fields)

    assert (422, True) == (page.status_code, message in page.text)
    assert "waiting" == (await read(database, wait))["state"]


async def test_another_site_cannot_answer_and_a_body_that_is_too_long_is_refused(
    gateway, database, wait, link
):
    elsewhere = await gateway.post(
        link,
        data={**CONFIRMED, "approved": "yes"},
        headers={"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    )
    too_long = await gateway.post(link, data={**CONFIRMED, "approved": "yes", "comment": "x" * 70_000})

    assert ([403, 413], "waiting") == (
        [elsewhere.status_code, too_long.status_code],
        (await read(database, wait))["state"],
    )


async def test_a_guessed_link_leads_to_nothing_and_many_of_them_to_a_wait(gateway, monkeypatch):
    monkeypatch.setattr(base, "MAX_WRONG_LINKS", 20)
    guesses = [await gateway.get(f"{links.PATH}{'x' * 43}") for _ in range(22)]

    assert [404] * 20 + [429] * 2 == [guess.status_code for guess in guesses]


async def test_a_link_is_stored_as_a_digest_and_dies_with_its_wait(gateway, database, wait, link):
    rows = await database.fetch("SELECT l::text FROM wait_links l")
    await database.execute("DELETE FROM waits")
    gone = await gateway.get(link)

    token = link.removeprefix(links.PATH)
    assert (False, 404) == (token in str(rows), gone.status_code)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)


async def test_everyone_who_was_asked_has_a_link_and_one_of_them_answers(gateway, database, wait, link):
    other = await links.make(database, wait["id"], "boss")
    await gateway.post(other, data={**CONFIRMED, "approved": "no"})
    late = await gateway.post(link, data={**CONFIRMED, "approved": "yes"})

    stored = await read(database, wait)
    assert ("boss", {"approved": False}) == (stored["answered_by"], stored["answer"])
    assert "by boss" in late.text


async def test_the_pages_of_waits_need_a_log_in_and_answer_in_a_persons_place(gateway, database, wait):
    closed = await gateway.get("/waits")
    refused = await gateway.post(f"/waits/{wait['id']}/answer", data={**CONFIRMED, "approved": "yes"})
    await gateway.post("/login", data={"token": ADMIN})
    listed, one = await gateway.get("/waits"), await gateway.get(f"/waits/{wait['id']}")
    answered = await gateway.post(
        f"/waits/{wait['id']}/answer", data={**CONFIRMED, "approved": "yes", "your name": "Ann"}
    )
    again = await gateway.post(f"/waits/{wait['id']}/answer", data={**CONFIRMED, "approved": "no"})

    stored = await read(database, wait)
    assert (303, 401, 303, 409) == (
        closed.status_code,
        refused.status_code,
        answered.status_code,
        again.status_code,
    )
    assert "Approve order 100123" in listed.text
    assert 'name="approved"' in one.text
    assert stored["answered_by"].startswith("Ann (admin at ")
    assert ("page", {"approved": True}) == (stored["answered_way"], stored["answer"])


async def test_a_wait_is_cancelled_on_its_page_with_a_reason(gateway, database, wait):
    await gateway.post("/login", data={"token": ADMIN})
    without = await gateway.post(f"/waits/{wait['id']}/cancel", data={})
    cancelled = await gateway.post(f"/waits/{wait['id']}/cancel", data={**CONFIRMED, "reason": "withdrawn"})

    stored = await read(database, wait)
    assert (400, 303, "cancelled") == (without.status_code, cancelled.status_code, stored["state"])
    assert "withdrawn" in stored["reason"]


async def test_a_wait_that_is_over_is_reopened_on_its_page_and_its_link_answers_again(
    gateway, database, wait, link
):
    await gateway.post(link, data={**CONFIRMED, "approved": "no"})
    await gateway.post("/login", data={"token": ADMIN})
    reopened = await gateway.post(f"/waits/{wait['id']}/reopen", data={**CONFIRMED, "reason": "a mistake"})
    again = await gateway.post(f"/waits/{wait['id']}/reopen", data={**CONFIRMED, "reason": "a mistake"})
    await gateway.post(link, data={**CONFIRMED, "approved": "yes"})

    stored = await read(database, wait)
    assert (303, 409, {"approved": True}) == (reopened.status_code, again.status_code, stored["answer"])
