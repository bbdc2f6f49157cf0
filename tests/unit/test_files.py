"""YAML files that people write: a mistake is named with its line, its place and the likely fix."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from hookline.errors import ConfigurationError
from hookline.files import read_yaml, with_lines


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: str = "plain"


class File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    parts: list[Part] = []
    by_name: dict[str, Part] = {}
    either: Part | int | None = None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("part: []", "part: there is no such field (do you mean parts?) (line 1)"),
        ("parts:\n- kind: a\n- kimd: b", "parts.1.kimd: there is no such field (do you mean kind?) (line 3)"),
        (
            "\nby_name:\n  a.b:\n    kinds: x",
            "by_name.a.b.kinds: there is no such field (do you mean kind?) (line 4)",
        ),
        ("by_name: {a: {qqq: x}}", "by_name.a.qqq: there is no such field (line 1)"),
        ("either:\n  knd: x", "either.Part.knd: there is no such field (do you mean kind?) (line 2)"),
        ("parts: 7", "parts: Input should be a valid list (line 1)"),
        ("", "the file: Input should be a valid dictionary or instance of File"),
    ],
)
def test_a_mistake_has_its_line_and_the_nearest_name(tmp_path, text, complaint):
    path = tmp_path / "file.yaml"
    path.write_text(text)

    with pytest.raises(ConfigurationError) as raised:
        read_yaml(path, File)

    assert complaint == str(raised.value).splitlines()[1].strip()


NAMES = st.text(string.ascii_lowercase + "-._ ", min_size=1, max_size=6).map(lambda text: f"k{text}k")


@given(st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=8, unique_by=lambda pair: pair[0]))
def test_the_line_is_the_one_on_which_the_name_stands_whatever_names_there_are(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("lines") / "file.yaml"
    path.write_text("by_name:\n" + "".join(f"  '{name}':\n    '{field}': 1\n" for name, field in pairs))

    found = with_lines(path, [f"by_name.{name}: is not right" for name, _ in pairs])

    assert [f"by_name.{name}: is not right (line {2 * n + 2})" for n, (name, _) in enumerate(pairs)] == found
