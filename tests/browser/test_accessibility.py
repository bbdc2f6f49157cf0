"""
Every page of the inbox, with content, by axe-core: wide and on a phone, in the light and the dark scheme.

The pages are those of the app's routes, so a new page is looked at, or this fails and says so.
"""

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from axe_playwright_python.async_playwright import Axe
from pydantic import BaseModel, Field
from test_inbox_page import in_every_state, one_uncertain, order

from hookline.gateway.views.routes import ROUTES
from hookline.journal.resolution import resolve
from hookline.prefect_adapter.suspension import schema_of
from hookline.waits import links, store
from hookline.waits.store import Answer, NewWait

WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NO_PAGES = {"/static/{name}", "/deliveries/{delivery_id}/body", "/connect/http/callback"}
"""Files, and what a vendor sends a person back to."""
GROUPS = {
    "inbox": ("/", "/replay", "/discard", "/login"),
    "deliveries": (
        "/deliveries/{delivery_id}",
        "/deliveries/{delivery_id}/try",
        "/deliveries/{delivery_id}/copy",
    ),
    "decisions": (
        "/issues",
        "/issues/{number}",
        "/uncertain",
        "/waits",
        "/waits/{wait_id}",
        "/answer/{token}",
    ),
    "files": (
        "/sources",
        "/sources/{source}/try",
        "/texts",
        "/texts/{workflow}/{name}",
        "/connect/http/{account}",
    ),
}
"""The GET routes that are looked at together."""
PROCESS_SECONDS = 180
"""The most that a page may take for which a process of its own loads the flows."""
LONG = "a very long text without an end " * 12 + "x" * 300
OVERHANG = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
SMALL = """
    () => [...document.querySelectorAll("button, select, input:not([type=hidden]), summary, nav a, .button, a.tile")]
        .map(each => [each.getBoundingClientRect(), each.outerHTML.slice(0, 80)])
        .filter(([box]) => box.width && box.height && (box.width < 24 || box.height < 24))
        .map(([box, html]) => `${Math.round(box.width)}x${Math.round(box.height)} ${html}`)"""
OPEN_ALL = "() => document.querySelectorAll('details').forEach(each => { each.open = true })"


class Decision(BaseModel):
    """An answer with a field of each kind."""

    approved: bool
    limit: int = 5
    comment: str = Field("", max_length=500)


class World:
    """An inbox with something of everything, and the addresses of its pages."""

    def __init__(self, inbox, settings):
        self.inbox = inbox
        self.settings = settings
        self.database = inbox.database

    async def fill(self):
        self.found = await in_every_state(self.inbox)
        self.delivery, self.effect = await one_uncertain(self.inbox)
        _, self.doubled = await one_uncertain(self.inbox, expected=1)
        _, self.decided = await one_uncertain(self.inbox, expected=0)
        await self.database.execute("UPDATE effects SET reason = $1 WHERE id = $2", LONG, self.effect)
        await self.database.execute(
            "UPDATE effects SET state = 'done', reference = '{c-1}' WHERE id = $1", self.doubled
        )
        await self.database.execute(
            "UPDATE effects SET state = 'doubled', surplus = '{c-2}', reason = $2 WHERE id = $1",
            self.doubled,
            LONG,
        )
        await self.inbox.receive(
            order() | {"long": LONG}, query=f"?{'q' * 300}={'v' * 300}", **{"X-Long": "h" * 400}
        )
        await self.database.execute("INSERT INTO pauses VALUES ('standard', now(), 'ann', $1)", LONG)
        await self.inbox.client.post("/hooks/jiwa", content=b"{}", headers={"X-Hookline-Key": "a wrong one"})
        await self.wait_for("ann")
        self.link = await links.make(self.database, (await self.wait_for("ann"))["id"], "ann")
        self.wait = await self.wait_for("ben")
        self.over = await self.wait_for("cid")
        await store.answer(self.database, self.over["id"], Answer({"approved": True}, "cid", "page"))
        self.issue = await self.database.fetchval("SELECT min(id) FROM issues WHERE kind = 'failed'")
        self.uncertain_issue = await self.database.fetchval(
            "SELECT min(id) FROM issues WHERE kind = 'uncertain'"
        )
        await resolve(self.settings, self.decided, happened=True, reference=[], actor="ann at office")

    async def wait_for(self, person):
        new = NewWait(
            scope=f"flow run {uuid4()}",
            name="approval",
            kind="answer",
            fingerprint="approval",
            what=f"an answer of {person}: May {LONG} be licensed?",
            flow_run_id=uuid4(),
            dispatch_id=None,
            began=datetime.now(UTC),
            timeout=timedelta(days=2),
            form=schema_of(Decision),
            people=[person, "boss"],
        )
        return await store.begin(self.database, new)

    def addresses(self):
        """The addresses of each GET route: of one with a parameter, some that differ."""
        deliveries = [str(self.found[state]) for state in self.found] + [str(self.delivery)]
        return {
            "/": ["/", "/?state=failed&text=x", "/?key=nothing", "/?about=order%3D7"],
            "/replay": ["/replay?source=jiwa"],
            "/discard": ["/discard?source=jiwa"],
            "/deliveries/{delivery_id}": [
                f"/deliveries/{each}" for each in (deliveries[0], *deliveries[-3:])
            ],
            "/deliveries/{delivery_id}/try": [f"/deliveries/{self.delivery}/try"],
            "/deliveries/{delivery_id}/copy": [f"/deliveries/{self.delivery}/copy"],
            "/issues": ["/issues", "/issues?closed=yes"],
            "/issues/{number}": [f"/issues/{self.issue}", f"/issues/{self.uncertain_issue}"],
            "/uncertain": ["/uncertain"],
            "/waits": ["/waits", "/waits?state=answered", "/waits?state=expired"],
            "/waits/{wait_id}": [f"/waits/{self.wait['id']}", f"/waits/{self.over['id']}"],
            "/answer/{token}": [self.link, "/answer/nothing"],
            "/sources": ["/sources"],
            "/sources/{source}/try": ["/sources/jiwa/try"],
            "/texts": ["/texts"],
            "/texts/{workflow}/{name}": ["/texts/order-to-license/mail"],
            "/connect/http/{account}": ["/connect/http/acme"],
            "/login": ["/login"],
        }


