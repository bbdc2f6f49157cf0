"""What happens to deliveries is told to a real Prefect server, and its automations act on it."""

import asyncio
import json
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from prefect.client.orchestration import get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr
from rows import bring

from hookline.engine.events import MAX_BODY, drop_events, send_events
from hookline.hooks import load_hooks
from hookline.inbox import bodies, commands, deliveries, dispatches
from hookline.provisioning.automation_changes import automation_changes
from hookline.provisioning.automations import load_automations
from hookline.settings import Settings

TELL = "notify/default"
HOOKS = """
sources:
  shop: {scheme: shared-secret, header: X-Key, accept: [any], event_body: true}
  quiet: {scheme: shared-secret, header: X-Key, accept: [any]}
"""
ON_ORDER = """
automations:
  - name: "on order {number}"
    trigger:
      type: event
      posture: Reactive
      expect: [hookline.delivery.received]
      match_related: {{prefect.resource.id: hookline.source.shop, prefect.resource.role: source}}
      threshold: 1
      within: 0
    actions:
      - type: run-deployment
        deployment: notify/default
        schedule_after: 3600
        parameters:
          what: "order {{{{ event.payload.body.order.no }}}} of {{{{ event.payload.source }}}} in test {number}"
"""


@pytest.fixture(scope="module")
def hooks(tmp_path_factory):
    path = tmp_path_factory.mktemp("hooks") / "hooks.yaml"
    path.write_text(HOOKS)
    return load_hooks(path)


@pytest.fixture
async def prefect(sandbox):
    with temporary_settings({PREFECT_API_URL: sandbox.settings.prefect_api_url}):
        async with get_client() as client:
            yield client


@pytest.fixture
def tell(database, prefect, hooks):
    async def tell():
        return await send_events(database, prefect, hooks, [])

    return tell


@pytest.fixture
def feed(prefect_api, until):
    """Wait for so many events of a delivery in what the Prefect UI shows as its event feed; oldest first."""

    async def feed(delivery, count=1):
        about = {"resource": {"id": [f"hookline.delivery.{delivery}"]}, "order": "ASC"}

        def found():
            events = prefect_api.post("events/filter", json={"filter": about}).json()["events"]
            return events if len(events) >= count else None

        return await until(found, f"no {count} events of delivery {delivery}")

    return feed


async def receive(database, body=b'{"order": {"no": 17}}', source="shop", content_type="application/json"):
    receipt = await deliveries.accept(
        database,
        deliveries.Arrival(
            source=source,
            external_id=uuid4().hex,
            method="POST",
            query={},
            headers={},
            content_type=content_type,
            body=body,
        ),
    )
    return receipt.id


async def due(database):
    return await database.fetchval("SELECT count(*) FROM changes WHERE event_due")


async def test_what_happens_to_a_delivery_stands_in_the_event_feed(database, tell, feed):
    delivery = await receive(database, source="quiet")
    flow_run = uuid4()
    async with database.acquire() as connection:
        await dispatches.add_all(
            connection,
            [dispatches.NewDispatch(delivery, route="r", deployment="f/d", parameters={}, key="order 17")],
        )
        await connection.execute("UPDATE dispatches SET state = 'running'")
        await connection.execute(
            "UPDATE dispatches SET state = 'failed', reason = 'no address', flow_run_id = $1", flow_run
        )
        await commands.discard(connection, [delivery], actor="ann at admin", reason="paid twice")

    assert (3, 0) == (await tell(), await due(database))

    received, failed, discarded = await feed(delivery, 3)
    assert [f"hookline.delivery.{state}" for state in ("received", "failed", "discarded")] == [
        event["event"] for event in (received, failed, discarded)
    ]
    assert {"hookline.source.quiet", f"prefect.flow-run.{flow_run}"} == {
        related["prefect.resource.id"] for related in failed["related"]
    }
    told = {
        name: failed["payload"][name] for name in ("state", "was", "reason", "route", "deployment", "key")
    }
    assert {
        "state": "failed",
        "was": "running",
        "reason": "no address",
        "route": "r",
        "deployment": "f/d",
        "key": "order 17",
    } == told
    assert ("ann at admin", "paid twice") == (discarded["payload"]["actor"], discarded["payload"]["reason"])
    assert "body" not in received["payload"]


async def test_what_was_told_before_a_crash_is_known_when_it_is_told_again(database, tell, feed):
    delivery = await receive(database)
    await tell()
    [first] = await feed(delivery)
    await database.execute("UPDATE changes SET event_due = true")
    later = await receive(database)

    assert 2 == await tell()

    await feed(later)
    assert [first] == await feed(delivery)


async def test_while_prefect_is_away_events_stay_due(database, hooks, tell, feed):
    delivery = await receive(database)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        async with get_client() as nobody:
            with pytest.raises(httpx.HTTPError):
                await send_events(database, nobody, hooks, [])

    assert 1 == await due(database)
    assert 1 == await tell()
    assert ["hookline.delivery.received"] == [event["event"] for event in await feed(delivery)]


async def test_several_engines_tell_each_change_once(database, tell):
    for _ in range(30):
        await receive(database, source="quiet")

    assert 30 == sum(await asyncio.gather(*(tell() for _ in range(4))))


