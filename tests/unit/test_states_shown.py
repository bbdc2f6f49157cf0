"""What people see of the states is what `hookline.states` says."""

import re
from typing import get_args

import pytest

from hookline.cli import effects
from hookline.gateway.views.rendering import STATIC
from hookline.states import EFFECTS, STATES

CHIPS = {
    state: colour
    for names, colour in re.findall(
        r"^((?:\.chip\.\w+(?:, )?)+) \{ background: var\(--(\w+)\);",
        STATIC["style.css"].decode(),
        re.MULTILINE,
    )
    for state in re.findall(r"\.chip\.(\w+)", names)
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_the_stylesheet_has_the_colour_of_each_state(state):
    assert state.colour == CHIPS.get(state.name, "calm")


def test_the_shell_filters_effects_by_every_state_they_have():
    assert EFFECTS.states == get_args(effects.State)
