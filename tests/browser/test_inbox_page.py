"""The inbox page in a real browser, over a real gateway and database."""

import json
import os
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from playwright.async_api import expect

from hookline.gateway.views import bulk
from hookline.states import DELIVERIES, STATES

IMAGES = Path(__file__).parents[2] / "docs" / "images"
HOSTILE = '</pre><script>document.title = "owned"</script><img src=x onerror="document.title=\'owned\'">'
WHO = "admin token at 127.0.0.1"


def order(number="100123", invoice=None):
    return {
        "InvoiceID": invoice or str(uuid4()),
        "InvoiceNo": number,
        "DebtorName": "Harbour Print & Copy",
        "Lines": [{"PartNo": "PRO-1", "QuantityOrdered": 2}],
    }


async def ended(inbox, state, *, number="100123", reason=None):
    """A delivery whose run ended so: its id and its flow run."""
    body = order(number)
    delivery = await inbox.receive(body)
    return delivery, await inbox.dispatch(delivery, body["InvoiceID"], state, reason=reason)


async def one_uncertain(inbox, *, expected=2):
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
        expected=expected,
        reason="The connection broke after the request had left.",
        request={"product_id": 7, "number": 2},
    )
    await inbox.database.execute("UPDATE dispatches SET waits_for = $2 WHERE flow_run_id = $1", run, effect)
    return delivery, effect


async def in_every_state(inbox):
    """A delivery in each state, by the state."""
    found = {}
    for state in DELIVERIES.states:
        if state in {"received", "held", "rejected", "unrouted", "split"}:
            found[state] = await inbox.receive(order(state))
            await inbox.brought_to(found[state], state, f"for a reason of {state}")
        else:
            found[state], _ = await ended(inbox, state, number=state, reason=f"for a reason of {state}")
    return found


async def follow(page, action):
    """Do something that leads to another page, and be there."""
    async with page.expect_navigation():
        await action


async def listed(page):
    """The deliveries on the page, from the top."""
    return [
        (await link.get_attribute("href")).removeprefix("/deliveries/")
        for link in await page.locator("td.what a").all()
    ]


async def test_a_log_in_leads_to_the_page_that_was_asked_for_and_a_log_out_ends_the_session(inbox, stranger):
    delivery = await inbox.receive(order())

    await stranger.goto(f"/deliveries/{delivery}")
    await expect(stranger).to_have_url(re.compile(r"/login\?next="))
    await stranger.get_by_label("Admin token").fill("guessed")
    await stranger.keyboard.press("Enter")
    await expect(stranger.get_by_role("alert")).to_have_text("That is not the admin token.")
    await stranger.get_by_label("Admin token").fill(inbox.admin_token)
    await stranger.keyboard.press("Enter")
    await expect(stranger).to_have_url(re.compile(f"/deliveries/{delivery}$"))
    await stranger.get_by_role("button", name="Log out").click()
    await stranger.goto("/")

    await expect(stranger.get_by_label("Admin token")).to_be_visible()


async def test_an_empty_inbox_says_what_to_do_and_what_the_states_mean(inbox, page):
    await page.goto("/")
    await page.get_by_text("What the states mean").click()

    await expect(page.get_by_role("heading", name="Nothing has been received yet")).to_be_visible()
    await expect(page.get_by_text("hookline send jiwa order.json")).to_be_visible()
    await expect(page.locator("details.legend .chip")).to_have_text(
        [STATES[state].word for state in DELIVERIES.states]
    )


async def test_what_is_about_one_customer_is_a_click_away(inbox, page):
    ids = []
    for number, customer in (("100123", "C-7"), ("100124", "C-8"), ("100125", "C-7")):
        ids.append(await inbox.receive(order(number)))
        about = {"order": number, "customer": customer}
        await inbox.dispatch(ids[-1], number, "failed", label=f"order {number} · Harbour", about=about)

    await page.goto("/")
    await page.get_by_label("Order, id or license code").fill("100123")
    await follow(page, page.keyboard.press("Enter"))
    found = await listed(page)
    await follow(page, page.get_by_role("link", name="order 100123 · Harbour").click())
    await follow(page, page.get_by_role("link", name="C-7").click())

    assert [str(ids[0])] == found
    assert [str(ids[2]), str(ids[0])] == await listed(page)
    await expect(page.get_by_label("About")).to_have_value("customer=C-7")


