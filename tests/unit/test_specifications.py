"""Specifications as they come: broken, huge, circular, odd; each is answered in words, or written in part and said."""

import json
import subprocess
import sys

import pytest
import yaml

from hookline.errors import ConfigurationError
from hookline.new_vendor import document as documents
from hookline.new_vendor import write_vendor
from hookline.new_vendor.document import SpecError, parse_document
from hookline.new_vendor.package import package_of
from hookline.new_vendor.spec import read_service

OK = {"200": {"description": "", "content": {"application/json": {"schema": {"type": "object"}}}}}


def spec(paths, **more):
    return {"openapi": "3.0.3", "info": {"title": "Acme", "version": "1"}, "paths": paths} | more


def service(paths, **more):
    return read_service(parse_document(json.dumps(spec(paths, **more)), "acme.json"))


def calls(paths, **more):
    return [call.name for call in service(paths, **more).calls]


def left_out(paths, **more):
    paths = {"/fine": {"get": {"responses": OK}}} | paths
    return dict(service(paths, **more).left_out)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "acme.yaml is not YAML"),
        ('{"openapi": "3.0.0",', "acme.yaml is not JSON"),
        ("openapi: [", "acme.yaml is not YAML"),
        ("openapi: 3.0.0\n\tpaths: {}", "acme.yaml is not YAML"),
        ("", "is empty"),
        ("[]", "is empty, or no object"),
        ("just a text", "no object"),
        ("swagger: '1.2'\npaths: {}", "no OpenAPI 3.0 or 3.1 and no Swagger 2"),
        ("openapi: 4.0.0\npaths: {}", "it says '4.0.0'"),
        ("info: {}\npaths: {}", "it has no field `openapi`"),
        ("openapi: 3.0.0", "`paths` is empty"),
        ("openapi: 3.1.0\nwebhooks: {paid: {post: {}}}", "It has webhooks only"),
        ("openapi: 3.0.0\npaths: {/a: {}}", "nothing in it can be called"),
        ("openapi: 3.0.0\npaths: {/a: {get: {}, get: {}}}", "line 2: 'get' is there twice"),
        ('{"openapi": "3.0.0", "paths": {"/a": {}, "/a": {}}}', "'/a' is there twice in one object"),
        ("openapi: 3.0.0\npaths: &a\n  /a: *a", "is not YAML|within each other"),
        ("a: &a [*a]", "is not YAML|within each other"),
        ("openapi: !!python/object/apply:os.system ['true']", "is not YAML"),
    ],
)
def test_a_specification_that_cannot_be_used_is_refused_in_words(text, says):
    with pytest.raises(SpecError, match=says) as caught:
        read_service(parse_document(text, "acme.yaml"))

    assert str(caught.value).startswith("acme.yaml")


def test_an_alias_bomb_is_refused_before_it_unfolds():
    levels = "\n".join(
        f"l{number}: &l{number} [{', '.join([f'*l{number - 1}'] * 10)}]" for number in range(1, 10)
    )

    with pytest.raises(SpecError, match="more than 1000000 values"):
        parse_document(f"l0: &l0 [x, x]\n{levels}", "acme.yaml")


@pytest.mark.parametrize(
    "text", ["[" * 5000, "a: " + "[" * 500 + "]" * 500, '{"a":' * 5000, '{"a":' * 500 + "1" + "}" * 500]
)
def test_a_deep_text_is_refused(text):
    with pytest.raises(SpecError):
        parse_document(text, "acme.yaml")


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "MAX_BYTES", 100)
    (tmp_path / "acme.yaml").write_text("x" * 101)

    with pytest.raises(SpecError, match="is larger than"):
        documents.read_document(tmp_path / "acme.yaml")


