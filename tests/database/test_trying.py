"""A try says what an engine would do with a body, and leaves nothing behind."""

import json
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from hookline.engine.trying import (
    Files,
    Request,
    changed_files,
    files_in_force,
    try_deliveries,
    try_request,
)
from hookline.errors import ConfigurationError
from hookline.hooks import load_hooks
from hookline.inbox import commands
from hookline.inbox.bodies import NO_KEY
from hookline.inbox.tries import Result, TriedRoute
from hookline.provisioning.deployments import Deployments, load_deployments

ORDER = {"InvoiceID": "5244dd5e199749f4b6fe", "InvoiceNo": "100123"}
HOOKS = """
sources:
  jiwa:
    scheme: shared-secret
    max_body: 1000
  bundles:
    scheme: shared-secret
    id: "{{ body.id }}"
    split: "$.events[*]"
  strict:
    scheme: shared-secret
    schema: {required: [InvoiceID]}
  forms:
    scheme: shared-secret
    accept: [form]
    charset: windows-1252
routes:
  order:
    source: jiwa
    when: body.InvoiceID is defined and body.kind == 'sale'
    deployment: order-to-license/default
    parameters: {invoice_id: "{{ body.InvoiceID }}"}
    key: "jiwa order {{ body.InvoiceID }}"
  other:
    source: jiwa
    when: body.note.text == 'x'
    deployment: order-to-license/default
    parameters: {invoice_id: "{{ body.InvoiceID }}"}
  event:
    source: bundles
    when: body.id != 'b'
    deployment: order-to-license/default
    parameters: {invoice_id: "{{ body.id }}"}
  strict-order:
    source: strict
    deployment: order-to-license/default
    parameters: {invoice_id: "{{ body.InvoiceID }}"}
  form-order:
    source: forms
    deployment: order-to-license/default
    parameters: {invoice_id: "{{ body.id }}"}
"""
SALE = ORDER | {"kind": "sale"}
HEADERS = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def deployments(repository):
    found = Deployments()
    found.update(load_deployments(repository / "deployments/prefect.yaml"))
    return found


@pytest.fixture
def settings(database_settings, environment):
    for source in ("JIWA", "BUNDLES", "STRICT", "FORMS"):
        environment.setenv(f"HOOKLINE_SECRET_{source}", "a-secret-of-the-tests-of-tries")
    return database_settings


@pytest.fixture
def files(deployments, tmp_path):
    (tmp_path / "hooks.yaml").write_text(HOOKS)
    return Files(load_hooks(tmp_path / "hooks.yaml"), deployments)


@pytest.fixture
def try_body(database, settings, files):
    async def try_body(body, source="jiwa", headers=HEADERS, changed=None):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await try_request(settings, database, Request(source, content, headers), files, changed)

    return try_body


@pytest.fixture
def changed(files, tmp_path):
    """The files with one text of hooks.yaml replaced by another."""

    def changed(before, after):
        assert before in HOOKS
        return changed_files(files, tmp_path / "changed.yaml", HOOKS.replace(before, after))

    return changed


@pytest.fixture
def stored(database, settings, serve, tmp_path, files):
    """Stores bodies by a real POST, as their sender would; their ids."""

    async def stored(*posted, **options):
        async with serve(settings, hooks=tmp_path / "hooks.yaml", **options) as client:
            found = []
            for body, source in posted:
                answer = await client.post(
                    f"/hooks/{source}",
                    content=body if isinstance(body, bytes) else json.dumps(body).encode(),
                    headers=HEADERS | {"X-Hookline-Key": "a-secret-of-the-tests-of-tries"},
                )
                found.append(UUID(answer.raise_for_status().json()["id"]))
        return found

    return stored


async def rows(database):
    """All that a try could leave behind."""
    tables = ("deliveries", "dispatches", "changes")
    return {table: await database.fetch(f"SELECT * FROM {table} ORDER BY 1") for table in tables}


def verdicts(tried):
    return {route.route: route.verdict for route in tried.routes}


async def test_a_try_says_of_every_route_if_it_takes_the_body_with_what_and_why(try_body):
    [tried] = (await try_body(SALE)).tried
    order, other = tried.routes

    assert ("dispatched", "json", {"order": "taken", "other": "not taken"}) == (
        tried.state,
        tried.kind,
        verdicts(tried),
    )
    assert (
        {"invoice_id": ORDER["InvoiceID"]},
        f"jiwa order {ORDER['InvoiceID']}",
        "order-to-license/default",
    ) == (
        order.parameters,
        order.key,
        order.deployment,
    )
    assert order.row()["why"].endswith("true; body.InvoiceID = '5244dd5e199749f4b6fe'; body.kind = 'sale'")
    assert "when body.note.text == 'x': false; body.note.text is missing" == other.row()["why"]


