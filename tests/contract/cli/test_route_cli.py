"""`hookline route try` on a real PostgreSQL; in this process, with the flows of this repository."""

import asyncio
import io
import json
import sys

import pytest
from cyclopts import CycloptsError
from rows import arrival

from hookline.cli import app
from hookline.errors import HooklineError
from hookline.inbox import deliveries
from hookline.settings import settings

HOOKS = """
sources:
  jiwa: {preset: jiwa}
  shop: {preset: jiwa}
routes:
  orders:
    source: jiwa
    when: body.InvoiceID is defined
    deployment: order-to-license/default
    parameters: {invoice_id: "{{ body.InvoiceID }}"}
"""


@pytest.fixture(autouse=True)
def environment(own_environment, database_settings, tmp_path):
    """That of somebody who types on the machine of this PostgreSQL."""
    (tmp_path / "hooks.yaml").write_text(HOOKS)
    (tmp_path / "order.json").write_text('{"InvoiceID": "1"}')
    own_environment.setenv("HOOKLINE_HOME", str(database_settings.home))
    own_environment.setenv("HOOKLINE_HOOKS", str(tmp_path / "hooks.yaml"))
    own_environment.setenv("HOOKLINE_SECRET_JIWA", "a-secret-of-the-tests-of-tries")
    return own_environment


@pytest.fixture
def route_try(database, capsys):
    """Runs `hookline route try …` in a thread, for it has an event loop of its own: exit code, output, message."""

    def call(arguments):
        try:
            return app(
                ["route", "try", *arguments],
                exit_on_error=False,
                print_error=False,
                result_action="return_value",
            ), ""
        except CycloptsError as error:
            return 2, str(error)
        except HooklineError as error:
            return error.exit_code, str(error)

    async def run(*arguments):
        settings.cache_clear()
        code, message = await asyncio.to_thread(call, list(map(str, arguments)))
        return code, capsys.readouterr().out, message

    return run


@pytest.fixture
def put(database):
    """Stores an order of jiwa, or another body; its id."""

    async def put(external_id, body=b'{"InvoiceID": "1"}', source="jiwa"):
        headers = {"content-type": "application/json"}
        receipt = await deliveries.accept(
            database, arrival(external_id, source=source, body=body, headers=headers)
        )
        return str(receipt.id)

    return put


async def test_a_body_of_a_file_is_tried_on_every_route(route_try, tmp_path):
    code, out, _ = await route_try("--file", tmp_path / "order.json", "--source", "jiwa")

    assert 0 == code
    assert "would be  dispatched" in out
    assert "orders  taken    order-to-license/default" in out
    assert "when body.InvoiceID is defined: true; body.InvoiceID = '1'" in out


async def test_a_body_of_standard_input_that_nothing_takes_ends_with_3(route_try, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"PartNo": 1}')))

    code, out, _ = await route_try("--file", "-", "--source", "jiwa", "--json")

    [tried] = json.loads(out)["tried"]
    assert (3, "unrouted", {"body.InvoiceID": "missing"}) == (
        code,
        tried["state"],
        tried["routes"][0]["values"],
    )


async def test_a_header_decides_how_a_body_is_read(route_try, tmp_path):
    form = "Content-Type: application/x-www-form-urlencoded; charset=utf-8"

    code, out, _ = await route_try(
        "--file", tmp_path / "order.json", "--source", "jiwa", "--header", form, "--json"
    )

    [tried] = json.loads(out)["tried"]
    assert (3, "form", "utf-8", "rejected") == (code, tried["kind"], tried["charset"], tried["state"])


async def test_stored_deliveries_are_tried_by_the_beginnings_of_their_ids(route_try, put):
    first, second = await put("a"), await put("b", b'{"PartNo": 1}')

    code, out, _ = await route_try("--delivery", first[:12], "--delivery", second[:12])

    assert 3 == code
    assert [(first[:8], "taken"), (second[:8], "not taken")] == [
        (line.split()[0], "not taken" if "not taken" in line else "taken") for line in out.splitlines()[1:]
    ]


async def test_what_a_changed_file_does_with_the_last_deliveries_is_a_table_of_differences(
    route_try, put, tmp_path
):
    old, new = await put("a"), await put("b", b'{"InvoiceID": "2", "kind": "gift"}')
    await put("c", source="shop")
    changed = tmp_path / "changed.yaml"
    changed.write_text(HOOKS.replace("is defined", "is defined and body.kind != 'gift'"))

    code, out, _ = await route_try("--last", 10, "--source", "jiwa", "--hooks", changed)
    same = await route_try("--last", 10, "--hooks", tmp_path / "hooks.yaml")

    assert 4 == code
    assert f"{new[:8]}  route orders: verdict" in out
    assert old[:8] not in out
    assert "Of 2 tried, 1 would go another way" in out
    assert 0 == same[0]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            (),
            2,
            "What is to be tried? Name stored deliveries by --delivery ID or --last N, or a body by --file",
        ),
        (("--last", "3", "--file", "x"), 2, "--last and --file exclude each other"),
        (("--file", "order.json"), 2, "--file needs --source SOURCE"),
        (("--file", "none.json", "--source", "jiwa"), 2, "Cannot read none.json: No such file"),
        (("--file", "order.json", "--source", "shop2"), 2, "has no source 'shop2'. There are: jiwa, shop."),
        (
            ("--file", "order.json", "--source", "jiwa", "--header", "x"),
            2,
            "--header 'x' is not 'Name: value'",
        ),
        (("--last", "3", "--header", "a: b"), 2, "--header comes with --file"),
        (("--delivery", "3f9c2a", "--source", "jiwa"), 2, "--source comes with --file or --last"),
        (("--delivery", "3f9c2a"), 1, "There is no delivery 3f9c2a, or several begin like this."),
        (
            ("--last", "3", "--source", "jiwa"),
            1,
            "There is no stored delivery of jiwa. There are some of: none.",
        ),
        (("--last", "3", "--hooks", "wrong.yaml"), 2, "routes.r.when: cannot be read"),
        (("--last", "3", "--hooks", "none.yaml"), 2, "Cannot read none.yaml"),
    ],
)
async def test_what_cannot_be_tried_is_said_with_its_place(
    route_try, arguments, code, message, tmp_path, monkeypatch
):
    (tmp_path / "wrong.yaml").write_text(
        "sources: {jiwa: {preset: jiwa}}\nroutes: {r: {source: jiwa, deployment: a/b, when: 'body.'}}"
    )
    files = {name: str(tmp_path / name) for name in ("order.json", "wrong.yaml")}

    found, _, text = await route_try(*(files.get(each, each) for each in arguments))

    assert code == found
    assert message in text


async def test_a_delivery_whose_body_is_gone_cannot_be_tried(route_try, put, database):
    delivery = await put("a")
    await database.execute("UPDATE deliveries SET body = NULL, altered = '{removed}'")

    code, _, message = await route_try("--delivery", delivery)

    assert (1, f"Delivery {delivery[:8]}: it cannot be tried: the body is no longer stored.") == (
        code,
        message,
    )