def test_a_file_that_is_not_there_or_no_text_is_said(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe")

    for name, says in (
        ("none.yaml", "No such file"),
        (".", "Is a directory"),
        ("binary", "no text in UTF-8"),
    ):
        with pytest.raises(SpecError, match=says):
            documents.read_document(tmp_path / name)


def test_dates_and_words_for_yes_and_no_stay_texts():
    root = parse_document("a: 2026-01-31\nb: no\nc: on\nd: true\ne: 012", "x").root

    assert ("2026-01-31", "no", "on", True) == (root["a"], root["b"], root["c"], root["d"])


def test_too_many_operations_are_to_be_chosen():
    with pytest.raises(SpecError, match="401 operations, and 400 are the most"):
        service({f"/p{number}": {"get": {"responses": OK}} for number in range(401)})


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        (
            {"requestBody": {"content": {"multipart/form-data": {}}}, "responses": OK},
            "its body is multipart/form-data",
        ),
        ({"responses": {"200": {"content": {"text/plain": {}}}}}, "its answer is text/plain"),
        ({"responses": {"200": {"content": {"application/pdf": {}}}}}, "its answer is application/pdf"),
        ({"responses": {"200": {"$ref": "#/components/responses/none"}}}, "which is not there"),
        ({"responses": {"200": {"$ref": "other.yaml#/ok"}}}, "other files are not fetched"),
        ({"responses": {"200": {"$ref": "https://acme.example/ok"}}}, "other files are not fetched"),
        ({"parameters": [{"name": "s", "in": "cookie", "required": True}], "responses": OK}, "s is a cookie"),
        (
            {
                "parameters": [{"name": "f", "in": "query", "required": True, "schema": {"type": "object"}}],
                "responses": OK,
            },
            "f is an object in the query",
        ),
        ({"$ref": "#/paths/~1odd/post"}, "in a circle"),
    ],
)
def test_what_is_no_json_call_is_left_out_and_said(operation, says):
    reasons = left_out({"/odd": {"post": operation}})

    assert says in reasons["POST /odd"]


@pytest.mark.parametrize(
    "path", ["odd", "/a b", "/a?x=1", "/a#b", "/../a", "/{id}.json", "/{a}-{b}", "/{}", "/{a"]
)
def test_an_odd_path_is_left_out_and_said(path):
    assert f"GET {path}" in left_out({path: {"get": {"responses": OK}}})


def test_operations_without_ids_are_named_by_their_method_and_path():
    found = calls(
        {
            "/invoices": {"get": {"responses": OK}, "post": {"responses": OK}},
            "/invoices/{id}": {
                "get": {"responses": OK},
                "patch": {"responses": OK},
                "delete": {"responses": OK},
            },
            "/invoices/{id}/send": {"post": {"responses": OK}},
        }
    )

    assert [
        "list_invoices",
        "create_invoice",
        "get_invoice",
        "update_invoice",
        "delete_invoice",
        "create_invoices_send",
    ] == found


@pytest.mark.parametrize(
    ("ids", "names"),
    [
        (["import", "class", "print", "send", "login"], ["import_", "class_", "print_", "send_", "login_"]),
        (["getThing", "get-thing", "get_thing"], ["get_thing", "get_thing_2", "get_thing_3"]),
        (["2fa", "größe", "名前", "a.b/c"], ["n2_fa", "grosse", "call", "a_b_c"]),
    ],
)
def test_names_that_python_or_a_client_has_already_are_changed(ids, names):
    paths = {
        f"/p{number}": {"get": {"operationId": each, "responses": OK}} for number, each in enumerate(ids)
    }

    assert [name.replace("grosse", "gro_e") for name in names] == [
        each.replace("groe", "gro_e") for each in calls(paths)
    ]


def test_an_operation_id_that_is_there_twice_counts_once_and_is_said():
    paths = {f"/p{number}": {"get": {"operationId": "same", "responses": OK}} for number in range(2)}

    read = service(paths)

    assert ["same", "get_p1"] == [call.name for call in read.calls]
    assert "Two operations are called same" in read.notes[0]


def test_two_paths_that_are_the_same_address_are_one():
    reasons = left_out({"/a/{id}": {"get": {"responses": OK}}, "/a/{number}": {"get": {"responses": OK}}})

    assert {"GET /a/{number}": "its address is that of get_a"} == reasons


