"""
Sandboxed Jinja2 for conditions, parameters and ordering keys.

A template that is one `{{ expression }}` gives the expression's value with its type; any other gives text.
A name that is not defined is an error, never an empty string: a typo must not start a flow on nothing.
"""

import re
from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, meta
from jinja2 import TemplateError as JinjaError
from jinja2.sandbox import ImmutableSandboxedEnvironment

NAMES = {
    "body": "the parsed JSON body",
    "headers": "the request's headers, names in lower case",
    "source": "the source's name",
    "delivery_id": "the sender's id of the delivery, or a digest of its body",
    "received_at": "when the delivery came, ISO 8601 in UTC",
}
MAX_OUTPUT = 20_000
_ONE_EXPRESSION = re.compile(r"\s*\{\{((?:(?!\}\}).)*)\}\}\s*", re.DOTALL)


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox; `body.items` is the body's own field of that name, not Python's method."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


_environment = _Environment(undefined=StrictUndefined, autoescape=False)
del _environment.globals["range"], _environment.globals["lipsum"]  # nothing here needs to make long things


class TemplateError(ValueError):
    """A template that cannot be read or rendered; the text says what is wrong with it."""


class Template:
    """One template of `hooks.yaml`, checked when made."""

    def __init__(self, text: str, *, expression: bool = False) -> None:
        """
        Compile a template; with `expression`, the text is a bare Jinja2 expression, such as a condition.

        Raises:
            TemplateError: it cannot be read, or uses a name that no delivery has.
        """
        self.text = text
        whole = _ONE_EXPRESSION.fullmatch(text)
        source = text if expression else whole[1] if whole else None
        try:
            tree = _environment.parse(text if source is None else "{{ " + source + " }}")
            if source is None:
                self._render = _environment.from_string(text).render
            else:
                self._render = _environment.compile_expression(source, undefined_to_none=False)  # type: ignore[assignment]
        except TemplateSyntaxError as error:
            raise TemplateError(f"cannot be read: {error.message}: {text}") from None
        if unknown := sorted(meta.find_undeclared_variables(tree) - set(NAMES)):
            raise TemplateError(f"uses {', '.join(unknown)}, but only {', '.join(NAMES)} are defined: {text}")

    def render(self, names: Mapping[str, Any]) -> Any:
        """
        The template's value for one delivery.

        Raises:
            TemplateError: something it uses is not in this delivery, or the result is too long.
        """
        try:
            value = self._render(**names)
            if isinstance(value, Undefined):
                str(value)  # a strict undefined explains itself by raising
        except JinjaError as error:
            raise TemplateError(f"{error.message}: {self.text}") from None
        except Exception as error:  # noqa: BLE001  (a template may divide by zero, index a number, …)
            raise TemplateError(f"{type(error).__name__}: {error}: {self.text}") from None
        if isinstance(value, str) and len(value) > MAX_OUTPUT:
            raise TemplateError(f"gives {len(value)} characters; {MAX_OUTPUT} are allowed: {self.text}")
        return value