async def test_a_try_leaves_nothing_behind(database, stored, try_body, settings, files):
    [delivery] = await stored((SALE, "jiwa"))
    before = await rows(database)

    await try_body({"InvoiceID": "new"})
    await try_body(SALE)
    await try_body({"events": [{"id": "a"}]}, "bundles")
    await try_deliveries(settings, database, [delivery], files, files)

    assert before == await rows(database)


async def test_what_a_try_says_is_what_the_engine_does(
    database, stored, settings, files, route_received, deployments
):
    bodies = [SALE, {"InvoiceID": 12, "kind": "sale"}, {"a": 1}, b"{no json", {"note": {"text": "x"}}]
    ids = await stored(*((body, "jiwa") for body in bodies))
    result = await try_deliveries(settings, database, ids, files)

    await route_received(files.hooks, deployments)

    done = await database.fetch(
        "SELECT d.state, d.reason, p.parameters, p.key FROM deliveries d"
        " LEFT JOIN dispatches p ON p.delivery_id = d.id ORDER BY d.seq"
    )
    tried = [
        (each.state, each.reason, next((r for r in each.routes if r.verdict == "taken"), None))
        for each in result.tried
    ]
    assert [tuple(row) for row in done] == [
        (state, why, route and route.parameters, route and route.key) for state, why, route in tried
    ]
    assert ["dispatched", "rejected", "unrouted", "rejected", "rejected"] == [row["state"] for row in done]


async def test_the_id_is_that_of_a_stored_delivery_and_a_repeat_is_known_with_its_body(
    stored, try_body, database
):
    [delivery] = await stored(({"id": "e", "events": [{"id": "a"}]}, "bundles"))
    of_body = await stored((SALE, "jiwa"))

    [same] = (await try_body(SALE)).tried
    [again] = (await try_body({"id": "e", "events": [{"id": "a"}]}, "bundles")).tried
    [new] = (await try_body({"id": "e", "events": [{"id": "other"}]}, "bundles")).tried

    assert [(str(of_body[0]), True), (str(delivery), True), (None, True)] == [
        (each.repeats, each.same_body) for each in (same, again, new)
    ]
    assert same.id == await database.fetchval("SELECT external_id FROM deliveries WHERE id = $1", of_body[0])


async def test_a_repeat_with_another_body_is_said_to_be_stored_beside_the_first(
    stored, try_body, tmp_path, files, database, settings
):
    text = HOOKS.replace("    max_body: 1000", "    id: '{{ body.InvoiceID }}'")
    (tmp_path / "hooks.yaml").write_text(text)
    [delivery] = await stored((SALE, "jiwa"))
    changed = Files(load_hooks(tmp_path / "hooks.yaml"), files.deployments)
    request = Request("jiwa", json.dumps(SALE | {"more": 1}).encode(), HEADERS)

    [tried] = (await try_request(settings, database, request, changed)).tried

    facts = dict(tried.facts())
    assert (str(delivery), False) == (tried.repeats, tried.same_body)
    assert (SALE["InvoiceID"], True) == (facts["id"], "it is stored beside it" in facts["repeats"])


async def test_each_item_of_a_bundle_is_tried(try_body):
    [tried] = (await try_body({"events": [{"id": "a"}, {"id": "b"}]}, "bundles")).tried

    assert ("split", 2, ["a", "b"]) == (tried.state, tried.items, [each.id for each in tried.tried_items])
    assert [{"event": "taken"}, {"event": "not taken"}] == [verdicts(each) for each in tried.tried_items]
    assert tried.is_taken


async def test_of_a_large_bundle_only_the_first_items_are_tried(try_body):
    [tried] = (await try_body({"events": [{"id": f"i{n}"} for n in range(30)]}, "bundles")).tried

    assert (30, 20) == (tried.items, len(tried.tried_items))
    assert "the first 20 of 30" == dict(tried.facts())["items tried"]


@pytest.mark.parametrize(
    ("body", "source", "headers", "why"),
    [
        (b"{no json", "jiwa", HEADERS, "The body is not JSON: "),
        ({"a": 1}, "strict", HEADERS, "does not fit the schema at $: 'InvoiceID' is a required property"),
        (b"id=1", "jiwa", {"content-type": "application/x-www-form-urlencoded"}, "The content type is "),
        (b"{}", "jiwa", HEADERS | {"content-encoding": "gzip"}, "The body is compressed"),
    ],
)
async def test_a_body_that_is_rejected_is_said_to_be_with_the_reason(try_body, body, source, headers, why):
    [tried] = (await try_body(body, source, headers)).tried

    assert "rejected" == tried.state
    assert tried.reason.startswith(why)
    assert {"rejected"} == set(verdicts(tried).values())


