"""Files that are wrong while gateways run: what is told where, and deliveries that wait for what is wrong."""

import asyncio
import json
import os
import signal

import pytest
from prefect.client.orchestration import PrefectClient

from hookline.engine.configuration import Configuration as EngineConfiguration
from hookline.gateway.configuration import sources_in_force
from hookline.gateway.views import sources
from hookline.gateway.views.base import AdminViews
from hookline.health import running
from hookline.in_force import Problem
from hookline.inbox import configuration, deliveries
from hookline.inbox.deliveries import Arrival

SECRET = "a-shared-secret-that-is-long-enough"
SOURCES = {"shop": {"scheme": "shared-secret"}, "bank": {"scheme": "shared-secret"}}
FLOW = '''
from prefect import flow


@flow(name="{name}")
async def {name}(order: str) -> None:
    """Do nothing."""
'''


@pytest.fixture
def checkout(tmp_path, environment):
    """A folder of flows, a `prefect.yaml` and a `hooks.yaml`, to be broken."""
    environment.syspath_prepend(tmp_path)
    environment.setenv("HOOKLINE_SECRET_SHOP", SECRET)
    environment.setenv("HOOKLINE_SECRET_BANK", SECRET)
    made = Checkout(tmp_path)
    yield made
    made.forget()


class Checkout:
    def __init__(self, folder):
        self.folder = folder
        self.prefix = f"flow_{folder.name.replace('-', '_')}"
        self.hooks = folder / "hooks.yaml"
        self.prefect = folder / "prefect.yaml"
        for name in ("good", "bad"):
            self.write_flow(name)
        entries = [
            {"name": "d", "entrypoint": f"{self.prefix}_{name}.py:{name}", "work_pool": {"name": "p"}}
            for name in ("good", "bad")
        ]
        self.prefect.write_text(json.dumps({"deployments": entries}))
        self.write_hooks()

    def file(self, name):
        return self.folder / f"{self.prefix}_{name}.py"

    def write_flow(self, name, text=None):
        self.file(name).write_text(FLOW.format(name=name) if text is None else text)

    def write_hooks(self, text=None, **routes):
        given = {
            "pay": {"source": "shop", "deployment": "good/d", "parameters": {"order": "{{ body.order }}"}},
            "book": {"source": "bank", "deployment": "bad/d", "parameters": {"order": "{{ body.order }}"}},
        }
        self.hooks.write_text(text or json.dumps({"sources": SOURCES, "routes": given | routes}))

    def settings(self, settings):
        return settings.model_copy(
            update={"home": settings.home, "hooks": self.hooks, "deployments": self.prefect}
        )

    def forget(self):
        import sys

        for name in [name for name in sys.modules if name.startswith(self.prefix)]:
            del sys.modules[name]


@pytest.fixture
def engine(checkout, database_settings):
    """What an engine has in force, which reads the files again when told to."""

    def start():
        return EngineConfiguration(checkout.settings(database_settings))

    return start


async def send(database, source, order):
    arrival = Arrival(
        source, order, "POST", {}, {}, "application/json", json.dumps({"order": order}).encode()
    )
    return (await deliveries.accept(database, arrival)).id


async def state(database, delivery):
    row = await database.fetchrow("SELECT state, reason FROM deliveries WHERE id = $1", delivery)
    return row["state"], row["reason"]