async def test_a_step_that_a_person_did_by_hand_is_taken_as_done(inbox, page):
    body = order()
    delivery = await inbox.receive(body)
    run = await inbox.dispatch(delivery, body["InvoiceID"], "failed", reason="Refused: zentitle")
    await inbox.effect(
        run, body["InvoiceID"], "order 100123", "license PRO-1", "failed", expected=2, reason="Refused"
    )

    await page.goto(f"/deliveries/{delivery}")
    await page.get_by_text("I did it by hand").click()
    await page.get_by_label("Its 2 references at the vendor").fill("LIC-1\nLIC-2")
    await follow(page, page.get_by_role("button", name="It is done").click())
    await follow(page, page.get_by_role("button", name="It was done by hand: yes").click())

    await expect(page.get_by_role("status")).to_contain_text("done by hand at the vendor")
    await expect(page.get_by_text("I did it by hand")).to_have_count(0)
    assert ("dispatched", {"jiwa-order": "dispatched"}) == await inbox.state(delivery)
    assert ["LIC-1", "LIC-2"] == await inbox.database.fetchval("SELECT reference FROM effects")


async def test_a_delivery_is_listed_with_what_became_of_it(inbox, page):
    body = order()
    delivery = await inbox.receive(body)
    await inbox.receive(body)
    run = await inbox.dispatch(delivery, body["InvoiceID"], "done")
    await inbox.dispatch(delivery, "ledger", "failed", route="jiwa-ledger", reason="Zentitle: 500")
    await inbox.effect(run, body["InvoiceID"], "order 100123", "license PRO-1", "done", reference=["LIC-1"])

    await page.goto("/")
    row = page.get_by_role("row").nth(1)

    await expect(row.get_by_role("link", name="order 100123")).to_have_attribute(
        "href", f"/deliveries/{delivery}"
    )
    await expect(row.get_by_role("cell").nth(2)).to_have_text(re.compile(r"^Failed\s*Zentitle: 500$"))
    await expect(row.get_by_role("cell").nth(3)).to_have_text(re.compile(r"jiwa-order: Done\s*jiwa-ledger"))
    await expect(row.get_by_role("cell").nth(4)).to_have_text("1")
    await expect(row.get_by_role("link", name="in Prefect").first).to_have_attribute(
        "href", re.compile(rf"^http://127\.0\.0\.1:\d+/prefect/runs/flow-run/{run}$")
    )


async def test_the_tiles_count_what_needs_a_person_and_lead_there(inbox, page):
    found = await in_every_state(inbox)
    await one_uncertain(inbox)

    await page.goto("/")
    tiles = page.locator(".tiles").get_by_role("link")
    said = {
        await tile.get_attribute("href"): re.search(r"\d+", await tile.inner_text())[0]
        for tile in await tiles.all()
    }
    await follow(page, tiles.filter(has_text="Rejected").click())

    states = ("failed", "rejected", "held", "unrouted", "received", "dispatched", "running")
    assert {"/uncertain": "1", "/uncertain#doubled": "0"} | {
        f"/?state={state}": "1" for state in states
    } == said
    assert [str(found["rejected"])] == await listed(page)


async def test_the_list_narrows_by_every_field_and_keeps_what_was_chosen(inbox, page):
    ids = [
        (await ended(inbox, state, number=number))[0]
        for number, state in (("100123", "failed"), ("100124", "failed"), ("100125", "done"))
    ]
    await inbox.database.execute(
        "UPDATE deliveries SET received_at = received_at - interval '2 h' WHERE id = $1", ids[0]
    )

    await page.goto("/")
    await page.get_by_label("State").select_option("Failed")
    await page.get_by_label("Source").select_option("jiwa")
    await follow(page, page.get_by_role("button", name="Show").click())
    assert [str(ids[1]), str(ids[0])] == await listed(page)
    await page.get_by_text("By text or time").click()
    await page.get_by_label("Text in the body").fill('"InvoiceNo": "100124"')
    await follow(page, page.keyboard.press("Enter"))
    assert [str(ids[1])] == await listed(page)
    await expect(page.get_by_label("State")).to_have_value("failed")
    await page.get_by_label("Text in the body").fill("")
    hour_ago = await inbox.database.fetchval("SELECT now() - interval '1 h'")
    await page.get_by_label("until").fill(f"{hour_ago:%Y-%m-%dT%H:%M:%S}")
    await follow(page, page.get_by_role("button", name="Show").click())
    assert [str(ids[0])] == await listed(page)
    await page.get_by_label("Order, id or license code").fill("no such order")
    await follow(page, page.keyboard.press("Enter"))
    await expect(page.get_by_text("No delivery matches.")).to_be_visible()
    await follow(page, page.get_by_role("link", name="Clear").click())

    assert 3 == len(await listed(page))


