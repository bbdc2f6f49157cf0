"""
Declarations of texts: of each text its workflow and name, and the values that its files may use.

They are made in the modules of `flows.texts`, which know nothing of Prefect and vendors: the gateway's page and
`hookline apply` import them too.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self, get_args

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticUndefined

from hookline.errors import ConfigurationError

DECLARATIONS: Final = "flows.texts"

_declared: dict[tuple[str, str], type["Text"]] = {}


class Values(BaseModel):
    """Values that belong together, such as those of one license; each has a description, and an example or default."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @classmethod
    def example(cls) -> Self:
        """Return the values of an invented case."""
        examples = {name: field.examples[0] for name, field in cls.model_fields.items() if field.examples}
        return cls(**examples)

    @classmethod
    def described(cls, of: str = "") -> dict[str, str]:
        """Return the meaning of each value; `licenses[].code` is of each one of a list."""
        found = {}
        for name, field in cls.model_fields.items():
            found[f"{of}{name}"] = field.description or ""
            for item in get_args(field.annotation):
                if isinstance(item, type) and issubclass(item, Values):
                    found |= item.described(f"{of}{name}[].")
        return found


class Text(Values):
    """
    One text of a workflow; its fields are the values that its files may use.

    A subclass names them: `class Receipt(Note, workflow="order-to-license", name="receipt")`.
    """

    workflow: ClassVar[str]
    name: ClassVar[str]
    kind: ClassVar[str]
    markdown: ClassVar[bool] = False
    """What a file places is escaped for Markdown."""
    to_customer: ClassVar[bool] = False
    """It is in the language of the customer; else in that of the firm."""
    blocks: ClassVar[bool] = False
    """Its files consist of named values, each a block."""

    def __init_subclass__(cls, *, workflow: str = "", name: str = "", **more: Any) -> None:
        """Take the place that a subclass names."""
        super().__init_subclass__(**more)
        if workflow:
            cls.workflow, cls.name = workflow, name

    @classmethod
    def __pydantic_init_subclass__(cls, **more: Any) -> None:
        """
        Register a text.

        Raises:
            ConfigurationError: a value has neither example nor default, so that it cannot be previewed.
        """
        if not more.get("workflow"):
            return
        for field, about in cls.model_fields.items():
            if not about.description or (not about.examples and about.default is PydanticUndefined):
                raise ConfigurationError(
                    f"{cls.__module__}.{cls.__name__}.{field} has no description, or neither example nor default: "
                    "the text could not be previewed. Add them."
                )
        _declared[cls.workflow, cls.name] = cls

    @classmethod
    def filled(cls, values: Mapping[str, Any]) -> tuple[Self, list[str]]:
        """Return the text with those of these values that it has, and the names of the others: examples."""
        own = {name: value for name, value in values.items() if name in cls.model_fields}
        example = cls.example()
        invented = [name for name in cls.model_fields if name not in own]
        return cls(**{name: getattr(example, name) for name in invented}, **own), invented


class Mail(Text):
    """The values that a stored broadcast of Sensorpro places in the mail to a customer."""

    kind = "mail"
    to_customer = True
    blocks = True


class Note(Text):
    """A plain text for people of the firm, such as a note on an order."""

    kind = "note"


class Artifact(Text):
    """A Markdown text in the Prefect UI."""

    kind = "artifact"
    markdown = True


def declared() -> Mapping[tuple[str, str], type[Text]]:
    """
    Return all texts by workflow and name.

    Raises:
        ConfigurationError: a module that declares some cannot be imported.
    """
    try:
        package = importlib.import_module(DECLARATIONS)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{DECLARATIONS}.{module.name}")
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"The texts cannot be read from {DECLARATIONS}: {type(error).__name__}: {error}"
        ) from error
    return dict(sorted(_declared.items()))
