"""Whatever a stranger wrote, on a terminal it is text: no traceback, no escape sequence, no link, no line of its own."""

import io
import re
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.table import Table
from rich.tree import Tree

from hookline.cli.inbox.tail import _line
from hookline.cli.output import console, show
from hookline.cli.trace import show_trace
from hookline.text import one_line, visible

ANYTHING = st.lists(st.integers(1, 0x10FFFF).map(chr), max_size=60).map("".join)
HOSTILE = (
    r"ord\[/]er",
    r"\[link=https://evil.example]here",
    "a\n2026-01-01  forged",
    "\x1b]8;;https://e\x07x",
)
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")


def hostile(test):
    for text in HOSTILE:
        test = example(text)(test)
    return given(ANYTHING)(test)


class Terminal(io.StringIO):
    """Takes whatever a terminal would, halves of surrogate pairs too."""

    encoding = "utf-8"


def printed(print_it):
    """What a command writes to a terminal without colours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", Terminal())
        print_it()
        return sys.stdout.getvalue()


@hostile
def test_a_row_of_a_table_is_one_row_and_its_text_is_only_shown(text):
    row = {"state": text, "reason": text, "key": [text, text]}

    out = printed(lambda: show([row], ["state", "reason", "key"], as_json=False))

    assert ACTS.search(out) is None
    assert "".join(one_line(text).split()) in "".join(out.split())


@pytest.mark.parametrize("text", HOSTILE)
def test_a_row_is_one_line(text):
    row = {"state": text, "reason": text}

    lines = printed(lambda: show([row, row], ["state", "reason"], as_json=False)).splitlines()

    assert 3 == len(lines)


@hostile
def test_a_text_a_cell_and_a_branch_say_what_they_say(text):
    def print_all():
        table = Table()
        table.add_column(text)
        table.add_row(text)
        for renderable in (text, table, Tree(text)):
            console().print(renderable, soft_wrap=True)

    out = printed(print_all)

    assert ACTS.search(out) is None
    assert "".join(out.split()).startswith("".join(visible(text).split()))  # a tab is spaces there


@hostile
def test_a_trace_takes_any_text(text):
    effect = {
        "id": 1,
        "step": text,
        "reference": [text],
        "attempts": 2,
        "state": text,
        "reason": text,
        "operation": text,
        "flow_run_id": None,
        "dispatch_id": None,
    }

    out = printed(lambda: show_trace(None, text, {"deliveries": [], "effects": [effect]}, console()))

    assert ACTS.search(out) is None
    assert one_line(text) in out


@hostile
def test_what_tail_tells_is_one_line(text):
    change = {"route": text, "effect_id": None, "subject": "dispatch", "delivery_id": None, "source": text}
    change["person"] = text
    change |= {"was": text, "became": text, "reason": text, "actor": text, "label": text}

    line = _line(change | {"at": datetime.now(UTC)})

    assert ACTS.search(line.plain) is None
    assert "\n" not in line.plain