async def test_older_deliveries_are_a_page_further(inbox, page):
    ids = [str(await inbox.receive(order(str(number)))) for number in range(53)]

    await page.goto("/?source=jiwa")
    first = await listed(page)
    await follow(page, page.get_by_role("link", name="Older").click())
    second = await listed(page)

    assert (ids[:2:-1], ids[2::-1]) == (first, second)
    await expect(page.get_by_role("link", name="Older")).to_have_count(0)
    await page.get_by_role("link", name="Latest").click()
    await expect(page).to_have_url(re.compile(r"/\?source=jiwa$"))


async def test_each_state_is_told_in_words_and_offers_what_can_be_done(inbox, page):
    offered = {}
    for state, delivery in (await in_every_state(inbox)).items():
        await page.goto(f"/deliveries/{delivery}")
        assert STATES[state].word == await page.locator(".head .chip").inner_text()
        assert f"for a reason of {state}" in await page.locator("main").inner_text() or state in {
            "dispatched",
            "running",
        }
        texts = await page.locator(".actions button:visible, .actions summary").all_inner_texts()
        offered[state] = " ".join(texts)

    replay, other, aside = "Replay", "Replay to another route…", "Set aside…"
    assert {
        "received": aside,
        "held": aside,
        "dispatched": f"{other} {aside}",
        "running": f"{other} {aside}",
        "done": f"{replay} {other}",
        "failed": f"{replay} {other} {aside}",
        "uncertain": f"{replay} {other} {aside}",
        "doubled": f"{replay} {other} {aside}",
        "rejected": f"{replay} {other} {aside}",
        "replaced": f"{replay} {other}",
        "discarded": f"{replay} {other}",
        "unrouted": f"{replay} {other} {aside}",
        "split": replay,
    } == offered


async def test_a_delivery_shows_its_request_inert_and_without_the_secret(inbox, page):
    delivery = await inbox.receive(
        {"InvoiceID": "1", "note": HOSTILE}, query=f"?{urlencode({'from': HOSTILE})}", **{"X-Trace": HOSTILE}
    )

    await page.goto(f"/deliveries/{delivery}")
    text = await page.locator("main").inner_text()

    assert 2 == text.count(HOSTILE)  # in the header and the query; in the body it is JSON, quotes escaped
    assert json.dumps(HOSTILE) in await page.get_by_label("Body").inner_text()
    assert "POST /hooks/jiwa" in text
    assert "owned" not in await page.title()
    assert inbox.jiwa_secret not in await page.content()
    assert 0 == await page.locator("main script, main img").count()
    await expect(page.get_by_text("The shared secret of jiwa, in the header X-Hookline-Key.")).to_be_visible()


async def test_every_kind_of_body_can_be_read_and_saved_whole(inbox, page):
    binary = bytes(range(256)) * 400
    long = json.dumps({"pad": "é" * 60_000}).encode()

    async def body_of(content, kind):
        await page.goto(f"/deliveries/{await inbox.receive(content, kind=kind)}")
        return page.get_by_label("Body")

    in_lines = await body_of(b'{"a":[1.10,{}]}', "application/json")
    assert '{\n  "a": [\n    1.10,\n    {}\n  ]\n}' == await in_lines.inner_text()
    xml = await body_of(b"<order><no>7</no><lines/></order>", "application/xml")
    assert "<order>\n  <no>7</no>\n  <lines/>\n</order>" == await xml.inner_text()
    await body_of(b"command=%2Finvoice&text=a+b", "application/x-www-form-urlencoded")
    await expect(page.get_by_role("row", name="command /invoice")).to_be_visible()
    assert (await (await body_of(binary, "image/png")).inner_text()).startswith("00000000  00 01 02 03")
    await body_of(long, "application/json")
    await expect(page.get_by_text("Only the first 64.0 KB are shown.")).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Save the body").click()
    assert long == (await (await download.value).path()).read_bytes()