BROKEN = {
    "a syntax error": "def f(:\n",
    "an import that is not there": "import no_such_module\n",
    "any exception": "raise KeyError('price')\n",
    "an exception of a strange text": "class E(Exception):\n    def __str__(self): raise ValueError\nraise E\n",
    "the end of the process": "import sys\nsys.exit(0)\n",
    "a base exception": "raise BaseException('no')\n",
    "no flow": "bad = 7\n",
    "nothing": "",
    "a null byte": "\0",
    "a file that is nested too deep": "(" * 3000,
    "a generator that is closed": "raise GeneratorExit\n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("again", [False, True], ids=["at start", "when read again"])
def test_a_flow_file_that_cannot_be_loaded_is_off_alone(checkout, engine, text, again):
    if again:
        found = engine()
        checkout.write_flow("bad", text)
        found.reload()
    else:
        checkout.write_flow("bad", text)
        found = engine()

    assert ["good/d"] == list(found.deployments)
    assert [("flow file", checkout.file("bad").name)] == [(each.kind, each.name) for each in found.problems]
    assert {"pay": None, "book": True} == {
        route.name: route.off and route.off.startswith(f"waits for {checkout.file('bad').name} to load: ")
        for route in found.hooks.routes
    }


def test_the_line_of_a_mistake_is_told(checkout, engine):
    checkout.write_flow("bad", "x = 1\ny = x.z\n")

    [problem] = engine().problems

    assert f"{checkout.file('bad').name}:bad: line 2: 'int' object has no attribute 'z'" in problem.detail


def test_an_import_without_an_end_is_ended(checkout, engine, monkeypatch):
    found = engine()
    monkeypatch.setattr("hookline.engine.configuration.REIMPORT_SECONDS", 0.3)
    checkout.write_flow("bad", "while True:\n    try:\n        pass\n    except Exception:\n        pass\n")

    found.reload()

    assert ["good/d"] == list(found.deployments)
    assert "its import takes longer than 0.3 s" in found.problems[0].detail


def test_what_runs_keeps_its_code_and_what_comes_has_the_new(checkout, engine):
    found = engine()
    old = found.deployments["good/d"].flow()
    checkout.write_flow("good", FLOW.format(name="good") + "\nVERSION = 2\n")

    found.reload()

    new = found.deployments["good/d"].flow()
    assert (None, 2) == (old.fn.__globals__.get("VERSION"), new.fn.__globals__.get("VERSION"))


def test_a_flow_that_did_not_change_is_not_read_again(checkout, engine):
    found = engine()
    before = found.deployments["good/d"].flow()

    found.reload()

    assert before is found.deployments["good/d"].flow()


async def test_a_delivery_for_a_flow_that_cannot_be_loaded_waits_and_the_others_go_on(
    checkout, engine, database, route_received
):
    checkout.write_flow("bad", "def f(:\n")
    found = engine()
    paid, booked = await send(database, "shop", "1"), await send(database, "bank", "2")

    await route_received(found.hooks, found.deployments)
    waits = await state(database, booked)
    checkout.write_flow("bad")
    found.reload()
    released = await configuration.release(database, [route.name for route in found.hooks.routes])
    await route_received(found.hooks, found.deployments)

    assert (1, ("dispatched", None), ("dispatched", None)) == (
        released,
        await state(database, paid),
        await state(database, booked),
    )
    assert ("held", True, True) == (
        waits[0],
        waits[1].startswith(f"route book waits for {checkout.file('bad').name} to load: "),
        "line 1: SyntaxError" in waits[1],
    )


async def test_what_waits_for_a_route_that_is_still_off_stays(checkout, engine, database, route_received):
    checkout.write_flow("bad", "def f(:\n")
    found = engine()
    booked = await send(database, "bank", "2")
    await route_received(found.hooks, found.deployments)

    released = await configuration.release(
        database, [route.name for route in found.hooks.routes if not route.off]
    )

    assert (0, "held") == (released, (await state(database, booked))[0])


async def test_a_new_route_that_does_not_fit_its_flow_lets_wait_only_what_it_would_take(
    checkout, engine, database, route_received
):
    engine()
    checkout.write_hooks(
        refund={
            "source": "shop",
            "when": "body.order == 'refund'",
            "deployment": "good/d",
            "parameters": {"odrer": "{{ body.order }}"},
        }
    )
    found = engine()
    paid, refund = await send(database, "shop", "1"), await send(database, "shop", "refund")

    await route_received(found.hooks, found.deployments)

    assert ("dispatched", "held") == ((await state(database, paid))[0], (await state(database, refund))[0])
    assert "odrer: the flow has no such parameter" in (await state(database, refund))[1]


async def test_a_route_that_no_longer_fits_its_flow_goes_on_as_it_was(
    checkout, engine, database, route_received
):
    engine()
    checkout.write_hooks(pay={"source": "shop", "deployment": "good/d", "parameters": {"odrer": "x"}})

    found = engine()
    paid = await send(database, "shop", "1")
    await route_received(found.hooks, found.deployments)

    assert "1" == await database.fetchval(
        "SELECT parameters ->> 'order' FROM dispatches WHERE delivery_id = $1", paid
    )


async def test_what_no_other_route_takes_waits_for_a_route_whose_condition_cannot_be_read(
    checkout, engine, database, route_received
):
    engine()
    checkout.write_hooks(
        pay={
            "source": "shop",
            "when": "body.order == '1'",
            "deployment": "good/d",
            "parameters": {"order": "{{ body.order }}"},
        },
        more={"source": "shop", "when": "body is", "deployment": "good/d"},
    )
    found = engine()
    taken, not_taken = await send(database, "shop", "1"), await send(database, "shop", "2")

    await route_received(found.hooks, found.deployments)

    assert ("dispatched", "held") == (
        (await state(database, taken))[0],
        (await state(database, not_taken))[0],
    )


@pytest.mark.parametrize("text", ["deployments: {", "", "deployments: 7", "a: b: c"])
def test_the_last_good_prefect_yaml_stays_in_force(checkout, engine, text):
    engine()
    checkout.prefect.write_text(text)

    found = engine()

    assert ["good/d", "bad/d"] == list(found.deployments)
    assert [("file", str(checkout.prefect))] == [(each.kind, each.name) for each in found.problems]


async def test_a_text_that_is_wrong_is_named_and_stops_nothing(checkout, database_settings, database, until):
    path = checkout.folder / "templates/order-to-license/mail.en.j2"
    path.parent.mkdir(parents=True)
    path.write_text("{% block body %}{{ kontact }}{% endblock %}")
    changed = {"templates": checkout.folder / "templates"}

    found = EngineConfiguration(checkout.settings(database_settings).model_copy(update=changed))
    reporting = asyncio.create_task(found.report_problems(database, PrefectClient("http://127.0.0.1:9/api")))
    [problem] = await until(lambda: configuration.problems(database), "nothing is reported")
    reporting.cancel()

    assert ["good/d", "bad/d"] == list(found.deployments)
    assert ("file", str(path)) == (problem["kind"], problem["name"])
    assert "line 1: kontact is not a value of this text (do you mean contact?)" in problem["detail"]


def test_an_entry_of_prefect_yaml_that_is_wrong_stays_as_it_was(checkout, engine):
    engine()
    text = json.loads(checkout.prefect.read_text())
    text["deployments"][1]["concurrency_limit"] = "many"
    checkout.prefect.write_text(json.dumps(text))

    found = engine()

    assert ["good/d", "bad/d"] == list(found.deployments)
    assert [("deployment", "d")] == [(each.kind, each.name) for each in found.problems]


async def test_what_is_wrong_is_told_by_those_who_run_until_it_is_right(database):
    wrong = Problem("source", "shop", "hooks.yaml: sources.shop: no", "it is switched off")
    await configuration.report(database, "engine at a", [wrong])
    await configuration.report(database, "gateway at b", [wrong])
    first = await configuration.problems(database)
    await configuration.report(database, "engine at a", [])
    await configuration.report(database, "gateway at b", [])

    assert [(["engine at a", "gateway at b"], f"{wrong}")] == [
        (row["processes"], row["detail"]) for row in first
    ]
    assert [] == await configuration.problems(database)


async def test_of_two_that_are_wrong_the_one_that_is_right_again_is_told_no_more(database):
    shop, forum = (Problem("source", name, "no", "it is switched off") for name in ("shop", "forum"))
    await configuration.report(database, "engine at a", [shop, forum])

    await configuration.report(database, "engine at a", [forum])

    assert ["forum"] == [row["name"] for row in await configuration.problems(database)]


async def test_what_waits_for_a_flow_that_cannot_be_loaded_says_so(database):
    receipt = await deliveries.accept(
        database, deliveries.Arrival("shop", "1", "POST", {}, {}, "application/json", b"{}")
    )
    for name in ("bad/d", "good/d"):
        await database.execute(
            "INSERT INTO dispatches (delivery_id, source, route, deployment, parameters) VALUES ($1, 'shop', $2, $2, '{}')",
            receipt.id,
            name,
        )

    await configuration.note_broken(database, {"bad/d": "line 3 is wrong"})

    rows = await database.fetch("SELECT deployment, reason FROM dispatches ORDER BY deployment")
    assert [("bad/d", "line 3 is wrong"), ("good/d", None)] == [tuple(row) for row in rows]


async def test_what_is_wrong_is_due_to_be_told_once_and_again_when_it_changes(database):
    async def due():
        return await database.fetchval("SELECT event_due FROM configuration_problems")

    wrong = Problem("source", "shop", "one", "off")
    await configuration.report(database, "engine", [wrong])
    at_first = await due()
    await database.execute("UPDATE configuration_problems SET event_due = false")
    await configuration.report(database, "engine", [wrong])
    again = await due()
    await configuration.report(database, "engine", [Problem("source", "shop", "another", "off")])

    assert [True, False, True] == [at_first, again, await due()]


# A gateway that runs ---------------------------------------------------------------------------------------


@pytest.fixture
def gateway(checkout, database_settings, database, serve):
    return lambda **changed: serve(checkout.settings(database_settings), admin_token=None, **changed)


async def post(client, source, order):
    answer = await client.post(
        f"/hooks/{source}",
        json={"order": order, "at": os.urandom(8).hex()},
        headers={"X-Hookline-Key": SECRET},
    )
    return answer.status_code


async def hang_up(_database):
    os.kill(os.getpid(), signal.SIGHUP)


@pytest.mark.parametrize("ask", [configuration.ask_to_reload, hang_up], ids=["by apply", "by SIGHUP"])
async def test_a_gateway_reads_its_files_again_when_asked_and_loses_nothing(
    checkout, gateway, database, until, ask
):
    async with gateway() as client:
        await until(lambda: _listens(database), "the gateway does not listen")
        stop, answers = asyncio.Event(), []

        async def stream():
            while not stop.is_set():
                answers.append(await post(client, "shop", len(answers)))

        streaming = asyncio.create_task(stream())
        for text in ("sources: {", None, "", None):
            checkout.write_hooks(text) if text is not None else _write_with(checkout, "new")
            await ask(database)
            await asyncio.sleep(0.1)
        known = await until(lambda: _status_is(client, "new", 401), "the new source is not known")
        stop.set()
        await streaming

    assert {202} == set(answers)
    assert len(answers) == await database.fetchval("SELECT count(*) FROM deliveries")
    assert known


def _write_with(checkout, source):
    os.environ[f"HOOKLINE_SECRET_{source.upper()}"] = "another-secret-that-is-long-enough"
    checkout.write_hooks(json.dumps({"sources": SOURCES | {source: {"scheme": "shared-secret"}}}))


async def _status_is(client, source, status):
    return status == await post(client, source, "x")


async def _listens(database):
    return await database.fetchval("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%reload%'")


async def test_a_gateway_whose_file_is_broken_starts_again_with_what_was_good(checkout, gateway):
    async with gateway() as client:
        before = await post(client, "shop", "1")
    checkout.write_hooks("sources: [")

    async with gateway() as client:
        after, unknown = await post(client, "shop", "2"), await post(client, "nobody", "3")

    assert (202, 202, 404) == (before, after, unknown)


async def test_a_source_that_is_wrong_is_in_the_metrics_and_in_readyz(checkout, gateway, database, until):
    async with gateway():
        pass
    checkout.write_hooks(json.dumps({"sources": SOURCES | {"shop": {"scheme": "none"}, "new": {}}}))

    async with gateway() as client:
        await until(lambda: configuration.problems(database), "nothing is reported")
        metrics = (await client.get("/metrics")).text

        async def warned():
            return (await client.get("/readyz")).json().get("warnings")

        warnings = await until(warned, "no warning")
        answers = [await post(client, source, "1") for source in ("shop", "new")]

    assert [202, 404] == answers
    assert 'hookline_config_problems{kind="source",name="new"} 1.0' in metrics
    assert 'hookline_config_problems{kind="source",name="shop"} 1.0' in metrics
    assert ["2 things in the files are wrong"] == warnings


async def test_the_page_says_of_a_source_that_is_wrong_why_it_is_off(checkout, database_settings, database):
    settings = checkout.settings(database_settings)
    sources_in_force(settings)
    checkout.write_hooks(json.dumps({"sources": SOURCES | {"new": {}}}))

    cards = await sources._cards(AdminViews(settings, sources_in_force(settings)))

    assert {"bank": None, "new": f"{checkout.hooks}: sources.new.scheme: is missing", "shop": None} == {
        card.name: card.off and card.off.partition("; ")[0] for card in cards
    }


# How the work goes -----------------------------------------------------------------------------------------


async def alive(database, trouble=None):
    await database.execute(
        """
        INSERT INTO engines (name, host, pid, trouble, trouble_since)
        VALUES ('e', 'h', 1, $1, CASE WHEN $1::text IS NOT NULL THEN now() END)
        """,
        trouble,
    )


@pytest.mark.parametrize(
    ("seconds", "engine", "expected"),
    [
        (20, True, ("ok", None)),
        (45, True, ("problem", "although an engine is alive")),
        (45, False, ("problem", "and no engine is alive")),
    ],
)
async def test_a_delivery_that_waits_long_to_be_routed_is_named(database, seconds, engine, expected):
    if engine:
        await alive(database)
    delivery = await send(database, "shop", "1")
    await send(database, "shop", "2")
    await database.execute("UPDATE deliveries SET received_at = now() - make_interval(secs => $1)", seconds)

    now = await running.read(database)

    [received] = [finding for finding in running.check(now) if finding.check == "received"]
    text = now.waits_too_long or ""
    assert expected == (received.state, text.rpartition("routed, ")[2] or None)
    assert seconds < 30 or str(delivery) in text


async def test_a_part_of_an_engine_that_fails_is_a_warning(database):
    await alive(database, "the reconciler: HTTPStatusError")

    now = await running.read(database)

    engines = running.check(now)[0]
    assert ("warning", True) == (engines.state, "the reconciler: HTTPStatusError" in engines.detail)
    assert ["a part of engine e fails"] == now.warnings({})
