"""The inbox page in a real browser, over a real gateway and database."""

import json
import os
import re
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import expect

IMAGES = Path(__file__).parents[2] / "docs" / "images"
HOSTILE = '</pre><script>document.title = "owned"</script><img src=x onerror="document.title=\'owned\'">'


def order(number="100123", invoice=None):
    return {
        "InvoiceID": invoice or str(uuid4()),
        "InvoiceNo": number,
        "DebtorName": "Harbour Print & Copy",
        "Lines": [{"PartNo": "PRO-1", "QuantityOrdered": 2}],
    }


async def one_uncertain(inbox, *, wanted=2):
    """A delivery whose license answer was lost: its id and the effect's number."""
    body = order()
    delivery = await inbox.receive(body)
    run = await inbox.dispatch(delivery, body["InvoiceID"], "uncertain", reason="It is not known.")
    effect = await inbox.effect(
        run,
        body["InvoiceID"],
        "order 100123",
        "license PRO-1",
        "uncertain",
        wanted=wanted,
        reason="The connection broke after the request had left.",
        request={"product_id": 7, "number": 2},
    )
    return delivery, effect


async def test_whoever_is_not_logged_in_is_asked_for_the_token_and_then_lands_where_they_wanted(inbox, page):
    delivery = await inbox.receive(order())

    await page.goto(f"/deliveries/{delivery}")
    await expect(page).to_have_url(re.compile(r"/login\?next="))
    await page.get_by_label("Admin token").fill("guessed")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("That is not the admin token.")
    await page.get_by_label("Admin token").fill(inbox.admin_token)
    await page.keyboard.press("Enter")

    await expect(page).to_have_url(re.compile(f"/deliveries/{delivery}$"))


async def test_logging_out_closes_the_inbox(inbox, logged_in):
    await logged_in.get_by_role("button", name="Log out").click()
    await logged_in.goto("/")

    await expect(logged_in.get_by_label("Admin token")).to_be_visible()


async def test_an_empty_inbox_says_what_to_do(inbox, logged_in):
    await expect(logged_in.get_by_role("heading", name="Nothing has been received yet")).to_be_visible()
    await expect(logged_in.get_by_text("hookline send jiwa order.json")).to_be_visible()


async def test_a_delivery_is_listed_with_what_became_of_it(inbox, logged_in):
    body = order()
    delivery = await inbox.receive(body)
    await inbox.receive(body)
    run = await inbox.dispatch(delivery, body["InvoiceID"], "done")
    await inbox.effect(run, body["InvoiceID"], "order 100123", "license PRO-1", "done", reference=["LIC-1"])

    await logged_in.goto("/")
    row = logged_in.get_by_role("row").nth(1)

    await expect(row.get_by_role("link", name="order 100123")).to_have_attribute(
        "href", f"/deliveries/{delivery}"
    )
    await expect(row).to_contain_text("Done")
    await expect(row).to_contain_text("jiwa-order")
    await expect(row.get_by_role("cell").nth(4)).to_have_text("1")
    await expect(row.get_by_role("link", name="in Prefect")).to_have_attribute(
        "href", f"http://127.0.0.1:4200/runs/flow-run/{run}"
    )


async def test_the_list_narrows_by_state_source_and_whatever_names_the_order(inbox, logged_in):
    bodies = [order(number) for number in ("100123", "100124", "100125")]
    ids = [await inbox.receive(body) for body in bodies]
    runs = [
        await inbox.dispatch(delivery, body["InvoiceID"], state)
        for delivery, body, state in zip(ids, bodies, ("failed", "done", "running"), strict=True)
    ]
    for run, body in zip(runs, bodies, strict=True):
        number = body["InvoiceNo"]
        label = f"order {number}"
        await inbox.effect(
            run, body["InvoiceID"], label, "license PRO-1", "done", reference=[f"LIC-{number}"]
        )

    async def shown(query):
        await logged_in.goto(f"/?{query}")
        links = await logged_in.locator("td.what a").all()
        return [(await link.get_attribute("href")).removeprefix("/deliveries/") for link in links]

    first = str(ids[0])
    for key in (
        "100123",
        "order 100123",
        "LIC-100123",
        bodies[0]["InvoiceID"],
        f"jiwa order {bodies[0]['InvoiceID']}",
        str(runs[0]),
        str(runs[0])[:8],
        first,
        first[:8],
    ):
        assert [first] == await shown(f"key={key}"), key
    assert [] == await shown("key=100")
    assert [first] == await shown("state=failed")
    assert [str(ids[1])] == await shown("state=done")
    assert [str(ids[2])] == await shown("state=running&source=jiwa")
    assert [] == await shown("source=nobody")
    assert [str(delivery) for delivery in reversed(ids)] == await shown("source=jiwa")


