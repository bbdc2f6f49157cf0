"""What changed in `hooks.yaml`, `catalog.yaml` and the texts since they were last in force."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

from hookline.catalog import Catalog, last_good_catalog, record_catalog
from hookline.hooks import Hooks
from hookline.hooks.config import routes_record, sources_record
from hookline.provisioning.changes import CHANGED, MADE, REMOVED, Change, Difference, differences, unchanged
from hookline.settings import Settings
from hookline.texts import Template
from hookline.texts.in_force import last_good_text, record_text


@dataclass(frozen=True)
class Files:
    """The present files, all of them right."""

    hooks: Hooks
    catalog: Catalog
    texts: Mapping[Template, str]


def file_changes(settings: Settings, files: Files) -> Iterator[Change]:
    """
    Yield the changes of sources, routes, catalog and texts, against what processes here had last in force.

    What is as it was is not named, for these files are long.

    Args:
        settings: lead to the record of what is in force.
        files: the present ones.
    """
    hooks = files.hooks
    sources = {name: source.spec for name, source in hooks.sources.items()}
    yield from _changes("source", sources_record(settings.home, hooks.path).read() or {}, sources)
    routes = {route.name: route.spec for route in hooks.routes}
    yield from _changes("route", routes_record(settings.home, hooks.path).read() or {}, routes)
    yield _catalog_change(settings, files.catalog)
    yield from _text_changes(settings, files.texts)


def record(settings: Settings, files: Files) -> None:
    """Record what is in force from now on; the processes that run do the same when they have read the files."""
    hooks = files.hooks
    sources_record(settings.home, hooks.path).write(
        {name: source.spec for name, source in hooks.sources.items()}
    )
    routes_record(settings.home, hooks.path).write({route.name: route.spec for route in hooks.routes})
    record_catalog(settings.catalog, settings.home, files.catalog)
    for template, source in files.texts.items():
        record_text(template, settings.home, source)


def _changes(kind: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for name, spec in after.items():
        if name not in before:
            yield Change(kind, name, MADE)
        elif found := differences(json.loads(before[name]), json.loads(spec)):
            yield Change(kind, name, CHANGED, differences=found)
    for name in before.keys() - after.keys():
        yield Change(kind, name, REMOVED)


def _text_changes(settings: Settings, texts: Mapping[Template, str]) -> Iterator[Change]:
    for template, source in texts.items():
        before = last_good_text(template, settings.home)
        if before is None:
            yield Change("text", template.label, MADE)
        elif before != source:
            lines = tuple(_lines(before.splitlines(), source.splitlines()))
            yield Change("text", template.label, CHANGED, differences=lines)


def _lines(before: list[str], after: list[str]) -> Iterator[Difference]:
    """Yield the lines that differ, by their number in the present file."""
    for kind, first, last, begin, end in SequenceMatcher(None, before, after).get_opcodes():
        if kind != "equal":
            old, new = "\n".join(before[first:last]), "\n".join(after[begin:end])
            yield Difference(f"line {begin + 1}", old or None, new or None)


def _catalog_change(settings: Settings, catalog: Catalog) -> Change:
    name = settings.catalog.name
    before = last_good_catalog(settings.catalog, settings.home)
    if before is None:
        return Change("catalog", name, MADE)
    found = differences(before.model_dump(mode="json"), catalog.model_dump(mode="json"))
    return Change("catalog", name, CHANGED, differences=found) if found else unchanged("catalog", name)