async def test_a_body_that_is_gone_or_was_altered_says_so(inbox, page):
    delivery = await inbox.receive(order())

    await inbox.database.execute("UPDATE deliveries SET altered = '{redacted}'")
    await page.goto(f"/deliveries/{delivery}")
    await expect(page.get_by_text("Some values were removed before it was stored.")).to_be_visible()
    await inbox.database.execute(
        "UPDATE deliveries SET body = NULL, altered = '{redacted,removed}', state = 'unrouted'"
    )
    await page.reload()

    await expect(page.get_by_text("It cannot be shown: the body is no longer stored.")).to_be_visible()
    await expect(page.get_by_role("link", name="Save the body")).to_have_count(0)
    await expect(page.get_by_role("button", name="Replay")).to_have_count(0)


async def test_a_delivery_is_replayed_whole_on_one_route_or_to_another(inbox, page):
    delivery, _ = await ended(inbox, "failed", reason="Zentitle: 500")

    await page.goto(f"/deliveries/{delivery}")
    await page.get_by_role("button", name="Replay", exact=True).click()
    await expect(page.get_by_role("status")).to_contain_text(
        "It runs again. What is done at the vendors is not"
    )
    assert ("dispatched", {"jiwa-order": "dispatched"}) == await inbox.state(delivery)
    await page.reload()
    await expect(page.get_by_role("status")).to_have_count(0)
    await inbox.dispatch(delivery, "1", "done", route="standard-order")
    await page.goto(f"/deliveries/{delivery}")
    await page.get_by_role("button", name="Replay standard-order").click()
    both = {"jiwa-order": "dispatched", "standard-order": "dispatched"}
    assert ("dispatched", both) == await inbox.state(delivery)
    await page.get_by_text("Replay to another route…").click()
    await page.get_by_label("To this route").select_option("jiwa-ledger")
    await page.get_by_role("button", name="Replay to it").click()

    await expect(page.get_by_role("status")).to_contain_text("It runs again on jiwa-ledger.")
    assert "jiwa-ledger" == await inbox.database.fetchval("SELECT only_route FROM deliveries")
    trail = page.get_by_role("region", name="What happened")
    await expect(trail.get_by_role("row").last).to_have_text(
        re.compile(rf"the delivery\s+Received\s*was queued\s+{WHO}\s+replayed")
    )


async def test_a_delivery_is_replayed_with_a_change_that_is_seen_first(inbox, page):
    delivery = await inbox.receive({"InvoiceID": "A"})
    await inbox.dispatch(delivery, "A", "done")
    page.set_default_timeout(60_000)  # the flows are loaded for each look

    await page.goto(f"/deliveries/{delivery}")
    await page.get_by_role("link", name="Replay with a change…").click()
    await page.get_by_label("Body").fill('{"InvoiceID": "B",\n "note": "líne"}')
    await page.get_by_label("Route").select_option("jiwa-order")
    await page.get_by_role("button", name="See what would start").click()
    await expect(page.get_by_role("row", name='invoice_id "A" "B"')).to_be_visible()
    await page.get_by_role("button", name="Change it again").click()
    await page.get_by_label("Other parameters of jiwa-order").fill('{"invoice_id": 7}')
    await page.get_by_role("button", name="See what would start").click()
    await expect(page.get_by_role("alert")).to_contain_text(
        "parameter invoice_id: Input should be a valid string"
    )
    await page.get_by_label("Other parameters of jiwa-order").fill('{"invoice_id": "C"}')
    await page.get_by_role("button", name="See what would start").click()
    await expect(page.get_by_role("row", name='invoice_id "A" "C"')).to_be_visible()
    await page.get_by_role("button", name="Start the copy").dblclick()

    await expect(page.get_by_role("status")).to_contain_text("It runs as a copy.")
    await expect(page.get_by_text("Nobody sent it.")).to_be_visible()
    [row] = await inbox.database.fetch("SELECT * FROM deliveries WHERE copy_of = $1", delivery)
    assert '{"InvoiceID": "B",\n "note": "líne"}' == row["body"].decode()
    assert {"jiwa-order": {"invoice_id": "C"}} == row["changed"]["parameters"]
    await page.goto(f"/deliveries/{delivery}")
    trail = page.get_by_role("region", name="What happened")
    await expect(trail.get_by_role("row").last).to_contain_text(f"as {row['id']} with another body")


async def test_setting_a_delivery_aside_asks_for_a_reason_and_needs_no_mouse(inbox, page):
    delivery = await inbox.receive(order())

    await page.goto(f"/deliveries/{delivery}")
    await page.get_by_text("Set aside…").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.type("A test order\u202e")
    await follow(page, page.keyboard.press("Enter"))
    await expect(page.get_by_text("A replay takes it up again.")).to_be_visible()
    before = (await inbox.state(delivery))[0]
    await page.get_by_role("button", name="Set it aside: yes").focus()
    await page.keyboard.press("Enter")

    assert "received" == before
    await expect(page.get_by_role("status")).to_have_text("It is set aside.")
    await expect(page.get_by_role("row", name=f"Set aside was received {WHO} A test order")).to_be_visible()
    assert "A test order" == await inbox.database.fetchval("SELECT reason FROM deliveries")