def test_an_operation_that_is_not_there_is_said_with_one_that_is():
    document = parse_document(json.dumps(spec({"/invoices": {"get": {"responses": OK}}})), "acme.json")

    with pytest.raises(SpecError, match=r"no operation .list_invoice..*list_invoices"):
        read_service(document, ("list_invoice",))


def test_an_operation_that_was_left_out_is_said_with_its_reason():
    paths = {
        "/file": {"get": {"operationId": "getFile", "responses": {"200": {"content": {"image/png": {}}}}}}
    }
    document = parse_document(json.dumps(spec(paths | {"/fine": {"get": {"responses": OK}}})), "acme.json")

    with pytest.raises(SpecError, match="getFile cannot become an operation: its answer is image/png"):
        read_service(document, ("getFile",))


@pytest.mark.parametrize(
    ("scheme", "kind"),
    [
        ({"type": "http", "scheme": "Bearer"}, "bearer"),
        ({"type": "http", "scheme": "basic"}, "basic"),
        ({"type": "apiKey", "in": "header", "name": "X-Key"}, "header"),
        ({"type": "apiKey", "in": "query", "name": "key"}, "query"),
        ({"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://a.example/t"}}}, "oauth2"),
        ({"type": "oauth2", "flows": {"authorizationCode": {"tokenUrl": "https://a.example/t"}}}, "oauth2"),
        ({"type": "openIdConnect", "openIdConnectUrl": "https://a.example"}, "none"),
        ({"type": "apiKey", "in": "cookie", "name": "s"}, "none"),
        ({"type": "apiKey", "in": "header", "name": "X\r\nEvil"}, "none"),
    ],
)
def test_a_log_in_of_the_specification_becomes_that_of_the_client(scheme, kind):
    read = service({"/a": {"get": {"responses": OK}}}, components={"securitySchemes": {"x": scheme}})

    assert kind == read.login.kind


@pytest.mark.parametrize(
    ("server", "address"),
    [
        (
            {"url": "https://{region}.acme.example/v1/", "variables": {"region": {"default": "eu"}}},
            "https://eu.acme.example/v1",
        ),
        ({"url": "/v1"}, ""),
        ({"url": "https://user:password@acme.example"}, ""),
        ({"url": 'https://a.example/"+evil'}, ""),
        ({"url": "ftp://acme.example"}, ""),
    ],
)
def test_a_server_becomes_the_address(server, address):
    assert address == service({"/a": {"get": {"responses": OK}}}, servers=[server]).base_url


def test_swagger_2_is_read_like_openapi():
    text = {
        "swagger": "2.0",
        "host": "api.acme.example",
        "basePath": "/v1",
        "securityDefinitions": {"key": {"type": "basic"}},
        "paths": {
            "/orders": {
                "post": {
                    "operationId": "createOrder",
                    "parameters": [{"name": "body", "in": "body", "schema": {"$ref": "#/definitions/Order"}}],
                    "responses": {"200": {"schema": {"$ref": "#/definitions/Order"}}},
                },
                "get": {
                    "operationId": "listOrders",
                    "parameters": [
                        {"name": "ids", "in": "query", "type": "array", "items": {"type": "string"}}
                    ],
                    "responses": {
                        "200": {"schema": {"type": "array", "items": {"$ref": "#/definitions/Order"}}}
                    },
                },
            }
        },
        "definitions": {
            "Order": {
                "type": "object",
                "properties": {"reference": {"type": "string"}, "id": {"type": "string"}},
            }
        },
    }

    package = package_of(parse_document(json.dumps(text), "acme.json"), "acme")

    assert ("https://api.acme.example/v1", "basic") == (package.service.base_url, package.service.login.kind)
    assert {"create_order": "readback", "list_orders": "safe"} == {
        name: each.repeat for name, each in package.of.items()
    }


