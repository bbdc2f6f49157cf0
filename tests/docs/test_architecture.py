"""Every name on the page of the architecture, and in its figure, is one of the code."""

import re
from pkgutil import resolve_name
from xml.etree import ElementTree as ET

from documents import ROOT, codes

PAGE = ROOT / "docs" / "architecture.md"
FIGURE = ET.parse(ROOT / "docs" / "images" / "delivery.svg")
DOTTED = re.compile(r"(hookline|flows|tasks|blocks)(\.\w+)+")
IN_FIGURE = {
    kind: {each.text for each in FIGURE.iter() if each.get("class") == kind}
    for kind in ("code", "table", "state")
}
ON_PAGE = {code for code in codes(PAGE) if DOTTED.fullmatch(code)}
MIGRATIONS = "".join(
    path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "hookline" / "database" / "migrations" / "versions").glob("*.py"))
)


def test_there_are_names_at_all():
    """An empty collection would pass every test below."""
    assert (True, True, True) == (len(IN_FIGURE["code"]) > 20, len(ON_PAGE) > 30, len(IN_FIGURE["table"]) > 3)


def test_each_name_is_in_the_code():
    assert [] == [name for name in sorted(ON_PAGE | IN_FIGURE["code"]) if not _exists(name)]


def _exists(name):
    try:
        resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_each_name_of_the_figure_is_on_the_page():
    assert set() == IN_FIGURE["code"] - ON_PAGE


def test_each_table_of_the_database_is_explained_and_no_other_is_named():
    tables = set(re.findall(r"^CREATE TABLE (\w+)", MIGRATIONS, re.MULTILINE))
    section = PAGE.read_text(encoding="utf-8").partition("## The tables")[2].partition("\n## ")[0]

    explained = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))

    assert tables == explained
    assert set() == IN_FIGURE["table"] - tables


def test_each_state_of_the_figure_is_one_of_the_database():
    states = {
        state
        for found in re.findall(r"state IN \(([^)]*)\)", MIGRATIONS)
        for state in re.findall(r"'(\w+)'", found)
    }

    assert set() == IN_FIGURE["state"] - states