async def test_two_routes_may_take_one_body(try_body):
    [tried] = (await try_body(SALE | {"note": {"text": "x"}})).tried

    assert {"order": "taken", "other": "taken"} == verdicts(tried)


async def test_what_another_route_rejects_starts_on_no_route(try_body, changed, settings, database):
    broken = changed("when: body.note.text == 'x'", "when: 1 / 0 == 1")

    [tried] = (await try_body(SALE, changed=broken)).tried

    assert {"order": "fits", "other": "rejected"} == verdicts(tried)
    assert "nothing starts" in tried.routes[0].why
    assert not tried.is_taken


async def test_a_form_is_read_in_its_charset(try_body):
    form = {"content-type": "application/x-www-form-urlencoded"}
    [tried] = (await try_body(b"id=caf%E9", "forms", form)).tried

    assert ("form", "windows-1252", {"invoice_id": "café"}) == (
        tried.kind,
        tried.charset,
        tried.routes[0].parameters,
    )


async def test_what_the_gateway_refuses_says_so_and_has_no_routes(try_body):
    [tried] = (await try_body({"long": "x" * 1000})).tried

    assert (None, ()) == (tried.state, tuple(tried.routes))
    assert tried.reason.startswith("413: the body is longer than 1000 bytes")


async def test_a_source_without_a_secret_or_paused_is_tried_all_the_same_and_says_so(
    try_body, environment, database
):
    async with database.acquire() as connection:
        await commands.pause(connection, "jiwa", actor="ann", reason="stock-taking")
    [paused] = (await try_body(SALE)).tried
    environment.delenv("HOOKLINE_SECRET_JIWA")
    [off] = (await try_body(SALE | {"n": 2})).tried

    assert ("its source is paused: it waits until that is resumed",) == paused.remarks
    assert "nothing is accepted from the source: it has no secret" == off.remarks[0]
    assert paused.is_taken
    assert off.is_taken


async def test_an_unknown_source_is_named_with_those_that_there_are(try_body):
    with pytest.raises(ConfigurationError, match=r"has no source 'shop'\. There are: jiwa, bundles, "):
        await try_body(SALE, "shop")


async def test_without_a_database_all_but_repeats_is_known(settings, files):
    request = Request("jiwa", json.dumps(SALE).encode(), HEADERS)

    [tried] = (await try_request(settings, None, request, files)).tried

    assert {"order": "taken", "other": "not taken"} == verdicts(tried)
    assert "the database does not answer" in tried.remarks[0]


async def test_a_changed_file_is_compared_with_the_one_in_force(try_body, changed):
    result = await try_body(SALE, changed=changed("jiwa order {{", "order {{"))
    same = await try_body(SALE, changed=changed("    max_body: 1000\n", ""))

    assert [("route order: key", f"jiwa order {ORDER['InvoiceID']}", f"order {ORDER['InvoiceID']}")] == [
        (each.what, each.now, each.then) for each in result.differences
    ]
    assert [] == same.differences


async def test_another_condition_shows_what_is_no_longer_taken_and_what_is(
    stored, changed, settings, database, files
):
    ids = await stored((SALE, "jiwa"), ({"InvoiceID": "2", "kind": "gift"}, "jiwa"), ({"a": 1}, "jiwa"))

    result = await try_deliveries(settings, database, ids, files, changed("'sale'", "'gift'"))

    rows = [
        {row["route"]: row["deployment"] for row in map(TriedRoute.row, each.routes)} for each in result.tried
    ]
    assert ["order-to-license/default"] * len(ids) == [row["order"] for row in rows]
    keys = {(each.now, each.then) for each in result.differences if each.what == "route order: key"}
    assert {(f"jiwa order {ORDER['InvoiceID']}", "nothing"), ("nothing", "jiwa order 2")} == keys
    assert [
        (str(ids[0])[:8], "route order: verdict", "taken", "not taken"),
        (str(ids[1])[:8], "route order: verdict", "not taken", "taken"),
    ] == [tuple(vars(each).values()) for each in result.differences if each.what.endswith("verdict")]
    assert str(ids[2])[:8] not in {each.delivery for each in result.differences}


async def test_a_route_of_a_changed_file_to_no_deployment_is_off_and_says_so(try_body, changed):
    wrong = changed(
        'deployment: order-to-license/default\n    parameters: {invoice_id: "{{ body.InvoiceID }}"}\n    key',
        'deployment: order-to-license/prod\n    parameters: {invoice_id: "{{ body.InvoiceID }}"}\n    key',
    )

    [tried] = (await try_body(SALE, changed=wrong)).tried

    assert ("off", "held") == (tried.routes[0].verdict, tried.state)
    assert "routes.order.deployment: there is no deployment 'order-to-license/prod'" in tried.routes[0].why