async def test_with_events_off_nothing_is_left_due(database):
    await receive(database)

    await drop_events(database)

    assert 0 == await due(database)


BODIES = [
    ("application/json", b'{"order": {"no": 17}}', {"body": {"order": {"no": 17}}}),
    ("application/x-www-form-urlencoded", b"no=17", {"body": {"no": "17"}}),
    ("text/xml", b"<order><no>17</no></order>", {"body": {"order": {"no": "17"}}}),
    ("application/json", b'["%s"]' % (b"x" * MAX_BODY), {"body_left_out": "it has 65540 bytes; 65536 are carried"}),
    ("application/json", b'["\\u0000"]', {"body_left_out": "it holds the character NUL"}),
    ("application/json", b'["\\ud800"]', {"body_left_out": "it holds a number or a character that cannot be stored"}),
    ("application/json", b"[1e999]", {"body_left_out": "The body is not JSON: 1e999 is larger than any number that can be stored."}),
    ("application/json", b"[" * 99 + b"]" * 99, {"body_left_out": "it has more than 50 values within each other"}),
]  # fmt: skip


async def test_a_body_is_carried_where_its_source_wants_it_and_prefect_can_keep_it(database, tell, feed):
    """All at once, for Prefect writes its events every five seconds."""
    received = [await receive(database, body, content_type=kind) for kind, body, _ in BODIES]

    await tell()

    told = [event["payload"] for delivery in received for event in await feed(delivery)]
    assert [carried for _, _, carried in BODIES] == [
        {name: value for name, value in payload.items() if name.startswith("body")} for payload in told
    ]


async def test_a_sealed_body_is_carried_opened_and_one_whose_key_is_gone_says_so(
    database, prefect, hooks, feed
):
    key = SecretStr(Fernet.generate_key().decode())
    sealed, altered, _ = bodies.seal(hooks.sources["shop"], [key], "application/json", b'{"no": 17}')
    received = []
    for keys in ([key], []):
        received.append(await receive(database, sealed))
        await database.execute("UPDATE deliveries SET altered = $1", altered)
        await send_events(database, prefect, hooks, keys)
    opened, closed = [event["payload"] for delivery in received for event in await feed(delivery)]

    assert ({"no": 17}, bodies.NO_KEY) == (opened.get("body"), closed.get("body_left_out"))


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    texts=st.lists(
        st.recursive(
            st.none() | st.integers() | st.floats() | st.text(st.characters()),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=10,
        ),
        min_size=1,
        max_size=5,
    )
)
async def test_no_body_keeps_the_events_of_others_from_being_told(database, tell, texts):
    for text in texts:
        await receive(database, json.dumps(text).encode())

    assert (len(texts), 0) == (await tell(), await due(database))


async def test_an_automation_of_a_user_starts_a_deployment_with_what_the_event_says(
    database, prefect, prefect_api, tell, until, tmp_path
):
    number = uuid4().hex[:8]
    path = tmp_path / "automations.yaml"
    path.write_text(ON_ORDER.format(number=number))
    [automation] = load_automations(path)
    async for change in automation_changes(prefect, [automation], [TELL]):
        await change.make()

    await receive(database, source="quiet")
    await receive(database)

    def started():
        runs = prefect_api.post("flow_runs/filter", json={"flows": {"name": {"any_": ["notify"]}}}).json()
        return [run for run in runs if number in run["parameters"]["what"]]

    await tell()
    [run] = await until(started, "the automation started nothing")
    assert {"what": f"order 17 of shop in test {number}"} == run["parameters"]


async def test_what_cannot_be_routed_starts_the_flow_that_tells_a_person_once_for_its_cause(
    sandbox, business, prefect_api, until, tmp_path
):
    for number in range(2):
        file = tmp_path / "event.json"
        file.write_text(json.dumps({"type": "order.paid", "number": number}))  # without the order
        sent = business.cli("send", "standard", str(file), "--json")

        def rejected(sent=sent):
            about = {"resource": {"id": [f"hookline.delivery.{sent['id']}"]}}
            events = prefect_api.post("events/filter", json={"filter": about}).json()["events"]
            return "hookline.delivery.rejected" in [event["event"] for event in events]

        await until(rejected, "no event of the rejected delivery")
    [issue] = [each for each in business.cli("issues", "list", "--json") if each["source"] == "standard"]

    def started():
        runs = prefect_api.post("flow_runs/filter", json={"flows": {"name": {"any_": ["notify"]}}}).json()
        return [
            run["parameters"]["what"]
            for run in runs
            if run["parameters"]["what"].endswith(f"/issues/{issue['id']}")
        ]

    await until(started, "nobody was told")
    [what] = started()
    assert 2 <= issue["waiting"]
    assert [True] * 2 == [word in what for word in (issue["title"], issue["advice"])]


