"""
The shapes that Jifeline publishes: the client reads all of each, and the simulator answers no other.

The samples are named by the operation that answers them. Names and kinds of values are those of the vendor's
reference, or of a public integration where the facts say so; the values are our own.
"""

import json
from pathlib import Path

import httpx
import pytest
from pydantic import BaseModel

from hookline.clients import operations
from hookline.clients.jifeline import JifelineClient

SAMPLES = {
    path.name.partition(".")[0]: json.loads(path.read_text())
    for path in sorted((Path(__file__).parents[2] / "samples/jifeline").glob("*.answer.json"))
}
OPERATIONS = operations(JifelineClient)


def read(name):
    return OPERATIONS[name].read(httpx.Response(200, json=SAMPLES[name]))


def unread(record, model, place=""):
    """The places of a record's fields that its model does not declare, or reads as nothing."""
    for name, value in record.items():
        at, read_as = f"{place}.{name}", getattr(model, name, None)
        if name not in type(model).model_fields:
            yield at
        elif isinstance(value, dict) and isinstance(read_as, BaseModel):
            yield from unread(value, read_as, at)
        elif value not in (None, "") and read_as in (None, ""):
            yield at


@pytest.mark.parametrize("name", SAMPLES)
def test_every_field_of_a_published_record_is_read(name):
    sample, answer = SAMPLES[name], read(name)
    rows = zip(sample["result"], answer.result, strict=True) if "result" in sample else [(sample, answer)]

    assert [] == [place for record, model in rows for place in unread(record, model)]


def kinds(value, name=""):
    """The fields of a record with the kinds of their values, None for those that are not set."""
    if not isinstance(value, dict):
        return {name: type(value).__name__ if value is not None else None}
    return {at: kind for key, inner in value.items() for at, kind in kinds(inner, f"{name}.{key}").items()}


def differences(published, answered):
    numbers = {"int", "float"}
    for name in published.keys() | answered.keys():
        theirs, ours = published.get(name, "missing"), answered.get(name, "missing")
        if theirs != ours and None not in (theirs, ours) and not {theirs, ours} <= numbers:
            yield f"{name}: {theirs} at the vendor, {ours} in the sandbox"


@pytest.mark.parametrize("name", [name for name in SAMPLES if name.startswith("list_")])
async def test_the_simulator_answers_a_list_in_the_published_shape(sandbox, jifeline, name):
    rows, pages = await answered(sandbox, jifeline, name)
    [sample] = SAMPLES[name]["result"]
    # An event without a parent has none, and so not its fields.
    published = {at: kind for at, kind in kinds(sample).items() if ".parent_ticket." not in at}

    assert SAMPLES[name].keys() == pages.keys()
    assert [] == [
        each
        for row in rows
        for each in differences(
            published, {at: k for at, k in kinds(row).items() if at != ".payload.parent_ticket"}
        )
    ]
    assert rows


@pytest.mark.parametrize("listing", ["list_customers", "list_vehicle_makes"])
async def test_the_simulator_answers_a_record_in_the_published_shape(sandbox, jifeline, listing):
    rows, _ = await answered(sandbox, jifeline, listing)
    sample = SAMPLES[listing.replace("list_", "get_").removesuffix("s")]

    assert [] == [each for row in rows for each in differences(kinds(sample), kinds(row))]


async def answered(sandbox, jifeline, name):
    """The rows of a list as the simulator sends them, and the page."""
    token = (await jifeline.fetch_token()).access_token.get_secret_value()
    async with httpx.AsyncClient(base_url=sandbox.jifeline.url) as client:
        page = await client.get(OPERATIONS[name].path, headers={"Authorization": f"Bearer {token}"})
    return page.json()["result"], page.json()
