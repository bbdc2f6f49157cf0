"""The door for text from outside."""

import re
from html import unescape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hookline import text

WITH_HALVES = st.lists(st.integers(0, 0x10FFFF).map(chr), max_size=600).map("".join)
NAMES = st.lists(st.integers(0, 0x10FFFF).map(chr), max_size=20).map("".join)


@given(WITH_HALVES)
def test_what_is_storable_can_be_stored_and_keeps_its_length(given_text):
    stored = text.storable(given_text)

    assert (len(given_text), False) == (len(stored), "\x00" in stored)
    assert stored == stored.encode().decode()


@given(WITH_HALVES)
def test_a_reason_is_one_short_line_that_can_be_stored(given_text):
    reason = text.reason(given_text)

    assert reason == text.storable(reason)
    assert len(reason) <= text.MAX_REASON
    assert 1 >= len(reason.splitlines())


@given(
    st.recursive(
        NAMES | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20
    )
)
def test_names_and_values_of_json_become_storable_at_every_depth(value):
    stored = text.storable_json(value)

    assert stored == text.storable_json(stored)
    assert "\x00" not in repr(stored)
    repr(stored).encode()


def test_an_object_whose_text_raises_still_has_a_line():
    class Hostile(Exception):
        def __str__(self):
            raise KeyError("no text")

    assert "Hostile (whose text raised KeyError)" == text.one_line(Hostile())


def test_a_line_cannot_be_forged():
    assert r"order\u{1b}[31m WARNING all is well" == text.one_line("order\x1b[31m\n\tWARNING  all is well")


@given(WITH_HALVES)
@example("[a](https://evil.example) <img src=x> **b** `c` | d\n# e\n1. f &amp; g")
@example("www.evil.example and https://evil.example and a@evil.example")
def test_markdown_shows_a_text_as_it_is(given_text):
    shown = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text.markdown(given_text))

    line = " ".join(text.one_line(given_text).split())
    inner = shown.strip().replace("<p></p>", "").removeprefix("<p>").removesuffix("</p>")
    assert "<" not in inner
    assert line == unescape(inner)


@pytest.mark.parametrize("address", ["www.evil.example", "https://evil.example", "a@evil.example"])
def test_no_address_is_made_a_link_of(address):
    # GitHub's Markdown, which Prefect's UI speaks, finds addresses without marks, by these characters unbroken.
    assert re.search(r"://|www\.|\w@", text.markdown(address)) is None
