"""The page that tries a delivery or a pasted body, in a real browser; the routes are tried in a real process."""

import json
import os
from pathlib import Path

import pytest
from playwright.async_api import expect

from hookline.gateway.views import trying

IMAGES = Path(__file__).parents[2] / "docs" / "images"
ORDER = {"InvoiceID": "5244dd5e199749f4b6fe", "InvoiceNo": "100123"}
IN_FORCE = """
sources:
  jiwa: {scheme: shared-secret, accept: [any]}
routes:
  jiwa-order:
    source: jiwa
    deployment: order-to-license/default
    parameters: {invoice_id: "{{ body.InvoiceID }}"}
  jiwa-ledger:
    source: jiwa
    when: body.ledger is defined
    deployment: order-to-license/default
    parameters: {invoice_id: "{{ body.ledger }}"}
"""
CHANGED = IN_FORCE.replace(
    "    source: jiwa\n    deploy", "    source: jiwa\n    when: body.InvoiceNo == 'none'\n    deploy"
)
OVERHANG = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
LONG = 60_000
"""Milliseconds for a try, whose process imports all flows."""


@pytest.fixture(autouse=True)
def environment_of_a_gateway(gateway, database_settings, tmp_path):
    """The environment that a gateway has, and its process for a try inherits."""
    patch = pytest.MonkeyPatch()
    patch.setenv("HOOKLINE_HOME", str(database_settings.home))
    (tmp_path / "hooks.yaml").write_text(IN_FORCE)
    patch.setenv("HOOKLINE_HOOKS", str(tmp_path / "hooks.yaml"))
    yield
    patch.undo()


async def rows(inbox):
    return {
        table: await inbox.database.fetchval(f"SELECT count(*) FROM {table}")
        for table in ("deliveries", "dispatches", "changes")
    }


async def test_a_delivery_is_tried_from_its_page_by_the_files_in_force(inbox, page):
    delivery = await inbox.receive(ORDER)
    before = await rows(inbox)
    await page.goto(f"/deliveries/{delivery}")
    await page.get_by_role("link", name="Try it").click()
    await page.get_by_role("button", name="Try").click(timeout=LONG)

    table = page.get_by_role("region", name="Routes")
    await expect(table.get_by_role("row", name="jiwa-order")).to_contain_text("taken", timeout=LONG)
    await expect(table.get_by_role("row", name="jiwa-order")).to_contain_text(ORDER["InvoiceID"])
    await expect(table.get_by_role("row", name="jiwa-ledger")).to_contain_text("body.ledger is missing")
    assert 0 == await page.evaluate(OVERHANG)
    assert before == await rows(inbox)
    if "PICTURES" in os.environ:
        await page.set_viewport_size({"width": 1120, "height": 900})
        await page.screenshot(path=IMAGES / "inbox-try.png")
        assert (IMAGES / "inbox-try.png").stat().st_size < 150_000


async def test_a_pasted_file_shows_what_it_does_otherwise_and_is_written_nowhere(
    inbox, page, database_settings
):
    delivery = await inbox.receive(ORDER)
    await page.goto(f"/deliveries/{delivery}/try")
    await page.get_by_label("A changed hooks.yaml").fill(CHANGED)
    await page.get_by_role("button", name="Try").click(timeout=LONG)

    differences = page.get_by_role("region", name="What the changed file does otherwise")
    row = differences.get_by_role("row", name="route jiwa-order: verdict")
    await expect(row).to_contain_text("not taken", timeout=LONG)
    await expect(page.get_by_role("region", name="Routes")).to_contain_text("body.InvoiceNo = '100123'")
    await expect(page.get_by_label("A changed hooks.yaml")).to_have_value(CHANGED)
    written = (database_settings.home / "in-force").rglob("*.json")
    assert not [each for each in written if "InvoiceNo == 'none'" in each.read_text()]


async def test_a_pasted_body_is_tried_at_its_source_with_its_headers(inbox, page):
    await page.goto("/sources")
    await page.get_by_role("link", name="Try a body of jiwa").click()
    await page.get_by_label("The body").fill("InvoiceID=7")
    await page.get_by_label("Headers, one in a line").fill("Content-Type: application/x-www-form-urlencoded")
    await page.get_by_role("button", name="Try").click(timeout=LONG)

    await expect(page.get_by_role("region", name="How it is read")).to_contain_text("form", timeout=LONG)
    await expect(page.get_by_role("row", name="jiwa-order")).to_contain_text('{"invoice_id": "7"}')
    assert 0 == await inbox.database.fetchval("SELECT count(*) FROM deliveries")


async def test_a_file_of_a_body_is_tried_byte_for_byte(inbox, page):
    await inbox.receive(b'{"InvoiceID":\r\n"1"}')
    await page.goto("/sources/jiwa/try")
    file = {"name": "order.json", "mimeType": "application/json", "buffer": b'{"InvoiceID":\r\n"1"}'}
    await page.get_by_label("Or a file, byte for byte").set_input_files(file)
    await page.get_by_role("button", name="Try").click(timeout=LONG)

    await expect(page.get_by_role("region", name="How it is read")).to_contain_text(
        "nothing starts", timeout=LONG
    )


@pytest.mark.parametrize(
    ("hooks", "headers", "message"),
    [
        ("sources: {jiwa: {scheme: no-such}}", "", "sources.jiwa.scheme: there is no scheme 'no-such'"),
        ("sources: [", "", "the pasted hooks.yaml is not YAML"),
        (
            "sources: {jiwa: {scheme: shared-secret, schema: /etc/hostname}}",
            "",
            "sources.jiwa.schema: /etc/hostname is outside of",
        ),
        ("", "no header", "Line 1 of the headers is not “Name: value”: no header"),
    ],
)
async def test_what_cannot_be_tried_is_said_with_its_place(inbox, client, hooks, headers, message):
    answer = await try_at(client, "/sources/jiwa/try", body=json.dumps(ORDER), hooks=hooks, headers=headers)

    assert 200 == answer.status_code
    assert message in answer.text.replace("&#39;", "'")


async def test_a_source_or_delivery_that_does_not_exist_is_said_to_be_none(inbox, client):
    unknown = await try_at(client, "/sources/nowhere/try", body="{}")
    nothing = await client.get("/deliveries/11111111-1111-1111-1111-111111111111/try")

    assert "has no source 'nowhere'. There are: jiwa." in unknown.text.replace("&#39;", "'")
    assert 404 == nothing.status_code


async def test_only_a_person_with_the_token_may_try_and_no_more_than_fits(inbox, client):
    stranger = await try_at(inbox.client, "/sources/jiwa/try", body="{}")
    long = await try_at(client, "/sources/jiwa/try", body="x" * (trying.MAX_TEXT + 1))
    longer = await try_at(client, "/sources/jiwa/try", body="x" * (trying.MAX_FORM + 1))

    assert [401, 413, 413] == [each.status_code for each in (stranger, long, longer)]


async def test_a_try_that_ends_without_a_result_is_said_to_be_none(inbox, client, monkeypatch):
    monkeypatch.setattr(trying, "TRY_TIMEOUT_SECONDS", 0.01)

    answer = await try_at(client, "/sources/jiwa/try", body="{}")

    assert "It takes longer than" in answer.text


async def try_at(client, path, **fields):
    """Send the form of a try, as a browser does."""
    origin = {"Origin": str(client.base_url).rstrip("/")}
    return await client.post(
        path, files={name: (None, value) for name, value in fields.items()}, headers=origin, timeout=90
    )