async def test_older_deliveries_are_a_page_further(inbox, logged_in):
    for number in range(53):
        await inbox.receive(order(str(number)))

    await logged_in.goto("/")
    first = await logged_in.locator("td.what a").count()
    await logged_in.get_by_role("link", name="Older").click()
    second = await logged_in.locator("td.what a").count()

    assert (50, 3) == (first, second)
    await expect(logged_in.get_by_role("link", name="Older")).to_have_count(0)
    await logged_in.get_by_role("link", name="Latest").click()
    await expect(logged_in).to_have_url(re.compile(r"/$"))


async def test_a_delivery_shows_its_request_inert_and_without_the_secret(inbox, logged_in):
    delivery = await inbox.receive({"InvoiceID": "1", "note": HOSTILE}, **{"X-Trace": HOSTILE})

    await logged_in.goto(f"/deliveries/{delivery}")
    text = await logged_in.locator("main").inner_text()

    assert HOSTILE in text  # in the header; in the body it is JSON, quotes escaped
    assert json.dumps(HOSTILE) in await logged_in.get_by_label("Body").inner_text()
    assert "owned" not in await logged_in.title()
    assert inbox.jiwa_secret not in await logged_in.content()
    assert 0 == await logged_in.locator("main script, main img").count()
    await expect(
        logged_in.get_by_text("The shared secret of jiwa, in the header X-Hookline-Key.")
    ).to_be_visible()


async def test_a_long_body_is_cut_with_a_note_and_can_be_saved_whole(inbox, logged_in):
    body = json.dumps({"InvoiceID": "1", "pad": "é" * 60_000}).encode()
    delivery = await inbox.receive(body)

    await logged_in.goto(f"/deliveries/{delivery}")
    await expect(logged_in.get_by_text("Only the first 64.0 KB are shown.")).to_be_visible()
    async with logged_in.expect_download() as download:
        await logged_in.get_by_role("link", name="Save the body").click()

    assert body == (await (await download.value).path()).read_bytes()


async def test_a_failed_delivery_is_replayed_by_a_button(inbox, logged_in):
    body = order()
    delivery = await inbox.receive(body)
    await inbox.dispatch(delivery, body["InvoiceID"], "failed", reason="Zentitle: 500")

    await logged_in.goto(f"/deliveries/{delivery}")
    await logged_in.get_by_role("button", name="Replay").click()

    await expect(logged_in.get_by_role("status")).to_contain_text("It goes through again.")
    assert ("dispatched", ["waiting"]) == await inbox.state(delivery)
    await logged_in.reload()
    await expect(logged_in.get_by_role("status")).to_have_count(0)


async def test_setting_a_delivery_aside_asks_for_a_reason_and_needs_no_mouse(inbox, logged_in):
    delivery = await inbox.receive(order())

    await logged_in.goto(f"/deliveries/{delivery}")
    await logged_in.get_by_text("Set aside…").focus()
    await logged_in.keyboard.press("Enter")
    await logged_in.keyboard.press("Tab")
    await logged_in.keyboard.type("A test order\u202e")
    await logged_in.keyboard.press("Enter")

    await expect(logged_in.get_by_role("status")).to_have_text("It is set aside.")
    await expect(logged_in.get_by_text("A test order")).to_be_visible()
    assert "A test order" == await inbox.database.fetchval("SELECT reason FROM deliveries")


