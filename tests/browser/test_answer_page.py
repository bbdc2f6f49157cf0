"""The link that asks a person, on a phone in a real browser: one question, one button, once."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.async_api import expect
from pydantic import BaseModel, Field

from hookline.prefect_adapter.suspension import schema_of
from hookline.waits import links, store
from hookline.waits.store import NewWait

IMAGES = Path(__file__).parents[2] / "docs" / "images"
PHONE = {"width": 360, "height": 740}
HOSTILE = "<script>document.title='owned'</script>"


class Decision(BaseModel):
    """What is asked."""

    approved: bool = Field(title="Allocate the licenses?", description="No: nothing is licensed.")
    comment: str = Field(default="", title="Comment", max_length=300)


@pytest.fixture
async def link(inbox):
    new = NewWait(
        scope=f"flow run {uuid4()}",
        name="approval",
        kind="answer",
        fingerprint="approval",
        what="an answer of anna: May order 100123 of Harbour Print & Copy (1004) for 7,250.00 be licensed? "
        + HOSTILE,
        flow_run_id=uuid4(),
        dispatch_id=None,
        began=datetime.now(UTC),
        timeout=timedelta(days=2),
        form=schema_of(Decision),
        people=["anna"],
    )
    row = await store.begin(inbox.database, new)
    yield await links.make(inbox.database, row["id"], "anna")
    await inbox.database.execute("DELETE FROM waits")


async def test_a_person_answers_on_a_phone_without_a_log_in(new_page, link):
    page = await new_page(logged_in=False, java_script_enabled=False, viewport=PHONE)
    await page.goto(link)
    box = await page.get_by_role("button", name="Answer").bounding_box()
    await page.get_by_role("radio", name="Yes").check()
    await page.get_by_label("Comment").fill("call them first")
    await page.get_by_role("button", name="Answer").click()
    await expect(
        page.get_by_role("heading", name="Answer: approved: True, comment: call them first?")
    ).to_be_visible()
    await page.get_by_role("button", name="Answer: yes").click()

    await expect(page.get_by_role("heading", name="Thank you, anna")).to_be_visible()
    await expect(page.get_by_text("approved: True, comment: call them first")).to_be_visible()
    assert box["x"] + box["width"] <= PHONE["width"]
    assert box["height"] >= 38


async def test_the_page_fits_a_phone_and_texts_of_others_cannot_act_on_it(new_page, link):
    page = await new_page(logged_in=False, viewport=PHONE)
    await page.goto(link)

    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert "owned" not in await page.title()
    await expect(page.get_by_text(HOSTILE)).to_be_visible()
    await expect(page.get_by_role("navigation")).to_have_count(0)


async def test_an_answer_without_a_decision_is_not_sent_and_one_that_is_late_says_so(new_page, link):
    first, second = [await new_page(logged_in=False, viewport=PHONE) for _ in range(2)]
    for page in (first, second):
        await page.goto(link)
    await first.get_by_role("button", name="Answer").click()
    await expect(first.get_by_role("heading", name="anna, you are asked")).to_be_visible()
    await first.get_by_role("radio", name="No").check()
    await first.get_by_role("button", name="Answer").click()
    await first.get_by_role("button", name="Answer: yes").click()
    await expect(first.get_by_text("approved: False")).to_be_visible()
    await second.get_by_role("radio", name="Yes").check()
    await second.get_by_role("button", name="Answer").click()

    await expect(second.get_by_text("approved: False")).to_be_visible()
    await expect(second.get_by_role("button", name="Answer")).to_have_count(0)


async def test_the_pages_of_waits_show_it_and_answer_in_the_persons_place(inbox, page, link):
    await page.goto("/waits")
    await page.locator("td a.id").first.click()
    await expect(page.get_by_text("May order 100123").first).to_be_visible()
    await page.get_by_role("radio", name="Yes").check()
    await page.get_by_label("Your name").fill("Ben")
    await page.get_by_role("button", name="Answer").click()
    await page.get_by_role("button", name="Answer: yes").click()

    await expect(page.get_by_text("Answered. Its run goes on.")).to_be_visible()
    await expect(page.get_by_text("by Ben (admin at 127.0.0.1)").first).to_be_visible()


@pytest.mark.skipif("PICTURES" not in os.environ, reason="takes pictures for docs/ where PICTURES=1")
async def test_the_picture_for_the_documentation_is_small(inbox, new_page, link):
    await inbox.database.execute("UPDATE waits SET what = replace(what, $1, '')", f" {HOSTILE}")
    page = await new_page(logged_in=False, viewport={"width": 390, "height": 690})
    await page.goto(link)
    file = IMAGES / "answer-phone.png"
    await page.screenshot(path=file, full_page=True)

    assert file.stat().st_size < 150_000
