"""A real Chromium, an operator who is logged in, and a page of another origin that tries whatever a page can."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from hookline.gateway.views.session import SESSION

PAGE = """<!doctype html><title>evil</title><form id=f method=post target=t></form><iframe name=t id=t></iframe>
<script>
const seen = {};
const note = (name, promise) => promise.then(got => { seen[name] = got }, () => { seen[name] = "blocked" });
async function tried(targets) {
  const all = [];
  for (const [name, url] of Object.entries(targets)) {
    for (const [kind, options] of Object.entries({
      cors: {mode: "cors"},
      "cors with cookies": {mode: "cors", credentials: "include"},
      "post text": {mode: "cors", method: "POST", credentials: "include", body: '{"include_secrets": true}'},
      "post json": {mode: "cors", method: "POST", credentials: "include", body: "{}",
                    headers: {"Content-Type": "application/json"}},
      "delete": {mode: "cors", method: "DELETE", credentials: "include"},
    })) all.push(note(`${name} ${kind}`, fetch(url, options).then(answer => answer.text())));
    for (const method of ["GET", "POST"])
      all.push(note(`${name} no-cors ${method}`,
        fetch(url, {mode: "no-cors", method, credentials: "include"}).then(answer => answer.text()
          .then(text => text === "" && answer.status === 0 ? "blocked" : text))));
    all.push(note(`${name} image`, new Promise((yes, no) => {
      const image = new Image(); image.onload = () => yes("shown"); image.onerror = no; image.src = url })));
    all.push(note(`${name} script`, new Promise((yes, no) => {
      const script = document.createElement("script"); script.onload = () => yes("ran"); script.onerror = no;
      script.src = url; document.head.append(script) })));
    all.push(note(`${name} websocket`, new Promise((yes, no) => {
      const socket = new WebSocket(url.replace("http", "ws"), ["prefect"]);
      socket.onerror = no; socket.onclose = no;
      socket.onopen = () => socket.send(JSON.stringify({type: "auth", token: null}));
      socket.onmessage = message => yes(message.data) })));
  }
  await Promise.all(all);
  return seen;
}
</script>"""


@asynccontextmanager
async def another_origin():
    """A server on another port of the same host: its pages are sent the same cookies."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(PAGE)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n{PAGE}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
async def evil(browser, operator):
    """A page of another origin, open in the browser of an operator who is logged in."""
    context = await browser.new_context()
    gateway = str(operator.base_url)
    await context.add_cookies([{"name": SESSION, "value": operator.cookies[SESSION], "url": gateway}])
    async with another_origin() as origin:
        page = await context.new_page()
        await page.goto(origin)
        yield page
        await context.close()


async def test_a_page_of_another_origin_gets_nothing_from_prefect_or_the_gateway(evil, sandbox):
    gateway, prefect = sandbox.settings.gateway_url, sandbox.settings.own_prefect_api_url
    targets = {
        "keys": f"{prefect}/block_documents/filter",
        "prefect events": f"{prefect}/events/out",
        "prefect ui": f"{prefect.removesuffix('/api')}/prefect/",
        "keys through the gateway": f"{gateway}/prefect/api/block_documents/filter",
        "events through the gateway": f"{gateway}/prefect/api/events/out",
        "ui-settings": f"{gateway}/prefect/ui-settings",
        "inbox": f"{gateway}/",
        "pause": f"{gateway}/sources/jiwa/pause",
        "metrics": f"{gateway}/metrics",
        "icon": f"{gateway}/static/icon.svg",
        "worker": f"http://127.0.0.1:{sandbox.settings.worker_port}/health",
    }

    seen = await evil.evaluate("targets => tried(targets)", targets)

    got = {name: what for name, what in seen.items() if what != "blocked"}
    assert 10 * len(targets) == len(seen)
    assert {} == got, json.dumps(got)[:2000]


@pytest.mark.parametrize("path", ["/", "/prefect/", "/login", "/prefect/api/health"])
async def test_a_page_of_another_origin_shows_no_page_of_ours_in_a_frame(evil, sandbox, path):
    await evil.evaluate(
        "url => { document.getElementById('t').src = url }", sandbox.settings.gateway_url + path
    )
    await evil.wait_for_timeout(500)
    [frame] = [frame for frame in evil.frames if frame.parent_frame]

    assert "chrome-error://chromewebdata/" == frame.url


async def test_a_form_of_another_origin_changes_nothing(evil, sandbox, operator, business):
    before = business.cli("inbox", "stats", "--json")
    for path in ("/sources/jiwa/pause", "/logout", "/prefect/api/admin/database/clear"):
        await evil.evaluate(
            "url => { const form = document.getElementById('f'); form.action = url; form.submit() }",
            sandbox.settings.gateway_url + path,
        )
        await evil.wait_for_timeout(300)

    assert 200 == (await operator.get("/sources")).status_code
    assert "Resume" not in (await operator.get("/sources")).text
    assert before == business.cli("inbox", "stats", "--json")


async def test_a_name_of_another_that_leads_here_opens_nothing(browser, sandbox):
    """DNS rebinding, in the end: the page's own name is one of this machine."""
    settings = sandbox.settings
    page = await (await browser.new_context()).new_page()
    statuses = []
    for url in (
        settings.gateway_url,
        f"{settings.gateway_url}/metrics",
        settings.own_prefect_api_url + "/health",
    ):
        answer = await page.goto(url.replace("127.0.0.1", "evil.localhost"))
        statuses.append(answer.status)
    await page.context.close()

    assert [421, 404, 421] == statuses
