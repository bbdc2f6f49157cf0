"""What people call a delivery, and find it by, from the first second and whatever state it is in."""

import json
from uuid import uuid4

import pytest
from rows import arrival, bring
from test_gateway_login import Browser

from hookline.health import servers
from hookline.hooks import load_hooks
from hookline.inbox import commands, deliveries, dispatches, search
from hookline.journal import store
from hookline.labels import MAX_LABEL, Label
from hookline.provisioning.deployments import load_deployments

ORDER = {"InvoiceID": "5244dd5e199749f4b6fe", "InvoiceNo": "100123", "DebtorAccountNo": "C-7"}
ROUTE = {
    "source": "jiwa",
    "deployment": "order-to-license/default",
    "parameters": {"invoice_id": "{{ body.InvoiceID }}"},
    "label": "order {{ body.InvoiceNo }}",
    "about": {"order": "{{ body.InvoiceNo }}", "customer": "{{ body.DebtorAccountNo | default('') }}"},
}


@pytest.fixture(scope="module")
def deployments(repository):
    return load_deployments(repository / "deployments/prefect.yaml")


@pytest.fixture
def hooks(tmp_path):
    """Hooks with this one route, and what of it is changed."""

    def of(source=None, **changed):
        path = tmp_path / "hooks.yaml"
        source = {"scheme": "shared-secret"} | (source or {})
        path.write_text(json.dumps({"sources": {"jiwa": source}, "routes": {"order": ROUTE | changed}}))
        return load_hooks(path)

    return of


@pytest.fixture
def routed(database, deployments, route_received):
    """Routes a body, and returns the delivery as people see it."""

    async def routed(hooks, body=ORDER):
        content = json.dumps(body).encode()
        receipt = await deliveries.accept(database, arrival(uuid4().hex, body=content))
        await route_received(hooks, deployments)
        return await search.read(database, str(receipt.id))

    return routed


def label_of(row):
    return row["label"], row["about"], row["label_problem"]


async def found(database, **filter_):
    return [row["id"] for row in (await search.find(database, search.Filter(**filter_))).deliveries]


async def test_the_label_is_on_the_dispatch_once_it_is_routed(hooks, routed):
    [dispatch] = (await routed(hooks()))["dispatches"]

    assert ("order 100123", {"order": "100123", "customer": "C-7"}, None) == label_of(dispatch)


@pytest.mark.parametrize(
    "filter_",
    [
        {"key": "100123"},
        {"key": "order 100123"},
        {"key": "c-7"},
        {"about": "order=100123"},
        {"about": "customer=c-7"},
        {"about": "C-7"},
        {"key": "100123", "about": "customer=C-7", "state": "failed", "source": "jiwa"},
    ],
    ids=str,
)
async def test_a_failed_order_is_found_by_its_number_and_its_customer(database, hooks, routed, filter_):
    row = await routed(hooks())
    await routed(hooks(), ORDER | {"InvoiceNo": "100124", "DebtorAccountNo": "C-8"})
    await bring(database, "dispatches", "failed")

    assert [row["id"]] == await found(database, **filter_)


async def test_every_word_of_a_label_finds_it_in_any_case(database, hooks, routed):
    row = await routed(hooks(label="Order {{ body.InvoiceNo }} of Müller & Söhne"))

    assert [[row["id"]]] * 3 == [await found(database, key=word) for word in ("order", "müller", "100123")]


@pytest.mark.parametrize(
    "filter_", [{"key": "10012"}, {"about": "customer=100123"}, {"about": "order="}, {"about": "C-"}], ids=str
)
async def test_it_is_not_found_by_another_name_or_a_part_of_a_word(database, hooks, routed, filter_):
    await routed(hooks())

    assert [] == await found(database, **filter_)


async def test_a_rejected_order_is_found_by_its_number_too(database, hooks, routed):
    row = await routed(hooks(), ORDER | {"InvoiceID": 12})

    assert ("rejected", ("order 100123", {"order": "100123", "customer": "C-7"}, None)) == (
        row["state"],
        label_of(row),
    )
    assert [row["id"]] == await found(database, key="100123") == await found(database, about="customer=C-7")


async def test_one_whose_parameters_cannot_be_rendered_has_its_label_too(hooks, routed):
    row = await routed(hooks(parameters={"invoice_id": "{{ body.nothing }}"}))

    assert ("rejected", "order 100123") == (row["state"], row["label"])


async def test_one_whose_flow_is_not_there_has_its_label_too(hooks, routed):
    row = await routed(hooks(deployment="no-such-flow/default"))

    assert ("received", "order 100123") == (row["state"], row["label"])


async def test_a_template_that_fails_costs_no_delivery_and_says_why(hooks, routed):
    body = {"InvoiceID": "x", "DebtorAccountNo": "C-7"}

    [dispatch] = (await routed(hooks(), body))["dispatches"]

    label, about, problem = label_of(dispatch)
    assert (None, {"customer": "C-7"}, "dispatched") == (label, about, dispatch["state"])
    assert "InvoiceNo" in problem
    assert problem.startswith("label: ")
    assert "about.order: " in problem


