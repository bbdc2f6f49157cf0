"""YAML files that people write: read them, and name the line, the place and the likely fix of a mistake."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from hookline.errors import ConfigurationError
from hookline.text import do_you_mean

Model = TypeVar("Model", bound=BaseModel)
Schema: TypeAlias = Mapping[str, Any]
QUOTED = re.compile(r"'([^']*)'")
OPTION = re.compile(r"^\.[^.:\s]+(?=\.)")
"""The part of a union in a place of pydantic's, which is no step in the file."""


class _Loader(yaml.SafeLoader):
    """A loader that refuses a key that is there twice: YAML would silently ignore the first."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.composer.ComposerError(None, None, f"{key.value!r} is there twice", key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
        return node


class FileSchema(GenerateJsonSchema):
    """The JSON Schema of a model as people write it in YAML: no titles, no null, and defaults that YAML has."""

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of a field that may be left out."""
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """Return False: a title would only repeat the field's name."""
        return False

    def default_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of a field with a default, and the default if it is plain."""
        inner = self.generate_inner(schema["schema"])
        default = schema.get("default")
        if isinstance(default, str | int | float):
            return {**inner, "default": default} if "$ref" not in inner else inner
        return inner


def read_yaml(path: Path, model: type[Model]) -> Model:
    """
    Read a YAML file into a model.

    Raises:
        ConfigurationError: the file cannot be opened, is not YAML or does not fit; names the place.
    """
    return parse_yaml(read_text(path), path, model)


def read_text(path: Path) -> str:
    """
    Return the text of a file.

    Raises:
        ConfigurationError: it cannot be opened, or is no text; names it.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"Cannot read {path}: {error.strerror}.") from None
    except ValueError as error:
        raise ConfigurationError(f"{path} is not YAML: {error}") from None


def parse_yaml(text: str, path: Path, model: type[Model]) -> Model:
    """
    Read a YAML text into a model; `path` is its name in messages.

    Raises:
        ConfigurationError: it is not YAML or does not fit; names the place.
    """
    try:
        content = yaml.load(text, _Loader)  # noqa: S506  (a SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # PyYAML raises ValueError for odd dates
        raise ConfigurationError(f"{path} is not YAML: {error}") from None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = [problem.removeprefix(".") for problem in mistakes(error, model)]
        problems = [f"the file{each}" if each[:1] == ":" else each for each in problems]
        raise not_right(path, problems, text) from None


def not_right(path: Path, problems: Iterable[str], text: str | None = None) -> ConfigurationError:
    """
    Return the error about a file; each problem begins with its place, such as `routes.receipt.when: …`.

    Args:
        path: the file's.
        problems: the mistakes in it.
        text: what was read; None for what the file has now.
    """
    return ConfigurationError(f"{path} is not right:\n  " + "\n  ".join(with_lines(path, problems, text)))


def with_lines(path: Path, problems: Iterable[str], text: str | None = None) -> list[str]:
    """Return the problems of a file, each with the number of its line, as far as the file can be read."""
    root = _composed(path, text)
    return [f"{each} (line {_line(root, each)})" if root else each for each in problems]


def mistakes(error: ValidationError, model: type[BaseModel], also: Collection[str] = ()) -> list[str]:
    """
    Return the mistakes, each after its place in what was read, such as `.mail.campain: …`.

    Args:
        error: what pydantic found.
        model: what was to be read.
        also: names that are fields at the top, beside those of the model.
    """
    return [
        f"{''.join(f'.{part}' for part in each['loc'])}: {_message(each, model, also)}"
        for each in error.errors()
    ]


def _message(problem: Any, model: type[BaseModel], also: Collection[str]) -> str:
    match problem["type"]:
        case "extra_forbidden":
            *place, name = problem["loc"]
            known = {*_fields(model, place), *([] if place else also)}
            return f"there is no such field{do_you_mean(str(name), known)}"
        case "literal_error" if isinstance(problem["input"], str):
            options = QUOTED.findall(problem["ctx"]["expected"])
            return f"{problem['msg']}{do_you_mean(problem['input'], options)}"
        case _:
            return str(problem["msg"])


def _fields(model: type[BaseModel], place: Iterable[Any]) -> set[str]:
    """Return the names of the fields that may stand at a place of a model."""
    root = model.model_json_schema(schema_generator=FileSchema)
    found = list(_options(root, root))
    for part in place:
        inner = [schema for each in found for schema in _within(root, each, part)]
        found = inner or found  # pydantic names the part of a union, too, which is no step in the file
    return {name for each in found for name in each.get("properties", ())}


def _within(root: Schema, schema: Schema, part: Any) -> Iterator[Schema]:
    """Yield the schemas of what is under a name, or at a number, of what the schema describes."""
    named = schema.get("properties", {}).get(part) or schema.get("additionalProperties")
    inner = schema.get("items") if isinstance(part, int) else named
    if isinstance(inner, Mapping):
        yield from _options(root, inner)


def _options(root: Schema, schema: Schema) -> Iterator[Schema]:
    """Yield a schema, and those that may stand in its place."""
    schema = _resolved(root, schema)
    yield schema
    for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _options(root, option)


def _resolved(root: Schema, schema: Schema) -> Schema:
    reference = schema.get("$ref", "").rpartition("/")[2]
    return root["$defs"][reference] if reference else schema


def _composed(path: Path, text: str | None) -> yaml.Node | None:
    """Return the file as nodes, which know their lines; None where it cannot be read by now."""
    try:
        return yaml.compose(path.read_text(encoding="utf-8") if text is None else text, yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None


def _line(node: yaml.Node, problem: str) -> int:
    """Return the line of the innermost node that the place at the beginning of a problem leads to."""
    line, rest = node.start_mark.line, problem
    while found := _step(node, rest) or _step(node, OPTION.sub("", rest)):
        line, node, rest = found
    return line + 1


def _step(node: yaml.Node, rest: str) -> tuple[int, yaml.Node, str] | None:
    """Return the line, the node and the rest of the place, one step further in; None where there is no further."""
    if isinstance(node, yaml.SequenceNode):
        if (found := re.match(r"[.\[]?(\d+)\]?", rest)) and int(found[1]) < len(node.value):
            inner = node.value[int(found[1])]
            return inner.start_mark.line, inner, rest[found.end() :]
    elif isinstance(node, yaml.MappingNode):
        rest = rest.removeprefix(".")
        for key, inner in sorted(node.value, key=lambda pair: -len(str(pair[0].value))):
            name = str(key.value)
            if rest.startswith(name) and rest[len(name) : len(name) + 1] in (".", ":", "["):
                return key.start_mark.line, inner, rest[len(name) :]
    return None
