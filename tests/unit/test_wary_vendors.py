"""What a specification can do against its reader: a repeat that does a thing twice, code in its texts, secrets that show."""

import ast
import json
from typing import ClassVar

import pytest
from pydantic import SecretStr

from hookline.clients.models import Answer, Input, NoInput
from hookline.clients.operation import get, post
from hookline.clients.rest import BearerKey, NoLogin, RestClient, WithHeaders
from hookline.errors import ConfigurationError, HooklineError
from hookline.new_vendor import package as packages
from hookline.new_vendor import write_vendor
from hookline.new_vendor.document import SpecError, parse_document
from hookline.new_vendor.package import package_of, render
from hookline.simulators.rest import RestSimulator, create, rows
from hookline.simulators.server import serving
from tasks.readback import found_by

TEXT = {"type": "string"}
ROW = {"type": "object", "properties": {"id": TEXT, "reference": TEXT}}
ROWS = {"type": "array", "items": ROW}
NEW = {"type": "object", "properties": {"reference": TEXT}}


def answers(schema):
    return {"200": {"description": "Good", "content": {"application/json": {"schema": schema}}}}


def sends(schema):
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def inputs(place, *names, **schema):
    return [{"name": each, "in": place, "required": True, "schema": TEXT | schema} for each in names]


POST = {"operationId": "make", "requestBody": sends(NEW), "responses": answers(ROW)}
NOTHING = {"204": {"description": "Done"}}


def package(paths, **more):
    spec = {"openapi": "3.0.3", "info": {"title": "Acme", "version": "1"}, "paths": paths} | more
    return package_of(parse_document(json.dumps(spec), "acme.json"), "acme")


def proposed(paths):
    return {name: each.repeat for name, each in package(paths).of.items()}


def listed(schema=ROWS, parameters=()):
    """A list, and what adds to it."""
    listing = {"operationId": "look", "parameters": list(parameters), "responses": answers(schema)}
    return {"/orders": {"get": listing, "post": POST}}


def named_calls(files):
    """The names of what is called anywhere in the written Python."""
    trees = [ast.parse(text, name) for name, text in files.items() if name.endswith(".py")]
    calls = [each for tree in trees for each in ast.walk(tree) if isinstance(each, ast.Call)]
    return {each.func.id for each in calls if isinstance(each.func, ast.Name)}


# A repeat that does it twice


def test_a_list_that_is_whole_finds_what_was_made():
    assert "readback" == proposed(listed())["make"]


@pytest.mark.parametrize("more", ["next_page_url", "has_more", "total_pages", "links"])
def test_a_list_whose_answer_tells_of_other_pages_finds_nothing(more):
    page = {
        "type": "object",
        "properties": {"data": ROWS, more: {"type": "object", "properties": {"next": TEXT}}},
    }

    assert "never" == proposed(listed(page))["make"]


def test_a_list_that_leaves_out_some_unless_asked_finds_nothing():
    status = {"name": "status", "in": "query", "schema": TEXT | {"enum": ["open", "all"], "default": "open"}}

    row = {"type": "object", "properties": ROW["properties"] | {"status": TEXT}}

    assert "never" == proposed(listed({"type": "array", "items": row}, [status]))["make"]
    assert "readback" == proposed(listed({"type": "array", "items": row}))["make"]


@pytest.mark.parametrize(("path", "more", "repeat"), [("/metrics", "name", "readback"), ("/metrics", "transaction_id", "never"),
                                                      ("/events", "name", "never")])  # fmt: skip
def test_a_code_in_what_happens_again_and_again_is_that_of_something_else(path, more, repeat):
    row = {
        "type": "object",
        "properties": {"id": TEXT, "code": TEXT, more: TEXT, "properties": {"type": "object"}},
    }
    call = {"operationId": "make", "requestBody": sends(row), "responses": answers(row)}
    rows = answers({"type": "array", "items": row})

    assert (
        repeat == proposed({path: {"get": {"operationId": "look", "responses": rows}, "post": call}})["make"]
    )


@pytest.mark.parametrize("zero", [{"schema": {"type": "integer", "minimum": 0}},
                                  {"schema": {"type": "integer"}, "description": "Zero-based page index (0..N)"}])  # fmt: skip
def test_pages_that_begin_at_zero_are_read_from_there(zero):
    text = render(package(listed(parameters=[{"name": "page", "in": "query"} | zero])))["models.py"]

    assert "first_page: ClassVar[int] = 0" in text


def test_a_field_whose_name_another_input_has_finds_nothing():
    row = {"type": "object", "properties": {"id": TEXT, "external_reference": TEXT}}
    new = {"type": "object", "properties": {"external_reference": TEXT}}
    post = POST | {"requestBody": sends(new), "parameters": inputs("query", "external-reference")}

    assert {"look": "safe", "make": "never"} == proposed(
        {
            "/orders": {
                "get": {"operationId": "look", "responses": answers({"type": "array", "items": row})},
                "post": post,
            }
        }
    )


@pytest.mark.parametrize(
    ("path", "name"), [("/sms", "sendSms"), ("/users/{id}/deactivate", ""), ("/run_backup", "")]
)
def test_a_get_whose_name_says_that_it_acts_is_not_safe(path, name):
    call = {"responses": answers(ROW)} | ({"operationId": name} if name else {})

    assert ["never"] == list(proposed({path: {"get": call}}).values())


