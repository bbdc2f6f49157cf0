"""The glossary is current, and no retired word is left in code, help, settings or pages."""

import re
import runpy
import tokenize
from collections import defaultdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest
from documents import FENCE, PAGES, ROOT, name

GENERATED = runpy.run_path(str(ROOT / "docs" / "generate.py"))
GLOSSARY = GENERATED["glossary"]()
KINDS = {"name", "part", "module", "text"}
CODE = ("hookline", "flows", "tasks", "blocks", "benchmarks", "docs", "tests")
READ_AS_TEXT = ("hookline/**/*.html", "deployments/*.yaml", ".env.example", "Makefile")
EXEMPT = {ROOT / "docs" / "glossary.md", Path(__file__)}
"""These name what is retired."""
HISTORY = (ROOT / "CHANGELOG.md", ROOT / "docs" / "adr")
"""Their code blocks show what was."""
TEXT_TOKENS = {"STRING", "FSTRING_MIDDLE", "COMMENT"}
CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True)
class Found:
    """A line of code or text, and where it is."""

    path: Path
    line: int
    text: str

    def within(self, places):
        return not places or any(self.path.is_relative_to(ROOT / place) for place in places)


@cache
def code_tokens():
    """Return the places of each identifier, and the lines of text, of all Python files."""
    names, texts = defaultdict(list), []
    for path in sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py")):
        if path not in EXEMPT:
            with path.open("rb") as source:
                for token in tokenize.tokenize(source.readline):
                    kind = tokenize.tok_name[token.type]
                    if kind == "NAME":
                        names[token.string].append(Found(path, token.start[0], token.line))
                    elif kind in TEXT_TOKENS:
                        texts += numbered(path, token.string, token.start[0])
    return names, texts


@cache
def texts():
    """Return the lines of everything that people read."""
    written = [path for pattern in READ_AS_TEXT for path in sorted(ROOT.glob(pattern))]
    lines = [line for path in written for line in numbered(path, path.read_text(encoding="utf-8"))]
    for page in PAGES:
        if page not in EXEMPT:
            lines += numbered(page, page_text(page))
    return lines + code_tokens()[1]


def page_text(page):
    """Return a page; of a page of history, without its code blocks, whose lines stay countable."""
    text = page.read_text(encoding="utf-8")
    history = any(page.is_relative_to(place) for place in HISTORY)
    return FENCE.sub(lambda found: "\n" * found[0].count("\n"), text) if history else text


def numbered(path, text, first=1):
    return [Found(path, number, line) for number, line in enumerate(text.splitlines(), first)]


def parts(identifier):
    return "_" + "_".join(CAMEL.findall(identifier)).lower() + "_"


def by_name(word):
    return identifiers(lambda each: fnmatchcase(each.lstrip("_"), word))


def by_part(word):
    return identifiers(lambda each: f"_{word}_" in parts(each))


def identifiers(matches):
    return [found for each, places in code_tokens()[0].items() if matches(each) for found in places]


def by_module(word):
    modules = [path for folder in CODE for path in sorted((ROOT / folder).rglob(f"{word}.py"))]
    return [Found(path, 1, word) for path in modules]


def by_text(word):
    pattern = re.compile(rf"(?<![\w-])({word})(?!\w)".replace(" ", r"\s+"), re.IGNORECASE)
    return [found for found in texts() if pattern.search(found.text)]


SEARCH = {"name": by_name, "part": by_part, "module": by_module, "text": by_text}


def places_of(entry):
    """Return each place of a retired word: file, line, and what to use instead."""
    kind, word = next(iter(entry.items()))
    return [
        f"{name(found.path)}:{found.line}: {word!r} is retired, use {entry['use']}: {found.text.strip()[:100]}"
        for found in SEARCH[kind](word)
        if found.within(entry.get("in"))
    ]


def test_no_retired_word_is_left():
    left = {" ".join(next(iter(entry.items()))): places_of(entry) for entry in GLOSSARY["retired"]}
    counts = ", ".join(f"{word} ({len(places)})" for word, places in left.items() if places)
    places = [place for places in left.values() for place in places]

    assert not places, f"retired words are left: {counts}\n" + "\n".join(places)


def test_everything_that_people_read_is_searched():
    """A folder that moves would pass every test above."""
    assert [] == [pattern for pattern in READ_AS_TEXT if not list(ROOT.glob(pattern))]
    assert [] == [folder for folder in CODE if not list((ROOT / folder).rglob("*.py"))]


def test_every_entry_says_what_it_is_and_what_to_use():
    wrong = [
        entry
        for entry in GLOSSARY["retired"]
        if next(iter(entry)) not in KINDS or not entry.get("use") or set(entry) - KINDS - {"use", "in"}
    ]
    missing = [
        place for entry in GLOSSARY["retired"] for place in entry.get("in", ()) if not (ROOT / place).exists()
    ]

    assert ([], []) == (wrong, missing)


def test_every_word_has_a_meaning_of_one_line_and_is_in_order():
    words = list(GLOSSARY["words"])

    assert sorted(words) == words
    assert [] == [
        word for word, meaning in GLOSSARY["words"].items() if "\n" in meaning or meaning[-1] != "."
    ]


def test_no_word_of_the_glossary_is_retired():
    retired = [next(iter(entry.items())) for entry in GLOSSARY["retired"]]

    assert [] == [
        word
        for word in GLOSSARY["words"]
        for kind, pattern in retired
        if kind == "text" and re.search(rf"\b({pattern})\b", word)
    ]


@pytest.mark.parametrize(
    ("entry", "text", "found"),
    [
        ({"part": "in_hand", "use": "claimed"}, "InHand", True),
        ({"part": "in_hand", "use": "claimed"}, "still_in_hand", True),
        ({"part": "lane", "use": "batch"}, "planes", False),
        ({"name": "MOST_*", "use": "MAX_*"}, "_MOST_BYTES", True),
        ({"name": "hand", "use": "claimed"}, "handle", False),
        ({"text": "mend(s|ed|ing)?", "use": "fix"}, "Mend the cause.", True),
        ({"text": "mend(s|ed|ing)?", "use": "fix"}, "amended, recommended", False),
        ({"text": "in hand", "use": "claimed"}, "what it has in hand", True),
    ],
)
def test_a_retired_word_is_found_where_it_is(entry, text, found, monkeypatch):
    """A search that finds nothing would pass every test above."""
    here = [Found(ROOT / "hookline" / "text.py", 7, text)]
    monkeypatch.setitem(globals(), "code_tokens", lambda: ({text: here}, here))
    monkeypatch.setitem(globals(), "texts", lambda: here)

    places = places_of(entry)

    assert found == bool(places)
    assert all("hookline/text.py:7: " in place and entry["use"] in place for place in places)
