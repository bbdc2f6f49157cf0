"""The JSON Schemas of our YAML files: they take what we ship and document, and no misspelt field."""

import copy
import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from hookline.hooks.presets import PRESETS
from hookline.provisioning.file_schemas import SCHEMAS

ROOT = Path(__file__).parents[2]


def plain(text):
    """A YAML text as JSON has it: an editor takes a date for a text."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


def shipped(name):
    return plain((ROOT / "deployments" / f"{name}.yaml").read_text(encoding="utf-8"))


def errors(name, content):
    schema = SCHEMAS[name]()
    Draft7Validator.check_schema(schema)
    return [error.json_path for error in Draft7Validator(schema).iter_errors(content)]


def places_of_keys(content, place=()):
    """The places of all keys of a file that are not names of ours, such as those of sources."""
    if isinstance(content, dict):
        for key, inner in content.items():
            yield (*place, key)
            yield from places_of_keys(inner, (*place, key))
    elif isinstance(content, list):
        for number, inner in enumerate(content):
            yield from places_of_keys(inner, (*place, number))


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_shipped_file_fits_its_schema_and_names_it(name):
    text = (ROOT / "deployments" / f"{name}.yaml").read_text(encoding="utf-8")

    assert f"# yaml-language-server: $schema=schemas/{name}.json" == text.splitlines()[0]
    assert [] == errors(name, shipped(name))


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_that_a_file_names_is_the_one_of_the_models(name):
    path = ROOT / "deployments" / "schemas" / f"{name}.json"

    assert SCHEMAS[name]() == json.loads(path.read_text(encoding="utf-8"))


FREE = {
    "parameters",
    "about",
    "inputs",
    "services",
    "debtors",
    "part_nos",
    "stock",
    "schema",
    "payload",
    "match",
    "blocks",
}
"""Fields under which any name may stand."""
OF_PREFECT = {"name", "prefect-version", "definitions"}
"""Parts of `prefect.yaml` that only Prefect reads."""


def misspelt(content, place):
    """A copy of a file in which one key has a letter more."""
    changed = copy.deepcopy(content)
    inside = changed
    for part in place[:-1]:
        inside = inside[part]
    inside[f"{place[-1]}x"] = inside.pop(place[-1])
    return changed


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_misspelt_field_of_a_shipped_file_does_not_fit(name):
    content = shipped(name)
    places = [
        place
        for place in places_of_keys(content)
        if not FREE & set(place[:-1]) and place[0] not in OF_PREFECT
    ]
    names = {
        ("hooks", section, part) for section in ("sources", "routes") for part in content.get(section, ())
    }

    fitting = [
        place
        for place in places
        if (name, *place) not in names and not errors(name, misspelt(content, place))
    ]

    assert ([], True) == (fitting, len(places) > 20)


@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_makes_a_source_and_lets_its_fields_be_changed(preset):
    source = {"preset": preset, "max_body": 4096, "keep_days": 7}

    assert [] == errors("hooks", {"sources": {"theirs": source}})
    assert [] != errors("hooks", {"sources": {"theirs": source | {"heder": "X"}}})


@pytest.mark.parametrize(
    "source",
    [
        {"preset": "stirpe"},
        {"scheme": "hmac", "header": "X-Sign", "encoding": "bas64"},
        {"scheme": "shared-secret", "poll": {"operation": "jiwa.query_sales_orders"}},
        {"poll": {"operation": "jiwa.query_sales_orders", "every": "often"}},
        {"poll": {"operation": "jiwa.query_sales_orders"}, "accept": ["json"]},
        {},
    ],
)
def test_what_is_no_source_does_not_fit(source):
    assert [] != errors("hooks", {"sources": {"theirs": source}})
