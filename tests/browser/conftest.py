"""The gateway on a real PostgreSQL, and Debian's Chromium."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from playwright.async_api import async_playwright, expect
from pydantic import SecretStr
from rows import bring

from hookline.gateway.app import create_app
from hookline.gateway.server import server
from hookline.gateway.views.session import SESSION, Sessions
from hookline.inbox import audit

CHROMIUM = "/usr/bin/chromium"
ADMIN_TOKEN = "the-admin-token-of-the-tests"
JIWA_SECRET = "the-jiwa-secret-of-the-tests"
SECRETS = {
    "HOOKLINE_SECRET_JIWA": JIWA_SECRET,
    "HOOKLINE_SECRET_STANDARD": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}
JSON = "application/json"
TIMEOUT_SECONDS = 60_000
"""Milliseconds: the machine may have much else to do."""
HOOKS = """
sources:
  jiwa:
    scheme: shared-secret
    accept: [any]
  standard:
    scheme: standard-webhooks
routes:
  jiwa-order:
    source: jiwa
    deployment: order-to-license/default
    parameters: {invoice_id: "{{ body.InvoiceID }}"}
  jiwa-ledger:
    source: jiwa
    deployment: order-to-license/default
    parameters: {invoice_id: "{{ body.InvoiceID }}"}
  standard-order:
    source: standard
    deployment: order-to-license/default
    parameters: {invoice_id: "{{ body.InvoiceID }}"}
"""


def pytest_collection_modifyitems(items):
    if not Path(CHROMIUM).exists():
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(
                    pytest.mark.skip(reason=f"no browser at {CHROMIUM}: apt-get install chromium")
                )


expect.set_options(timeout=TIMEOUT_SECONDS)


@dataclass
class Gateway:
    """A running gateway, and the means to fill its inbox."""

    url: str
    database: asyncpg.Pool
    client: httpx.AsyncClient
    admin_token: str = ADMIN_TOKEN
    jiwa_secret: str = JIWA_SECRET

    async def receive(self, body, *, kind=JSON, query="", **headers):
        """A delivery by a real POST; its id."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": kind, "X-Hookline-Key": self.jiwa_secret, **headers}
        answer = await self.client.post(f"/hooks/jiwa{query}", content=content, headers=headers)
        answer.raise_for_status()
        return UUID(answer.json()["id"])

    async def dispatch(self, delivery, key, state, *, route="jiwa-order", reason=None, label=None, about=()):
        """What an engine would have made of a delivery; its flow run's id."""
        flow_run = None if state == "dispatched" else uuid4()
        begun = () if state in {"dispatched", "replaced"} else ("running",)
        steps = () if state == "dispatched" else dict.fromkeys((*begun, state))
        async with (
            self.database.acquire() as connection,
            audit.acting(connection, "engine 4711 at server", ""),
        ):
            await connection.execute(
                """
                INSERT INTO dispatches (delivery_id, source, route, deployment, parameters, key, attempts, label, about)
                SELECT id, source, $2, 'order-to-license/default', $3, $4, 1, $5, $6 FROM deliveries WHERE id = $1
                """,
                delivery,
                route,
                {"invoice_id": key},
                f"jiwa order {key}",
                label,
                dict(about),
            )
            for step in steps:
                ended = step != "running"
                await connection.execute(
                    """
                    UPDATE dispatches
                    SET state = $3, reason = $4, flow_run_id = $5, started_at = now(),
                        finished_at = CASE WHEN $6 THEN now() END
                    WHERE delivery_id = $1 AND route = $2
                    """,
                    delivery,
                    route,
                    step,
                    reason if ended else None,
                    flow_run,
                    ended,
                )
        return flow_run

    async def brought_to(self, delivery, state, reason=None):
        """A delivery without a dispatch, in this state."""
        await bring(self.database, "deliveries", state, "id = $1", delivery)
        await self.database.execute("UPDATE deliveries SET reason = $2 WHERE id = $1", delivery, reason)

    async def effect(
        self, flow_run, key, label, step, state, *, expected=0, reference=(), reason=None, request=()
    ):
        """An entry of the journal; its number."""
        return await self.database.fetchval(
            """
            INSERT INTO effects (workflow, key, step, label, operation, state, digest, request, expected, reference,
                                 reason, attempts, flow_run_id, dispatch_id, attempted_at, finished_at)
            VALUES ('order-to-license', $1, $2, $3, $4, $5, 'digest', $6, $7, $8, $9, 1, $10,
                    (SELECT id FROM dispatches WHERE flow_run_id = $10), now(),
                    CASE WHEN $5 = 'done' THEN now() END)
            RETURNING id
            """,
            key,
            step,
            label,
            "sensorpro.trigger_email" if step == "mail" else "zentitle.create_license_codes",
            state,
            dict(request),
            expected,
            list(reference),
            reason,
            flow_run,
        )

    async def state(self, delivery):
        """The states of a delivery and of its dispatches, by their routes."""
        own = await self.database.fetchval("SELECT state FROM deliveries WHERE id = $1", delivery)
        rows = await self.database.fetch(
            "SELECT route, state FROM dispatches WHERE delivery_id = $1", delivery
        )
        return own, {row["route"]: row["state"] for row in rows}


