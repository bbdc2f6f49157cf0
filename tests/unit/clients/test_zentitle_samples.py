"""
Each answer that Zentitle's document shows is read whole.

tests/samples/zentitle.json has the shapes of the document's samples, with values of our own.
"""

import json
from pathlib import Path
from typing import get_args

import httpx
import pytest
from pydantic import BaseModel

from hookline.clients import operations
from hookline.clients.zentitle import ZentitleClient
from hookline.facts import facts_of

SAMPLES = json.loads((Path(__file__).parents[2] / "samples" / "zentitle.json").read_text())
BY_PATH = {each.path: each for each in operations(ZentitleClient).values() if each.verb == "GET"}
NEVER = "1900-01-01T00:00:00"


def lost(sample, answer):
    """Names in a sample whose values did not arrive in the field that we declare for them."""
    if isinstance(sample, list) and all(isinstance(each, dict) for each in sample):
        rows = answer if isinstance(answer, list) else getattr(answer, "Results", [answer])
        return [name for one, row in zip(sample, rows, strict=True) for name in lost(one, row)]
    if not isinstance(sample, dict) or not isinstance(answer, BaseModel):
        return []
    fields = {name.lower(): name for name in type(answer).model_fields}
    found = []
    for name, value in sample.items():
        ours = fields.get(name.lower())
        if ours is None or value in (None, "", NEVER, [], "false", "False", "OFF"):
            continue
        read = getattr(answer, ours)
        found += [name] if read in (None, "", [], {}, False) and value not in (0, "0") else lost(value, read)
    return found


@pytest.mark.parametrize("controller", SAMPLES)
def test_each_published_answer_is_read_whole(controller):
    operation = BY_PATH[f"/api/{controller}"]

    answer = operation.read(httpx.Response(200, json=SAMPLES[controller]))

    assert [] == lost(
        SAMPLES[controller] if isinstance(SAMPLES[controller], list) else [SAMPLES[controller]], answer
    )


def names_in(value):
    """All names of fields in a JSON value."""
    if isinstance(value, list):
        return {name for each in value for name in names_in(each)}
    if isinstance(value, dict):
        return {name.lower() for name in value} | names_in(list(value.values()))
    return set()


def models_in(kind):
    """The models that an answer is made of."""
    inner = {model for part in get_args(kind) for model in models_in(part)}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        inner |= {kind}
        inner |= {model for field in kind.model_fields.values() for model in models_in(field.annotation)}
    return inner


def test_what_the_table_calls_published_is_in_a_published_sample():
    published = {
        model.__name__: names_in(SAMPLES[controller])
        for controller in SAMPLES
        for model in models_in(BY_PATH[f"/api/{controller}"].answer)
    }
    everything = names_in(SAMPLES)

    assert [] == [
        f"{name}.{field}"
        for name, record in facts_of("zentitle").records.items()
        for field in record.fields
        if field.lower() not in everything or name not in published
    ]
