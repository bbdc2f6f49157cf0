"""`.env.example` lists every variable, once, with its meaning; and no other."""

import re
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from hookline.hooks import load_hooks
from hookline.settings import VENDORS, Settings
from hookline.source_secrets import secret_variable

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / ".env.example").read_text(encoding="utf-8")
LISTED = re.findall(r"^# ([A-Z][A-Z_]+)=(.*)$", TEXT, re.MULTILINE)
DEFAULTS = {
    "HOOKLINE_" + name.upper(): field.default
    for name, field in Settings.model_fields.items()
    if field.default not in (None, (), PydanticUndefined)
}


def variables():
    for kind in (Settings, *VENDORS.values()):
        for name in kind.model_fields:
            yield kind.model_config["env_prefix"] + name.upper()
    for source in load_hooks(ROOT / "deployments" / "hooks.yaml").sources:
        yield secret_variable(source)
    yield "PREFECT_API_URL"


def test_every_variable_is_listed_once_and_no_other():
    assert sorted(variables()) == sorted(name for name, _ in LISTED)


@pytest.mark.parametrize("name", [name for name, _ in LISTED])
def test_one_line_above_each_variable_tells_its_meaning_and_its_default(name):
    block = next(block for block in re.split(r"\n\n+", TEXT) if f"# {name}=" in block)

    meaning, variable = block.strip().splitlines()

    assert f"# {name}=" == variable[: len(name) + 3]
    assert re.fullmatch(r"# [A-Z].*\. Default: .+\.", meaning)


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_value_shown_is_the_default(name):
    shown = dict(LISTED)[name]

    default = DEFAULTS[name]

    assert str(default).lower() == shown


def test_nothing_is_set():
    """A copy of the file changes nothing until somebody edits it."""
    assert [] == [line for line in TEXT.splitlines() if line and not line.startswith("#")]
