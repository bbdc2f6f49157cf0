"""Whatever a specification says: what is written compiles, is formatted and imports; the examples pass their own tests."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hookline.errors import ConfigurationError
from hookline.new_vendor import write_vendor
from hookline.new_vendor.document import SpecError, parse_document
from hookline.new_vendor.package import package_of, render

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests/samples/apis"
ODD = [
    "id", "Id", "class", "from", "import", "list", "dict", "str", "Any", "self", "cls", "model_config", "copy", "json",
    "values", "page", "order", "größe", "名前", "a-b", "a b", "2fa", "_x", "__init__", "business", "reference", "Invoice",
    'quo"te', "back\\slash", "new\nline", "'''", '"""', "{brace}", "x" * 80, "Results", "Total", "size", "rows_in",
]  # fmt: skip
"""Names that Python, pydantic or we have already, or that nobody can spell."""

PHASES = [Phase.reuse, Phase.generate]
"""Without the search for a smaller one, which takes minutes: a specification that fails says enough."""

names = st.sampled_from(ODD) | st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
texts = st.sampled_from(
    ["", "A note.", 'He said "no" \\ twice', "line\nbreak", "日本語", "{{ 7 }}", "{% raw %}"]
) | st.text(max_size=30)
plain = st.fixed_dictionaries(
    {"type": st.sampled_from(["string", "integer", "number", "boolean", "object", "array", "null", "odd"])},
    optional={
        "format": st.sampled_from(["date", "date-time", "password", "uuid"]),
        "enum": st.lists(texts, max_size=4),
        "description": texts,
        "readOnly": st.booleans(),
    },
)
references = st.sampled_from(["Node", "Other", "none"]).map(
    lambda name: {"$ref": f"#/components/schemas/{name}"}
)
schemas = st.recursive(
    plain | references | st.just({}) | st.just({"$ref": "https://elsewhere.example/x"}),
    lambda inner: (
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(names, inner, max_size=4)},
            optional={"required": st.lists(names, max_size=3), "description": texts},
        )
        | st.fixed_dictionaries({"type": st.just("array"), "items": inner})
        | st.fixed_dictionaries({"allOf": st.lists(inner, max_size=2)})
        | st.fixed_dictionaries({"oneOf": st.lists(inner, max_size=2)})
    ),
    max_leaves=12,
)
parameters = st.fixed_dictionaries(
    {"name": names, "in": st.sampled_from(["query", "header", "path", "cookie"]), "schema": schemas},
    optional={"required": st.booleans(), "explode": st.booleans(), "description": texts},
)
contents = st.dictionaries(
    st.sampled_from(["application/json", "application/vnd.acme+json", "text/plain", "multipart/form-data"]),
    st.fixed_dictionaries({"schema": schemas}),
    max_size=2,
)
operations = st.fixed_dictionaries(
    {
        "responses": st.dictionaries(
            st.sampled_from(["200", "201", "202", "204", "2XX", "default", "404"]),
            st.fixed_dictionaries({"content": contents}),
            max_size=2,
        )
    },
    optional={
        "operationId": names,
        "summary": texts,
        "tags": st.lists(texts, max_size=1),
        "parameters": st.lists(parameters, max_size=4),
        "requestBody": st.fixed_dictionaries({"content": contents}),
    },
)
segments = st.sampled_from(
    ["orders", "order-lines", "{id}", "{order-id}", "{class}", "Ünï", "a b", "{x}.json"]
)
paths = st.lists(segments, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
schemes = st.sampled_from(
    [
        {"type": "http", "scheme": "bearer"},
        {"type": "http", "scheme": "basic"},
        {"type": "apiKey", "in": "header", "name": "X-Key"},
        {"type": "apiKey", "in": "query", "name": "key"},
        {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://acme.example/token"}}},
    ]
)
specs = st.fixed_dictionaries(
    {
        "openapi": st.sampled_from(["3.0.3", "3.1.0"]),
        "info": st.fixed_dictionaries({"title": texts, "version": texts}),
        "paths": st.dictionaries(
            paths,
            st.dictionaries(
                st.sampled_from(["get", "post", "put", "patch", "delete"]), operations, min_size=1, max_size=5
            ),
            min_size=1,
            max_size=4,
        ),
        "components": st.fixed_dictionaries(
            {
                "schemas": st.fixed_dictionaries({"Node": schemas, "Other": schemas}),
                "securitySchemes": st.dictionaries(st.just("login"), schemes, max_size=1),
            }
        ),
    }
)


def ruff(folder):
    config = ["--config", str(ROOT / "pyproject.toml")]
    ignored = "lint.per-file-ignores={'**/test_*.py' = ['ANN', 'ARG', 'D', 'INP001', 'PLR2004', 'S', 'SIM300', 'E501']}"
    for verb in (["check", "--config", ignored], ["format", "--diff"]):
        ended = subprocess.run(
            [sys.executable, "-m", "ruff", *verb, *config, "vendors"],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        assert 0 == ended.returncode, ended.stdout


@given(specs)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)
def test_whatever_it_says_it_is_refused_in_words_or_compiles(spec):
    text = json.dumps(spec)
    try:
        files = render(package_of(parse_document(text, "acme.json"), "acme"))
    except SpecError:
        return  # in words, as test_specifications.py looks at

    for name, text in files.items():
        if name.endswith(".py"):
            ast.parse(text, name)
            assert text.isascii()


@pytest.mark.long
@given(spec=specs)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)
def test_whatever_it_says_what_is_written_passes_the_linter_and_imports(spec, tmp_path_factory):
    project = tmp_path_factory.mktemp("firm")
    (project / "spec.json").write_text(json.dumps(spec))
    try:
        write_vendor(project, "acme", spec=project / "spec.json")
    except ConfigurationError:
        return

    ruff(project)
    own_tests(project, "acme", "--collect-only")


@pytest.mark.parametrize("spec", [None, "tsg_mail_v3.yaml"])
def test_what_is_written_passes_its_own_tests_and_the_linter(tmp_path, spec):
    write_vendor(tmp_path, "acme", spec=spec and SAMPLES / spec)

    ruff(tmp_path)
    own_tests(tmp_path, "acme")


def own_tests(project, name, *options):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HOOKLINE_", "PYTEST"))}
    kept |= {"PYTHONPATH": f"{ROOT}:{project}", "HOOKLINE_HOME": str(project / "home")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, f"vendors/{name}"]
    ended = subprocess.run(command, cwd=project, env=kept, capture_output=True, text=True)

    assert 0 == ended.returncode, ended.stdout
