"""The text of a specification, read within bounds: JSON or YAML, its size and depth, and its own references."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from hookline.errors import ConfigurationError

MAX_BYTES: Final = 16 * 2**20
MAX_DEPTH: Final = 100
MAX_VALUES: Final = 1_000_000
"""Values in all; an alias of YAML counts as often as it is used."""
MAX_HOPS: Final = 50
"""References that lead to references."""


class SpecError(ConfigurationError):
    """A specification cannot be used; the text names the file, the place and what to do."""


class LeftOut(Exception):
    """A part of a specification cannot become an operation; its text is the reason."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A loader of what JSON has: dates, `yes` and `no` stay texts, and a key that is there twice is refused."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (PyYAML's own form)
        first: [(tag, form) for tag, form in resolvers if not tag.endswith((":timestamp", ":merge", ":bool"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Return an object; raise if a key is there twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    line = key.start_mark.line + 1
                    raise yaml.constructor.ConstructorError(
                        None, None, f"line {line}: {key.value!r} is there twice"
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


for _first in "tTfF":
    _Loader.yaml_implicit_resolvers.setdefault(_first, []).append(
        ("tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"))
    )


@dataclass(frozen=True)
class Document:
    """A specification as JSON values, with its name in messages."""

    name: str
    root: dict[str, Any]

    def resolve(self, node: Any) -> dict[str, Any]:
        """
        Return the object at this place, or the one that it refers to.

        Raises:
            LeftOut: it refers to another file, to nothing, or in a circle.
        """
        for _ in range(MAX_HOPS):
            if not isinstance(node, dict):
                raise LeftOut("it has no object where the specification needs one")
            reference = node.get("$ref")
            if reference is None:
                return node
            node = self._target(reference)
        raise LeftOut(f"{reference} refers to itself in a circle")

    def _target(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise LeftOut(
                f"it refers to {str(reference)[:80]!r}, and other files are not fetched: bundle them into one"
            )
        node: Any = self.root
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
            if isinstance(node, list) and name.isdecimal() and int(name) < len(node):
                node = node[int(name)]
            elif isinstance(node, dict) and name in node:
                node = node[name]
            else:
                raise LeftOut(f"it refers to {reference[:80]}, which is not there")
        return node


def read_document(path: Path) -> Document:
    """
    Read a specification.

    Raises:
        SpecError: it is no file, too large, neither JSON nor YAML, or no object.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SpecError(
            f"Cannot read {path}: {error.strerror}. Name the file of the specification."
        ) from None
    if len(content) > MAX_BYTES:
        raise SpecError(
            f"{path} is larger than {MAX_BYTES // 2**20} MB. Cut it to the operations that you need."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path} is no text in UTF-8: byte {error.start}. Save it as UTF-8.") from None
    return parse_document(text, str(path))


def parse_document(text: str, name: str) -> Document:
    """
    Read the text of a specification; `name` is its name in messages.

    Raises:
        SpecError: see `read_document`.
    """
    raw = _json(text, name) if text.lstrip()[:1] == "{" else _yaml(text, name)
    budget = iter(range(MAX_VALUES))
    root = _plain(raw, name, MAX_DEPTH, budget)
    if not isinstance(root, dict) or not root:
        raise SpecError(
            f"{name} is empty, or no object. It must be an OpenAPI text, which begins with `openapi:`."
        )
    return Document(name, root)


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_pairs)
    except RecursionError:
        raise _too_deep(name) from None
    except ValueError as error:
        if "{" in text and not text.lstrip().startswith('{"'):  # YAML may begin with a brace too
            return _yaml(text, name)
        raise SpecError(f"{name} is not JSON: {error}. Correct it there.") from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"{twice[:80]!r} is there twice in one object")
    return made


def _yaml(text: str, name: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506  (a SafeLoader)
    except RecursionError:
        raise _too_deep(name) from None
    except (yaml.YAMLError, ValueError) as error:
        what = " ".join(str(error).split())
        raise SpecError(f"{name} is not YAML: {what}. Correct it there.") from None


def _too_deep(name: str) -> SpecError:
    return SpecError(
        f"{name} has more than {MAX_DEPTH} lists or objects within each other. No service needs that."
    )


def _plain(value: Any, name: str, depth: int, budget: Iterator[int]) -> Any:
    """Return a copy whose names are texts; raise if it is deeper or larger than allowed."""
    if next(budget, None) is None:
        raise SpecError(f"{name} has more than {MAX_VALUES} values. Cut it to the operations that you need.")
    if isinstance(value, str):
        return _whole(value, name)
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        raise _too_deep(name)
    if isinstance(value, list):
        return [_plain(each, name, depth - 1, budget) for each in value]
    return {_whole(str(key), name): _plain(each, name, depth - 1, budget) for key, each in value.items()}


def _whole(text: str, name: str) -> str:
    """Return a text; raise if it has a surrogate alone, which no file can hold."""
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise SpecError(
            f"{name} has half of a letter (a surrogate alone) in {text[:80]!r}. Correct it there."
        )
    return text