@pytest.fixture
async def world(inbox, database_settings):
    made = World(inbox, database_settings)
    await made.fill()
    yield made
    await inbox.database.execute("DELETE FROM waits")


async def looked_at(page):
    """What axe-core finds on a page, and what is too wide or too small on a phone."""
    await page.evaluate(OPEN_ALL)
    found = []
    for size, scheme, rules in (
        (WIDE, "light", {"type": "tag", "values": RULES}),
        (PHONE, "light", {"type": "tag", "values": RULES}),
        (PHONE, "dark", {"type": "rule", "values": ["color-contrast"]}),
    ):
        await page.set_viewport_size(size)
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no colour is on its way
        result = await Axe().run(page, options={"runOnly": rules, "resultTypes": ["violations"]})
        found += [
            f"{scheme} {size['width']} {violation['id']}: {node['html'][:160]}: {node['failureSummary'][:200]}"
            for violation in result.response["violations"]
            for node in violation["nodes"][:3]
        ]
    if overhang := await page.evaluate(OVERHANG):
        found.append(f"{overhang} px too wide")
    return [*found, *(f"too small: {each}" for each in await page.evaluate(SMALL))]


@pytest.mark.parametrize("group", GROUPS)
async def test_no_page_has_a_violation_of_axe_core(world, page, group):
    page.set_default_timeout(PROCESS_SECONDS * 1_000)
    addresses, found = world.addresses(), {}
    for address in (each for route in GROUPS[group] for each in addresses[route]):
        await page.goto(address)
        found[address] = await looked_at(page)

    assert "" == "\n".join(f"{address}: {each}" for address, wrong in found.items() for each in wrong)


def test_every_page_of_the_app_is_looked_at():
    routes = {path for method, path, *_ in ROUTES if method == "GET"}

    assert routes - NO_PAGES == {route for group in GROUPS.values() for route in group}


async def test_no_question_before_a_decision_has_a_violation_of_axe_core(world, page):
    questions = {
        "/uncertain": ["Send it again…", "Undo c-2…", "Keep both…"],
        f"/issues/{world.uncertain_issue}": ["All of them happened…"],
    }
    found = {}
    for address, buttons in questions.items():
        for button in buttons:
            await page.set_viewport_size(WIDE)
            await page.goto(address)
            async with page.expect_navigation():
                await page.get_by_role("button", name=button).first.click()
            found[f"{address} {button}"] = await looked_at(page)

    assert "" == "\n".join(f"{address}: {each}" for address, wrong in found.items() for each in wrong)


async def test_what_needs_a_person_comes_first_on_a_phone(world, page):
    """Before all that is only to be looked at: on a phone nobody scrolls past a screen of it."""
    await page.set_viewport_size(PHONE)
    await page.goto("/")
    needs = page.get_by_role("region", name="Needs a person")
    first = page.locator("main > :not(h1, .flash)").first

    tiles = await needs.get_by_role("link").evaluate_all(
        "all => all.map(each => each.textContent.trim().split(/\\s+/)[0])"
    )
    box = await needs.bounding_box()
    assert "Needs a person" == await first.get_attribute("aria-label")
    assert ["1", "1", "1", "1"] == tiles[:4]
    assert box["y"] + 200 < PHONE["height"]


async def test_the_keyboard_leads_from_the_skip_link_to_the_content_and_is_seen(world, page):
    await page.goto("/")
    await page.keyboard.press("Tab")
    first = await page.evaluate("() => document.activeElement.textContent")
    box = await page.locator(".skip").bounding_box()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")

    is_in_main = await page.evaluate("() => document.querySelector('main').contains(document.activeElement)")
    outline = await page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert ("Skip to the content", True, "solid") == (first, is_in_main, outline)
    assert box["x"] >= 0
    assert re.fullmatch(r".*#main", page.url)
