"""A new source in the text of `hooks.yaml`: all that stands there, comments too, stays as it is."""

import yaml


def with_source(text: str, name: str, fields: dict[str, str]) -> str:
    """
    Return the text of a `hooks.yaml` with one more source, before the others.

    Args:
        text: the file, which may be empty.
        name: of the source.
        fields: of the source.

    Raises:
        ValueError: nothing can be added by itself: it has this source, is not YAML, or has its sources in one line.
    """
    if not text.strip():
        return f"sources:\n{_lines(name, fields, '  ')}"
    sources = _sources(text)
    if name in {key.value for key, _ in sources.value if isinstance(key, yaml.ScalarNode)}:
        raise ValueError(f"it has a source {name} already")
    if sources.flow_style or not sources.value:
        raise ValueError("its sources do not stand each in lines of its own")
    first = sources.value[0][0].start_mark
    lines = text.splitlines(keepends=True)
    lines.insert(first.line, _lines(name, fields, " " * first.column))
    return "".join(lines)


def _sources(text: str) -> yaml.MappingNode:
    try:
        document = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ValueError("it is not YAML") from None
    pairs = document.value if isinstance(document, yaml.MappingNode) else []
    for key, value in pairs:
        if key.value == "sources" and isinstance(value, yaml.MappingNode):
            return value
    raise ValueError("it has no `sources` with a source below it")


def _lines(name: str, fields: dict[str, str], indent: str) -> str:
    inner = "".join(f"{indent}  {field}: {value}\n" for field, value in fields.items())
    return f"{indent}{name}:\n{inner}"
