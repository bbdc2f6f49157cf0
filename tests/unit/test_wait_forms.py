"""A person's answer, from the texts that a page or a shell has."""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from hookline.errors import ConfigurationError
from hookline.prefect_adapter.suspension import schema_of
from hookline.waits import forms
from hookline.waits.forms import NotUsable


class Kinds(BaseModel):
    """A field of each kind."""

    flag: bool | None = None
    text: str = ""
    number: int = 0
    ratio: float = 0.5
    money: Decimal = Decimal(0)
    day: date | None = None
    moment: datetime | None = None
    size: Literal[1, 2] = 1


SCHEMA = schema_of(Kinds)


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        ({}, {}),
        ({"flag": "Yes"}, {"flag": True}),
        ({"flag": "0"}, {"flag": False}),
        ({"text": "  a\u200bb  "}, {"text": "ab"}),
        ({"text": "one\r\n two\x00"}, {"text": "one\ntwo"}),
        ({"number": "-7"}, {"number": -7}),
        ({"ratio": "0.25"}, {"ratio": 0.25}),
        ({"money": "10.50"}, {"money": "10.50"}),
        ({"day": "2026-11-30"}, {"day": "2026-11-30"}),
        ({"moment": "2026-11-30T14:00"}, {"moment": "2026-11-30T14:00:00"}),
        ({"size": "2"}, {"size": 2}),
        ({"flag": "", "number": ""}, {}),
    ],
)
def test_a_text_is_read_as_its_field_is_and_the_form_takes_it(raw, answer):
    assert answer == forms.read(SCHEMA, raw)
    assert Kinds.model_validate(answer)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"flag": "perhaps"}, "must be yes or no"),
        ({"number": "1.5"}, "must be a whole number"),
        ({"number": "9" * 19}, "must be a whole number"),
        ({"ratio": "NaN"}, "must be a number"),
        ({"ratio": "1e999"}, "must be a number"),
        ({"money": "1" * 41}, "must be a number"),
        ({"day": "30.11.2026"}, "must be a day"),
        ({"moment": "soon"}, "must be a time"),
        ({"size": "3"}, "must be one of 1, 2"),
        ({"text": "x" * 5_001}, "more than 5000 characters"),
        ({"numbr": "1"}, "do you mean number"),
    ],
)
def test_what_does_not_fit_is_named_with_the_reason(raw, problem):
    with pytest.raises(NotUsable) as refused:
        forms.read(SCHEMA, raw)

    [why] = refused.value.problems.values()
    assert problem in why


class Nested(BaseModel):
    """A form that nobody can fill in."""

    kinds: Kinds


class Many(BaseModel):
    """A list."""

    lines: list[str]


class Empty(BaseModel):
    """Nothing to answer."""


@pytest.mark.parametrize(
    ("form", "message"), [(Nested, "no plain value"), (Many, "no plain value"), (Empty, "0 fields")]
)
def test_a_form_that_cannot_be_asked_is_refused(form, message):
    with pytest.raises(ConfigurationError, match=message):
        forms.fields_of(schema_of(form))


class Bounded(BaseModel):
    """Fields with bounds."""

    few: int = Field(1, ge=1, le=3)
    more: float = Field(1, gt=0, lt=10)
    name: str = Field("abc", min_length=3)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"few": "0"}, "few: must be 1 or more"),
        ({"few": "4"}, "few: must be 3 or less"),
        ({"more": "0"}, "more: must be more than 0"),
        ({"more": "10"}, "more: must be less than 10"),
        ({"name": "ab"}, "name: needs 3 characters or more"),
    ],
)
def test_bounds_are_said_in_words(raw, problem):
    with pytest.raises(NotUsable, match=problem):
        forms.read(schema_of(Bounded), raw)
