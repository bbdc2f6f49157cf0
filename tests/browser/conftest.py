"""The gateway as it runs: a PostgreSQL of its own, `hookline gateway` as a process, Debian's Chromium."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from playwright.async_api import async_playwright

from hookline.database import embedded
from hookline.settings import Settings

CHROMIUM = "/usr/bin/chromium"
ROOT = Path(__file__).parents[2]
ADMIN_TOKEN = "the-admin-token-of-the-tests"
JIWA_SECRET = "the-jiwa-secret-of-the-tests"


def pytest_collection_modifyitems(items):
    if not Path(CHROMIUM).exists():
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(
                    pytest.mark.skip(reason=f"no browser at {CHROMIUM}: apt-get install chromium")
                )


@dataclass
class Gateway:
    """A running gateway, and the means to fill its inbox."""

    url: str
    database: asyncpg.Pool
    admin_token: str = ADMIN_TOKEN
    jiwa_secret: str = JIWA_SECRET

    async def receive(self, body, **headers):
        """A delivery by a real POST; its id."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "X-Hookline-Key": self.jiwa_secret, **headers}
        async with httpx.AsyncClient() as client:
            answer = await client.post(f"{self.url}/hooks/jiwa", content=content, headers=headers)
        answer.raise_for_status()
        return UUID(answer.json()["id"])

    async def dispatch(self, delivery, key, state, *, reason=None, minutes=0, flow_run=None):
        """What an engine would have made of a delivery; its flow run's id."""
        flow_run = flow_run or (None if state == "waiting" else uuid4())
        await self.database.execute(
            """
            INSERT INTO dispatches (delivery_id, route, deployment, parameters, key, state, reason, attempts,
                                    flow_run_id, started_at, finished_at)
            VALUES ($1, 'jiwa-order', 'order-to-license/default', $2, $3, $4, $5, 1, $6,
                    now() - make_interval(mins => $7),
                    CASE WHEN $4 IN ('waiting', 'running') THEN NULL ELSE now() - make_interval(mins => $7) END)
            """,
            delivery,
            json.dumps({"invoice_id": key}),
            f"jiwa order {key}",
            state,
            reason,
            flow_run,
            minutes,
        )
        await self.database.execute(
            """
            UPDATE deliveries SET state = 'dispatched', received_at = received_at - make_interval(mins => $2)
            WHERE id = $1
            """,
            delivery,
            minutes,
        )
        return flow_run

    async def effect(
        self, flow_run, key, label, step, state, *, wanted=0, reference=(), reason=None, request=()
    ):
        """An entry of the journal; its number."""
        return await self.database.fetchval(
            """
            INSERT INTO effects (workflow, key, step, label, operation, state, digest, request, wanted, reference,
                                 reason, attempts, flow_run_id, attempted_at, finished_at)
            VALUES ('order-to-license', $1, $2, $3, $4, $5, 'digest', $6, $7, $8, $9, 1, $10, now(),
                    CASE WHEN $5 = 'done' THEN now() END)
            RETURNING id
            """,
            key,
            step,
            label,
            "sensorpro.trigger_email" if step == "mail" else "zentitle.create_license_codes",
            state,
            json.dumps(dict(request)),
            wanted,
            list(reference),
            reason,
            flow_run,
        )

    async def state(self, delivery):
        """The states of a delivery and of its dispatches."""
        row = await self.database.fetchrow(
            """
            SELECT d.state, array_agg(p.state) AS dispatches
            FROM deliveries d LEFT JOIN dispatches p ON p.delivery_id = d.id WHERE d.id = $1 GROUP BY d.id
            """,
            delivery,
        )
        return row["state"], row["dispatches"]


@pytest.fixture(scope="session")
async def gateway():
    with _new_home() as home:
        async with _postgres(home), _serving(home) as url, _database(home) as database:
            yield Gateway(url, database)


@pytest.fixture
async def inbox(gateway):
    """The gateway with an empty inbox."""
    await gateway.database.execute("TRUNCATE deliveries, dispatches, effects")
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
async def page(browser, gateway):
    """A page that fails the test for anything the content policy blocked or any script error."""
    context = await browser.new_context(base_url=gateway.url)
    page = await context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    yield page
    await context.close()
    assert [] == [problem for problem in problems if "Failed to load resource" not in problem]


@pytest.fixture
async def logged_in(page):
    await log_in(page)
    return page


@pytest.fixture
async def new_page(browser, gateway):
    """Makes a page, logged in, in a browser of its own: `await new_page(color_scheme="dark", …)`."""
    contexts = []

    async def make(**options):
        contexts.append(await browser.new_context(base_url=gateway.url, **options))
        page = await contexts[-1].new_page()
        await log_in(page)
        return page

    yield make
    for context in contexts:
        await context.close()


async def log_in(page):
    await page.goto("/login")
    await page.get_by_label("Admin token").fill(ADMIN_TOKEN)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url("/")


@contextmanager
def _new_home():
    """Not below pytest's own folder, which no other user may pass: PostgreSQL is one where we are root."""
    with tempfile.TemporaryDirectory(prefix="hookline-test-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "home"


@asynccontextmanager
async def _postgres(home):
    await asyncio.to_thread(embedded.prepare, home)
    process = embedded.process(home)
    with (home / "postgres.log").open("a") as log:
        popen = process.start("test", log.fileno())
    try:
        while not await process.ready():
            assert popen.poll() is None, (home / "postgres.log").read_text()
            await asyncio.sleep(0.05)
        yield
    finally:
        popen.send_signal(embedded.STOP_SIGNAL)
        popen.wait(30)


@asynccontextmanager
async def _serving(home):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("HOOKLINE_", "PREFECT_"))
    }
    environment = kept | {
        "HOOKLINE_HOME": str(home),
        "HOOKLINE_GATEWAY_PORT": str(port),
        "HOOKLINE_HOOKS": str(ROOT / "deployments" / "hooks.yaml"),
        "HOOKLINE_ADMIN_TOKEN": ADMIN_TOKEN,
        "HOOKLINE_SECRET_JIWA": JIWA_SECRET,
    }
    with (home / "gateway.log").open("a") as log:
        popen = await asyncio.to_thread(
            subprocess.Popen,
            [sys.executable, "-m", "hookline", "gateway"],
            env=environment,
            cwd=home,
            stdout=log,
            stderr=log,
        )
    try:
        async with httpx.AsyncClient() as client:
            while not await _ready(client, url):
                assert popen.poll() is None, (home / "gateway.log").read_text()
                await asyncio.sleep(0.05)
        yield url
    finally:
        popen.terminate()
        popen.wait(30)


async def _ready(client, url):
    try:
        return (await client.get(f"{url}/readyz")).is_success
    except httpx.TransportError:
        return False


@asynccontextmanager
async def _database(home):
    url = embedded.url(Settings(home=home).home, "hookline")
    async with asyncpg.create_pool(url, min_size=1, max_size=4) as database:
        yield database
