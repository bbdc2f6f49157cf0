"""A new part in the text of a YAML file that people write: all that stands there, comments too, stays as it is."""

from collections.abc import Mapping
from typing import Any

import yaml


def with_source(text: str, name: str, fields: Mapping[str, str]) -> str:
    """
    Return the text of a `hooks.yaml` with one more source, before the others.

    Args:
        text: the file, which may be empty.
        name: of the source.
        fields: of the source.

    Raises:
        ValueError: nothing can be added by itself: it has this source, is not YAML, or has its sources in one line.
    """
    return with_part(text, "sources", name, [f"{field}: {value}" for field, value in fields.items()])


def with_part(text: str, section: str, name: str, lines: list[str]) -> str:
    """
    Return the text of a file with one more part, before the others of its section; see `with_source`.

    Args:
        text: the file, which may be empty.
        section: such as `routes`.
        name: of the part.
        lines: of the part, as they stand below its name.

    Raises:
        ValueError: nothing can be added by itself; says why.
    """
    part = [f"{name}:", *(f"  {line}" for line in lines)]
    if not text.strip():
        return f"{section}:\n{_indented(part, 2)}"
    parts = _section(text, section, yaml.MappingNode)
    if name in {key.value for key, _ in parts.value if isinstance(key, yaml.ScalarNode)}:
        raise ValueError(f"it has a {section.removesuffix('s')} {name} already")
    return _inserted(text, section, parts, part)


def with_entry(text: str, section: str, lines: list[str]) -> str:
    """
    Return the text of a file with one more entry in a list, before the others; see `with_part`.

    Raises:
        ValueError: nothing can be added by itself; says why.
    """
    first, *rest = lines
    entries = _section(text, section, yaml.SequenceNode)
    return _inserted(text, section, entries, [f"- {first}", *(f"  {line}" for line in rest)])


def _inserted(text: str, section: str, parts: Any, lines: list[str]) -> str:
    if parts.flow_style or not parts.value:
        raise ValueError(f"its {section} do not stand each in lines of its own")
    line, column = parts.start_mark.line, parts.start_mark.column
    written = text.splitlines(keepends=True)
    written.insert(line, _indented(lines, column))
    return "".join(written)


def _section(text: str, section: str, kind: type[yaml.Node]) -> Any:
    try:
        document = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ValueError("it is not YAML") from None
    pairs = document.value if isinstance(document, yaml.MappingNode) else []
    for key, value in pairs:
        if key.value == section and isinstance(value, kind):
            return value
    raise ValueError(f"it has no `{section}` with {_a(section)} below it")


def _a(section: str) -> str:
    return f"a {section.removesuffix('s')}"


def _indented(lines: list[str], column: int) -> str:
    return "".join(f"{' ' * column}{line}\n" for line in lines)