async def test_an_uncertain_effect_is_resolved_as_happened_with_its_references(inbox, page):
    delivery, effect = await one_uncertain(inbox)

    await page.goto("/")
    await page.get_by_role("link", name="Needs a decision").click()
    await page.get_by_label("2 references").fill("LIC-1")
    await page.get_by_role("button", name="It happened").click()
    await expect(page.get_by_role("heading", name="Not resolved")).to_be_visible()
    await expect(page.get_by_text("give 2, not 1")).to_be_visible()
    await page.goto("/uncertain")
    await page.get_by_label("2 references").fill("LIC-1\r\n\u200bLIC-2 \n\n")
    await page.get_by_role("button", name="It happened").click()
    await expect(
        page.get_by_role("heading", name="It happened: license PRO-1 of order 100123?")
    ).to_be_visible()
    await expect(page.get_by_role("definition").filter(has_text="LIC-1, LIC-2")).to_be_visible()
    asked = await inbox.state(delivery)
    await page.get_by_role("button", name="It happened: yes").click()

    await expect(page.get_by_role("status")).to_contain_text("it happened. Its run goes on at ")
    assert "uncertain" == asked[0]
    await expect(page.get_by_role("heading", name="Nothing to decide")).to_be_visible()
    row = await inbox.database.fetchrow("SELECT state, reference FROM effects WHERE id = $1", effect)
    assert ("done", ["LIC-1", "LIC-2"]) == (row["state"], row["reference"])
    assert ("dispatched", {"jiwa-order": "dispatched"}) == await inbox.state(delivery)


async def test_an_uncertain_effect_is_sent_again_from_its_delivery(inbox, page):
    delivery, effect = await one_uncertain(inbox)

    await page.goto(f"/deliveries/{delivery}")
    await page.get_by_text("What was to be sent").first.click()
    await expect(page.get_by_text('"product_id": 7').first).to_be_visible()
    await page.get_by_role("button", name="Send it again").click()
    await expect(page.get_by_text("If it did happen, it is there twice.")).to_be_visible()
    await page.get_by_role("button", name="Send it again: yes").click()

    await expect(page).to_have_url(re.compile(f"/deliveries/{delivery}$"))
    await expect(page.get_by_role("status")).to_contain_text("it is to be sent again")
    await expect(page.get_by_role("row", name=re.compile(f"effect {effect} .*{WHO}"))).to_be_visible()
    assert "intended" == await inbox.database.fetchval("SELECT state FROM effects WHERE id = $1", effect)


async def test_a_source_is_paused_with_a_reason_and_goes_on_with_what_was_held(inbox, page):
    await page.goto("/sources")
    card = page.get_by_role("region", name="jiwa")
    await card.get_by_text("Pause…").click()
    await card.get_by_role("button", name="Pause").click()
    await expect(card.get_by_label("Why?")).to_be_focused()  # the browser wants a reason first
    await card.get_by_label("Why?").fill("Stock-taking")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_have_text(
        "jiwa is paused: its deliveries are stored, and wait."
    )
    delivery = await inbox.receive(order())
    held = await inbox.state(delivery)
    await page.get_by_role("link", name="Inbox").click()
    banner = page.get_by_role("region", name="jiwa is paused")
    await expect(banner).to_have_text(re.compile(rf"since .* UTC by {WHO}: Stock-taking"))
    await banner.get_by_role("button", name="Resume jiwa").click()

    await expect(page.get_by_role("status")).to_have_text("jiwa is resumed; 1 that waited will run now.")
    assert ("held", "received") == (held[0], (await inbox.state(delivery))[0])
    await expect(banner).to_have_count(0)