@pytest.fixture(autouse=True)
def secrets(monkeypatch):
    """The environment of the gateway in each file: it serves all of them, and each begins with a clean one."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
async def gateway(database_settings, session_pool, tmp_path_factory):
    """The gateway, served as `hookline gateway` does, in this process."""
    hooks = tmp_path_factory.mktemp("hooks") / "hooks.yaml"
    hooks.write_text(HOOKS)
    patch = pytest.MonkeyPatch()
    for name, value in SECRETS.items():
        patch.setenv(name, value)
    settings = database_settings.model_copy(update={"hooks": hooks, "admin_token": SecretStr(ADMIN_TOKEN)})
    async with _serving(settings) as url, httpx.AsyncClient(base_url=url) as client:
        yield Gateway(url, session_pool, client)
    patch.undo()


@pytest.fixture
async def inbox(gateway, database):
    """The gateway with an empty inbox."""
    return gateway


@pytest.fixture(scope="session")
async def browser():
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        await browser.close()


@pytest.fixture
async def session(database_settings, session_pool):
    """What the cookie of somebody who has logged in holds."""
    return await Sessions(database_settings, ADMIN_TOKEN).open(ADMIN_TOKEN)


@pytest.fixture
async def new_page(browser, gateway, session):
    """
    Makes a page in a browser of its own: `await new_page(color_scheme="dark", …)`.

    Fails the test for anything that the content policy blocked, and for any script error.
    """
    contexts, problems = [], []

    async def make(*, logged_in=True, **options):
        context = await browser.new_context(base_url=gateway.url, **options)
        contexts.append(context)
        if logged_in:
            await context.add_cookies([{"name": SESSION, "value": session, "url": gateway.url}])
        page = await context.new_page()
        page.set_default_timeout(TIMEOUT_SECONDS)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        return page

    yield make
    for context in contexts:
        await context.close()
    assert [] == [problem for problem in problems if "Failed to load resource" not in problem]


@pytest.fixture
async def stranger(new_page):
    """A page of somebody who has not logged in."""
    return await new_page(logged_in=False)


@pytest.fixture
async def page(new_page):
    """A page of somebody who has."""
    return await new_page()


@pytest.fixture
async def client(gateway, session):
    """Requests with a pass, where no window is needed."""
    async with httpx.AsyncClient(base_url=gateway.url, cookies={SESSION: session}) as client:
        yield client


@asynccontextmanager
async def _serving(settings):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = server(create_app(settings), settings)
        running = asyncio.create_task(serving.serve([listening]))
        while not serving.started:
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        serving.should_exit = True
        await running
