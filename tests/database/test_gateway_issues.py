"""The page of issues: what it shows, and what its buttons do."""

import pytest
from test_gateway_login import Browser
from test_inbox_commands import ANN
from test_issue_commands import issue, states
from test_issues import REFUSED, fail
from test_outages import fail as fail_call
from test_outages import waiting_dispatch

from hookline.issues import store


@pytest.fixture
async def browser(database_settings):
    browser = Browser(database_settings)
    await browser.log_in()
    return browser


@pytest.fixture
async def number(database):
    for each in range(2):
        await fail(database, f"d{each}", REFUSED.format(n=each))
    return (await issue(database))["id"]


async def test_the_page_shows_each_cause_once_with_what_to_do(browser, number):
    page = (await browser.get("/issues")).text

    assert 1 == page.count(f'href="/issues/{number}"')
    assert "zentitle create_license_codes was refused: Company # does not exist" in page
    assert "Correct what the vendor complains about" in page


async def test_the_page_of_an_issue_names_its_deliveries(browser, database, number):
    page = (await browser.get(f"/issues/{number}")).text

    for row in await database.fetch("SELECT id FROM deliveries"):
        assert f"/deliveries/{row['id']}" in page


async def test_one_click_replays_all_of_it(browser, database, number):
    answer = await browser.post(f"/issues/{number}/replay")

    assert (303, f"/issues/{number}") == (answer.status_code, answer.headers["location"])
    assert ["dispatched"] * 2 == await states(database)


async def test_an_issue_of_doubles_leads_to_the_decisions_and_offers_no_replay(browser, database, number):
    await database.execute("UPDATE issues SET kind = 'doubled'")
    page = (await browser.get(f"/issues/{number}")).text

    assert ("/uncertain#doubled" in page, "/replay" in page) == (True, False)


async def test_one_click_sets_all_of_it_aside_with_a_reason(browser, database, number):
    refused = await browser.post(f"/issues/{number}/discard")
    await browser.post(f"/issues/{number}/discard", {"reason": "test orders", "is confirmed": "yes"})

    assert 400 == refused.status_code
    assert ["discarded"] * 2 == await states(database)


async def test_a_person_says_that_they_take_care_of_it(browser, database, number):
    await browser.post(f"/issues/{number}/ack", {"name": ANN})
    page = (await browser.get(f"/issues/{number}")).text

    assert f"{ANN} (admin at 127.0.0.1)" in page


@pytest.mark.parametrize("path", ["/issues/999999", "/issues/x", "/issues/9999999999999999999"])
async def test_an_issue_that_does_not_exist_is_not_found(browser, database, path):
    assert 404 == (await browser.get(path)).status_code


@pytest.mark.parametrize("act", ["replay", "discard", "ack", "resolve"])
async def test_nobody_acts_without_a_log_in_or_from_another_site(
    browser, database, database_settings, number, act
):
    stranger = await Browser(database_settings).post(
        f"/issues/{number}/{act}", {"reason": "r", "happened": "no"}
    )
    elsewhere = await browser.client.post(
        f"/issues/{number}/{act}", data={"reason": "r"}, headers={"Origin": "https://evil.example"}
    )

    assert (401, 403) == (stranger.status_code, elsewhere.status_code)
    assert ["failed"] * 2 == await states(database)
    assert None is (await store.read(database, number))["acknowledged_by"]


async def test_the_page_and_the_inbox_say_which_vendor_is_away(browser, database):
    await fail_call(database, "a", times=4)
    await waiting_dispatch(database, "waits")
    pages = [(await browser.get(path)).text for path in ("/issues", "/")]

    assert [True, True] == [
        "zentitle/default" in page and "1 dispatch waiting for it" in page for page in pages
    ]


async def test_what_a_vendor_says_does_not_act_on_the_page(browser, database):
    await fail(database, "a", "Refused: zentitle get_company was refused: <script>alert</script> is bad.")
    number = (await issue(database))["id"]
    pages = [(await browser.get(path)).text for path in ("/issues", f"/issues/{number}")]

    assert [False, False] == ["<script>" in page for page in pages]


async def test_a_delivery_leads_to_its_issue_while_it_needs_a_person(browser, database, number):
    delivery = await database.fetchval("SELECT max(id::text) FROM deliveries")
    before = (await browser.get(f"/deliveries/{delivery}")).text
    await browser.post(f"/issues/{number}/replay")
    after = (await browser.get(f"/deliveries/{delivery}")).text

    assert [True, False] == [f'href="/issues/{number}"' in page for page in (before, after)]
