"""YAML files that people write: read them, and name the place of a mistake."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from hookline.errors import ConfigurationError

Model = TypeVar("Model", bound=BaseModel)


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


def read_yaml(path: Path, model: type[Model]) -> Model:
    """
    Read a YAML file into a model.

    Raises:
        ConfigurationError: the file cannot be opened, is not YAML or does not fit; names the place.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506  (a SafeLoader)
    except OSError as error:
        raise ConfigurationError(f"Cannot read {path}: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # PyYAML raises ValueError for odd dates
        raise ConfigurationError(f"{path} is not YAML: {error}") from None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, problem['loc'])) or 'the file'}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise ConfigurationError(f"{path} is not right:\n  " + "\n  ".join(problems)) from None