loads_apprise = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@loads_apprise
async def test_a_person_is_told_what_happened_and_what_else_waits(
    listener, environment, run_flow, database, database_settings
):
    from flows.notify import notify

    port, heard = listener
    for state in ("rejected", "rejected", "done"):
        delivery = await receive(database)
        await bring(database, "deliveries", state, "id = $1", delivery)
    environment.setenv("HOOKLINE_HOME", str(database_settings.home))
    environment.setenv("HOOKLINE_NOTIFY_URLS", f"json://127.0.0.1:{port}")

    state = await run_flow(notify.with_options(retries=0), what="Delivery 1 of shop is rejected: no order")

    assert state.is_completed()
    [message] = heard
    assert "Hookline needs a person" == message["title"]
    assert [
        "Delivery 1 of shop is rejected: no order",
        "2 rejected of shop",
        Settings.from_environment().gateway_url,
    ] == [line for line in message["message"].splitlines() if line and not line.endswith(":")]


@loads_apprise
async def test_with_nobody_to_tell_that_is_said(environment, run_flow):
    from flows.notify import notify

    environment.delenv("HOOKLINE_NOTIFY_URLS", raising=False)

    assert "Nobody to notify" == (await run_flow(notify, what="something")).name


@loads_apprise
async def test_an_address_that_cannot_be_read_is_not_shown(environment, run_flow):
    from flows.notify import notify

    environment.setenv("HOOKLINE_NOTIFY_URLS", "nonsense://user:geheim@host")

    state = await run_flow(notify.with_options(retries=0), what="something")

    assert state.is_failed()
    assert "HOOKLINE_NOTIFY_URLS holds an address that Apprise cannot read" in state.message
    assert "geheim" not in state.message


# The automations of automations.yaml ------------------------------------------------------------------------


@pytest.fixture
def apply(prefect, tmp_path):
    """Apply automations as `hookline apply` does; what is said of each."""

    async def apply(text, *, dry_run=False):
        path = tmp_path / "automations.yaml"
        path.write_text(text)
        said = []
        async for change in automation_changes(prefect, load_automations(path), [TELL]):
            if not dry_run:
                await change.make()
            said.append(change.change)
        return said

    return apply


async def test_an_automation_is_made_once_and_changed_with_the_file(apply, prefect):
    number = uuid4().hex
    text = ON_ORDER.format(number=number)

    said = [await apply(text, dry_run=True), await apply(text), await apply(text)]
    changed = await apply(text.replace("within: 0", "within: 60"))

    assert [["made"], ["made"], ["as it is"], ["changed"]] == [*said, changed]
    [existing] = await prefect.read_automations_by_name(f"on order {number}")
    assert timedelta(seconds=60) == existing.trigger.within


async def test_what_a_person_changed_in_the_prefect_ui_is_left_alone_and_that_is_said(apply, prefect):
    number = uuid4().hex
    text = ON_ORDER.format(number=number)
    await apply(text)
    [existing] = await prefect.read_automations_by_name(f"on order {number}")
    existing.trigger.threshold = 5
    await prefect.update_automation(
        existing.id, AutomationCore(**existing.model_dump(exclude={"id", "owner_resource"}))
    )

    said = await apply(text.replace("within: 0", "within: 60"))

    assert ["left alone: changed in the Prefect UI; delete it there, and it is made as the file says"] == said
    [existing] = await prefect.read_automations_by_name(f"on order {number}")
    assert (5, timedelta(0)) == (existing.trigger.threshold, existing.trigger.within)


async def test_one_that_a_person_switched_off_stays_off(apply, prefect):
    number = uuid4().hex
    text = ON_ORDER.format(number=number)
    await apply(text)
    [existing] = await prefect.read_automations_by_name(f"on order {number}")
    await prefect.pause_automation(existing.id)

    said = [await apply(text), await apply(text.replace("within: 0", "within: 60"))]

    assert [["as it is"], ["changed"]] == said
    assert not (await prefect.read_automation(existing.id)).enabled


async def test_what_names_something_that_is_not_there_is_left_alone(apply):
    text = ON_ORDER.format(number=uuid4().hex)

    assert ["left alone: there is no deployment gone/default"] == await apply(
        text.replace(TELL, "gone/default")
    )
    assert ["left alone: there is no block slack-webhook/gone"] == await apply(
        text.split("    actions:")[0]
        + "    actions: [{type: send-notification, block: slack-webhook/gone, body: hello}]\n"
    )


@loads_apprise
async def test_what_a_sender_wrote_is_text_in_the_message(
    listener, environment, run_flow, database, database_settings
):
    from flows.notify import notify

    port, heard = listener
    environment.setenv("HOOKLINE_HOME", str(database_settings.home))
    environment.setenv(
        "HOOKLINE_NOTIFY_URLS",
        f"json://127.0.0.1:{port}/?format=html json://127.0.0.1:{port}/?format=markdown",
    )

    await run_flow(
        notify.with_options(retries=0), what="order <img src=//e.example>\n[here](https://e.example)"
    )

    first_lines = {message["message"].replace("<br/>", "\n").splitlines()[0] for message in heard}
    assert {
        "order&nbsp;&lt;img&nbsp;src=//e.example&gt;&nbsp;[here](https://e.example)",
        r"order \<img src\=\/\/e\.example\> \[here\]\(https\:\/\/e\.example\)",
    } == first_lines