async def test_what_runs_offers_no_button(inbox, logged_in):
    body = order()
    delivery = await inbox.receive(body)
    await inbox.dispatch(delivery, body["InvoiceID"], "running")

    await logged_in.goto(f"/deliveries/{delivery}")

    await expect(logged_in.get_by_text("It is being worked on")).to_be_visible()
    await expect(logged_in.get_by_role("button")).to_have_text(["Log out"])


async def test_an_uncertain_effect_is_settled_as_happened_with_its_references(inbox, logged_in):
    delivery, effect = await one_uncertain(inbox)

    await logged_in.goto("/")
    await logged_in.get_by_role("link", name="Needs a decision").click()
    await logged_in.get_by_label("2 references").fill("LIC-1\r\n\u200bLIC-2 \n\n")
    await logged_in.get_by_role("button", name="It happened").click()

    await expect(logged_in.get_by_role("status")).to_contain_text("it happened. Its run goes on now.")
    await expect(logged_in.get_by_role("heading", name="Nothing to decide")).to_be_visible()
    row = await inbox.database.fetchrow("SELECT state, reference FROM effects WHERE id = $1", effect)
    assert ("done", ["LIC-1", "LIC-2"]) == (row["state"], row["reference"])
    assert ("dispatched", ["waiting"]) == await inbox.state(delivery)


async def test_too_few_references_settle_nothing_and_say_so(inbox, logged_in):
    delivery, effect = await one_uncertain(inbox)

    await logged_in.goto(f"/deliveries/{delivery}")
    await logged_in.get_by_label("2 references").fill("LIC-1")
    await logged_in.get_by_role("button", name="It happened").click()

    await expect(logged_in.get_by_role("heading", name="Not settled")).to_be_visible()
    await expect(logged_in.get_by_text("give 2, not 1")).to_be_visible()
    assert "uncertain" == await inbox.database.fetchval("SELECT state FROM effects WHERE id = $1", effect)


async def test_an_uncertain_effect_is_sent_again_from_its_delivery(inbox, logged_in):
    delivery, effect = await one_uncertain(inbox)

    await logged_in.goto(f"/deliveries/{delivery}")
    await logged_in.get_by_text("What was to be sent").first.click()
    await expect(logged_in.get_by_text('"product_id": 7').first).to_be_visible()
    await logged_in.get_by_role("button", name="Send it again").click()

    await expect(logged_in).to_have_url(re.compile(f"/deliveries/{delivery}$"))
    await expect(logged_in.get_by_role("status")).to_contain_text("it is to be sent again")
    assert "intended" == await inbox.database.fetchval("SELECT state FROM effects WHERE id = $1", effect)


@pytest.mark.parametrize("cookies", ["none", "session"])
async def test_an_action_without_login_or_without_our_form_changes_nothing(inbox, logged_in, cookies):
    delivery, effect = await one_uncertain(inbox)
    held = {cookie["name"]: cookie["value"] for cookie in await logged_in.context.cookies()}
    actions = {f"/deliveries/{delivery}/replay": {}, f"/deliveries/{delivery}/discard": {"reason": "x"}}
    actions |= {f"/effects/{effect}/settle": {"happened": "no"}, "/logout": {}}

    async with httpx.AsyncClient(
        base_url=inbox.url, cookies=held if cookies == "session" else None
    ) as client:
        answers = {(await client.post(path, data=form)).status_code for path, form in actions.items()}

    assert {403 if cookies == "session" else 401} == answers
    assert ("dispatched", ["uncertain"]) == await inbox.state(delivery)
    assert "uncertain" == await inbox.database.fetchval("SELECT state FROM effects WHERE id = $1", effect)


async def test_junk_in_an_address_is_a_page_that_says_so_and_never_a_fault(inbox, logged_in):
    held = {cookie["name"]: cookie["value"] for cookie in await logged_in.context.cookies()}
    async with httpx.AsyncClient(base_url=inbox.url, cookies=held) as client:
        statuses = {
            path: (await client.get(path)).status_code
            for path in (
                "/?before=99999999999999999999&state=nonsense&source=%00&key=%00%ff'%22--",
                "/?before=-1&key=" + "x" * 3000,
                "/deliveries/nonsense",
                f"/deliveries/{uuid4()}",
                f"/deliveries/{uuid4()}/body",
                "/static/../app.py",
                "/static/nothing",
            )
        }

    assert [200, 200, 404, 404, 404, 404, 404] == list(statuses.values())


