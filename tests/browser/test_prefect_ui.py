"""What a person sees of the main job in the Prefect UI, having logged in at the gateway."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hookline import runtime

ROOT = Path(__file__).parents[2]
TASKS = [
    "get_sales_order",
    "create_license_codes",
    "create_consumer_data",
    "trigger_email",
    "create_sales_order_note",
]


@pytest.fixture
def picture():
    """Where the screenshot is kept: beside the build, and in the docs when they are to be renewed."""
    path = ROOT / ("docs/images/prefect-run.png" if os.environ.get("PICTURES") else "build/prefect-run.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


async def test_the_completed_run_stands_in_the_prefect_ui_with_its_task_runs(
    sandbox, business, browser, picture
):
    order = await business.order(("LIC-PRO", 1))
    await business.noted(order)
    deliveries = await business.finished(order)
    paid = next(
        d["flow_run_id"]
        for row in deliveries
        for d in row["dispatches"]
        if business.cli("effects", "list", "--key", d["flow_run_id"], "--json")
    )

    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    asked = []
    page.on("request", lambda request: asked.append(urlsplit(request.url)))
    await page.goto(f"{sandbox.settings.prefect_ui_url}/runs/flow-run/{paid}")
    await page.get_by_label("Admin token").fill(runtime.local_secret(sandbox.settings.home, "admin-token"))
    await page.get_by_role("button", name="Log in").click()
    await page.get_by_text(f"order {order.InvoiceNo} · {order.DebtorName}").first.wait_for(timeout=30_000)
    seen = {}
    await page.get_by_text("Task Runs", exact=True).first.click()
    for task in TASKS:
        await page.get_by_text(task).first.wait_for(timeout=30_000)
        seen[task] = await page.get_by_text(task).first.is_visible()
    await page.screenshot(path=picture)
    completed = await page.get_by_text("Completed").first.is_visible()
    drawn = await page.locator("canvas").count()
    await page.close()

    assert (True, dict.fromkeys(TASKS, True)) == (completed, seen)
    assert drawn
    assert {urlsplit(sandbox.settings.gateway_url).netloc} == {
        url.netloc for url in asked if url.scheme not in {"data", "blob"}
    }
    assert picture.stat().st_size > 10_000