@pytest.mark.parametrize(("path", "repeat"), [("/queue/first", "never"), ("/carts/{id}/lines/{index}", "never"),
                                              ("/orders/{id}", "safe")])  # fmt: skip
def test_a_deletion_that_names_no_record_by_its_key_is_not_repeated(path, repeat):
    assert [repeat] == list(proposed({path: {"delete": {"responses": NOTHING}}}).values())


@pytest.mark.parametrize(
    "name", ["PayPal-Request-Id", "X-Request-Key", "Idempotency-Key", "X-Nonce", "X-Timestamp"]
)
def test_a_header_that_is_another_for_each_call_is_no_setting(name):
    made = package({"/orders": {"post": POST | {"parameters": inputs("header", name)}}})

    assert () == made.service.headers


# Code in its texts


def test_no_text_of_an_answer_becomes_code():
    evil = 'x", print("here"), "'
    post = POST | {"responses": answers({"type": "object", "properties": {evil: ROW}})}

    assert "print" not in named_calls(
        render(package(listed() | {"/orders": listed()["/orders"] | {"post": post}}))
    )


def test_no_choice_becomes_code():
    choices = {
        "type": "object",
        "properties": {"f" * 100: {"type": "string", "enum": ['x"] = print("here") #']}},
    }

    assert "print" not in named_calls(
        render(package({"/orders": {"post": POST | {"requestBody": sends(choices)}}}))
    )


def test_names_with_commas_that_need_lines_of_their_own_stay_whole():
    names = [f"{'a, b' * 20}{number}" for number in range(4)]
    made = package({"/orders": {"post": POST | {"parameters": inputs("query", *names)}}})

    assert render(made)["models.py"].count(names[3]) == 2
    named_calls(render(made))


def test_a_header_that_cannot_be_sent_is_left_out():
    with pytest.raises(SpecError, match="is no name of a header"):
        package({"/orders": {"post": POST | {"parameters": inputs("header", "X A\nb")}}})


def test_half_a_letter_is_refused_in_words():
    with pytest.raises(SpecError, match="half of a letter"):
        package({"/or\ud800ders": {"get": {"responses": answers(ROW)}}})


def test_a_long_text_of_brackets_is_read_at_once():
    long = package({"/orders": {"get": {"summary": "<" * 3_000_000, "responses": answers(ROW)}}})

    assert ["List orders."] == [each.call.summary for each in long.made]


# Secrets, and names that are there already


def test_a_key_in_a_header_of_every_call_is_a_secret():
    post = POST | {"parameters": inputs("header", "X-Api-Key", "X-Tenant")}
    text = render(package({"/orders": {"post": post}}))["settings.py"]

    assert "x_api_key: SecretStr = Field(" in text
    assert "x_tenant: str = Field(" in text


def test_a_header_gets_a_setting_of_its_own():
    post = POST | {"parameters": inputs("header", "Api-Key", "base-url")}
    login = {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}}
    text = render(package({"/orders": {"post": post}}, components=login))["settings.py"]

    names = [line.split(":")[0].strip() for line in text.splitlines() if " = Field(" in line]
    assert ["base_url", "api_key", "api_key_2", "base_url_2"] == names


def test_nothing_stays_in_the_folder_when_a_person_stops_it(tmp_path, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(packages.Path, "chmod", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_vendor(tmp_path, "acme")

    assert [] == list((tmp_path / "vendors").iterdir())


def test_a_file_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "vendors").write_text("a file")

    with pytest.raises(ConfigurationError, match="Nothing was written"):
        write_vendor(tmp_path, "acme")


def test_a_secret_among_the_headers_of_every_call_is_masked():
    login = WithHeaders(
        BearerKey(SecretStr("first-secret")), {"X-Key": SecretStr("second-secret"), "X-Tenant": "7"}
    )

    assert ["first-secret", "second-secret"] == sorted(login.secrets("https://acme.example"))
    assert ["first-secret", "second-secret"] == sorted(login.stored_secrets())


# What a read-back takes for ours


class New(Input):
    reference: str | None = None


class Row(Answer):
    id: str = ""
    reference: str = ""


class AcmeClient(RestClient):
    vendor: ClassVar[str] = "acme"
    reference: ClassVar[str] = "Acme 1"

    make = post("/orders", New, Row, "Make an order.", repeat="readback", trust="public")
    look = get("/orders", NoInput, list[Row], "List orders.", repeat="safe", trust="public")


class AcmeSimulator(RestSimulator):
    vendor = "acme"

    make = create("POST", "/orders", "orders", key="id")
    look = rows("/orders", "orders")


async def found(sent, there):
    find = found_by(AcmeClient.make, AcmeClient.look, "reference", key="id")
    async with serving(AcmeSimulator()) as simulator:
        simulator.table("orders")["1"] = {"id": "1", "reference": there}
        async with AcmeClient(simulator.url, NoLogin()) as client:
            return await find(client, AcmeClient.make.validate(reference=sent), "")


async def test_a_value_that_the_vendor_trimmed_or_wrote_in_capitals_is_found():
    outcome = await found("emea ", "EMEA")

    assert ["1"] == outcome.copies


async def test_another_value_is_not_found():
    assert await found("emea", "EMEA 2") is None


@pytest.mark.parametrize("sent", ["", None])
async def test_without_the_value_no_record_is_taken_for_ours(sent):
    with pytest.raises(HooklineError, match="was sent without reference"):
        await found(sent, "")