async def test_a_source_that_a_changed_file_drops_is_a_difference(
    stored, files, settings, database, tmp_path
):
    [delivery] = await stored((SALE, "jiwa"))
    empty = changed_files(files, tmp_path / "empty.yaml", "sources: {}")

    result = await try_deliveries(settings, database, [delivery], files, empty)

    assert {"state": ("dispatched", "unrouted"), "route order: verdict": ("taken", "not taken")}.items() <= {
        each.what: (each.now, each.then) for each in result.differences
    }.items()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("sources: [", "is not YAML: "),
        ("sources: {jiwa: {scheme: no-such}}", "sources.jiwa.scheme: there is no scheme 'no-such'"),
        ("sources: {}\nroutes: {r: {source: x, deployment: a/b}}", "routes.r.source: there is no source 'x'"),
    ],
)
async def test_a_wrong_file_names_every_place(files, tmp_path, text, place):
    with pytest.raises(ConfigurationError, match=place):
        changed_files(files, tmp_path / "wrong.yaml", text)


async def test_a_body_that_is_gone_or_sealed_cannot_be_tried_and_says_why(stored, settings, database, files):
    key = SecretStr(Fernet.generate_key().decode())
    gone, sealed = await stored((SALE, "jiwa"), (SALE | {"n": 2}, "jiwa"), body_keys=[key])
    await database.execute(
        "UPDATE deliveries SET body = NULL, altered = array_append(altered, 'removed') WHERE id = $1", gone
    )

    result = await try_deliveries(settings, database, [gone, sealed], files)
    with_key = settings.model_copy(update={"body_keys": [key]})
    [_, opened] = (await try_deliveries(with_key, database, [gone, sealed], files)).tried

    assert [
        (None, "it cannot be tried: the body is no longer stored"),
        (None, f"it cannot be tried: {NO_KEY}"),
    ] == [(each.state, each.reason) for each in result.tried]
    assert ("dispatched", ("encrypted",)) == (opened.state, opened.altered)


async def test_a_replay_to_one_route_does_not_narrow_a_try(stored, settings, database, files):
    [delivery] = await stored((SALE, "jiwa"))
    await database.execute("UPDATE deliveries SET only_route = 'other' WHERE id = $1", delivery)

    [tried] = (await try_deliveries(settings, database, [delivery], files)).tried

    assert {"order": "taken", "other": "not taken"} == verdicts(tried)


async def test_a_result_comes_whole_through_json(try_body, changed):
    for result in (
        await try_body({"events": [{"id": "a"}]}, "bundles"),
        await try_body(SALE, changed=changed("jiwa order", "order")),
    ):
        written = json.dumps(result.record())

        assert written == json.dumps(Result.of(json.loads(written)).record())


async def test_where_nothing_is_a_repeat_the_id_of_a_try_is_the_same_each_time(try_body, changed):
    never = changed("    max_body: 1000", "    repeats: never")
    [once] = (await try_body(SALE, changed=never)).tried
    [twice] = (await try_body(SALE, changed=never)).tried

    assert once.id == twice.id
    assert once.id.endswith(" …")


async def test_the_files_in_force_are_read_and_recorded_nowhere(settings, environment, repository, tmp_path):
    (tmp_path / "hooks.yaml").write_text(HOOKS)
    chosen = settings.model_copy(
        update={
            "hooks": tmp_path / "hooks.yaml",
            "home": tmp_path / "home",
            "deployments": repository / "deployments/prefect.yaml",
        }
    )

    files = files_in_force(chosen)

    assert {"order", "other", "event", "strict-order", "form-order"} == {
        route.name for route in files.hooks.routes
    }
    assert not (tmp_path / "home").exists()


async def test_a_try_has_the_label_what_it_is_about_and_the_wait_of_its_key(try_body, changed):
    more = """key: "jiwa order {{ body.InvoiceID }}"
    label: "order {{ body.InvoiceNo }}"
    about: {order: "{{ body.InvoiceNo }}", debtor: "{{ body.Debtor }}"}
    debounce: {quiet: 30s}"""

    result = await try_body(SALE, changed=changed('key: "jiwa order {{ body.InvoiceID }}"', more))

    [order, _] = result.tried[0].routes
    assert ("order 100123", {"order": "100123"}, "quiet for 30s, ") == (
        order.label,
        order.about,
        order.debounce[:15],
    )
    assert "Debtor" in order.label_problem
    assert {"route order: label": "order 100123", "route order: about.order": "100123"}.items() <= {
        each.what: each.then for each in result.differences
    }.items()
