"""Python as the formatter leaves it: literals, calls and imports."""

import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from hookline.new_vendor.models import LINE, quoted

STDLIB: Final = frozenset({"asyncio", "collections.abc", "contextlib", "datetime", "typing"})
FIRST_PARTY: Final = "vendors"


def literal(value: Any, used: int = 0, indent: int = 0) -> str:
    """
    Return a value as Python, over several lines where one is too short.

    Args:
        value: a JSON value, or a `Code`.
        used: characters before it on its line, and behind it.
        indent: of its line.
    """
    flat = _flat(value)
    if isinstance(value, Code) or not isinstance(value, dict | list | tuple) or len(flat) + used <= LINE:
        return flat
    brackets = {dict: "{}", list: "[]", tuple: "()"}[type(value)]
    inner = " " * (indent + 4)
    if isinstance(value, dict):
        parts = []
        for name, each in value.items():
            key = f"{quoted(str(name))}: "
            parts.append(f"{inner}{key}{literal(each, len(inner) + len(key) + 1, indent + 4)},")
    else:
        parts = [f"{inner}{literal(each, len(inner) + 1, indent + 4)}," for each in value]
    return "\n".join([brackets[0], *parts, " " * indent + brackets[1]])


class Code(str):
    """A text that is Python already."""

    __slots__ = ()


def _flat(value: Any) -> str:
    match value:
        case Code():
            return str(value)
        case str():
            return quoted(value)
        case dict():
            return (
                "{" + ", ".join(f"{quoted(str(name))}: {_flat(each)}" for name, each in value.items()) + "}"
            )
        case list():
            return "[" + ", ".join(map(_flat, value)) + "]"
        case tuple():
            return "(" + ", ".join(map(_flat, value)) + ("," if len(value) == 1 else "") + ")"
        case _:
            return repr(value)


def call(before: str, arguments: Iterable[str], indent: int = 0) -> str:
    """Return a call: on one line if it fits, else with a line for each argument."""
    arguments = list(arguments)
    flat = f"{before}({', '.join(arguments)})"
    if len(flat) + indent <= LINE:
        return flat
    inner = " " * (indent // 4 * 4 + 4)
    return "\n".join([f"{before}(", *(f"{inner}{each}," for each in arguments), f"{inner[4:]})"])


Tree: TypeAlias = "str | tuple[str, list[Tree]]"
"""Code: a text, or a call with its arguments."""


def nested(tree: Tree, used: int = 0, indent: int = 0) -> str:
    """Return calls within each other, each on one line if it fits; `used` characters are beside the first one."""
    if isinstance(tree, str):
        return tree
    before, arguments = tree
    flat = f"{before}({', '.join(nested(each, -10_000) for each in arguments)})"
    if len(flat) + used + indent <= LINE:
        return flat
    inner = " " * (indent + 4)
    lines = [f"{inner}{nested(each, 1, indent + 4)}," for each in arguments]
    return "\n".join([f"{before}(", *lines, f"{' ' * indent})"])


def filled(first: str, parts: Iterable[str], width: int = 118) -> str:
    """Return a declaration in a part that the formatter leaves alone, as many parts on a line as fit."""
    lines = [f"    {first}"]
    for part in parts:
        gap = "" if lines[-1].endswith("(") else " "
        if len(lines[-1]) + len(gap) + len(part) <= width:
            lines[-1] += gap + part
        else:
            lines.append(f"        {part}")
    return "\n".join(lines)


def comment(text: str) -> str:
    """Return a comment, over several lines where one is too short."""
    return "\n".join(
        textwrap.wrap(text, LINE, initial_indent="# ", subsequent_indent="# ", break_long_words=False)
    )


def imports(names: Mapping[str, Iterable[str]], plain: Iterable[str] = ()) -> list[str]:
    """Return import lines in the order that isort wants, with an empty line between its sections."""
    sections: dict[int, list[tuple[bool, str, str]]] = {}
    for module in plain:
        sections.setdefault(0 if module in STDLIB else 1, []).append((False, module, f"import {module}"))
    for module, each in names.items():
        section = 0 if module in STDLIB else 2 if module.split(".")[0] == FIRST_PARTY else 1
        chosen = sorted(set(each), key=_order)
        if chosen:
            sections.setdefault(section, []).append((True, module, _import(module, chosen)))
    lines: list[str] = []
    for _, found in sorted(sections.items()):
        lines += [""] if lines else []
        lines += [text for _, _, text in sorted(found)]
    return lines


def _import(module: str, names: list[str]) -> str:
    flat = f"from {module} import {', '.join(names)}"
    if len(flat) <= LINE:
        return flat
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])


def _order(name: str) -> tuple[int, str]:
    if re.fullmatch(r"[A-Z][A-Z0-9_]+", name):
        return 0, name
    return (1 if name[0].isupper() else 2), name
