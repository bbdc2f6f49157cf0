"""What a person sees in the Prefect UI, having logged in at the gateway; and the pictures of it in the docs."""

import io
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from PIL import Image
from playwright.async_api import expect

from hookline import runtime
from tests.browser.workflow_runs import Workflows

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / ("docs/images/prefect" if os.environ.get("PICTURES") else "build/prefect")
SIDEBAR, WIDTH = 256, 1280
SECONDS = 60
"""A page may take as long: the machine may have much else to do."""
DAY, NUMBER = r"\d{4}-\d\d-\d\d", r"\d+"
RECORDS = {
    ("jiwa", "sales-order"): ("orders", "InvoiceID"),
    ("jiwa", "quote"): ("quotes", "QuoteID"),
    ("jiwa", "customer"): ("debtors", "DebtorID"),
    ("zentitle", "license"): ("licenses", "licenseCode"),
    ("zentitle", "company"): ("companies", "companyID"),
    ("zentitle", "trial"): ("trials", "computerId"),
    ("jetadvice", "customer"): ("customers", "customerId"),
    ("jetadvice", "device"): ("devices", "deviceId"),
    ("jifeline", "customer"): ("customers", "id"),
    ("jifeline", "ticket"): ("tickets", "id"),
}
"""Where a simulator has the records of a kind, and the field of their id."""


@dataclass(frozen=True)
class Seen:
    """What must be seen of a run: its name, its state, some of its tasks, its artifact, and what that leads to."""

    name: str
    tasks: tuple[str, ...] = ()
    artifact: str = ""
    links: tuple[str, ...] = ()
    state: str = "Completed"


WORKFLOWS = {
    "order-to-license": Seen(
        rf"order {NUMBER} · Baxter & Lowe Architects",
        ("get_sales_order", "create_license_codes", "create_consumer_data", "create_sales_order_note"),
        rf"order-{NUMBER}",
        ("jiwa/sales-order", "zentitle/license"),
    ),
    "credit-to-revoke": Seen(
        rf"credit note {NUMBER} of order {NUMBER} · Marlin Bay Dental",
        ("codes_of", "choose_codes_to_revoke", "update_license_code", "trigger_email"),
        rf"credit-{NUMBER}",
        ("jiwa/sales-order",),
    ),
    "renewal-reminder": Seen(
        rf"reminders of {DAY}: {NUMBER} quoted",
        ("list_ending_licenses", "create_sales_quote", "trigger_email"),
        "renewal-reminder",
        ("zentitle/license", "jiwa/quote"),
    ),
    "renewal-paid": Seen(
        rf"renewal by order {NUMBER} · Wirra Creek Winery",
        ("choose_license_end", "update_license_code", "create_sales_order_note"),
        "renewal-paid",
        ("zentitle/license", "jiwa/sales-order"),
    ),
    "trial-nurture": Seen(
        rf"trials of {DAY}: {NUMBER} mailed",
        ("list_ending_trials", "upsert_contacts", "trigger_email"),
        "trial-nurture",
        ("zentitle/trial",),
    ),
    "meter-billing": Seen(
        r"meters of \d{4}-\d\d: 2 orders proposed",
        ("request_report_run", "list_customers", "query_debtors"),
        "meter-billing",
        ("jetadvice/customer", "jetadvice/device"),
        "Proposed",
    ),
    "supply-alert": Seen(
        r"printer CLD4120-0077315",
        ("list_devices", "create_sales_order", "trigger_email"),
        "supply-alert",
        ("jetadvice/device", "jiwa/sales-order"),
    ),
    "ticket-to-invoice": Seen(
        rf"ticket {NUMBER} of Mill Road Garage: order {NUMBER}",
        ("list_product_lines", "create_sales_order", "mark_ticket_processed"),
        "ticket-to-invoice",
        ("jifeline/ticket", "jiwa/sales-order"),
    ),
    "customer-sync": Seen(
        rf"customer {NUMBER} · Larkspur Veterinary Clinic",
        ("get_debtor", "add_company", "create_customer", "upsert_contacts"),
        "customer-sync",
        ("jiwa/customer", "zentitle/company", "jetadvice/customer"),
    ),
    "offline-activation": Seen(
        rf"offline activation of {NUMBER}", ("get_offline_activation", "trigger_email")
    ),
    "credential-check": Seen(r"credentials: \d accepted", (), "credential-check"),
    "activation-reminder": Seen(
        rf"license {NUMBER}", ("get_license_code", "get_sales_order", "trigger_email"), state="Reminded"
    ),
    "license-on-loan": Seen(
        r"loan L-318 · Okafor Freight Pty Ltd",
        ("take_next_license_codes", "set_license_terms", "create_license_note", "trigger_email"),
    ),
    "reconcile": Seen(
        rf"orders of {DAY} to {DAY}: {NUMBER} differences?",
        (),
        "reconcile",
        ("zentitle/license",),
        "Differences",
    ),
}


@pytest.fixture
def catalog(sandbox):
    """Change parts of catalog.yaml for one test; without any it is as it was."""
    path = Path(os.environ["HOOKLINE_CATALOG"])
    text = path.read_text(encoding="utf-8")

    def change(**parts):
        path.write_text(yaml.safe_dump(yaml.safe_load(text) | parts) if parts else text, encoding="utf-8")

    change.text = text
    yield change
    change()


@pytest.fixture
def workflows(sandbox, business, prefect_api, until, catalog):
    return Workflows(sandbox, business, prefect_api, until, catalog)