async def test_doctor_names_the_route_whose_label_fails(database, hooks, routed):
    await routed(hooks())
    await routed(hooks(), {"InvoiceID": "x"})

    async with database.acquire() as connection:
        [finding] = await servers.check_labels(connection)

    assert ("label of order", "warning") == (finding.check, finding.state)
    assert "is missing: 1; the last: label: " in finding.detail


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x" * 500, "x" * (MAX_LABEL - 1) + "…"),
        ("two\nlines\t of it", "two lines of it"),
        ("\x00\ud800\u202e", "\\u{0}\\u{d800}\\u{202e}"),
        (7, "7"),
        ("", None),
        (None, None),
    ],
    ids=["long", "lines", "invisible", "number", "empty", "nothing"],
)
async def test_a_label_is_one_short_inert_line(hooks, routed, value, shown):
    row = await routed(hooks(label="{{ body.InvoiceNo }}", about={}), ORDER | {"InvoiceNo": value})

    assert shown == row["dispatches"][0]["label"]


async def test_a_map_is_no_label(hooks, routed):
    row = await routed(hooks(label="{{ body }}"))

    assert (None, "label: gives a map, not a text") == (
        row["dispatches"][0]["label"],
        row["dispatches"][0]["label_problem"],
    )


async def test_what_is_redacted_is_in_no_label_that_one_searches_by(
    database, hooks, deployments, route_received
):
    now = hooks(source={"redact": ["$.DebtorAccountNo"]}, label="order of {{ body.DebtorAccountNo }}")
    content = now.sources["jiwa"].redacted("application/json", json.dumps(ORDER).encode())
    receipt = await deliveries.accept(database, arrival("one", body=content, altered=["redacted"]))

    await route_received(now, deployments)

    [dispatch] = (await search.read(database, str(receipt.id)))["dispatches"]
    assert ("order of [redacted]", {"order": "100123"}) == (dispatch["label"], dispatch["about"])


async def test_what_a_flow_finds_out_is_added(database, hooks, routed):
    [dispatch] = (await routed(hooks(), {"InvoiceID": "x"}))["dispatches"]
    learned = Label("order 100123 · Customer", {"order": "100123"})

    async with database.acquire() as connection:
        first = await dispatches.add_label(connection, dispatch["id"], learned)
        second = await dispatches.add_label(connection, dispatch["id"], learned)
        third = await dispatches.add_label(connection, dispatch["id"], Label(None, {"customer": "C-7"}))

    both = Label("order 100123 · Customer", {"order": "100123", "customer": "C-7"})
    assert (learned, None, both) == (first, second, third)
    assert [dispatch["delivery_id"]] == await found(database, key="100123", about="customer=C-7")


async def test_a_replay_keeps_the_label(database, hooks, routed):
    row = await routed(hooks())
    await bring(database, "dispatches", "failed")

    async with database.acquire() as connection:
        await commands.replay(connection, [row["id"]], actor="a person")

    [dispatch] = (await search.read(database, str(row["id"])))["dispatches"]
    assert ("dispatched", "order 100123") == (dispatch["state"], dispatch["label"])


async def test_the_label_of_a_replayed_rejected_delivery_is_that_of_its_dispatch(
    database, hooks, routed, deployments, route_received
):
    row = await routed(hooks(parameters={}))
    async with database.acquire() as connection:
        await commands.replay(connection, [row["id"]], actor="a person")

    await route_received(hooks(label="invoice {{ body.InvoiceNo }}"), deployments)

    now = await search.read(database, str(row["id"]))
    assert ["invoice 100123"] == [each["label"] for each in now["dispatches"]]
    assert [row["id"]] == await found(database, key="invoice 100123")


async def test_a_search_by_what_it_is_about_uses_the_index(database):
    async with database.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch(
            f"EXPLAIN SELECT delivery_id FROM dispatches WHERE {search.labelled('$1::text')}", "100123"
        )

    assert any("dispatches_terms" in row[0] for row in plan)


async def test_the_pages_show_it_with_links_to_all_of_one_customer(
    database, database_settings, hooks, routed
):
    browser = Browser(database_settings)
    await browser.log_in()
    row = await routed(hooks(label="order {{ body.InvoiceNo }} <b>"))
    address = f"/deliveries/{row['id']}"

    pages = {path: (await browser.get(path)).text for path in ("/", address, "/?about=customer%3DC-7&text=x")}

    assert all("order 100123 &lt;b&gt;" in pages[path] for path in ("/", address))
    assert 'href="/?about=customer%3DC-7">C-7</a>' in pages[address]
    assert 'name="about" type="search" value="customer=C-7"' in pages["/?about=customer%3DC-7&text=x"]
    assert row["id"] in await found(database, about="customer=C-7")


async def test_issues_and_decisions_call_it_so_too(database, database_settings, hooks, routed):
    browser = Browser(database_settings)
    await browser.log_in()
    [dispatch] = (await routed(hooks()))["dispatches"]
    await database.execute(
        "INSERT INTO effects (workflow, key, step, label, operation, digest, request, dispatch_id, state)"
        " VALUES ('w', 'k', 'mail', 'the mail', 'a.b', '', '{}', $1, 'intended')",
        dispatch["id"],
    )
    await bring(database, "effects", "uncertain")
    await bring(database, "dispatches", "failed")
    number = await database.fetchval("SELECT issue_id FROM dispatches")

    pages = [(await browser.get(path)).text for path in ("/uncertain", f"/issues/{number}")]

    assert [True, True] == [
        f'href="/deliveries/{dispatch["delivery_id"]}">order 100123</a>' in page for page in pages
    ]
    async with database.acquire() as connection:
        assert ["mail"] == [row["step"] for row in await store.find(connection, state=None, key="100123")]