async def test_every_answer_of_the_pages_forbids_scripts_frames_and_keeping(inbox, logged_in):
    delivery = await inbox.receive(order())
    held = {cookie["name"]: cookie["value"] for cookie in await logged_in.context.cookies()}
    async with httpx.AsyncClient(base_url=inbox.url, cookies=held) as client:
        answers = [
            await client.get(path)
            for path in (
                "/",
                "/uncertain",
                f"/deliveries/{delivery}",
                f"/deliveries/{delivery}/body",
                "/login",
                "/deliveries/x",
            )
        ]
        answers.append(await client.post("/logout"))

    for answer in answers:
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
        assert ("nosniff", "no-referrer", "no-store") == tuple(
            answer.headers[name] for name in ("x-content-type-options", "referrer-policy", "cache-control")
        )


async def test_the_page_needs_no_script_and_fits_a_phone(inbox, new_page):
    delivery, _ = await one_uncertain(inbox)
    await inbox.receive({"InvoiceID": "1", "long": "x" * 500})
    page = await new_page(java_script_enabled=False, viewport={"width": 360, "height": 740})
    overhang = {}
    for path in ("/", "/uncertain", f"/deliveries/{delivery}"):
        await page.goto(path)
        measure = "element => element.scrollWidth - element.clientWidth"
        overhang[path] = await page.locator("html").evaluate(measure)

    assert {0} == set(overhang.values()), overhang


@pytest.mark.skipif("PICTURES" not in os.environ, reason="takes pictures for docs/ where PICTURES=1")
@pytest.mark.parametrize(
    ("name", "scheme", "width", "path"),
    [
        ("light", "light", 1120, "/"),
        ("dark", "dark", 1120, "/"),
        ("phone", "light", 390, "/"),
        ("delivery", "light", 1120, "/deliveries/{delivery}"),
    ],
)
async def test_pictures_for_the_documentation_are_small(inbox, new_page, name, scheme, width, path):
    delivery = await a_morning(inbox)
    page = await new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    await page.goto(path.format(delivery=delivery))
    file = IMAGES / f"inbox-{name}.png"
    await page.screenshot(path=file)

    assert file.stat().st_size < 150_000


async def a_morning(inbox):
    """Deliveries as of a morning; the one that needs a decision."""
    unpaid = "order 100120: not paid; nothing was done."
    undecided = None
    for number, state, reason, minutes in (
        ("100118", "done", None, 182),
        (
            "100119",
            "failed",
            "Customer Harbour Print & Copy (1042) of order 100119 has no e-mail address.",
            95,
        ),
        ("100120", "done", unpaid, 61),
        ("100121", "done", None, 44),
        ("100122", "uncertain", "It is not known whether this happened: mail of order 100122.", 12),
        ("100123", "done", None, 6),
        ("100124", "running", None, 0),
        ("100125", "waiting", None, 0),
    ):
        body = order(number)
        key, label = body["InvoiceID"], f"order {number}"
        delivery = await inbox.receive(body, **{"User-Agent": "ServiceStack .NET Client 8.50"})
        for _ in range(2 if number == "100121" else 0):
            await inbox.receive(body)
        run = await inbox.dispatch(delivery, key, state, reason=reason, minutes=minutes)
        if state not in {"failed", "waiting"} and reason != unpaid:
            codes = [f"PRO1-{number}-7KQ2-X{place}" for place in (1, 2)]
            await inbox.effect(run, key, label, "license PRO-1", "done", wanted=2, reference=codes)
        if state == "uncertain":
            undecided = delivery
            why = "Sensorpro did not answer within 30 seconds, and a mail cannot be looked up."
            request = {"broadcast_id": "order-licenses", "to": "orders@harbourprint.example"}
            await inbox.effect(run, key, label, "mail", "uncertain", reason=why, request=request)
    unwanted = await inbox.receive({"Message": "A webhook of another kind"})
    await inbox.database.execute(
        "UPDATE deliveries SET state = 'unrouted', reason = 'no route''s condition holds' WHERE id = $1",
        unwanted,
    )
    return undecided