def test_schemas_that_refer_to_themselves_become_models_that_do():
    node = {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "children": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
        },
    }
    answer = {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}}}

    package = package_of(
        parse_document(
            json.dumps(
                spec({"/n/{id}": {"get": {"responses": answer}}}, components={"schemas": {"Node": node}})
            ),
            "x",
        ),
        "acme",
    )

    [made] = [each for each in package.models.made if each.name == "Node"]
    assert 'list["Node"] | None' == made.fields[1].annotation


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a-b", "must be a small letter"),
        ("class", "is a word of Python"),
        ("Acme", "must be a small letter"),
        ("jiwa", "there is a vendor jiwa already"),
        ("../up", "must be a small letter"),
        ("hookline", "is Hookline's own"),
    ],
)
def test_a_name_that_is_taken_or_none_is_refused(tmp_path, name, says):
    with pytest.raises(ConfigurationError, match=says):
        write_vendor(tmp_path, name)

    assert not list(tmp_path.rglob("*.py"))


def test_a_vendor_that_is_there_is_never_written_over(tmp_path):
    write_vendor(tmp_path, "acme")
    (tmp_path / "vendors/acme/client.py").write_text("# mine")

    with pytest.raises(ConfigurationError, match="is there, and its files may have been changed"):
        write_vendor(tmp_path, "acme")

    assert "# mine" == (tmp_path / "vendors/acme/client.py").read_text()


def test_nothing_is_left_of_a_vendor_that_could_not_be_written(tmp_path):
    (tmp_path / "bad.yaml").write_text("openapi: 3.0.0\npaths: {}")

    with pytest.raises(SpecError):
        write_vendor(tmp_path, "acme", spec=tmp_path / "bad.yaml")

    assert ["bad.yaml"] == [each.name for each in tmp_path.iterdir()]


def test_the_same_specification_brings_the_same_files(tmp_path):
    first, second = (write_vendor(tmp_path / each, "acme").folder for each in "ab")

    assert {each.name: each.read_bytes() for each in first.iterdir()} == {
        each.name: each.read_bytes() for each in second.iterdir()
    }


@pytest.fixture
def project(tmp_path):
    for name in ("hooks.yaml", "prefect.yaml"):
        (tmp_path / name).write_text("{}\n")
    return tmp_path


def new_vendor(project, *arguments, home):
    command = [sys.executable, "-m", "hookline", "new", "vendor", *arguments]
    return subprocess.run(command, cwd=project, env=home, capture_output=True, text=True)


@pytest.fixture
def home(tmp_path):
    import os

    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")}
    return kept | {"HOOKLINE_HOME": str(tmp_path / "home")}


@pytest.mark.parametrize(
    ("text", "arguments", "says"),
    [
        (None, ["acme", "--openapi", "none.yaml"], "Cannot read none.yaml"),
        (None, ["acme", "--openapi", "https://acme.example/openapi.yaml"], "is not fetched"),
        ("openapi: [", ["acme", "--openapi", "spec.yaml"], "spec.yaml is not YAML"),
        ("openapi: 3.0.0\npaths: {}", ["acme", "--openapi", "spec.yaml"], "`paths` is empty"),
        (None, ["class"], "is a word of Python"),
        (None, ["acme", "--operations", "none"], "no operation 'none'"),
    ],
)
def test_the_command_answers_bad_input_in_words(project, home, text, arguments, says):
    if text:
        (project / "spec.yaml").write_text(text)

    ended = new_vendor(project, *arguments, home=home)

    assert ended.returncode != 0
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (project / "vendors/acme").exists()


def test_the_command_says_what_it_wrote_and_why(project, home):
    ended = new_vendor(project, "acme", "--json", home=home)

    said = json.loads(ended.stdout)
    assert {"create_invoice": "readback", "send_invoice": "never", "get_invoice": "safe"}.items() <= {
        each["operation"]: each["repeat"] for each in said["operations"]
    }.items()
    assert ["ACME_BASE_URL", "ACME_API_KEY"] == said["variables"]
    assert yaml.safe_load((project / "vendors/acme/openapi.yaml").read_text())["openapi"] == "3.0.3"


def test_outside_of_a_project_nothing_is_written(tmp_path, home):
    ended = new_vendor(tmp_path, "acme", home=home)

    assert "Make one first: hookline init" in ended.stderr
    assert not (tmp_path / "vendors").exists()