async def test_all_that_fit_a_filter_are_replayed_batch_by_batch_and_no_others(inbox, page, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH", 2)
    monkeypatch.setattr(bulk, "MAX_SECONDS", 0)
    failed = [(await ended(inbox, "failed", reason="Zentitle: 500"))[0] for _ in range(3)]
    done, _ = await ended(inbox, "done")
    running, _ = await ended(inbox, "running", reason="Zentitle: 500")
    await inbox.database.execute("UPDATE deliveries SET reason = 'Zentitle: 500' WHERE id = $1", running)

    await page.goto("/?text=Zentitle")
    await page.get_by_role("link", name="Replay…").click()
    asked = await page.get_by_role("row").all_inner_texts()
    late, _ = await ended(inbox, "failed", reason="Zentitle: 500")
    await page.get_by_label("Why?").fill("Zentitle is back")
    await page.get_by_role("button", name="Replay 3").click()
    await expect(page.get_by_role("status")).to_contain_text("2 deliveries will run again")
    await page.get_by_role("button", name="Replay 1").click()
    await expect(page.get_by_role("status")).to_contain_text("1 delivery will run again")
    await page.goto(f"/deliveries/{failed[2]}")

    assert ["Failed\t3\tjiwa\twill run again", "Running\t1\tjiwa\tnot changed: waits or runs"] == asked[1:]
    states = [(await inbox.state(delivery))[0] for delivery in (*failed, done, running, late)]
    assert ["dispatched"] * 3 + ["done", "running", "failed"] == states
    await expect(page.get_by_role("row", name=f"Queued was failed {WHO} Zentitle is back")).to_be_visible()


async def test_all_that_fit_a_filter_are_set_aside_with_a_reason(inbox, page):
    failed = [(await ended(inbox, "failed"))[0] for _ in range(2)]

    await page.goto("/?state=failed")
    await page.get_by_role("link", name="Set aside…").click()
    await page.get_by_label("Why?").fill("Test orders")
    await page.get_by_role("button", name="Set aside 2").click()

    await expect(page.get_by_role("status")).to_have_text("2 deliveries set aside.")
    assert ["discarded"] * 2 == [(await inbox.state(delivery))[0] for delivery in failed]


@pytest.mark.parametrize("logged_in", [True, False])
async def test_an_action_without_login_or_without_our_page_changes_nothing(inbox, client, logged_in):
    delivery, effect = await one_uncertain(inbox)
    actions = {
        f"/deliveries/{delivery}/replay": {},
        f"/deliveries/{delivery}/discard": {"reason": "x"},
        f"/effects/{effect}/resolve": {"happened": "no"},
        "/sources/jiwa/pause": {"reason": "x"},
        "/sources/jiwa/resume": {},
        "/replay": {"state": "uncertain", "before": "99"},
        "/discard": {"state": "uncertain", "before": "99", "reason": "x"},
        "/logout": {},
    }
    before = await inbox.database.fetchval("SELECT count(*) FROM changes")

    client, headers = (client, {}) if logged_in else (inbox.client, {"Origin": inbox.url})
    answers = {
        (await client.post(path, data=form, headers=headers)).status_code for path, form in actions.items()
    }

    assert {403 if logged_in else 401} == answers
    assert before == await inbox.database.fetchval("SELECT count(*) FROM changes")


async def test_junk_in_an_address_is_a_page_that_says_so_and_never_a_fault(inbox, client):
    junk = {
        "/?before=99999999999999999999&state=nonsense&source=%00&key=%00%ff'%22--&since=x&until=9999-12-31T23:59-23:59": 200,
        "/?before=-1&text=%00&key=" + "x" * 3000: 200,
        "/?since=0001-01-01T00:00&until=9999-12-31T23:59:59": 200,
        "/replay": 400,
        "/replay?state=nonsense": 400,
        "/discard?key=nothing": 200,
        "/deliveries/nonsense": 404,
        f"/deliveries/{uuid4()}": 404,
        f"/deliveries/{uuid4()}/body": 404,
        "/static/../app.py": 404,
        "/static/nothing": 404,
    }

    assert junk == {path: (await client.get(path)).status_code for path in junk}


async def test_every_answer_of_the_pages_forbids_scripts_frames_and_keeping(inbox, client):
    delivery = await inbox.receive(order())
    paths = (
        "/",
        "/uncertain",
        "/sources",
        "/replay?source=jiwa",
        "/sources/jiwa/try",
        "/login",
        "/deliveries/x",
    )
    answers = [
        await client.get(path) for path in (*paths, f"/deliveries/{delivery}", f"/deliveries/{delivery}/body")
    ]
    answers.append(await client.post("/logout"))

    for answer in answers:
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
        assert ("nosniff", "same-origin", "no-store") == tuple(
            answer.headers[name] for name in ("x-content-type-options", "referrer-policy", "cache-control")
        )


OVERHANG = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
NAMELESS = """
    () => [...document.querySelectorAll("main input:not([type=hidden]), main select, main textarea")]
        .filter(field => !field.labels.length).map(field => field.outerHTML)"""


async def test_every_page_needs_no_script_fits_a_phone_and_names_its_fields(inbox, new_page):
    delivery, _ = await one_uncertain(inbox)
    await inbox.receive({"InvoiceID": "1", "long": "x" * 500}, query=f"?{'q' * 300}={'v' * 300}")
    await inbox.database.execute("INSERT INTO pauses VALUES ('jiwa', now(), $1, $1)", "why" * 100)
    page = await new_page(java_script_enabled=False, viewport={"width": 360, "height": 740})
    found = {}
    for path in (
        "/",
        "/?text=x",
        "/uncertain",
        "/sources",
        "/issues",
        "/replay?source=jiwa",
        "/sources/jiwa/try",
        f"/deliveries/{delivery}",
        f"/deliveries/{delivery}/try",
        f"/deliveries/{delivery}/copy",
    ):
        await page.goto(path)
        await page.evaluate(
            "() => document.querySelectorAll('details').forEach(each => { each.open = true })"
        )
        found[path] = (
            await page.evaluate(OVERHANG),
            await page.evaluate(NAMELESS),
            await page.locator("h1").count(),
            await page.get_by_role("main").count(),
        )

    assert dict.fromkeys(found, (0, [], 1, 1)) == found


@pytest.mark.skipif("PICTURES" not in os.environ, reason="takes pictures for docs/ where PICTURES=1")
@pytest.mark.parametrize(
    ("name", "scheme", "width", "height", "path"),
    [
        ("light", "light", 1120, 800, "/"),
        ("phone", "light", 390, 800, "/"),
        ("delivery", "light", 1120, 1000, "/deliveries/{delivery}"),
        ("copy", "light", 1120, 900, "/deliveries/{delivery}/copy"),
        ("replay", "dark", 1120, 760, "/replay?source=jiwa"),
    ],
)
async def test_pictures_for_the_documentation_are_small(inbox, new_page, name, scheme, width, height, path):
    delivery = await a_morning(inbox)
    page = await new_page(color_scheme=scheme, viewport={"width": width, "height": height})
    await page.goto(path.format(delivery=delivery))
    file = IMAGES / f"inbox-{name}.png"
    await page.screenshot(path=file)

    assert file.stat().st_size < 150_000


@pytest.mark.skipif("PICTURES" not in os.environ, reason="takes pictures for docs/ where PICTURES=1")
async def test_a_picture_of_the_question_before_a_decision_is_small(inbox, new_page):
    await a_morning(inbox)
    page = await new_page(viewport={"width": 1120, "height": 560})
    await page.goto("/uncertain")
    await follow(page, page.get_by_role("button", name="It happened").click())
    file = IMAGES / "inbox-decision.png"
    await page.screenshot(path=file)

    assert file.stat().st_size < 150_000


async def a_morning(inbox):
    """Deliveries as of a morning; the one that needs a decision."""
    unpaid = "order 100120: not paid; nothing was done."
    undecided = None
    no_mail = "Customer Harbour Print & Copy (1042) of order 100119 has no e-mail address."
    unknown = "It is not known whether this happened: mail of order 100122."
    for number, state, reason, minutes in (
        ("100118", "done", None, 182),
        ("100119", "failed", no_mail, 95),
        ("another", "unrouted", "no route's condition holds", 61),
        ("100120", "done", unpaid, 50),
        ("misfit", "rejected", "routes.jiwa-order: invoice_id: Input should be a valid string", 44),
        ("100121", "done", None, 31),
        ("100122", "uncertain", unknown, 12),
        ("100123", "done", None, 6),
        ("100124", "running", None, 0),
        ("100125", "dispatched", None, 0),
    ):
        body = order(number)
        key, label = body["InvoiceID"], f"order {number}"
        delivery = await inbox.receive(body, **{"User-Agent": "ServiceStack .NET Client 8.50"})
        for _ in range(2 if number == "100121" else 0):
            await inbox.receive(body)
        if state in {"unrouted", "rejected"}:
            await inbox.brought_to(delivery, state, reason)
        else:
            named = f"{label} · Harbour Print & Copy"
            run = await inbox.dispatch(delivery, key, state, reason=reason, label=named)
        await requeue(inbox, delivery, timedelta(minutes=minutes))
        if state in {"done", "uncertain", "running"} and reason != unpaid:
            codes = [f"PRO1-{number}-7KQ2-X{place}" for place in (1, 2)]
            await inbox.effect(run, key, label, "license PRO-1", "done", expected=2, reference=codes)
        if state == "uncertain":
            undecided = delivery
            why = "Sensorpro did not answer within 30 seconds, and a mail cannot be looked up."
            about = {"name": "Ann Lee", "mail to": "orders@harbourprint.example"}
            mail = await inbox.effect(run, key, label, "mail", "uncertain", reason=why)
            await inbox.database.execute("UPDATE effects SET about = $2 WHERE id = $1", mail, about)
            await inbox.database.execute(
                "UPDATE dispatches SET waits_for = $2, about = $3 WHERE flow_run_id = $1",
                run,
                mail,
                {"order": number, "customer": "1042"},
            )
    await inbox.database.execute(
        "INSERT INTO pauses VALUES ('standard', now() - interval '25 min', 'ann at office', 'Stock-taking until noon')"
    )
    return undecided


async def requeue(inbox, delivery, by):
    """Let a delivery have come earlier, and all that happened to it."""
    for table, column, of in (
        ("deliveries", "received_at", "id"),
        ("changes", "at", "delivery_id"),
        ("dispatches", "started_at", "delivery_id"),
        ("dispatches", "finished_at", "delivery_id"),
    ):
        await inbox.database.execute(
            f"UPDATE {table} SET {column} = {column} - $2::interval WHERE {of} = $1", delivery, by
        )


async def test_a_decision_is_taken_back_by_its_button_while_nothing_is_built_on_it(inbox, page):
    delivery, _ = await one_uncertain(inbox, expected=0)
    await page.goto("/uncertain")
    await follow(page, page.get_by_role("button", name="It happened").click())
    await follow(page, page.get_by_role("button", name="It happened: yes").click())
    between = await inbox.state(delivery)
    await follow(page, page.get_by_role("button", name="Take back: license PRO-1 of order 100123").click())

    await expect(page.get_by_role("status")).to_contain_text("Taken back for license PRO-1 of order 100123")
    await expect(page.get_by_role("heading", name="Did this happen: license PRO-1")).to_be_visible()
    uncertain = ("uncertain", {"jiwa-order": "uncertain"})
    assert (("dispatched", {"jiwa-order": "dispatched"}), uncertain) == (between, await inbox.state(delivery))


async def test_no_decision_is_the_button_of_the_enter_key(inbox, page):
    await one_uncertain(inbox)
    await page.goto("/uncertain")

    assert [] == await page.locator("main .primary").all_inner_texts()


async def test_a_doubled_effect_is_undone_only_once_that_is_confirmed(inbox, page):
    """What was read before can no longer be undone by mistake: a second page names it."""
    _, effect = await one_uncertain(inbox)
    await inbox.database.execute(
        "UPDATE effects SET state = 'done', reference = '{c-1}' WHERE id = $1", effect
    )
    await inbox.database.execute(
        "UPDATE effects SET state = 'doubled', surplus = '{c-2}', reason = $2 WHERE id = $1",
        effect,
        "zentitle shows c-2 beside c-1, which was wanted.",
    )
    await page.goto("/uncertain")
    await follow(page, page.get_by_role("button", name="Undo c-2").click())
    asked_before = await inbox.database.fetchval("SELECT undo_actor FROM effects WHERE id = $1", effect)
    await expect(page.get_by_text("c-2 is taken back at zentitle, and c-1 stays.")).to_be_visible()
    await follow(page, page.get_by_role("button", name="Undo it: yes").click())

    asked = await inbox.database.fetchval("SELECT undo_actor FROM effects WHERE id = $1", effect)
    assert (None, True) == (asked_before, asked.startswith("admin token at "))
    await expect(page.get_by_role("status")).to_contain_text("An engine undoes it at ")


async def test_a_double_that_may_stay_is_done_with(inbox, page):
    _, effect = await one_uncertain(inbox)
    await inbox.database.execute("UPDATE effects SET state = 'done' WHERE id = $1", effect)
    await inbox.database.execute(
        "UPDATE effects SET state = 'doubled', surplus = '{c-2}' WHERE id = $1", effect
    )
    await page.goto("/uncertain#doubled")

    await follow(page, page.get_by_role("button", name="Keep both").click())
    await follow(page, page.get_by_role("button", name="Keep both: yes").click())

    assert "done" == await inbox.database.fetchval("SELECT state FROM effects WHERE id = $1", effect)