@pytest.fixture
async def ui(sandbox, browser):
    """The Prefect UI of somebody who has logged in; it asks nobody but the gateway, and firms for their records."""
    page = await browser.new_page(viewport={"width": WIDTH, "height": 900})
    page.set_default_timeout(SECONDS * 1000)
    asked = set()
    page.on("request", lambda request: asked.add(urlsplit(request.url)))
    await page.route(
        "https://*.example/**", lambda route: route.fulfill(**record_page(sandbox, route.request.url))
    )
    page.address = sandbox.settings.prefect_ui_url
    await page.goto(f"{page.address}/runs")
    await page.get_by_label("Your token").fill(runtime.local_secret(sandbox.settings.home, "admin-token"))
    await page.get_by_role("button", name="Log in").click()
    await page.get_by_text("Deployments").first.wait_for()
    yield page
    await page.close()
    hosts = {url.netloc for url in asked if url.scheme not in {"data", "blob"}}
    gateway = urlsplit(sandbox.settings.gateway_url).netloc
    assert {gateway} == {host for host in hosts if not host.endswith(".example")}


def record_page(sandbox, address):
    """The page that a firm's vendor has of a record: what its simulator holds."""
    parts = urlsplit(address)
    vendor, kind, id_ = parts.netloc.partition(".")[0], *map(unquote, parts.path.split("/")[1:3])
    rows, field = RECORDS[vendor, kind]
    held = sandbox.records(vendor)
    every = held[rows] + held.get("seeded", {}).get(rows, [])
    found = [row for row in every if str(row[field]) == id_]
    return {"status": 200 if found else 404, "content_type": "application/json", "body": json.dumps(found)}


async def take(page, name, height):
    """Take the picture of the page beside its menu, once it stands still; small, and stored for the docs if asked."""
    area, before = {"x": SIDEBAR, "y": 0, "width": WIDTH - SIDEBAR, "height": height}, None
    for _ in range(60):
        now = await page.screenshot(clip=area)
        if now == before:
            break
        before = now
        await page.wait_for_timeout(300)
    path = IMAGES / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(io.BytesIO(now)).convert("RGB").quantize(96).save(path, optimize=True)

    assert 10_000 < path.stat().st_size < 150_000


async def test_deployments_are_found_by_their_tags_and_started_by_a_form_with_titles_and_texts(
    ui, prefect_api
):
    await ui.goto(f"{ui.address}/deployments")
    # Prefect folds the tags that do not fit in their row, in an order of its own.
    await expect(ui.get_by_text("operations").filter(visible=True).first).to_be_visible()
    await take(ui, "deployments", 860)
    await ui.get_by_placeholder("Search deployments").fill("renewal")
    for text in ("renewal-reminder", "renewal-paid"):
        await expect(ui.get_by_text(text, exact=True).first).to_be_visible()
    await expect(ui.get_by_text("order-to-license", exact=True)).to_have_count(0)

    deployment = prefect_api.get("deployments/name/reconcile/default").json()["id"]
    await ui.goto(f"{ui.address}/deployments/deployment/{deployment}/run")
    for title in ("Days back", "Until", "Repair", "Jiwa account", "Zentitle account"):
        await expect(ui.get_by_text(f"{title} (Optional)", exact=True)).to_be_visible()
    await take(ui, "form", 900)


@pytest.mark.parametrize("workflow", WORKFLOWS)
async def test_a_run_of_each_workflow_says_what_it_did_and_leads_to_the_records(
    workflow, workflows, ui, prefect_api
):
    expected = WORKFLOWS[workflow]
    run = await workflows.run_of(workflow)
    await ui.goto(f"{ui.address}/runs/flow-run/{run}")
    await expect(ui.get_by_text(re.compile(f"^{expected.name}")).first).to_be_visible()
    await expect(ui.get_by_text(expected.state, exact=True).first).to_be_visible()
    await ui.get_by_text("Task Runs", exact=True).first.click()
    for task in expected.tasks:
        await expect(ui.get_by_text(re.compile(f"^{task}")).first).to_be_attached()
    await expect(ui.locator("canvas")).to_have_count(1)
    await take(ui, workflow, 760)
    if not expected.artifact:
        return

    await ui.get_by_text("Artifacts", exact=True).last.click()
    await expect(ui.get_by_text(re.compile(f"^{expected.artifact}$")).first).to_be_visible()
    found = prefect_api.post("artifacts/filter", json={"flow_runs": {"id": {"any_": [run]}}}).json()
    [artifact] = [each for each in found if re.fullmatch(expected.artifact, each["key"])]
    await ui.goto(f"{ui.address}/artifacts/artifact/{artifact['id']}")
    await expect(ui.locator("a[href*='/runs/flow-run/']").first).to_be_visible()
    for kind in expected.links:
        vendor, _, of = kind.partition("/")
        await expect(ui.locator(f"a[href^='https://{vendor}.example/{of}/']").first).to_be_visible()
    if workflow == "reconcile":
        await take(ui, "report", 560)
    links = await ui.evaluate(
        "() => [...document.querySelectorAll('a[href*=\".example/\"]')].map(a => [a.href, a.innerText])"
    )
    for href, text in links:
        answer = await ui.goto(href)
        assert answer.ok, f"{text} leads to no record: {href}"
        [record] = await answer.json()
        assert text.split()[-1].strip("()") in json.dumps(record, ensure_ascii=False)


async def test_scheduled_runs_are_named_for_what_they_did(workflows, ui):
    for workflow in ("credential-check", "renewal-reminder", "trial-nurture", "reconcile"):
        await workflows.started(workflow)
    await ui.goto(f"{ui.address}/runs")

    for name in (
        r"credentials: \d accepted",
        f"reminders of {DAY}: ",
        f"trials of {DAY}: ",
        f"orders of {DAY} to {DAY}: ",
    ):
        await expect(ui.get_by_text(re.compile(f"^{name}")).first).to_be_visible()
    await take(ui, "scheduled-runs", 860)
