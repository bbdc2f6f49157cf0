"""
Check that a version may be released: its number, CHANGELOG.md and the schema agree; `make release` runs it.

It tags and pushes nothing: it prints the commands for that. What a number promises: docs/backup-and-upgrade.md.
"""

import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from hookline.database.schema import head

ROOT = Path(__file__).parents[1]
UNRELEASED = "Unreleased"
HEADING = re.compile(r"^## \[(?P<name>[^\]]+)\](?: - (?P<date>\d{4}-\d\d-\d\d))?$", re.MULTILINE)
SCHEMA = re.compile(r"^Schema: (\S+)\.$", re.MULTILINE)
NUMBER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


@dataclass(frozen=True)
class Entry:
    """One part of the changelog."""

    name: str
    date: str | None
    text: str

    @property
    def number(self):
        return tuple(map(int, self.name.split(".")))

    @property
    def schema(self):
        found = SCHEMA.search(self.text)
        return found[1] if found else None


def entries(changelog):
    """The parts of a changelog, the newest first."""
    found = [*HEADING.finditer(changelog)]
    ends = [each.start() for each in found[1:]] + [len(changelog)]
    return [
        Entry(each["name"], each["date"], changelog[each.end() : end].strip())
        for each, end in zip(found, ends, strict=True)
    ]


def problems(version, changelog, schema):
    """What is wrong at any time, between two releases as well."""
    unreleased, *released = entries(changelog) or [Entry("nothing", None, "")]
    wrong = [*_wrong_form(version, unreleased, released)]
    yield from wrong or _wrong_steps(version, released, schema)


def _wrong_form(version, unreleased, released):
    if unreleased.name != UNRELEASED:
        yield f"CHANGELOG.md begins with {unreleased.name}, not with {UNRELEASED}."
    if not NUMBER.fullmatch(version):
        yield f"The version {version} is not of the form 1.2.3."
    for entry in released:
        if not NUMBER.fullmatch(entry.name) or entry.date is None:
            yield f"The heading of {entry.name} is not of the form `## [1.2.3] - 2026-11-29`."
        if entry.schema is None:
            yield f"The part of {entry.name} has no line `Schema: 0004.`."


def _wrong_steps(version, released, schema):
    ours = tuple(map(int, version.split(".")))
    for newer, older in pairwise(released):
        if newer.number <= older.number:
            yield f"{newer.name} stands above {older.name}, which is as new."
        elif newer.schema != older.schema and newer.number[:2] == older.number[:2]:
            yield f"{newer.name} has another schema than {older.name}: a patch may not. Raise the minor number."
    if not released:
        return
    last = released[0]
    if ours < last.number:
        yield f"pyproject.toml has {version}, and CHANGELOG.md has {last.name} already."
    elif ours == last.number and schema != last.schema:
        yield f"The schema is {schema} now, and that of {last.name} was {last.schema}. Raise the minor number in pyproject.toml."
    elif schema != last.schema and ours[:2] == last.number[:2]:
        yield f"The schema is {schema}, and that of {last.name} was {last.schema}: {version} is a patch. Raise the minor number."


def problems_of_release(version, changelog, schema, samples):
    """What keeps this version from being released."""
    yield from problems(version, changelog, schema)
    unreleased, *released = entries(changelog) or [Entry("nothing", None, "")]
    if unreleased.text:
        yield f"CHANGELOG.md has lines under {UNRELEASED}: put them under `## [{version}] - DATE`."
    if not released or released[0].name != version:
        yield f"CHANGELOG.md has no part of {version} on top."
    elif released[0].schema != schema:
        yield f"The part of {version} says the schema {released[0].schema}, and the code has {schema}."
    if version not in samples:
        yield f"tests/samples/projects/{version} is missing: a project as this version makes it (hookline init)."


def version_of(root=ROOT):
    """The version in pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def main():
    version, changelog = version_of(), (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    samples = {path.name for path in (ROOT / "tests" / "samples" / "projects").iterdir()}
    found = [*problems_of_release(version, changelog, head(), samples)]
    if _git("status", "--porcelain"):
        found.append("The working tree has changes that are not committed.")
    if _git("tag", "--list", f"v{version}"):
        found.append(f"There is a tag v{version} already: raise the number in pyproject.toml.")
    if found:
        sys.exit("\n".join([f"{version} cannot be released:", *(f"  {each}" for each in found)]))
    print(f"{version} may be released, with the schema {head()}. After CI has passed:")  # noqa: T201
    print(f"  git tag --annotate v{version} --message 'Hookline {version}, schema {head()}'")  # noqa: T201
    print(f"  git push origin v{version}")  # noqa: T201


def _git(*words):
    return subprocess.run(
        ["git", *words], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    main()
