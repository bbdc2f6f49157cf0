"""The version in pyproject.toml, CHANGELOG.md and the schema agree, and each disagreement is named."""

import pytest

from hookline.database.schema import head
from tests.release import problems, problems_of_release, version_of

NOTHING_NEW = "# Changelog\n\n## [Unreleased]\n\n"
RELEASED = "## [0.2.0] - 2026-12-01\n\nSchema: 0005.\n\n- Much.\n\n## [0.1.0] - 2026-11-29\n\nSchema: 0004.\n"
GOOD = NOTHING_NEW + RELEASED


def test_those_of_this_checkout_agree(repository):
    changelog = (repository / "CHANGELOG.md").read_text(encoding="utf-8")

    assert [] == [*problems(version_of(), changelog, head())]


def test_what_agrees_may_be_released():
    assert [] == [*problems_of_release("0.2.0", GOOD, "0005", {"0.1.0", "0.2.0"})]


@pytest.mark.parametrize(
    ("version", "changelog", "schema", "says"),
    [
        ("0.1.9", GOOD, "0005", "CHANGELOG.md has 0.2.0 already"),
        ("0.2.0", GOOD, "0006", "and that of 0.2.0 was 0005"),
        ("0.2.1", GOOD, "0006", "0.2.1 is a patch"),
        ("0.2", GOOD, "0005", "not of the form 1.2.3"),
        ("0.2.0", RELEASED, "0005", "not with Unreleased"),
        ("0.2.0", GOOD.replace("Schema: 0004.", ""), "0005", "0.1.0 has no line"),
        ("0.2.0", GOOD.replace(" - 2026-11-29", ""), "0005", "heading of 0.1.0"),
        ("0.2.0", GOOD.replace("[0.1.0]", "[0.3.0]"), "0005", "0.2.0 stands above 0.3.0"),
        ("0.2.1", GOOD.replace("[0.2.0]", "[0.1.1]"), "0005", "a patch may not"),
    ],
)
def test_what_disagrees_is_named(version, changelog, schema, says):
    assert says in " ".join(problems(version, changelog, schema))


@pytest.mark.parametrize(
    ("version", "changelog", "schema", "says"),
    [
        ("0.3.0", GOOD, "0005", "no part of 0.3.0 on top"),
        ("0.2.0", GOOD.replace("[Unreleased]\n", "[Unreleased]\n\n- One more."), "0005", "under Unreleased"),
        ("0.3.0", GOOD, "0005", "tests/samples/projects/0.3.0 is missing"),
    ],
)
def test_what_is_not_ready_is_not_released(version, changelog, schema, says):
    assert says in " ".join(problems_of_release(version, changelog, schema, {"0.2.0"}))
